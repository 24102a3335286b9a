// The capture ring: slots of pinned memory that a side stream fills while the work stream goes on, taken in order by
// another thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "entries_out.h"
#include "ring.h"

namespace lethe::device {

class Ring final : public lethe_ring {
 public:
  Ring(std::shared_ptr<DevicePath> path, int64_t slots, int64_t slot_bytes);
  ~Ring() override;

  struct Slot {
    Pinned block, report;
    Event filled;
    std::optional<EntriesOut> entries;
  };
  // A free slot for these entries; waits for one while the cancel flag stays down.
  Slot& claim(EntriesOut&& entries, const Cancel& cancel);
  void publish(Slot& slot);           // its copies are on the side stream; take() may have it
  void abandon(Slot& slot) noexcept;  // the pass failed

  void take(int64_t records, void* const* destinations, const int64_t* capacities) override;

 private:
  void release(Slot& slot) noexcept;  // free_ has room for every slot

  const std::shared_ptr<DevicePath> path_;  // streams must outlive copies under way
  const int64_t slot_bytes_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Slot*> free_;
  std::deque<Slot*> filling_;
};

}  // namespace lethe::device
