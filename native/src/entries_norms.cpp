// <g_i, g_i> site by site, an entry a thread. A linear site takes the cheaper of <A Aᵀ + s sᵀ, G Gᵀ> and the gradient's own
// squares; a table (U Uᵀ) * (X Xᵀ), where sparse rows of U meet by a list of who holds each id. A tied table's cross terms
// go half to wte and half to lm_head, so that the parts are those of <g_i, v> with v = g_i.
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <memory>
#include <tuple>

#include "entries.h"
#include "entries_device.h"
#include "gemm.h"
#include "parallel.h"
#include "rows.h"
#include "table.h"

namespace lethe {
namespace {

double dot_all(const at::Tensor& p, const at::Tensor& q) { return at::mul(p, q).sum(at::kDouble).item<double>(); }

class Norms {
 public:
  explicit Norms(const EntrySet& set) : set_(set) {}

  double norm(int64_t i, int64_t site) {
    double sum = 0;
    for (const Factor factor : set_.norm_factors(site)) {
      const at::Tensor x = set_.gather({i, i + 1}, site, factor, nullptr, left_);
      sum += dot_all(x, x);
    }
    return sum;
  }

  double linear(int64_t i, int64_t site) {
    const at::Tensor a = set_.gather({i, i + 1}, site, Factor::kFirst, nullptr, left_);
    const at::Tensor g = set_.gather({i, i + 1}, site, Factor::kSecond, nullptr, right_);
    const at::Tensor shares = set_.bias_share_rows({i, i + 1}, site);
    const int64_t rows = a.size(0), in = a.size(1), out = g.size(1);
    if (rows * (in + out) < in * out) {
      const at::Tensor p = p_.get(a.options(), rows, rows), q = q_.get(a.options(), rows, rows);
      at::Tensor bias = p;
      at::mul_out(bias, shares.unsqueeze(1), shares.unsqueeze(0));
      gemm(a, a.t(), p, Into::kAdd);
      gemm(g, g.t(), q);
      return dot_all(p, q);
    }
    const at::Tensor gradient = p_.get(a.options(), in, out);
    gemm(a.t(), g, gradient);
    const at::Tensor bias = at::mul(g, shares.unsqueeze(1)).sum({0}, /*keepdim=*/false, at::kDouble);
    return dot_all(gradient, gradient) + dot_all(bias, bias);
  }

  // Adds to row [S].
  void table(int64_t i, const Table& table, double* row) {
    const std::vector<TableRow> rows = table_rows(table, set_, {i, i + 1});
    if (rows.empty()) return;
    if (!set_.model().on_cpu()) return table_on_device(table, rows, row);
    const auto count = static_cast<int64_t>(rows.size()), channels = set_.layout().shape().channels;
    const auto options = at::TensorOptions().dtype(set_.model().dtype);
    const at::Tensor x = left_.get(options, count, channels), inner = p_.get(options, count, count);
    const at::Tensor u = q_.get(options, count, count);
    u.zero_();
    set_.with_types([&](auto real, auto stored) {
      using Real = typename decltype(real)::type;
      using Stored = typename decltype(stored)::type;
      Real* to = x.mutable_data_ptr<Real>();
      for (int64_t r = 0; r < count; ++r)
        load_row(static_cast<const Stored*>(rows[static_cast<size_t>(r)].x), channels, Real{1}, to + r * channels);
      gemm(x, x.t(), inner);
      if (table.head >= 0 && set_.exact_head()) {
        exact<Real, Stored>(i, table, rows, u);
      } else {
        with_index(set_.format(), [&](auto index) { meet<Real, Stored, typename decltype(index)::type>(rows, u); });
      }
      for (int64_t r = 0; r < count; ++r)
        row[rows[static_cast<size_t>(r)].id >= 0 ? table.scatter : table.head] +=
            dot_row(inner.const_data_ptr<Real>() + r * count, u.const_data_ptr<Real>() + r * count, count);
    });
  }

 private:
  void table_on_device(const Table& table, const std::vector<TableRow>& rows, double* row) {
    const at::Tensor x = table_inputs(set_, rows), inner = p_.get(x.options(), x.size(0), x.size(0));
    gemm(x, x.t(), inner);
    const at::Tensor u = left_products(set_, table, rows, dense_columns(set_, table, rows));
    const at::Tensor dots = set_.model().path->row_dots(inner, u).cpu();
    for (size_t r = 0; r < rows.size(); ++r)
      row[rows[r].id >= 0 ? table.scatter : table.head] += dots.const_data_ptr<double>()[r];
  }

  // U Uᵀ of sparse rows: every pair of rows that holds the same id.
  template <class Real, class Stored, class Index>
  void meet(const std::vector<TableRow>& rows, const at::Tensor& u) {
    std::vector<std::tuple<int64_t, int32_t, Real>> holders;  // id, row, value
    for (size_t r = 0; r < rows.size(); ++r) {
      if (rows[r].id >= 0) holders.emplace_back(rows[r].id, static_cast<int32_t>(r), Real{1});
      if (rows[r].index == nullptr) continue;
      const auto* index = static_cast<const Index*>(rows[r].index);
      const auto* value = static_cast<const Stored*>(rows[r].value);
      for (int64_t k = 0; k < set_.format().top_k(); ++k)
        holders.emplace_back(static_cast<int64_t>(index[k]), static_cast<int32_t>(r), load<Real>(value[k]));
    }
    std::sort(holders.begin(), holders.end());
    Real* to = u.mutable_data_ptr<Real>();
    for (size_t begin = 0, end = 0; begin < holders.size(); begin = end) {
      while (end < holders.size() && std::get<0>(holders[end]) == std::get<0>(holders[begin])) ++end;
      for (size_t a = begin; a < end; ++a)
        for (size_t b = begin; b < end; ++b)
          to[std::get<1>(holders[a]) * u.size(1) + std::get<1>(holders[b])] +=
              std::get<2>(holders[a]) * std::get<2>(holders[b]);
    }
  }

  // With an exact head: E Eᵀ by a GEMM, the scatter rows by looking up; scatter rows come first.
  template <class Real, class Stored>
  void exact(int64_t i, const Table& table, const std::vector<TableRow>& rows, const at::Tensor& u) {
    const int64_t head = set_.entry(i).targets(), count = u.size(1), scatter = count - head;
    Real* to = u.mutable_data_ptr<Real>();
    for (int64_t r = 0; r < scatter; ++r) {
      const int64_t id = rows[static_cast<size_t>(r)].id;
      for (int64_t c = 0; c < scatter; ++c) to[r * count + c] = id == rows[static_cast<size_t>(c)].id ? Real{1} : Real{0};
      for (int64_t c = scatter; c < count; ++c)
        to[r * count + c] = to[c * count + r] =
            load<Real>(static_cast<const Stored*>(rows[static_cast<size_t>(c)].value)[id]);
    }
    if (head == 0) return;
    const at::Tensor e = set_.gather_host({i, i + 1}, table.head, Factor::kSecond, 0, table.rows, nullptr, right_);
    const at::Tensor products = errors_.get(e.options(), head, head);
    gemm(e, e.t(), products);
    u.narrow(0, scatter, head).narrow(1, scatter, head).copy_(products);
  }

  const EntrySet& set_;
  Slab left_, right_, p_, q_, errors_;
};

void entry(Norms& norms, const EntrySet& set, const std::vector<Table>& tables, int64_t i, double* row) {
  for (int64_t s = 0; s < set.layout().site_count(); ++s) {
    if (!set.chosen(s)) continue;
    const int32_t kind = set.layout().sites()[static_cast<size_t>(s)].kind;
    if (kind == LETHE_SITE_LINEAR) row[s] = norms.linear(i, s);
    if (kind == LETHE_SITE_NORM) row[s] = norms.norm(i, s);
  }
  for (const Table& table : tables) norms.table(i, table, row);
}

}  // namespace

void squared_norms(const EntrySet& set, double* out, const Cancel& cancel) {
  const int64_t sites = set.layout().site_count();
  std::fill(out, out + set.count() * sites, 0.0);
  const std::vector<Table> tables = chosen_tables(set);
  if (!set.model().on_cpu()) {
    Norms norms(set);
    for (int64_t i = 0; i < set.count(); ++i) {
      cancel.poll();
      entry(norms, set, tables, i, out + i * sites);
    }
    return;
  }
  dynamic_for(set.count(), [&] {
    return [&, inference = std::make_unique<c10::InferenceMode>(), norms = Norms(set)](int64_t i) mutable {
      cancel.poll();
      entry(norms, set, tables, i, out + i * sites);
    };
  });
}

}  // namespace lethe
