// The R-operator's operations; formulas in joint.h.
#include "joint.h"

#include <ATen/ops/empty.h>

#include "gemm.h"

namespace lethe {
namespace {

at::Tensor of(const std::vector<at::Tensor>& list, int64_t k) {
  return list.empty() ? at::Tensor() : list[static_cast<size_t>(k)];
}

}  // namespace

Joint::Joint(Model& model, const Batch& batch, const Curvature& curvature, TangentOps& ops,
             const Cancel& cancel)
    // Room for all blocks whether or not they are in use yet, so that a slab keeps its place.
    : Slots(model, {ops.workspace, model.options()}, (1 + curvature.count()) * batch.rows(), curvature.gradient_rows(),
            curvature.first_layer()),
      batch_(batch),
      curvature_(curvature),
      ops_(ops),
      cancel_(cancel),
      blocks_{batch.rows(), 0} {}

void Joint::enter(int64_t block) {
  cancel_.poll();
  if (block == curvature_.first_layer() && curvature_.trunk()) begin_tangents(slot(block, 0));
}

// From here on there are tangents; x's are zero if they begin here.
void Joint::begin_tangents(const at::Tensor& x) {
  if (blocks_.tangents > 0) return;
  blocks_ = curvature_.blocks();
  for (int64_t k = 0; k < blocks_.tangents; ++k) blocks_.tangent(x, k).zero_();
}

void Joint::embed(const at::Tensor& x) {
  const int64_t tokens = Layout::embedding_site(), positions = model_.layout.positions();
  ops_.embed(model_.weight(tokens), model_.weight(positions), blocks_.value(x));
  if (!curvature_.chosen(tokens) && !curvature_.chosen(positions)) return;
  blocks_ = curvature_.blocks();
  const SiteTangents token = curvature_.directions(tokens), position = curvature_.directions(positions);
  for (int64_t k = 0; k < blocks_.tangents; ++k)
    ops_.embed(of(token.weight, k), of(position.weight, k), blocks_.tangent(x, k));
}

void Joint::norm(const At& at, const at::Tensor& x, const at::Tensor& out) {
  const at::Tensor statistics = note(at, batch_.rows());
  const int64_t s = site(at);
  ops_.layer_norm_tangent({architecture().norm, blocks_, x, statistics, model_.weight(s), curvature_.directions(s)},
                          model_.bias(s), model_.shape().epsilon, out);
}

void Joint::linear(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out) {
  const SiteTangents directions = curvature_.directions(site(at));
  const bool starts = !at.step.bare && !at.step.onto;
  if (starts) {
    start_rows(add.defined() ? blocks_.value(add) : add, model_.bias(site(at)), blocks_.value(out));
    for (int64_t k = 0; k < blocks_.tangents; ++k)
      start_rows(add.defined() ? blocks_.tangent(add, k) : add, of(directions.bias, k), blocks_.tangent(out, k));
  }
  gemm(blocks_.all(x), model_.weight(site(at)), blocks_.all(out), starts || at.step.onto ? Into::kAdd : Into::kOverwrite);
  for (int64_t k = 0; !directions.empty() && k < blocks_.tangents; ++k)
    gemm(blocks_.value(x), of(directions.weight, k), blocks_.tangent(out, k), Into::kAdd);
  if (at.step.scale != 1) blocks_.all(out).mul_(at.step.scale);
}

void Joint::head_norm(const At& at, const at::Tensor& x, const at::Tensor& out) {
  const at::Tensor statistics = note(at, batch_.rows());
  ops_.head_norm_tangent({architecture().qkv, blocks_.all(x), statistics, model_.weight(site(at))}, blocks_,
                         curvature_.directions(site(at)), model_.shape().epsilon, blocks_.all(out));
}

void Joint::rotate(const At& /*at*/, const at::Tensor& x) const {
  ops_.turn(architecture().qkv, Direction::kForward, blocks_.all(x));
}

void Joint::attention(const At& at, const at::Tensor& qkv, const at::Tensor& out) {
  ops_.attention_tangent(architecture().attention(at.block), blocks_, qkv, out);
}

void Joint::activation(const At& at, const at::Tensor& x, const at::Tensor& out) {
  ops_.activate_tangent(activating(), blocks_, x, bias_of(at), bias_directions(at), out);
}

void Joint::norm_backward(const At& at, const at::Tensor& x, const at::Tensor& /*out*/, const at::Tensor& g,
                          const at::Tensor& d_x) {
  const int64_t s = site(at);
  const at::Tensor statistics = note(at, blocks_.rows);
  const SiteTangents products = curvature_.products(s);
  if (curvature_.hessian()) {
    const SiteTangents directions = curvature_.directions(s);
    ops_.layer_norm_tangent_backward({architecture().norm, blocks_, x, statistics, model_.weight(s), directions},
                                     {g, d_x, products, curvature_.accumulate(), curvature_.row_sums()});
    return;
  }
  const bool wanted = !products.empty();
  const at::Tensor unwanted = ops_.workspace.record_norms.get(model_.options(), 2, x.size(1));
  for (int64_t k = 0; k < blocks_.tangents; ++k) {
    ops_.layer_norm_backward({.kind = architecture().norm,
                              .x = blocks_.value(x),
                              .statistics = statistics,
                              .weight = model_.weight(s),
                              .output = blocks_.gradient_tangent(g, k),
                              .stream = blocks_.gradient_tangent(d_x, k),
                              .d_weight = wanted ? of(products.weight, k) : unwanted[0],
                              .d_bias = wanted ? of(products.bias, k) : unwanted[1],
                              .accumulate = curvature_.accumulate() && wanted});
  }
}

void Joint::head_norm_backward(const At& at, const at::Tensor& x, const at::Tensor& /*out*/, const at::Tensor& g,
                               const at::Tensor& d_x) {
  const int64_t s = site(at);
  const at::Tensor statistics = note(at, blocks_.rows);
  const SiteTangents products = curvature_.products(s);
  const QkvView& view = architecture().qkv;
  if (curvature_.hessian())
    return ops_.head_norm_tangent_backward({view, blocks_.all(x), statistics, model_.weight(s)}, blocks_,
                                           curvature_.directions(s),
                                           {g, d_x, products, curvature_.accumulate(), curvature_.row_sums()});
  const at::Tensor unwanted = ops_.workspace.record_norms.get(model_.options(), 2 * view.d);
  for (int64_t k = 0; k < blocks_.tangents; ++k)
    ops_.head_norm_backward({view, blocks_.value(x), statistics, model_.weight(s)},
                            {blocks_.gradient_tangent(g, k), blocks_.gradient_tangent(d_x, k),
                             products.empty() ? unwanted : of(products.weight, k),
                             curvature_.accumulate() && !products.empty()});
}

void Joint::rotate_backward(const At& /*at*/, const at::Tensor& x, const at::Tensor& g) const {
  for (const at::Tensor& turned : {blocks_.all(x), g}) ops_.turn(architecture().qkv, Direction::kBack, turned);
}

void Joint::linear_backward(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out,
                            const at::Tensor& g, const at::Tensor& d_x) {
  const int64_t s = site(at);
  if (at.step.scale != 1) g.mul_(at.step.scale);
  parameters(s, x, g);
  const SiteTangents directions = curvature_.directions(s);
  const bool curved = curvature_.hessian() && !directions.empty();
  if (model_.layout.sites()[static_cast<size_t>(s)].adapts != Adapts::kNothing) {
    gemm(g, model_.weight(s).t(), d_x, at.step.adds ? Into::kAdd : Into::kOverwrite);
    for (int64_t k = 0; curved && k < blocks_.tangents; ++k) adapter_tangent(of(directions.weight, k), k, x, g, d_x);
    return;
  }
  if (curved) {
    for (int64_t k = 0; k < blocks_.tangents; ++k) {
      const at::Tensor d = blocks_.gradient_tangent(d_x, k);
      gemm(blocks_.gradient(g), of(directions.weight, k).t(), d);
      if (quadratic()) row_products(2, blocks_.tangent(x, k), {}, d, row_sums(k));
    }
    blocks_.gradient(d_x).zero_();
  }
  gemm(g, model_.weight(s).t(), d_x, curved || at.step.adds ? Into::kAdd : Into::kOverwrite);
  for (int64_t k = 0; curved && quadratic() && k < blocks_.tangents; ++k) {
    const at::Tensor d = blocks_.gradient_tangent(g, k);
    row_products(1, blocks_.tangent(out, k), add.defined() ? blocks_.tangent(add, k) : add, d, row_sums(k));
    if (at.step.bare && !directions.bias.empty())
      row_products(1, of(directions.bias, k).unsqueeze(0), {}, d, row_sums(k));
    row_products(-1, blocks_.tangent(x, k), {}, blocks_.gradient_tangent(d_x, k), row_sums(k));
  }
}

// d_x' += G W'^T. Of v^T H v a factor's share is <X' W', G> + <X W', G'>, few numbers a row on its narrow side: of A
// those, of B <X', G W'^T> + <X, G' W'^T>. What its output and d_x hold besides does not matter.
void Joint::adapter_tangent(const at::Tensor& direction, int64_t k, const at::Tensor& x, const at::Tensor& g,
                            const at::Tensor& d_x) {
  const at::Tensor of_value = blocks_.gradient(g), of_tangent = blocks_.gradient_tangent(g, k);
  gemm(of_value, direction.t(), blocks_.gradient_tangent(d_x, k), Into::kAdd);
  if (!quadratic()) return;
  const bool input_side = x.size(1) < g.size(1);
  const auto share = [&](const at::Tensor& inputs, const at::Tensor& gradient) {
    const at::Tensor few = at::empty({blocks_.rows, direction.size(input_side ? 0 : 1)}, x.options());
    gemm(input_side ? gradient : inputs, input_side ? direction.t() : direction, few);
    row_products(1, input_side ? inputs : gradient, {}, few, row_sums(k));
  };
  share(blocks_.tangent(x, k), of_value);
  share(blocks_.value(x), of_tangent);
}

void Joint::parameters(int64_t site, const at::Tensor& x, const at::Tensor& g) {
  const SiteTangents products = curvature_.products(site);
  if (products.empty()) return;
  const Into into = curvature_.accumulate() ? Into::kAdd : Into::kOverwrite;
  const bool stacked = blocks_.tangents == 1 && curvature_.hessian();
  for (int64_t k = 0; k < blocks_.tangents; ++k) {
    const at::Tensor weight = of(products.weight, k), d = blocks_.gradient_tangent(g, k);
    if (stacked) {
      gemm(x.t(), g, weight, into);  // [X; X']^T [G'; G]
    } else {
      gemm(blocks_.value(x).t(), d, weight, into);
      if (curvature_.hessian()) gemm(blocks_.tangent(x, k).t(), blocks_.gradient(g), weight, Into::kAdd);
    }
    if (!products.bias.empty()) column_sums(d, curvature_.accumulate(), of(products.bias, k));
  }
}

void Joint::attention_backward(const At& at, const at::Tensor& qkv, const at::Tensor& /*out*/, const at::Tensor& g,
                               const at::Tensor& d_qkv) {
  ops_.attention_tangent_backward(architecture().attention(at.block), blocks_, curvature_.hessian(), qkv, g, d_qkv);
}

void Joint::activation_backward(const At& at, const at::Tensor& x, const at::Tensor& g, const at::Tensor& d_x) {
  const at::Tensor& bias = bias_of(at);
  if (curvature_.hessian())
    return ops_.activate_tangent_backward(activating(), blocks_, x, bias, bias_directions(at), g, d_x);
  for (int64_t k = 0; k < blocks_.tangents; ++k)
    ops_.activate_backward(activating(), blocks_.value(x), bias, blocks_.gradient_tangent(g, k),
                           blocks_.gradient_tangent(d_x, k));
}

void Joint::embed_backward(const at::Tensor& x, const at::Tensor& g) {
  const int64_t tokens = Layout::embedding_site(), positions = model_.layout.positions();
  if (!curvature_.chosen(tokens) && !curvature_.chosen(positions)) return;
  const SiteTangents token = curvature_.products(tokens), position = curvature_.products(positions);
  for (int64_t k = 0; k < blocks_.tangents; ++k) {
    const at::Tensor d = blocks_.gradient_tangent(g, k);
    if (quadratic()) row_products(1, blocks_.tangent(x, k), {}, d, row_sums(k));
    if (!token.empty() || !position.empty())
      ops_.embed_backward(d, of(token.weight, k), of(position.weight, k));
  }
}

}  // namespace lethe
