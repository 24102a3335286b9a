// The second stage of every sum over rows: partial rows are added up in a fixed order.
#pragma once

#include "device.h"

namespace lethe::kernels {

// Partial sums [*, parts, columns]; out[part][range, columns] = or += the sum of the partials of each range.
template <class R>
struct Partials {
  const R* partials;
  const int32_t* ranges;  // [range_count + 1], NULL = one range, all of them
  int64_t count, range_count, columns;
  int parts;  // 1 or 2
  bool accumulate;
  R* out[2];
};

// blockIdx.x: range, blockIdx.y: tile of 32 columns and part. The eight warps take every eighth partial, four of
// them in flight.
template <class R>
static __global__ void __launch_bounds__(256) add_partials(Partials<R> p) {
  constexpr int kFlight = 4;
  const int part = static_cast<int>(blockIdx.y) % p.parts;
  const int64_t column = int64_t{blockIdx.y} / p.parts * 32 + threadIdx.x;
  const bool inside = column < p.columns;
  const int64_t begin = p.ranges == nullptr ? 0 : p.ranges[blockIdx.x];
  const int64_t end = p.ranges == nullptr ? p.count : p.ranges[blockIdx.x + 1];
  R sum[1] = {};
  for (int64_t i = begin + threadIdx.y; inside && i < end; i += kGroups * kFlight) {
    R values[kFlight];
#pragma unroll
    for (int u = 0; u < kFlight; ++u) {
      const int64_t at = i + u * kGroups;
      values[u] = at < end ? p.partials[(at * p.parts + part) * p.columns + column] : R{0};
    }
#pragma unroll
    for (int u = 0; u < kFlight; ++u) sum[0] += values[u];
  }
  add_groups<1>(sum);
  if (threadIdx.y != 0 || !inside) return;
  R* to = (part == 0 ? p.out[0] : p.out[1]) + blockIdx.x * p.columns + column;
  *to = p.accumulate ? *to + sum[0] : sum[0];
}

template <class R>
Status launch_partials(const Partials<R>& partials, Stream stream) {
  const dim3 grid(partials.ranges == nullptr ? 1u : static_cast<unsigned>(partials.range_count),
                  blocks(partials.columns, 32) * static_cast<unsigned>(partials.parts));
  return launch(add_partials<R>, grid, tile_block(), stream, partials);
}

}  // namespace lethe::kernels
