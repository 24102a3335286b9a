// The factored form at a table: rows of its left factor made dense as columns of U [V, columns], and sparse rows of another
// block multiplied with U.
//
// Bytes moved: table_products reads k rows of U a row, so
// k * sizeof(Real) an element written; table_scatter 32
// bytes a number. U of a few hundred columns over V = 50,257 is larger than the second-level cache, its touched rows
// are mostly not.
#include "pairs.h"

#include "device.h"

namespace lethe::kernels {
namespace {

template <class X>
__global__ void __launch_bounds__(256)
    scatter(const int32_t* __restrict__ index, const X* __restrict__ values, const int32_t* __restrict__ column,
            int64_t rows, int64_t k, int64_t columns, Real<X>* __restrict__ u) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= rows) return;
  for (int64_t i = row * k + threadIdx.x; i < (row + 1) * k; i += 32)
    if (index[i] >= 0) u[index[i] * columns + column[row]] = values == nullptr ? Real<X>{1} : widen(values[i]);
}

// blockIdx.x: eight rows, blockIdx.y: tile of columns. Four rows of U are in flight at once.
template <class X, int N>
__global__ void __launch_bounds__(256)
    multiply(const int32_t* __restrict__ index, const X* __restrict__ values, int64_t rows, int64_t k, int64_t columns,
             const Real<X>* __restrict__ u, Real<X>* __restrict__ out) {
  constexpr int kFlight = 4;
  using R = Real<X>;
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  if (row >= rows || column >= columns) return;
  R sums[N] = {};
  for (int64_t i = row * k; i < (row + 1) * k; i += kFlight) {
    R part[kFlight][N] = {}, value[kFlight] = {};
#pragma unroll
    for (int f = 0; f < kFlight; ++f) {
      if (i + f >= (row + 1) * k || index[i + f] < 0) continue;
      value[f] = values == nullptr ? R{1} : widen(values[i + f]);
      load<N>(u + index[i + f] * columns + column, part[f]);
    }
#pragma unroll
    for (int f = 0; f < kFlight; ++f)
#pragma unroll
      for (int c = 0; c < N; ++c) sums[c] += value[f] * part[f][c];
  }
  store<N>(sums, out + row * columns + column);
}

}  // namespace

Status table_scatter(const TableScatter& job, Stream stream) {
  if (job.rows == 0 || job.k == 0) return 0;
  return with_type(job.value_type, [&](auto type) {
    using X = typename decltype(type)::type;
    return launch(scatter<X>, dim3(blocks(job.rows, kGroups)), tile_block(), stream, job.index,
                  static_cast<const X*>(job.values), job.column, job.rows, job.k, job.columns,
                  static_cast<Real<X>*>(job.u));
  });
}

Status table_products(const TableProducts& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  return with_type(job.value_type, [&](auto type) {
    using X = typename decltype(type)::type;
    return with_width<kWide<Real<X>>>(
        job.columns,
        [&](auto n) {
          const dim3 grid(blocks(job.rows, kGroups), blocks(job.columns, 32 * n()));
          return launch(multiply<X, n()>, grid, tile_block(), stream, job.index, static_cast<const X*>(job.values),
                        job.rows, job.k, job.columns, static_cast<const Real<X>*>(job.u),
                        static_cast<Real<X>*>(job.out));
        },
        job.u, job.out);
  });
}

}  // namespace lethe::kernels
