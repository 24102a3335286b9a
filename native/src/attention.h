// Causal self-attention over a ragged batch: each record's heads are read from the flat qkv buffer as they lie; nothing
// is padded. Heads that share a key head go back as one task, so that its gradient is summed in their order.
#pragma once

#include <ATen/core/Tensor.h>

#include "architecture.h"
#include "batch.h"
#include "workspace.h"

namespace lethe {

// out [sum T, view.out()] from qkv [sum T, view.width()]. log_sum_exp [heads, sum T], of the scaled scores, is what the
// backward pass needs; undefined = not wanted.
void attention(const QkvView& view, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
               const at::Tensor& log_sum_exp, Slab& scratch);

struct AttentionGradient {
  const at::Tensor& qkv;          // as the forward pass had it
  const at::Tensor& out;          // what it made
  const at::Tensor& log_sum_exp;  // [heads, sum T]
  const at::Tensor& d_out;        // as out
  const at::Tensor& d_qkv;        // as qkv, overwritten
};
void attention_backward(const QkvView& view, const Batch& batch, const AttentionGradient& gradient, Slab& scratch);

}  // namespace lethe
