// The families' tables, and sums over them.
#include "architecture.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace lethe {
namespace {

QkvView view_of(const Shape& shape) {
  return {.heads = shape.heads, .kv_heads = shape.key_heads(), .d = shape.head_size(),
          .divisor = shape.unscaled_scores ? 1.0 : 0.0};
}

}  // namespace

Architecture gpt2(const Shape& shape) {
  const int64_t c = shape.channels, inner = shape.inner;
  const QkvView qkv = view_of(shape);
  enum { kStream, kNormed1, kQkv, kAttended, kMiddle, kNormed2, kExpanded, kActivated, kOut };
  enum { kStreamGradient, kNarrow, kWide };
  return {.layers = shape.layers,
          .qkv = qkv,
          .embedding = "wte",
          .positions = "wpe",
          .block = "h.",
          .head = "lm_head",
          .slots = {{c, kStreamGradient}, {c, kNarrow}, {qkv.width(), kWide}, {qkv.out(), kNarrow},
                    {c, kStreamGradient}, {c, kNarrow}, {inner, kWide}, {inner, kWide}},
          .steps = {{Op::kNorm, kStream, kNone, kNormed1, 0},
                    {Op::kLinear, kNormed1, kNone, kQkv, 1},
                    {Op::kAttention, kQkv, kNone, kAttended, 1},
                    {Op::kLinear, kAttended, kStream, kMiddle, 2},
                    {Op::kNorm, kMiddle, kNone, kNormed2, 3},
                    {Op::kLinear, kNormed2, kNone, kExpanded, 4, true},
                    {Op::kActivation, kExpanded, kNone, kActivated, 4},
                    {Op::kLinear, kActivated, kMiddle, kOut, 5}},
          .sites = {{"ln_1", true}, {"attn.c_attn", shape.qkv_bias}, {"attn.c_proj", shape.output_bias}, {"ln_2", true},
                    {"mlp.c_fc", shape.mlp_bias}, {"mlp.c_proj", shape.mlp_bias}},
          .tail = {{Op::kNorm, kStream, kNone, kNormed1, 0}},
          .tail_site = {"ln_f", true},
          .activation = shape.activation,
          .residual_deviation = 0.02 / std::sqrt(2.0 * static_cast<double>(shape.layers)),
          .scores_by_block = shape.scores_by_block};
}

Architecture llama(const Shape& shape) {
  const int64_t c = shape.channels, inner = shape.inner;
  const QkvView qkv = view_of(shape);
  // With q/k norm its output follows qkv as a slot of its own; else that slot's place is left out.
  const int heads = shape.head_norm ? 1 : 0;
  const int stream = 0, normed1 = 1, projected = 2, turned = projected + heads, attended = turned + 1,
            middle = attended + 1, normed2 = middle + 1, expanded = normed2 + 1, activated = expanded + 1,
            out = activated + 1;
  enum { kStreamGradient, kNarrow, kWide, kHalf };
  const Slot normed{c, kNarrow};
  const int64_t queries = qkv.heads * qkv.d, keys = qkv.kv_heads * qkv.d;
  Architecture a{.layers = shape.layers,
                 .qkv = qkv,
                 .embedding = "embed_tokens",
                 .positions = "",
                 .block = "layers.",
                 .head = "lm_head",
                 .slots = {{c, kStreamGradient}, normed, {qkv.width(), kWide}},
                 .steps = {{Op::kNorm, stream, kNone, normed1, 0}, {Op::kLinear, normed1, kNone, projected, 1}},
                 .sites = {{"input_layernorm", false},
                           {"self_attn.qkv_proj", shape.qkv_bias,
                            {{"self_attn.q_proj", queries}, {"self_attn.k_proj", keys}, {"self_attn.v_proj", keys}}}},
                 .tail = {{Op::kNorm, stream, kNone, normed1, 0}},
                 .tail_site = {"norm", false},
                 .norm = Norm::kRms,
                 .activation = shape.activation,
                 .gated = true,
                 .turned = true,
                 .rotary = shape.rotary};
  if (shape.head_norm) {
    a.slots.push_back({qkv.width(), kHalf});
    a.steps.push_back({Op::kHeadNorm, projected, kNone, turned, 2});
    a.sites.push_back({"self_attn.qk_norm", false, {{"self_attn.q_norm", qkv.d}, {"self_attn.k_norm", qkv.d}}});
  }
  if (shape.rotary.size > 0) a.steps.push_back({Op::kRotate, turned, kNone, turned});
  a.slots.insert(a.slots.end(),
                 {{qkv.out(), kNarrow}, {c, kStreamGradient}, normed, {2 * inner, kWide}, {inner, kHalf}});
  a.steps.insert(a.steps.end(), {{Op::kAttention, turned, kNone, attended},
                                 {Op::kLinear, attended, stream, middle, 2 + heads},
                                 {Op::kNorm, middle, kNone, normed2, 3 + heads},
                                 {Op::kLinear, normed2, kNone, expanded, 4 + heads},
                                 {Op::kActivation, expanded, kNone, activated},
                                 {Op::kLinear, activated, middle, out, 5 + heads}});
  const std::vector<Piece> halves = {{"mlp.gate_proj", inner}, {"mlp.up_proj", inner}};
  a.sites.insert(a.sites.end(), {{"self_attn.o_proj", shape.output_bias},
                                 {"post_attention_layernorm", false},
                                 {"mlp.gate_up_proj", shape.mlp_bias, halves},
                                 {"mlp.down_proj", shape.mlp_bias}});
  return a;
}

Architecture neox(const Shape& shape) {
  const int64_t c = shape.channels, inner = shape.inner;
  QkvView qkv = view_of(shape);
  qkv.by_head = true;
  enum { kStream, kNormed1, kQkv, kAttended, kMiddle, kNormed2, kExpanded, kActivated, kOut };
  enum { kStreamGradient, kNarrow, kWide, kSecond };
  // Side by side both norms read the stream, first of all, and the second's gradient needs a buffer of its own.
  const bool side = shape.parallel;
  std::vector<Step> steps = {{Op::kNorm, kStream, kNone, kNormed1, 0}};
  if (side) steps.push_back({Op::kNorm, kStream, kNone, kNormed2, 1});
  const int after = side ? 2 : 1;  // sites so far
  steps.push_back({Op::kLinear, kNormed1, kNone, kQkv, after});
  if (shape.rotary.size > 0) steps.push_back({Op::kRotate, kQkv, kNone, kQkv});
  steps.push_back({Op::kAttention, kQkv, kNone, kAttended});
  steps.push_back({Op::kLinear, kAttended, kStream, kMiddle, after + 1});
  if (!side) steps.push_back({Op::kNorm, kMiddle, kNone, kNormed2, 3});
  steps.insert(steps.end(), {{Op::kLinear, kNormed2, kNone, kExpanded, 4, true},
                             {Op::kActivation, kExpanded, kNone, kActivated, 4},
                             {Op::kLinear, kActivated, kMiddle, kOut, 5}});
  std::vector<BlockSite> sites = {{"input_layernorm", true},
                                  {"attention.query_key_value", shape.qkv_bias},
                                  {"attention.dense", shape.output_bias},
                                  {"post_attention_layernorm", true},
                                  {"mlp.dense_h_to_4h", shape.mlp_bias},
                                  {"mlp.dense_4h_to_h", shape.mlp_bias}};
  if (side) std::rotate(sites.begin() + 1, sites.begin() + 3, sites.begin() + 4);
  return {.layers = shape.layers,
          .qkv = qkv,
          .embedding = "embed_in",
          .positions = "",
          .block = "layers.",
          .head = "embed_out",
          .slots = {{c, kStreamGradient}, {c, kNarrow}, {qkv.width(), kWide}, {qkv.out(), kNarrow},
                    {c, kStreamGradient}, {c, side ? kSecond : kNarrow}, {inner, kWide}, {inner, kWide}},
          .steps = std::move(steps),
          .sites = std::move(sites),
          .tail = {{Op::kNorm, kStream, kNone, kNormed1, 0}},
          .tail_site = {"final_layer_norm", true},
          .activation = shape.activation,
          .turned = true,
          .rotary = shape.rotary};
}

namespace {

Architecture family_of(const Shape& shape) {
  switch (shape.family) {
    case Family::kLlama: return llama(shape);
    case Family::kNeox: return neox(shape);
    default: return gpt2(shape);
  }
}

}  // namespace

Architecture architecture_of(const Shape& shape) {
  return shape.adapted.empty() ? family_of(shape) : with_adapters(family_of(shape), shape);
}

// Llama 3's scaling: Dubey et al. 2024, as transformers' _compute_llama3_parameters has it. Angles are in fp64, there
// in fp32: an angle differs by up to 2^-24 of itself.
double Rotary::frequency(int64_t i) const {
  const double plain = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(size));
  if (scaling == Scaling::kNone) return plain;
  if (scaling == Scaling::kLinear) return plain / factor;
  const double fits = static_cast<double>(old_context) * plain / (2 * std::numbers::pi);  // waves in the old context
  if (fits < low_factor) return plain / factor;
  if (fits > high_factor) return plain;
  const double mix = (fits - low_factor) / (high_factor - low_factor);
  return (1 - mix) * plain / factor + mix * plain;
}

int64_t Architecture::notes(const Step& step) const {
  switch (step.op) {
    case Op::kNorm: return 2;
    case Op::kHeadNorm: return 2 * (qkv.heads + qkv.kv_heads);
    case Op::kAttention: return qkv.heads;
    default: return 0;
  }
}

int Architecture::attended() const {
  for (const Step& step : steps)
    if (step.op == Op::kAttention) return step.out;
  return kNone;
}

int Architecture::gradients() const {
  int count = 0;
  for (int64_t block = 0; block < blocks(); ++block)
    for (const Slot& slot : slots_of(block)) count = std::max(count, slot.gradient + 1);
  return count;
}

int64_t Architecture::slot_elements() const {
  int64_t sum = slots[0].width + slots[1].width;  // the tail's
  for (int64_t block = 0; block < layers; ++block)
    for (size_t slot = 0; slot < slots_of(block).size(); ++slot)
      if (!leaves(static_cast<int>(slot))) sum += slots_of(block)[slot].width;
  return sum;
}

int64_t Architecture::gradient_elements() const {
  std::vector<int64_t> widest(static_cast<size_t>(gradients()));
  for (int64_t block = 0; block < blocks(); ++block)
    for (const Slot& slot : slots_of(block)) {
      int64_t& width = widest[static_cast<size_t>(slot.gradient)];
      width = std::max(width, slot.width);
    }
  return std::accumulate(widest.begin(), widest.end(), int64_t{0});
}

int64_t Architecture::note_elements() const {
  int64_t sum = 0;
  for (int64_t block = 0; block < blocks(); ++block)
    for (const Step& step : steps_of(block)) sum += notes(step);
  return sum;
}

}  // namespace lethe
