// The passes over a batch on the device; the counterparts of src/passes.h. Every function only hands work to the stream.
#pragma once

#include "capture_device.h"
#include "ops.h"
#include "state.h"

namespace lethe::device {

enum class Keep { kNothing, kForBackward };

// Final hidden states H [sum T, C], after ln_f. The tables must be uploaded.
at::Tensor forward(State& state, Model& model, const Batch& batch, Keep keep, const Cancel& cancel,
                   QkvReader* reader = nullptr);

// A layer's pieces that do not look at record borders; decoding uses them too.
at::Tensor norm_forward(State& state, Model& model, int64_t site, const at::Tensor& x, Slab& statistics, Slab& normed);
at::Tensor qkv_forward(State& state, Model& model, int64_t layer, const at::Tensor& normed, const at::Tensor& out);
void residual_forward(State& state, Model& model, int64_t site, const at::Tensor& x, const at::Tensor& residual,
                      const at::Tensor& out);
void mlp_forward(State& state, Model& model, int64_t layer, LayerWork& work, const at::Tensor& middle,
                 const at::Tensor& out);

// [rows, padded V] logits of hidden states in the workspace's memory.
at::Tensor head_logits(State& state, Model& model, const at::Tensor& hidden);

// Rows of logits made at once.
int64_t head_chunk_rows(const Layout& layout, int64_t element_bytes, int64_t rows);

// Scores of all target rows, chunk by chunk, left on the device.
void head_scores(State& state, Model& model, const at::Tensor& hidden, const DeviceScores& scores, const Cancel& cancel);
// Scores, the head weight's gradient, and the gradient at hidden [sum T, C] as returned.
at::Tensor head_gradient(State& state, Model& model, const at::Tensor& hidden, bool accumulate, DeviceCapture* capture,
                         const DeviceScores& scores, const Cancel& cancel);

struct Backward {
  bool accumulate;
  DeviceCapture* capture;       // may be NULL
  double* activation_gradient;  // [B, S] on the device: sums of <y, dL/dy> for the batch loss; or NULL
};
// Down to the gradient at the sum of token and position embeddings, which stays in the workspace.
void backward(State& state, Model& model, const Batch& batch, const at::Tensor& hidden_gradient, const Backward& options,
              const Cancel& cancel);
// The embeddings' own gradients from there. For activation_gradient wte's sums still hold wpe's part.
void embedding_backward(State& state, Model& model, const Batch& batch, const Backward& options);

}  // namespace lethe::device
