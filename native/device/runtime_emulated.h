// What tests make the emulated device do, and what they see of it.
#pragma once

#include <cstdint>

namespace lethe::device::emulated {

struct Machine {
  bool fails = false;      // waiting for the device fails, as after a fault of it
  int64_t unawaited = 0;   // copies and fills that nobody has waited for since
};
inline Machine machine;

}  // namespace lethe::device::emulated
