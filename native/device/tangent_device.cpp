// Launches of the tangent passes' kernels, and libtorch where a plain operator will do.
#include "tangent_device.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include "../kernels/tangents.h"
#include "heads.h"
#include "ops.h"

namespace lethe::device {
namespace {

const void* pointer(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }
void* room(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr() : nullptr; }
at::Tensor of(const std::vector<at::Tensor>& list, int64_t k) {
  return list.empty() ? at::Tensor() : list[static_cast<size_t>(k)];
}

// A norm of rows or of stretches of them and one direction.
struct Tangent {
  Norm kind;
  at::Tensor x;
  at::Tensor tangent;
  at::Tensor statistics;
  at::Tensor weight;
  at::Tensor d_weight;
  at::Tensor d_bias;

  int64_t each() const { return x.size(1) / weight.size(0); }
  kernels::NormTangent job(const at::Tensor& out) const {
    return {.real = element_of(x),
            .rms = kind == Norm::kRms,
            .x = pointer(x),
            .tangent = pointer(tangent),
            .statistics = pointer(statistics),
            .weight = pointer(weight),
            .d_weight = pointer(d_weight),
            .d_bias = pointer(d_bias),
            .rows = {x.size(0), each(), weight.size(0), x.stride(0)},
            .out = room(out)};
  }
};

// What goes back through it.
struct Back {
  at::Tensor output;
  at::Tensor output_tangent;
  at::Tensor stream;
  bool first;  // nothing is in the stream yet
  at::Tensor weight_product;
  at::Tensor bias_product;
  bool accumulate;
  double* row_sums;  // [R], or NULL
};

class DeviceTangents final : public TangentOps {
 public:
  DeviceTangents(State& state, Model& model, const Batch& batch)
      : TangentOps(state.work), state_(state), model_(model), batch_(batch) {}

  void embed(const at::Tensor& tokens, const at::Tensor& positions, const at::Tensor& out) override {
    device::embed(state_, tokens, positions, out);
  }
  void embed_backward(const at::Tensor& gradient, const at::Tensor& d_tokens, const at::Tensor& d_positions) override {
    device::embed_backward(state_, gradient, d_tokens, d_positions);
  }
  void start_rows(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) override {
    at::Tensor to = out;
    if (x.defined() && bias.defined()) {
      at::add_out(to, x, bias);
    } else if (x.defined() || bias.defined()) {
      to.copy_(x.defined() ? x : bias.expand_as(out));
    } else {
      to.zero_();
    }
  }
  void column_sums(const at::Tensor& x, bool accumulate, const at::Tensor& out) override {
    device::column_sums(state_, x.contiguous(), accumulate, out);
  }
  void turn(const QkvView& view, Direction direction, const at::Tensor& x) override {
    for (int64_t first = 0; first < x.size(0); first += batch_.rows())
      device::turn(state_, view, state_.tables.positions, direction, x.narrow(0, first, batch_.rows()));
  }
  void row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b,
                    double* out) override;

  void layer_norm_backward(const lethe::NormGradient& gradient) override;
  void layer_norm_tangent(const NormTangent& norm, const at::Tensor& bias, double epsilon,
                          const at::Tensor& out) override;
  void layer_norm_tangent_backward(const NormTangent& norm, const NormTangentGradient& gradient) override;
  void head_norm_backward(const HeadNorm& norm, const HeadNormGradient& gradient) override;
  void head_norm_tangent(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions, double epsilon,
                         const at::Tensor& out) override;
  void head_norm_tangent_backward(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions,
                                  const NormTangentGradient& gradient) override;

  void activate_backward(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& gradient,
                         const at::Tensor& d_x) override {
    device::activate_backward(state_, how, x, bias, gradient, d_x, false, {});
  }
  void activate_tangent(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                        const SiteTangents& directions, const at::Tensor& out) override;
  void activate_tangent_backward(const Activating& how, const Blocks& blocks, const at::Tensor& x,
                                 const at::Tensor& bias, const SiteTangents& directions, const at::Tensor& gradient,
                                 const at::Tensor& d_x) override;

  void attention_tangent(const QkvView& view, const Blocks& blocks, const at::Tensor& qkv,
                         const at::Tensor& out) override {
    device::attention_tangent(state_, view, batch_, blocks, qkv, out);
  }
  void attention_tangent_backward(const QkvView& view, const Blocks& blocks, bool hessian, const at::Tensor& qkv,
                                  const at::Tensor& d_out, const at::Tensor& d_qkv) override {
    device::attention_tangent_backward(state_, view, batch_, blocks, hessian, qkv, d_out, d_qkv);
  }
  void softmax_tangent(const at::Tensor& logits, const Blocks& blocks, int64_t first, bool with_value, double* losses,
                       double* sums) override;

 private:
  void back(const Tangent& norm, const Back& g);
  // The plain backward of a norm, or of its stretches, whose parameters' gradients nobody wants.
  void value_back(const Tangent& norm, const at::Tensor& output, const at::Tensor& stream, bool first);
  kernels::ActivationTangent activation(const Activating& how, const Blocks& blocks, const at::Tensor& x,
                                        const at::Tensor& bias, const SiteTangents& directions, int64_t k) const;

  State& state_;
  Model& model_;
  const Batch& batch_;
};

void DeviceTangents::row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b,
                                  double* out) {
  const at::Tensor left = a.contiguous(), right = b.contiguous(), less = minus.defined() ? minus.contiguous() : minus;
  launched(kernels::row_products({.real = element_of(left),
                                  .factor = factor,
                                  .a = pointer(left),
                                  .one_row = left.size(0) == 1,
                                  .minus = pointer(less),
                                  .b = pointer(right),
                                  .rows = right.size(0),
                                  .columns = right.size(1),
                                  .out = out},
                                 stream_of(state_)),
           "row_products");
}

// ---- norms

void DeviceTangents::layer_norm_backward(const lethe::NormGradient& g) {
  norm_backward(state_, {.kind = g.kind,
                         .x = g.x,
                         .statistics = g.statistics,
                         .weight = g.weight,
                         .output = g.output,
                         .stream = g.stream,
                         .first = false,
                         .d_weight = g.d_weight,
                         .d_bias = g.d_bias,
                         .accumulate = g.accumulate,
                         .record_weight = {},
                         .record_bias = {}});
}

void DeviceTangents::layer_norm_tangent(const NormTangent& norm, const at::Tensor& bias, double epsilon,
                                        const at::Tensor& out) {
  const Blocks& blocks = norm.blocks;
  const at::Tensor x = blocks.value(norm.x);
  layer_norm(state_, norm.kind, x, norm.weight, bias, epsilon, norm.statistics, blocks.value(out));
  for (int64_t k = 0; k < blocks.tangents; ++k) {
    const Tangent one{norm.kind, x, blocks.tangent(norm.x, k), norm.statistics, norm.weight,
                      of(norm.directions.weight, k), of(norm.directions.bias, k)};
    launched(kernels::norm_tangent(one.job(blocks.tangent(out, k)), stream_of(state_)), "norm_tangent");
  }
}

void DeviceTangents::back(const Tangent& norm, const Back& g) {
  const int64_t rows = norm.x.size(0), parts = g.bias_product.defined() ? 2 : 1;
  at::Tensor partials, shares;
  if (g.weight_product.defined())
    partials = state_.work.partials.get(model_.options(),
                                        state_.tables.chunks.count * norm.each() * parts * norm.weight.size(0));
  if (g.row_sums != nullptr) shares = at::empty({rows, norm.each()}, model_.options().dtype(at::kDouble));
  launched(kernels::norm_tangent_backward({.forward = norm.job({}),
                                           .output = pointer(g.output),
                                           .output_tangent = pointer(g.output_tangent),
                                           .chunks = state_.tables.chunks,
                                           .overwrite_stream = g.first,
                                           .stream = room(g.stream),
                                           .partials = room(partials),
                                           .accumulate = g.accumulate,
                                           .weight_product = room(g.weight_product),
                                           .bias_product = room(g.bias_product),
                                           .shares = static_cast<double*>(room(shares))},
                                          stream_of(state_)),
           "norm_tangent_backward");
  if (g.row_sums != nullptr) row_products(1, at::ones({1, norm.each()}, shares.options()), {}, shares, g.row_sums);
}

void DeviceTangents::value_back(const Tangent& norm, const at::Tensor& output, const at::Tensor& stream, bool first) {
  norm_backward(state_, {.kind = norm.kind,
                         .x = norm.x,
                         .statistics = norm.statistics,
                         .weight = norm.weight,
                         .output = output,
                         .stream = stream,
                         .first = first,
                         .d_weight = state_.work.record_norms.get(model_.options(), norm.weight.size(0)),
                         .d_bias = {},
                         .accumulate = false,
                         .record_weight = {},
                         .record_bias = {}});
}

void DeviceTangents::layer_norm_tangent_backward(const NormTangent& norm, const NormTangentGradient& g) {
  const Blocks& blocks = norm.blocks;
  const at::Tensor x = blocks.value(norm.x), output = blocks.gradient(g.output);
  for (int64_t k = 0; k < blocks.tangents; ++k)
    back({norm.kind, x, blocks.tangent(norm.x, k), norm.statistics, norm.weight, of(norm.directions.weight, k),
          of(norm.directions.bias, k)},
         {output, blocks.gradient_tangent(g.output, k), blocks.gradient_tangent(g.stream, k), false,
          of(g.products.weight, k), of(g.products.bias, k), g.accumulate,
          g.row_sums == nullptr ? nullptr : g.row_sums + k * blocks.rows});
  value_back({norm.kind, x, x, norm.statistics, norm.weight, {}, {}}, output, blocks.gradient(g.stream), false);
}

void DeviceTangents::head_norm_backward(const HeadNorm& norm, const HeadNormGradient& g) {
  values(norm.view, g.d_x).copy_(values(norm.view, g.output));
  queries_and_keys(norm.view, [&](auto columns, auto share, auto notes) {
    norm_backward(state_, {.kind = Norm::kRms,
                           .x = columns(norm.x),
                           .statistics = notes(norm.statistics),
                           .weight = share(norm.weight),
                           .output = columns(g.output),
                           .stream = columns(g.d_x),
                           .first = true,
                           .d_weight = share(g.d_weight),
                           .d_bias = {},
                           .accumulate = g.accumulate,
                           .record_weight = {},
                           .record_bias = {}});
  });
}

void DeviceTangents::head_norm_tangent(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions,
                                       double epsilon, const at::Tensor& out) {
  values(norm.view, out).copy_(values(norm.view, norm.x));
  queries_and_keys(norm.view, [&](auto columns, auto share, auto notes) {
    const at::Tensor x = columns(blocks.value(norm.x)), weight = share(norm.weight), statistics = notes(norm.statistics);
    layer_norm(state_, Norm::kRms, x, weight, {}, epsilon, statistics, columns(blocks.value(out)));
    for (int64_t k = 0; k < blocks.tangents; ++k) {
      const Tangent one{Norm::kRms, x, columns(blocks.tangent(norm.x, k)), statistics, weight,
                        share(of(directions.weight, k)), {}};
      launched(kernels::norm_tangent(one.job(columns(blocks.tangent(out, k))), stream_of(state_)), "norm_tangent");
    }
  });
}

void DeviceTangents::head_norm_tangent_backward(const HeadNorm& norm, const Blocks& blocks,
                                                const SiteTangents& directions, const NormTangentGradient& g) {
  values(norm.view, g.stream).copy_(values(norm.view, g.output));
  queries_and_keys(norm.view, [&](auto columns, auto share, auto notes) {
    const at::Tensor x = columns(blocks.value(norm.x)), weight = share(norm.weight), statistics = notes(norm.statistics);
    const at::Tensor output = columns(blocks.gradient(g.output));
    for (int64_t k = 0; k < blocks.tangents; ++k)
      back({Norm::kRms, x, columns(blocks.tangent(norm.x, k)), statistics, weight, share(of(directions.weight, k)), {}},
           {output, columns(blocks.gradient_tangent(g.output, k)), columns(blocks.gradient_tangent(g.stream, k)), true,
            share(of(g.products.weight, k)), {}, g.accumulate,
            g.row_sums == nullptr ? nullptr : g.row_sums + k * blocks.rows});
    value_back({Norm::kRms, x, x, statistics, weight, {}, {}}, output, columns(blocks.gradient(g.stream)), true);
  });
}

// ---- activations and the loss

kernels::ActivationTangent DeviceTangents::activation(const Activating& how, const Blocks& blocks, const at::Tensor& x,
                                                      const at::Tensor& bias, const SiteTangents& directions,
                                                      int64_t k) const {
  return {.kind = static_cast<kernels::Activation>(how.kind),
          .gated = how.gated,
          .real = element_of(x),
          .x = pointer(x),
          .tangent = pointer(blocks.tangent(x, k)),
          .bias = pointer(bias),
          .d_bias = pointer(of(directions.bias, k)),
          .rows = blocks.rows,
          .columns = how.gated ? x.size(1) / 2 : x.size(1),
          .out = nullptr};
}

void DeviceTangents::activate_tangent(const Activating& how, const Blocks& blocks, const at::Tensor& x,
                                      const at::Tensor& bias, const SiteTangents& directions, const at::Tensor& out) {
  for (int64_t k = 0; k < blocks.tangents; ++k) {
    kernels::ActivationTangent job = activation(how, blocks, x, bias, directions, k);
    job.out = room(blocks.tangent(out, k));
    launched(kernels::activation_tangent(job, stream_of(state_)), "activation_tangent");
  }
  activate(state_, how, blocks.value(x), bias, blocks.value(out));
}

void DeviceTangents::activate_tangent_backward(const Activating& how, const Blocks& blocks, const at::Tensor& x,
                                               const at::Tensor& bias, const SiteTangents& directions,
                                               const at::Tensor& gradient, const at::Tensor& d_x) {
  for (int64_t k = 0; k < blocks.tangents; ++k)
    launched(kernels::activation_tangent_backward(
                 {.forward = activation(how, blocks, x, bias, directions, k),
                  .gradient = pointer(blocks.gradient(gradient)),
                  .gradient_tangent = pointer(blocks.gradient_tangent(gradient, k)),
                  .d_x = room(blocks.gradient_tangent(d_x, k))},
                 stream_of(state_)),
             "activation_tangent_backward");
  activate_backward(how, blocks.value(x), bias, blocks.gradient(gradient), blocks.gradient(d_x));
}

void DeviceTangents::softmax_tangent(const at::Tensor& logits, const Blocks& blocks, int64_t first, bool with_value,
                                     double* losses, double* sums) {
  launched(kernels::softmax_tangent({.real = element_of(logits),
                                     .logits = room(logits),
                                     .rows = blocks.rows,
                                     .columns = logits.size(1),
                                     .count = blocks.tangents,
                                     .targets = state_.tables.target_tokens + first,
                                     .scales = state_.tables.target_scales + first,
                                     .with_value = with_value,
                                     .losses = losses,
                                     .sums = sums},
                                    stream_of(state_)),
           "softmax_tangent");
}

}  // namespace

std::unique_ptr<TangentOps> make_tangent_ops(State& state, Model& model, const Batch& batch) {
  return std::make_unique<DeviceTangents>(state, model, batch);
}

}  // namespace lethe::device
