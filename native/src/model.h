// A model: flat buffers, views of their parts, and the memory its passes work in. Holds no arithmetic.
//
// The handles of lethe.h are these structs themselves. live_handles counts models and free vectors.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "device.h"
#include "gemm.h"
#include "layout.h"
#include "lethe.h"
#include "workspace.h"

namespace lethe {

extern std::atomic<int64_t> live_handles;

struct LiveHandle {
  LiveHandle() { live_handles.fetch_add(1, std::memory_order_relaxed); }
  LiveHandle(const LiveHandle&) = delete;
  LiveHandle& operator=(const LiveHandle&) = delete;
  ~LiveHandle() { live_handles.fetch_sub(1, std::memory_order_relaxed); }
};

class Base;

struct Model {
  // `base`: of a layout with adapters, and only there.
  Model(Layout layout, at::ScalarType dtype, DevicePlace place = {at::kCPU, nullptr},
        std::shared_ptr<const Base> base = nullptr);

  const Shape& shape() const { return layout.shape(); }
  at::TensorOptions options() const { return at::TensorOptions().dtype(dtype).device(device); }
  bool on_cpu() const { return path == nullptr; }

  // [rows, columns] or [columns] views of a part by its index in the layout; undefined for the index of none, a frozen
  // one's gradient too. A frozen matrix may be of a narrower type (base.h).
  const at::Tensor& parameter(int64_t part) const { return view(parameter_views, part); }
  const at::Tensor& gradient(int64_t part) const { return view(gradient_views, part); }
  // Views by site; for a tied head the weight is the embedding's, for the site -1 there is none.
  const at::Tensor& weight(int64_t site) const { return parameter(layout.weight_of(site)); }
  const at::Tensor& bias(int64_t site) const { return parameter(layout.bias_of(site)); }
  const at::Tensor& weight_gradient(int64_t site) const { return gradient(layout.weight_of(site)); }
  const at::Tensor& bias_gradient(int64_t site) const { return gradient(layout.bias_of(site)); }

  // A whole flat buffer [P] by LETHE_PARAMETERS...; undefined while moments do not exist yet.
  const at::Tensor& buffer(int32_t which) const;
  void allocate_moments();  // zeros, once
  // To be called after every write of parameters: a device keeps them in its compute type too.
  void parameters_changed() const {
    if (path != nullptr) path->parameters_changed();
  }

  Layout layout;
  at::ScalarType dtype;  // kFloat or kDouble
  at::Device device;
  std::shared_ptr<DevicePath> path;  // NULL on the CPU
  std::shared_ptr<const Base> base;  // NULL without adapters
  at::Tensor parameters, gradients, moment1, moment2;  // [P] each
  std::vector<at::Tensor> parameter_views, gradient_views;
  Rounding rounding = Rounding::kNone;  // CPU: of matrix products' operands
  Workspace workspace;
  LiveHandle live;

 private:
  static const at::Tensor& view(const std::vector<at::Tensor>& views, int64_t part) {
    static const at::Tensor none;
    return part < 0 ? none : views[static_cast<size_t>(part)];
  }
};

// [P] zeros, 64-byte aligned, in huge pages where the system gives them.
at::Tensor flat_zeros(int64_t count, at::ScalarType dtype, at::Device device);

// A view of each part of `flat` in the layout's order; of a turned one its columns are contiguous, not its rows. Of a
// frozen one undefined.
std::vector<at::Tensor> views_of(const Layout& layout, const at::Tensor& flat);

at::ScalarType scalar_type(int32_t dtype);  // of a LETHE_* dtype; refuses unknown ones

}  // namespace lethe

// A free vector keeps the layout of the model it was made for, so that it outlives it; a borrowed one is a buffer of a
// model, which owns it.
struct lethe_vector final {
  explicit lethe_vector(const lethe::Model& model);          // free, zeros
  lethe_vector(const lethe::Model& model, int32_t buffer);  // borrowed

  bool borrowed() const { return !live.has_value(); }
  // To be called before its values change, unless the model is on the CPU.
  void changes() const {
    if (parameters && path != nullptr) path->parameters_changed();
  }

  lethe::Layout layout;
  std::shared_ptr<lethe::DevicePath> path;  // NULL on the CPU
  bool parameters;                          // a model's own
  at::Tensor values;                        // [P]
  std::vector<at::Tensor> views;
  std::optional<lethe::LiveHandle> live;  // of a free one
};

struct lethe_model final : lethe::Model {
  using lethe::Model::Model;

  lethe_vector* vector(int32_t buffer);  // borrowed, made when first asked for

 private:
  std::array<std::unique_ptr<lethe_vector>, 4> vectors_;
};
