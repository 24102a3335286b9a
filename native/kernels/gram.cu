// The elementwise part of a factored product: for each pair of entries the sum of P * Q over the rows of
// the one and the columns of the other. The matrix products that make P and Q are cuBLAS's.
//
// A block a pair, pairs above the diagonal skipped when asked; a warp reads
// 32 neighbouring columns of a row. Bytes moved an element: 2 sizeof(Real).
#include "pairs.h"

#include "device.h"

namespace lethe::kernels {
namespace {

template <class R>
struct Pairs {
  const R* __restrict__ p;
  const R* __restrict__ q;
  const int32_t* __restrict__ left;
  const int32_t* __restrict__ right;
  int64_t left_first, right_first, columns, ld;
  bool lower;
  double* __restrict__ out;
};

// blockIdx.x: right entry, blockIdx.y: left entry.
template <class R>
__global__ void __launch_bounds__(256) multiply_pair(Pairs<R> pairs) {
  const int64_t i = pairs.left_first + blockIdx.y, j = pairs.right_first + blockIdx.x;
  if (pairs.lower && j > i) return;  // the whole block
  const int32_t end_row = pairs.left[blockIdx.y + 1], end = pairs.right[blockIdx.x + 1];
  double sum = 0;
  for (int64_t row = pairs.left[blockIdx.y] + threadIdx.y; row < end_row; row += kGroups) {
    R part = 0;
#pragma unroll 4
    for (int64_t c = pairs.right[blockIdx.x] + threadIdx.x; c < end; c += 32)
      part += pairs.p[row * pairs.columns + c] * pairs.q[row * pairs.columns + c];
    sum += static_cast<double>(part);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0 && threadIdx.y == 0) pairs.out[i * pairs.ld + j] += sum;
}

}  // namespace

Status gram_products(const GramProducts& job, Stream stream) {
  if (job.left_count == 0 || job.right_count == 0) return 0;
  if (job.left_count > 65535) return kInvalid;
  return with_real(job.real, [&](auto type) {
    using R = typename decltype(type)::type;
    const Pairs<R> pairs{static_cast<const R*>(job.p),
                         static_cast<const R*>(job.q),
                         job.left,
                         job.right,
                         job.left_first,
                         job.right_first,
                         job.columns,
                         job.ld,
                         job.lower,
                         job.out};
    const dim3 grid(static_cast<unsigned>(job.right_count), static_cast<unsigned>(job.left_count));
    return launch(multiply_pair<R>, grid, tile_block(), stream, pairs);
  });
}

}  // namespace lethe::kernels
