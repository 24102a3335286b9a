// What the backward pass shows to whoever wants the factors of every record's gradient, or its sites' outputs.
//
// The pass calls its observers once a site, from the head down to the embedding. Tensors are contiguous, in the model's
// dtype and on its device, and belong to the pass: they are overwritten after the call. Output gradients are those of
// the batch loss, so record b's rows carry the factor weights[b].
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "batch.h"
#include "lethe.h"

namespace lethe {

struct Model;

// A site's output y = value + bias - minus.
struct SiteOutput {
  const at::Tensor& value;  // [sum T, outputs]
  const at::Tensor& minus;  // [sum T, outputs] what was added to it; undefined when nothing
  const at::Tensor& bias;   // [outputs] where the value lacks it; undefined when it does not
};

struct GradientObserver {
  virtual ~GradientObserver() = default;

  // False spares the pass the work of preparing a site's tensors; such a site is not reported to the functions below.
  virtual bool wants(int64_t site) const = 0;
  // inputs A [sum T, inputs], output_gradient G [sum T, outputs]
  virtual void linear(int64_t /*site*/, const at::Tensor& /*inputs*/, const at::Tensor& /*output_gradient*/) {}
  // [B, outputs] each: the gradients of weight and bias record by record; without a bias its are undefined or no matter
  virtual void norm(int64_t /*site*/, const at::Tensor& /*weight*/, const at::Tensor& /*bias*/) {}
  // x [sum T, C], the sum of token and position embedding, and the gradient there; wanted when wte or wpe is
  virtual void embedding(const at::Tensor& /*x*/, const at::Tensor& /*gradient*/) {}
  // errors E [n, V] (softmax minus one-hot, scaled as the loss is) and hidden H [n, C] of the target rows
  // first_row .. first_row + n in the order of Batch::target_rows()
  virtual void head(int64_t /*first_row*/, const at::Tensor& /*errors*/, const at::Tensor& /*hidden*/) {}

  // Wanted or not: before the softmax errors E [n, V] of target rows first_row .. first_row + n are used, when an
  // observer may put other labels in their place by moving each row's minus one (losses stay those of the batch's own);
  virtual void relabel(int64_t /*first_row*/, const at::Tensor& /*errors*/) {}
  // the output of each norm and linear site, and the gradient G there;
  virtual void output(int64_t /*site*/, const SiteOutput& /*y*/, const at::Tensor& /*output_gradient*/) {}
  // and after the last site. Throws LETHE_NOT_FINITE naming record and site when a factor is not finite.
  virtual void finish() {}
};

using Observers = std::vector<GradientObserver*>;

inline bool wanted(const Observers& observers, int64_t site) {
  return std::any_of(observers.begin(), observers.end(), [&](const auto* observer) { return observer->wants(site); });
}

// tell_one(observer) for each that wants the site.
template <class TellOne>
void tell(const Observers& observers, int64_t site, TellOne&& tell_one) {
  for (GradientObserver* observer : observers)
    if (observer->wants(site)) tell_one(*observer);
}

// Shows a norm or linear site's output and the gradient there to all.
inline void observe(const Observers& observers, int64_t site, const SiteOutput& y, const at::Tensor& output_gradient) {
  for (GradientObserver* observer : observers) observer->output(site, y, output_gradient);
}

// An observer that writes one ledger entry a record into the caller's memory. Refuses bad formats and short buffers
// before the pass begins.
std::unique_ptr<GradientObserver> make_capture(const Model& model, const Batch& batch, const lethe_capture& capture);

// An observer that makes the activation-gradient products [B, S] of lethe_model_gradient. mean_logits [targets]: of
// each target row, known when it finishes.
std::unique_ptr<GradientObserver> make_activation_products(const Model& model, const Batch& batch,
                                                           const std::vector<double>& mean_logits, double* products);

// Adds the head's part to activation-gradient products [B, S] and turns sums for the batch loss into those for each
// record's own loss. mean_logits: of each target row.
void finish_products(const Model& model, const Batch& batch, const std::vector<double>& mean_logits, double* products);

}  // namespace lethe
