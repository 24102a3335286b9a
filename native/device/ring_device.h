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
    bool waited = false;  // for filled, since the slot was taken
    std::optional<EntriesOut> entries;
  };
  // A free slot for these entries; waits for one while the cancel flag stays down.
  Slot& claim(EntriesOut&& entries, const Cancel& cancel);
  void publish(Slot& slot);           // its copies are on the side stream; take() may have it
  void abandon(Slot& slot) noexcept;  // the pass failed

  void take(int64_t records, const void** entries, int64_t* sizes) override;
  void release() override;

 private:
  Slot* oldest();  // the one taken, or else the oldest under way, which is taken then
  void finish(Slot& slot, int64_t records, const void** entries, int64_t* sizes);
  void free_taken() noexcept;
  void free(Slot& slot) noexcept;  // free_ has room for every slot

  const std::shared_ptr<DevicePath> path_;  // streams must outlive copies under way
  const int64_t slot_bytes_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Slot*> free_;
  std::deque<Slot*> filling_;
  Slot* taken_ = nullptr;  // the taking thread's, like the entries narrowed for it
  Pinned narrowed_;
};

}  // namespace lethe::device
