// Sums of activation times gradient record by record, in fp64: a block a chunk of rows, then a record's chunks in
// order.
//
// Bytes moved an element: sizeof(x) (twice with minus) +
// sizeof(y). Products of one word are summed in Real before fp64 takes over: the device converts at a sixteenth of its
// fp32 rate.
#include "device.h"

namespace lethe::kernels {
namespace {

template <class X, class Y>
struct Products {
  const X* __restrict__ x;
  const X* __restrict__ minus;
  const Real<X>* __restrict__ bias;
  const Y* __restrict__ y;
  const int32_t* __restrict__ starts;
  int64_t columns, row_stride;
  double* __restrict__ partials;
};

template <class X, class Y, int N>
__global__ void __launch_bounds__(256) multiply_chunk(Products<X, Y> p) {
  using R = Real<X>;
  double sum = 0;
  for (int64_t row = p.starts[blockIdx.x] + threadIdx.y; row < p.starts[blockIdx.x + 1]; row += kGroups) {
#pragma unroll 1  // the compiler's own choice spills
    for (int64_t j = threadIdx.x * N; j < p.columns; j += 32 * N) {
      const int64_t at = row * p.row_stride + j;
      R x[N], y[N], other[N] = {}, bias[N] = {};
      load<N>(p.x + at, x);
      load<N>(p.y + at, y);
      if (p.minus != nullptr) load<N>(p.minus + at, other);
      if (p.bias != nullptr) load<N>(p.bias + j, bias);
      R word = 0;
#pragma unroll
      for (int i = 0; i < N; ++i) word += (x[i] + bias[i] - other[i]) * y[i];
      sum += static_cast<double>(word);
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0 && threadIdx.y == 0) p.partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(256)
    add_chunks(const double* __restrict__ partials, const int32_t* __restrict__ records, int64_t count, int64_t stride,
               double* __restrict__ sums) {
  const int64_t b = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (b >= count) return;
  double sum = sums[b * stride];
  for (int32_t i = records[b]; i < records[b + 1]; ++i) sum += partials[i];
  sums[b * stride] = sum;
}

}  // namespace

Status record_products(const RecordProducts& job, Stream stream) {
  if (job.chunks.count == 0) return 0;
  const Status status = with_types(job.x_type, job.y_type, [&](auto x, auto y) {
    using X = typename decltype(x)::type;
    using Y = typename decltype(y)::type;
    const Products<X, Y> p{static_cast<const X*>(job.x),
                           static_cast<const X*>(job.minus),
                           static_cast<const Real<X>*>(job.bias),
                           static_cast<const Y*>(job.y),
                           job.chunks.starts,
                           job.columns,
                           job.row_stride,
                           job.partials};
    return with_width<kWide<X, Y>>(
        job.columns | job.row_stride,  // whole vectors when both are
        [&](auto n) {
          return launch(multiply_chunk<X, Y, n()>, dim3(static_cast<unsigned>(job.chunks.count)), tile_block(), stream,
                        p);
        },
        job.x, job.minus, job.bias, job.y);
  });
  if (status != 0) return status;
  return launch(add_chunks, dim3(blocks(job.chunks.record_count, 256)), dim3(256), stream, job.partials,
                job.chunks.records, job.chunks.record_count, job.stride, job.sums);
}

}  // namespace lethe::kernels
