// Inner loops over one row: scaled sums and dot products, with stored numbers converted on the way (rows.cpp, in the
// instruction set in force), and what softmax and layer norm need to know of a row first.
#pragma once

#include <cmath>
#include <cstdint>

#include "stored.h"

namespace lethe {

constexpr int64_t kSumBlock = 1024;  // elements of a row that are summed in their own type before fp64 takes over

// y += a x
template <class Real, class Stored>
void add_row(Real a, const Stored* x, int64_t count, Real* y);

// <x, y>: lanes of the rows' own precision over a stretch, fp64 beyond.
template <class Real, class Stored>
double dot_row(const Real* x, const Stored* y, int64_t count);

// The sum of a row's numbers, likewise.
template <class Real>
double sum_row(const Real* x, int64_t count);

// The largest of a row of at least one number.
template <class T>
[[gnu::always_inline]] inline T row_max(const T* row, int64_t count) {
  T top = row[0];
#pragma omp simd reduction(max : top)
  for (int64_t j = 0; j < count; ++j) top = row[j] > top ? row[j] : top;
  return top;
}

// What a norm takes from a row: its mean and 1 / sqrt(variance + epsilon); not centred, 0 and the mean square for it.
template <class T>
struct RowMoments {
  T mean, scale;
};

template <class T>
[[gnu::always_inline]] inline RowMoments<T> row_moments(const T* row, int64_t count, double epsilon, bool centred) {
  T sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) sum += row[j];
  const T mean = centred ? sum / static_cast<T>(count) : T(0);
#pragma omp simd reduction(+ : squares)
  for (int64_t j = 0; j < count; ++j) squares += (row[j] - mean) * (row[j] - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<T>(count) + static_cast<T>(epsilon))};
}

}  // namespace lethe
