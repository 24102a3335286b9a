// The pieces of the Gram matrix [N, N] of captured gradients. Each adds its part to the lower triangle (row >= column);
// gram() mirrors at the end. Products run in the model's precision over bounded stretches and are summed up in fp64.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "entries.h"
#include "table.h"

namespace lethe {

struct GramJob {
  const EntrySet& set;
  int64_t scratch_elements;  // of the model's dtype, that a piece may hold at once
  double* out;               // [N, N]
  const Cancel& cancel;
  at::Tensor device_out;     // [N, N] fp64 there, added to out at the end; undefined on the CPU

  double* row(int64_t i) const { return out + i * set.count(); }
};

// Rows of X [N, K] are gradients, or the same stretch of each: lower triangle += X Xᵀ.
void add_products(const GramJob& job, const at::Tensor& x);

// Which rows of a block are whose: counts[i - block.begin] rows of entry i, one entry after the other.
struct RowCounts {
  EntryBlock block;
  std::vector<int64_t> counts;
};
// out[i, j] += sum over i's rows and j's columns of P * Q elementwise, for i >= j. P, Q [rows of i's block, rows of j's].
void add_hadamard(const GramJob& job, const RowCounts& left, const RowCounts& right, const at::Tensor& p,
                  const at::Tensor& q);

// ---- gram_linear.cpp
void gram_linear(const GramJob& job, int64_t site, GramForm form);

// ---- gram_table.cpp chooses; gram_table_{rows,exact,factored}.cpp compute
void gram_table(const GramJob& job, const Table& table, GramForm form);
// Dense form of scatter and top-k rows: present[v] entries touch table row v, and only those are made.
void gram_table_rows(const GramJob& job, const std::vector<TableRow>& rows, const std::vector<int64_t>& present);
// Dense form with an exact head: every row of every gradient, a stretch of V at a time.
void gram_table_exact(const GramJob& job, const Table& table);
// (X Xᵀ) * (U Uᵀ), any head; on a device the only form.
void gram_table_factored(const GramJob& job, const Table& table);
void gram_table_on_device(const GramJob& job, const Table& table);

}  // namespace lethe
