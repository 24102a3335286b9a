// Norms of the tangent passes; formulas in ops_tangent.h. Parameter products are summed over fixed blocks of rows,
// then block by block.
#ifndef LETHE_ISA
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "ops_tangent.h"
#include "rows.h"

#define LETHE_FILE "ops_tangent_norm.cpp"
#include "each_isa.h"

namespace lethe {

void layer_norm_tangent(const NormTangent& norm, const at::Tensor& bias, double epsilon, const at::Tensor& out) {
  LETHE_BY_ISA(layer_norm_tangent(norm, bias, epsilon, out));
}

void layer_norm_tangent_backward(const NormTangent& norm, const NormTangentGradient& g, Slab& partials) {
  LETHE_BY_ISA(layer_norm_tangent_backward(norm, g, partials));
}

}  // namespace lethe
#else
namespace lethe::LETHE_ISA {
namespace {

constexpr int64_t kRowBlock = 32;

// Means over a row of x' and x-hat x'.
template <class T>
struct TangentMeans {
  T tangent = 0, along = 0;
};
template <class T>
TangentMeans<T> tangent_means(Norm kind, const T* x, const T* d, int64_t n, T mean, T scale) {
  T tangent = 0, along = 0;
#pragma omp simd reduction(+ : tangent, along)
  for (int64_t j = 0; j < n; ++j) {
    tangent += d[j];
    along += (x[j] - mean) * scale * d[j];
  }
  return {kind == Norm::kLayer ? tangent / static_cast<T>(n) : T(0), along / static_cast<T>(n)};
}

template <class T>
void forward_row(const NormTangent& norm, const T* bias, double epsilon, const std::vector<T>& zeros, int64_t r,
                 T* to) {
  const int64_t n = norm.x.size(1), stride = norm.blocks.rows * n;
  const T* in = data<T>(norm.x) + r * n;
  const T* w = data<T>(norm.weight);
  const RowMoments<T> moments = row_moments(in, n, epsilon, norm.kind == Norm::kLayer);
  const T mean = moments.mean, scale = moments.scale;
  data<T>(norm.statistics)[r] = mean;
  data<T>(norm.statistics)[norm.blocks.rows + r] = scale;
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) to[j] = (in[j] - mean) * scale * w[j] + bias[j];
  for (int64_t k = 0; k < norm.blocks.tangents; ++k) {
    const T* d = in + (1 + k) * stride;
    const T* dw = row_or(norm.directions.weight, k, zeros);
    const T* db = row_or(norm.directions.bias, k, zeros);
    T* out = to + (1 + k) * stride;
    const TangentMeans<T> m = tangent_means(norm.kind, in, d, n, mean, scale);
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      const T hat = (in[j] - mean) * scale;
      out[j] = scale * (d[j] - m.tangent - hat * m.along) * w[j] + hat * dw[j] + db[j];
    }
  }
}

// Of one row: the value's means m(h) and m(h x-hat), which its tangents share.
template <class T>
struct RowMeans {
  T mean, scale, weighted, along;
};

// Tangent k of row r: adds to the stream, to `sums` [2, C] (dw', db') and returns <w', dw'> + <b', db'>.
template <class T>
double backward_tangent(const NormTangent& norm, const NormTangentGradient& g, const std::vector<T>& zeros, int64_t r,
                        int64_t k, const RowMeans<T>& m, T* sums) {
  const int64_t rows = norm.blocks.rows, n = norm.x.size(1);
  const T* w = data<T>(norm.weight);
  const T* dw = row_or(norm.directions.weight, k, zeros);
  const T* db = row_or(norm.directions.bias, k, zeros);
  const T* in = data<T>(norm.x) + r * n;
  const T* d = in + (1 + k) * rows * n;
  const T* dy = data<T>(g.output) + (norm.blocks.tangents * rows + r) * n;
  const T* dy_tangent = data<T>(g.output) + (k * rows + r) * n;
  T* dx = data<T>(g.stream) + (k * rows + r) * n;
  const TangentMeans<T> t = tangent_means(norm.kind, in, d, n, m.mean, m.scale);
  T total = 0, dot = 0, share = 0;
#pragma omp simd reduction(+ : total, dot, share)
  for (int64_t j = 0; j < n; ++j) {
    const T hat = (in[j] - m.mean) * m.scale, hat_tangent = m.scale * (d[j] - t.tangent - hat * t.along);
    const T h_tangent = dy_tangent[j] * w[j] + dy[j] * dw[j];
    const T d_weight = dy_tangent[j] * hat + dy[j] * hat_tangent;
    total += h_tangent;
    dot += h_tangent * hat + dy[j] * w[j] * hat_tangent;
    share += dw[j] * d_weight + db[j] * dy_tangent[j];
    sums[j] += d_weight;
    sums[n + j] += dy_tangent[j];
  }
  const T mean_total = norm.kind == Norm::kLayer ? total / static_cast<T>(n) : T(0), mean_dot = dot / static_cast<T>(n);
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    const T hat = (in[j] - m.mean) * m.scale, hat_tangent = m.scale * (d[j] - t.tangent - hat * t.along);
    const T h_tangent = dy_tangent[j] * w[j] + dy[j] * dw[j];
    const T through_scale = t.along * (dy[j] * w[j] - m.weighted - hat * m.along) * m.scale;
    dx[j] += m.scale * (h_tangent - mean_total - hat_tangent * m.along - hat * mean_dot - through_scale);
  }
  return static_cast<double>(share);
}

template <class T>
void backward_row(const NormTangent& norm, const NormTangentGradient& g, const std::vector<T>& zeros, int64_t r,
                  T* sums) {
  const int64_t rows = norm.blocks.rows, n = norm.x.size(1);
  const T* w = data<T>(norm.weight);
  const T* in = data<T>(norm.x) + r * n;
  const T* dy = data<T>(g.output) + (norm.blocks.tangents * rows + r) * n;
  T* dx = data<T>(g.stream) + (norm.blocks.tangents * rows + r) * n;
  RowMeans<T> m{data<T>(norm.statistics)[r], data<T>(norm.statistics)[rows + r], 0, 0};
  T weighted = 0, along = 0;
#pragma omp simd reduction(+ : weighted, along)
  for (int64_t j = 0; j < n; ++j) {
    weighted += dy[j] * w[j];
    along += dy[j] * w[j] * (in[j] - m.mean) * m.scale;
  }
  m.weighted = norm.kind == Norm::kLayer ? weighted / static_cast<T>(n) : T(0), m.along = along / static_cast<T>(n);
  for (int64_t k = 0; k < norm.blocks.tangents; ++k) {
    const double share = backward_tangent(norm, g, zeros, r, k, m, sums + 2 * k * n);
    if (g.row_sums != nullptr) g.row_sums[k * rows + r] += share;
  }
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    dx[j] += m.scale * (dy[j] * w[j] - m.weighted - (in[j] - m.mean) * m.scale * m.along);
  }
}

template <class T>
void add_blocks(const at::Tensor& sums, int64_t part, bool accumulate, const at::Tensor& out) {
  const int64_t n = out.numel();
  T* to = data<T>(out);
  if (!accumulate) std::fill(to, to + n, T(0));
  for (int64_t b = 0; b < sums.size(0); ++b) {
    const T* from = data<T>(sums) + b * sums.size(1) + part * n;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) to[j] += from[j];
  }
}

}  // namespace

void layer_norm_tangent(const NormTangent& norm, const at::Tensor& bias, double epsilon, const at::Tensor& out) {
  with_element(norm.x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> zeros(static_cast<size_t>(norm.x.size(1)));
    const T* shift = bias.defined() ? data<T>(bias) : zeros.data();
    at::parallel_for(0, norm.blocks.rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        forward_row<T>(norm, shift, epsilon, zeros, r, data<T>(out) + r * norm.x.size(1));
    });
  });
}

void layer_norm_tangent_backward(const NormTangent& norm, const NormTangentGradient& g, Slab& partials) {
  const int64_t rows = norm.blocks.rows, n = norm.x.size(1);
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock, width = 2 * n * norm.blocks.tangents;
  const at::Tensor sums = partials.get(norm.x.options(), blocks, width);  // [blocks, K, 2, C]
  with_element(norm.x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> zeros(static_cast<size_t>(n));
    at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        T* mine = data<T>(sums) + b * width;
        std::fill(mine, mine + width, T(0));
        for (int64_t r = b * kRowBlock; r < std::min(rows, (b + 1) * kRowBlock); ++r)
          backward_row(norm, g, zeros, r, mine);
      }
    });
    for (size_t k = 0; k < g.products.weight.size(); ++k) {
      add_blocks<T>(sums, static_cast<int64_t>(2 * k), g.accumulate, g.products.weight[k]);
      if (g.products.bias.empty()) continue;
      add_blocks<T>(sums, static_cast<int64_t>(2 * k + 1), g.accumulate, g.products.bias[k]);
    }
  });
}

}  // namespace lethe::LETHE_ISA
#endif
