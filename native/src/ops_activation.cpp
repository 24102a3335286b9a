// Activations with the linear layer's bias folded in, so that the pre-activation is written once, by the GEMM; and
// gated ones, whose input is [gate, up] with the bias in it already.
#ifndef LETHE_ISA
#include <ATen/Parallel.h>

#include "activations.h"
#include "ops.h"

#define LETHE_FILE "ops_activation.cpp"
#include "each_isa.h"

namespace lethe {

void activate(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) {
  LETHE_BY_ISA(activate(how, x, bias, out));
}

void activate_backward(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& gradient,
                       const at::Tensor& d_x) {
  LETHE_BY_ISA(activate_backward(how, x, bias, gradient, d_x));
}

}  // namespace lethe
#else
namespace lethe::LETHE_ISA {
namespace {

constexpr int64_t kGrain = 8;  // rows

// body(F, T, first row, behind the last)
template <class Body>
void over_rows(Activation kind, const at::Tensor& x, Body&& body) {
  with_activation(kind, [&](auto f) {
    with_element(x.scalar_type(), [&](auto zero) {
      at::parallel_for(0, x.size(0), kGrain, [&](int64_t begin, int64_t end) { body(f, zero, begin, end); });
    });
  });
}

void gate(Activation kind, const at::Tensor& x, const at::Tensor& out) {
  over_rows(kind, x, [&](auto f, auto zero, int64_t begin, int64_t end) {
    using F = decltype(f);
    using T = decltype(zero);
    const int64_t n = out.size(1);
    for (int64_t r = begin; r < end; ++r) {
      const T *u = data<T>(x) + 2 * r * n, *up = u + n;
      T* to = data<T>(out) + r * n;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) to[j] = F::value(u[j]) * up[j];
    }
  });
}

void gate_backward(Activation kind, const at::Tensor& x, const at::Tensor& gradient, const at::Tensor& d_x) {
  over_rows(kind, x, [&](auto f, auto zero, int64_t begin, int64_t end) {
    using F = decltype(f);
    using T = decltype(zero);
    const int64_t n = gradient.size(1);
    for (int64_t r = begin; r < end; ++r) {
      const T *u = data<T>(x) + 2 * r * n, *up = u + n, *g = data<T>(gradient) + r * n;
      T *d_u = data<T>(d_x) + 2 * r * n, *d_up = d_u + n;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        const Slopes<T> s = F::slopes(u[j]);
        d_u[j] = g[j] * s.first * up[j];
        d_up[j] = g[j] * s.value;
      }
    }
  });
}

}  // namespace

void activate(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) {
  if (how.gated) return gate(how.kind, x, out);
  over_rows(how.kind, x, [&](auto f, auto zero, int64_t begin, int64_t end) {
    using F = decltype(f);
    using T = decltype(zero);
    const int64_t n = x.size(1);
    std::vector<T> none;
    const T* b = bias_row(bias, n, none);
    for (int64_t r = begin; r < end; ++r) {
      const T* in = data<T>(x) + r * n;
      T* to = data<T>(out) + r * n;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) to[j] = F::value(in[j] + b[j]);
    }
  });
}

void activate_backward(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& gradient,
                       const at::Tensor& d_x) {
  if (how.gated) return gate_backward(how.kind, x, gradient, d_x);
  over_rows(how.kind, x, [&](auto f, auto zero, int64_t begin, int64_t end) {
    using F = decltype(f);
    using T = decltype(zero);
    const int64_t n = x.size(1);
    std::vector<T> none;
    const T* b = bias_row(bias, n, none);
    for (int64_t r = begin; r < end; ++r) {
      const T* in = data<T>(x) + r * n;
      T* g = data<T>(d_x) + r * n;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) g[j] *= F::first(in[j] + b[j]);
    }
  });
}

}  // namespace lethe::LETHE_ISA
#endif
