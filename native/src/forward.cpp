// GPT-2's trunk forward: token-flat everywhere, only attention looks at where records begin.
//
// A layer's tensors go into that layer's slabs when a backward pass follows, else all layers share the first's.

#include "attention.h"
#include "gemm.h"
#include "passes.h"

namespace lethe {

void linear_forward(const Model& model, int64_t site, const at::Tensor& x, const at::Tensor& out) {
  fill_bias(model.bias(site), out);
  gemm(x, model.weight(site), out, Into::kAdd);
}

void residual_forward(const Model& model, int64_t site, const at::Tensor& x, const at::Tensor& residual,
                      const at::Tensor& out) {
  add_bias(residual, model.bias(site), out);
  gemm(x, model.weight(site), out, Into::kAdd);
}

at::Tensor norm_forward(const Model& model, int64_t site, const at::Tensor& x, Slab& statistics, Slab& normed) {
  const at::Tensor out = normed.get(model.options(), x.size(0), x.size(1));
  layer_norm(x, model.weight(site), model.bias(site), model.shape().epsilon,
             statistics.get(model.options(), 2, x.size(0)), out);
  return out;
}

void mlp_forward(const Model& model, int64_t layer, LayerSlabs& slabs, const at::Tensor& middle,
                 const at::Tensor& out) {
  const auto site = [&](LayerSite which) { return Layout::layer_site(layer, which); };
  const int64_t rows = middle.size(0), inner = model.shape().inner;
  const at::Tensor normed = norm_forward(model, site(kNorm2), middle, slabs.statistics2, slabs.normed2);
  const at::Tensor expanded = slabs.expanded.get(model.options(), rows, inner);
  gemm(normed, model.weight(site(kExpand)), expanded);
  const at::Tensor activated = slabs.activated.get(model.options(), rows, inner);
  gelu(expanded, model.bias(site(kExpand)), activated);
  residual_forward(model, site(kContract), activated, middle, out);
}

at::Tensor stream_forward(Model& model, const Batch& batch, Keep keep, int64_t layers, const Cancel& cancel,
                          LayerReader* reader) {
  const Bf16Products rounded(model.bf16_products);
  const Shape& shape = model.shape();
  Workspace& work = model.workspace;
  const auto options = model.options();
  const int64_t rows = batch.rows(), c = shape.channels;
  const bool keeps = keep == Keep::kForBackward;
  const auto slabs_of = [&](int64_t layer) -> LayerSlabs& {
    return work.layers[keeps ? static_cast<size_t>(layer) : 0];
  };

  at::Tensor x = slabs_of(0).input.get(options, rows, c);  // [sum T, C]
  embed(model.weight(Layout::embedding_site()), model.weight(Layout::position_site()), batch, x);
  for (int64_t layer = 0; layer < layers; ++layer) {
    cancel.poll();
    const auto site = [&](LayerSite which) { return Layout::layer_site(layer, which); };
    LayerSlabs& slabs = slabs_of(layer);
    const at::Tensor normed = norm_forward(model, site(kNorm1), x, slabs.statistics1, slabs.normed1);
    const at::Tensor qkv = slabs.qkv.get(options, rows, 3 * c);
    linear_forward(model, site(kAttention), normed, qkv);
    if (reader != nullptr) reader->qkv(layer, qkv);
    const at::Tensor attended = slabs.attended.get(options, rows, c);
    const at::Tensor log_sum_exp = keeps ? slabs.log_sum_exp.get(options, shape.heads, rows) : at::Tensor();
    attention(shape, batch, qkv, attended, log_sum_exp, work.partials);
    const at::Tensor middle = slabs.middle.get(options, rows, c);
    residual_forward(model, site(kProjection), attended, x, middle);
    const bool last = layer + 1 == shape.layers;
    x = (last ? work.output : slabs_of(layer + 1).input).get(options, rows, c);
    mlp_forward(model, layer, slabs, middle, x);
  }
  return x;
}

at::Tensor forward(Model& model, const Batch& batch, Keep keep, const Cancel& cancel, LayerReader* reader) {
  const at::Tensor x = stream_forward(model, batch, keep, model.shape().layers, cancel, reader);
  Workspace& work = model.workspace;
  return norm_forward(model, model.layout.final_norm_site(), x, work.final_statistics, work.final_normed);
}

void head_logits(const Model& model, const at::Tensor& hidden, const at::Tensor& out) {
  const Bf16Products rounded(model.bf16_products);
  gemm(hidden, model.weight(model.layout.head_site()).t(), out);
}

}  // namespace lethe
