// A model's architecture as data: a block is a list of steps over numbered slots. The walks (walk.h) go through it
// forward and back, on every place; layout, plan and initialisation ask the same table.
//
// How to add a family:
//  1. Write its function beside gpt2(): the slots' widths, the block's steps, the names of its sites and tensors.
//  2. Sites are the steps' weights in their order. One product is one site, whatever tensors a checkpoint cuts it into:
//     q|k|v and gate|up are a linear step each, whose tensors are row slices, so that its input is kept once.
//  3. Residuals are `add`. A parallel residual is two norms of slot 0, both first, and two adds in a row; nothing else.
//  4. Slots whose gradients are never needed at once share a gradient buffer; 0 is the residual stream's, carried in
//     place and only added to. An activation of one width (GELU) goes in place; SwiGLU's halves get another buffer.
//  5. Rotary embedding is a step that turns slot qkv in place between linear and attention: its adjoint turns gradient
//     and slot back and keeps nothing. Learned positions or none, scalings and partial turns are facts beside heads.
//  6. How a row of qkv is cut (grouped heads, in thirds or head by head) is QkvView's; attention asks nothing else.
//  7. q/k norm is one head norm step, from qkv to a slot of its own, whose site owns both tensors.
//  8. A kind of norm or activation that no family had is a value of its enum and a case in each place's ops.
//  9. A site without a bias says so; ops then skip it. A tied head is Shape's.
// 10. Give the family a name in configuration and test: the goldens are transformers' of a tiny model.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lethe.h"

namespace lethe {

enum class Family : int32_t { kGpt2 = LETHE_GPT2, kLlama = LETHE_LLAMA, kNeox = LETHE_GPT_NEOX };

enum class Activation : int32_t {
  kGeluTanh = LETHE_GELU_TANH,
  kGelu = LETHE_GELU,
  kRelu = LETHE_RELU,
  kSilu = LETHE_SILU,
  kTanh = LETHE_TANH
};

enum class Scaling : int32_t { kNone = LETHE_ROTARY_PLAIN, kLinear = LETHE_ROTARY_LINEAR, kLlama3 = LETHE_ROTARY_LLAMA3 };

// How queries and keys turn with their position: of each head's first `size` numbers the i-th and the (i + size / 2)-th
// by position * frequency(i).
struct Rotary {
  int64_t size = 0;  // 0: nothing turns
  double base = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;                        // linear and llama3: how much longer the context is made
  // llama3: waves that fit the old context fewer times than low are stretched by the factor, those that fit it more
  // than high times are left; between: mixed.
  double low_factor = 1, high_factor = 4;
  int64_t old_context = 0;

  double frequency(int64_t i) const;  // radians a position
  bool operator==(const Rotary&) const = default;
};

// A LoRA adapter (Hu et al. 2021): y = x W + b + scale * (x A) B.
struct Adapted {
  std::string module;  // of a checkpoint: "layers.0.self_attn.q_proj"
  int64_t rank;
  double scale;

  bool operator==(const Adapted&) const = default;
};

// A model's sizes and whatever its family leaves open; what is not set is as GPT-2 has it.
struct Shape {
  int64_t vocabulary = 0;  // V
  int64_t context = 0;
  int64_t channels = 0;  // C
  int64_t heads = 0;
  int64_t layers = 0;  // L
  int64_t inner = 0;
  double epsilon = 0;  // of every norm
  bool tied = true;
  Family family = Family::kGpt2;
  int64_t kv_heads = 0;  // 0: as many as heads
  int64_t head = 0;      // numbers of a head; 0: channels / heads
  Rotary rotary = {};
  Activation activation = Activation::kGeluTanh;
  bool qkv_bias = true, output_bias = true, mlp_bias = true;  // output: attention's
  bool head_norm = false;                                     // RMS norm of each head's queries and keys
  bool parallel = false;                                      // gpt_neox: attention and MLP read the same stream
  bool unscaled_scores = false, scores_by_block = false;      // not divided by sqrt(head size); also by 1 + the block
  std::vector<Adapted> adapted = {};                          // with any, all other weights are a base's and frozen

  int64_t head_size() const { return head > 0 ? head : channels / heads; }
  int64_t key_heads() const { return kv_heads > 0 ? kv_heads : heads; }
  bool operator==(const Shape&) const = default;
};

// How a row of queries, keys and values is cut: every head's queries, then the keys, then the values, d numbers each;
// or, by head, a head's query, key and value next to each other. Neighbouring heads share a key head.
struct QkvView {
  int64_t heads, kv_heads, d;
  bool by_head = false;  // then every head has a key head of its own
  double divisor = 0;    // of scores; 0: sqrt(d)

  double scale() const { return 1.0 / (divisor > 0 ? divisor : std::sqrt(static_cast<double>(d))); }  // of scores
  int64_t group() const { return heads / kv_heads; }            // heads that share a key head
  int64_t width() const { return (heads + 2 * kv_heads) * d; }  // of a row
  int64_t out() const { return heads * d; }                     // of a row of attention's output
  int64_t cached() const { return width() - key(0); }           // of a row from key(0) on, where keys and values lie
  int64_t step() const { return by_head ? 3 * d : d; }          // from a head's part to its neighbour's
  // Where a head's part begins.
  int64_t query(int64_t head) const { return head * step(); }
  int64_t key(int64_t head) const { return by_head ? (3 * head + 1) * d : (heads + head * kv_heads / heads) * d; }
  int64_t value(int64_t head) const { return key(head) + (by_head ? d : kv_heads * d); }
};

enum class Op : uint8_t { kNorm, kLinear, kHeadNorm, kRotate, kAttention, kActivation };

constexpr int kNone = -1;

// out = scale op(in), plus slot `add` where a linear has one; rotate turns `in` in place. `site`: of the block; whose weights
// a norm or linear uses. An activation or attention has the site of the linear step right before it, when that one's
// output is all it reads: an activation adds the bias because that linear is `bare`, and a device sums the bias's
// gradient there.
struct Step {
  Op op;
  int in, add, out;
  int site = kNone;
  bool bare = false;
  // Of linear steps where a base is cut into what its checkpoint has, and of its adapters (adapters.cpp):
  int64_t from = 0, width = 0;  // which columns of `out` are written; width 0: all
  double scale = 1;
  bool onto = false;  // adds to what `out` holds
  bool adds = false;  // on the way back adds to the gradient at `in`, which a later step reads too
};

struct Slot {
  int64_t width;
  int gradient;  // which buffer its gradient lies in; 0 is the residual stream's
};

// A tensor of a checkpoint that a site's weight and bias own some outputs of.
struct Piece {
  std::string name;  // inside the block
  int64_t outputs;
};

// Which factor of an adapter a site is.
enum class Adapts : uint8_t { kNothing, kA, kB };

// A norm or linear layer of a block.
struct BlockSite {
  std::string name;  // inside the block
  bool bias;
  std::vector<Piece> pieces = {};  // in order; none: one tensor, of the site's own name
  bool frozen = false;
  Adapts adapts = Adapts::kNothing;
  int base = kNone;  // of an adapter's: the site that it adds to
};

// A block's own slots, steps and sites.
struct BlockTable {
  std::vector<Slot> slots;
  std::vector<Step> steps;
  std::vector<BlockSite> sites;
};

// What a family's norms do: layer norm, or RMS norm, which takes no mean away. Llama's order of casts: a row is divided
// by the root of its mean square plus epsilon in fp32, rounded to the type of activations, then multiplied with the
// weight; in a model that computes in its own fp32 or fp64 nothing is rounded.
enum class Norm : uint8_t { kLayer, kRms };

struct Architecture {
  int64_t layers;
  QkvView qkv;
  std::string embedding, positions, block, head;  // names of the tables, and what a block's number follows
                                                  // positions: empty without learned ones
  std::vector<Slot> slots;       // 0: the residual stream entering the block
  std::vector<Step> steps;       // writes slots.size(): the stream leaving it, the next block's slot 0
  std::vector<BlockSite> sites;  // in the order of their steps
  // Of each block in place of these three, in a model with adapters, which may differ from block to block.
  std::vector<BlockTable> adapted = {};
  // After the last block: slot 0 the stream that left it, slot 1 the final hidden states.
  std::vector<Step> tail;
  BlockSite tail_site;
  Norm norm = Norm::kLayer;
  Activation activation = Activation::kGeluTanh;
  bool gated = false;    // the activation's input is [gate, up], its output activation(gate) * up
  bool turned = false;   // a checkpoint keeps linear weights as [outputs, inputs]
  Rotary rotary = {};
  double deviation = 0.02, residual_deviation = 0.02;  // of initial weights; residual: of those that join the stream

  bool scores_by_block = false;
  // qkv with the scores' divisor in a block.
  QkvView attention(int64_t block) const {
    QkvView view = qkv;
    if (scores_by_block) view.divisor = static_cast<double>(block + 1) / qkv.scale();
    return view;
  }

  int64_t blocks() const { return layers + 1; }  // the tail is one
  const std::vector<Step>& steps_of(int64_t number) const {
    return number >= layers ? tail : adapted.empty() ? steps : adapted[static_cast<size_t>(number)].steps;
  }
  const std::vector<Slot>& slots_of(int64_t number) const {
    return number >= layers || adapted.empty() ? slots : adapted[static_cast<size_t>(number)].slots;
  }
  const std::vector<BlockSite>& sites_of(int64_t number) const {
    return adapted.empty() ? sites : adapted[static_cast<size_t>(number)].sites;
  }
  int attended() const;  // the slot that attention writes
  bool leaves(int slot) const { return slot == static_cast<int>(slots.size()); }
  const Slot& slot(int64_t block, int index) const { return slots_of(block)[leaves(index) ? 0 : static_cast<size_t>(index)]; }
  int gradients() const;  // buffers

  // Numbers of the model's type a token leaves beside a step's output: a norm's mean and 1 / deviation (a head norm's
  // of each head), attention's log-sum-exps.
  int64_t notes(const Step& step) const;

  // Of a token: elements of all blocks' slots, tail included; of all gradient buffers; and of all notes.
  int64_t slot_elements() const;
  int64_t gradient_elements() const;
  int64_t note_elements() const;
};

// GPT-2 and kin: learned positions, layer norm, checkpoints with [inputs, outputs] weights.
Architecture gpt2(const Shape& shape);
// Llama, Mistral, Qwen2, Qwen3: RMS norm, rotary positions, grouped heads, a gated MLP.
Architecture llama(const Shape& shape);
// GPT-NeoX (Pythia): layer norm, partly rotary positions, attention and MLP side by side, qkv head by head.
Architecture neox(const Shape& shape);

// The same over a frozen base, with the shape's adapters. Refuses modules that are no linear layer and impossible ranks.
Architecture with_adapters(Architecture family, const Shape& shape);

Architecture architecture_of(const Shape& shape);

}  // namespace lethe
