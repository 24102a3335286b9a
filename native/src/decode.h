// One token's worth of attention for each running record of a generation, against its cached keys and values.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "batch.h"
#include "model.h"
#include "passes.h"

namespace lethe {

// Keys and values of every record so far, a row of a record being K then V. As a reader of the prompts' forward pass it
// fills itself.
struct Cache final : LayerReader {
  Cache(const Model& model, const Batch& prompts, int64_t capacity);
  void qkv(int64_t layer, const at::Tensor& qkv) override;

  const Batch& prompts;
  int64_t channels;
  std::vector<at::Tensor> layers;  // [B, capacity, 2C] each
};

struct Active {
  int64_t record;
  int64_t length;  // tokens so far, the one about to be fed included
  int32_t token;   // about to be fed
};

// Runs the prompts, then token by token the records still running; generate.cpp drives it. Logits are those of the rows
// that the last call produced, one a record active then.
struct Decoder {
  virtual ~Decoder() = default;
  virtual void start(const std::vector<Active>& active, const Cancel& cancel) = 0;
  virtual void step(const std::vector<Active>& active) = 0;
  virtual at::Tensor logits(int64_t first, int64_t count) = 0;  // [count, V] on the host, fp32 or fp64
};

// Appends each active record's key and value to a layer's cache and attends to all of its tokens so far.
// qkv [A, 3C], out [A, C].
void attend_step(const Shape& shape, const std::vector<Active>& active, const at::Tensor& qkv, const at::Tensor& cache,
                 const at::Tensor& out);

}  // namespace lethe
