// CUDA's execution model on one CPU thread, enough to run the kernels of this folder in tests, slowly.
//
// A block's threads are fibers, blocks run one after the other. A barrier that part of a block never reaches, or that
// threads reach at different lines, and shuffles of a warp that has diverged throw std::logic_error out of launch().
// `backwards` reverses the order of threads and blocks: a result that changes shows a race or a missing barrier. Memory
// errors are the address sanitizer's to find. Not thread-safe; no texture, no streams, warps always whole.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>

#include "emulation_machine.h"
#include "kernels.h"

#define __global__
#define __device__
#define __shared__ static  // blocks never run at the same time
#define __launch_bounds__(...)
#define LETHE_DEVICE inline

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};

// ---- what kernels call

using Where = std::source_location;
inline void __syncthreads(Where where = Where::current()) {
  lethe::kernels::emulation::Machine::get().block_barrier(where.line());
}
inline int __syncthreads_count(int holds, Where where = Where::current()) {
  return static_cast<int>(lethe::kernels::emulation::Machine::get().block_count(holds != 0, where.line()));
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask, Where where = Where::current()) {
  auto& machine = lethe::kernels::emulation::Machine::get();
  return machine.exchange(value, machine.lane() ^ static_cast<unsigned>(mask), where.line());
}
// Lanes past the end keep their own value, as on the device.
template <class T>
T __shfl_down_sync(unsigned, T value, unsigned delta, Where where = Where::current()) {
  auto& machine = lethe::kernels::emulation::Machine::get();
  const unsigned lane = machine.lane();
  return machine.exchange(value, lane + delta < 32 ? lane + delta : lane, where.line());
}
template <class T>
T __shfl_up_sync(unsigned, T value, unsigned delta, Where where = Where::current()) {
  auto& machine = lethe::kernels::emulation::Machine::get();
  const unsigned lane = machine.lane();
  return machine.exchange(value, lane >= delta ? lane - delta : lane, where.line());
}
inline unsigned __ballot_sync(unsigned mask, int holds, Where where = Where::current()) {
  auto& machine = lethe::kernels::emulation::Machine::get();
  unsigned bits = holds != 0 ? 1u << machine.lane() : 0u;
  for (int step = 16; step > 0; step /= 2) bits |= __shfl_xor_sync(mask, bits, step, where);
  return bits;
}
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline float __uint_as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t __float_as_uint(float x) { return std::bit_cast<uint32_t>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline unsigned long long atomicMin(unsigned long long* at, unsigned long long value) {
  const unsigned long long before = *at;
  *at = std::min(before, value);
  return before;
}

namespace lethe::kernels {

using std::erfc;
using std::exp;
using std::log;
using std::max;
using std::min;
using std::sqrt;
using std::tanh;

// To nearest even; NaN becomes the device's own.
inline uint16_t bf16_bits(float x) {
  if (x != x) return 0x7FFF;
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

template <class... P, class... A>
Status launch(void (*kernel)(P...), dim3 grid, dim3 block, Stream, const A&... arguments) {
  emulation::Machine::get().run(grid, block, [&] { kernel(static_cast<P>(arguments)...); });
  return 0;
}

}  // namespace lethe::kernels
