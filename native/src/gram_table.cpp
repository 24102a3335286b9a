// Chooses how a table's part of the Gram matrix is computed, by counting what each form would multiply.
#include <algorithm>

#include "gram.h"

namespace lethe {
namespace {

// How many entries touch each table row.
template <class Index>
std::vector<int64_t> count_present(const Table& table, const std::vector<TableRow>& rows, int64_t k) {
  std::vector<int64_t> present(static_cast<size_t>(table.rows), 0), last(static_cast<size_t>(table.rows), -1);
  const auto touch = [&](int64_t v, int64_t entry) {
    const auto at = static_cast<size_t>(v);
    present[at] += last[at] != entry;
    last[at] = entry;
  };
  for (const TableRow& row : rows) {
    if (row.id >= 0) touch(row.id, row.entry);
    if (row.index == nullptr) continue;
    const auto* index = static_cast<const Index*>(row.index);
    for (int64_t i = 0; i < k; ++i) touch(static_cast<int64_t>(index[i]), row.entry);
  }
  return present;
}

bool factors_win(GramForm form, double by_factors, double by_gradients) {
  return form == GramForm::kCheapest ? by_factors < by_gradients : form == GramForm::kFactored;
}

void exact(const GramJob& job, const Table& table, GramForm form) {
  const auto n = static_cast<double>(job.set.count());
  const auto v = static_cast<double>(table.rows), c = static_cast<double>(job.set.layout().shape().channels);
  const EntryBlock all{0, job.set.count()};
  const auto head = static_cast<double>(job.set.rows(all, table.head));
  const double scatter = table.scatter < 0 ? 0 : static_cast<double>(job.set.rows(all, table.scatter));
  const double by_factors = (head + scatter) * (head * v + (head + scatter) * c) / 2;
  const double by_gradients = head * v * c + n * n / 2 * v * c;
  if (factors_win(form, by_factors, by_gradients)) {
    gram_table_factored(job, table);
  } else {
    gram_table_exact(job, table);
  }
}

void sparse(const GramJob& job, const Table& table, GramForm form) {
  const int64_t k = job.set.format().top_k();
  const std::vector<TableRow> rows = table_rows(table, job.set, {0, job.set.count()});
  const std::vector<int64_t> present = with_index(job.set.format(), [&](auto index) {
    return count_present<typename decltype(index)::type>(table, rows, k);
  });
  const auto c = static_cast<double>(job.set.layout().shape().channels);
  double nonzeros = 0, pairs = 0;
  for (const TableRow& row : rows) nonzeros += row.id >= 0 ? 1 : static_cast<double>(k);
  for (const int64_t count : present) pairs += static_cast<double>(count) * static_cast<double>(count + 1) / 2;
  // A gather-and-add costs about twice what a GEMM's multiply-add does.
  const auto r = static_cast<double>(rows.size());
  const double by_factors = r / 2 * (2 * nonzeros + r * c);
  const double by_gradients = 2 * nonzeros * c + 2 * pairs * c;
  if (factors_win(form, by_factors, by_gradients)) {
    gram_table_factored(job, table);
  } else {
    gram_table_rows(job, rows, present);
  }
}

}  // namespace

void gram_table(const GramJob& job, const Table& table, GramForm form) {
  if (!job.set.model().on_cpu()) {
    gram_table_on_device(job, table);
  } else if (table.head >= 0 && job.set.exact_head()) {
    exact(job, table, form);
  } else {
    sparse(job, table, form);
  }
}

}  // namespace lethe
