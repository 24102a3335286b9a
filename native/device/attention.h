// Causal self-attention over a ragged batch on the device, queries, keys and values being columns of one [sum T, 3C]
// matrix.
//
// bf16: libtorch's flash attention with cumulative lengths; fp32: its memory-efficient one. Both read the columns where
// they lie and pad nothing. fp64, and head sizes those kernels do not take: plain products, a run of equal lengths each.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "batch.h"
#include "layout.h"

namespace lethe::device {

struct State;
struct Sequences {
  const Batch& batch;
  at::Tensor offsets;  // [B + 1] int32 on the device
  int64_t longest;
};

// What the forward pass leaves for the backward one.
struct Attended {
  at::Tensor out;                // [sum T, C]
  std::vector<at::Tensor> kept;  // the kernel's own
};

Attended attention(const Shape& shape, const Sequences& sequences, const at::Tensor& qkv, bool keep);

// d_qkv [sum T, 3C], either `room` filled or memory of the kernel's; d_bias [3C] = or += its column sums.
at::Tensor attention_backward(State& state, const Shape& shape, const Sequences& sequences, const at::Tensor& qkv,
                              const Attended& attended, const at::Tensor& d_out, const at::Tensor& room, bool accumulate,
                              const at::Tensor& d_bias);

}  // namespace lethe::device
