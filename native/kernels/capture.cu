// Copies a site's rows into the staging buffer, each record's to its own place, scaled from the batch's loss to the
// record's own and rounded to the ledger's type on the way.
//
// A warp a row; 16-byte words where source and destination are
// aligned, which is looked at row by row. Bytes moved an element: sizeof(x) + sizeof(out).
#include "capture.h"

namespace lethe::kernels {
namespace {

template <class X, class T>
struct Copy {
  const X* __restrict__ x;
  const int64_t* __restrict__ places;
  int64_t rows, columns, stride;
};

template <int N, class X, class T>
LETHE_DEVICE bool copy_row(const X* __restrict__ from, Real<X> factor, int64_t columns, T* __restrict__ to) {
  bool bad = false;
#pragma unroll 4
  for (int64_t j = threadIdx.x * N; j < columns; j += 32 * N) {
    Real<X> values[N];
    T stored[N];
    load<N>(from + j, values);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      stored[i] = narrow<T>(factor * values[i]);
      bad |= not_finite(stored[i]);
    }
    store<N>(stored, to + j);
  }
  return bad;
}

template <class X, class T>
__global__ void __launch_bounds__(256) copy_rows(Copy<X, T> copy, Staging staging) {
  constexpr int N = kWide<X, T>;
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= copy.rows) return;  // whole warps leave
  const int32_t record = staging.record[row];
  const X* from = copy.x + row * copy.stride;
  T* to = reinterpret_cast<T*>(static_cast<char*>(staging.staging) + copy.places[record]) +
          staging.position[row] * copy.columns;
  const auto factor = factor_of<Real<X>>(staging, record);
  const bool wide =
      copy.columns % N == 0 && (reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to)) % 16 == 0;
  const bool bad = wide ? copy_row<N>(from, factor, copy.columns, to) : copy_row<1>(from, factor, copy.columns, to);
  if (__ballot_sync(0xFFFFFFFFu, bad) != 0 && threadIdx.x == 0) report(staging, record);
}

}  // namespace

Status cast_scatter(const CastScatter& job, const Staging& staging, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  return with_capture_types(job.x_type, job.out_type, [&](auto x, auto out) {
    using X = typename decltype(x)::type;
    using T = typename decltype(out)::type;
    const Copy<X, T> copy{static_cast<const X*>(job.x), job.places, job.rows, job.columns, job.stride};
    return launch(copy_rows<X, T>, dim3(blocks(job.rows, kGroups)), tile_block(), stream, copy, staging);
  });
}

}  // namespace lethe::kernels
