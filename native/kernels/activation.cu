// Activations with the linear layer's bias folded in, and their backward pass, which can sum the columns of what it
// writes (the bias gradient) without another look at it; and gated ones, whose input is [gate, up] with the bias in it
// already.
//
// Threads own columns and go down the rows, so the bias is read once a block; four rows of a thread are in flight.
// Bytes moved an element of the output: forward 2 sizeof(x), backward 3 sizeof(x); gated 3 and 5.
#include "activation.h"
#include "column_sums.h"

namespace lethe::kernels {
namespace {

constexpr int kFlight = 4;  // rows of a thread at once
constexpr int kPair = 2;  // on the way back

// blockIdx.x: block of rows, blockIdx.y: tile of columns.
template <class F, class T, int N, bool kGated>
__global__ void __launch_bounds__(256)
    forward_tile(const T* x, const Real<T>* __restrict__ bias, int64_t rows, int64_t columns, T* out) {
  using R = Real<T>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N, width = kGated ? 2 * columns : columns;
  if (column >= columns) return;
  const int64_t first = int64_t{blockIdx.x} * kGroups * kFlight + threadIdx.y;
  R b[N] = {}, values[kFlight][N], up[kFlight][N];
  if (bias != nullptr) load<N>(bias + column, b);
#pragma unroll
  for (int u = 0; u < kFlight; ++u) {
    if (first + u * kGroups >= rows) continue;
    load<N>(x + (first + u * kGroups) * width + column, values[u]);
    if constexpr (kGated) load<N>(x + (first + u * kGroups) * width + columns + column, up[u]);
  }
#pragma unroll
  for (int u = 0; u < kFlight; ++u) {
    if (first + u * kGroups >= rows) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      values[u][i] = F::template at<T>(values[u][i] + b[i]).value;
      if constexpr (kGated) values[u][i] *= up[u][i];
    }
    store_narrow<T, N>(values[u], out + (first + u * kGroups) * columns + column);
  }
}

template <class F, class T, int N, bool kSums>
__global__ void __launch_bounds__(256)
    backward_tile(const T* __restrict__ x, const Real<T>* __restrict__ bias, int64_t rows, int64_t columns,
                  int64_t block_rows, T* __restrict__ gradient, Real<T>* __restrict__ partials) {
  using R = Real<T>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  const bool inside = column < columns;
  const int64_t begin = blockIdx.x * block_rows, end = min(begin + block_rows, rows);
  R b[N] = {}, sums[N] = {};
  if (inside && bias != nullptr) load<N>(bias + column, b);
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
        stored[i] = narrow<T>(g[u][i] * F::template at<T>(values[u][i] + b[i]).first);
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

// blockIdx.x: block of rows, blockIdx.y: tile of columns. d_x [rows, 2 columns]
template <class F, class T, int N>
__global__ void __launch_bounds__(256)
    gate_backward_tile(const T* __restrict__ x, const T* __restrict__ gradient, int64_t rows, int64_t columns,
                       T* __restrict__ d_x) {
  using R = Real<T>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  if (column >= columns) return;
  const int64_t first = int64_t{blockIdx.x} * kGroups * kPair + threadIdx.y;
  R gate[kPair][N], up[kPair][N], g[kPair][N];
#pragma unroll
  for (int u = 0; u < kPair; ++u) {
    const int64_t row = first + u * kGroups;
    if (row >= rows) continue;
    load<N>(x + 2 * row * columns + column, gate[u]);
    load<N>(x + (2 * row + 1) * columns + column, up[u]);
    load<N>(gradient + row * columns + column, g[u]);
  }
#pragma unroll
  for (int u = 0; u < kPair; ++u) {
    const int64_t row = first + u * kGroups;
    if (row >= rows) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const Slope<R> f = F::template at<T>(gate[u][i]);
      gate[u][i] = g[u][i] * f.first * up[u][i];
      up[u][i] = g[u][i] * f.value;
    }
    store_narrow<T, N>(gate[u], d_x + 2 * row * columns + column);
    store_narrow<T, N>(up[u], d_x + (2 * row + 1) * columns + column);
  }
}

}  // namespace

Status activate(const Activate& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  if (job.gated && job.bias != nullptr) return kInvalid;
  return with_all(
      job.kind, job.type, job.columns,
      [&](auto f, auto type, auto n) {
        using F = decltype(f);
        using T = typename decltype(type)::type;
        const dim3 grid(blocks(job.rows, kGroups * kFlight), blocks(job.columns, 32 * n()));
        const auto kernel = job.gated ? forward_tile<F, T, n(), true> : forward_tile<F, T, n(), false>;
        return launch(kernel, grid, tile_block(), stream, static_cast<const T*>(job.x),
                      static_cast<const Real<T>*>(job.bias), job.rows, job.columns, static_cast<T*>(job.out));
      },
      job.x, job.bias, job.out);
}

Status activate_backward(const ActivateBackward& job, Stream stream) {
  if (job.columns == 0) return 0;
  const int64_t count = job.rows == 0 ? 0 : row_blocks(job.rows);
  if (job.rows > 0) {
    const Status status = with_all(
        job.kind, job.type, job.columns,
        [&](auto f, auto type, auto n) {
          using F = decltype(f);
          using T = typename decltype(type)::type;
          const dim3 grid(static_cast<unsigned>(count), blocks(job.columns, 32 * n()));
          const auto kernel =
              job.d_bias == nullptr ? backward_tile<F, T, n(), false> : backward_tile<F, T, n(), true>;
          return launch(kernel, grid, tile_block(), stream, static_cast<const T*>(job.x),
                        static_cast<const Real<T>*>(job.bias), job.rows, job.columns, rows_a_block(job.rows),
                        static_cast<T*>(job.gradient), static_cast<Real<T>*>(job.partials));
        },
        job.x, job.bias, job.gradient, job.partials);
    if (status != 0) return status;
  }
  if (job.d_bias == nullptr) return 0;
  return with_real(job.type == Element::kF64 ? Element::kF64 : Element::kF32, [&](auto real) {
    using R = typename decltype(real)::type;
    return launch_partials(Partials<R>{static_cast<const R*>(job.partials), count, job.columns, job.accumulate,
                                       {static_cast<R*>(job.d_bias)}},
                           stream);
  });
}

Status gate_backward(const GateBackward& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  return with_all(
      job.kind, job.type, job.columns,
      [&](auto f, auto type, auto n) {
        using F = decltype(f);
        using T = typename decltype(type)::type;
        const dim3 grid(blocks(job.rows, kGroups * kPair), blocks(job.columns, 32 * n()));
        return launch(gate_backward_tile<F, T, n()>, grid, tile_block(), stream, static_cast<const T*>(job.x),
                      static_cast<const T*>(job.gradient), job.rows, job.columns, static_cast<T*>(job.d_x));
      },
      job.x, job.gradient, job.d_x);
}

}  // namespace lethe::kernels
