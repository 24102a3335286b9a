// What a model's device path keeps: its streams, the batch's tables, weights in the compute type, and memory of the passes
// that stays from call to call.
//
// "Compute type" is the model's own, or bf16 around an fp32 model. Activations and their gradients are of the compute
// type; statistics, losses and sums are fp32 (fp64 in an fp64 model).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "../src/ops.h"
#include "model.h"
#include "runtime.h"
#include "tables.h"
#include "workspace.h"

namespace lethe::device {

// Its logits are [chunk, padded V], its partials in the model's type.
struct Work : Workspace {
  using Workspace::Workspace;

  Slab branch;         // [sum T, C] what is about to join the residual stream
  Slab wide_partials;  // sums of row blocks in fp64
  Slab position_rows;  // [sum T, C] for activation-gradient products
  Slab reference_logits;
  Slab wide_sum;       // a matrix's gradient in the model's type before it is added
  Slab unwanted;       // a frozen norm's gradients
};

struct State {
  State(int32_t index, bool allow_tf32, bool narrow) : runtime(index, allow_tf32), narrow(narrow) {}

  at::ScalarType compute(const Model& model) const { return narrow ? at::kBFloat16 : model.dtype; }
  at::TensorOptions options(const Model& model) const { return model.options().dtype(compute(model)); }

  // A site's weight and bias in the compute type; refresh() first, once a call.
  const at::Tensor& weight(const Model& model, int64_t site) const {
    return narrow ? shadow_views[static_cast<size_t>(model.layout.weight_of(site))] : model.weight(site);
  }
  const at::Tensor& bias(const Model& model, int64_t site) const {
    return narrow ? shadow_views[static_cast<size_t>(model.layout.bias_of(site))] : model.bias(site);
  }
  void refresh(const Model& model);  // brings the shadow up to date
  // Makes turns for positions below `length`, before a pass that turns: memory of theirs may move.
  void reach(const Model& model, int64_t length);
  // The rows of the head's table and a few after it, so that its products' sizes are multiples of what tensor cores
  // take; the extra rows are whatever lies behind the table in the flat buffer. A frozen one's are its own alone.
  at::Tensor padded_head(const Model& model, const at::Tensor& flat) const;
  at::Tensor flat_weights(const Model& model) const { return narrow ? shadow : model.parameters; }

  Runtime runtime;
  bool narrow;  // bf16 around fp32
  Tables tables;
  Work work;
  at::Tensor shadow;  // [P] bf16, when narrow
  std::vector<at::Tensor> shadow_views;
  bool stale = true;  // the shadow lags behind the parameters
  Turns turns;        // by position, in the model's type; undefined where nothing turns
};

// V or, where the flat buffer has room behind the head's table, V rounded up to 64.
int64_t padded_vocabulary(const Layout& layout);

}  // namespace lethe::device
