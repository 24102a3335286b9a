// A checked ragged batch: what lethe_batch promised, and the index tables the passes need.
//
// The caller's arrays are only borrowed for the call. Rows are positions in the flat token axis; "target rows" are the
// rows that carry a loss, in order.
#pragma once

#include <cstdint>
#include <vector>

#include "layout.h"
#include "lethe.h"

namespace lethe {

// Neighbouring records of one length, which attention takes as one dense batch.
struct Run {
  int64_t first_record;
  int64_t records;
  int64_t first_row;
  int64_t length;  // T of each of these records
};

enum class Targets { kRequired, kIgnored };

class Batch {
 public:
  // Refuses anything lethe.h does not allow, naming record, position and value.
  Batch(const lethe_batch& batch, const Shape& shape, Targets targets);

  int64_t records() const { return static_cast<int64_t>(weights_.size()); }  // B
  int64_t rows() const { return rows_; }                                     // sum T
  int64_t offset(int64_t record) const { return offsets_[record]; }          // first row; offset(B) = rows()
  int64_t length(int64_t record) const { return offsets_[record + 1] - offsets_[record]; }
  const int64_t* offsets() const { return offsets_; }  // [B + 1]
  const int32_t* tokens() const { return tokens_; }    // [sum T]
  const int32_t* targets() const { return targets_; }  // [sum T], NULL when ignored
  double weight(int64_t record) const { return weights_[static_cast<size_t>(record)]; }
  const std::vector<Run>& runs() const { return runs_; }

  int64_t target_count() const { return static_cast<int64_t>(target_rows_.size()); }
  // The target rows of record b are target_rows()[target_offset(b) .. target_offset(b + 1)).
  const std::vector<int64_t>& target_rows() const { return target_rows_; }
  int64_t target_offset(int64_t record) const { return target_offsets_[static_cast<size_t>(record)]; }
  int64_t target_count(int64_t record) const { return target_offset(record + 1) - target_offset(record); }
  const std::vector<int32_t>& target_tokens() const { return target_tokens_; }    // [target_count]
  const std::vector<int64_t>& target_records() const { return target_records_; }  // [target_count]
  // d(batch loss)/d(-log p) of each target row: weights[b] / targets of b.
  double target_scale(int64_t record) const { return weight(record) / static_cast<double>(target_count(record)); }

  // Gives every target a weight of its own, weights [sum T]; NULL: 1 each.
  void weigh_targets(const double* weights);
  double target_weight(size_t target) const { return target_weights_.empty() ? 1.0 : target_weights_[target]; }
  // The same of one target row, with its own weight.
  double row_scale(size_t target) const { return target_scale(target_records_[target]) * target_weight(target); }

 private:
  void check_tokens(const Shape& shape) const;
  void find_targets(const Shape& shape);

  int64_t rows_;
  const int64_t* offsets_;
  const int32_t* tokens_;
  const int32_t* targets_ = nullptr;
  std::vector<double> weights_;
  std::vector<Run> runs_;
  std::vector<int64_t> target_rows_, target_offsets_, target_records_;
  std::vector<int32_t> target_tokens_;
  std::vector<double> target_weights_;  // [target_count], or empty
};

}  // namespace lethe
