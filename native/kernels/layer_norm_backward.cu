// Layer norm and RMS norm backward: the input's gradient added to the residual stream's, and the parameters' gradients
// of the batch and of each record from one set of partial sums, for no chunk of rows crosses a record's border.
//
// A block takes one stretch of a chunk of at most 32 rows. First a warp a row
// finds the two means; then threads own columns and go down the rows, which lie in cache by now, so that the sums over
// rows stay in registers. Bytes moved an element: sizeof(x) + sizeof(output) + 2 sizeof(stream) + 4 sizeof(Real) / 32.
#include "column_sums.h"

namespace lethe::kernels {
namespace {

template <class S, class T>
struct Backward {
  bool rms;
  int parts;  // of the partials: weight and, where there is one, bias
  const S* __restrict__ x;
  const Real<S>* __restrict__ statistics;
  const Real<S>* __restrict__ weight;
  const T* __restrict__ output;
  const int32_t* __restrict__ starts;
  int64_t rows, columns, stride;
  bool overwrite;
  S* __restrict__ stream;
  Real<S>* __restrict__ partials;
};

template <class R>
struct RowMeans {
  R mean, scale, weighted, dot;  // of x; of weight * output, alone (0 when x lost no mean) and times x-hat
};

// Where the block's stretch of a row begins.
template <class S, class T>
LETHE_DEVICE int64_t begin_of(const Backward<S, T>& b, int64_t row) {
  return row * b.stride + blockIdx.y * b.columns;
}

template <int N, class S, class T>
LETHE_DEVICE RowMeans<Real<S>> row_means(const Backward<S, T>& b, int64_t row) {
  using R = Real<S>;
  const int64_t begin = begin_of(b, row), note = row * gridDim.y + blockIdx.y;
  const R mean = b.statistics[note], scale = b.statistics[b.rows * gridDim.y + note];
  R weighted = 0, dot = 0;
#pragma unroll 2
  for (int64_t j = threadIdx.x * N; j < b.columns; j += 32 * N) {
    R x[N], y[N], w[N];
    load<N>(b.x + begin + j, x);
    load<N>(b.output + begin + j, y);
    load<N>(b.weight + j, w);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const R part = y[i] * w[i];
      weighted += part;
      dot += part * ((x[i] - mean) * scale);
    }
  }
  const R count = static_cast<R>(b.columns);
  return {mean, scale, b.rms ? R{0} : warp_sum(weighted) / count, warp_sum(dot) / count};
}

template <class S, class T, int N>
__global__ void __launch_bounds__(256) backward_chunk(Backward<S, T> b) {
  using R = Real<S>;
  __shared__ RowMeans<R> means[kChunkRows];
  const int64_t begin = b.starts[blockIdx.x];
  const int rows = static_cast<int>(b.starts[blockIdx.x + 1] - begin);
  for (int r = static_cast<int>(threadIdx.y); r < rows; r += kGroups) {
    const RowMeans<R> mine = row_means<N>(b, begin + r);
    if (threadIdx.x == 0) means[r] = mine;
  }
  __syncthreads();
  for (int64_t first = 0; first < b.columns; first += 32 * N) {
    const int64_t column = first + threadIdx.x * N;
    const bool inside = column < b.columns;
    R d_weight[N] = {}, d_bias[N] = {}, w[N] = {};
    if (inside) load<N>(b.weight + column, w);
    for (int r = static_cast<int>(threadIdx.y); inside && r < rows; r += kGroups) {
      const RowMeans<R> m = means[r];
      const int64_t at = begin_of(b, begin + r) + column;
      R x[N], y[N], s[N] = {};
      load<N>(b.x + at, x);
      load<N>(b.output + at, y);
      if (!b.overwrite) load<N>(b.stream + at, s);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const R hat = (x[i] - m.mean) * m.scale;
        d_weight[i] += y[i] * hat;
        d_bias[i] += y[i];
        s[i] += m.scale * (y[i] * w[i] - m.weighted - hat * m.dot);
      }
      store_narrow<S, N>(s, b.stream + at);
    }
    add_groups<N>(d_weight);
    if (b.parts == 2) add_groups<N>(d_bias);
    if (threadIdx.y == 0 && inside) {
      R* to = b.partials + (int64_t{blockIdx.x} * gridDim.y + blockIdx.y) * b.parts * b.columns + column;
      store<N>(d_weight, to);
      if (b.parts == 2) store<N>(d_bias, to + b.columns);
    }
  }
}

template <class S, class T>
Status run(const LayerNormBackward& job, Stream stream) {
  using R = Real<S>;
  const NormRows& rows = job.rows;
  const Backward<S, T> b{job.rms,
                         job.d_bias == nullptr ? 1 : 2,
                         static_cast<const S*>(job.x),
                         static_cast<const R*>(job.statistics),
                         static_cast<const R*>(job.weight),
                         static_cast<const T*>(job.output),
                         job.chunks.starts,
                         rows.rows,
                         rows.columns,
                         rows.stride,
                         job.overwrite_stream,
                         static_cast<S*>(job.stream),
                         static_cast<R*>(job.partials)};
  if (job.chunks.count > 0) {
    const Status status = with_width<kWide<S, T>>(
        rows.columns | rows.stride,  // whole vectors when both are
        [&](auto n) {
          const dim3 grid(static_cast<unsigned>(job.chunks.count), static_cast<unsigned>(rows.each));
          return launch(backward_chunk<S, T, n()>, grid, tile_block(), stream, b);
        },
        job.x, job.weight, job.output, job.stream, job.partials);
    if (status != 0) return status;
  }
  Partials<R> sums{.partials = b.partials,
                   .count = job.chunks.count * rows.each,
                   .columns = rows.columns,
                   .accumulate = job.accumulate,
                   .out = {static_cast<R*>(job.d_weight), static_cast<R*>(job.d_bias)},
                   .parts = b.parts};
  const Status status = launch_partials(sums, stream);
  if (status != 0 || job.record_weight == nullptr || job.chunks.record_count == 0) return status;
  sums.ranges = job.chunks.records;
  sums.range_count = job.chunks.record_count;
  sums.each = rows.each;
  sums.stride = job.record_stride;
  sums.accumulate = false;
  sums.out[0] = static_cast<R*>(job.record_weight);
  sums.out[1] = static_cast<R*>(job.record_bias);
  return launch_partials(sums, stream);
}

}  // namespace

Status layer_norm_backward(const LayerNormBackward& job, Stream stream) {
  if (job.rows.each == 0 || job.rows.columns == 0) return 0;
  if (job.stream_type == Element::kBF16 && job.output_type == Element::kF32) return kInvalid;
  return with_types(job.stream_type, job.output_type, [&](auto s, auto t) {
    return run<typename decltype(s)::type, typename decltype(t)::type>(job, stream);
  });
}

}  // namespace lethe::kernels
