// Biases and the residual stream: out = x + y + bias, and rows that are all the bias.
//
// Threads own columns and go down four rows at once. Bytes moved
// an element: 2 sizeof(x) + sizeof(y), in place or not.
#include "device.h"

namespace lethe::kernels {
namespace {

constexpr int kFlight = 4;

// blockIdx.x: block of rows, blockIdx.y: tile of columns.
template <class X, class Y, int N>
__global__ void __launch_bounds__(256) add_tile(const X* x, const Y* __restrict__ y, const Real<X>* __restrict__ bias,
                                                int64_t rows, int64_t columns, X* out) {
  using R = Real<X>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  if (column >= columns) return;
  const int64_t first = int64_t{blockIdx.x} * kGroups * kFlight + threadIdx.y;
  R b[N] = {}, values[kFlight][N], others[kFlight][N] = {};
  if (bias != nullptr) load<N>(bias + column, b);
#pragma unroll
  for (int u = 0; u < kFlight; ++u) {
    const int64_t row = first + u * kGroups;
    if (row >= rows) continue;
    load<N>(x + row * columns + column, values[u]);
    if (y != nullptr) load<N>(y + row * columns + column, others[u]);
  }
#pragma unroll
  for (int u = 0; u < kFlight; ++u) {
    const int64_t row = first + u * kGroups;
    if (row >= rows) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) values[u][i] += others[u][i] + b[i];
    store_narrow<X, N>(values[u], out + row * columns + column);
  }
}

template <int N>
dim3 grid_of(int64_t rows, int64_t columns) {
  return dim3(blocks(rows, kGroups * kFlight), blocks(columns, 32 * N));
}

}  // namespace

Status add_bias(const AddBias& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  if (job.x_type == Element::kBF16 && job.y_type == Element::kF32) return kInvalid;
  return with_types(job.x_type, job.y_type, [&](auto x, auto y) {
    using X = typename decltype(x)::type;
    using Y = typename decltype(y)::type;
    return with_width<kWide<X, Y>>(
        job.columns,
        [&](auto n) {
          return launch(add_tile<X, Y, n()>, grid_of<n()>(job.rows, job.columns), tile_block(), stream,
                        static_cast<const X*>(job.x), static_cast<const Y*>(job.y),
                        static_cast<const Real<X>*>(job.bias), job.rows, job.columns, static_cast<X*>(job.out));
        },
        job.x, job.y, job.bias, job.out);
  });
}

}  // namespace lethe::kernels
