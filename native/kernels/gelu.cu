// GELU in its tanh form with the linear layer's bias folded in, and its backward pass, which can sum the columns of
// what it writes (the bias gradient) without another look at it.
//
// Threads own columns and go down the rows, so the bias is read
// once a block; four rows of a thread are in flight. Bytes moved an element: forward 2 sizeof(x), backward 3 sizeof(x).
#include "column_sums.h"

namespace lethe::kernels {
namespace {

constexpr int kFlight = 4;

// x / 2 (1 + tanh u) = x s with s = 1 / (1 + exp(-2u)): no cancellation where the tanh is near -1.
template <class T>
LETHE_DEVICE Real<T> gate(Real<T> x) {
  using R = Real<T>;
  constexpr R kTwo = static_cast<R>(2 * 0.79788456080286535588);
  const R u2 = kTwo * (x + static_cast<R>(0.044715) * x * x * x);
  return reciprocal<T>(1 + exponential<T>(-u2));
}

template <class T>
LETHE_DEVICE Real<T> derivative(Real<T> x) {
  using R = Real<T>;
  constexpr R kTwo = static_cast<R>(2 * 0.79788456080286535588);
  const R s = gate<T>(x);
  return s + x * s * (1 - s) * kTwo * (1 + static_cast<R>(3 * 0.044715) * x * x);
}

// blockIdx.x: block of rows, blockIdx.y: tile of columns.
template <class T, int N>
__global__ void __launch_bounds__(256)
    forward_tile(const T* x, const Real<T>* __restrict__ bias, int64_t rows, int64_t columns, T* out) {
  using R = Real<T>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  if (column >= columns) return;
  const int64_t first = int64_t{blockIdx.x} * kGroups * kFlight + threadIdx.y;
  R b[N], values[kFlight][N];
  load<N>(bias + column, b);
#pragma unroll
  for (int u = 0; u < kFlight; ++u)
    if (first + u * kGroups < rows) load<N>(x + (first + u * kGroups) * columns + column, values[u]);
#pragma unroll
  for (int u = 0; u < kFlight; ++u) {
    if (first + u * kGroups >= rows) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const R value = values[u][i] + b[i];
      values[u][i] = value * gate<T>(value);
    }
    store_narrow<T, N>(values[u], out + (first + u * kGroups) * columns + column);
  }
}

template <class T, int N, bool kSums>
__global__ void __launch_bounds__(256)
    backward_tile(const T* __restrict__ x, const Real<T>* __restrict__ bias, int64_t rows, int64_t columns,
                  int64_t block_rows, T* __restrict__ gradient, Real<T>* __restrict__ partials) {
  constexpr int kPair = 2;
  using R = Real<T>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  const bool inside = column < columns;
  const int64_t begin = blockIdx.x * block_rows, end = min(begin + block_rows, rows);
  R b[N] = {}, sums[N] = {};
  if (inside) load<N>(bias + column, b);
  for (int64_t row = begin + threadIdx.y; inside && row < end; row += kGroups * kPair) {
    R values[kPair][N], g[kPair][N];
#pragma unroll
    for (int u = 0; u < kPair; ++u) {
      if (row + u * kGroups >= end) continue;
      load<N>(x + (row + u * kGroups) * columns + column, values[u]);
      load<N>(gradient + (row + u * kGroups) * columns + column, g[u]);
    }
#pragma unroll
    for (int u = 0; u < kPair; ++u) {
      if (row + u * kGroups >= end) continue;
      T stored[N];
#pragma unroll
      for (int i = 0; i < N; ++i) {
        stored[i] = narrow<T>(g[u][i] * derivative<T>(values[u][i] + b[i]));
        if constexpr (kSums) sums[i] += widen(stored[i]);
      }
      store<N>(stored, gradient + (row + u * kGroups) * columns + column);
    }
  }
  if constexpr (kSums) {
    add_groups<N>(sums);
    if (threadIdx.y == 0 && inside) store<N>(sums, partials + blockIdx.x * columns + column);
  }
}

template <class T>
Status backward(const GeluBackward& job, Stream stream) {
  using R = Real<T>;
  const auto* x = static_cast<const T*>(job.x);
  const auto* bias = static_cast<const R*>(job.bias);
  auto* gradient = static_cast<T*>(job.gradient);
  auto* partials = static_cast<R*>(job.partials);
  const int64_t block_rows = rows_a_block(job.rows), count = row_blocks(job.rows);
  if (job.rows > 0) {
    const Status status = with_width<kWide<T>>(
        job.columns,
        [&](auto n) {
          const dim3 grid(static_cast<unsigned>(count), blocks(job.columns, 32 * n()));
          const auto kernel = job.d_bias == nullptr ? backward_tile<T, n(), false> : backward_tile<T, n(), true>;
          return launch(kernel, grid, tile_block(), stream, x, bias, job.rows, job.columns, block_rows, gradient,
                        partials);
        },
        job.x, job.bias, job.gradient, job.partials);
    if (status != 0) return status;
  }
  if (job.d_bias == nullptr) return 0;
  return launch_partials(Partials<R>{partials,
                                     nullptr,
                                     job.rows > 0 ? count : 0,
                                     1,
                                     job.columns,
                                     1,
                                     job.accumulate,
                                     {static_cast<R*>(job.d_bias), nullptr}},
                         stream);
}

}  // namespace

Status gelu(const Gelu& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  return with_type(job.type, [&](auto type) {
    using T = typename decltype(type)::type;
    return with_width<kWide<T>>(
        job.columns,
        [&](auto n) {
          const dim3 grid(blocks(job.rows, kGroups * kFlight), blocks(job.columns, 32 * n()));
          return launch(forward_tile<T, n()>, grid, tile_block(), stream, static_cast<const T*>(job.x),
                        static_cast<const Real<T>*>(job.bias), job.rows, job.columns, static_cast<T*>(job.out));
        },
        job.x, job.bias, job.out);
  });
}

Status gelu_backward(const GeluBackward& job, Stream stream) {
  if (job.columns == 0) return 0;
  return with_type(job.type, [&](auto type) { return backward<typename decltype(type)::type>(job, stream); });
}

}  // namespace lethe::kernels
