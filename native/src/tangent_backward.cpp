// The trunk's tangent backward, from the joint gradient at ln_f's output down to the lowest chosen site.
//
//   linear  Y = X W:  dX' = G' W^T + G W'^T,  dW' = X^T G' + X'^T G,  db' = column sums of G'
//   norm, GELU, attention: ops_tangent.h, tangent_attention.cpp;  embedding: scatter of the stream's tangent
// Gauss-Newton has no G and no terms with it: the plain backward on each G'.
//
// v^T H_i v of a record needs no dense gradient: a linear site's share <W', dW'> + <b', db'> over the record's rows is
// <X W' + b', G'> + <X' W', G> = <Y', G'> - <X', dX'> + 2 <X', G W'^T>, all of them at hand here.
#include "gemm.h"
#include "passes.h"
#include "tangent.h"

namespace lethe {
namespace {

class Pass {
 public:
  Pass(Model& model, const Batch& batch, const Curvature& curvature)
      : model_(model),
        curvature_(curvature),
        work_(model.workspace),
        batch_(batch),
        blocks_(curvature.blocks()),
        into_(curvature.accumulate() ? Into::kAdd : Into::kOverwrite) {
    stream_ = gradient(work_.stream_gradient, model.shape().channels);
    stream_.zero_();
  }

  void final_norm(const at::Tensor& gradient) {
    const at::Tensor x = joint(work_.output, model_.shape().channels);
    norm(model_.layout.final_norm_site(), x, work_.final_statistics, gradient);
  }

  void layer(int64_t index) {
    const Shape& shape = model_.shape();
    const int64_t c = shape.channels;
    const auto site = [&](LayerSite which) { return Layout::layer_site(index, which); };
    LayerSlabs& slabs = work_.layers[static_cast<size_t>(index)];
    const at::Tensor input = joint(slabs.input, c), middle = joint(slabs.middle, c), qkv = joint(slabs.qkv, 3 * c);
    const at::Tensor expanded = joint(slabs.expanded, shape.inner), narrow = gradient(work_.narrow_gradient, c);

    const at::Tensor d_inner = gradient(work_.wide_gradient, shape.inner);
    linear(site(kContract), joint(slabs.activated, shape.inner), {output_of(index), middle}, stream_, d_inner);
    gelu(site(kExpand), expanded, d_inner);
    linear(site(kExpand), joint(slabs.normed2, c), {expanded, {}, true}, d_inner, narrow);
    norm(site(kNorm2), middle, slabs.statistics2, narrow);

    linear(site(kProjection), joint(slabs.attended, c), {middle, input}, stream_, narrow);
    const at::Tensor d_qkv = gradient(work_.wide_gradient, 3 * c);
    attention_tangent_backward(shape, batch_, blocks_, curvature_.hessian(), qkv, narrow, d_qkv, work_.partials);
    linear(site(kAttention), joint(slabs.normed1, c), {qkv, {}}, d_qkv, narrow);
    norm(site(kNorm1), input, slabs.statistics1, narrow);
  }

  void embedding() {
    const int64_t tokens = Layout::embedding_site(), positions = Layout::position_site();
    if (!curvature_.chosen(tokens) && !curvature_.chosen(positions)) return;
    const SiteTangents token = curvature_.products(tokens), position = curvature_.products(positions);
    for (int64_t k = 0; k < blocks_.tangents; ++k) {
      const auto i = static_cast<size_t>(k);
      const at::Tensor d = blocks_.gradient_tangent(stream_, k);
      if (quadratic()) {
        row_products(1, blocks_.tangent(joint(work_.layers.front().input, d.size(1)), k), {}, d, row_sums(k));
      }
      if (token.empty() && position.empty()) continue;
      embed_tangent_backward(d, batch_, token.empty() ? at::Tensor() : token.weight[i],
                             position.empty() ? at::Tensor() : position.weight[i]);
    }
  }

 private:
  // A site's output Y = value - minus, without its bias where `biasless`.
  struct Output {
    at::Tensor value, minus;
    bool biasless = false;
  };

  at::Tensor joint(Slab& slab, int64_t columns) {
    return slab.get(model_.options(), (1 + blocks_.tangents) * blocks_.rows, columns);
  }
  at::Tensor gradient(Slab& slab, int64_t columns) {
    return slab.get(model_.options(), curvature_.gradient_rows(), columns);
  }
  at::Tensor output_of(int64_t index) {
    const bool last = index + 1 == model_.shape().layers;
    return joint(last ? work_.output : work_.layers[static_cast<size_t>(index + 1)].input, model_.shape().channels);
  }

  // v^T H v is summed on the way; the Gauss-Newton form was complete at the head.
  bool quadratic() const { return curvature_.wants_quadratic() && curvature_.hessian(); }
  double* row_sums(int64_t k) const { return curvature_.row_sums() + k * blocks_.rows; }

  void linear(int64_t site, const at::Tensor& x, const Output& output, const at::Tensor& g, const at::Tensor& dx) {
    parameters(site, x, g);
    const SiteTangents directions = curvature_.directions(site);
    const bool curved = curvature_.hessian() && !directions.empty();
    if (curved) {
      for (int64_t k = 0; k < blocks_.tangents; ++k) {
        const at::Tensor d = blocks_.gradient_tangent(dx, k);
        gemm(blocks_.gradient(g), directions.weight[static_cast<size_t>(k)].t(), d);
        if (quadratic()) row_products(2, blocks_.tangent(x, k), {}, d, row_sums(k));
      }
      blocks_.gradient(dx).zero_();
    }
    gemm(g, model_.weight(site).t(), dx, curved ? Into::kAdd : Into::kOverwrite);
    if (!curved || !quadratic()) return;
    for (int64_t k = 0; k < blocks_.tangents; ++k) {
      const at::Tensor d = blocks_.gradient_tangent(g, k);
      const at::Tensor minus = output.minus.defined() ? blocks_.tangent(output.minus, k) : at::Tensor();
      row_products(1, blocks_.tangent(output.value, k), minus, d, row_sums(k));
      if (output.biasless) row_products(1, directions.bias[static_cast<size_t>(k)].unsqueeze(0), {}, d, row_sums(k));
      row_products(-1, blocks_.tangent(x, k), {}, blocks_.gradient_tangent(dx, k), row_sums(k));
    }
  }

  void parameters(int64_t site, const at::Tensor& x, const at::Tensor& g) {
    const SiteTangents products = curvature_.products(site);
    if (products.empty()) return;
    const bool stacked = blocks_.tangents == 1 && curvature_.hessian();
    for (int64_t k = 0; k < blocks_.tangents; ++k) {
      const at::Tensor& weight = products.weight[static_cast<size_t>(k)];
      const at::Tensor d = blocks_.gradient_tangent(g, k);
      if (stacked) {
        gemm(x.t(), g, weight, into_);  // [X; X']^T [G'; G]
      } else {
        gemm(blocks_.value(x).t(), d, weight, into_);
        if (curvature_.hessian()) gemm(blocks_.tangent(x, k).t(), blocks_.gradient(g), weight, Into::kAdd);
      }
      column_sums(d, curvature_.accumulate(), products.bias[static_cast<size_t>(k)]);
    }
  }

  void gelu(int64_t site, const at::Tensor& x, const at::Tensor& g) {
    if (curvature_.hessian())
      return gelu_tangent_backward(blocks_, x, model_.bias(site), curvature_.directions(site), g);
    for (int64_t k = 0; k < blocks_.tangents; ++k)
      gelu_backward(blocks_.value(x), model_.bias(site), blocks_.gradient_tangent(g, k));
  }

  void norm(int64_t site, const at::Tensor& x, Slab& statistics_slab, const at::Tensor& g) {
    const at::Tensor statistics = statistics_slab.get(model_.options(), 2, blocks_.rows);
    const SiteTangents products = curvature_.products(site);
    if (curvature_.hessian()) {
      layer_norm_tangent_backward({blocks_, x, statistics, model_.weight(site), curvature_.directions(site)},
                                  {g, stream_, products, curvature_.accumulate(), curvature_.row_sums()},
                                  work_.partials);
      return;
    }
    const at::Tensor unwanted = work_.normalized.get(model_.options(), 2, x.size(1));
    for (int64_t k = 0; k < blocks_.tangents; ++k) {
      const bool wanted = !products.empty();
      layer_norm_backward({.x = blocks_.value(x),
                           .statistics = statistics,
                           .weight = model_.weight(site),
                           .output = blocks_.gradient_tangent(g, k),
                           .stream = blocks_.gradient_tangent(stream_, k),
                           .d_weight = wanted ? products.weight[static_cast<size_t>(k)] : unwanted[0],
                           .d_bias = wanted ? products.bias[static_cast<size_t>(k)] : unwanted[1],
                           .accumulate = curvature_.accumulate() && wanted},
                          work_.partials);
    }
  }

  Model& model_;
  const Curvature& curvature_;
  Workspace& work_;
  const Batch& batch_;
  const Blocks blocks_;
  const Into into_;    // a product's first contribution
  at::Tensor stream_;  // joint gradient of the residual stream
};

}  // namespace

void tangent_backward(Model& model, const Batch& batch, const Curvature& curvature, const at::Tensor& hidden_gradient,
                      const Cancel& cancel) {
  Pass pass(model, batch, curvature);
  pass.final_norm(hidden_gradient);
  for (int64_t layer = model.shape().layers - 1; layer >= curvature.first_layer(); --layer) {
    cancel.poll();
    pass.layer(layer);
  }
  pass.embedding();
}

}  // namespace lethe
