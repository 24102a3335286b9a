// What the tangent passes (joint.h, tangent_head.cpp) ask of the place they run in; matrix products are gemm.h's on every
// place. Tensors lie on the model's device and are of the model's type; sums of rows [R] are fp64, there too.
#pragma once

#include <memory>

#include "model.h"
#include "ops_heads.h"
#include "ops_tangent.h"

namespace lethe {

class TangentOps {
 public:
  explicit TangentOps(Workspace& workspace) : workspace(workspace) {}
  virtual ~TangentOps() = default;

  // As ops.h's functions of these names, over the batch's rows.
  virtual void embed(const at::Tensor& tokens, const at::Tensor& positions, const at::Tensor& out) = 0;
  virtual void embed_backward(const at::Tensor& gradient, const at::Tensor& d_tokens, const at::Tensor& d_positions) = 0;
  virtual void start_rows(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) = 0;
  virtual void column_sums(const at::Tensor& x, bool accumulate, const at::Tensor& out) = 0;
  virtual void layer_norm_backward(const NormGradient& gradient) = 0;
  virtual void head_norm_backward(const HeadNorm& norm, const HeadNormGradient& gradient) = 0;
  virtual void activate_backward(const Activating& how, const at::Tensor& x, const at::Tensor& bias,
                                 const at::Tensor& gradient, const at::Tensor& d_x) = 0;
  // x of any number of blocks of the batch's rows.
  virtual void turn(const QkvView& view, Direction direction, const at::Tensor& x) = 0;

  // As ops_tangent.h's, ops_heads.h's and tangent.h's.
  virtual void row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b,
                            double* out) = 0;
  virtual void layer_norm_tangent(const NormTangent& norm, const at::Tensor& bias, double epsilon,
                                  const at::Tensor& out) = 0;
  virtual void layer_norm_tangent_backward(const NormTangent& norm, const NormTangentGradient& gradient) = 0;
  virtual void head_norm_tangent(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions,
                                 double epsilon, const at::Tensor& out) = 0;
  virtual void head_norm_tangent_backward(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions,
                                          const NormTangentGradient& gradient) = 0;
  virtual void activate_tangent(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                                const SiteTangents& directions, const at::Tensor& out) = 0;
  virtual void activate_tangent_backward(const Activating& how, const Blocks& blocks, const at::Tensor& x,
                                         const at::Tensor& bias, const SiteTangents& directions,
                                         const at::Tensor& gradient, const at::Tensor& d_x) = 0;
  virtual void attention_tangent(const QkvView& view, const Blocks& blocks, const at::Tensor& qkv,
                                 const at::Tensor& out) = 0;
  virtual void attention_tangent_backward(const QkvView& view, const Blocks& blocks, bool hessian, const at::Tensor& qkv,
                                          const at::Tensor& d_out, const at::Tensor& d_qkv) = 0;
  // Logits of the target rows from `first` on.
  virtual void softmax_tangent(const at::Tensor& logits, const Blocks& blocks, int64_t first, bool with_value,
                               double* losses, double* sums) = 0;

  Workspace& workspace;  // of the passes
};

std::unique_ptr<TangentOps> make_tangent_ops(Model& model, const Batch& batch);  // on the CPU

}  // namespace lethe
