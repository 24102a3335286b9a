// RMS norm of each head's queries and keys (Qwen3), values passed on: the norms of ops.h and ops_tangent.h over rows of
// one head, copied out of qkv and back.
//
// A site's weight is [2 d], the queries' and the keys'. statistics [2 (heads + kv_heads), R].
#pragma once

#include "architecture.h"
#include "ops.h"
#include "ops_tangent.h"

namespace lethe {

struct HeadNorm {
  const QkvView& view;
  const at::Tensor& x;           // qkv [R, view.width()], or joint
  const at::Tensor& statistics;  // out forward, in backward
  const at::Tensor& weight;      // [2 d]
};
void head_norm(const HeadNorm& norm, double epsilon, const at::Tensor& out);

struct HeadNormGradient {
  const at::Tensor& output;    // at the norm's output
  const at::Tensor& d_x;       // overwritten
  const at::Tensor& d_weight;  // [2 d]
  bool accumulate;
};
void head_norm_backward(const HeadNorm& norm, const HeadNormGradient& gradient, Slab& partials);

// weight [B, 2 d]: each record's share of d_weight
void head_norm_records(const HeadNorm& norm, const at::Tensor& output, const Batch& batch, const at::Tensor& weight);

// x and out joint.
void head_norm_tangent(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions, double epsilon,
                       const at::Tensor& out);
// The gradient's stream is overwritten.
void head_norm_tangent_backward(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions,
                                const NormTangentGradient& gradient, Slab& partials);

}  // namespace lethe
