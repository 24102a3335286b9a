// The second stage of every sum over rows: partial rows are added up in a fixed order.
#pragma once

#include "device.h"

namespace lethe::kernels {

// Partial sums [count, parts, columns] to out[part] [columns], = or +=; or to its rows [range_count, columns], `stride`
// apart, the sum of the partials of each range.
template <class R>
struct Partials {
  const R* partials;
  int64_t count, columns;
  bool accumulate;
  R* out[2];
  int parts = 1;  // or 2
  const int32_t* ranges = nullptr;  // [range_count + 1] in units of `each` partials
  int64_t range_count = 1, each = 1, stride = 0;
};

// blockIdx.x: range, blockIdx.y: tile of 32 columns and part. The block's warps take the partials in turns, four of them
// in flight: there are few blocks, and each waits for memory most of the time.
constexpr int kPartialWarps = 32;
template <class R>
static __global__ void __launch_bounds__(32 * kPartialWarps) add_partials(Partials<R> p) {
  constexpr int kFlight = 4;
  __shared__ R sums[kPartialWarps][32];
  const int part = static_cast<int>(blockIdx.y) % p.parts;
  const int64_t column = int64_t{blockIdx.y} / p.parts * 32 + threadIdx.x;
  const bool inside = column < p.columns;
  const int64_t begin = p.ranges == nullptr ? 0 : p.ranges[blockIdx.x] * p.each;
  const int64_t end = p.ranges == nullptr ? p.count : p.ranges[blockIdx.x + 1] * p.each;
  R sum = 0;
  for (int64_t i = begin + threadIdx.y; inside && i < end; i += kPartialWarps * kFlight) {
    R values[kFlight];
#pragma unroll
    for (int u = 0; u < kFlight; ++u) {
      const int64_t at = i + u * kPartialWarps;
      values[u] = at < end ? p.partials[(at * p.parts + part) * p.columns + column] : R{0};
    }
#pragma unroll
    for (int u = 0; u < kFlight; ++u) sum += values[u];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || !inside) return;
  for (int w = 1; w < kPartialWarps; ++w) sum += sums[w][threadIdx.x];
  R* to = (part == 0 ? p.out[0] : p.out[1]) + blockIdx.x * p.stride + column;
  *to = p.accumulate ? *to + sum : sum;
}

template <class R>
Status launch_partials(const Partials<R>& partials, Stream stream) {
  const dim3 grid(static_cast<unsigned>(partials.range_count),
                  blocks(partials.columns, 32) * static_cast<unsigned>(partials.parts));
  return launch(add_partials<R>, grid, dim3(32, kPartialWarps), stream, partials);
}

}  // namespace lethe::kernels
