// Lays tables out for a device's kernels.
#include "entries_device.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cstring>

#include "gemm.h"

namespace lethe {
namespace {

template <class T>
at::Tensor send(const EntrySet& set, const std::vector<T>& values, at::ScalarType type) {
  const size_t bytes = values.size() * sizeof(T);
  std::memcpy(set.model().path->staging(bytes), values.data(), bytes);
  return set.model().path->upload(bytes).view(type);
}

// body(first row, E [targets, V]) for each entry's rows of an exact head.
template <class Body>
void over_exact_heads(const EntrySet& set, const Table& table, const std::vector<TableRow>& rows, Body&& body) {
  if (table.head < 0 || !set.exact_head()) return;
  Slab slab;
  for (size_t r = 0; r < rows.size();) {
    if (rows[r].id >= 0) {
      ++r;
      continue;
    }
    const int64_t i = rows[r].entry;
    body(static_cast<int64_t>(r), set.gather({i, i + 1}, table.head, Factor::kSecond, nullptr, slab));
    r += static_cast<size_t>(set.entry(i).targets());
  }
}

}  // namespace

at::Tensor table_inputs(const EntrySet& set, const std::vector<TableRow>& rows) {
  std::vector<const void*> from;
  for (const TableRow& row : rows) from.push_back(row.x);
  return set.upload_rows(from, set.layout().shape().channels);
}

SparseRows sparse_rows(const EntrySet& set, const std::vector<TableRow>& rows) {
  int64_t k = 1;
  for (const TableRow& row : rows)
    if (row.index != nullptr) k = set.format().top_k();
  const auto count = static_cast<int64_t>(rows.size());
  std::vector<int32_t> index(static_cast<size_t>(count * k), -1);
  SparseRows sparse;
  set.with_types([&](auto real, auto stored) {
    with_index(set.format(), [&](auto narrow) {
      using Real = typename decltype(real)::type;
      std::vector<Real> values(index.size(), Real{1});
      for (int64_t r = 0; r < count; ++r) {
        const TableRow& row = rows[static_cast<size_t>(r)];
        const auto at = static_cast<size_t>(r * k);
        if (row.id >= 0) index[at] = static_cast<int32_t>(row.id);
        if (row.index == nullptr) continue;
        const auto* from = static_cast<const typename decltype(narrow)::type*>(row.index);
        const auto* value = static_cast<const typename decltype(stored)::type*>(row.value);
        for (size_t i = 0; i < static_cast<size_t>(k); ++i)
          index[at + i] = static_cast<int32_t>(from[i]), values[at + i] = load<Real>(value[i]);
      }
      sparse.values = send(set, values, set.model().dtype).view({count, k});
    });
  });
  sparse.index = send(set, index, at::kInt).view({count, k});
  return sparse;
}

TableGroups table_groups(const EntrySet& set, const std::vector<TableRow>& rows, const double* coefficients,
                         int64_t count) {
  TableGroups groups;
  set.with_types([&](auto real, auto stored) {
    with_index(set.format(), [&](auto index) {
      using Real = typename decltype(real)::type;
      TableSlicer<Real, typename decltype(stored)::type, typename decltype(index)::type> slicer(rows,
                                                                                                set.format().top_k());
      const TablePairs<Real>& pairs = slicer.slice(0, count);
      std::vector<int32_t> ids, starts;
      for (int64_t v = 0; v < count; ++v) {
        const auto at = static_cast<size_t>(v);
        if (pairs.start[at] == pairs.start[at + 1]) continue;
        ids.push_back(static_cast<int32_t>(v));
        starts.push_back(static_cast<int32_t>(pairs.start[at]));
      }
      starts.push_back(static_cast<int32_t>(pairs.row.size()));
      std::vector<Real> values(pairs.value);
      for (size_t i = 0; i < values.size(); ++i)
        values[i] *= static_cast<Real>(coefficients[rows[static_cast<size_t>(pairs.row[i])].entry]);
      groups = {send(set, ids, at::kInt), send(set, starts, at::kInt), send(set, pairs.row, at::kInt),
                send(set, values, set.model().dtype)};
    });
  });
  return groups;
}

at::Tensor dense_columns(const EntrySet& set, const Table& table, const std::vector<TableRow>& rows) {
  const at::Tensor u = at::zeros({table.rows, static_cast<int64_t>(rows.size())}, set.model().options());
  set.model().path->table_scatter(sparse_rows(set, rows), u);
  over_exact_heads(set, table, rows,
                   [&](int64_t row, const at::Tensor& e) { u.narrow(1, row, e.size(0)).copy_(e.t()); });
  return u;
}

at::Tensor left_products(const EntrySet& set, const Table& table, const std::vector<TableRow>& rows,
                         const at::Tensor& u) {
  const at::Tensor products = at::empty({static_cast<int64_t>(rows.size()), u.size(1)}, u.options());
  set.model().path->table_products(sparse_rows(set, rows), u, products);
  over_exact_heads(set, table, rows,
                   [&](int64_t row, const at::Tensor& e) { gemm(e, u, products.narrow(0, row, e.size(0))); });
  return products;
}

at::Tensor begins_of(const EntrySet& set, const std::vector<int64_t>& counts) {
  std::vector<int32_t> begins{0};
  for (const int64_t count : counts) begins.push_back(begins.back() + static_cast<int32_t>(count));
  return send(set, begins, at::kInt);
}

}  // namespace lethe
