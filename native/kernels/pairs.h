// Launchers of the kernels over pairs of entries' rows, as kernels.h.
#pragma once

#include "kernels.h"

namespace lethe::kernels {

// ---- gram.cu

// out[(left_first + i) * ld + right_first + j] += sum over i's rows and j's columns of P * Q in fp64, with `lower` only for
// pairs at or under the diagonal. Entry i of the left block has rows left[i] .. left[i + 1), of the right one columns.
struct GramProducts {
  Element real;      // F32 or F64
  const void* p;     // [left[left_count], right[right_count]]
  const void* q;     // the same shape
  const int32_t* left;   // [left_count + 1] device
  const int32_t* right;  // [right_count + 1] device
  int64_t left_count, right_count, left_first, right_first, columns;  // columns = right[right_count]
  bool lower;
  int64_t ld;
  double* out;  // device
};
Status gram_products(const GramProducts& job, Stream stream);

// ---- gram_table.cu: rows of a table's factors, a one-hot row as k = 1 with value 1

// U [V, columns] Real, set to zero before: U[index[r, i], column[r]] = value[r, i] for r < rows, i < k.
struct TableScatter {
  Element value_type;    // of values: F32, BF16, or F64 with a Real of double
  const int32_t* index;  // [rows, k], different within a row; -1 = none
  const void* values;    // [rows, k]; NULL = 1
  const int32_t* column;  // [rows]
  int64_t rows, k, columns;
  void* u;
};
Status table_scatter(const TableScatter& job, Stream stream);
// out[r] = sum over i of values[r, i] * U[index[r, i]], [rows, columns] Real, in order of i; index -1 = skip.
struct TableProducts {
  Element value_type;
  const int32_t* index;  // [rows, k]
  const void* values;    // [rows, k]; NULL = 1
  int64_t rows, k, columns;
  const void* u;  // [*, columns] Real
  void* out;      // [rows, columns] Real
};
Status table_products(const TableProducts& job, Stream stream);

}  // namespace lethe::kernels
