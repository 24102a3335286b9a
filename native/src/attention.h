// Causal self-attention over a ragged batch: each record's heads are read from the flat [sum T, 3C] buffer as they lie;
// nothing is padded.
#pragma once

#include <ATen/core/Tensor.h>

#include "batch.h"
#include "layout.h"
#include "workspace.h"

namespace lethe {

// out [sum T, C] from qkv [sum T, 3C]. log_sum_exp [heads, sum T], of the scaled scores, is what the backward pass needs;
// undefined = not wanted.
void attention(const Shape& shape, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
               const at::Tensor& log_sum_exp, Slab& scratch);

struct AttentionGradient {
  const at::Tensor& qkv;          // [sum T, 3C] as the forward pass had it
  const at::Tensor& out;          // [sum T, C] what it made
  const at::Tensor& log_sum_exp;  // [heads, sum T]
  const at::Tensor& d_out;        // [sum T, C]
  const at::Tensor& d_qkv;        // [sum T, 3C] overwritten
};
void attention_backward(const Shape& shape, const Batch& batch, const AttentionGradient& gradient, Slab& scratch);

}  // namespace lethe
