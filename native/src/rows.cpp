// Products and sums of one row.
#ifndef LETHE_ISA
#include "rows.h"

#define LETHE_FILE "rows.cpp"
#include "each_isa.h"

namespace lethe {

template <class Real, class Stored>
void add_row(Real a, const Stored* x, int64_t count, Real* y) {
  LETHE_BY_ISA(add_row(a, x, count, y));
}

template <class Real, class Stored>
double dot_row(const Real* x, const Stored* y, int64_t count) {
  return LETHE_BY_ISA(dot_row(x, y, count));
}

template <class Real>
double sum_row(const Real* x, int64_t count) {
  return LETHE_BY_ISA(sum_row(x, count));
}

#define LETHE_ROWS(Real, Stored)                                   \
  template void add_row(Real, const Stored*, int64_t, Real*);      \
  template double dot_row(const Real*, const Stored*, int64_t);
LETHE_ROWS(float, float)
LETHE_ROWS(float, BFloat16)
LETHE_ROWS(double, float)
LETHE_ROWS(double, BFloat16)
LETHE_ROWS(double, double)
template double sum_row(const float*, int64_t);
template double sum_row(const double*, int64_t);

}  // namespace lethe
#else

namespace lethe::LETHE_ISA {

template <class Real, class Stored>
void add_row(Real a, const Stored* x, int64_t count, Real* y) {
  for (int64_t i = 0; i < count; ++i) y[i] += a * load<Real>(x[i]);
}

template <class Real, class Stored>
double dot_row(const Real* x, const Stored* y, int64_t count) {
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
double sum_row(const Real* x, int64_t count) {
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

}  // namespace lethe::LETHE_ISA
#endif
