// What the backward pass shows to whoever wants the factors of every record's gradient.
//
// The pass calls an observer once a site, from the head down to the embedding. Tensors are contiguous, in the model's
// dtype and on its device, and belong to the pass: they are overwritten after the call. Output gradients are those of
// the batch loss, so record b's rows carry the factor weights[b].
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "batch.h"
#include "lethe.h"

namespace lethe {

struct Model;

struct GradientObserver {
  virtual ~GradientObserver() = default;

  // False spares the pass the work of preparing a site's tensors; such a site is not reported.
  virtual bool wants(int64_t site) const = 0;
  // Before the softmax errors E [n, V] of target rows first_row .. first_row + n are used: may put other labels in their
  // place by moving each row's minus one. Losses stay those of the batch's own targets.
  virtual void relabel(int64_t /*first_row*/, const at::Tensor& /*errors*/) {}
  // inputs A [sum T, inputs], output_gradient G [sum T, outputs]
  virtual void linear(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) = 0;
  // normalized x-hat [sum T, C] (before weight and bias), output_gradient [sum T, C]
  virtual void norm(int64_t site, const at::Tensor& normalized, const at::Tensor& output_gradient) = 0;
  // gradient [sum T, C] at the sum of token and position embedding; wanted when wte or wpe is
  virtual void embedding(const at::Tensor& gradient) = 0;
  // errors E [n, V] (softmax minus one-hot, scaled as the loss is) and hidden H [n, C] of the target rows
  // first_row .. first_row + n in the order of Batch::target_rows()
  virtual void head(int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden) = 0;
  // After the last site. Throws LETHE_NOT_FINITE naming record and site when a factor is not finite.
  virtual void finish() = 0;
};

// An observer that writes one ledger entry a record into the caller's memory. Refuses bad formats and short buffers
// before the pass begins.
std::unique_ptr<GradientObserver> make_capture(const Model& model, const Batch& batch, const lethe_capture& capture);

}  // namespace lethe
