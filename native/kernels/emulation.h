// CUDA's execution model on one CPU thread, enough to run the kernels of this folder in tests, slowly.
//
// A block's threads are fibers, blocks run one after the other. A barrier that part of a block never reaches, or that
// threads reach at different lines, and shuffles of a warp that has diverged throw std::logic_error out of launch().
// `backwards` reverses the order of threads and blocks: a result that changes shows a race or a missing barrier. Memory
// errors are the address sanitizer's to find. Not thread-safe; no texture, no streams, warps always whole.
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define __shared__ static  // blocks never run at the same time
#define __launch_bounds__(...)
#define LETHE_DEVICE inline

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};
inline dim3 threadIdx{0}, blockIdx{0}, blockDim{1}, gridDim{1};

namespace lethe::kernels::emulation {

struct Barrier {
  unsigned arrived = 0, generation = 0;
  unsigned line = 0;
};

struct Fiber {
  ucontext_t context;
  void* stack = nullptr;
  dim3 index{0};
  Barrier* waits = nullptr;  // until its generation is another
  unsigned generation = 0;
  bool done = false;
  unsigned exchanges = 0;
#ifdef __SANITIZE_ADDRESS__
  void* fake_stack = nullptr;
#else
  jmp_buf place;
  bool started = false;
#endif
};

struct Warp {
  Barrier barrier;
  alignas(8) unsigned char slots[2][32][8];  // two rounds: a lane may be one exchange ahead
};

inline bool backwards = false;

class Machine {
 public:
  static Machine& get() {
    static Machine machine;
    return machine;
  }

  void run(dim3 grid, dim3 block, const std::function<void()>& body) {
    const unsigned threads = block.x * block.y * block.z;
    if (threads == 0 || threads % 32 != 0 || threads > 1024) throw std::logic_error("a block is 1 to 32 whole warps");
    if (grid.x == 0 || grid.y == 0 || grid.y > 65535) throw std::logic_error("no such grid");
    blockDim = block;
    gridDim = grid;
    body_ = &body;
    start(block, threads);
    for (uint64_t i = 0; i < uint64_t{grid.x} * grid.y; ++i) {
      const uint64_t which = backwards ? uint64_t{grid.x} * grid.y - 1 - i : i;
      blockIdx = dim3(static_cast<unsigned>(which % grid.x), static_cast<unsigned>(which / grid.x));
      run_block(threads);
    }
  }

  void block_barrier(unsigned line) { wait(block_, count_, line); }

  unsigned block_count(bool holds, unsigned line) {
    tally_ += holds;
    const unsigned round = block_.generation & 1;
    if (block_.arrived + 1 == count_) {
      tallied_[round] = tally_;
      tally_ = 0;
    }
    wait(block_, count_, line);
    return tallied_[round];
  }

  template <class T>
  T exchange(T value, unsigned source_lane, unsigned line) {
    static_assert(sizeof(T) <= 8);
    const auto rank = static_cast<size_t>(current_ - fibers_.data());
    Warp& warp = warps_[rank / 32];
    auto& slots = warp.slots[current_->exchanges++ & 1];
    std::memcpy(slots[rank % 32], &value, sizeof value);
    wait(warp.barrier, 32, line);
    std::memcpy(&value, slots[source_lane % 32], sizeof value);
    return value;
  }

  unsigned lane() const { return static_cast<unsigned>(current_ - fibers_.data()) % 32; }

 private:
  static constexpr size_t kStackBytes = 256 << 10;

  void start(dim3 block, unsigned threads) {
    count_ = threads;
    fibers_.resize(std::max<size_t>(fibers_.size(), threads));
    warps_.assign(threads / 32, Warp{});
    block_ = {};
    tally_ = 0;
    for (unsigned i = 0; i < threads; ++i) {
      Fiber& fiber = fibers_[i];
      if (fiber.stack == nullptr)
        fiber.stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
#ifdef __SANITIZE_ADDRESS__
      __asan_unpoison_memory_region(fiber.stack, kStackBytes);
#endif
      fiber.index = dim3(i % block.x, i / block.x % block.y, i / block.x / block.y);
      fiber.exchanges = 0;
#ifndef __SANITIZE_ADDRESS__
      fiber.started = false;
#endif
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack;
      fiber.context.uc_stack.ss_size = kStackBytes;
      fiber.context.uc_link = nullptr;
      makecontext(&fiber.context, &Machine::fiber_main, 0);
    }
  }

  static void fiber_main() {
    Machine& machine = get();
    machine.entered();
    for (;;) {
      (*machine.body_)();
      machine.current_->done = true;
      machine.leave();
    }
  }

  void run_block(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
      fibers_[i].done = false;
      fibers_[i].waits = nullptr;
    }
    for (unsigned left = threads; left > 0;) {
      bool progress = false;
      for (unsigned i = 0; i < threads; ++i) {
        Fiber& fiber = fibers_[backwards ? threads - 1 - i : i];
        if (fiber.done || (fiber.waits != nullptr && fiber.waits->generation == fiber.generation)) continue;
        fiber.waits = nullptr;
        progress = true;
        enter(fiber);
        if (!error_.empty()) throw std::logic_error(std::exchange(error_, {}));
        left -= fiber.done;
      }
      if (!progress) throw std::logic_error("a barrier that part of the block or warp never reaches");
    }
  }

  void wait(Barrier& barrier, unsigned expected, unsigned line) {
    if (barrier.arrived == 0) barrier.line = line;
    if (barrier.line != line) {
      error_ = "threads wait at lines " + std::to_string(barrier.line) + " and " + std::to_string(line);
      leave();
    }
    if (++barrier.arrived == expected) {
      barrier.arrived = 0;
      ++barrier.generation;
      return;
    }
    current_->waits = &barrier;
    current_->generation = barrier.generation;
    leave();
  }

  // Switches: announced to the address sanitizer where there is one, and otherwise without swapcontext's system calls.
  void enter(Fiber& fiber) {
    current_ = &fiber;
    threadIdx = fiber.index;
#ifdef __SANITIZE_ADDRESS__
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fiber.stack, kStackBytes);
    swapcontext(&scheduler_, &fiber.context);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#else
    if (_setjmp(scheduler_) != 0) return;
    if (fiber.started) _longjmp(fiber.place, 1);
    fiber.started = true;
    setcontext(&fiber.context);
#endif
  }

  void leave() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&current_->fake_stack, main_stack_, main_bytes_);
    swapcontext(&current_->context, &scheduler_);
    entered();
#else
    if (_setjmp(current_->place) == 0) _longjmp(scheduler_, 1);
#endif
  }

  void entered() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(current_->fake_stack, &main_stack_, &main_bytes_);
    current_->fake_stack = nullptr;
#endif
  }

  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  Barrier block_;
  unsigned tally_ = 0, tallied_[2] = {};
  unsigned count_ = 0;
  Fiber* current_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::string error_;
#ifdef __SANITIZE_ADDRESS__
  ucontext_t scheduler_;
  const void* main_stack_ = nullptr;
  size_t main_bytes_ = 0;
#else
  jmp_buf scheduler_;
#endif
};

}  // namespace lethe::kernels::emulation

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
inline unsigned long long atomicMin(unsigned long long* at, unsigned long long value) {
  const unsigned long long before = *at;
  *at = std::min(before, value);
  return before;
}

namespace lethe::kernels {

using std::exp;
using std::log;
using std::max;
using std::min;
using std::sqrt;

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
