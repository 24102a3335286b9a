// Inner products over chunks of flat buffers: one partial a chunk in fp64, then all partials in a fixed order.
#pragma once

#include "device.h"

namespace lethe::kernels {

// body(first element, Count<N>) for the elements of a chunk, in 16-byte words when begin allows and the rest singly.
template <class R, class Body>
LETHE_DEVICE void over_chunk(const FlatChunk& chunk, bool wide, Body&& body) {
  constexpr int N = kWide<R>;
  const int first = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  const int words = wide && chunk.begin % N == 0 ? chunk.count / N : 0;
#pragma unroll 4
  for (int w = first; w < words; w += step) body(chunk.begin + w * N, Count<N>{});
  for (int i = words * N + first; i < chunk.count; i += step) body(chunk.begin + i, Count<1>{});
}

template <class R>
static __global__ void __launch_bounds__(256)
    dot_chunk(const R* __restrict__ a, const R* __restrict__ b, const FlatChunk* __restrict__ chunks, bool wide,
              double* __restrict__ partials) {
  double sum = 0;
  over_chunk<R>(chunks[blockIdx.x], wide, [&](int64_t at, auto n) {
    constexpr int N = decltype(n)::value;
    R x[N], y[N];
    load<N>(a + at, x);
    load<N>(b + at, y);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// Called by one block of 1,024 threads: the sum of the partials.
LETHE_DEVICE double sum_partials(const double* partials, int64_t count) {
  double sum = 0;
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += partials[i];
  return block_sum(sum);
}

inline Status launch_dots(Element real, const void* a, const void* b, FlatChunks chunks, double* partials,
                          Stream stream) {
  return with_real(real, [&](auto type) {
    using R = typename decltype(type)::type;
    if (chunks.count == 0) return 0;
    return launch(dot_chunk<R>, dim3(static_cast<unsigned>(chunks.count)), dim3(256), stream, static_cast<const R*>(a),
                  static_cast<const R*>(b), chunks.chunks, aligned(a) && aligned(b), partials);
  });
}

}  // namespace lethe::kernels
