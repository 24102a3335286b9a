// Causal self-attention over a ragged batch on the device, queries, keys and values being columns of one matrix.
//
// bf16: libtorch's flash attention with cumulative lengths; fp32: its memory-efficient one, for which keys and values
// that heads share are copied to each. Both read the columns where they lie and pad nothing. fp64, and head sizes those
// kernels do not take: plain products, a run of equal lengths each.
#pragma once

#include <ATen/core/Tensor.h>

#include "architecture.h"
#include "batch.h"
#include "workspace.h"

namespace lethe::device {

struct State;
struct Sequences {
  const Batch& batch;
  at::Tensor offsets;  // [B + 1] int32 on the device
  int64_t longest;
};

struct Qkv {
  at::Tensor q, k, v;
};
// Views [rows, heads, d] of rows of qkv; or, undefined queries, of a cache's rows, which begin with the keys.
Qkv columns(const QkvView& view, const at::Tensor& qkv);
Qkv cached_columns(const QkvView& view, const at::Tensor& rows);

// qkv [sum T, view.width()]
Attended attention(const QkvView& view, const Sequences& sequences, const at::Tensor& qkv, bool keep);

// d_qkv, either `room` filled or memory of the kernel's; d_bias [view.width()], where defined, = or += its column sums.
at::Tensor attention_backward(State& state, const QkvView& view, const Sequences& sequences, const at::Tensor& qkv,
                              const Attended& attended, const at::Tensor& d_out, const at::Tensor& room, bool accumulate,
                              const at::Tensor& d_bias);

}  // namespace lethe::device
