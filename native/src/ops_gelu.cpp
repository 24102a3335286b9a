// GELU with the linear layer's bias folded in, so that the pre-activation is written once, by the GEMM.
#include <ATen/Parallel.h>

#include "ops.h"
#include "vector_math.h"

namespace lethe {
namespace {

constexpr int64_t kGrain = 8;  // rows

}  // namespace

void gelu(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1);
    std::vector<T> none;
    const T* b = bias_row(bias, n, none);
    at::parallel_for(0, x.size(0), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* in = data<T>(x) + r * n;
        T* to = data<T>(out) + r * n;
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) {
          const T value = in[j] + b[j];
          to[j] = value * gelu_gate(value);
        }
      }
    });
  });
}

void gelu_backward(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& gradient) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1);
    std::vector<T> none;
    const T* b = bias_row(bias, n, none);
    at::parallel_for(0, x.size(0), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* in = data<T>(x) + r * n;
        T* g = data<T>(gradient) + r * n;
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) g[j] *= gelu_derivative(in[j] + b[j]);
      }
    });
  });
}

}  // namespace lethe
