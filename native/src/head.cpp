// The language-model head and its loss, chunk by chunk over the rows that have a target.
//
// A chunk's logits become its errors in place, so [chunk, V] is the only vocabulary-wide memory whatever the batch is.
// Larger chunks make better GEMMs (the weight gradient sums over the chunk), smaller ones stay in the last-level cache.
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>

#include "gemm.h"
#include "passes.h"
#include "slots.h"

namespace lethe {
namespace {

constexpr int64_t kChunkBytes = int64_t{64} << 20;
constexpr int64_t kLeastChunkRows = 32;

// Rows of a chunk: within kChunkBytes, and such that all chunks of the batch are about equally long.
int64_t chunk_rows(const Model& model, int64_t rows) {
  const int64_t bytes = model.shape().vocabulary * static_cast<int64_t>(c10::elementSize(model.dtype));
  const int64_t most = std::max(kLeastChunkRows, kChunkBytes / bytes);
  const int64_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

// hidden's target rows [n, C]: itself when every row has a target.
at::Tensor target_hidden(Model& model, const Batch& batch, const at::Tensor& hidden) {
  if (batch.target_count() == batch.rows()) return hidden;
  const at::Tensor out = model.workspace.target_hidden.get(model.options(), batch.target_count(), hidden.size(1));
  gather_rows(hidden, batch.target_rows(), out);
  return out;
}

RowScores at_row(const RowScores& scores, int64_t row) {
  const auto shift = [row](auto* pointer) { return pointer == nullptr ? nullptr : pointer + row; };
  return {shift(scores.loss), shift(scores.mean), shift(scores.deviation), shift(scores.mean_logit),
          shift(scores.greedy_hit)};
}

void require_finite(const Batch& batch, const char* what, const double* losses, int64_t first, int64_t count) {
  for (int64_t i = first; i < first + count; ++i) {
    if (std::isfinite(losses[i])) continue;
    const int64_t record = batch.target_records()[static_cast<size_t>(i)];
    refuse(LETHE_NOT_FINITE, "the ", what, " of record ", record, " of the batch is ", losses[i], " at its token ",
           batch.target_rows()[static_cast<size_t>(i)] - batch.offset(record));
  }
}

// What the errors of a chunk of target rows are made of.
struct ErrorRows {
  std::vector<double> scales;  // [targets] d(batch loss)/d(row's loss)
  at::Tensor reference;        // [targets, C] the reference's hidden states; undefined without one
};

// A chunk's logits become its rows' errors; their losses go into options.scores.
void compute_errors(const Batch& batch, const HeadGradient& options, const ErrorRows& rows, int64_t first,
                    const at::Tensor& logits) {
  const int64_t count = logits.size(0);
  const double* scales = rows.scales.data() + first;
  if (options.flat) {
    const auto over = [count](const double* values) {
      return at::from_blob(const_cast<double*>(values), {count}, at::kDouble);
    };
    flat_errors(logits, logits.size(1), over(scales), over(options.scores.loss + first));
    return require_finite(batch, "loss", options.scores.loss, first, count);
  }
  if (options.reference == nullptr) {
    softmax_errors(logits, batch.target_tokens().data() + first, scales, at_row(options.scores, first));
    return require_finite(batch, "loss", options.scores.loss, first, count);
  }
  Model& other = options.reference->model;
  const at::Tensor wanted = other.workspace.logits.get(other.options(), count, logits.size(1));
  head_logits(other, rows.reference.narrow(0, first, count), wanted);
  if (options.reference->penalty > 0) {
    const int32_t* targets = batch.target_tokens().data() + first;
    lower_targets(wanted, at::from_blob(const_cast<int32_t*>(targets), {count}, at::kInt), options.reference->penalty);
  }
  divergence_errors(logits, wanted, scales, options.scores.loss + first);
  require_finite(batch, "divergence", options.scores.loss, first, count);
}

}  // namespace

void head_logits(const Model& model, const at::Tensor& hidden, const at::Tensor& out) {
  gemm(hidden, model.weight(model.layout.head_site()).t(), out, Into::kOverwrite, model.rounding);
}

void head_scores(Model& model, const Batch& batch, const at::Tensor& hidden, const RowScores& scores,
                 const Cancel& cancel) {
  const int64_t rows = batch.target_count();
  if (rows == 0) return;
  const at::Tensor h = target_hidden(model, batch, hidden);
  const int64_t step = chunk_rows(model, rows);
  for (int64_t first = 0; first < rows; first += step) {
    cancel.poll();
    const int64_t count = std::min(step, rows - first);
    const at::Tensor logits = model.workspace.logits.get(model.options(), count, model.shape().vocabulary);
    head_logits(model, h.narrow(0, first, count), logits);
    softmax_scores(logits, batch.target_tokens().data() + first, at_row(scores, first));
    require_finite(batch, "loss", scores.loss, first, count);
  }
}

void head_gradient(Model& model, const Batch& batch, const at::Tensor& hidden, const HeadGradient& options,
                   const Cancel& cancel) {
  const int64_t rows = batch.target_count(), site = model.layout.head_site();
  const at::Tensor& weight = model.weight(site);
  const at::Tensor& d_weight = model.weight_gradient(site);
  const at::Tensor d_hidden = hidden_gradient_of(model, batch.rows());
  if (rows == 0) {
    if (!options.accumulate && d_weight.defined()) d_weight.zero_();
    d_hidden.zero_();
    return;
  }
  const at::Tensor h = target_hidden(model, batch, hidden);
  const bool all = rows == batch.rows();
  const at::Tensor d_targets =
      all ? d_hidden : model.workspace.target_gradient.get(model.options(), rows, hidden.size(1));
  ErrorRows error_rows{std::vector<double>(static_cast<size_t>(rows)), at::Tensor()};
  for (size_t i = 0; i < error_rows.scales.size(); ++i) error_rows.scales[i] = batch.row_scale(i);
  if (options.reference != nullptr)
    error_rows.reference = target_hidden(options.reference->model, batch, options.reference->hidden);

  const int64_t step = chunk_rows(model, rows);
  for (int64_t first = 0; first < rows; first += step) {
    cancel.poll();
    const int64_t count = std::min(step, rows - first);
    const at::Tensor chunk = h.narrow(0, first, count);
    const at::Tensor errors = model.workspace.logits.get(model.options(), count, model.shape().vocabulary);
    head_logits(model, chunk, errors);
    compute_errors(batch, options, error_rows, first, errors);
    for (GradientObserver* observer : options.observers) observer->relabel(first, errors);
    tell(options.observers, site, [&](GradientObserver& observer) { observer.head(first, errors, chunk); });
    gemm(errors, weight, d_targets.narrow(0, first, count), Into::kOverwrite, model.rounding);
    if (!options.weights || !d_weight.defined()) continue;
    gemm(errors.t(), chunk, d_weight, first == 0 && !options.accumulate ? Into::kOverwrite : Into::kAdd, model.rounding);
  }
  if (!all) scatter_rows(d_targets, batch.target_rows(), d_hidden);
}

void record_losses(const Batch& batch, const double* row_losses, double* losses) {
  for (int64_t b = 0; b < batch.records(); ++b) {
    double sum = 0;
    for (int64_t i = batch.target_offset(b); i < batch.target_offset(b + 1); ++i)
      sum += batch.target_weight(static_cast<size_t>(i)) * row_losses[i];
    losses[b] = batch.target_count(b) == 0 ? 0.0 : sum / static_cast<double>(batch.target_count(b));
  }
}

}  // namespace lethe
