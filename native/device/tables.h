// A batch's index tables on the device, brought there by one copy from pinned memory.
//
// Tables whose length follows from the batch's shape (its offsets and where its targets are) come first, so that a
// recorded graph finds the next batch of that shape where the last one was; rows grouped by token come last, and later:
// the host makes them while the device is at the pass that does not need them.
#pragma once

#include <cstdint>

#include "batch.h"
#include "../kernels/kernels.h"
#include "runtime.h"
#include "workspace.h"

namespace lethe::device {

class Tables {
 public:
  // Fills the pinned block and starts the copy on `stream`. The last copy must be done.
  void upload(const Batch& batch, const at::Device& device, StreamHandle stream);
  // by_token and by_position of the batch that was uploaded.
  void group(const Batch& batch, StreamHandle stream);

  int64_t records = 0, rows = 0, targets = 0, longest = 0;
  at::Tensor offsets;                           // [B + 1] int32, where records begin
  const int32_t* tokens = nullptr;              // [sum T]
  const int32_t* positions = nullptr;           // [sum T]
  const int32_t* row_records = nullptr;         // [sum T]
  const double* inverse_weights = nullptr;      // [B] 1 / weight
  kernels::RowChunks chunks{};                  // of the rows, none across a record's border
  const int32_t* target_rows = nullptr;         // [targets] rising
  const int32_t* row_targets = nullptr;         // [sum T] the inverse, -1 where there is no target
  const int32_t* target_tokens = nullptr;       // [targets]
  const int32_t* target_records = nullptr;      // [targets]
  const int32_t* target_positions = nullptr;    // [targets] which of its record's targets
  const double* target_scales = nullptr;        // [targets] d(batch loss)/d(-log p)
  const int32_t* record_numbers = nullptr;      // [B] 0, 1, 2, ...
  const int32_t* record_zeros = nullptr;        // [B] 0
  // Rows by token id and by position, as kernels::AddRows takes them; counts differ from batch to batch.
  struct Groups {
    const int32_t *ids = nullptr, *starts = nullptr, *rows = nullptr;
    int64_t count = 0;
  };
  Groups by_token, by_position;

 private:
  Pinned host_;
  Slab device_;
  char* on_device_ = nullptr;                   // where host_ goes
  size_t used_ = 0;                             // bytes of it, by upload
  const int32_t* host_positions_ = nullptr;
};

}  // namespace lethe::device
