// The tangent passes' operations on the CPU.
#include "tangent_ops.h"

#include "slots.h"
#include "tangent.h"

namespace lethe {
namespace {

class CpuTangents final : public TangentOps {
 public:
  CpuTangents(Model& model, const Batch& batch)
      : TangentOps(model.workspace), batch_(batch), turns_(turns_of(model, batch)) {}

  void embed(const at::Tensor& tokens, const at::Tensor& positions, const at::Tensor& out) override {
    lethe::embed(tokens, positions, batch_, out);
  }
  void embed_backward(const at::Tensor& gradient, const at::Tensor& d_tokens, const at::Tensor& d_positions) override {
    lethe::embed_backward(gradient, batch_, d_tokens, d_positions);
  }
  void start_rows(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) override {
    lethe::start_rows(x, bias, out);
  }
  void column_sums(const at::Tensor& x, bool accumulate, const at::Tensor& out) override {
    lethe::column_sums(x, accumulate, out);
  }
  void layer_norm_backward(const NormGradient& gradient) override {
    lethe::layer_norm_backward(gradient, workspace.partials);
  }
  void head_norm_backward(const HeadNorm& norm, const HeadNormGradient& gradient) override {
    lethe::head_norm_backward(norm, gradient, workspace.partials);
  }
  void activate_backward(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& gradient,
                         const at::Tensor& d_x) override {
    lethe::activate_backward(how, x, bias, gradient, d_x);
  }
  void turn(const QkvView& view, Direction direction, const at::Tensor& x) override {
    lethe::turn(view, turns_, direction, x);
  }

  void row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b,
                    double* out) override {
    lethe::row_products(factor, a, minus, b, out);
  }
  void layer_norm_tangent(const NormTangent& norm, const at::Tensor& bias, double epsilon,
                          const at::Tensor& out) override {
    lethe::layer_norm_tangent(norm, bias, epsilon, out);
  }
  void layer_norm_tangent_backward(const NormTangent& norm, const NormTangentGradient& gradient) override {
    lethe::layer_norm_tangent_backward(norm, gradient, workspace.partials);
  }
  void head_norm_tangent(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions, double epsilon,
                         const at::Tensor& out) override {
    lethe::head_norm_tangent(norm, blocks, directions, epsilon, out);
  }
  void head_norm_tangent_backward(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions,
                                  const NormTangentGradient& gradient) override {
    lethe::head_norm_tangent_backward(norm, blocks, directions, gradient, workspace.partials);
  }
  void activate_tangent(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                        const SiteTangents& directions, const at::Tensor& out) override {
    lethe::activate_tangent(how, blocks, x, bias, directions, out);
  }
  void activate_tangent_backward(const Activating& how, const Blocks& blocks, const at::Tensor& x,
                                 const at::Tensor& bias, const SiteTangents& directions, const at::Tensor& gradient,
                                 const at::Tensor& d_x) override {
    lethe::activate_tangent_backward(how, blocks, x, bias, directions, gradient, d_x);
  }
  void attention_tangent(const QkvView& view, const Blocks& blocks, const at::Tensor& qkv,
                         const at::Tensor& out) override {
    lethe::attention_tangent(view, batch_, blocks, qkv, out, workspace.partials);
  }
  void attention_tangent_backward(const QkvView& view, const Blocks& blocks, bool hessian, const at::Tensor& qkv,
                                  const at::Tensor& d_out, const at::Tensor& d_qkv) override {
    lethe::attention_tangent_backward(view, batch_, blocks, hessian, qkv, d_out, d_qkv, workspace.partials);
  }
  void softmax_tangent(const at::Tensor& logits, const Blocks& blocks, int64_t first, bool with_value, double* losses,
                       double* sums) override {
    std::vector<double> scales(static_cast<size_t>(blocks.rows));
    for (size_t i = 0; i < scales.size(); ++i)
      scales[i] = batch_.target_scale(batch_.target_records()[static_cast<size_t>(first) + i]);
    lethe::softmax_tangent(logits, {.blocks = blocks,
                                    .targets = batch_.target_tokens().data() + first,
                                    .scales = scales.data(),
                                    .with_value = with_value,
                                    .losses = losses,
                                    .sums = sums});
  }

 private:
  const Batch& batch_;
  const Turns turns_;  // of the rows
};

}  // namespace

std::unique_ptr<TangentOps> make_tangent_ops(Model& model, const Batch& batch) {
  return std::make_unique<CpuTangents>(model, batch);
}

}  // namespace lethe
