// Moving rows: gather by index (with zero rows where there is none), scaling rows, casting a flat array.
//
// Bytes moved an element: sizeof(in) + sizeof(out), a zero row
// only its write.
#include "device.h"

namespace lethe::kernels {
namespace {

template <class W>
__global__ void __launch_bounds__(256) gather_words(const W* __restrict__ x, const int32_t* __restrict__ index,
                                                    int64_t rows, int64_t words, W* __restrict__ out) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= rows) return;
  const int64_t from = index[row];
#pragma unroll 4
  for (int64_t j = threadIdx.x; j < words; j += 32) out[row * words + j] = from < 0 ? W{} : x[from * words + j];
}

template <class X, class T, int N>
__global__ void __launch_bounds__(256) cast_flat(const X* __restrict__ x, int64_t count, T* __restrict__ out) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x * N;
  for (int64_t i = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * N; i < count; i += stride) {
    Real<X> values[N];
    load<N>(x + i, values);
    store_narrow<T, N>(values, out + i);
  }
}

template <class X, class T, int N>
__global__ void __launch_bounds__(256)
    scale(const X* x, const double* __restrict__ factors, int64_t rows, int64_t columns, T* out) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= rows) return;
  const auto factor = static_cast<Real<X>>(factors[row]);
#pragma unroll 2
  for (int64_t j = threadIdx.x * N; j < columns; j += 32 * N) {
    Real<X> values[N];
    load<N>(x + row * columns + j, values);
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] *= factor;
    store_narrow<T, N>(values, out + row * columns + j);
  }
}

template <class X, class T>
Status cast_as(const void* x, void* out, int64_t count, Stream stream) {
  return with_width<kWide<X, T>>(
      count,
      [&](auto n) {
        // Enough blocks for every multiprocessor, and a loop for the rest.
        const unsigned grid = min(blocks(count, 256 * n()), 132u * 8 * 4);
        return launch(cast_flat<X, T, n()>, dim3(grid), dim3(256), stream, static_cast<const X*>(x), count,
                      static_cast<T*>(out));
      },
      x, out);
}

template <class W>
Status gather_as(const void* x, const int32_t* index, int64_t rows, int64_t bytes, void* out, Stream stream) {
  return launch(gather_words<W>, dim3(blocks(rows, kGroups)), tile_block(), stream, static_cast<const W*>(x), index,
                rows, bytes / static_cast<int64_t>(sizeof(W)), static_cast<W*>(out));
}

}  // namespace

Status gather_rows(const void* x, const int32_t* index, int64_t rows, int64_t row_bytes, void* out, Stream stream) {
  if (rows == 0 || row_bytes == 0) return 0;
  const auto fits = [&](uintptr_t size) {
    return (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(out) | static_cast<uintptr_t>(row_bytes)) %
               size ==
           0;
  };
  if (fits(16)) return gather_as<uint4>(x, index, rows, row_bytes, out, stream);
  if (fits(4)) return gather_as<uint32_t>(x, index, rows, row_bytes, out, stream);
  if (fits(2)) return gather_as<uint16_t>(x, index, rows, row_bytes, out, stream);
  return gather_as<uint8_t>(x, index, rows, row_bytes, out, stream);
}

Status cast(Element x_type, const void* x, Element out_type, void* out, int64_t count, Stream stream) {
  if (count == 0) return 0;
  if (x_type == Element::kF32 && out_type == Element::kBF16) return cast_as<float, BF16>(x, out, count, stream);
  if (x_type == Element::kBF16 && out_type == Element::kF32) return cast_as<BF16, float>(x, out, count, stream);
  if (x_type == Element::kF64 && out_type == Element::kF32) return cast_as<double, float>(x, out, count, stream);
  if (x_type == Element::kF32 && out_type == Element::kF64) return cast_as<float, double>(x, out, count, stream);
  return kInvalid;
}

Status scale_rows(const ScaleRows& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  return with_types(job.x_type, job.out_type, [&](auto x, auto out) {
    using X = typename decltype(x)::type;
    using T = typename decltype(out)::type;
    return with_width<kWide<X, T>>(
        job.columns,
        [&](auto n) {
          return launch(scale<X, T, n()>, dim3(blocks(job.rows, kGroups)), tile_block(), stream,
                        static_cast<const X*>(job.x), job.factors, job.rows, job.columns, static_cast<T*>(job.out));
        },
        job.x, job.out);
  });
}

}  // namespace lethe::kernels
