// Causal self-attention over a ragged batch: runs of equally long records go to one fused kernel call as strided views
// of the flat [sum T, 3C] buffer; nothing is padded or copied in.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "batch.h"
#include "layout.h"

namespace lethe {

// out [sum T, C] from qkv [sum T, 3C]. log_sum_exp, if not NULL, receives what the backward kernel needs, a tensor a
// run.
void attention(const Shape& shape, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
               std::vector<at::Tensor>* log_sum_exp);

// d_qkv [sum T, 3C] from d_out [sum T, C] and the forward pass's tensors.
void attention_backward(const Shape& shape, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
                        const std::vector<at::Tensor>& log_sum_exp, const at::Tensor& d_out, const at::Tensor& d_qkv);

}  // namespace lethe
