// The trunk's tangent forward: value and K tangents through each layer together.
//
//   embedding  x' = wte'[id] + wpe'[place]         linear  Y' = X' W + X W' + b'
//   residual   x' adds up                          norm, GELU, attention: ops_tangent.h, tangent_attention.cpp
// X and X' stand below one another, so X W and X' W are one product. Layers below the lowest chosen site have no
// tangents: they run on the value's rows alone and leave nothing behind, for no gradient comes down to them.
#include "gemm.h"
#include "passes.h"
#include "tangent.h"

namespace lethe {
namespace {

class Pass {
 public:
  Pass(Model& model, const Batch& batch, const Curvature& curvature)
      : model_(model), batch_(batch), curvature_(curvature), work_(model.workspace), blocks_{batch.rows(), 0} {}

  void embedding() {
    const int64_t tokens = Layout::embedding_site(), positions = Layout::position_site();
    const at::Tensor x = input_of(0);
    embed(model_.weight(tokens), model_.weight(positions), batch_, blocks_.value(x));
    if (!curvature_.chosen(tokens) && !curvature_.chosen(positions)) return;
    blocks_ = curvature_.blocks();
    const SiteTangents token = curvature_.directions(tokens), position = curvature_.directions(positions);
    for (size_t k = 0; k < static_cast<size_t>(blocks_.tangents); ++k) {
      embed_tangent(token.empty() ? at::Tensor() : token.weight[k],
                    position.empty() ? at::Tensor() : position.weight[k], batch_,
                    blocks_.tangent(x, static_cast<int64_t>(k)));
    }
  }

  void layer(int64_t index) {
    const Shape& shape = model_.shape();
    const int64_t c = shape.channels;
    const auto site = [&](LayerSite which) { return Layout::layer_site(index, which); };
    LayerSlabs& slabs = slabs_of(index);
    const at::Tensor x = input_of(index);
    if (index == curvature_.first_layer()) begin_tangents(x);

    const at::Tensor normed = joint(slabs.normed1, c);
    norm(site(kNorm1), x, slabs.statistics1, normed);
    const at::Tensor qkv = joint(slabs.qkv, 3 * c);
    linear(site(kAttention), normed, {}, qkv);
    const at::Tensor attended = joint(slabs.attended, c);
    attention_tangent(shape, batch_, blocks_, qkv, attended, work_.partials);
    const at::Tensor middle = joint(slabs.middle, c);
    linear(site(kProjection), attended, x, middle);

    const at::Tensor normed2 = joint(slabs.normed2, c);
    norm(site(kNorm2), middle, slabs.statistics2, normed2);
    const at::Tensor expanded = joint(slabs.expanded, shape.inner), activated = joint(slabs.activated, shape.inner);
    product(site(kExpand), normed2, expanded, Into::kOverwrite);
    gelu_tangent(blocks_, expanded, model_.bias(site(kExpand)), curvature_.directions(site(kExpand)), activated);
    linear(site(kContract), activated, middle, input_of(index + 1));
  }

  at::Tensor final_norm() {
    const int64_t site = model_.layout.final_norm_site(), c = model_.shape().channels;
    const at::Tensor x = input_of(model_.shape().layers), out = joint(work_.final_normed, c);
    if (curvature_.trunk()) begin_tangents(x);
    norm(site, x, work_.final_statistics, out);
    return blocks_.all(out);
  }

 private:
  // Room for all blocks whether or not they are in use yet, so that a slab keeps its place.
  at::Tensor joint(Slab& slab, int64_t columns) {
    return slab.get(model_.options(), (1 + curvature_.count()) * batch_.rows(), columns);
  }

  // A layer that no gradient reaches shares the first's memory.
  LayerSlabs& slabs_of(int64_t layer) {
    return work_.layers[layer < curvature_.first_layer() ? 0 : static_cast<size_t>(layer)];
  }

  // The residual stream entering a layer, or ln_f for index L.
  at::Tensor input_of(int64_t layer) {
    return joint(layer == model_.shape().layers ? work_.output : slabs_of(layer).input, model_.shape().channels);
  }

  // From here on there are tangents; x's are zero if they begin here.
  void begin_tangents(const at::Tensor& x) {
    if (blocks_.tangents > 0) return;
    blocks_ = curvature_.blocks();
    for (int64_t k = 0; k < blocks_.tangents; ++k) blocks_.tangent(x, k).zero_();
  }

  void norm(int64_t site, const at::Tensor& x, Slab& statistics, const at::Tensor& out) {
    const at::Tensor rows = statistics.get(model_.options(), 2, batch_.rows());
    layer_norm_tangent({blocks_, x, rows, model_.weight(site), curvature_.directions(site)}, model_.bias(site),
                       model_.shape().epsilon, out);
  }

  // out = residual + x W + b and its tangents; residual may be undefined.
  void linear(int64_t site, const at::Tensor& x, const at::Tensor& residual, const at::Tensor& out) {
    const SiteTangents directions = curvature_.directions(site);
    start_rows(residual.defined() ? blocks_.value(residual) : residual, model_.bias(site), blocks_.value(out));
    for (int64_t k = 0; k < blocks_.tangents; ++k) {
      start_rows(residual.defined() ? blocks_.tangent(residual, k) : residual,
                 directions.empty() ? at::Tensor() : directions.bias[static_cast<size_t>(k)], blocks_.tangent(out, k));
    }
    product(site, x, out, Into::kAdd);
  }

  // out = x W, and x' W + x W' below it.
  void product(int64_t site, const at::Tensor& x, const at::Tensor& out, Into into) {
    gemm(blocks_.all(x), model_.weight(site), blocks_.all(out), into);
    if (blocks_.tangents == 0) return;
    const SiteTangents directions = curvature_.directions(site);
    for (size_t k = 0; k < directions.weight.size(); ++k) {
      gemm(blocks_.value(x), directions.weight[k], blocks_.tangent(out, static_cast<int64_t>(k)), Into::kAdd);
    }
  }

  Model& model_;
  const Batch& batch_;
  const Curvature& curvature_;
  Workspace& work_;
  Blocks blocks_;  // no tangents below the lowest chosen site
};

}  // namespace

at::Tensor tangent_forward(Model& model, const Batch& batch, const Curvature& curvature, const Cancel& cancel) {
  Pass pass(model, batch, curvature);
  pass.embedding();
  for (int64_t layer = 0; layer < model.shape().layers; ++layer) {
    cancel.poll();
    pass.layer(layer);
  }
  return pass.final_norm();
}

}  // namespace lethe
