// Gradients of other losses than the next token's, toward a reference model's predictions and toward a target of the
// hidden states, on the device.
//
// A reference runs its own pass on its own stream first; this model's goes on when that is done, so that the two share
// nothing but the tensors that are read.
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "passes.h"
#include "path.h"
#include "walk_device.h"

namespace lethe::device {
namespace {

Path& path_of(const Model& model) { return static_cast<Path&>(*model.path); }

at::Tensor on_device(const State& state, const double* values, std::vector<int64_t> sizes) {
  const at::Tensor host = at::from_blob(const_cast<double*>(values), sizes, at::kDouble);
  return host.to(state.runtime.device(), at::kDouble, /*non_blocking=*/false, /*copy=*/true);
}

// d(weights[b] * distance of b) / d x is this times x - target, row by row.
std::vector<double> row_factors(const Batch& batch, int64_t columns) {
  std::vector<double> factors;
  for (int64_t b = 0; b < batch.records(); ++b)
    factors.insert(factors.end(), static_cast<size_t>(batch.length(b)),
                   2 * batch.weight(b) / static_cast<double>(batch.length(b) * columns));
  return factors;
}

}  // namespace

at::Tensor Path::hidden_states(Model& model, const Batch& batch, int64_t layers, const Cancel& cancel) {
  const std::unique_ptr<DeviceScope> scope = enter();
  forget_graphs();
  begin(model, batch);
  Device pass(state_, model, batch, Keep::kNothing, cancel);
  walk_forward(pass, layers);
  const bool all = layers == pass.architecture().blocks();
  const at::Tensor hidden = all ? target_hidden(state_, pass.hidden()) : pass.slot(layers, 0);
  wait();
  return hidden;
}

void Path::run_token_gradient(Model& model, const Batch& batch, const TokenCall& call, const Cancel& cancel) {
  const int64_t blocks = model.layout.architecture().blocks(), targets = batch.target_count();
  Toward toward{{}, {}, call.penalty};
  if (call.reference != nullptr) {
    Path& other = path_of(*call.reference);
    toward.hidden = other.hidden_states(*call.reference, batch, blocks, cancel);
    toward.weight = other.state_.padded_head(*call.reference, other.state_.flat_weights(*call.reference));
  }
  forget_graphs();
  begin(model, batch);
  DeviceScores scores{};
  scores.loss = results_.get(at::TensorOptions().dtype(at::kDouble).device(device()), targets).mutable_data_ptr<double>();
  const Backward options{.accumulate = call.accumulate};
  Device back(state_, model, batch, options, cancel);
  head_gradient(state_, model, forward(state_, model, batch, Keep::kForBackward, cancel), options, scores, cancel,
                {call.reference == nullptr ? nullptr : &toward, call.flat});
  if (targets > 0) fetch(call.row_losses, scores.loss, static_cast<size_t>(targets) * sizeof(double));
  for (int64_t i = 0; i < targets; ++i) {
    if (std::isfinite(call.row_losses[i])) continue;
    const int64_t record = batch.target_records()[static_cast<size_t>(i)];
    refuse(LETHE_NOT_FINITE, "the ", call.reference == nullptr ? "loss" : "divergence", " of record ", record,
           " of the batch is ", call.row_losses[i], " at its token ",
           batch.target_rows()[static_cast<size_t>(i)] - batch.offset(record));
  }
  state_.tables.group(batch, state_.runtime.work());
  walk_backward(back, blocks, 0);
}

void Path::run_hidden_gradient(Model& model, const Batch& batch, const HiddenCall& call, const Cancel& cancel) {
  const int64_t columns = model.shape().channels;
  const at::Tensor target = call.reference == nullptr
                                ? on_device(state_, call.target, {1, columns}).to(model.dtype)
                                : path_of(*call.reference).hidden_states(*call.reference, batch, call.layers, cancel);
  forget_graphs();
  begin(model, batch);
  Device pass(state_, model, batch, Keep::kForBackward, cancel);
  walk_forward(pass, call.layers);
  Device back(state_, model, batch, {.accumulate = true}, cancel);
  at::Tensor errors = back.gradient(0, 0);
  at::sub_out(errors, pass.slot(call.layers, 0), target);
  const at::Tensor sums = at::zeros({batch.records()}, at::TensorOptions().dtype(at::kDouble).device(device()));
  record_products(state_, errors, {}, {}, errors, sums.mutable_data_ptr<double>(), 1);
  const std::vector<double> factors = row_factors(batch, columns);
  const at::Tensor on_place = on_device(state_, factors.data(), {batch.rows()});
  scale_rows(state_, errors, on_place);
  fetch(call.distances, sums.const_data_ptr(), static_cast<size_t>(batch.records()) * sizeof(double));
  for (int64_t b = 0; b < batch.records(); ++b) {
    call.distances[b] /= static_cast<double>(batch.length(b) * columns);
    if (!std::isfinite(call.distances[b]))
      refuse(LETHE_NOT_FINITE, "the distance of record ", b, " of the batch is ", call.distances[b], " after layer ",
             call.layers - 1);
  }
  if (!call.accumulate) model.gradients.zero_();  // whatever lies above takes no part
  state_.tables.group(batch, state_.runtime.work());
  walk_backward(back, call.layers, 0);
}

}  // namespace lethe::device
