// Layer norm and RMS norm forward and backward. Parameter gradients are summed over fixed blocks of rows, then block by
// block.
#ifndef LETHE_ISA
#include <ATen/Parallel.h>

#include <algorithm>

#include "ops.h"
#include "rows.h"

#define LETHE_FILE "ops_norm.cpp"
#include "each_isa.h"

namespace lethe {

void layer_norm(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                const at::Tensor& statistics, const at::Tensor& out) {
  LETHE_BY_ISA(layer_norm(kind, x, weight, bias, epsilon, statistics, out));
}

void layer_norm_backward(const NormGradient& g, Slab& partials) { LETHE_BY_ISA(layer_norm_backward(g, partials)); }

void layer_norm_records(const at::Tensor& x, const at::Tensor& statistics, const at::Tensor& output, const Batch& batch,
                        int64_t each, const at::Tensor& weight, const at::Tensor& bias) {
  LETHE_BY_ISA(layer_norm_records(x, statistics, output, batch, each, weight, bias));
}

}  // namespace lethe
#else
namespace lethe::LETHE_ISA {
namespace {

constexpr int64_t kRowBlock = 32;

template <class T>
void norm_rows(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
               const at::Tensor& statistics, const at::Tensor& out) {
  const int64_t rows = x.size(0), n = x.size(1);
  const T* w = data<T>(weight);
  std::vector<T> none;
  const T* shift = bias_row(bias, n, none);
  T* means = data<T>(statistics);
  T* scales = means + rows;
  at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* in = data<T>(x) + r * n;
      T* to = data<T>(out) + r * n;
      const RowMoments<T> moments = row_moments(in, n, epsilon, kind == Norm::kLayer);
      const T mean = moments.mean, scale = moments.scale;
      means[r] = mean;
      scales[r] = scale;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) to[j] = (in[j] - mean) * scale * w[j] + shift[j];
    }
  });
}

// One block of rows: adds the input gradient to the stream and leaves the block's share of d_weight, d_bias in `sums`.
template <class T>
void backward_block(const NormGradient& g, int64_t begin, int64_t end, T* sums) {
  const int64_t rows = g.x.size(0), n = g.x.size(1);
  const T* w = data<T>(g.weight);
  const T* means = data<T>(g.statistics);
  T* sum_weight = sums;
  T* sum_bias = sums + n;
  std::fill(sums, sums + 2 * n, T(0));
  for (int64_t r = begin; r < end; ++r) {
    const T* in = data<T>(g.x) + r * n;
    const T* dy = data<T>(g.output) + r * n;
    T* dx = data<T>(g.stream) + r * n;
    const T mean = means[r], scale = means[rows + r];
    T dot = 0, total = 0;
#pragma omp simd reduction(+ : dot, total)
    for (int64_t j = 0; j < n; ++j) {
      const T hat = (in[j] - mean) * scale, weighted = dy[j] * w[j];
      dot += weighted * hat;
      total += weighted;
      sum_weight[j] += dy[j] * hat;
      sum_bias[j] += dy[j];
    }
    const T mean_dot = dot / static_cast<T>(n), mean_total = g.kind == Norm::kLayer ? total / static_cast<T>(n) : T(0);
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      const T hat = (in[j] - mean) * scale;
      dx[j] += scale * (dy[j] * w[j] - mean_total - hat * mean_dot);
    }
  }
}

template <class T>
void norm_backward_rows(const NormGradient& g, Slab& partials) {
  const int64_t rows = g.x.size(0), n = g.x.size(1);
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  const at::Tensor sums = partials.get(g.x.options(), blocks, 2 * n);
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      backward_block(g, b * kRowBlock, std::min(rows, (b + 1) * kRowBlock), data<T>(sums) + b * 2 * n);
    }
  });
  for (int part = 0; part < 2; ++part) {
    const at::Tensor& wanted = part == 0 ? g.d_weight : g.d_bias;
    if (!wanted.defined()) continue;
    T* into = data<T>(wanted);
    if (!g.accumulate) std::fill(into, into + n, T(0));
    for (int64_t b = 0; b < blocks; ++b) {
      const T* from = data<T>(sums) + (2 * b + part) * n;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) into[j] += from[j];
    }
  }
}

}  // namespace

void layer_norm(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                const at::Tensor& statistics, const at::Tensor& out) {
  with_element(x.scalar_type(),
               [&](auto zero) { norm_rows<decltype(zero)>(kind, x, weight, bias, epsilon, statistics, out); });
}

void layer_norm_backward(const NormGradient& g, Slab& partials) {
  with_element(g.x.scalar_type(), [&](auto zero) { norm_backward_rows<decltype(zero)>(g, partials); });
}

void layer_norm_records(const at::Tensor& x, const at::Tensor& statistics, const at::Tensor& output, const Batch& batch,
                        int64_t each, const at::Tensor& weight, const at::Tensor& bias) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1);
    const T* means = data<T>(statistics);
    const T* scales = means + x.size(0);
    at::parallel_for(0, batch.records(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        T *to_weight = data<T>(weight) + b * n, *to_bias = data<T>(bias) + b * n;
        std::fill(to_weight, to_weight + n, T(0));
        std::fill(to_bias, to_bias + n, T(0));
        for (int64_t r = each * batch.offset(b); r < each * batch.offset(b + 1); ++r) {
          const T *in = data<T>(x) + r * n, *g = data<T>(output) + r * n;
          const T mean = means[r], scale = scales[r];
#pragma omp simd
          for (int64_t j = 0; j < n; ++j) {
            to_weight[j] += (in[j] - mean) * scale * g[j];
            to_bias[j] += g[j];
          }
        }
      }
    });
  });
}

}  // namespace lethe::LETHE_ISA
#endif
