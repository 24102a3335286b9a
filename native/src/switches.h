// libtorch's process-wide switches that change what a device computes: whether fp32 products may round their operands to
// TF32, and whether flash attention's backward pass adds up in a fixed order.
//
// libtorch reads them when an operator is called, on the calling thread; cuBLAS products refuse to run at all while the
// second is on. So whoever calls an operator that reads one holds a Switches for that call.
#pragma once

#include <mutex>

namespace lethe {

// While it lives, products that this thread asks a device for may use TF32, or may not.
class AllowTf32 {
 public:
  explicit AllowTf32(bool allow);
  ~AllowTf32();
  AllowTf32(const AllowTf32&) = delete;
  AllowTf32& operator=(const AllowTf32&) = delete;

 private:
  bool before_;
};

// Sets the switches as this thread wants them and puts back what was there; one at a time in the process.
class Switches {
 public:
  explicit Switches(bool ordered = false);
  ~Switches();
  Switches(const Switches&) = delete;
  Switches& operator=(const Switches&) = delete;

 private:
  const std::lock_guard<std::mutex> lock_;
  const bool orders_;
  const bool tf32_, ordered_, only_warn_, filled_;  // what was there
};

}  // namespace lethe
