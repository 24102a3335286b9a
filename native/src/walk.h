// The one walk over a model's blocks, forward and back, whatever the family, the place and the kind of number.
//
// The walk knows the order of steps and what each reads and writes; Ops knows the rest: where slots and gradients lie
// (slot, gradient), what a kind of step does there, and what to do between blocks (enter: a chance to cancel). Cpu
// (cpu.h) computes with plain numbers, Device (../device/walk_device.h) hands work to a stream. There is no virtual call
// and nothing an element pays for.
#pragma once

#include <ATen/core/Tensor.h>

#include "architecture.h"

namespace lethe {

// Where a walk stands.
struct At {
  int64_t block;
  size_t index;  // of the step in its block
  const Step& step;
};

// What a step writes of its slot `out`.
inline at::Tensor written(const Step& step, const at::Tensor& out) {
  return step.width == 0 ? out : out.narrow(1, step.from, step.width);
}

// The embedding, then the first `blocks` blocks; the tail is one.
template <class Ops>
void walk_forward(Ops& ops, int64_t blocks) {
  ops.embed(ops.slot(0, 0));
  for (int64_t block = 0; block < blocks; ++block) {
    ops.enter(block);
    const std::vector<Step>& steps = ops.architecture().steps_of(block);
    for (size_t i = 0; i < steps.size(); ++i) {
      const At at{block, i, steps[i]};
      const at::Tensor in = ops.slot(block, at.step.in), out = written(at.step, ops.slot(block, at.step.out));
      switch (at.step.op) {
        case Op::kNorm: ops.norm(at, in, out); break;
        case Op::kLinear:
          ops.linear(at, in, at.step.add == kNone ? at::Tensor() : ops.slot(block, at.step.add), out);
          break;
        case Op::kHeadNorm: ops.head_norm(at, in, out); break;
        case Op::kRotate: ops.rotate(at, in); break;
        case Op::kAttention: ops.attention(at, in, out); break;
        case Op::kActivation: ops.activation(at, in, out); break;
      }
    }
  }
}

// From the gradient at what the last of `blocks` blocks made, down to what enters block `lowest`. A residual's gradient
// is the stream's and stays where it is: a linear step only reads it, a norm adds to it. What a rotation turned in place
// is turned back, so a forward pass serves one backward pass.
template <class Ops>
void walk_blocks_backward(Ops& ops, int64_t blocks, int64_t lowest) {
  for (int64_t block = blocks - 1; block >= lowest; --block) {
    ops.enter(block);
    const std::vector<Step>& steps = ops.architecture().steps_of(block);
    for (size_t i = steps.size(); i-- > 0;) {
      const At at{block, i, steps[i]};
      const at::Tensor in = ops.slot(block, at.step.in), out = written(at.step, ops.slot(block, at.step.out));
      const at::Tensor g = written(at.step, ops.gradient(block, at.step.out)), d_in = ops.gradient(block, at.step.in);
      switch (at.step.op) {
        case Op::kNorm: ops.norm_backward(at, in, out, g, d_in); break;
        case Op::kLinear:
          ops.linear_backward(at, in, at.step.add == kNone ? at::Tensor() : ops.slot(block, at.step.add), out, g, d_in);
          break;
        case Op::kHeadNorm: ops.head_norm_backward(at, in, out, g, d_in); break;
        case Op::kRotate: ops.rotate_backward(at, in, g); break;
        case Op::kAttention: ops.attention_backward(at, in, out, g, d_in); break;
        case Op::kActivation: ops.activation_backward(at, in, g, d_in); break;
      }
    }
  }
}

// And on to the embedding.
template <class Ops>
void walk_backward(Ops& ops, int64_t blocks, int64_t lowest) {
  walk_blocks_backward(ops, blocks, lowest);
  ops.embed_backward(ops.slot(0, 0), ops.gradient(0, 0));
}

}  // namespace lethe
