// Loops over rows of joint matrices: rows in parallel, a row's tangents by the thread that has its value in cache.
#ifndef LETHE_ISA
#include "ops_tangent.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "rows.h"
#include "vector_math.h"

#define LETHE_FILE "ops_tangent.cpp"
#include "each_isa.h"

namespace lethe {

void row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b, double* out) {
  LETHE_BY_ISA(row_products(factor, a, minus, b, out));
}

void softmax_tangent(const at::Tensor& logits, const SoftmaxTangent& options) {
  LETHE_BY_ISA(softmax_tangent(logits, options));
}

}  // namespace lethe
#else
namespace lethe::LETHE_ISA {
namespace {

constexpr int64_t kGrain = 8;  // rows

// One row of logits z and its tangents z'_k, k apart by `stride`.
template <class T>
void softmax_row(T* z, T* tangents, int64_t stride, int64_t n, int64_t r, const SoftmaxTangent& o) {
  const T top = row_max(z, n);
  const int32_t target = o.targets[r];
  const double at_target = static_cast<double>(z[target]) - top;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = std::min(n, begin + kSumBlock);
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = begin; j < end; ++j) {
      z[j] = fast_exp(z[j] - top);
      sum += z[j];
    }
    total += sum;
  }
  o.losses[r] = std::log(total) - at_target;
  const T factor = static_cast<T>(o.scales[r] / total);
  for (int64_t k = 0; k < o.blocks.tangents; ++k) {
    T* d = tangents + k * stride;
    const T mean = static_cast<T>(dot_row(z, d, n) / total);
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += kSumBlock) {
      const int64_t end = std::min(n, begin + kSumBlock);
      T part = 0;
#pragma omp simd reduction(+ : part)
      for (int64_t j = begin; j < end; ++j) {
        const T error = factor * z[j] * (d[j] - mean);
        part += error * (d[j] - mean);  // the errors' sum is 0, so <z', e'> is <z' - mean, e'>, a sum of squares
        d[j] = error;
      }
      sum += part;
    }
    if (o.sums != nullptr) o.sums[k * o.blocks.rows + r] = sum;
  }
  if (!o.with_value) return;
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) z[j] *= factor;
  z[target] -= static_cast<T>(o.scales[r]);
}

}  // namespace

void row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b, double* out) {
  with_element(a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = a.size(1);
    at::parallel_for(0, b.size(0), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* with = data<T>(b) + r * n;
        double sum = dot_row(data<T>(a) + (a.size(0) == 1 ? 0 : r * n), with, n);
        if (minus.defined()) sum -= dot_row(data<T>(minus) + r * n, with, n);
        out[r] += factor * sum;
      }
    });
  });
}

void softmax_tangent(const at::Tensor& logits, const SoftmaxTangent& options) {
  with_element(logits.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = logits.size(1), stride = options.blocks.rows * n;
    at::parallel_for(0, options.blocks.rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* tangents = data<T>(logits) + r * n;
        softmax_row(tangents + options.blocks.tangents * stride, tangents, stride, n, r, options);
      }
    });
  });
}

}  // namespace lethe::LETHE_ISA
#endif
