// Tangents of activations, forward and back, of one direction; formulas in src/ops_tangent.h.
//
// Bytes moved an element of the output, sizeof(real) each: forward 3, backward 5; gated 5 and 8.
#include "activation.h"
#include "tangents.h"

namespace lethe::kernels {
namespace {

template <class R>
struct Inputs {
  const R* x;
  const R* tangent;
  const R* __restrict__ bias;
  const R* __restrict__ d_bias;
  int64_t rows, columns;
};

// Columns [column, column + N) of a row's x + bias and tangent + its bias; of a gated one both halves.
template <class R, int N, bool kGated>
struct Here {
  R u[N], d[N], up[N], d_up[N];

  LETHE_DEVICE Here(const Inputs<R>& in, int64_t row, int64_t column) {
    if constexpr (kGated) {
      const int64_t at = 2 * row * in.columns + column;
      load<N>(in.x + at, u), load<N>(in.tangent + at, d);
      load<N>(in.x + at + in.columns, up), load<N>(in.tangent + at + in.columns, d_up);
    } else {
      R shift[N] = {}, d_shift[N] = {};
      load<N>(in.x + row * in.columns + column, u), load<N>(in.tangent + row * in.columns + column, d);
      if (in.bias != nullptr) load<N>(in.bias + column, shift);
      if (in.d_bias != nullptr) load<N>(in.d_bias + column, d_shift);
#pragma unroll
      for (int i = 0; i < N; ++i) u[i] += shift[i], d[i] += d_shift[i];
    }
  }
};

// blockIdx.x: eight rows, blockIdx.y: tile of columns.
template <class F, class R, int N, bool kGated>
__global__ void __launch_bounds__(256) tangent_tile(Inputs<R> in, R* out) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y, column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  if (row >= in.rows || column >= in.columns) return;
  const Here<R, N, kGated> at(in, row, column);
  R result[N];
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const Slope<R> f = F::template at<R>(at.u[i]);
    if constexpr (kGated) {
      result[i] = f.first * at.d[i] * at.up[i] + f.value * at.d_up[i];
    } else {
      result[i] = f.first * at.d[i];
    }
  }
  store<N>(result, out + row * in.columns + column);
}

template <class F, class R, int N, bool kGated>
__global__ void __launch_bounds__(256) backward_tangent_tile(Inputs<R> in, const R* gradient, const R* tangent, R* d_x) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y, column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  if (row >= in.rows || column >= in.columns) return;
  const Here<R, N, kGated> at(in, row, column);
  R g[N], d_g[N], result[N], d_up[N];
  load<N>(gradient + row * in.columns + column, g);
  load<N>(tangent + row * in.columns + column, d_g);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const Slope<R> f = F::template at<R>(at.u[i]);
    if constexpr (kGated) {
      result[i] = d_g[i] * f.first * at.up[i] + g[i] * (f.second * at.d[i] * at.up[i] + f.first * at.d_up[i]);
      d_up[i] = d_g[i] * f.value + g[i] * f.first * at.d[i];
    } else {
      result[i] = d_g[i] * f.first + g[i] * f.second * at.d[i];
    }
  }
  if constexpr (kGated) {
    store<N>(result, d_x + 2 * row * in.columns + column);
    store<N>(d_up, d_x + (2 * row + 1) * in.columns + column);
  } else {
    store<N>(result, d_x + row * in.columns + column);
  }
}

// body(F, Inputs<R>, Count<N>, grid)
template <class Body, class... Pointers>
Status over_tiles(const ActivationTangent& job, Body&& body, const Pointers*... pointers) {
  if (job.rows == 0 || job.columns == 0) return 0;
  if (job.real == Element::kBF16 || (job.gated && (job.bias != nullptr || job.d_bias != nullptr))) return kInvalid;
  return with_all(
      job.kind, job.real, job.columns,
      [&](auto f, auto type, auto n) -> Status {
        using T = typename decltype(type)::type;
        if constexpr (std::is_same_v<T, BF16>) {
          return kInvalid;
        } else {
          const Inputs<T> in{static_cast<const T*>(job.x), static_cast<const T*>(job.tangent),
                             static_cast<const T*>(job.bias), static_cast<const T*>(job.d_bias), job.rows, job.columns};
          return body(f, in, n, dim3(blocks(job.rows, kGroups), blocks(job.columns, 32 * n())));
        }
      },
      job.x, job.tangent, job.bias, job.d_bias, pointers...);
}

}  // namespace

Status activation_tangent(const ActivationTangent& job, Stream stream) {
  return over_tiles(
      job,
      [&]<class F, class R, class N>(F, const Inputs<R>& in, N n, dim3 grid) {
        const auto kernel = job.gated ? tangent_tile<F, R, n(), true> : tangent_tile<F, R, n(), false>;
        return launch(kernel, grid, tile_block(), stream, in, static_cast<R*>(job.out));
      },
      job.out);
}

Status activation_tangent_backward(const ActivationTangentBackward& job, Stream stream) {
  return over_tiles(
      job.forward,
      [&]<class F, class R, class N>(F, const Inputs<R>& in, N n, dim3 grid) {
        const auto kernel =
            job.forward.gated ? backward_tangent_tile<F, R, n(), true> : backward_tangent_tile<F, R, n(), false>;
        return launch(kernel, grid, tile_block(), stream, in, static_cast<const R*>(job.gradient),
                      static_cast<const R*>(job.gradient_tangent), static_cast<R*>(job.d_x));
      },
      job.gradient, job.gradient_tangent, job.d_x);
}

}  // namespace lethe::kernels
