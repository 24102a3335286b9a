// What the device path needs of its device besides kernels: a stream of its own, copies beside it, events, pinned memory.
//
// runtime_cuda.cpp does it with CUDA through libtorch's streams, so that ATen's products run on the same stream and its
// allocator knows of it; runtime_emulated.cpp stands in on the CPU, where every call is done when it returns.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "../src/device.h"
#include "lethe.h"

namespace lethe::device {

using StreamHandle = void*;  // cudaStream_t

// Two streams on one device: work, and a side stream for copies that work does not wait for.
class Runtime {
 public:
  // Refuses a device that is not there, or that no kernel of this build runs on.
  explicit Runtime(int32_t index, bool allow_tf32);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  at::Device device() const;
  StreamHandle work() const;
  StreamHandle side() const;
  std::unique_ptr<DeviceScope> enter() const;
  void wait() const;         // for the work stream; reports what went wrong on the device
  void give_back() const;    // cached device memory that no tensor holds
  bool has_graphs() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A point in a stream's work; before the first record, one long past.
class Event {
 public:
  Event();
  ~Event();
  Event(Event&&) noexcept;
  Event& operator=(Event&&) = delete;

  void record(StreamHandle stream);
  void hold(StreamHandle stream) const;  // the stream's later work waits for this point
  void wait() const;                     // the calling thread does

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Host memory that the device copies to and from at full speed, beside other work.
class Pinned {
 public:
  Pinned() = default;
  explicit Pinned(size_t bytes);
  ~Pinned();
  Pinned(Pinned&&) noexcept;
  Pinned& operator=(Pinned&&) noexcept;

  char* data() const { return static_cast<char*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

void to_device(void* to, const void* from, size_t bytes, StreamHandle stream);
void to_host(void* to, const void* from, size_t bytes, StreamHandle stream);
void fill(void* device_memory, unsigned char byte, size_t bytes, StreamHandle stream);

// A stretch of work recorded once and repeated with one call. Memory it touches must stay where it is.
class Graph {
 public:
  Graph();
  ~Graph();
  // Runs body with the stream recording; what it launches runs at replay(). A graph whose recording failed is of no use;
  // the stream is, as before.
  template <class Body>
  void record(Body&& body) {
    try {
      begin();
      body();
      end();
    } catch (...) {
      abandon();
      throw;
    }
  }
  void replay();

 private:
  void begin();
  void end();
  void abandon() noexcept;  // whichever step failed
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lethe::device
