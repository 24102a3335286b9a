// <g_i, v_m> site by site as <A_i V, G_i>: one GEMM a block of entries and vector, then a dot product a row and a sum an
// entry, both ending in fp64. Sparse rows gather the few rows of v they touch. A block is gathered once for all vectors.
#include "entries.h"
#include "entries_device.h"
#include "gemm.h"
#include "parallel.h"
#include "rows.h"
#include "table.h"

namespace lethe {
namespace {

constexpr int64_t kBlockTokens = 2048;
constexpr int64_t kHeadColumns = 512;
constexpr int64_t kGrainRows = 8;

class Products {
 public:
  Products(const EntrySet& set, const std::vector<const lethe_vector*>& vectors, double* out, const Cancel& cancel)
      : set_(set), vectors_(vectors), out_(out), cancel_(cancel) {}

  void norm(int64_t site) {
    const EntryBlock all{0, set_.count()};
    for (const Factor factor : set_.norm_factors(site)) {
      const Layout& layout = set_.layout();
      const int64_t tensor = factor == Factor::kFirst ? layout.weight_of(site) : layout.bias_of(site);
      const at::Tensor rows = set_.gather(all, site, factor, nullptr, left_);
      for (size_t m = 0; m < vectors_.size(); ++m)
        add_row_dots(m, all, site, rows, view(m, tensor).unsqueeze(0), nullptr);
    }
  }

  void linear(int64_t site, const EntryBlock& block) {
    const at::Tensor a = set_.gather(block, site, Factor::kFirst, nullptr, left_);
    const at::Tensor g = set_.gather(block, site, Factor::kSecond, nullptr, right_);
    const std::vector<double> shares = set_.bias_shares(block, site);
    for (size_t m = 0; m < vectors_.size(); ++m) {
      cancel_.poll();
      const at::Tensor& weight = view(m, set_.layout().weight_of(site));
      const at::Tensor product = product_.get(set_.model().options(), a.size(0), weight.size(1));
      gemm(a, weight, product);
      add_row_dots(m, block, site, product, g, nullptr);
      if (!set_.has_bias(site)) continue;
      add_row_dots(m, block, site, g, view(m, set_.layout().bias_of(site)).unsqueeze(0), shares.data());
    }
  }

  void exact_head(int64_t site, const EntryBlock& block) {
    if (set_.rows(block, site) == 0) return;
    const at::Tensor h = set_.gather(block, site, Factor::kFirst, nullptr, left_);
    const int64_t count = set_.layout().shape().vocabulary;
    for (int64_t v = 0; v < count; v += kHeadColumns) {
      cancel_.poll();
      const int64_t end = std::min(v + kHeadColumns, count);
      const at::Tensor e = set_.gather(block, site, Factor::kSecond, v, end, nullptr, right_);
      const at::Tensor product = product_.get(set_.model().options(), h.size(0), end - v);
      for (size_t m = 0; m < vectors_.size(); ++m) {
        gemm(h, view(m, set_.layout().weight_of(site)).narrow(0, v, end - v).t(), product);
        add_row_dots(m, block, site, product, e, nullptr);
      }
    }
  }

  // Scatter and top-k head rows of a table.
  void table(const Table& table, const EntryBlock& block) {
    const std::vector<TableRow> rows = table_rows(table, set_, block);
    if (rows.empty()) return;
    if (!set_.model().on_cpu()) return table_on_device(table, rows);
    std::vector<double> products(rows.size());
    for (size_t m = 0; m < vectors_.size(); ++m) {
      cancel_.poll();
      const at::Tensor& values = view(m, table.tensor);
      set_.with_types([&](auto real, auto stored) {
        with_index(set_.format(), [&](auto index) {
          sparse_dots<typename decltype(real)::type, typename decltype(stored)::type, typename decltype(index)::type>(
              rows, values, products.data());
        });
      });
      for (size_t r = 0; r < rows.size(); ++r)
        at(m, rows[r].entry, rows[r].id >= 0 ? table.scatter : table.head) += products[r];
    }
  }

 private:
  void table_on_device(const Table& table, const std::vector<TableRow>& rows) {
    DevicePath& path = *set_.model().path;
    const at::Tensor x = table_inputs(set_, rows), combined = product_.get(x.options(), x.size(0), x.size(1));
    const SparseRows sparse = sparse_rows(set_, rows);
    for (size_t m = 0; m < vectors_.size(); ++m) {
      cancel_.poll();
      path.table_products(sparse, view(m, table.tensor), combined);
      const at::Tensor host = path.row_dots(combined, x).cpu();
      for (size_t r = 0; r < rows.size(); ++r)
        at(m, rows[r].entry, rows[r].id >= 0 ? table.scatter : table.head) += host.const_data_ptr<double>()[r];
    }
  }

  const at::Tensor& view(size_t m, int64_t tensor) const { return vectors_[m]->views[static_cast<size_t>(tensor)]; }
  double& at(size_t m, int64_t entry, int64_t site) const {
    return out_[(static_cast<int64_t>(m) * set_.count() + entry) * set_.layout().site_count() + site];
  }

  // out[m, i, site] += the dot products of x's and y's rows that are entry i's, times shares [rows] (NULL = 1); one row of
  // y serves all when it has one.
  void add_row_dots(size_t m, const EntryBlock& block, int64_t site, const at::Tensor& x, const at::Tensor& y,
                    const double* shares) {
    std::vector<double> dots(static_cast<size_t>(x.size(0)));
    if (set_.model().on_cpu()) {
      set_.with_types([&](auto real, auto) { row_dots<typename decltype(real)::type>(x, y, dots.data()); });
    } else {
      const at::Tensor host = set_.model().path->row_dots(x, y).cpu();
      std::copy_n(host.const_data_ptr<double>(), dots.size(), dots.data());
    }
    size_t row = 0;
    for (int64_t i = block.begin; i < block.end; ++i)
      for (int64_t r = 0; r < set_.matrix(i, site, Factor::kFirst).rows; ++r, ++row)
        at(m, i, site) += shares == nullptr ? dots[row] : shares[row] * dots[row];
  }

  template <class Real>
  void row_dots(const at::Tensor& x, const at::Tensor& y, double* dots) {
    const int64_t columns = x.size(1), step = y.size(0) == 1 ? 0 : columns;
    const Real* xs = x.const_data_ptr<Real>();
    const Real* ys = y.const_data_ptr<Real>();
    at::parallel_for(0, x.size(0), kGrainRows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) dots[r] = dot_row(xs + r * columns, ys + r * step, columns);
    });
  }

  template <class Real, class Stored, class Index>
  void sparse_dots(const std::vector<TableRow>& rows, const at::Tensor& table, double* products) {
    const int64_t channels = table.size(1), k = set_.format().top_k();
    const Real* values = table.const_data_ptr<Real>();
    at::parallel_for(0, static_cast<int64_t>(rows.size()), kGrainRows, [&](int64_t begin, int64_t end) {
      std::vector<Real> combined(static_cast<size_t>(channels));
      for (int64_t r = begin; r < end; ++r) {
        const TableRow& row = rows[static_cast<size_t>(r)];
        const auto* x = static_cast<const Stored*>(row.x);
        if (row.id >= 0) {
          products[r] = dot_row(values + row.id * channels, x, channels);
        } else if (row.index != nullptr) {
          const auto* index = static_cast<const Index*>(row.index);
          const auto* value = static_cast<const Stored*>(row.value);
          std::fill(combined.begin(), combined.end(), Real{0});
          for (int64_t i = 0; i < k; ++i)
            add_row(load<Real>(value[i]), values + static_cast<int64_t>(index[i]) * channels, channels, combined.data());
          products[r] = dot_row(combined.data(), x, channels);
        }
      }
    });
  }

  const EntrySet& set_;
  const std::vector<const lethe_vector*>& vectors_;
  double* out_;
  const Cancel& cancel_;
  Slab left_, right_, product_;
};

}  // namespace

void dot(const EntrySet& set, const std::vector<const lethe_vector*>& vectors, double* out, const Cancel& cancel) {
  const int64_t sites = set.layout().site_count(), head = set.layout().head_site();
  std::fill(out, out + static_cast<int64_t>(vectors.size()) * set.count() * sites, 0.0);
  if (set.count() == 0) return;
  Products products(set, vectors, out, cancel);
  const std::vector<Table> tables = chosen_tables(set);
  for (const EntryBlock& block : set.blocks(kBlockTokens)) {
    for (int64_t s = 0; s < sites; ++s) {
      cancel.poll();
      if (set.chosen(s) && set.layout().sites()[static_cast<size_t>(s)].kind == LETHE_SITE_LINEAR) products.linear(s, block);
    }
    if (set.chosen(head) && set.exact_head()) products.exact_head(head, block);
    for (const Table& table : tables) {
      cancel.poll();
      products.table(table, block);
    }
  }
  for (int64_t s = 0; s < sites; ++s)
    if (set.chosen(s) && set.layout().sites()[static_cast<size_t>(s)].kind == LETHE_SITE_NORM) products.norm(s);
}

}  // namespace lethe
