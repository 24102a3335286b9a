// Exports of gradients of other losses than the records' own: a weight or another loss for each target, a reference
// model's predictions, and a target of the hidden states.
#include <ATen/ops/from_blob.h>

#include <cmath>
#include <optional>
#include <vector>

#include "guard.h"
#include "model.h"
#include "passes.h"
#include "serial.h"
#include "slots.h"

namespace {

using namespace lethe;

void require_reference(const Model& model, const Model& reference) {
  require(&model != &reference, "reference is the model itself; copy its parameters into another one");
  require(model.shape() == reference.shape() && model.dtype == reference.dtype,
          "reference is of another shape or dtype than the model");
  require(model.on_cpu() == reference.on_cpu() && model.device == reference.device,
          "reference is on another device than the model");
}

int64_t pass_work(const Model& model, const Batch& batch) { return batch.rows() * model.layout.parameters(); }

void run_tokens(Model& model, const Batch& batch, const TokenCall& call, const Cancel& cancel) {
  const SerialIfSmall serial(pass_work(model, batch));
  std::optional<HeadReference> wanted;
  if (call.reference != nullptr)
    wanted.emplace(*call.reference, forward(*call.reference, batch, Keep::kNothing, cancel), call.penalty);
  const at::Tensor hidden = forward(model, batch, Keep::kForBackward, cancel);
  const HeadGradient head{.accumulate = call.accumulate,
                          .scores = {.loss = call.row_losses},
                          .reference = wanted ? &*wanted : nullptr,
                          .flat = call.flat};
  head_gradient(model, batch, hidden, head, cancel);
  backward(model, batch, {.accumulate = call.accumulate}, cancel);
}

// values: [B]
void token_gradient(Model& model, const Batch& batch, TokenCall call, double* values, const Cancel& cancel) {
  std::vector<double> rows(static_cast<size_t>(batch.target_count()));
  call.row_losses = rows.data();
  if (model.path != nullptr) {
    run_on(model.path, [&] { model.path->token_gradient(model, batch, call, cancel); });
  } else {
    run_tokens(model, batch, call, cancel);
  }
  record_losses(batch, rows.data(), values);
}

// target: [1, C] or [sum T, C]
void run_hidden(Model& model, const Batch& batch, int64_t layers, const at::Tensor& target, bool accumulate,
                double* distances, const Cancel& cancel) {
  const at::Tensor x = stream_forward(model, batch, Keep::kForBackward, layers, cancel);
  square_errors(x, target, batch, gradient_of(model, 0, batch.rows()), distances);
  for (int64_t b = 0; b < batch.records(); ++b) {
    if (std::isfinite(distances[b])) continue;
    refuse(LETHE_NOT_FINITE, "the distance of record ", b, " of the batch is ", distances[b], " after layer ",
           layers - 1);
  }
  if (!accumulate) model.gradients.zero_();  // whatever lies above takes no part
  stream_backward(model, batch, layers, {.accumulate = true}, cancel);
}

void require_finite(const Model& model, const double* target) {
  for (int64_t j = 0; j < model.shape().channels; ++j)
    require(std::isfinite(target[j]), "target[", j, "] is ", target[j]);
}

at::Tensor row_of(const Model& model, const double* target) {
  return at::from_blob(const_cast<double*>(target), {1, model.shape().channels}, at::kDouble).to(model.dtype);
}

}  // namespace

extern "C" {

lethe_status lethe_model_kl_gradient(lethe_model* model, const lethe_batch* batch, lethe_model* reference,
                                     int32_t accumulate, double* divergences, const int32_t* cancel,
                                     lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(reference, "reference");
    require_pointer(divergences, "divergences");
    require(accumulate == 0 || accumulate == 1, "accumulate is ", accumulate, ", allowed 0 and 1");
    const Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kRequired);
    require_reference(*model, *reference);
    token_gradient(*model, checked_batch, {reference, 0, false, accumulate == 1, nullptr}, divergences, Cancel(cancel));
  });
}

lethe_status lethe_model_token_gradient(lethe_model* model, const lethe_batch* batch, const lethe_token_loss* loss,
                                        double* values, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(values, "values");
    const lethe_token_loss& wanted = checked(loss, "loss");
    require(wanted.kind >= LETHE_NEXT_TOKEN && wanted.kind <= LETHE_FLATNESS, "loss.kind is ", wanted.kind,
            ", allowed 0 to ", LETHE_FLATNESS + 0);
    require(wanted.accumulate == 0 || wanted.accumulate == 1, "loss.accumulate is ", wanted.accumulate,
            ", allowed 0 and 1");
    const bool toward = wanted.kind == LETHE_TOWARD;
    require(toward == (wanted.reference != nullptr), "loss.reference is ", toward ? "NULL" : "given",
            ", kind TOWARD needs one and the others have none");
    require(std::isfinite(wanted.penalty) && wanted.penalty >= 0 && (toward || wanted.penalty == 0), "loss.penalty is ",
            wanted.penalty, ", allowed at least 0 with kind TOWARD, and 0 with others");
    Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kRequired);
    checked_batch.weigh_targets(wanted.weights);
    if (toward) require_reference(*model, *wanted.reference);
    const bool flat = wanted.kind == LETHE_FLATNESS;
    token_gradient(*model, checked_batch, {wanted.reference, wanted.penalty, flat, wanted.accumulate == 1, nullptr}, values,
                   Cancel(cancel));
  });
}

lethe_status lethe_model_hidden_gradient(lethe_model* model, const lethe_batch* batch, int64_t layer,
                                         const double* target, lethe_model* reference, int32_t accumulate,
                                         double* distances, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(distances, "distances");
    require((target == nullptr) != (reference == nullptr), "exactly one of target and reference must be NULL");
    require(accumulate == 0 || accumulate == 1, "accumulate is ", accumulate, ", allowed 0 and 1");
    require(layer >= 0 && layer < model->shape().layers, "layer is ", layer, ", the model's are 0 to ",
            model->shape().layers - 1);
    const Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kIgnored);
    reference != nullptr ? require_reference(*model, *reference) : require_finite(*model, target);
    const Cancel canceller(cancel);
    if (model->path != nullptr) {
      const HiddenCall call{layer + 1, target, reference, accumulate == 1, distances};
      return run_on(model->path, [&] { model->path->hidden_gradient(*model, checked_batch, call, canceller); });
    }
    const SerialIfSmall serial(pass_work(*model, checked_batch));
    const at::Tensor wanted =
        reference == nullptr ? row_of(*model, target)
                             : stream_forward(*reference, checked_batch, Keep::kNothing, layer + 1, canceller);
    run_hidden(*model, checked_batch, layer + 1, wanted, accumulate == 1, distances, canceller);
  });
}

}  // extern "C"
