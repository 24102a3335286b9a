// Host-made index tables that the kernels take: chunks of rows and of flat buffers, and rows grouped by table row.
// Plain C++; the caller uploads them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels.h"

namespace lethe::kernels {

// For RowChunks: offsets [records + 1] of a ragged batch.
struct RowCut {
  std::vector<int32_t> starts, records;
};
inline RowCut cut_rows(const int64_t* offsets, int64_t records) {
  RowCut cut;
  for (int64_t b = 0; b < records; ++b) {
    cut.records.push_back(static_cast<int32_t>(cut.starts.size()));
    for (int64_t row = offsets[b]; row < offsets[b + 1]; row += kChunkRows) cut.starts.push_back(static_cast<int32_t>(row));
  }
  cut.records.push_back(static_cast<int32_t>(cut.starts.size()));
  cut.starts.push_back(static_cast<int32_t>(offsets[records]));
  return cut;
}

// For FlatChunks: anything with begin, end and matrix, as lethe::Segment.
template <class Segments>
std::vector<FlatChunk> cut_flat(const Segments& segments) {
  std::vector<FlatChunk> chunks;
  for (const auto& s : segments)
    for (int64_t begin = s.begin; begin < s.end; begin += kFlatChunk)
      chunks.push_back({begin, static_cast<int32_t>(std::min<int64_t>(kFlatChunk, s.end - begin)), s.matrix ? 1 : 0});
  return chunks;
}

// For AddRows: rows 0 .. count grouped by their id, ids rising, rows rising within an id. A counting sort: a step waits.
struct RowGroups {
  std::vector<int32_t> ids, starts, rows;
};
inline RowGroups group_rows(const int32_t* ids, int64_t count) {
  RowGroups groups;
  if (count > 0) {
    std::vector<int32_t> places(static_cast<size_t>(*std::max_element(ids, ids + count)) + 1);
    for (int64_t row = 0; row < count; ++row) ++places[static_cast<size_t>(ids[row])];
    int32_t begin = 0;
    for (size_t id = 0; id < places.size(); ++id) {
      const int32_t rows = places[id];
      places[id] = begin;
      if (rows == 0) continue;
      groups.ids.push_back(static_cast<int32_t>(id));
      groups.starts.push_back(begin);
      begin += rows;
    }
    groups.rows.resize(static_cast<size_t>(count));
    for (int64_t row = 0; row < count; ++row)
      groups.rows[static_cast<size_t>(places[static_cast<size_t>(ids[row])]++)] = static_cast<int32_t>(row);
  }
  groups.starts.push_back(static_cast<int32_t>(count));
  return groups;
}

}  // namespace lethe::kernels
