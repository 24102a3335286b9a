// The handle of a capture ring; native/device implements it.
#pragma once

#include <cstdint>

#include "lethe.h"
#include "model.h"

struct lethe_ring {
  virtual ~lethe_ring() = default;
  virtual void take(int64_t records, void* const* destinations, const int64_t* capacities) = 0;
  lethe::LiveHandle live;
};
