// Factored form at a table on a device, as gram_table_factored.cpp on the CPU: U of a block of entries is made dense, the
// rows of every other block meet it there.
#include "entries_device.h"
#include "gemm.h"
#include "gram.h"

namespace lethe {
namespace {

constexpr int64_t kLeftTokens = 1024;

RowCounts counts_of(const EntryBlock& block, const std::vector<TableRow>& rows) {
  RowCounts counts{block, std::vector<int64_t>(static_cast<size_t>(block.end - block.begin), 0)};
  for (const TableRow& row : rows) ++counts.counts[static_cast<size_t>(row.entry - block.begin)];
  return counts;
}

}  // namespace

void gram_table_on_device(const GramJob& job, const Table& table) {
  const EntrySet& set = job.set;
  const int64_t per_token = table.scatter >= 0 && table.head >= 0 ? 2 : 1;
  const int64_t fit = job.scratch_elements / 2 / table.rows / per_token;
  Slab slab;
  for (const EntryBlock& right : set.blocks(std::clamp<int64_t>(fit, 16, 512))) {
    const std::vector<TableRow> right_rows = table_rows(table, set, right);
    if (right_rows.empty()) continue;
    const at::Tensor u = dense_columns(set, table, right_rows), x_right = table_inputs(set, right_rows);
    for (const EntryBlock& left : set.blocks(kLeftTokens)) {
      if (left.end <= right.begin) continue;
      job.cancel.poll();
      const std::vector<TableRow> rows = table_rows(table, set, left);
      if (rows.empty()) continue;
      const at::Tensor x = table_inputs(set, rows), inner = slab.get(x.options(), x.size(0), x_right.size(0));
      gemm(x, x_right.t(), inner);
      add_hadamard(job, counts_of(left, rows), counts_of(right, right_rows), inner, left_products(set, table, rows, u));
    }
  }
}

}  // namespace lethe
