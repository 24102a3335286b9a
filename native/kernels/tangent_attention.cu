// Softmax over a query's past with its tangents, and the way back; formulas in src/tangent_attention.cpp. The products on
// both sides are the caller's.
//
// A warp a row, its tangents one after the other; scores beyond the past become zero. Bytes moved an element of a row
// of `keys`, sizeof(real) each: forward 3 + 3 a tangent, backward 4 + 5 a tangent, half of it or more from cache.
#include "tangents.h"

#include "device.h"

namespace lethe::kernels {
namespace {

template <class R>
struct Rows {
  R* p;
  R* d_p;  // backward
  int64_t rows, keys, count;
  R scale;

  LETHE_DEVICE int64_t block() const { return rows * keys; }  // numbers from a row to its tangent
};

// body(offset of the row, its past) by whole warps
template <class R, class Body>
LETHE_DEVICE void with_row(const Rows<R>& in, Body&& body) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row < in.rows) body(row * in.keys, row % in.keys + 1);
}

template <class R>
LETHE_DEVICE R dot_past(const R* a, const R* b, int64_t past) {
  R sum = 0;
  for (int64_t j = threadIdx.x; j < past; j += 32) sum += a[j] * b[j];
  return warp_sum(sum);
}

template <class R>
__global__ void __launch_bounds__(256) forward_rows(Rows<R> in) {
  with_row(in, [&](int64_t at, int64_t past) {
    R* p = in.p + at;
    R top = p[0], total = 0;
    for (int64_t j = threadIdx.x; j < past; j += 32) top = max(top, p[j]);
#pragma unroll
    for (int step = 16; step > 0; step /= 2) top = max(top, __shfl_xor_sync(0xFFFFFFFFu, top, step));
    for (int64_t j = threadIdx.x; j < past; j += 32) {
      p[j] = exponential<R>(in.scale * (p[j] - top));
      total += p[j];
    }
    const R factor = 1 / warp_sum(total);
    for (int64_t j = threadIdx.x; j < in.keys; j += 32) p[j] = j < past ? p[j] * factor : R{0};
    for (int64_t k = 1; k <= in.count; ++k) {
      R* tangent = p + k * in.block();
      const R mean = dot_past(p, tangent, past);
      for (int64_t j = threadIdx.x; j < in.keys; j += 32)
        tangent[j] = j < past ? in.scale * p[j] * (tangent[j] - mean) : R{0};
    }
  });
}

// dS = P (dP - D), D the row sum of P dP; dS' = P' (dP - D) + P (dP' - D'), D' that of P' dP + P dP'.
template <class R>
__global__ void __launch_bounds__(256) backward_rows(Rows<R> in) {
  with_row(in, [&](int64_t at, int64_t past) {
    const R* p = in.p + at;
    R* d_p = in.d_p + at;
    const R mean = dot_past(p, static_cast<const R*>(d_p), past);
    for (int64_t k = 1; k <= in.count; ++k) {
      const R* tangent = p + k * in.block();
      R* d_tangent = d_p + k * in.block();
      R sum = 0;
      for (int64_t j = threadIdx.x; j < past; j += 32) sum += tangent[j] * (d_p[j] - mean) + p[j] * d_tangent[j];
      sum = warp_sum(sum);
      for (int64_t j = threadIdx.x; j < in.keys; j += 32)
        d_tangent[j] = j < past ? in.scale * (tangent[j] * (d_p[j] - mean) + p[j] * (d_tangent[j] - sum)) : R{0};
    }
    for (int64_t j = threadIdx.x; j < in.keys; j += 32) d_p[j] = j < past ? in.scale * p[j] * (d_p[j] - mean) : R{0};
  });
}

Status run(const ScoreTangents& job, void* d_p, Stream stream) {
  if (job.rows == 0 || job.keys == 0) return 0;
  return with_real(job.real, [&](auto real) {
    using R = typename decltype(real)::type;
    const Rows<R> rows{static_cast<R*>(job.p), static_cast<R*>(d_p), job.rows, job.keys, job.count,
                       static_cast<R>(job.scale)};
    return launch(d_p == nullptr ? forward_rows<R> : backward_rows<R>, dim3(blocks(job.rows, kGroups)), tile_block(),
                  stream, rows);
  });
}

}  // namespace

Status softmax_past_tangent(const ScoreTangents& job, Stream stream) { return run(job, nullptr, stream); }

Status softmax_past_tangent_backward(const ScoreTangents& job, void* d_p, Stream stream) {
  return d_p == nullptr ? kInvalid : run(job, d_p, stream);
}

}  // namespace lethe::kernels
