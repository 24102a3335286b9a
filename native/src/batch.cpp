// Checks of a lethe_batch, in the order in which they make the next one safe.
#include "batch.h"

#include <cmath>

#include "guard.h"

namespace lethe {

Batch::Batch(const lethe_batch& batch, const Shape& shape, Targets targets)
    : rows_(batch.tokens_total), offsets_(batch.offsets), tokens_(batch.tokens) {
  require(batch.records >= 1, "batch.records is ", batch.records, ", must be at least 1");
  require(batch.tokens_total >= batch.records, "batch.tokens_total is ", batch.tokens_total, " for ", batch.records,
          " records; every record has at least one token");
  require_pointer(offsets_, "batch.offsets");
  require_pointer(tokens_, "batch.tokens");
  require(offsets_[0] == 0, "batch.offsets[0] is ", offsets_[0], ", must be 0");
  for (int64_t b = 0; b < batch.records; ++b) {
    const int64_t length = offsets_[b + 1] - offsets_[b];
    require(offsets_[b + 1] > offsets_[b] && offsets_[b + 1] <= rows_, "batch.offsets[", b + 1, "] is ",
            offsets_[b + 1], ", must be over ", offsets_[b], " and at most tokens_total ", rows_);
    require(length <= shape.context, "record ", b, " of the batch has ", length, " tokens, the model's context is ",
            shape.context);
    const bool extends = !runs_.empty() && runs_.back().length == length;
    if (extends) {
      ++runs_.back().records;
    } else {
      runs_.push_back({b, 1, offsets_[b], length});
    }
    const double weight = batch.weights == nullptr ? 1.0 / static_cast<double>(batch.records) : batch.weights[b];
    require(std::isfinite(weight) && weight != 0, "batch.weights[", b, "] is ", weight, ", must be finite and not 0");
    weights_.push_back(weight);
  }
  require(offsets_[batch.records] == rows_, "batch.offsets[", batch.records, "] is ", offsets_[batch.records],
          ", must equal tokens_total ", rows_);
  check_tokens(shape);
  if (targets == Targets::kRequired) {
    require_pointer(batch.targets, "batch.targets");
    targets_ = batch.targets;
    find_targets(shape);
  }
}

void Batch::weigh_targets(const double* weights) {
  target_weights_.clear();
  for (size_t i = 0; weights != nullptr && i < target_rows_.size(); ++i) {
    const double weight = weights[target_rows_[i]];
    require(std::isfinite(weight), "loss.weights[", target_rows_[i], "] is ", weight);
    target_weights_.push_back(weight);
  }
}

void Batch::check_tokens(const Shape& shape) const {
  for (int64_t row = 0; row < rows_; ++row) {
    require(tokens_[row] >= 0 && tokens_[row] < shape.vocabulary, "batch.tokens[", row, "] is ", tokens_[row],
            ", the vocabulary is 0 to ", shape.vocabulary - 1);
  }
}

void Batch::find_targets(const Shape& shape) {
  target_offsets_.push_back(0);
  for (int64_t b = 0; b < records(); ++b) {
    for (int64_t row = offsets_[b]; row < offsets_[b + 1]; ++row) {
      const int32_t target = targets_[row];
      if (target == LETHE_IGNORE_TARGET) continue;
      require(target >= 0 && target < shape.vocabulary, "batch.targets[", row, "] is ", target, ", allowed are 0 to ",
              shape.vocabulary - 1, " and ", LETHE_IGNORE_TARGET, " (ignored)");
      target_rows_.push_back(row);
      target_tokens_.push_back(target);
      target_records_.push_back(b);
    }
    target_offsets_.push_back(target_count());
  }
}

}  // namespace lethe
