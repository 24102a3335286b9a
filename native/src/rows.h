// Inner loops over one row: scaled sums and dot products, with stored numbers converted on the way, and what softmax
// and layer norm need to know of a row first.
#pragma once

#include <cmath>
#include <cstdint>

#include "stored.h"

namespace lethe {

constexpr int64_t kSumBlock = 1024;  // elements of a row that are summed in their own type before fp64 takes over

// y += a x
template <class Real, class Stored>
inline void add_row(Real a, const Stored* x, int64_t count, Real* y) {
  for (int64_t i = 0; i < count; ++i) y[i] += a * load<Real>(x[i]);
}

// <x, y>: lanes of the rows' own precision over at most kDotSpan numbers, fp64 beyond.
template <class Real, class Stored>
inline double dot_row(const Real* x, const Stored* y, int64_t count) {
  constexpr int64_t kLanes = 32, kDotSpan = 64 * kLanes;
  double sum = 0;
  int64_t i = 0;
  while (i + kLanes <= count) {
    const int64_t end = i + kDotSpan < count ? i + kDotSpan : count;
    Real lanes[kLanes] = {};
    for (; i + kLanes <= end; i += kLanes)
      for (int64_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j] * load<Real>(y[i + j]);
    for (const Real lane : lanes) sum += static_cast<double>(lane);
  }
  for (; i < count; ++i) sum += static_cast<double>(x[i] * load<Real>(y[i]));
  return sum;
}

template <class Real>
inline double sum_row(const Real* x, int64_t count) {
  constexpr int64_t kLanes = 16;
  Real lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j];
  double sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(x[i]);
  for (const Real lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

// The largest of a row of at least one number.
template <class T>
inline T row_max(const T* row, int64_t count) {
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
inline RowMoments<T> row_moments(const T* row, int64_t count, double epsilon, bool centred) {
  T sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) sum += row[j];
  const T mean = centred ? sum / static_cast<T>(count) : T(0);
#pragma omp simd reduction(+ : squares)
  for (int64_t j = 0; j < count; ++j) squares += (row[j] - mean) * (row[j] - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<T>(count) + static_cast<T>(epsilon))};
}

}  // namespace lethe
