// Models of every family for the tests of the device: of odd widths, shared key heads, partial turns and every activation.
#pragma once

#include "device_pair.h"

namespace test {

// Of a handful of channels: little of the rounding averages out.
constexpr Precision kNarrowest{LETHE_F32, LETHE_BF16, 3e-2, "bf16"};

inline ModelHandle make(lethe_model_config config, const Precision& precision, bool device) {
  config.dtype = precision.dtype;
  config.device_type = device ? LETHE_CUDA : LETHE_CPU;
  config.compute_dtype = device ? precision.compute : 0;
  return make_model(config);
}

// Norms' weights near 1, as a trained model has them: with others bf16 loses what the queries' gradients are made of.
inline Pair pair_of(const lethe_model_config& shape, const Precision& precision) {
  Pair pair{precision, make(shape, precision, false), make(shape, precision, true)};
  pair.lengths = {7, 1, 33, 5};
  std::vector<double> values = read(pair.cpu.get(), LETHE_PARAMETERS);
  const std::vector<lethe_site_info>& sites = sites_of(pair.cpu.get());
  for (const lethe_tensor_info& tensor : tensors_of(pair.cpu.get()))
    if (sites[static_cast<size_t>(tensor.site)].kind == LETHE_SITE_NORM && !std::string(tensor.name).ends_with(".bias"))
      for (int64_t i = 0; i < tensor.columns; ++i) values[static_cast<size_t>(tensor.offset + i)] += 1;
  pair.put(values);
  return pair;
}

// GPT-2's shape, small enough for the emulation, with more than one chunk of rows a record and a padded vocabulary.
inline lethe_model_config plain() {
  auto config = sized<lethe_model_config>();
  config.vocabulary = 51, config.context = 40, config.channels = 16, config.heads = 2, config.layers = 2;
  config.inner = 24, config.norm_epsilon = 1e-5, config.tied_head = 1;
  return config;
}

inline void turn(lethe_model_config& config, int64_t size, double base = 10000) {
  config.rotary_size = size, config.rotary_base = base, config.rotary_scaling = LETHE_ROTARY_PLAIN;
}

inline std::vector<lethe_model_config> shapes() {
  constexpr int32_t bare = LETHE_NO_QKV_BIAS | LETHE_NO_OUTPUT_BIAS | LETHE_NO_MLP_BIAS;
  std::vector<lethe_model_config> all;
  for (const int32_t activation : {LETHE_GELU, LETHE_RELU, LETHE_SILU, LETHE_TANH}) {
    lethe_model_config gpt2 = plain();
    gpt2.activation = activation, gpt2.layers = 1;
    gpt2.block_options = activation == LETHE_TANH ? LETHE_NO_MLP_BIAS : activation == LETHE_RELU ? LETHE_NO_QKV_BIAS : 0;
    all.push_back(gpt2);
  }
  lethe_model_config scaled = plain();  // scores of its own
  scaled.block_options = LETHE_UNSCALED_SCORES | LETHE_SCORES_BY_BLOCK;
  all.push_back(scaled);
  lethe_model_config llama = plain();  // whole vectors everywhere
  llama.family = LETHE_LLAMA, llama.activation = LETHE_SILU, llama.block_options = bare;
  llama.channels = 32, llama.heads = 4, llama.kv_heads = 2, llama.inner = 48;
  turn(llama, 8, 30);
  llama.rotary_scaling = LETHE_ROTARY_LLAMA3, llama.rotary_factor = 8, llama.rotary_low_factor = 1;
  llama.rotary_high_factor = 4, llama.rotary_old_context = 20;
  all.push_back(llama);
  lethe_model_config wide = llama;  // six heads of seven numbers on two key heads, four of which turn, biases, untied
  wide.heads = 6, wide.kv_heads = 2, wide.head_size = 7, wide.channels = 5, wide.inner = 9, wide.tied_head = 0;
  turn(wide, 4, 100);
  wide.rotary_scaling = LETHE_ROTARY_LINEAR, wide.rotary_factor = 2;
  wide.block_options = 0, wide.activation = LETHE_GELU_TANH, wide.layers = 1;
  all.push_back(wide);
  lethe_model_config normed = llama;  // q/k norm
  normed.heads = 3, normed.kv_heads = 1, normed.head_size = 6, normed.channels = 7, normed.inner = 13;
  turn(normed, 6);
  normed.block_options = LETHE_NO_OUTPUT_BIAS | LETHE_NO_MLP_BIAS | LETHE_HEAD_NORM, normed.activation = LETHE_TANH;
  all.push_back(normed);
  normed.kv_heads = 3, normed.head_size = 8, normed.activation = LETHE_GELU, normed.layers = 1;  // and on the vector path
  turn(normed, 8);
  all.push_back(normed);
  lethe_model_config single = llama;  // heads of one number, which cannot turn
  single.heads = 3, single.kv_heads = 3, single.head_size = 1, single.channels = 3, single.inner = 1;
  turn(single, 0);
  single.activation = LETHE_RELU;
  all.push_back(single);
  lethe_model_config neox = plain();  // side by side with a partial turn, and one after the other
  neox.family = LETHE_GPT_NEOX, neox.activation = LETHE_GELU, neox.tied_head = 0, neox.block_options = LETHE_PARALLEL;
  turn(neox, 4);
  all.push_back(neox);
  neox.layers = 1, neox.head_size = 3, neox.block_options = LETHE_NO_QKV_BIAS | LETHE_NO_MLP_BIAS;
  turn(neox, 2);
  neox.activation = LETHE_TANH;
  all.push_back(neox);
  return all;
}

}  // namespace test
