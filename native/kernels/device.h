// What every kernel file shares: element types, 16-byte loads and stores, sums over a warp and a block, type dispatch.
//
// nvcc compiles these files for the device. g++ -x c++ -DLETHE_EMULATED compiles the very same sources against
// emulation.h, which runs blocks one after the other on the CPU: that is how their numerics are tested.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels.h"

#ifdef LETHE_EMULATED
#include "emulation.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#define LETHE_DEVICE __device__ __forceinline__
#endif

namespace lethe::kernels {

#ifndef LETHE_EMULATED
// The launch's own return code: cudaGetLastError() of the runtime linked in here also holds errors of calls that libtorch
// checked and cleared, but cleared in the runtime that libtorch loads.
template <class... P, class... A>
Status launch(void (*kernel)(P...), dim3 grid, dim3 block, Stream stream, const A&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
}
#endif

constexpr Status kInvalid = 1;  // cudaErrorInvalidValue

struct BF16 {
  uint16_t bits;
};
template <class T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;

LETHE_DEVICE float widen(float x) { return x; }
LETHE_DEVICE double widen(double x) { return x; }
LETHE_DEVICE float widen(BF16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }

// Rounds to nearest even.
template <class T, class R>
LETHE_DEVICE T narrow(R x) {
  if constexpr (std::is_same_v<T, BF16>) {
#ifdef LETHE_EMULATED
    return {bf16_bits(static_cast<float>(x))};
#else
    return {__bfloat16_as_ushort(__float2bfloat16_rn(static_cast<float>(x)))};
#endif
  } else {
    return static_cast<T>(x);
  }
}

// All ones in the exponent of the stored number.
LETHE_DEVICE bool not_finite(BF16 x) { return (x.bits & 0x7F80u) == 0x7F80u; }
LETHE_DEVICE bool not_finite(float x) { return (__float_as_uint(x) & 0x7F800000u) == 0x7F800000u; }
LETHE_DEVICE bool not_finite(double x) { return not_finite(static_cast<float>(x * 0.0)); }

// The hardware's exponential where 8 bits of mantissa are kept anyway.
template <class T>
LETHE_DEVICE Real<T> exponential(Real<T> x) {
  if constexpr (std::is_same_v<T, double>) return exp(x);
  if constexpr (std::is_same_v<T, float>) return expf(x);
  return __expf(static_cast<float>(x));
}

// 1 / x, as exact.
template <class T>
LETHE_DEVICE Real<T> reciprocal(Real<T> x) {
  if constexpr (std::is_same_v<T, BF16>) return __fdividef(1.0f, x);
  return 1 / x;
}

// N elements as 16, 8 or 4 bytes at once; memory is aligned to them.
template <int kBytes>
using Word = std::conditional_t<kBytes % 16 == 0, uint4, std::conditional_t<kBytes % 8 == 0, uint2, uint32_t>>;

template <int N, class T>
LETHE_DEVICE void load(const T* from, Real<T> (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = widen(*from);
  } else {
    using W = Word<N* static_cast<int>(sizeof(T))>;
    constexpr int kPart = static_cast<int>(sizeof(W) / sizeof(T));
#pragma unroll
    for (int w = 0; w < N / kPart; ++w) {
      const W word = reinterpret_cast<const W*>(from)[w];
      T parts[kPart];
      memcpy(parts, &word, sizeof word);
#pragma unroll
      for (int i = 0; i < kPart; ++i) to[w * kPart + i] = widen(parts[i]);
    }
  }
}

template <int N, class T>
LETHE_DEVICE void store(const T (&from)[N], T* to) {
  if constexpr (N == 1) {
    *to = from[0];
  } else {
    using W = Word<N* static_cast<int>(sizeof(T))>;
    constexpr int kPart = static_cast<int>(sizeof(W) / sizeof(T));
#pragma unroll
    for (int w = 0; w < N / kPart; ++w) {
      W word;
      memcpy(&word, from + w * kPart, sizeof word);
      reinterpret_cast<W*>(to)[w] = word;
    }
  }
}

template <class T, int N, class R>
LETHE_DEVICE void store_narrow(const R (&from)[N], T* to) {
  T values[N];
#pragma unroll
  for (int i = 0; i < N; ++i) values[i] = narrow<T>(from[i]);
  store<N>(values, to);
}

// Butterfly: every lane gets the same bits, for addition commutes.
template <class R>
LETHE_DEVICE R warp_sum(R x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}

LETHE_DEVICE int thread_rank() { return static_cast<int>(threadIdx.x + threadIdx.y * blockDim.x); }

// The block's sum for every thread; the block is whole warps. Ends and begins with a barrier.
template <class R>
LETHE_DEVICE R block_sum(R x) {
  __shared__ R sums[32];
  const int rank = thread_rank(), warps = static_cast<int>(blockDim.x * blockDim.y / 32);
  x = warp_sum(x);
  __syncthreads();
  if (rank % 32 == 0) sums[rank / 32] = x;
  __syncthreads();
  R total = 0;
  for (int w = 0; w < warps; ++w) total += sums[w];
  return total;
}

// And the largest of the block's.
template <class R>
LETHE_DEVICE R block_max(R x) {
  __shared__ R parts[32];
  const int rank = thread_rank(), warps = static_cast<int>(blockDim.x * blockDim.y / 32);
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x = max(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
  __syncthreads();
  if (rank % 32 == 0) parts[rank / 32] = x;
  __syncthreads();
  x = parts[0];
  for (int w = 1; w < warps; ++w) x = max(x, parts[w]);
  return x;
}

// Most kernels work on tiles: 32 lanes along the columns, kGroups warps along the rows.
constexpr int kGroups = 8;
inline dim3 tile_block() { return dim3(32, kGroups); }

// Adds up the groups' values in order; the result is group 0's. Lanes lie side by side: no bank conflicts. All threads
// of the block call it; ends with a barrier.
template <int N, class R>
LETHE_DEVICE void add_groups(R (&values)[N], int groups = kGroups) {
  __shared__ R parts[kGroups][N][32];
#pragma unroll
  for (int i = 0; i < N; ++i) parts[threadIdx.y][i][threadIdx.x] = values[i];
  __syncthreads();
  if (threadIdx.y == 0) {
    for (int g = 1; g < groups; ++g) {
#pragma unroll
      for (int i = 0; i < N; ++i) values[i] += parts[g][i][threadIdx.x];
    }
  }
  __syncthreads();
}

inline unsigned blocks(int64_t count, int64_t each) { return static_cast<unsigned>((count + each - 1) / each); }

// ---- choice of types on the host

template <class T>
struct Tag {
  using type = T;
};
template <int N>
using Count = std::integral_constant<int, N>;

// Elements of 16 bytes of the widest type, the vector path's width.
template <class... T>
constexpr int kWide = static_cast<int>(16 / [] {
  size_t widest = 1;
  ((widest = sizeof(T) > widest ? sizeof(T) : widest), ...);
  return widest;
}());

inline bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

// body(Tag<T>) for one type, F32, BF16 or F64.
template <class Body>
Status with_type(Element type, Body&& body) {
  switch (type) {
    case Element::kF32:
      return body(Tag<float>{});
    case Element::kBF16:
      return body(Tag<BF16>{});
    case Element::kF64:
      return body(Tag<double>{});
  }
  return kInvalid;
}

// body(Tag<float or double>)
template <class Body>
Status with_real(Element type, Body&& body) {
  if (type == Element::kF32) return body(Tag<float>{});
  if (type == Element::kF64) return body(Tag<double>{});
  return kInvalid;
}

// body(Tag<A>, Tag<B>): F32 or BF16 in any combination, or both F64.
template <class Body>
Status with_types(Element a, Element b, Body&& body) {
  if ((a == Element::kF64) != (b == Element::kF64)) return kInvalid;
  if (a == Element::kF64) return body(Tag<double>{}, Tag<double>{});
  if (a == Element::kF32 && b == Element::kF32) return body(Tag<float>{}, Tag<float>{});
  if (a == Element::kF32) return body(Tag<float>{}, Tag<BF16>{});
  if (b == Element::kF32) return body(Tag<BF16>{}, Tag<float>{});
  return body(Tag<BF16>{}, Tag<BF16>{});
}

// body(Count<wide>) where every pointer is aligned and rows are whole vectors, else body(Count<1>).
template <int kWidth, class Body, class... Pointers>
Status with_width(int64_t columns, Body&& body, const Pointers*... pointers) {
  if (columns % kWidth == 0 && (aligned(pointers) && ...)) return body(Count<kWidth>{});
  return body(Count<1>{});
}

}  // namespace lethe::kernels
