// Tangents of norms, forward and back, of one direction; formulas in src/ops_tangent.h.
//
// Forward a warp takes a stretch. Backward a block takes a stretch of a chunk of at most 32 rows, as layer_norm_backward:
// first a warp a row finds the means, then threads own columns and go down the rows. Bytes moved an element, sizeof(real)
// each: forward 3 (and 2 from cache), backward 6 (and 8 from cache).
#include "column_sums.h"
#include "tangents.h"

namespace lethe::kernels {
namespace {

template <class R>
struct Inputs {
  bool rms;
  const R* __restrict__ x;
  const R* __restrict__ tangent;
  const R* __restrict__ statistics;
  const R* __restrict__ weight;
  const R* __restrict__ d_weight;
  const R* __restrict__ d_bias;
  int64_t rows, columns, stride;

  // Where the block's stretch of a row begins, and which its note is.
  LETHE_DEVICE int64_t begin(int64_t row) const { return row * stride + blockIdx.y * columns; }
  LETHE_DEVICE int64_t note(int64_t row) const { return row * gridDim.y + blockIdx.y; }
};

template <class R>
Inputs<R> inputs_of(const NormTangent& job) {
  const auto as = [](const void* pointer) { return static_cast<const R*>(pointer); };
  return {job.rms,          as(job.x),      as(job.tangent), as(job.statistics), as(job.weight),
          as(job.d_weight), as(job.d_bias), job.rows.rows,   job.rows.columns,   job.rows.stride};
}

template <int N, class R>
LETHE_DEVICE void load_or_zero(const R* row, int64_t column, R (&to)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = 0;
  if (row != nullptr) load<N>(row + column, to);
}

// Of a row: mean and scale of x, means of x' and of x-hat x'.
template <class R>
struct TangentMeans {
  R mean, scale, tangent, along;
};

template <int N, class R>
LETHE_DEVICE TangentMeans<R> tangent_means(const Inputs<R>& in, int64_t row) {
  const int64_t begin = in.begin(row), note = in.note(row);
  const R mean = in.statistics[note], scale = in.statistics[in.rows * gridDim.y + note];
  R tangent = 0, along = 0;
  for (int64_t j = threadIdx.x * N; j < in.columns; j += 32 * N) {
    R x[N], d[N];
    load<N>(in.x + begin + j, x);
    load<N>(in.tangent + begin + j, d);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      tangent += d[i];
      along += (x[i] - mean) * scale * d[i];
    }
  }
  const R count = static_cast<R>(in.columns);
  return {mean, scale, in.rms ? R{0} : warp_sum(tangent) / count, warp_sum(along) / count};
}

// blockIdx.x: eight rows, blockIdx.y: which stretch of them.
template <class R, int N>
__global__ void __launch_bounds__(256) forward_rows(Inputs<R> in, R* __restrict__ out) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= in.rows) return;  // whole warps leave
  const TangentMeans<R> m = tangent_means<N>(in, row);
  const int64_t begin = in.begin(row);
  for (int64_t j = threadIdx.x * N; j < in.columns; j += 32 * N) {
    R x[N], d[N], w[N], dw[N], db[N];
    load<N>(in.x + begin + j, x);
    load<N>(in.tangent + begin + j, d);
    load<N>(in.weight + j, w);
    load_or_zero<N>(in.d_weight, j, dw);
    load_or_zero<N>(in.d_bias, j, db);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const R hat = (x[i] - m.mean) * m.scale;
      d[i] = m.scale * (d[i] - m.tangent - hat * m.along) * w[i] + hat * dw[i] + db[i];
    }
    store<N>(d, out + begin + j);
  }
}

template <class R>
struct Backward {
  Inputs<R> in;
  const R* __restrict__ output;
  const R* __restrict__ output_tangent;
  const int32_t* __restrict__ starts;
  bool overwrite;
  int parts;  // of the partials: weight and, where there is one, bias; 0 when no products are wanted
  R* __restrict__ stream;
  R* __restrict__ partials;
  double* __restrict__ shares;
};

// And of h = g w: its mean, that of h x-hat, and of h' and (h x-hat)'.
template <class R>
struct RowMeans {
  TangentMeans<R> x;
  R h, dot, h_tangent, dot_tangent;
};

// One number of a row on its way back.
template <class R>
struct Number {
  R hat, hat_tangent, h, h_tangent, weight_product;

  LETHE_DEVICE Number(const TangentMeans<R>& m, R x, R d, R g, R g_tangent, R w, R dw)
      : hat((x - m.mean) * m.scale),
        hat_tangent(m.scale * (d - m.tangent - hat * m.along)),
        h(g * w),
        h_tangent(g_tangent * w + g * dw),
        weight_product(g_tangent * hat + g * hat_tangent) {}
};

template <int N, class R>
LETHE_DEVICE RowMeans<R> row_means(const Backward<R>& b, int64_t row) {
  const Inputs<R>& in = b.in;
  RowMeans<R> m{tangent_means<N>(in, row), 0, 0, 0, 0};
  const int64_t begin = in.begin(row);
  R share = 0;
  for (int64_t j = threadIdx.x * N; j < in.columns; j += 32 * N) {
    R x[N], d[N], g[N], g_tangent[N], w[N], dw[N], db[N];
    load<N>(in.x + begin + j, x);
    load<N>(in.tangent + begin + j, d);
    load<N>(b.output + begin + j, g);
    load<N>(b.output_tangent + begin + j, g_tangent);
    load<N>(in.weight + j, w);
    load_or_zero<N>(in.d_weight, j, dw);
    load_or_zero<N>(in.d_bias, j, db);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const Number<R> n(m.x, x[i], d[i], g[i], g_tangent[i], w[i], dw[i]);
      m.h += n.h;
      m.dot += n.h * n.hat;
      m.h_tangent += n.h_tangent;
      m.dot_tangent += n.h_tangent * n.hat + n.h * n.hat_tangent;
      share += dw[i] * n.weight_product + db[i] * g_tangent[i];
    }
  }
  const R count = static_cast<R>(in.columns);
  m.h = in.rms ? R{0} : warp_sum(m.h) / count;
  m.dot = warp_sum(m.dot) / count;
  m.h_tangent = in.rms ? R{0} : warp_sum(m.h_tangent) / count;
  m.dot_tangent = warp_sum(m.dot_tangent) / count;
  share = warp_sum(share);
  if (b.shares != nullptr && threadIdx.x == 0) b.shares[in.note(row)] = static_cast<double>(share);
  return m;
}

template <class R, int N>
__global__ void __launch_bounds__(256, 2) backward_chunk(Backward<R> b) {
  __shared__ RowMeans<R> means[kChunkRows];
  const Inputs<R>& in = b.in;
  const int64_t begin = b.starts[blockIdx.x];
  const int rows = static_cast<int>(b.starts[blockIdx.x + 1] - begin);
  for (int r = static_cast<int>(threadIdx.y); r < rows; r += kGroups) {
    const RowMeans<R> mine = row_means<N>(b, begin + r);
    if (threadIdx.x == 0) means[r] = mine;
  }
  __syncthreads();
  for (int64_t first = 0; first < in.columns; first += 32 * N) {
    const int64_t column = first + threadIdx.x * N;
    const bool inside = column < in.columns;
    R d_weight[N] = {}, d_bias[N] = {}, w[N] = {}, dw[N] = {};
    if (inside) load<N>(in.weight + column, w), load_or_zero<N>(in.d_weight, column, dw);
    for (int r = static_cast<int>(threadIdx.y); inside && r < rows; r += kGroups) {
      const RowMeans<R>& m = means[r];
      const int64_t at = in.begin(begin + r) + column;
      R x[N], d[N], g[N], g_tangent[N], s[N] = {};
      load<N>(in.x + at, x);
      load<N>(in.tangent + at, d);
      load<N>(b.output + at, g);
      load<N>(b.output_tangent + at, g_tangent);
      if (!b.overwrite) load<N>(b.stream + at, s);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const Number<R> n(m.x, x[i], d[i], g[i], g_tangent[i], w[i], dw[i]);
        d_weight[i] += n.weight_product;
        d_bias[i] += g_tangent[i];
        const R through_scale = m.x.along * (n.h - m.h - n.hat * m.dot) * m.x.scale;
        s[i] += m.x.scale *
                (n.h_tangent - m.h_tangent - n.hat_tangent * m.dot - n.hat * m.dot_tangent - through_scale);
      }
      store<N>(s, b.stream + at);
    }
    if (b.parts == 0) continue;
    add_groups<N>(d_weight);
    if (b.parts == 2) add_groups<N>(d_bias);
    if (threadIdx.y == 0 && inside) {
      R* to = b.partials + (int64_t{blockIdx.x} * gridDim.y + blockIdx.y) * b.parts * in.columns + column;
      store<N>(d_weight, to);
      if (b.parts == 2) store<N>(d_bias, to + in.columns);
    }
  }
}

template <class R>
Status run(const NormTangentBackward& job, Stream stream) {
  const NormTangent& f = job.forward;
  const NormRows& rows = f.rows;
  const int parts = job.weight_product == nullptr ? 0 : job.bias_product == nullptr ? 1 : 2;
  const Backward<R> b{inputs_of<R>(f),
                      static_cast<const R*>(job.output),
                      static_cast<const R*>(job.output_tangent),
                      job.chunks.starts,
                      job.overwrite_stream,
                      parts,
                      static_cast<R*>(job.stream),
                      static_cast<R*>(job.partials),
                      job.shares};
  if (job.chunks.count > 0) {
    const Status status = with_width<kWide<R>>(
        rows.columns | rows.stride,  // whole vectors when both are
        [&](auto n) {
          const dim3 grid(static_cast<unsigned>(job.chunks.count), static_cast<unsigned>(rows.each));
          return launch(backward_chunk<R, n()>, grid, tile_block(), stream, b);
        },
        f.x, f.tangent, f.weight, f.d_weight, f.d_bias, job.output, job.output_tangent, job.stream, job.partials);
    if (status != 0) return status;
  }
  if (parts == 0) return 0;
  return launch_partials(Partials<R>{.partials = b.partials,
                                     .count = job.chunks.count * rows.each,
                                     .columns = rows.columns,
                                     .accumulate = job.accumulate,
                                     .out = {static_cast<R*>(job.weight_product), static_cast<R*>(job.bias_product)},
                                     .parts = parts},
                         stream);
}

}  // namespace

Status norm_tangent(const NormTangent& job, Stream stream) {
  const NormRows& r = job.rows;
  if (r.rows == 0 || r.each == 0 || r.columns == 0) return 0;
  return with_real(job.real, [&](auto real) {
    using R = typename decltype(real)::type;
    return with_width<kWide<R>>(
        r.columns | r.stride,
        [&](auto n) {
          const dim3 grid(blocks(r.rows, kGroups), static_cast<unsigned>(r.each));
          return launch(forward_rows<R, n()>, grid, tile_block(), stream, inputs_of<R>(job), static_cast<R*>(job.out));
        },
        job.x, job.tangent, job.weight, job.d_weight, job.d_bias, job.out);
  });
}

Status norm_tangent_backward(const NormTangentBackward& job, Stream stream) {
  if (job.forward.rows.each == 0 || job.forward.rows.columns == 0) return 0;
  return with_real(job.forward.real, [&](auto real) { return run<typename decltype(real)::type>(job, stream); });
}

}  // namespace lethe::kernels
