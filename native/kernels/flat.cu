// Inner products and axpy over chosen chunks of flat buffers.
//
// Bytes moved an element: dot 2 sizeof(Real); axpy 3
// sizeof(Real), 2 more for the bf16 shadow.
#include "flat_sums.h"

namespace lethe::kernels {
namespace {

__global__ void __launch_bounds__(1024)
    finish_dot(const double* __restrict__ partials, int64_t count, double* __restrict__ out) {
  const double sum = sum_partials(partials, count);
  if (threadIdx.x == 0) *out = sum;
}

template <class R>
__global__ void __launch_bounds__(256)
    axpy_chunk(R a, const R* x, const FlatChunk* __restrict__ chunks, bool wide, R* y, BF16* __restrict__ shadow) {
  over_chunk<R>(chunks[blockIdx.x], wide, [&](int64_t at, auto n) {
    constexpr int N = decltype(n)::value;
    R from[N], to[N];
    load<N>(x + at, from);
    load<N>(y + at, to);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] += a * from[i];
    store<N>(to, y + at);
    if (shadow != nullptr) store_narrow<BF16, N>(to, shadow + at);
  });
}

}  // namespace

Status flat_dot(Element real, const void* a, const void* b, FlatChunks chunks, double* partials, double* out,
                Stream stream) {
  const Status status = launch_dots(real, a, b, chunks, partials, stream);
  if (status != 0) return status;
  return launch(finish_dot, dim3(1), dim3(1024), stream, partials, chunks.count, out);
}

Status flat_axpy(const FlatAxpy& job, Stream stream) {
  return with_real(job.real, [&](auto type) {
    using R = typename decltype(type)::type;
    if (job.chunks.count == 0) return 0;
    return launch(axpy_chunk<R>, dim3(static_cast<unsigned>(job.chunks.count)), dim3(256), stream,
                  static_cast<R>(job.a), static_cast<const R*>(job.x), job.chunks.chunks,
                  aligned(job.x) && aligned(job.y) && aligned(job.shadow), static_cast<R*>(job.y),
                  static_cast<BF16*>(job.shadow));
  });
}

}  // namespace lethe::kernels
