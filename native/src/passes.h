// The passes over a batch: trunk forward, head, trunk backward. All state between them lies in the model's workspace.
#pragma once

#include <ATen/core/Tensor.h>

#include "batch.h"
#include "capture.h"
#include "guard.h"
#include "model.h"
#include "ops.h"

namespace lethe {

// ---- passes.cpp

enum class Keep { kNothing, kForBackward };

// The residual stream [sum T, C] after the first `layers` layers.
at::Tensor stream_forward(Model& model, const Batch& batch, Keep keep, int64_t layers, const Cancel& cancel);

// Final hidden states H [sum T, C].
at::Tensor forward(Model& model, const Batch& batch, Keep keep, const Cancel& cancel);

struct Backward {
  bool accumulate = false;
  Observers observers = {};
  bool weights = true;  // false: spares the products A^T G; the gradient buffer is unspecified afterwards
};
// From the gradient at the final hidden states, where head_gradient left it, to every trunk parameter's gradient. For a
// tied head wte's gradient must already hold the head's part, for an untied one it is cleared here unless accumulating.
void backward(Model& model, const Batch& batch, const Backward& options, const Cancel& cancel);

// From the gradient at the residual stream after the first `layers` layers, in gradient_of(model, 0, rows) and
// overwritten, to the parameters of those layers and the embeddings; the forward pass went at least that far. wte's
// gradient as in backward.
void stream_backward(Model& model, const Batch& batch, int64_t layers, const Backward& options, const Cancel& cancel);

// On every place, before the gradient [sum T, C] at x, the sum of token and position embedding, is added to the tables':
// observers see it, and what nobody has written yet is cleared.
void begin_embedding(Model& model, const Backward& options, const at::Tensor& x, const at::Tensor& gradient);

// ---- head.cpp

// out [rows, V] = hidden [rows, C] times the head's weight transposed
void head_logits(const Model& model, const at::Tensor& hidden, const at::Tensor& out);

// Scores of the batch's target rows, chunk by chunk.
void head_scores(Model& model, const Batch& batch, const at::Tensor& hidden, const RowScores& scores,
                 const Cancel& cancel);

// Another model of the same shape whose predictions the head's are measured against.
struct HeadReference {
  Model& model;
  at::Tensor hidden;  // [sum T, C] its final hidden states of the batch
  double penalty = 0;  // taken off its logit of each target
};

struct HeadGradient {
  bool accumulate;  // add to the head's weight gradient instead of overwriting it
  Observers observers = {};
  RowScores scores;     // loss and mean_logit of every target row
  bool weights = true;  // false: the head weight's gradient is left as it is
  // A target row's loss is then KL(reference || model). mean_logit: NULL.
  const HeadReference* reference = nullptr;
  bool flat = false;  // a target row's loss is then (largest logit - mean logit)^2. mean_logit: NULL.
};
// Losses, the head weight's gradient, and the gradient at hidden [sum T, C] in hidden_gradient_of(model, rows).
void head_gradient(Model& model, const Batch& batch, const at::Tensor& hidden, const HeadGradient& options,
                   const Cancel& cancel);

// Mean of each record's row losses, each times its target's weight, [B]; a record without targets has 0.
void record_losses(const Batch& batch, const double* row_losses, double* losses);

}  // namespace lethe
