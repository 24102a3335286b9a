// Matrix products of our own, for fp32.
#pragma once

#include <cstdint>

#include "gemm.h"

namespace lethe {

enum class Number : uint8_t { kFloat, kBf16, kHalf };

// A strided view of numbers.
struct Operand {
  const void* data;
  int64_t row, column;  // elements from one row, one column to the next
  Number type = Number::kFloat;
};

// out [m, n], one row `stride` after the other, = or += a [m, k] b [k, n]. Of a and of b, the rows or the columns must be
// contiguous; b may be narrower than a and is widened where it is packed. Every number is summed in the same order
// whatever the number of threads.
void tiled_gemm(const Operand& a, const Operand& b, int64_t m, int64_t k, int64_t n, float* out, int64_t stride, Into into,
                Rounding rounding = Rounding::kNone);

}  // namespace lethe
