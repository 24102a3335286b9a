// GPT-2's trunk forward on the device. Biases ride on the product (queries, keys, values), on GELU or on the residual sum.
#include "products.h"
#include "passes.h"

namespace lethe::device {

void residual_forward(State& state, Model& model, int64_t site, const at::Tensor& x, const at::Tensor& residual,
                      const at::Tensor& out) {
  const at::Tensor branch = state.work.branch.get(x.options(), residual.size(0), residual.size(1));
  product(x, state.weight(model, site), branch);
  add_bias(state, residual, branch, model.bias(site), out);
}

at::Tensor norm_forward(State& state, Model& model, int64_t site, const at::Tensor& x, Slab& statistics, Slab& normed) {
  const at::Tensor out = normed.get(x.options(), x.size(0), x.size(1));
  layer_norm(state, x, model.weight(site), model.bias(site), model.shape().epsilon,
             statistics.get(model.options(), 2, x.size(0)), out);
  return out;
}

void mlp_forward(State& state, Model& model, int64_t layer, LayerWork& work, const at::Tensor& middle,
                 const at::Tensor& out) {
  const auto site = [&](LayerSite which) { return Layout::layer_site(layer, which); };
  const int64_t rows = middle.size(0), inner = model.shape().inner;
  const at::Tensor normed = norm_forward(state, model, site(kNorm2), middle, work.statistics2, work.normed2);
  const at::Tensor expanded = work.expanded.get(middle.options(), rows, inner);
  product(normed, state.weight(model, site(kExpand)), expanded);
  const at::Tensor activated = work.activated.get(middle.options(), rows, inner);
  gelu(state, expanded, model.bias(site(kExpand)), activated);
  residual_forward(state, model, site(kContract), activated, middle, out);
}

at::Tensor qkv_forward(State& state, Model& model, int64_t layer, const at::Tensor& normed, const at::Tensor& out) {
  const int64_t site = Layout::layer_site(layer, kAttention);
  product_plus(normed, state.weight(model, site), state.bias(model, site), out);
  return out;
}

at::Tensor forward(State& state, Model& model, const Batch& batch, Keep keep, const Cancel& cancel, QkvReader* reader) {
  const Shape& shape = model.shape();
  const auto options = state.options(model);
  const int64_t rows = batch.rows(), c = shape.channels;
  const bool keeps = keep == Keep::kForBackward;
  const auto work_of = [&](int64_t layer) -> LayerWork& { return state.work.layers[static_cast<size_t>(keeps ? layer : 0)]; };
  const Sequences sequences{batch, state.tables.offsets, state.tables.longest};

  at::Tensor x = work_of(0).input.get(options, rows, c);  // [sum T, C]
  embed(state, model, x);
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    cancel.poll();
    const auto site = [&](LayerSite which) { return Layout::layer_site(layer, which); };
    LayerWork& work = work_of(layer);
    const at::Tensor normed = norm_forward(state, model, site(kNorm1), x, work.statistics1, work.normed1);
    const at::Tensor qkv = qkv_forward(state, model, layer, normed, work.qkv.get(options, rows, 3 * c));
    if (reader != nullptr) reader->qkv(layer, qkv);
    work.attended = attention(shape, sequences, qkv, keeps);
    const at::Tensor middle = work.middle.get(options, rows, c);
    residual_forward(state, model, site(kProjection), work.attended.out, x, middle);
    const bool last = layer + 1 == shape.layers;
    x = (last ? state.work.output : work_of(layer + 1).input).get(options, rows, c);
    mlp_forward(state, model, layer, work, middle, x);
  }
  return norm_forward(state, model, model.layout.final_norm_site(), x, state.work.final_statistics,
                      state.work.final_normed);
}

}  // namespace lethe::device
