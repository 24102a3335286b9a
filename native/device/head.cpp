// The language-model head and its loss on the device, chunk by chunk over the rows that have a target.
//
// A chunk's logits become its errors in place. Chunks are far larger than on a CPU: there is no cache to stay in, and each
// one ends in a product that should fill the device.
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <type_traits>

#include "passes.h"
#include "products.h"

namespace lethe::device {
namespace {

constexpr int64_t kChunkBytes = int64_t{2} << 30;
constexpr int64_t kVocabularyStep = 64;

// A chunk's logits become its errors.
void make_errors(State& state, const at::Tensor& logits, int64_t vocabulary, int64_t first, const DeviceScores& scores,
                 RowLoss loss) {
  const auto table = [&](auto* values, at::ScalarType type) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(values)>>;
    return at::from_blob(const_cast<T*>(values) + first, {logits.size(0)}, logits.options().dtype(type));
  };
  if (loss.flat)
    return flat_errors(logits, vocabulary, table(state.tables.target_scales, at::kDouble), table(scores.loss, at::kDouble));
  const Toward* toward = loss.toward;
  if (toward == nullptr) return softmax_errors(state, logits, vocabulary, first, scores);
  const at::Tensor rows = toward->hidden.narrow(0, first, logits.size(0));
  const at::Tensor wanted = state.work.reference_logits.get(rows.options(), rows.size(0), toward->weight.size(0));
  product(rows, toward->weight.t(), wanted);
  if (toward->penalty > 0) lower_targets(wanted, table(state.tables.target_tokens, at::kInt), toward->penalty);
  divergence_errors(state, logits, wanted.to(logits.scalar_type()), vocabulary, first, scores.loss);
}

}  // namespace

at::Tensor target_hidden(State& state, const at::Tensor& hidden) {
  const Tables& t = state.tables;
  if (t.targets == t.rows) return hidden;
  const at::Tensor out = state.work.target_hidden.get(hidden.options(), t.targets, hidden.size(1));
  gather_rows(state, hidden, t.target_rows, out);
  return out;
}

int64_t padded_vocabulary(const Layout& layout) {
  const int64_t v = layout.shape().vocabulary;
  const int64_t padded = (v + kVocabularyStep - 1) / kVocabularyStep * kVocabularyStep;
  const Part& table = layout.parts()[static_cast<size_t>(layout.weight_of(layout.head_site()))];
  return !table.frozen() && table.offset + padded * table.columns <= layout.flat_size() ? padded : v;
}

int64_t head_chunk_rows(const Layout& layout, int64_t element_bytes, int64_t rows) {
  const int64_t most = std::max<int64_t>(kVocabularyStep, kChunkBytes / (padded_vocabulary(layout) * element_bytes));
  const int64_t chunks = (rows + most - 1) / most;
  return rows == 0 ? 0 : (rows + chunks - 1) / chunks;
}

at::Tensor State::padded_head(const Model& model, const at::Tensor& flat) const {
  const Part& table = model.layout.parts()[static_cast<size_t>(model.layout.weight_of(model.layout.head_site()))];
  if (table.frozen()) return weight(model, model.layout.head_site());
  const int64_t rows = padded_vocabulary(model.layout);
  return flat.narrow(0, table.offset, rows * table.columns).view({rows, table.columns});
}

at::Tensor head_logits(State& state, Model& model, const at::Tensor& hidden) {
  const at::Tensor weight = state.padded_head(model, state.flat_weights(model));
  const at::Tensor out = state.work.logits.get(hidden.options(), hidden.size(0), weight.size(0));
  product(hidden, weight.t(), out);
  return out;
}

void head_scores(State& state, Model& model, const at::Tensor& hidden, const DeviceScores& scores, const Cancel& cancel) {
  const int64_t rows = state.tables.targets;
  if (rows == 0) return;
  const at::Tensor h = target_hidden(state, hidden);
  const int64_t step = head_chunk_rows(model.layout, h.element_size(), rows);
  for (int64_t first = 0; first < rows; first += step) {
    cancel.poll();
    const int64_t count = std::min(step, rows - first);
    softmax_scores(state, head_logits(state, model, h.narrow(0, first, count)), model.shape().vocabulary, first, scores);
  }
}

void head_gradient(State& state, Model& model, const at::Tensor& hidden, const Backward& options,
                   const DeviceScores& scores, const Cancel& cancel, RowLoss loss) {
  const Tables& t = state.tables;
  const Architecture& architecture = model.layout.architecture();
  const int64_t site = model.layout.head_site(), v = model.shape().vocabulary;
  const bool trained = model.weight_gradient(site).defined();
  const at::Tensor d_hidden =
      state.work.gradient(architecture.slots[static_cast<size_t>(architecture.tail.back().out)], hidden.options(), t.rows);
  if (t.targets == 0) {
    if (!options.accumulate && options.weights && trained) model.weight_gradient(site).zero_();
    d_hidden.zero_();
    return;
  }
  const at::Tensor h = target_hidden(state, hidden);
  const bool all = t.targets == t.rows;
  const at::Tensor d_targets =
      all ? d_hidden : state.work.target_gradient.get(hidden.options(), t.targets, hidden.size(1));
  const at::Tensor weight = state.padded_head(model, state.flat_weights(model));
  const int64_t step = head_chunk_rows(model.layout, h.element_size(), t.targets);
  for (int64_t first = 0; first < t.targets; first += step) {
    cancel.poll();
    const int64_t count = std::min(step, t.targets - first);
    const at::Tensor chunk = h.narrow(0, first, count);
    const at::Tensor errors = head_logits(state, model, chunk);  // the columns behind V become zero
    make_errors(state, errors, v, first, scores, loss);
    for (GradientObserver* observer : options.observers) observer->relabel(first, errors);
    tell(options.observers, site, [&](GradientObserver& observer) { observer.head(first, errors, chunk); });
    product(errors, weight, d_targets.narrow(0, first, count));
    if (!options.weights || !trained) continue;
    // The rows behind the table get zeros: overwritten before the trunk's backward pass writes them, or added.
    gradient_product(errors.t(), chunk, first > 0 || options.accumulate, state.padded_head(model, model.gradients),
                     state.work.wide_sum);
  }
  if (!all) gather_rows(state, d_targets, t.row_targets, d_hidden);
}

}  // namespace lethe::device
