// The tangent passes' operations on the device, in the model's own type whatever the compute type is.
#pragma once

#include "../src/tangent_ops.h"
#include "state.h"

namespace lethe::device {

// Over the batch whose tables are uploaded and grouped.
std::unique_ptr<TangentOps> make_tangent_ops(State& state, Model& model, const Batch& batch);

// As src/tangent.h's. Scores of some records and heads at a time, within a gigabyte, by batched products around a kernel
// for the softmax: T^2 numbers a head are written and read a few times over, and every run of records of one length takes
// launches of its own.
void attention_tangent(State& state, const QkvView& view, const Batch& batch, const Blocks& blocks,
                       const at::Tensor& qkv, const at::Tensor& out);
void attention_tangent_backward(State& state, const QkvView& view, const Batch& batch, const Blocks& blocks, bool hessian,
                                const at::Tensor& qkv, const at::Tensor& d_out, const at::Tensor& d_qkv);

}  // namespace lethe::device
