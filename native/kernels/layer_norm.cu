// Layer norm forward, statistics kept, and x-hat alone. A warp a row; the second and third look at a row find it in the
// first-level cache (6 KB at most for C = 1,600 in fp32), so the variance is summed from the deviations themselves.
//
// Bytes moved an element: sizeof(x) + sizeof(out); the parameters
// stay in cache and the statistics are 8 bytes a row.
#include "device.h"

namespace lethe::kernels {
namespace {

template <class X, class T>
struct Norm {
  const X* __restrict__ x;
  const Real<X>* __restrict__ weight;
  const Real<X>* __restrict__ bias;
  double epsilon;
  int64_t rows, columns;
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

template <class X, class T, int N, bool kGiven>
__global__ void __launch_bounds__(256) norm_rows(Norm<X, T> norm) {
  using R = Real<X>;
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= norm.rows) return;  // whole warps leave
  const X* x = norm.x + row * norm.columns;
  R mean, scale;
  if constexpr (kGiven) {
    mean = norm.statistics[row];
    scale = norm.statistics[norm.rows + row];
  } else {
    R sum = 0, squares = 0;
    over_row<N>(x, norm.columns, [&](R value) { sum += value; });
    mean = warp_sum(sum) / static_cast<R>(norm.columns);
    over_row<N>(x, norm.columns, [&](R value) { squares += (value - mean) * (value - mean); });
    const R variance = warp_sum(squares) / static_cast<R>(norm.columns);
    scale = R{1} / sqrt(variance + static_cast<R>(norm.epsilon));
    if (threadIdx.x == 0) {
      norm.statistics[row] = mean;
      norm.statistics[norm.rows + row] = scale;
    }
  }
  for (int64_t j = threadIdx.x * N; j < norm.columns; j += 32 * N) {
    R values[N];
    load<N>(x + j, values);
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = (values[i] - mean) * scale;
    if (norm.weight != nullptr) {
      R weight[N], bias[N];
      load<N>(norm.weight + j, weight);
      load<N>(norm.bias + j, bias);
#pragma unroll
      for (int i = 0; i < N; ++i) values[i] = values[i] * weight[i] + bias[i];
    }
    store_narrow<T, N>(values, norm.out + row * norm.columns + j);
  }
}

template <bool kGiven>
Status run(const LayerNorm& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  return with_types(job.x_type, job.out_type, [&](auto x, auto out) {
    using X = typename decltype(x)::type;
    using T = typename decltype(out)::type;
    const Norm<X, T> norm{static_cast<const X*>(job.x),
                          static_cast<const Real<X>*>(job.weight),
                          static_cast<const Real<X>*>(job.bias),
                          job.epsilon,
                          job.rows,
                          job.columns,
                          static_cast<Real<X>*>(job.statistics),
                          static_cast<T*>(job.out)};
    return with_width<kWide<X, T>>(
        job.columns,
        [&](auto n) {
          return launch(norm_rows<X, T, n(), kGiven>, dim3(blocks(job.rows, kGroups)), tile_block(), stream, norm);
        },
        job.x, job.weight, job.bias, job.out);
  });
}

}  // namespace

Status layer_norm(const LayerNorm& job, Stream stream) { return run<false>(job, stream); }

Status normalize(const LayerNorm& job, Stream stream) {
  LayerNorm plain = job;
  plain.weight = plain.bias = nullptr;
  return run<true>(plain, stream);
}

}  // namespace lethe::kernels
