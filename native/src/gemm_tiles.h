// Matrix products of our own, for fp32.
#pragma once

#include <cstdint>

#include "gemm.h"

namespace lethe {

// A strided view of fp32 numbers.
struct Operand {
  const float* data;
  int64_t row, column;  // elements from one row, one column to the next
};

// out [m, n], rows of n, = or += a [m, k] b [k, n]. Of a and of b, the rows or the columns must be contiguous. Every
// number is summed in the same order whatever the number of threads.
void tiled_gemm(const Operand& a, const Operand& b, int64_t m, int64_t k, int64_t n, float* out, Into into,
                Rounding rounding = Rounding::kNone);

}  // namespace lethe
