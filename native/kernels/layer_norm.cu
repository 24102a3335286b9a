// Layer norm and RMS norm forward, statistics kept, of whole rows or of each head's stretch of them. A warp a stretch;
// the second and third look at one find it in the first-level cache (6 KB at most for C = 1,600 in fp32), so the
// variance is summed from the deviations themselves.
//
// Bytes moved an element: sizeof(x) + sizeof(out); the parameters stay in cache and the statistics are 8 bytes a
// stretch.
#include "device.h"

namespace lethe::kernels {
namespace {

template <class X, class T>
struct Norm {
  bool rms;
  const X* __restrict__ x;
  const Real<X>* __restrict__ weight;
  const Real<X>* __restrict__ bias;
  double epsilon;
  int64_t rows, columns, stride;
  Real<X>* __restrict__ statistics;
  T* __restrict__ out;
};

template <int N, class X, class Body>
LETHE_DEVICE void over_row(const X* row, int64_t columns, Body&& body) {
#pragma unroll 4
  for (int64_t j = threadIdx.x * N; j < columns; j += 32 * N) {
    Real<X> values[N];
    load<N>(row + j, values);
#pragma unroll
    for (int i = 0; i < N; ++i) body(values[i]);
  }
}

// blockIdx.x: eight rows, blockIdx.y: which stretch of them.
template <class X, class T, int N>
__global__ void __launch_bounds__(256) norm_rows(Norm<X, T> norm) {
  using R = Real<X>;
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= norm.rows) return;  // whole warps leave
  const int64_t begin = row * norm.stride + blockIdx.y * norm.columns;
  const X* x = norm.x + begin;
  R sum = 0, squares = 0;
  if (!norm.rms) over_row<N>(x, norm.columns, [&](R value) { sum += value; });
  const R mean = warp_sum(sum) / static_cast<R>(norm.columns);
  over_row<N>(x, norm.columns, [&](R value) { squares += (value - mean) * (value - mean); });
  const R variance = warp_sum(squares) / static_cast<R>(norm.columns);
  const R scale = R{1} / sqrt(variance + static_cast<R>(norm.epsilon));
  if (threadIdx.x == 0) {
    R* notes = norm.statistics + row * gridDim.y + blockIdx.y;
    notes[0] = mean;
    notes[norm.rows * gridDim.y] = scale;
  }
  for (int64_t j = threadIdx.x * N; j < norm.columns; j += 32 * N) {
    R values[N], weight[N], bias[N] = {};
    load<N>(x + j, values);
    load<N>(norm.weight + j, weight);
    if (norm.bias != nullptr) load<N>(norm.bias + j, bias);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      values[i] = (values[i] - mean) * scale;
      if (norm.rms) values[i] = widen(narrow<T>(values[i]));
      values[i] = values[i] * weight[i] + bias[i];
    }
    store_narrow<T, N>(values, norm.out + begin + j);
  }
}

}  // namespace

Status layer_norm(const LayerNorm& job, Stream stream) {
  const NormRows& r = job.rows;
  if (r.rows == 0 || r.each == 0 || r.columns == 0) return 0;
  return with_types(job.x_type, job.out_type, [&](auto x, auto out) {
    using X = typename decltype(x)::type;
    using T = typename decltype(out)::type;
    const Norm<X, T> norm{job.rms,
                          static_cast<const X*>(job.x),
                          static_cast<const Real<X>*>(job.weight),
                          static_cast<const Real<X>*>(job.bias),
                          job.epsilon,
                          r.rows,
                          r.columns,
                          r.stride,
                          static_cast<Real<X>*>(job.statistics),
                          static_cast<T*>(job.out)};
    return with_width<kWide<X, T>>(
        r.columns | r.stride,  // whole vectors when both are
        [&](auto n) {
          const dim3 grid(blocks(r.rows, kGroups), static_cast<unsigned>(r.each));
          return launch(norm_rows<X, T, n()>, grid, tile_block(), stream, norm);
        },
        job.x, job.weight, job.bias, job.out);
  });
}

}  // namespace lethe::kernels
