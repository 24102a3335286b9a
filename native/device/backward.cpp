// GPT-2's trunk backward on the device, from the gradient at ln_f's output to every parameter; the counterpart of
// src/cpu.cpp, whose comments hold here too.
#include "passes.h"
#include "products.h"

namespace lethe::device {
namespace {

class Pass {
 public:
  Pass(State& state, Model& model, const Batch& batch, const Backward& options)
      : state_(state), model_(model), batch_(batch), options_(options), work_(state.work),
        stream_(matrix(work_.stream_gradient, model.shape().channels)) {}

  void final_norm(const at::Tensor& gradient) {
    first_ = true;
    norm(model_.layout.final_norm_site(), matrix(work_.output, model_.shape().channels), work_.final_statistics,
         work_.final_normed, gradient);
    first_ = false;
  }

  void layer(int64_t index) {
    const Shape& shape = model_.shape();
    const auto site = [&](LayerSite which) { return Layout::layer_site(index, which); };
    LayerWork& work = work_.layers[static_cast<size_t>(index)];
    const at::Tensor input = matrix(work.input, shape.channels), middle = matrix(work.middle, shape.channels);
    const at::Tensor activated = matrix(work.activated, shape.inner), expanded = matrix(work.expanded, shape.inner);
    const at::Tensor narrow = matrix(work_.narrow_gradient, shape.channels);

    const at::Tensor d_inner = matrix(work_.wide_gradient, shape.inner);
    products(site(kContract), output_of(index), middle, {}, stream_);
    linear(site(kContract), activated, stream_, d_inner);
    gelu_backward(state_, expanded, model_.bias(site(kExpand)), d_inner, options_.accumulate,
                  model_.bias_gradient(site(kExpand)));
    products(site(kExpand), expanded, {}, model_.bias(site(kExpand)), d_inner);
    matrices(site(kExpand), matrix(work.normed2, shape.channels), d_inner, narrow);
    norm(site(kNorm2), middle, work.statistics2, work.normed2, narrow);

    const at::Tensor qkv = matrix(work.qkv, 3 * shape.channels);
    products(site(kProjection), middle, input, {}, stream_);
    linear(site(kProjection), work.attended.out, stream_, narrow);
    const at::Tensor d_qkv =
        attention_backward(state_, shape, {batch_, state_.tables.offsets, state_.tables.longest}, qkv, work.attended, narrow,
                           matrix(work_.wide_gradient, 3 * shape.channels), options_.accumulate,
                           model_.bias_gradient(site(kAttention)));
    products(site(kAttention), qkv, {}, {}, d_qkv);
    matrices(site(kAttention), matrix(work.normed1, shape.channels), d_qkv, narrow);
    norm(site(kNorm1), input, work.statistics1, work.normed1, narrow);
  }

  void embedding() {
    const int64_t tokens = Layout::embedding_site(), positions = Layout::position_site();
    DeviceCapture* capture = options_.capture;
    if (capture != nullptr && (capture->wants(tokens) || capture->wants(positions))) capture->embedding(stream_);
    if (options_.activation_gradient != nullptr) embedding_products();
    if (!options_.accumulate) {
      model_.weight_gradient(positions).zero_();
      if (!model_.shape().tied) model_.weight_gradient(tokens).zero_();
    }
    embed_backward(state_, stream_, model_.weight_gradient(tokens), model_.weight_gradient(positions));
  }

 private:
  at::Tensor matrix(Slab& slab, int64_t columns) { return slab.get(state_.options(model_), batch_.rows(), columns); }

  // The residual stream after layer `index`.
  at::Tensor output_of(int64_t index) {
    const bool last = index + 1 == model_.shape().layers;
    return matrix(last ? work_.output : work_.layers[static_cast<size_t>(index + 1)].input, model_.shape().channels);
  }

  // Weight and bias gradients of a linear site, and its input's gradient G W^T.
  void linear(int64_t site, const at::Tensor& inputs, const at::Tensor& gradient, const at::Tensor& d_inputs) {
    column_sums(state_, gradient, options_.accumulate, model_.bias_gradient(site));
    matrices(site, inputs, gradient, d_inputs);
  }

  void matrices(int64_t site, const at::Tensor& inputs, const at::Tensor& gradient, const at::Tensor& d_inputs) {
    if (captures(site)) options_.capture->linear(site, inputs, gradient);
    gradient_product(inputs.t(), gradient, options_.accumulate, model_.weight_gradient(site), work_.wide_sum);
    product(gradient, state_.weight(model_, site).t(), d_inputs);
  }

  void norm(int64_t site, const at::Tensor& x, Slab& statistics_slab, Slab& normed, const at::Tensor& gradient) {
    const at::Tensor statistics = statistics_slab.get(model_.options(), 2, batch_.rows());
    products(site, matrix(normed, x.size(1)), {}, {}, gradient);
    at::Tensor record_weight, record_bias;
    if (captures(site)) {
      const at::Tensor both = work_.record_norms.get(model_.options(), 2 * batch_.records(), x.size(1));
      record_weight = both.narrow(0, 0, batch_.records());
      record_bias = both.narrow(0, batch_.records(), batch_.records());
    }
    norm_backward(state_, {.x = x,
                           .statistics = statistics,
                           .weight = model_.weight(site),
                           .output = gradient,
                           .stream = stream_,
                           .first = first_,
                           .d_weight = model_.weight_gradient(site),
                           .d_bias = model_.bias_gradient(site),
                           .accumulate = options_.accumulate,
                           .record_weight = record_weight,
                           .record_bias = record_bias});
    if (captures(site)) options_.capture->norm(site, record_weight, record_bias);
  }

  bool captures(int64_t site) const { return options_.capture != nullptr && options_.capture->wants(site); }

  // activation_gradient[b, site] += <y + bias - minus, gradient> over record b's rows
  void products(int64_t site, const at::Tensor& y, const at::Tensor& minus, const at::Tensor& bias,
                const at::Tensor& gradient) {
    if (options_.activation_gradient == nullptr) return;
    record_products(state_, y, minus, bias, gradient, options_.activation_gradient + site, model_.layout.site_count());
  }

  void embedding_products() {
    const int64_t c = model_.shape().channels;
    products(Layout::embedding_site(), matrix(work_.layers.front().input, c), {}, {}, stream_);
    const at::Tensor places = work_.position_rows.get(model_.options(), batch_.rows(), c);
    gather_rows(state_, model_.weight(Layout::position_site()), state_.tables.positions, places);
    products(Layout::position_site(), places, {}, {}, stream_);
  }

  State& state_;
  Model& model_;
  const Batch& batch_;
  const Backward& options_;
  Work& work_;
  at::Tensor stream_;   // [sum T, C]
  bool first_ = false;  // nothing is in the stream yet
};

}  // namespace

void backward(State& state, Model& model, const Batch& batch, const at::Tensor& hidden_gradient, const Backward& options,
              const Cancel& cancel) {
  Pass pass(state, model, batch, options);
  pass.final_norm(hidden_gradient);
  for (int64_t layer = model.shape().layers - 1; layer >= 0; --layer) {
    cancel.poll();
    pass.layer(layer);
  }
}

void embedding_backward(State& state, Model& model, const Batch& batch, const Backward& options) {
  Pass(state, model, batch, options).embedding();
}

}  // namespace lethe::device
