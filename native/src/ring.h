// The handle of a capture ring; native/device implements it.
#pragma once

#include <cstdint>

#include "lethe.h"
#include "model.h"

struct lethe_ring {
  virtual ~lethe_ring() = default;
  virtual void take(int64_t records, const void** entries, int64_t* sizes) = 0;
  virtual void release() = 0;
  lethe::LiveHandle live;
};
