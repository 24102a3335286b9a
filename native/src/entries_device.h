// Rows of entries' tables on a device, and what is made of them there: the counterparts of the loops over TableRows in
// entries_*.cpp and gram_table_*.cpp. Stored numbers go up as they are stored; only results come back.
#pragma once

#include "entry_set.h"
#include "table.h"

namespace lethe {

// X [rows, C] in the model's dtype.
at::Tensor table_inputs(const EntrySet& set, const std::vector<TableRow>& rows);
// The rows' sparse left factors; an exact head's rows have none.
SparseRows sparse_rows(const EntrySet& set, const std::vector<TableRow>& rows);
// The same by the table's row, times their entry's coefficient, for a table of `count` rows.
TableGroups table_groups(const EntrySet& set, const std::vector<TableRow>& rows, const double* coefficients,
                         int64_t count);
// U^T [V, rows], exact heads included.
at::Tensor dense_columns(const EntrySet& set, const Table& table, const std::vector<TableRow>& rows);
// U u [rows, columns of u], exact heads included.
at::Tensor left_products(const EntrySet& set, const Table& table, const std::vector<TableRow>& rows,
                         const at::Tensor& u);
// Where parts of these lengths begin, and where the last ends: [counts + 1] int32.
at::Tensor begins_of(const EntrySet& set, const std::vector<int64_t>& counts);

}  // namespace lethe
