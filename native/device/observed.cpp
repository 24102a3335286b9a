// A pass for observers alone, and labels drawn from the model's predictions on the device.
#include <ATen/ops/from_blob.h>

#include <cmath>

#include "passes.h"
#include "path.h"
#include "walk_device.h"

namespace lethe::device {

void Path::run_observe(Model& model, const Batch& batch, const std::vector<GradientObserver*>& observers,
                       double* row_losses, const Cancel& cancel) {
  const int64_t targets = batch.target_count();
  forget_graphs();
  begin(model, batch);
  DeviceScores scores{};
  scores.loss = results_.get(at::TensorOptions().dtype(at::kDouble).device(device()), targets).mutable_data_ptr<double>();
  const Backward options{.accumulate = true, .observers = observers, .weights = false};
  Device back(state_, model, batch, options, cancel);
  head_gradient(state_, model, forward(state_, model, batch, Keep::kForBackward, cancel), options, scores, cancel);
  if (targets > 0) fetch(row_losses, scores.loss, static_cast<size_t>(targets) * sizeof(double));
  for (int64_t i = 0; i < targets; ++i)
    if (!std::isfinite(row_losses[i])) refuse_loss(model, batch, row_losses, i, true);
  state_.tables.group(batch, state_.runtime.work());
  walk_backward(back, back.architecture().blocks(), 0);
}

void Path::draw_labels(const at::Tensor& errors, int64_t vocabulary, int64_t first, const std::vector<double>& drawn) {
  const at::Tensor host = at::from_blob(const_cast<double*>(drawn.data()), {errors.size(0)}, at::kDouble);
  const at::Tensor on_device = host.to(device(), at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  launched(kernels::draw_labels({.type = element_of(errors),
                                 .errors = errors.mutable_data_ptr(),
                                 .rows = errors.size(0),
                                 .columns = vocabulary,
                                 .stride = errors.stride(0),
                                 .targets = state_.tables.target_tokens + first,
                                 .scales = state_.tables.target_scales + first,
                                 .drawn = on_device.const_data_ptr<double>()},
                                stream_of(state_)),
           "draw_labels");
}

}  // namespace lethe::device
