// <g_i, q_m> with both sides factored: <A_i A_qᵀ + s_i s_qᵀ, G_i G_qᵀ> at a linear site, two GEMMs a block of entries for
// all queries together, then a dot product a row and query. A table's gradient is Uᵀ X: the queries' U is made dense and
// transposed once, [V, R]; a sparse row of an entry gathers the few of its rows that it touches, an exact head's rows
// meet it in a GEMM. R counts the rows of all queries, so the caller bounds memory by their number.
#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/zeros.h>

#include "entries.h"
#include "entries_device.h"
#include "gemm.h"
#include "rows.h"
#include "table.h"

namespace lethe {
namespace {

constexpr int64_t kProductElements = 1 << 22;  // of a [rows, R] product at once
constexpr int64_t kSharedRows = 8;

class Crossing {
 public:
  Crossing(const EntrySet& set, const EntrySet& queries, double* out, const Cancel& cancel)
      : set_(set), queries_(queries), out_(out), cancel_(cancel), everyone_{0, queries.count()} {}

  void norm(int64_t site) {
    for (const Factor factor : set_.norm_factors(site)) {
      const at::Tensor q = queries_.gather(everyone_, site, factor, nullptr, query_left_);
      const EntryBlock all{0, set_.count()};
      const at::Tensor x = set_.gather(all, site, factor, nullptr, left_);
      const at::Tensor product = p_.get(x.options(), x.size(0), q.size(0));
      gemm(x, q.t(), product);
      const at::Tensor host = product.to(at::TensorOptions().dtype(at::kDouble).device(at::kCPU)).contiguous();
      const double* from = host.const_data_ptr<double>();
      for (int64_t i = 0; i < set_.count(); ++i)
        for (int64_t m = 0; m < queries_.count(); ++m) at(m, i, site) += from[i * queries_.count() + m];
    }
  }

  void linear(int64_t site) {
    const at::Tensor a_query = queries_.gather(everyone_, site, Factor::kFirst, nullptr, query_left_);
    const at::Tensor g_query = queries_.gather(everyone_, site, Factor::kSecond, nullptr, query_right_);
    const at::Tensor query_shares = queries_.bias_share_rows(everyone_, site).unsqueeze(0);
    const std::vector<int64_t> columns = counts(queries_, everyone_, site);
    for (const EntryBlock& block : blocks(a_query.size(0))) {
      cancel_.poll();
      const at::Tensor a = set_.gather(block, site, Factor::kFirst, nullptr, left_);
      const at::Tensor g = set_.gather(block, site, Factor::kSecond, nullptr, right_);
      const at::Tensor inputs = p_.get(a.options(), a.size(0), a_query.size(0));
      const at::Tensor gradients = q_.get(a.options(), a.size(0), a_query.size(0));
      at::Tensor bias = inputs;
      at::mul_out(bias, set_.bias_share_rows(block, site).unsqueeze(1), query_shares);
      gemm(a, a_query.t(), inputs, Into::kAdd);
      gemm(g, g_query.t(), gradients);
      std::vector<Owner> owners;
      for (int64_t i = block.begin; i < block.end; ++i)
        owners.insert(owners.end(), static_cast<size_t>(set_.matrix(i, site, Factor::kFirst).rows), {i, site});
      add(owners, columns, inputs, gradients);
    }
  }

  void table(const Table& chosen, const Table& held) {
    const std::vector<TableRow> query_rows = table_rows(held, queries_, everyone_);
    if (query_rows.empty()) return;
    const at::Tensor x_query = inputs(queries_, query_rows, query_left_);
    const at::Tensor u_query =
        set_.model().on_cpu() ? dense_columns(held, query_rows) : lethe::dense_columns(queries_, held, query_rows);
    std::vector<int64_t> columns(static_cast<size_t>(queries_.count()), 0);
    for (const TableRow& row : query_rows) ++columns[static_cast<size_t>(row.entry)];
    for (const EntryBlock& block : blocks(x_query.size(0))) {
      cancel_.poll();
      const std::vector<TableRow> rows = table_rows(chosen, set_, block);
      if (rows.empty()) continue;
      const at::Tensor x = inputs(set_, rows, left_);
      const at::Tensor inner = p_.get(x.options(), x.size(0), x_query.size(0));
      gemm(x, x_query.t(), inner);
      const at::Tensor products =
          set_.model().on_cpu() ? row_products(chosen, rows, u_query) : left_products(set_, chosen, rows, u_query);
      std::vector<Owner> owners;
      for (const TableRow& row : rows) owners.push_back({row.entry, row.id >= 0 ? chosen.scatter : chosen.head});
      add(owners, columns, inner, products);
    }
  }

 private:
  struct Owner {
    int64_t entry, site;
  };

  double& at(int64_t m, int64_t entry, int64_t site) const {
    return out_[(m * set_.count() + entry) * set_.layout().site_count() + site];
  }

  // A linear site or table may have two rows a token.
  std::vector<EntryBlock> blocks(int64_t query_rows) const {
    return set_.blocks(std::clamp<int64_t>(kProductElements / query_rows / 2, 64, 2048));
  }

  static std::vector<int64_t> counts(const EntrySet& set, const EntryBlock& block, int64_t site) {
    std::vector<int64_t> counts;
    for (int64_t i = block.begin; i < block.end; ++i) counts.push_back(set.matrix(i, site, Factor::kFirst).rows);
    return counts;
  }

  // X [rows, C] on the model's device.
  static at::Tensor inputs(const EntrySet& set, const std::vector<TableRow>& rows, Slab& slab) {
    if (!set.model().on_cpu()) return table_inputs(set, rows);
    const int64_t channels = set.layout().shape().channels;
    const at::Tensor x = slab.get(at::TensorOptions().dtype(set.model().dtype), static_cast<int64_t>(rows.size()), channels);
    set.with_types([&](auto real, auto stored) {
      using Real = typename decltype(real)::type;
      Real* to = x.mutable_data_ptr<Real>();
      at::parallel_for(0, x.size(0), kSharedRows, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r)
          load_row(static_cast<const typename decltype(stored)::type*>(rows[static_cast<size_t>(r)].x), channels, Real{1},
                   to + r * channels);
      });
    });
    return x;
  }

  // The queries' Uᵀ [V, R].
  at::Tensor dense_columns(const Table& table, const std::vector<TableRow>& rows) {
    const auto count = static_cast<int64_t>(rows.size());
    const at::Tensor u = u_.get(at::TensorOptions().dtype(queries_.model().dtype), table.rows, count);
    u.zero_();
    queries_.with_types([&](auto real, auto stored) {
      with_index(queries_.format(), [&](auto narrow) {
        using Real = typename decltype(real)::type;
        using Index = typename decltype(narrow)::type;
        Real* to = u.mutable_data_ptr<Real>();
        at::parallel_for(0, table.rows, 1024, [&](int64_t begin, int64_t end) {
          for (int64_t r = 0; r < count; ++r) {
            const TableRow& row = rows[static_cast<size_t>(r)];
            const auto* value = static_cast<const typename decltype(stored)::type*>(row.value);
            if (row.id >= 0) {
              if (row.id >= begin && row.id < end) to[row.id * count + r] = 1;
            } else if (row.index == nullptr) {
              for (int64_t v = begin; v < end; ++v) to[v * count + r] = load<Real>(value[v]);
            } else {
              const auto* index = static_cast<const Index*>(row.index);
              for (int64_t i = 0; i < queries_.format().top_k(); ++i) {
                const auto v = static_cast<int64_t>(index[i]);
                if (v >= begin && v < end) to[v * count + r] = load<Real>(value[i]);
              }
            }
          }
        });
      });
    });
    return u;
  }

  // U U_qᵀ [rows, R]
  at::Tensor row_products(const Table& table, const std::vector<TableRow>& rows, const at::Tensor& u) {
    const at::Tensor products = q_.get(u.options(), static_cast<int64_t>(rows.size()), u.size(1));
    set_.with_types([&](auto real, auto stored) {
      with_index(set_.format(), [&](auto index) {
        sparse_products<typename decltype(real)::type, typename decltype(stored)::type, typename decltype(index)::type>(
            rows, u, products);
      });
    });
    if (table.head >= 0 && set_.exact_head()) exact_products(table, rows, u, products);
    return products;
  }

  template <class Real, class Stored, class Index>
  void sparse_products(const std::vector<TableRow>& rows, const at::Tensor& u, const at::Tensor& products) {
    const int64_t width = u.size(1), k = set_.format().top_k();
    const Real* from = u.const_data_ptr<Real>();
    Real* to = products.mutable_data_ptr<Real>();
    at::parallel_for(0, products.size(0), kSharedRows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const TableRow& row = rows[static_cast<size_t>(r)];
        Real* sum = to + r * width;
        if (row.id >= 0) std::copy_n(from + row.id * width, width, sum);
        if (row.index == nullptr) continue;
        std::fill_n(sum, width, Real{0});
        const auto* index = static_cast<const Index*>(row.index);
        const auto* value = static_cast<const Stored*>(row.value);
        for (int64_t i = 0; i < k; ++i)
          add_row(load<Real>(value[i]), from + static_cast<int64_t>(index[i]) * width, width, sum);
      }
    });
  }

  // The head rows of each entry at once.
  void exact_products(const Table& table, const std::vector<TableRow>& rows, const at::Tensor& u, const at::Tensor& products) {
    for (size_t r = 0; r < rows.size();) {
      if (rows[r].id >= 0) {
        ++r;
        continue;
      }
      const int64_t i = rows[r].entry, count = set_.entry(i).targets();
      const at::Tensor e = set_.gather({i, i + 1}, table.head, Factor::kSecond, nullptr, right_);
      gemm(e, u, products.narrow(0, static_cast<int64_t>(r), count));
      r += static_cast<size_t>(count);
    }
  }

  // out[m, owner of r] += the dot product of p's and q's row r over the columns of query m.
  void add(const std::vector<Owner>& owners, const std::vector<int64_t>& columns, const at::Tensor& p, const at::Tensor& q) {
    if (!set_.model().on_cpu()) return add_on_device(owners, columns, p, q);
    const int64_t rows = p.size(0), width = p.size(1), queries = queries_.count();
    sums_.resize(static_cast<size_t>(rows * queries));
    set_.with_types([&](auto real, auto) {
      using Real = typename decltype(real)::type;
      const Real* ps = p.const_data_ptr<Real>();
      const Real* qs = q.const_data_ptr<Real>();
      at::parallel_for(0, rows, kSharedRows, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          int64_t from = r * width;
          for (int64_t m = 0; m < queries; ++m) {
            sums_[static_cast<size_t>(r * queries + m)] = dot_row(ps + from, qs + from, columns[static_cast<size_t>(m)]);
            from += columns[static_cast<size_t>(m)];
          }
        }
      });
    });
    for (size_t r = 0; r < owners.size(); ++r)
      for (int64_t m = 0; m < queries; ++m)
        at(m, owners[r].entry, owners[r].site) += sums_[r * static_cast<size_t>(queries) + static_cast<size_t>(m)];
  }

  // Neighbouring rows of one owner are summed there.
  void add_on_device(const std::vector<Owner>& owners, const std::vector<int64_t>& columns, const at::Tensor& p,
                     const at::Tensor& q) {
    std::vector<Owner> each;
    std::vector<int64_t> rows;
    for (const Owner& owner : owners) {
      if (each.empty() || each.back().entry != owner.entry || each.back().site != owner.site) {
        each.push_back(owner);
        rows.push_back(0);
      }
      ++rows.back();
    }
    const int64_t queries = queries_.count();
    const at::Tensor sums = at::zeros({static_cast<int64_t>(each.size()), queries}, p.options().dtype(at::kDouble));
    set_.model().path->pair_products({p, q, begins_of(set_, rows), begins_of(set_, columns), 0, 0, false, sums});
    const at::Tensor host = sums.cpu();
    for (size_t i = 0; i < each.size(); ++i)
      for (int64_t m = 0; m < queries; ++m)
        at(m, each[i].entry, each[i].site) += host.const_data_ptr<double>()[static_cast<int64_t>(i) * queries + m];
  }

  const EntrySet& set_;
  const EntrySet& queries_;
  double* out_;
  const Cancel& cancel_;
  const EntryBlock everyone_;
  std::vector<double> sums_;
  Slab query_left_, query_right_, left_, right_, u_, p_, q_;
};

}  // namespace

void cross(const EntrySet& set, const EntrySet& queries, double* out, const Cancel& cancel) {
  const Layout& layout = set.layout();
  std::fill(out, out + queries.count() * set.count() * layout.site_count(), 0.0);
  Crossing crossing(set, queries, out, cancel);
  for (int64_t s = 0; s < layout.site_count(); ++s) {
    if (!set.chosen(s)) continue;
    const int32_t kind = layout.sites()[static_cast<size_t>(s)].kind;
    if (kind == LETHE_SITE_LINEAR) crossing.linear(s);
    if (kind == LETHE_SITE_NORM) crossing.norm(s);
  }
  const std::vector<Table> held = chosen_tables(queries);
  for (const Table& table : chosen_tables(set))
    for (const Table& other : held)
      if (other.tensor == table.tensor) crossing.table(table, other);
}

}  // namespace lethe
