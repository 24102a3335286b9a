// Exports of gradients toward something other than the next token: a reference model's predictions, and a target of the
// hidden states.
#include <ATen/ops/from_blob.h>

#include <cmath>
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

void run_divergence(Model& model, Model& reference, const Batch& batch, bool accumulate, double* divergences,
                    const Cancel& cancel) {
  std::vector<double> rows(static_cast<size_t>(batch.target_count()));
  const HeadReference wanted{reference, forward(reference, batch, Keep::kNothing, cancel)};
  const at::Tensor hidden = forward(model, batch, Keep::kForBackward, cancel);
  const HeadGradient head{.accumulate = accumulate, .scores = {.loss = rows.data()}, .reference = &wanted};
  head_gradient(model, batch, hidden, head, cancel);
  record_losses(batch, rows.data(), divergences);
  backward(model, batch, {.accumulate = accumulate}, cancel);
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
    if (model->path != nullptr) {
      std::vector<double> rows(static_cast<size_t>(checked_batch.target_count()));
      run_on(model->path, [&] {
        model->path->kl_gradient(*model, checked_batch, *reference, accumulate == 1, rows.data(), Cancel(cancel));
      });
      return record_losses(checked_batch, rows.data(), divergences);
    }
    const SerialIfSmall serial(pass_work(*model, checked_batch));
    run_divergence(*model, *reference, checked_batch, accumulate == 1, divergences, Cancel(cancel));
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
