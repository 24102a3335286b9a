// A walk's operations on a value and K of its tangents at once: Pearlmutter's R-operator (1994).
//
//   embedding  x' = wte'[id] + wpe'[place];  back: scatter of the stream's tangent
//   linear     Y' = X' W + X W' + b';  back: dX' = G' W^T + G W'^T,  dW' = X^T G' + X'^T G,  db' = column sums of G'
//   norm, activation: ops_tangent.h;  attention: tangent_attention.cpp;  what adds up adds up
// What there is to do is said here for every place; TangentOps (tangent_ops.h) does it there, and gemm.h the products.
// X and X' stand below one another, so X W and X' W are one product. Layers below the lowest chosen site have no
// tangents: they run on the value's rows alone and leave nothing behind, for no gradient comes down to them.
// Gauss-Newton has no G and no terms with it: the plain backward on each G'.
//
// v^T H_i v of a record needs no dense gradient: a linear site's share <W', dW'> + <b', db'> over the record's rows is
// <X W' + b', G'> + <X' W', G> = <Y', G'> - <X', dX'> + 2 <X', G W'^T>, all of them at hand on the way back.
#pragma once

#include "slots.h"
#include "tangent.h"
#include "tangent_ops.h"

namespace lethe {

class Joint : public Slots {
 public:
  Joint(Model& model, const Batch& batch, const Curvature& curvature, TangentOps& ops, const Cancel& cancel);

  // Joint hidden states [(1 + K) R, C]; tangents are absent (R rows only) when nothing in the trunk is chosen.
  at::Tensor joint_hidden() { return blocks_.all(hidden()); }
  // Joint; none when nothing in the trunk is chosen.
  at::Tensor hidden_gradient() {
    return curvature_.trunk() ? gradient(architecture().layers, architecture().tail.back().out) : at::Tensor();
  }

  void enter(int64_t block);  // tangents begin at the lowest chosen site's

  void embed(const at::Tensor& x);
  void norm(const At& at, const at::Tensor& x, const at::Tensor& out);
  void linear(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out);
  void head_norm(const At& at, const at::Tensor& x, const at::Tensor& out);
  void rotate(const At& at, const at::Tensor& x) const;
  void attention(const At& at, const at::Tensor& qkv, const at::Tensor& out);
  void activation(const At& at, const at::Tensor& x, const at::Tensor& out);

  void norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                     const at::Tensor& d_x);
  void linear_backward(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out,
                       const at::Tensor& g, const at::Tensor& d_x);
  void head_norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                          const at::Tensor& d_x);
  void rotate_backward(const At& at, const at::Tensor& x, const at::Tensor& g) const;
  void attention_backward(const At& at, const at::Tensor& qkv, const at::Tensor& out, const at::Tensor& g,
                          const at::Tensor& d_qkv);
  void activation_backward(const At& at, const at::Tensor& x, const at::Tensor& g, const at::Tensor& d_x);
  void embed_backward(const at::Tensor& x, const at::Tensor& g);

 private:
  void begin_tangents(const at::Tensor& x);
  void parameters(int64_t site, const at::Tensor& x, const at::Tensor& g);
  void adapter_tangent(const at::Tensor& direction, int64_t k, const at::Tensor& x, const at::Tensor& g,
                       const at::Tensor& d_x);
  // Of the linear site whose bias an activation adds.
  SiteTangents bias_directions(const At& at) const {
    return at.step.site == kNone ? SiteTangents() : curvature_.directions(site(at));
  }
  // v^T H v is summed on the way back; the Gauss-Newton form was complete at the head.
  bool quadratic() const { return curvature_.wants_quadratic() && curvature_.hessian(); }
  double* row_sums(int64_t k) const { return curvature_.row_sums() + k * blocks_.rows; }
  void start_rows(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) { ops_.start_rows(x, bias, out); }
  void column_sums(const at::Tensor& x, bool accumulate, const at::Tensor& out) { ops_.column_sums(x, accumulate, out); }
  void row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b, double* out) {
    ops_.row_products(factor, a, minus, b, out);
  }

  const Batch& batch_;
  const Curvature& curvature_;
  TangentOps& ops_;
  const Cancel cancel_;
  Blocks blocks_;  // no tangents below the lowest chosen site
};

}  // namespace lethe
