// GPT-2's trunk backward, by hand: from the gradient at ln_f's output, or at the residual stream after any layer, to
// every parameter below, showing an observer each site's factors on the way.
//
// stream is the gradient of the residual stream and is carried through the layers in place. At each linear site the
// weight gradient is A^T G and the bias gradient the column sums of G.
#include <ATen/TensorOperators.h>

#include "attention.h"
#include "gemm.h"
#include "passes.h"

namespace lethe {
namespace {

class Pass {
 public:
  Pass(Model& model, const Batch& batch, const Backward& options, const at::Tensor& stream)
      : model_(model), batch_(batch), options_(options), work_(model.workspace), stream_(stream) {}

  void final_norm(const at::Tensor& gradient) {
    const int64_t site = model_.layout.final_norm_site();
    const at::Tensor x = work_.output.get(model_.options(), batch_.rows(), model_.shape().channels);
    norm(site, x, work_.final_statistics, work_.final_normed, gradient);
  }

  void layers(int64_t count, const Cancel& cancel) {
    for (int64_t index = count - 1; index >= 0; --index) {
      cancel.poll();
      layer(index);
    }
    embedding();
  }

 private:
  void layer(int64_t index) {
    const Shape& shape = model_.shape();
    const auto site = [&](LayerSite which) { return Layout::layer_site(index, which); };
    LayerSlabs& slabs = work_.layers[static_cast<size_t>(index)];
    const at::Tensor input = matrix(slabs.input, shape.channels), middle = matrix(slabs.middle, shape.channels);
    const at::Tensor activated = matrix(slabs.activated, shape.inner), expanded = matrix(slabs.expanded, shape.inner);
    const at::Tensor narrow = matrix(work_.narrow_gradient, shape.channels);

    const at::Tensor d_inner = matrix(work_.wide_gradient, shape.inner);
    product(site(kContract), output_of(index), middle, stream_);
    linear(site(kContract), activated, stream_, d_inner);
    gelu_backward(expanded, model_.bias(site(kExpand)), d_inner);
    product_with_bias(site(kExpand), expanded, d_inner);
    linear(site(kExpand), matrix(slabs.normed2, shape.channels), d_inner, narrow);
    norm(site(kNorm2), middle, slabs.statistics2, slabs.normed2, narrow);

    const at::Tensor qkv = matrix(slabs.qkv, 3 * shape.channels), attended = matrix(slabs.attended, shape.channels);
    const at::Tensor d_qkv = matrix(work_.wide_gradient, 3 * shape.channels);
    product(site(kProjection), middle, input, stream_);
    linear(site(kProjection), attended, stream_, narrow);
    const at::Tensor log_sum_exp = slabs.log_sum_exp.get(model_.options(), shape.heads, batch_.rows());
    attention_backward(shape, batch_,
                       {.qkv = qkv, .out = attended, .log_sum_exp = log_sum_exp, .d_out = narrow, .d_qkv = d_qkv},
                       work_.partials);
    product(site(kAttention), qkv, {}, d_qkv);
    linear(site(kAttention), matrix(slabs.normed1, shape.channels), d_qkv, narrow);
    norm(site(kNorm1), input, slabs.statistics1, slabs.normed1, narrow);
  }

  void embedding() {
    const int64_t tokens = Layout::embedding_site(), positions = Layout::position_site();
    GradientObserver* observer = options_.observer;
    if (observer != nullptr && (observer->wants(tokens) || observer->wants(positions))) observer->embedding(stream_);
    if (options_.activation_gradient != nullptr) embedding_products();
    if (!options_.accumulate) {
      model_.weight_gradient(positions).zero_();
      if (!model_.shape().tied) model_.weight_gradient(tokens).zero_();
    }
    embed_backward(stream_, batch_, model_.weight_gradient(tokens), model_.weight_gradient(positions));
  }

  at::Tensor matrix(Slab& slab, int64_t columns) { return slab.get(model_.options(), batch_.rows(), columns); }

  // The residual stream after layer `index`.
  at::Tensor output_of(int64_t index) {
    const bool last = index + 1 == model_.shape().layers;
    return matrix(last ? work_.output : work_.layers[static_cast<size_t>(index + 1)].input, model_.shape().channels);
  }

  // Weight and bias gradients of a linear site, and its input's gradient G W^T.
  void linear(int64_t site, const at::Tensor& inputs, const at::Tensor& gradient, const at::Tensor& d_inputs) {
    if (options_.observer != nullptr && options_.observer->wants(site))
      options_.observer->linear(site, inputs, gradient);
    if (options_.weights)
      gemm(inputs.t(), gradient, model_.weight_gradient(site), options_.accumulate ? Into::kAdd : Into::kOverwrite);
    column_sums(gradient, options_.accumulate, model_.bias_gradient(site));
    gemm(gradient, model_.weight(site).t(), d_inputs);
  }

  void norm(int64_t site, const at::Tensor& x, Slab& statistics_slab, Slab& normed_slab, const at::Tensor& gradient) {
    const at::Tensor statistics = statistics_slab.get(model_.options(), 2, batch_.rows());
    product(site, matrix(normed_slab, x.size(1)), {}, gradient);
    if (options_.observer != nullptr && options_.observer->wants(site)) {
      const at::Tensor hat = matrix(work_.normalized, x.size(1));
      normalize(x, statistics, hat);
      options_.observer->norm(site, hat, gradient);
    }
    layer_norm_backward({.x = x,
                         .statistics = statistics,
                         .weight = model_.weight(site),
                         .output = gradient,
                         .stream = stream_,
                         .d_weight = model_.weight_gradient(site),
                         .d_bias = model_.bias_gradient(site),
                         .accumulate = options_.accumulate},
                        work_.partials);
  }

  // activation_gradient[b, site] += <y - minus, gradient> over record b's rows
  void product(int64_t site, const at::Tensor& y, const at::Tensor& minus, const at::Tensor& gradient) {
    if (options_.activation_gradient == nullptr) return;
    std::vector<double> sums(static_cast<size_t>(batch_.records()), 0.0);
    record_products(y, minus, gradient, batch_, sums.data());
    for (int64_t b = 0; b < batch_.records(); ++b) {
      options_.activation_gradient[b * model_.layout.site_count() + site] += sums[static_cast<size_t>(b)];
    }
  }

  // As product for a site whose stored output lacks its bias.
  void product_with_bias(int64_t site, const at::Tensor& y, const at::Tensor& gradient) {
    if (options_.activation_gradient == nullptr) return;
    const at::Tensor whole = y + model_.bias(site);
    product(site, whole, {}, gradient);
  }

  void embedding_products() {
    const at::Tensor& positions = model_.weight(Layout::position_site());
    for (int64_t b = 0; b < batch_.records(); ++b) {
      const at::Tensor rows = stream_.narrow(0, batch_.offset(b), batch_.length(b));
      const at::Tensor input =
          matrix(work_.layers.front().input, rows.size(1)).narrow(0, batch_.offset(b), rows.size(0));
      const double both = (input.to(at::kDouble) * rows).sum().item<double>();
      const double position = (positions.narrow(0, 0, rows.size(0)).to(at::kDouble) * rows).sum().item<double>();
      double* sums = options_.activation_gradient + b * model_.layout.site_count();
      sums[Layout::position_site()] += position;
      sums[Layout::embedding_site()] += both - position;
    }
  }

  Model& model_;
  const Batch& batch_;
  const Backward& options_;
  Workspace& work_;
  const at::Tensor stream_;  // [sum T, C]
};

}  // namespace

void backward(Model& model, const Batch& batch, const at::Tensor& hidden_gradient, const Backward& options,
              const Cancel& cancel) {
  const Bf16Products rounded(model.bf16_products);
  const at::Tensor stream = stream_gradient(model, batch).zero_();
  Pass pass(model, batch, options, stream);
  pass.final_norm(hidden_gradient);
  pass.layers(model.shape().layers, cancel);
}

at::Tensor stream_gradient(Model& model, const Batch& batch) {
  return model.workspace.stream_gradient.get(model.options(), batch.rows(), model.shape().channels);
}

void stream_backward(Model& model, const Batch& batch, int64_t layers, const at::Tensor& gradient,
                     const Backward& options, const Cancel& cancel) {
  const Bf16Products rounded(model.bf16_products);
  Pass(model, batch, options, gradient).layers(layers, cancel);
}

}  // namespace lethe
