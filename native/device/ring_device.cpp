// Slots and their order.
#include "ring_device.h"

#include <chrono>
#include <cstring>

namespace lethe::device {

using std::chrono::milliseconds;

Ring::Ring(std::shared_ptr<DevicePath> path, int64_t slots, int64_t slot_bytes)
    : path_(std::move(path)), slot_bytes_(slot_bytes) {
  slots_.reserve(static_cast<size_t>(slots));
  for (int64_t i = 0; i < slots; ++i) {
    slots_.emplace_back();
    slots_.back().block = Pinned(static_cast<size_t>(slot_bytes));
    free_.push_back(&slots_.back());
  }
}

Ring::~Ring() {
  try {
    const std::unique_ptr<DeviceScope> scope = path_->enter();
    for (Slot* slot : filling_) slot->filled.wait();
  } catch (const std::exception&) {  // the device failed, and said so to whoever used it last
  }
}

Ring::Slot& Ring::claim(EntriesOut&& entries, const Cancel& cancel) {
  require(entries.bytes <= slot_bytes_, "the batch's entries take ", entries.bytes, " bytes, a slot of the ring has ",
          slot_bytes_);
  std::unique_lock lock(mutex_);
  while (free_.empty()) {
    cancel.poll();
    freed_.wait_for(lock, milliseconds(50));
  }
  Slot& slot = *free_.back();
  free_.pop_back();
  lock.unlock();
  try {
    const auto report = static_cast<size_t>(entries.report_bytes());
    if (slot.report.bytes() < report) slot.report = Pinned(report);
    slot.entries.emplace(std::move(entries));
  } catch (...) {
    release(slot);
    throw;
  }
  return slot;
}

void Ring::publish(Slot& slot) {
  const std::lock_guard lock(mutex_);
  filling_.push_back(&slot);
}

void Ring::abandon(Slot& slot) noexcept {
  try {
    slot.filled.wait();
  } catch (const std::exception&) {  // the device failed, and says so to whoever uses it next
  }
  release(slot);
}

void Ring::release(Slot& slot) noexcept {
  const std::lock_guard lock(mutex_);
  slot.entries.reset();
  free_.push_back(&slot);
  freed_.notify_one();
}

void Ring::take(int64_t records, void* const* destinations, const int64_t* capacities) {
  Slot* slot = nullptr;
  {
    const std::lock_guard lock(mutex_);
    require(!filling_.empty(), "no capture is under way");
    slot = filling_.front();
    filling_.pop_front();
  }
  struct Free {
    ~Free() { ring.release(slot); }
    Ring& ring;
    Slot& slot;
  } const free{*this, *slot};
  // Outside the scope the first CUDA call of a thread would set up device 0, whichever is ours.
  const std::unique_ptr<DeviceScope> scope = path_->enter();
  slot->filled.wait();
  if (records == 0) return;
  const EntriesOut& entries = *slot->entries;
  entries.check(records, destinations, capacities);
  entries.refuse_bad(slot->report.data());
  for (int64_t b = 0; b < records; ++b) {
    const auto at = static_cast<size_t>(b);
    entries.finish(b, slot->report.data(), slot->block.data() + entries.begins[at], static_cast<char*>(destinations[b]));
  }
}

}  // namespace lethe::device
