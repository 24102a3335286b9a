// Rotary positions: pairs of each head's queries and keys turned in place, forward or back, by a row's position's
// angles.
//
// A warp a row; its lanes go through the pairs of all heads, so that short turns (GPT-NeoX's 8 pairs a head) fill it
// too. Bytes moved a turned number: 2 sizeof(x); the table of cosines and sines stays in cache, for all heads share it.
#include "device.h"

namespace lethe::kernels {
namespace {

template <class T>
struct Turning {
  T* __restrict__ x;
  int64_t rows;
  Heads heads;
  int half;  // pairs of a head
  const Real<T>* __restrict__ cos;
  const Real<T>* __restrict__ sin;
  const int32_t* __restrict__ positions;
  Real<T> sign;
};

template <class T, int N>
__global__ void __launch_bounds__(256) turn_rows(Turning<T> t) {
  using R = Real<T>;
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= t.rows) return;
  const int64_t angles = int64_t{t.positions[row]} * t.half;
  const int words = t.half / N, count = static_cast<int>(t.heads.queries + t.heads.keys) * words;
#pragma unroll 2
  for (int w = static_cast<int>(threadIdx.x); w < count; w += 32) {
    const int head = w / words, i = (w - head * words) * N, key = head - static_cast<int>(t.heads.queries);
    T* at = t.x + row * t.heads.width + i +
            (key < 0 ? head * t.heads.step : t.heads.first_key + key * t.heads.step);
    R a[N], b[N], cos[N], sin[N];
    load<N>(at, a);
    load<N>(at + t.half, b);
    load<N>(t.cos + angles + i, cos);
    load<N>(t.sin + angles + i, sin);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const R first = a[k], s = t.sign * sin[k];
      a[k] = first * cos[k] - b[k] * s;
      b[k] = b[k] * cos[k] + first * s;
    }
    store_narrow<T, N>(a, at);
    store_narrow<T, N>(b, at + t.half);
  }
}

}  // namespace

Status turn(const Turn& job, Stream stream) {
  const Heads& h = job.heads;
  if (job.rows == 0 || job.size == 0) return 0;
  return with_type(job.type, [&](auto type) {
    using T = typename decltype(type)::type;
    using R = Real<T>;
    const auto half = static_cast<int>(job.size / 2);
    const Turning<T> turning{static_cast<T*>(job.x),        job.rows,      h,
                             half,                          static_cast<const R*>(job.cos),
                             static_cast<const R*>(job.sin), job.positions, job.back ? R{-1} : R{1}};
    return with_width<kWide<T>>(
        half | h.step | h.first_key | h.width,  // whole vectors when each of them is
        [&](auto n) {
          return launch(turn_rows<T, n()>, dim3(blocks(job.rows, kGroups)), tile_block(), stream, turning);
        },
        job.x, job.cos, job.sin);
  });
}

}  // namespace lethe::kernels
