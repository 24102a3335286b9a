// Curvature products by Pearlmutter's R-operator (Pearlmutter 1994): the walks (joint.h) carrying, beside every value
// x, its derivative x' along a direction of the parameters, written by hand and without an autograd graph.
//
// K directions share one pass. Buffers are "joint": blocks of R = sum T rows below one another, forward the value first
// and then its tangents [A; A'_1; ..; A'_K], backward the tangents first [G'_1; ..; G'_K; G], so that products with the
// model's own weights are one GEMM, and with K = 1 a weight's product A^T G' + A'^T G is one GEMM over 2R rows.
// Gauss-Newton keeps the tangents forward, takes G'_k = H_loss z'_k at the logits z and runs the plain backward pass on
// each (Schraudolph 2002); its joint gradients have no block G. Everything lies in the workspace of the plain passes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "batch.h"
#include "guard.h"
#include "model.h"
#include "ops_tangent.h"
#include "tangent_ops.h"

namespace lethe {

// A lethe_curvature checked against a model and a batch.
class Curvature {
 public:
  // Refuses what lethe.h does not allow: no or foreign vectors, a product that is also a direction, no site.
  Curvature(const Model& model, const Batch& batch, const lethe_curvature& options);

  bool hessian() const { return hessian_; }
  bool accumulate() const { return accumulate_; }
  int64_t count() const { return static_cast<int64_t>(directions_.size()); }  // K
  bool wants_products() const { return !products_.empty(); }
  bool wants_quadratic() const { return row_sums_.defined(); }
  bool chosen(int64_t site) const { return site >= 0 && chosen_[static_cast<size_t>(site)] != 0; }
  // The lowest layer with a tangent in it: 0 with an embedding, L when nothing below ln_f is chosen.
  int64_t first_layer() const { return first_layer_; }
  // Whether anything below the head is chosen, so that tangents reach it and gradients must go on.
  bool trunk() const { return trunk_; }

  Blocks blocks() const { return {rows_, count()}; }
  // Rows of a joint gradient: its blocks times R.
  int64_t gradient_rows() const { return (count() + (hessian_ ? 1 : 0)) * rows_; }
  SiteTangents directions(int64_t site) const;  // empty when not chosen
  SiteTangents products(int64_t site) const;    // empty when not chosen or not wanted
  // [K, R] shares of v^T H v, on the model's device.
  const at::Tensor& row_shares() const { return row_sums_; }
  double* row_sums() const { return row_sums_.defined() ? row_sums_.mutable_data_ptr<double>() : nullptr; }

  // Before the passes: what no pass writes is zeroed unless accumulating; with `all` everything is.
  void clear_products(bool all) const;
  // out [B, K]: sums over each record's rows, for the record's own mean loss.
  void record_quadratics(const Batch& batch, double* out) const;

 private:
  SiteTangents views(const std::vector<const lethe_vector*>& vectors, int64_t site) const;

  const Layout& layout_;
  bool hessian_, accumulate_;
  int64_t rows_, first_layer_;
  bool trunk_;
  std::vector<const lethe_vector*> directions_, products_;
  std::vector<uint8_t> chosen_;
  at::Tensor row_sums_;
};

// ---- tangent_head.cpp

// Losses of the target rows [targets], the head's products, and, unless nothing in the trunk is chosen, the joint gradient
// at the joint hidden states. Refuses losses that are not finite.
std::vector<double> tangent_head(Model& model, const Batch& batch, const Curvature& curvature, TangentOps& ops,
                                 const at::Tensor& hidden, const at::Tensor& hidden_gradient, const Cancel& cancel);

// ---- tangent_attention.cpp

// Joint out from joint qkv, K of `blocks`.
void attention_tangent(const QkvView& view, const Batch& batch, const Blocks& blocks, const at::Tensor& qkv,
                       const at::Tensor& out, Slab& scratch);
// d_qkv from d_out, both joint gradients. hessian: of the tangent pass, else the plain backward of each block.
void attention_tangent_backward(const QkvView& view, const Batch& batch, const Blocks& blocks, bool hessian,
                                const at::Tensor& qkv, const at::Tensor& d_out, const at::Tensor& d_qkv, Slab& scratch);

}  // namespace lethe
