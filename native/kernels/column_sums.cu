// Sums over the rows of a matrix, the bias gradients: blocks of rows first, then the blocks.
//
// Numerics tested by emulation, not yet timed on a GPU. Bytes moved an element: sizeof(x) + 2 * sizeof(Real) / (rows a
// block, 32 or more).
#include "column_sums.h"

namespace lethe::kernels {
namespace {

// blockIdx.x: block of rows, blockIdx.y: tile of columns. Four rows of a warp are in flight at once; of fp64 two, for
// four spill.
template <class X, int N>
__global__ void __launch_bounds__(256) sum_block(const X* __restrict__ x, int64_t rows, int64_t columns,
                                                 int64_t block_rows, Real<X>* __restrict__ partials) {
  constexpr int kFlight = sizeof(X) == 8 ? 2 : 4;
  using R = Real<X>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  const bool inside = column < columns;
  const int64_t begin = blockIdx.x * block_rows, end = min(begin + block_rows, rows);
  R sums[N] = {};
  for (int64_t row = begin + threadIdx.y; inside && row < end; row += kGroups * kFlight) {
    R values[kFlight][N] = {};
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
      if (row + u * kGroups < end) load<N>(x + (row + u * kGroups) * columns + column, values[u]);
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
#pragma unroll
      for (int i = 0; i < N; ++i) sums[i] += values[u][i];
  }
  add_groups<N>(sums);
  if (threadIdx.y == 0 && inside) store<N>(sums, partials + blockIdx.x * columns + column);
}

}  // namespace

Status column_sums(const ColumnSums& job, Stream stream) {
  if (job.columns == 0) return 0;
  return with_type(job.type, [&](auto x) {
    using X = typename decltype(x)::type;
    using R = Real<X>;
    auto* partials = static_cast<R*>(job.partials);
    if (job.rows > 0) {
      const Status status = with_width<kWide<X>>(
          job.columns,
          [&](auto n) {
            const dim3 grid(static_cast<unsigned>(row_blocks(job.rows)), blocks(job.columns, 32 * n()));
            return launch(sum_block<X, n()>, grid, tile_block(), stream, static_cast<const X*>(job.x), job.rows,
                          job.columns, rows_a_block(job.rows), partials);
          },
          job.x, job.partials);
      if (status != 0) return status;
    }
    const Partials<R> sums{partials, nullptr,        job.rows > 0 ? row_blocks(job.rows) : 0, 1, job.columns,
                           1,        job.accumulate, {static_cast<R*>(job.out), nullptr}};
    return launch_partials(sums, stream);
  });
}

}  // namespace lethe::kernels
