// The passes over a batch on the device; the counterparts of src/passes.h. Every function only hands work to the stream.
#pragma once

#include "../src/passes.h"
#include "ops.h"
#include "state.h"

namespace lethe::device {

// Final hidden states H [sum T, C]. The tables must be uploaded. The way back is Device's (walk_device.h).
at::Tensor forward(State& state, Model& model, const Batch& batch, Keep keep, const Cancel& cancel);

// [rows, padded V] logits of hidden states in the workspace's memory.
at::Tensor head_logits(State& state, Model& model, const at::Tensor& hidden);

// Rows of logits made at once.
int64_t head_chunk_rows(const Layout& layout, int64_t element_bytes, int64_t rows);

// Scores of all target rows, chunk by chunk, left on the device.
void head_scores(State& state, Model& model, const at::Tensor& hidden, const DeviceScores& scores, const Cancel& cancel);
// hidden's target rows [n, C]: itself when every row has a target.
at::Tensor target_hidden(State& state, const at::Tensor& hidden);
// Another model's predictions: its hidden states of the target rows, and its head's weight, padded; `penalty` is taken off
// its logit of each target.
struct Toward {
  at::Tensor hidden, weight;
  double penalty = 0;
};
// A target row's loss: KL(toward || model), or (largest logit - mean logit)^2, or the next token's.
struct RowLoss {
  const Toward* toward = nullptr;
  bool flat = false;
};
// Scores, the head weight's gradient (without options.weights it stays), and the gradient at hidden [sum T, C] in the
// slot's gradient buffer.
void head_gradient(State& state, Model& model, const at::Tensor& hidden, const Backward& options,
                   const DeviceScores& scores, const Cancel& cancel, RowLoss loss = {});

}  // namespace lethe::device
