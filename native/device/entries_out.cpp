// The host's half of a device's capture.
#include "entries_out.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace lethe::device {

EntriesOut::EntriesOut(const Layout& layout, const EntryFormat& wanted, bool double_model, const Batch& batch)
    : layout(layout), wanted(wanted), format(wanted.untruncated(double_model)), double_model(double_model),
      tokens(batch.tokens(), batch.tokens() + batch.rows()),
      target_ids(batch.targets(), batch.targets() + batch.rows()), offsets(batch.offsets(), batch.offsets() + batch.records() + 1) {
  for (int64_t b = 0; b < batch.records(); ++b) {
    places.emplace_back(layout, format, batch.length(b), batch.target_count(b));
    begins.push_back(bytes);
    bytes += places.back().total;
    target_offsets.push_back(batch.target_offset(b));
  }
  target_offsets.push_back(batch.target_count());
}

void EntriesOut::refuse_bad(const char* report) const {
  uint64_t first = 0;
  std::memcpy(&first, report, sizeof first);
  if (first != std::numeric_limits<uint64_t>::max()) refuse_factor(layout, static_cast<int64_t>(first));
}

EntryLayout EntriesOut::wanted_places(int64_t record) const {
  const EntryLayout& made = places[static_cast<size_t>(record)];
  return narrows() ? EntryLayout(layout, wanted, made.tokens, made.targets) : made;
}

int64_t EntriesOut::wanted_bytes() const {
  int64_t all = 0;
  for (int64_t b = 0; b < records(); ++b) all += wanted_places(b).total;
  return all;
}

void EntriesOut::finish(int64_t record, const char* report, const char* made, char* entry) const {
  const auto b = static_cast<size_t>(record);
  const EntryLayout target = wanted_places(record);
  double truncated = 0;
  if (narrows()) {
    truncated = narrow_entry(*this, record, target, made, entry);
  } else if (made != entry) {
    std::memcpy(entry, made, static_cast<size_t>(target.total));
  }
  double total = 0, kept = 0;
  if (format.top_k() > 0) {
    const auto* totals = reinterpret_cast<const double*>(report + 8);
    for (int64_t i = target_offsets[b]; i < target_offsets[b + 1]; ++i) total += totals[i], kept += totals[targets() + i];
  }
  const double dropped = total > 0 ? std::clamp(1 - kept / total, 0.0, 1.0) : 0;
  const EntryFacts facts{tokens.data() + offsets[b], target_ids.data() + offsets[b], dropped, truncated};
  finish_entry(layout, wanted, target, facts, entry);
}

void EntriesOut::check(int64_t count, void* const* destinations, const int64_t* capacities) const {
  require(count == records(), "records is ", count, ", the capture has ", records());
  for (int64_t b = 0; b < count; ++b) {
    require(destinations[b] != nullptr, "capture.destinations[", b, "] is NULL");
    require(reinterpret_cast<uintptr_t>(destinations[b]) % kEntryAlignment == 0, "capture.destinations[", b,
            "] is not 64-byte aligned");
    const int64_t needed = wanted_places(b).total;
    require(capacities[b] >= needed, "capture.capacities[", b, "] is ", capacities[b], ", the entry takes ", needed,
            " bytes");
  }
}

}  // namespace lethe::device
