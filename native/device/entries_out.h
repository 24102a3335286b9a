// A batch's entries on their way from the device to the caller: laid out one after the other in device memory, copied to
// the host as a block, and finished there (header, token ids, gaps). They lie there exactly as they will in the ledger; but
// when rows of long records are to be chosen (truncate.h), which the host does, with every row and in full width.
#pragma once

#include <vector>

#include "batch.h"
#include "entry.h"
#include "runtime.h"
#include "workspace.h"

namespace lethe::device {

// What the host knows of the entries; outlives the batch.
struct EntriesOut {
  EntriesOut(const Layout& layout, const EntryFormat& wanted, bool double_model, const Batch& batch);

  // Bytes of what the kernels report: where the first bad factor is, and each target row's squares, whole and kept.
  int64_t report_bytes() const { return 8 + 16 * targets(); }
  int64_t targets() const { return target_offsets.back(); }
  int64_t records() const { return static_cast<int64_t>(places.size()); }

  // Whether the caller's entries differ from those made, and where the arrays of one lie.
  bool narrows() const { return wanted.rank() > 0; }
  EntryLayout wanted_places(int64_t record) const;
  int64_t wanted_bytes() const;  // of all of them
  // Finishes entry b in the caller's memory from the one made, which may lie there; `report` as the kernels left it.
  // refuse_bad comes first.
  void finish(int64_t record, const char* report, const char* made, char* entry) const;
  void refuse_bad(const char* report) const;
  // Refuses destinations that lethe_capture does not allow.
  void check(int64_t records, void* const* destinations, const int64_t* capacities) const;

  Layout layout;
  EntryFormat wanted, format;           // the caller's, and that of what is made
  bool double_model;
  std::vector<EntryLayout> places;      // [B] of what is made
  std::vector<int64_t> begins;          // [B] of each entry in the block
  int64_t bytes = 0;                    // of the block
  std::vector<int32_t> tokens, target_ids;
  std::vector<int64_t> offsets, target_offsets;  // [B + 1] each
};

// Writes record's factors, made with every row, as the caller's format wants them; returns the share of the linear sites'
// squared norm that went. Refuses what is not finite in the format's type.
double narrow_entry(const EntriesOut& out, int64_t record, const EntryLayout& places, const char* made, char* entry);

// Device memory in which entries are made, and the tables that say where.
struct StagingArea {
  Slab block, report, places;
  char *block_data = nullptr, *report_data = nullptr;  // of the capture under way
  const int64_t* places_data = nullptr;
  Pinned host_places;
  Event copied;  // the side stream is done with the block
};

}  // namespace lethe::device
