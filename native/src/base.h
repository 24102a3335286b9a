// A frozen base: the tensors of a checkpoint, read where its files are mapped, for models that train adapters over it.
//
// On the CPU matrices stay in the files' type, and vectors and learned positions, which loops read element by element,
// are copied into the model's type; an fp64 model, which is for tests, copies all. On a device all are copied once, in
// the type that is computed in. Shared by its models, read-only; the last one lets the files go.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "layout.h"
#include "lethe.h"
#include "model.h"

namespace lethe {

class Base {
 public:
  // `tensors` in the order of the layout's. Refuses files that are missing or too short, and unknown types.
  Base(Layout layout, at::ScalarType compute, const DevicePlace& place, const lethe_base_tensor* tensors, int64_t count);

  const Layout& layout() const { return layout_; }  // of the model without adapters
  at::ScalarType compute() const { return compute_; }
  bool on_device() const { return on_device_; }
  // As a checkpoint has it, [rows, columns] or [columns], by its name; undefined where there is none.
  const at::Tensor& tensor(const std::string& name) const;

 private:
  const Layout layout_;
  const at::ScalarType compute_;
  const bool on_device_;
  std::vector<at::Tensor> tensors_;
};

// A frozen tensor with its adapter put in, W + scale * A B in fp32 (an fp64 model's in fp64), as a checkpoint has it and
// of a LETHE_* dtype. `tensor` is its number in the model's layout.
void write_merged(const Model& model, int64_t tensor, int32_t dtype, void* out, int64_t bytes);

}  // namespace lethe

struct lethe_base final {
  std::shared_ptr<const lethe::Base> base;
  lethe::LiveHandle live;
};
