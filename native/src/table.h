// The gradient of a table (wte, wpe, lm_head's rows) as a sum of outer products: Uᵀ X, one row u_r, x_r a token.
//
// A scatter row has a one-hot u (token id or position) and x = D_t; a top-k head row a sparse u of k errors and x = H_t.
// A tied wte has both kinds, so products of two such gradients contain the cross terms by themselves. Exact heads have
// dense u; those rows are left to GEMMs and marked here. x and u point into the entries.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "entry_set.h"

namespace lethe {

// A table tensor with the parts of its gradient that are chosen.
struct Table {
  int64_t tensor;         // a part of the layout
  int64_t rows;           // V, or the context for wpe
  int64_t scatter = -1;   // site wte or wpe, -1 when not chosen
  int64_t head = -1;      // site lm_head, -1 when not chosen or another tensor
};

std::vector<Table> chosen_tables(const EntrySet& set);

struct TableRow {
  int64_t entry;
  int64_t id;         // of a one-hot row; -1 for a head row
  const void* x;      // [C] stored
  const void* index;  // [k] rising indices of a top-k head row
  const void* value;  // [k] or, exact, [V] stored
};

// An entry's scatter rows, then its head rows, entry by entry.
std::vector<TableRow> table_rows(const Table& table, const EntrySet& set, const EntryBlock& block);

// The nonzeros of U with table rows [begin, end), by table row, in order of r.
template <class Real>
struct TablePairs {
  std::vector<int64_t> start;  // [end - begin + 1]
  std::vector<int32_t> row;    // r
  std::vector<Real> value;
};

// Finds them by binary search in each row; exact head rows are skipped. k is the width of top-k rows.
template <class Real, class Stored, class Index>
class TableSlicer {
 public:
  TableSlicer(const std::vector<TableRow>& rows, int64_t k) : rows_(rows), k_(k) {}

  const TablePairs<Real>& slice(int64_t begin, int64_t end) {
    const auto count = static_cast<size_t>(end - begin);
    pairs_.start.assign(count + 1, 0);
    spans_.resize(rows_.size());
    for (size_t r = 0; r < rows_.size(); ++r) count_row(rows_[r], spans_[r], begin, end);
    for (size_t v = 0; v < count; ++v) pairs_.start[v + 1] += pairs_.start[v];
    pairs_.row.resize(static_cast<size_t>(pairs_.start[count]));
    pairs_.value.resize(pairs_.row.size());
    place_.assign(pairs_.start.begin(), pairs_.start.end());
    for (size_t r = 0; r < rows_.size(); ++r) fill_row(r, begin, end);
    return pairs_;
  }

 private:
  struct Span {
    int64_t begin, end;
  };

  void count_row(const TableRow& row, Span& span, int64_t begin, int64_t end) {
    span = {0, 0};
    if (row.id >= 0) {
      if (row.id >= begin && row.id < end) ++pairs_.start[static_cast<size_t>(row.id - begin + 1)];
    } else if (row.index != nullptr) {
      const auto* index = static_cast<const Index*>(row.index);
      const auto below = [](Index a, int64_t b) { return static_cast<int64_t>(a) < b; };
      const Index* first = std::lower_bound(index, index + k_, begin, below);
      const Index* last = first;
      for (; last < index + k_ && static_cast<int64_t>(*last) < end; ++last)
        ++pairs_.start[static_cast<size_t>(static_cast<int64_t>(*last) - begin + 1)];
      span = {first - index, last - index};
    }
  }

  void fill_row(size_t r, int64_t begin, int64_t end) {
    const TableRow& row = rows_[r];
    if (row.id >= 0) {
      if (row.id >= begin && row.id < end) put(static_cast<size_t>(row.id - begin), r, Real{1});
      return;
    }
    const auto* index = static_cast<const Index*>(row.index);
    const auto* value = static_cast<const Stored*>(row.value);
    for (int64_t i = spans_[r].begin; i < spans_[r].end; ++i)
      put(static_cast<size_t>(static_cast<int64_t>(index[i]) - begin), r, load<Real>(value[i]));
  }

  void put(size_t v, size_t r, Real value) {
    const auto at = static_cast<size_t>(place_[v]++);
    pairs_.row[at] = static_cast<int32_t>(r);
    pairs_.value[at] = value;
  }

  const std::vector<TableRow>& rows_;
  const int64_t k_;
  TablePairs<Real> pairs_;
  std::vector<Span> spans_;
  std::vector<int64_t> place_;
};

}  // namespace lethe
