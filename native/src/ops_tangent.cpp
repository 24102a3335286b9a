// Loops over rows of joint matrices: rows in parallel, a row's tangents by the thread that has its value in cache.
#include "ops_tangent.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "ops.h"
#include "rows.h"
#include "vector_math.h"

namespace lethe {
namespace {

constexpr int64_t kColumnBlock = 64;
constexpr int64_t kGrain = 8;  // rows

// GELU's first two derivatives at u; s as in gelu_gate, t = d/du of the sigmoid's argument.
template <class T>
struct GeluSlopes {
  T value, first, second;
};
template <class T>
inline GeluSlopes<T> gelu_slopes(T u) {
  constexpr T two_k = static_cast<T>(2 * 0.79788456080286535588);
  const T s = gelu_gate(u), spread = s * (1 - s);
  const T t = two_k * (1 + static_cast<T>(3 * 0.044715) * u * u);
  const T t_slope = two_k * static_cast<T>(6 * 0.044715) * u;
  return {u * s, s + u * spread * t, spread * (2 * t + u * ((1 - 2 * s) * t * t + t_slope))};
}

// The k-th of a list of vectors, or `zeros` when the list is empty.
template <class T>
const T* row_or(const std::vector<at::Tensor>& list, int64_t k, const std::vector<T>& zeros) {
  return list.empty() ? zeros.data() : data<T>(list[static_cast<size_t>(k)]);
}

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

void embed_tangent(const at::Tensor& tokens, const at::Tensor& positions, const Batch& batch, const at::Tensor& out) {
  if (tokens.defined() && positions.defined()) return embed(tokens, positions, batch, out);
  with_element(out.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t c = out.size(1);
    for (int64_t b = 0; b < batch.records(); ++b) {
      for (int64_t row = batch.offset(b); row < batch.offset(b + 1); ++row) {
        const T* from = tokens.defined() ? data<T>(tokens) + batch.tokens()[row] * c
                                         : data<T>(positions) + (row - batch.offset(b)) * c;
        std::copy(from, from + c, data<T>(out) + row * c);
      }
    }
  });
}

void embed_tangent_backward(const at::Tensor& gradient, const Batch& batch, const at::Tensor& d_tokens,
                            const at::Tensor& d_positions) {
  if (d_tokens.defined() && d_positions.defined()) return embed_backward(gradient, batch, d_tokens, d_positions);
  with_element(gradient.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t c = gradient.size(1), blocks = (c + kColumnBlock - 1) / kColumnBlock;
    at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * kColumnBlock, last = std::min(c, end * kColumnBlock);
      for (int64_t b = 0; b < batch.records(); ++b) {
        for (int64_t row = batch.offset(b); row < batch.offset(b + 1); ++row) {
          const T* g = data<T>(gradient) + row * c;
          T* to = d_tokens.defined() ? data<T>(d_tokens) + batch.tokens()[row] * c
                                     : data<T>(d_positions) + (row - batch.offset(b)) * c;
#pragma omp simd
          for (int64_t j = first; j < last; ++j) to[j] += g[j];
        }
      }
    });
  });
}

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

void gelu_tangent(const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias, const SiteTangents& directions,
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
          const GeluSlopes<T> f = gelu_slopes(in[j] + b[j]);
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

void gelu_tangent_backward(const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                           const SiteTangents& directions, const at::Tensor& gradient) {
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
          const GeluSlopes<T> f = gelu_slopes(in[j] + b[j]);
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

}  // namespace lethe
