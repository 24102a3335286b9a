// Activations of the tangent passes; formulas in ops_tangent.h. Rows in parallel, a row's tangents by the thread that
// has its value in cache.
#ifndef LETHE_ISA
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include "activations.h"
#include "ops_tangent.h"

#define LETHE_FILE "ops_tangent_activation.cpp"
#include "each_isa.h"

namespace lethe {

void activate_tangent(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                      const SiteTangents& directions, const at::Tensor& out) {
  LETHE_BY_ISA(activate_tangent(how, blocks, x, bias, directions, out));
}

void activate_tangent_backward(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                               const SiteTangents& directions, const at::Tensor& gradient, const at::Tensor& d_x) {
  LETHE_BY_ISA(activate_tangent_backward(how, blocks, x, bias, directions, gradient, d_x));
}

}  // namespace lethe
#else
namespace lethe::LETHE_ISA {
namespace {

constexpr int64_t kGrain = 8;  // rows

template <class F>
void plain(const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias, const SiteTangents& directions,
           const at::Tensor& out) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1), stride = blocks.rows * n;
    const std::vector<T> zeros(static_cast<size_t>(n));
    const T* b = bias.defined() ? data<T>(bias) : zeros.data();
    at::parallel_for(0, blocks.rows, kGrain, [&](int64_t begin, int64_t end) {
      std::vector<T> slope(static_cast<size_t>(n));
      for (int64_t r = begin; r < end; ++r) {
        const T* in = data<T>(x) + r * n;
        T* to = data<T>(out) + r * n;
        T* slopes = slope.data();
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) {
          const Slopes<T> f = F::slopes(in[j] + b[j]);
          to[j] = f.value;
          slopes[j] = f.first;
        }
        for (int64_t k = 0; k < blocks.tangents; ++k) {
          const T* shift = row_or(directions.bias, k, zeros);
          const T* d = in + (1 + k) * stride;
          T* to_tangent = to + (1 + k) * stride;
#pragma omp simd
          for (int64_t j = 0; j < n; ++j) to_tangent[j] = slopes[j] * (d[j] + shift[j]);
        }
      }
    });
  });
}

template <class F>
void plain_backward(const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias, const SiteTangents& directions,
                    const at::Tensor& gradient) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1), stride = blocks.rows * n;
    const std::vector<T> zeros(static_cast<size_t>(n));
    const T* b = bias.defined() ? data<T>(bias) : zeros.data();
    at::parallel_for(0, blocks.rows, kGrain, [&](int64_t begin, int64_t end) {
      std::vector<T> memory(static_cast<size_t>(2 * n));
      T* slopes = memory.data();  // f'(u)
      T* bends = slopes + n;      // g f''(u)
      for (int64_t r = begin; r < end; ++r) {
        const T* in = data<T>(x) + r * n;
        T* tangents = data<T>(gradient) + r * n;
        T* g = tangents + blocks.tangents * stride;
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) {
          const Slopes<T> f = F::slopes(in[j] + b[j]);
          slopes[j] = f.first;
          bends[j] = g[j] * f.second;
          g[j] *= f.first;
        }
        for (int64_t k = 0; k < blocks.tangents; ++k) {
          const T* shift = row_or(directions.bias, k, zeros);
          const T* d = in + (1 + k) * stride;
          T* out = tangents + k * stride;
#pragma omp simd
          for (int64_t j = 0; j < n; ++j) out[j] = out[j] * slopes[j] + bends[j] * (d[j] + shift[j]);
        }
      }
    });
  });
}

// A row of x [(1 + K) R, 2n]: [u, w], its tangents `stride` rows of 2n apart.
template <class F>
void gated(const Blocks& blocks, const at::Tensor& x, const at::Tensor& out) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = out.size(1), stride = blocks.rows * n;
    at::parallel_for(0, blocks.rows, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T *u = data<T>(x) + 2 * r * n, *w = u + n;
        T* to = data<T>(out) + r * n;
        for (int64_t k = 0; k < blocks.tangents; ++k) {
          const T *du = u + 2 * (1 + k) * stride, *dw = du + n;
          T* to_tangent = to + (1 + k) * stride;
#pragma omp simd
          for (int64_t j = 0; j < n; ++j) {
            const Slopes<T> f = F::slopes(u[j]);
            to_tangent[j] = f.first * du[j] * w[j] + f.value * dw[j];
          }
        }
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) to[j] = F::value(u[j]) * w[j];
      }
    });
  });
}

template <class F>
void gated_backward(const Blocks& blocks, const at::Tensor& x, const at::Tensor& gradient, const at::Tensor& d_x) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = gradient.size(1), stride = blocks.rows * n;
    at::parallel_for(0, blocks.rows, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T *u = data<T>(x) + 2 * r * n, *w = u + n;
        const T* g = data<T>(gradient) + blocks.tangents * stride + r * n;
        T* d_u = data<T>(d_x) + 2 * (blocks.tangents * stride + r * n);
        for (int64_t k = 0; k < blocks.tangents; ++k) {
          const T *u_tangent = u + 2 * (1 + k) * stride, *w_tangent = u_tangent + n;
          const T* g_tangent = data<T>(gradient) + k * stride + r * n;
          T* to = data<T>(d_x) + 2 * (k * stride + r * n);
#pragma omp simd
          for (int64_t j = 0; j < n; ++j) {
            const Slopes<T> f = F::slopes(u[j]);
            to[j] = g_tangent[j] * f.first * w[j] +
                    g[j] * (f.second * u_tangent[j] * w[j] + f.first * w_tangent[j]);
            to[n + j] = g_tangent[j] * f.value + g[j] * f.first * u_tangent[j];
          }
        }
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) {
          const Slopes<T> f = F::slopes(u[j]);
          d_u[j] = g[j] * f.first * w[j];
          d_u[n + j] = g[j] * f.value;
        }
      }
    });
  });
}

}  // namespace

void activate_tangent(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                      const SiteTangents& directions, const at::Tensor& out) {
  with_activation(how.kind, [&](auto f) {
    using F = decltype(f);
    how.gated ? gated<F>(blocks, x, out) : plain<F>(blocks, x, bias, directions, out);
  });
}

void activate_tangent_backward(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                               const SiteTangents& directions, const at::Tensor& gradient, const at::Tensor& d_x) {
  with_activation(how.kind, [&](auto f) {
    using F = decltype(f);
    how.gated ? gated_backward<F>(blocks, x, gradient, d_x) : plain_backward<F>(blocks, x, bias, directions, d_x);
  });
}

}  // namespace lethe::LETHE_ISA
#endif
