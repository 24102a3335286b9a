// Memory of the passes that is kept from step to step: it grows to the largest batch seen and is never given back
// before the model is, because returning large blocks to the system costs page faults on every step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "architecture.h"

namespace lethe {

// One growing block; get() hands out a contiguous [rows, columns] view of its beginning, contents unspecified. It keeps
// the view for the next call of the same size.
class Slab {
 public:
  at::Tensor get(const at::TensorOptions& options, int64_t rows, int64_t columns);
  at::Tensor get(const at::TensorOptions& options, int64_t count);

 private:
  at::Tensor store_, view_;
};

// What a device's attention kernel made, where it put it: its output, and what its backward pass wants.
struct Attended {
  at::Tensor out;  // [sum T, heads * head size]
  std::vector<at::Tensor> kept;
};

// What a block leaves for its backward pass, as its architecture numbers it.
struct BlockSlabs {
  std::vector<Slab> slots;  // [sum T, width] each
  std::vector<Slab> notes;  // of each step: [2, sum T] mean and 1/deviation of a norm, [heads, sum T] of attention
  Attended attended;        // on a device
};

struct Workspace {
  Workspace() = default;
  explicit Workspace(const Architecture& architecture);

  // Room [rows, width] for the gradient at a slot.
  at::Tensor gradient(const Slot& slot, const at::TensorOptions& options, int64_t rows) {
    return gradients[static_cast<size_t>(slot.gradient)].get(options, rows, slot.width);
  }

  std::vector<BlockSlabs> blocks;  // L and the tail
  std::vector<Slab> gradients;     // [sum T, width] the slots' gradients; the architecture says which share one
  Slab target_hidden;              // [targets, C] gathered rows of the final hidden states
  Slab target_gradient;            // [targets, C]
  Slab logits;                     // [chunk, V]
  Slab record_norms;               // [2 B, C] a norm's gradients record by record, for an observer
  Slab partials;  // sums of row blocks, added up in a fixed order; the threads' scratch of attention
};

}  // namespace lethe
