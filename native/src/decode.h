// What generation asks of a place: the prompts in one pass, then a token a running record against what is cached.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "batch.h"
#include "guard.h"
#include "model.h"

namespace lethe {

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

// Decoding on the CPU.
std::unique_ptr<Decoder> make_decoder(Model& model, const Batch& prompts, int64_t capacity);

}  // namespace lethe
