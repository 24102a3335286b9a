// Continuing a batch of prompts token by token with a key-value cache.
#pragma once

#include "batch.h"
#include "guard.h"
#include "lethe.h"
#include "model.h"

namespace lethe {

// tokens [B, max_new_tokens], -1 after a record's end; lengths [B]. Refuses options that lethe.h does not allow.
void generate(Model& model, const Batch& prompts, const lethe_generation& options, int32_t* tokens, int64_t* lengths,
              const Cancel& cancel);

// ---- sampling.cpp

struct Sampling {
  int64_t top_k;
  double temperature;
  uint64_t key;      // of the record
  uint64_t counter;  // of the step
};
// A token id from one row of finite logits [count]. Of equal logits the first counts as the largest.
int32_t sample(const float* logits, int64_t count, const Sampling& sampling);
int32_t sample(const double* logits, int64_t count, const Sampling& sampling);

}  // namespace lethe
