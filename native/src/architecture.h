// A model's architecture as data: a block is a list of steps over numbered slots. The walks (walk.h) go through it
// forward and back, on every place; layout, plan and initialisation ask the same table. Only GPT-2 is in it so far.
//
// How to add a family:
//  1. Write its function beside gpt2(): the slots' widths, the block's steps, the names of its sites and tensors.
//  2. Sites are the steps' weights in their order. One product is one site, whatever tensors a checkpoint cuts it into:
//     q|k|v and gate|up are a linear step each, whose tensors are row slices, so that its input is kept once.
//  3. Residuals are `add`. A parallel residual is two norms of slot 0, both first, and two adds in a row; nothing else.
//  4. Slots whose gradients are never needed at once share a gradient buffer; 0 is the residual stream's, carried in
//     place and only added to. An activation of one width (GELU) goes in place; SwiGLU's halves get another buffer.
//  5. Rotary embedding is a step that turns slot qkv in place between linear and attention: its adjoint turns the
//     gradient back and keeps nothing. Learned positions or none, scalings and partial turns are facts beside heads.
//  6. How a row of qkv is cut (grouped heads, in thirds or head by head) is QkvView's; attention asks nothing else.
//  7. q/k norm is one norm step over heads, from qkv to a slot of its own, whose site owns both tensors.
//  8. A kind of norm or activation that no family had is a value of its enum and a case in each place's ops.
//  9. A site without a bias says so; ops then skip it. A tied head is Shape's.
// 10. Give the family a name in configuration and test: the goldens are transformers' of a tiny model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lethe {

struct Shape {
  int64_t vocabulary = 0;  // V
  int64_t context = 0;
  int64_t channels = 0;  // C
  int64_t heads = 0;
  int64_t layers = 0;  // L
  int64_t inner = 0;
  double epsilon = 0;
  bool tied = true;

  int64_t head_size() const { return channels / heads; }
  bool operator==(const Shape&) const = default;
};

// How a row of queries, keys and values is cut: every head's queries, then the keys, then the values, d numbers each.
// Neighbouring heads share a key head.
struct QkvView {
  int64_t heads, kv_heads, d;

  int64_t width() const { return (heads + 2 * kv_heads) * d; }  // of a row
  int64_t out() const { return heads * d; }                     // of a row of attention's output
  int64_t cached() const { return 2 * kv_heads * d; }           // of a row's keys and values, which lie from key(0) on
  // Where a head's part begins.
  int64_t query(int64_t head) const { return head * d; }
  int64_t key(int64_t head) const { return (heads + head * kv_heads / heads) * d; }
  int64_t value(int64_t head) const { return key(head) + kv_heads * d; }
};

enum class Op : uint8_t { kNorm, kLinear, kAttention, kActivation };

constexpr int kNone = -1;

// out = op(in), plus slot `add` where a linear has one. `site`: of the block; whose weights a norm or linear uses, and
// whose bias an activation adds because that linear is `bare`.
struct Step {
  Op op;
  int in, add, out;
  int site = kNone;
  bool bare = false;
};

struct Slot {
  int64_t width;
  int gradient;  // which buffer its gradient lies in; 0 is the residual stream's
};

// A norm or linear layer of a block.
struct BlockSite {
  std::string name;  // inside the block
  bool bias;
};

struct Architecture {
  int64_t layers;
  QkvView qkv;
  std::string embedding, positions, block, head;  // names of the tables, and what a block's number follows
  std::vector<Slot> slots;       // 0: the residual stream entering the block
  std::vector<Step> steps;       // writes slots.size(): the stream leaving it, the next block's slot 0
  std::vector<BlockSite> sites;  // in the order of their steps
  // After the last block: slot 0 the stream that left it, slot 1 the final hidden states.
  std::vector<Step> tail;
  BlockSite tail_site;

  int64_t blocks() const { return layers + 1; }  // the tail is one
  const std::vector<Step>& steps_of(int64_t number) const { return number < layers ? steps : tail; }
  bool leaves(int slot) const { return slot == static_cast<int>(slots.size()); }
  const Slot& slot(int index) const { return slots[leaves(index) ? 0 : static_cast<size_t>(index)]; }
  int gradients() const;  // buffers

  // Numbers of the model's type a token leaves beside a step's output: a norm's mean and 1 / deviation, attention's
  // log-sum-exps.
  int64_t notes(const Step& step) const { return step.op == Op::kNorm ? 2 : step.op == Op::kAttention ? qkv.heads : 0; }

  // Of a token: elements of all blocks' slots, tail included; of all gradient buffers; and of all notes.
  int64_t slot_elements() const;
  int64_t gradient_elements() const;
  int64_t note_elements() const;
};

Architecture gpt2(const Shape& shape);

}  // namespace lethe
