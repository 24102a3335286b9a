// Sums over the rows of a matrix, the bias gradients: blocks of rows first, then the blocks. The matrix may come in parts
// (attention's gradients of queries, keys and values), which the same look writes side by side.
//
// Bytes moved an element: sizeof(x), once more when joined, + 2 * sizeof(Real) / (rows a block, 32 or more).
#include "column_sums.h"

namespace lethe::kernels {
namespace {

template <class X>
struct Parts {
  const X* x[3];
  int64_t widths[3];
  int64_t rows, columns, block_rows;
  X* joined;
};

// blockIdx.x: block of rows, blockIdx.y: tile of columns. Four rows of a warp are in flight at once; of fp64 two, for
// four spill.
template <class X, int N>
__global__ void __launch_bounds__(256) sum_block(Parts<X> p, Real<X>* __restrict__ partials) {
  constexpr int kFlight = sizeof(X) == 8 ? 2 : 4;
  using R = Real<X>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  const bool inside = column < p.columns;
  const int64_t begin = blockIdx.x * p.block_rows, end = min(begin + p.block_rows, p.rows);
  const X* x = p.x[0] + column;
  int64_t width = p.widths[0];
  if (column >= p.widths[0]) x = p.x[1] + (column - p.widths[0]), width = p.widths[1];
  if (column >= p.widths[0] + p.widths[1]) x = p.x[2] + (column - p.widths[0] - p.widths[1]), width = p.widths[2];
  R sums[N] = {};
  for (int64_t row = begin + threadIdx.y; inside && row < end; row += kGroups * kFlight) {
    R values[kFlight][N] = {};
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
      if (row + u * kGroups < end) load<N>(x + (row + u * kGroups) * width, values[u]);
#pragma unroll
    for (int u = 0; u < kFlight; ++u) {
      if (p.joined != nullptr && row + u * kGroups < end)
        store_narrow<X, N>(values[u], p.joined + (row + u * kGroups) * p.columns + column);
#pragma unroll
      for (int i = 0; i < N; ++i) sums[i] += values[u][i];
    }
  }
  add_groups<N>(sums);
  if (threadIdx.y == 0 && inside) store<N>(sums, partials + blockIdx.x * p.columns + column);
}

}  // namespace

Status column_sums(const ColumnSums& job, Stream stream) {
  const int64_t* widths = job.widths;
  const int64_t columns = widths[0] + widths[1] + widths[2];
  if (columns == 0) return 0;
  return with_type(job.type, [&](auto x) {
    using X = typename decltype(x)::type;
    using R = Real<X>;
    auto* partials = static_cast<R*>(job.partials);
    if (job.rows > 0) {
      const auto part = [&](int i) { return static_cast<const X*>(job.x[i]); };
      const Parts<X> parts{{part(0), part(1), part(2)}, {widths[0], widths[1], widths[2]}, job.rows, columns,
                           rows_a_block(job.rows), static_cast<X*>(job.joined)};
      const Status status = with_width<kWide<X>>(
          widths[0] | widths[1] | widths[2],  // whole vectors when each of them is
          [&](auto n) {
            const dim3 grid(static_cast<unsigned>(row_blocks(job.rows)), blocks(columns, 32 * n()));
            return launch(sum_block<X, n()>, grid, tile_block(), stream, parts, partials);
          },
          job.x[0], job.x[1], job.x[2], job.joined, job.partials);
      if (status != 0) return status;
    }
    const int64_t count = job.rows > 0 ? row_blocks(job.rows) : 0;
    return launch_partials(Partials<R>{partials, count, columns, job.accumulate, {static_cast<R*>(job.out)}}, stream);
  });
}

}  // namespace lethe::kernels
