// The emulation's machine: a block's threads as fibers on one CPU thread, their barriers and warp exchanges.
//
// A fiber runs until it waits; the scheduler goes round those that can go on. A fiber left behind by an error is never
// resumed: its stack is used afresh by the next launch.
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
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
        fiber.stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
