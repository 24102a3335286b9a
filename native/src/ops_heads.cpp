// Queries and keys one after the other, each as the rows of a norm of its own.
#include "ops_heads.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

namespace lethe {
namespace {

// The queries' or the keys' columns of qkv, and what of weight and statistics is theirs.
struct Heads {
  const QkvView& view;
  bool keys;

  int64_t count() const { return keys ? view.kv_heads : view.heads; }
  at::Tensor columns(const at::Tensor& x) const {
    return x.narrow(1, keys ? view.key(0) : view.query(0), count() * view.d);
  }
  at::Tensor rows(const at::Tensor& x) const { return columns(x).reshape({-1, view.d}).contiguous(); }  // [R count, d]
  void put(const at::Tensor& rows, const at::Tensor& x) const { columns(x).copy_(rows.view({x.size(0), -1})); }
  at::Tensor share(const at::Tensor& weight) const {
    return !weight.defined() ? weight : weight.narrow(-1, keys ? view.d : 0, view.d);
  }
  std::vector<at::Tensor> shares(const std::vector<at::Tensor>& weights) const {
    std::vector<at::Tensor> result;
    for (const at::Tensor& weight : weights) result.push_back(share(weight));
    return result;
  }
  at::Tensor notes(const at::Tensor& statistics) const {
    return statistics.narrow(0, keys ? 2 * view.heads : 0, 2 * count()).view({2, -1});
  }
};

template <class Body>
void queries_and_keys(const QkvView& view, Body&& body) {
  for (const bool keys : {false, true}) body(Heads{view, keys});
}

// What no norm touches: the values.
at::Tensor values(const QkvView& view, const at::Tensor& x) {
  return x.narrow(1, view.value(0), view.kv_heads * view.d);
}

}  // namespace

void head_norm(const HeadNorm& norm, double epsilon, const at::Tensor& out) {
  values(norm.view, out).copy_(values(norm.view, norm.x));
  queries_and_keys(norm.view, [&](const Heads& heads) {
    const at::Tensor x = heads.rows(norm.x), y = at::empty_like(x);
    layer_norm(Norm::kRms, x, heads.share(norm.weight), {}, epsilon, heads.notes(norm.statistics), y);
    heads.put(y, out);
  });
}

void head_norm_backward(const HeadNorm& norm, const HeadNormGradient& g, Slab& partials) {
  values(norm.view, g.d_x).copy_(values(norm.view, g.output));
  queries_and_keys(norm.view, [&](const Heads& heads) {
    const at::Tensor x = heads.rows(norm.x), d_x = at::zeros(x.sizes(), x.options());
    layer_norm_backward({.kind = Norm::kRms,
                         .x = x,
                         .statistics = heads.notes(norm.statistics),
                         .weight = heads.share(norm.weight),
                         .output = heads.rows(g.output),
                         .stream = d_x,
                         .d_weight = heads.share(g.d_weight),
                         .d_bias = at::Tensor(),
                         .accumulate = g.accumulate},
                        partials);
    heads.put(d_x, g.d_x);
  });
}

void head_norm_records(const HeadNorm& norm, const at::Tensor& output, const Batch& batch, const at::Tensor& weight) {
  queries_and_keys(norm.view, [&](const Heads& heads) {
    const at::Tensor of_records = at::empty({batch.records(), norm.view.d}, weight.options());
    layer_norm_records(heads.rows(norm.x), heads.notes(norm.statistics), heads.rows(output), batch, heads.count(),
                       of_records, at::empty_like(of_records));
    heads.share(weight).copy_(of_records);
  });
}

void head_norm_tangent(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions, double epsilon,
                       const at::Tensor& out) {
  values(norm.view, out).copy_(values(norm.view, norm.x));
  queries_and_keys(norm.view, [&](const Heads& heads) {
    const at::Tensor x = heads.rows(norm.x), y = at::empty_like(x);
    layer_norm_tangent({Norm::kRms, {blocks.rows * heads.count(), blocks.tangents}, x, heads.notes(norm.statistics),
                        heads.share(norm.weight), {heads.shares(directions.weight), {}}},
                       {}, epsilon, y);
    heads.put(y, out);
  });
}

void head_norm_tangent_backward(const HeadNorm& norm, const Blocks& blocks, const SiteTangents& directions,
                                const NormTangentGradient& g, Slab& partials) {
  values(norm.view, g.stream).copy_(values(norm.view, g.output));
  queries_and_keys(norm.view, [&](const Heads& heads) {
    const int64_t rows = blocks.rows * heads.count();
    const at::Tensor x = heads.rows(norm.x), output = heads.rows(g.output);
    const at::Tensor d_x = at::zeros(output.sizes(), x.options());
    std::vector<double> sums(g.row_sums == nullptr ? 0 : static_cast<size_t>(blocks.tangents * rows));
    layer_norm_tangent_backward({Norm::kRms, {rows, blocks.tangents}, x, heads.notes(norm.statistics),
                                 heads.share(norm.weight), {heads.shares(directions.weight), {}}},
                                {output, d_x, {heads.shares(g.products.weight), {}}, g.accumulate,
                                 sums.empty() ? nullptr : sums.data()},
                                partials);
    for (size_t i = 0; i < sums.size(); ++i) g.row_sums[i / static_cast<size_t>(heads.count())] += sums[i];
    heads.put(d_x, g.stream);
  });
}

}  // namespace lethe
