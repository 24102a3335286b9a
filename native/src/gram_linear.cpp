// Gram matrix at one linear site, weight and bias together.
//
// Factored: <g_i, g_j> = <A_i A_jᵀ + s_i s_jᵀ, G_i G_jᵀ>; s are the rows' bias shares, 1 unless truncated or 0. Dense: a stretch
// of weight rows of every gradient, X = A_i[:, stretch]ᵀ G_i laid out [N, stretch * out], then X Xᵀ; the bias's gradient is
// one more row.
#include <ATen/Parallel.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/mv.h>
#include <c10/core/InferenceMode.h>

#include "gemm.h"
#include "gram.h"

namespace lethe {
namespace {

constexpr int64_t kProductColumns = 1 << 16;  // the longest fp32 sum of a dense product

RowCounts row_counts(const EntrySet& set, const EntryBlock& block, int64_t site) {
  RowCounts counts{block, {}};
  for (int64_t i = block.begin; i < block.end; ++i)
    counts.counts.push_back(set.format().linear_rows(site, set.entry(i).tokens()));
  return counts;
}

void factored(const GramJob& job, int64_t site) {
  const EntrySet& set = job.set;
  // Two products [rows, rows] and four factors take the scratch.
  const int64_t widths = set.layout().sites()[static_cast<size_t>(site)].inputs +
                         set.layout().sites()[static_cast<size_t>(site)].outputs;
  int64_t limit = 64;
  while (limit < 2048 && 2 * limit * (2 * limit + widths) * 2 < job.scratch_elements) limit *= 2;
  const std::vector<EntryBlock> blocks = set.blocks(limit);
  Slab a1, g1, a2, g2, p, q;
  for (const EntryBlock& right : blocks) {
    const at::Tensor a_right = set.gather(right, site, Factor::kFirst, nullptr, a1);
    const at::Tensor g_right = set.gather(right, site, Factor::kSecond, nullptr, g1);
    const at::Tensor shares_right = set.bias_share_rows(right, site).unsqueeze(0);
    for (const EntryBlock& left : blocks) {
      if (left.begin < right.begin) continue;
      job.cancel.poll();
      const at::Tensor a = set.gather(left, site, Factor::kFirst, nullptr, a2);
      const at::Tensor g = set.gather(left, site, Factor::kSecond, nullptr, g2);
      const at::Tensor inputs = p.get(a.options(), a.size(0), a_right.size(0));
      const at::Tensor gradients = q.get(a.options(), a.size(0), a_right.size(0));
      at::Tensor bias = inputs;
      at::mul_out(bias, set.bias_share_rows(left, site).unsqueeze(1), shares_right);
      gemm(a, a_right.t(), inputs, Into::kAdd);
      gemm(g, g_right.t(), gradients);
      add_hadamard(job, row_counts(set, left, site), row_counts(set, right, site), inputs, gradients);
    }
  }
}

void dense(const GramJob& job, int64_t site) {
  const EntrySet& set = job.set;
  const int64_t n = set.count();
  const int64_t inputs = set.layout().sites()[static_cast<size_t>(site)].inputs;
  const int64_t outputs = set.layout().sites()[static_cast<size_t>(site)].outputs;
  const int64_t fit = std::min(kProductColumns, job.scratch_elements / n) / outputs;
  const int64_t stretch = std::clamp<int64_t>(fit, 1, inputs);
  Slab slab;
  const at::Tensor bias = slab.get(set.model().options(), n, outputs);
  Slab products;
  for (int64_t row = 0; row < inputs; row += stretch) {
    job.cancel.poll();
    const int64_t end = std::min(row + stretch, inputs);
    const at::Tensor x = products.get(set.model().options(), n, (end - row) * outputs);
    const auto fill = [&](int64_t first, int64_t last) {
      const c10::InferenceMode inference;  // thread-local, and this may be another thread
      Slab left, right;
      for (int64_t i = first; i < last; ++i) {
        const at::Tensor a = set.gather({i, i + 1}, site, Factor::kFirst, row, end, nullptr, left);
        const at::Tensor g = set.gather({i, i + 1}, site, Factor::kSecond, nullptr, right);
        gemm(a.t(), g, x.select(0, i).view({end - row, outputs}));
        if (row > 0) continue;
        at::Tensor sum = bias.select(0, i);
        at::mv_out(sum, g.t(), set.bias_share_rows({i, i + 1}, site));
      }
    };
    if (set.model().on_cpu()) {
      at::parallel_for(0, n, 1, fill);
    } else {
      fill(0, n);
    }
    add_products(job, x);
  }
  add_products(job, bias);
}

}  // namespace

void gram_linear(const GramJob& job, int64_t site, GramForm form) {
  const Site& place = job.set.layout().sites()[static_cast<size_t>(site)];
  const auto n = static_cast<double>(job.set.count());
  const auto rows = static_cast<double>(job.set.rows({0, job.set.count()}, site));
  const auto in = static_cast<double>(place.inputs), out = static_cast<double>(place.outputs);
  // Multiply-adds, halves that symmetry spares left out on both sides; 8 stands for the elementwise part's memory.
  const double by_factors = rows * rows / 2 * (in + out + 8);
  const double by_gradients = rows * in * out + n * n / 2 * in * out;
  const bool take_factors = form == GramForm::kCheapest ? by_factors < by_gradients : form == GramForm::kFactored;
  if (take_factors) {
    factored(job, site);
  } else {
    dense(job, site);
  }
}

}  // namespace lethe
