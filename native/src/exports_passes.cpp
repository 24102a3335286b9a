// Exports of the passes: evaluation, logits, gradient, AdamW, generation.
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cmath>
#include <limits>
#include <vector>

#include "capture.h"
#include "flat.h"
#include "generate.h"
#include "guard.h"
#include "model.h"
#include "passes.h"
#include "serial.h"

namespace {

using namespace lethe;

// Scores of target rows in order, from which the caller's arrays over all rows are filled.
struct Scored {
  explicit Scored(const Batch& batch, const lethe_token_scores* wanted)
      : loss(count(batch)),
        mean(wanted && wanted->mean ? count(batch) : 0),
        deviation(wanted && wanted->deviation ? count(batch) : 0),
        hit(wanted && wanted->greedy_hit ? count(batch) : 0) {}

  static size_t count(const Batch& batch) { return static_cast<size_t>(batch.target_count()); }

  RowScores rows() {
    const auto pointer = [](auto& values) { return values.empty() ? nullptr : values.data(); };
    return {.loss = pointer(loss), .mean = pointer(mean), .deviation = pointer(deviation), .greedy_hit = pointer(hit)};
  }

  void spread(const Batch& batch, const lethe_token_scores& out) const {
    const auto fill = [&](double* to, const std::vector<double>& from, double sign) {
      if (to == nullptr) return;
      std::fill(to, to + batch.rows(), std::numeric_limits<double>::quiet_NaN());
      for (size_t i = 0; i < from.size(); ++i) to[batch.target_rows()[i]] = sign * from[i];
    };
    fill(out.log_probability, loss, -1);
    fill(out.mean, mean, 1);
    fill(out.deviation, deviation, 1);
    if (out.greedy_hit == nullptr) return;
    std::fill(out.greedy_hit, out.greedy_hit + batch.rows(), uint8_t{0});
    for (size_t i = 0; i < hit.size(); ++i) out.greedy_hit[batch.target_rows()[i]] = hit[i];
  }

  std::vector<double> loss, mean, deviation;
  std::vector<uint8_t> hit;
};

// A pass multiplies every parameter with every token, near enough.
int64_t pass_work(const Model& model, const Batch& batch) {
  return batch.rows() * model.layout.numbers();
}

void run_gradient(Model& model, const Batch& batch, bool accumulate, const lethe_capture* capture, double* losses,
                  double* products, const Cancel& cancel) {
  std::vector<std::unique_ptr<GradientObserver>> owned;
  std::vector<double> row_losses(static_cast<size_t>(batch.target_count())), mean_logits;
  if (capture != nullptr) owned.push_back(make_capture(model, batch, *capture));
  if (products != nullptr) {
    mean_logits.resize(row_losses.size());
    owned.push_back(make_activation_products(model, batch, mean_logits, products));
  }
  Observers observers;
  for (const auto& observer : owned) observers.push_back(observer.get());
  const at::Tensor hidden = forward(model, batch, Keep::kForBackward, cancel);
  const HeadGradient head{
      .accumulate = accumulate,
      .observers = observers,
      .scores = {.loss = row_losses.data(), .mean_logit = products == nullptr ? nullptr : mean_logits.data()}};
  head_gradient(model, batch, hidden, head, cancel);
  record_losses(batch, row_losses.data(), losses);
  backward(model, batch, {.accumulate = accumulate, .observers = observers}, cancel);
  for (GradientObserver* observer : observers) observer->finish();
}

}  // namespace

extern "C" {

lethe_status lethe_model_evaluate(lethe_model* model, const lethe_batch* batch, const lethe_token_scores* scores,
                                  double* losses, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(losses, "losses");
    if (scores != nullptr) checked(scores, "scores");
    const Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kRequired);
    const Cancel canceller(cancel);
    Scored scored(checked_batch, scores);
    if (model->path != nullptr) {
      run_on(model->path, [&] { model->path->evaluate(*model, checked_batch, scored.rows(), canceller); });
    } else {
      const SerialIfSmall serial(pass_work(*model, checked_batch));
      const at::Tensor hidden = forward(*model, checked_batch, Keep::kNothing, canceller);
      head_scores(*model, checked_batch, hidden, scored.rows(), canceller);
    }
    record_losses(checked_batch, scored.loss.data(), losses);
    if (scores != nullptr) scored.spread(checked_batch, *scores);
  });
}

lethe_status lethe_model_logits(lethe_model* model, const lethe_batch* batch, void* logits, int64_t bytes,
                                lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(logits, "logits");
    const Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kIgnored);
    const SerialIfSmall serial(pass_work(*model, checked_batch));
    const int64_t rows = checked_batch.rows(), v = model->shape().vocabulary;
    const int64_t row_bytes = v * static_cast<int64_t>(c10::elementSize(model->dtype));
    require(bytes / row_bytes >= rows, "bytes is ", bytes, ", ", rows, " rows of logits need ", row_bytes, " each");
    const at::Tensor out = at::from_blob(logits, {rows, v}, at::TensorOptions().dtype(model->dtype));
    if (model->path != nullptr) return run_on(model->path, [&] { model->path->logits(*model, checked_batch, out); });
    const at::Tensor hidden = forward(*model, checked_batch, Keep::kNothing, Cancel());
    head_logits(*model, hidden, out);
  });
}

lethe_status lethe_model_gradient(lethe_model* model, const lethe_batch* batch, int32_t accumulate,
                                  const lethe_capture* capture, double* losses, double* activation_gradient,
                                  const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(losses, "losses");
    require(accumulate == 0 || accumulate == 1, "accumulate is ", accumulate, ", allowed 0 and 1");
    const Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kRequired);
    if (model->path != nullptr) {
      const GradientCall call{accumulate == 1, capture, losses, activation_gradient};
      return run_on(model->path, [&] { model->path->gradient(*model, checked_batch, call, Cancel(cancel)); });
    }
    if (capture != nullptr) require(checked(capture, "capture").ring == nullptr, "a ring is for models on a device");
    const SerialIfSmall serial(pass_work(*model, checked_batch));
    run_gradient(*model, checked_batch, accumulate == 1, capture, losses, activation_gradient, Cancel(cancel));
  });
}

lethe_status lethe_model_adamw(lethe_model* model, const lethe_adamw* options, double* gradient_norm,
                               lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    double norm = 0;
    run_on(model->path, [&] { norm = adamw_step(*model, checked(options, "adamw")); });
    if (gradient_norm != nullptr) *gradient_norm = norm;
  });
}

lethe_status lethe_model_generate(lethe_model* model, const lethe_batch* prompts, const lethe_generation* options,
                                  int32_t* tokens, int64_t* lengths, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(tokens, "tokens");
    require_pointer(lengths, "lengths");
    const Batch checked_prompts(checked(prompts, "prompts"), model->shape(), Targets::kIgnored);
    const SerialIfSmall serial(checked_prompts.records() * model->layout.numbers());
    const lethe_generation& how = checked(options, "generation");
    run_on(model->path, [&] { generate(*model, checked_prompts, how, tokens, lengths, Cancel(cancel)); });
  });
}

}  // extern "C"
