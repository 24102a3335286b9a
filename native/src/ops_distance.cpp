// Distances and their gradients: between two models' predictions a row, between hidden states and a target.
//
// Sums over the vocabulary and over channels run in the element type within blocks of 1,024 and in fp64 across them.
#ifndef LETHE_ISA
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "ops.h"
#include "rows.h"
#include "vector_math.h"

#define LETHE_FILE "ops_distance.cpp"
#include "each_isa.h"

namespace lethe {

void divergence_errors(const at::Tensor& logits, const at::Tensor& reference, const double* scales,
                       double* divergences) {
  LETHE_BY_ISA(divergence_errors(logits, reference, scales, divergences));
}

void square_errors(const at::Tensor& x, const at::Tensor& target, const Batch& batch, const at::Tensor& errors,
                   double* distances) {
  LETHE_BY_ISA(square_errors(x, target, batch, errors, distances));
}

}  // namespace lethe
#else
namespace lethe::LETHE_ISA {
namespace {

// Of p's and q's logits x and y below their maxima: sums of exp(x), of exp(y), and of exp(y) (y - x), from which
// KL(q || p) = cross / q - log(q) + log(p) without a difference of two large sums.
struct DivergenceSums {
  double p = 0, q = 0, cross = 0;
};

// exp(x) and exp(y) replace x and y.
template <class T>
DivergenceSums exponentiate(T* x, T* y, int64_t n, T top_x, T top_y) {
  DivergenceSums sums;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = std::min(n, begin + kSumBlock);
    T p = 0, q = 0, cross = 0;
#pragma omp simd reduction(+ : p, q, cross)
    for (int64_t j = begin; j < end; ++j) {
      const T below_x = x[j] - top_x, below_y = y[j] - top_y;
      x[j] = fast_exp(below_x);
      y[j] = fast_exp(below_y);
      p += x[j];
      q += y[j];
      cross += y[j] * (below_y - below_x);
    }
    sums.p += p;
    sums.q += q;
    sums.cross += cross;
  }
  return sums;
}

// The row's KL(q || p); x becomes scale (p - q).
template <class T>
double divergence_row(T* x, T* y, int64_t n, double scale) {
  const DivergenceSums sums = exponentiate(x, y, n, row_max(x, n), row_max(y, n));
  // In this form equal rows give exact zeros, with fused multiply-adds too.
  const T factor = static_cast<T>(scale / sums.p), ratio = static_cast<T>(sums.p / sums.q);
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) x[j] = (x[j] - y[j] * ratio) * factor;
  return sums.cross / sums.q + std::log(sums.p / sums.q);
}

// Sum of (x - target)^2 of a row; errors = scale (x - target).
template <class T>
double square_row(const T* x, const T* target, int64_t n, T scale, T* errors) {
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = std::min(n, begin + kSumBlock);
    T squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t j = begin; j < end; ++j) {
      const T difference = x[j] - target[j];
      squares += difference * difference;
      errors[j] = scale * difference;
    }
    sum += squares;
  }
  return sum;
}

}  // namespace

void divergence_errors(const at::Tensor& logits, const at::Tensor& reference, const double* scales,
                       double* divergences) {
  const int64_t rows = logits.size(0), n = logits.size(1);
  with_element(logits.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        divergences[r] = divergence_row(data<T>(logits) + r * n, data<T>(reference) + r * n, n, scales[r]);
    });
  });
}

void square_errors(const at::Tensor& x, const at::Tensor& target, const Batch& batch, const at::Tensor& errors,
                   double* distances) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1), stride = target.size(0) == 1 ? 0 : n;
    at::parallel_for(0, batch.records(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const auto count = static_cast<double>(batch.length(b) * n);
        const T scale = static_cast<T>(2 * batch.weight(b) / count);
        double sum = 0;
        for (int64_t row = batch.offset(b); row < batch.offset(b + 1); ++row)
          sum += square_row(data<T>(x) + row * n, data<T>(target) + row * stride, n, scale, data<T>(errors) + row * n);
        distances[b] = sum / count;
      }
    });
  });
}

}  // namespace lethe::LETHE_ISA
#endif
