// Memory of the passes that is kept from step to step: it grows to the largest batch seen and is never given back
// before the model is, because returning large blocks to the system costs page faults on every step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace lethe {

// One growing block; get() hands out a contiguous [rows, columns] view of its beginning, contents unspecified.
class Slab {
 public:
  at::Tensor get(const at::TensorOptions& options, int64_t rows, int64_t columns);
  at::Tensor get(const at::TensorOptions& options, int64_t count);

 private:
  at::Tensor store_;
};

// What a layer leaves for its backward pass.
struct LayerSlabs {
  Slab input;                           // [sum T, C] residual stream entering the layer
  Slab normed1, qkv, attended, middle;  // [sum T, C] [sum T, 3C] [sum T, C] [sum T, C]
  Slab normed2, expanded, activated;    // [sum T, C] [sum T, inner] (without bias) [sum T, inner]
  Slab statistics1, statistics2;        // [2, sum T] mean and 1/deviation of ln_1 and ln_2
  Slab log_sum_exp;                     // [heads, sum T] of the attention scores
};

struct Workspace {
  std::vector<LayerSlabs> layers;
  Slab output;            // [sum T, C] residual stream leaving the last layer
  Slab final_normed;      // [sum T, C]
  Slab final_statistics;  // [2, sum T]
  Slab target_hidden;     // [targets, C] gathered rows of final_normed
  Slab target_gradient;   // [targets, C]
  Slab logits;            // [chunk, V]
  Slab stream_gradient;   // [sum T, C] gradient of the residual stream
  Slab wide_gradient;     // [sum T, max(3C, inner)]
  Slab narrow_gradient;   // [sum T, C]
  Slab normalized;        // [sum T, C] x-hat for an observer
  Slab partials;          // sums of row blocks, added up in a fixed order; the threads' scratch of attention
};

}  // namespace lethe
