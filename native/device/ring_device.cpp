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
    free(slot);
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
  free(slot);
}

void Ring::free(Slot& slot) noexcept {
  const std::lock_guard lock(mutex_);
  slot.entries.reset();
  free_.push_back(&slot);
  freed_.notify_one();
}

Ring::Slot* Ring::oldest() {
  const std::lock_guard lock(mutex_);
  if (taken_ != nullptr) return taken_;
  require(!filling_.empty(), "no capture is under way");
  Slot* slot = filling_.front();
  filling_.pop_front();
  return taken_ = slot;
}

void Ring::take(int64_t records, const void** entries, int64_t* sizes) {
  require(taken_ == nullptr, "the capture taken before is not released");
  Slot& slot = *oldest();
  try {
    finish(slot, records, entries, sizes);
  } catch (...) {
    free_taken();
    throw;
  }
}

void Ring::finish(Slot& slot, int64_t records, const void** entries, int64_t* sizes) {
  // Outside the scope the first CUDA call of a thread would set up device 0, whichever is ours.
  const std::unique_ptr<DeviceScope> scope = path_->enter();
  slot.filled.wait();
  slot.waited = true;
  const EntriesOut& out = *slot.entries;
  require(records == out.records(), "records is ", records, ", the capture has ", out.records());
  out.refuse_bad(slot.report.data());
  const int64_t narrowed = out.narrows() ? out.wanted_bytes() : 0;
  if (static_cast<int64_t>(narrowed_.bytes()) < narrowed) narrowed_ = Pinned(static_cast<size_t>(narrowed));
  int64_t at = 0;
  for (int64_t b = 0; b < records; ++b) {
    char* made = slot.block.data() + out.begins[static_cast<size_t>(b)];
    char* entry = out.narrows() ? narrowed_.data() + at : made;
    out.finish(b, slot.report.data(), made, entry);
    entries[b] = entry;
    at += sizes[b] = out.wanted_places(b).total;
  }
}

void Ring::release() {
  Slot& slot = *oldest();
  struct Free {
    ~Free() { ring.free_taken(); }
    Ring& ring;
  } const free{*this};
  if (slot.waited) return;
  const std::unique_ptr<DeviceScope> scope = path_->enter();
  slot.filled.wait();
}

void Ring::free_taken() noexcept {
  Slot& slot = *taken_;
  taken_ = nullptr;
  slot.waited = false;
  free(slot);
}

}  // namespace lethe::device
