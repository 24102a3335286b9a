// What tests make the emulated device do, and what they see of it.
#pragma once

#include <cstdint>

namespace lethe::device::emulated {

struct Machine {
  bool cannot_pin = false;    // memory
  bool fails = false;         // waiting for the device fails, as after a fault of it
  bool graphs = false;        // models made from now on record their steps; recording runs them, replaying once does nothing
  bool cannot_end = false;    // recording fails at its end
  int64_t abandoned = 0;      // recordings
  int64_t unawaited = 0;      // copies and fills that nobody has waited for since
};
inline Machine machine;

}  // namespace lethe::device::emulated
