// Factored form at a table: out += sums of (X Xᵀ) * (U Uᵀ), so that a tied table's cross terms between one record's
// scatter and another's head come by themselves. U of a block of entries is made dense, transposed, [V, rows]; a sparse
// row of another block then gathers the few of its rows it touches, and an exact head's rows meet it in a GEMM.
#include <ATen/Parallel.h>

#include "gemm.h"
#include "gram.h"
#include "rows.h"

namespace lethe {
namespace {

constexpr int64_t kLeftTokens = 1024;
constexpr int64_t kTransposeRows = 256;  // of U at once, to stay in cache

template <class Real, class Stored, class Index>
class FactoredTable {
 public:
  FactoredTable(const GramJob& job, const Table& table)
      : job_(job), table_(table), channels_(job.set.layout().shape().channels),
        options_(at::TensorOptions().dtype(job.set.model().dtype)) {}

  void run() {
    const int64_t per_token = table_.scatter >= 0 && table_.head >= 0 ? 2 : 1;
    const int64_t fit = job_.scratch_elements / 2 / table_.rows / per_token;
    const std::vector<EntryBlock> lefts = job_.set.blocks(kLeftTokens);
    for (const EntryBlock& right : job_.set.blocks(std::clamp<int64_t>(fit, 16, 512))) {
      const std::vector<TableRow> right_rows = table_rows(table_, job_.set, right);
      if (right_rows.empty()) continue;
      const at::Tensor u = dense_columns(right_rows);
      const at::Tensor x_right = inputs(right_rows, x_right_);
      for (const EntryBlock& left : lefts) {
        if (left.end <= right.begin) continue;
        job_.cancel.poll();
        const std::vector<TableRow> rows = table_rows(table_, job_.set, left);
        if (rows.empty()) continue;
        const at::Tensor products = row_products(rows, u);
        const at::Tensor x = inputs(rows, x_left_);
        const at::Tensor inner = inner_.get(options_, x.size(0), x_right.size(0));
        gemm(x, x_right.t(), inner);
        add_hadamard(job_, counts(left, rows), counts(right, right_rows), inner, products);
      }
    }
  }

 private:
  static RowCounts counts(const EntryBlock& block, const std::vector<TableRow>& rows) {
    RowCounts counts{block, std::vector<int64_t>(static_cast<size_t>(block.end - block.begin), 0)};
    for (const TableRow& row : rows) ++counts.counts[static_cast<size_t>(row.entry - block.begin)];
    return counts;
  }

  // X [rows, C]
  at::Tensor inputs(const std::vector<TableRow>& rows, Slab& slab) const {
    const at::Tensor x = slab.get(options_, static_cast<int64_t>(rows.size()), channels_);
    Real* to = x.mutable_data_ptr<Real>();
    for (size_t r = 0; r < rows.size(); ++r)
      load_row(static_cast<const Stored*>(rows[r].x), channels_, Real{1}, to + static_cast<int64_t>(r) * channels_);
    return x;
  }

  // Uᵀ [V, rows]
  at::Tensor dense_columns(const std::vector<TableRow>& rows) {
    const auto columns = static_cast<int64_t>(rows.size());
    const at::Tensor u = u_.get(options_, table_.rows, columns);
    Real* to = u.mutable_data_ptr<Real>();
    const int64_t k = job_.set.format().top_k();
    at::parallel_for(0, table_.rows, kTransposeRows, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += kTransposeRows) {
        const int64_t last = std::min(first + kTransposeRows, end);
        std::fill(to + first * columns, to + last * columns, Real{0});
        for (int64_t r = 0; r < columns; ++r) {
          const TableRow& row = rows[static_cast<size_t>(r)];
          const auto* value = static_cast<const Stored*>(row.value);
          if (row.id >= 0) {
            if (row.id >= first && row.id < last) to[row.id * columns + r] = 1;
          } else if (row.index == nullptr) {
            for (int64_t v = first; v < last; ++v) to[v * columns + r] = load<Real>(value[v]);
          } else {
            const auto* index = static_cast<const Index*>(row.index);
            const auto below = [](Index a, int64_t b) { return static_cast<int64_t>(a) < b; };
            for (auto* at = std::lower_bound(index, index + k, first, below);
                 at < index + k && static_cast<int64_t>(*at) < last; ++at)
              to[static_cast<int64_t>(*at) * columns + r] = load<Real>(value[at - index]);
          }
        }
      }
    });
    return u;
  }

  // U_left U_rightᵀ [rows, columns of u]
  at::Tensor row_products(const std::vector<TableRow>& rows, const at::Tensor& u) {
    const int64_t columns = u.size(1), k = job_.set.format().top_k();
    const at::Tensor products = products_.get(options_, static_cast<int64_t>(rows.size()), columns);
    const Real* from = u.const_data_ptr<Real>();
    Real* to = products.mutable_data_ptr<Real>();
    at::parallel_for(0, products.size(0), 16, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const TableRow& row = rows[static_cast<size_t>(r)];
        Real* sum = to + r * columns;
        if (row.id >= 0) std::copy_n(from + row.id * columns, columns, sum);
        if (row.index == nullptr) continue;
        std::fill_n(sum, columns, Real{0});
        const auto* index = static_cast<const Index*>(row.index);
        const auto* value = static_cast<const Stored*>(row.value);
        for (int64_t i = 0; i < k; ++i)
          add_row(load<Real>(value[i]), from + static_cast<int64_t>(index[i]) * columns, columns, sum);
      }
    });
    if (table_.head >= 0 && job_.set.exact_head()) exact_products(rows, u, products);
    return products;
  }

  // The head rows of each entry at once.
  void exact_products(const std::vector<TableRow>& rows, const at::Tensor& u, const at::Tensor& products) {
    for (size_t r = 0; r < rows.size();) {
      if (rows[r].id >= 0) {
        ++r;
        continue;
      }
      const int64_t i = rows[r].entry, count = job_.set.entry(i).targets();
      const at::Tensor e = job_.set.gather_host({i, i + 1}, table_.head, Factor::kSecond, 0, table_.rows, nullptr, errors_);
      gemm(e, u, products.narrow(0, static_cast<int64_t>(r), count));
      r += static_cast<size_t>(count);
    }
  }

  const GramJob& job_;
  const Table& table_;
  const int64_t channels_;
  const at::TensorOptions options_;
  Slab u_, x_left_, x_right_, inner_, products_, errors_;
};

}  // namespace

void gram_table_factored(const GramJob& job, const Table& table) {
  job.set.with_types([&](auto real, auto stored) {
    with_index(job.set.format(), [&](auto index) {
      FactoredTable<typename decltype(real)::type, typename decltype(stored)::type, typename decltype(index)::type>(job, table)
          .run();
    });
  });
}

}  // namespace lethe
