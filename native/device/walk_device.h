// A walk's operations on the device; the counterpart of src/cpu.h. Every one only hands work to the stream.
//
// Biases ride on the product (queries, keys, values), on the activation or on the residual sum. A bias's gradient is
// the column sums of G; an activation or attention of the same site sums it beside the gradient that it makes.
#pragma once

#include "../src/passes.h"
#include "../src/slots.h"
#include "attention.h"
#include "state.h"

namespace lethe::device {

// What does not look at record borders: any rows, on the way forward.
class DeviceRows : public Slots {
 public:
  DeviceRows(State& state, Model& model, int64_t rows, int64_t kept, const Cancel& cancel);

  // Attention's output stays where its kernel put it.
  at::Tensor slot(int64_t block, int index) {
    return index == attended_ ? slabs(block).attended.out : Slots::slot(block, index);
  }
  void enter(int64_t /*block*/) const { cancel_.poll(); }

  void norm(const At& at, const at::Tensor& x, const at::Tensor& out);
  void linear(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out);
  void activation(const At& at, const at::Tensor& x, const at::Tensor& out);
  void head_norm(const At& at, const at::Tensor& x, const at::Tensor& out);

 protected:
  State& state_;

 private:
  const Cancel cancel_;
  const int attended_;  // attention's slot
};

// Over the batch whose tables are uploaded.
class Device : public DeviceRows {
 public:
  // Forward.
  Device(State& state, Model& model, const Batch& batch, Keep keep, const Cancel& cancel);
  // Backward, over what a forward pass kept.
  Device(State& state, Model& model, const Batch& batch, const Backward& options, const Cancel& cancel);

  at::Tensor gradient(int64_t block, int index) {
    return index == own_slot_ ? own_gradient_ : Slots::gradient(block, index);
  }
  void enter(int64_t block);

  void embed(const at::Tensor& x);
  void rotate(const At& at, const at::Tensor& x) const;
  void attention(const At& at, const at::Tensor& qkv, const at::Tensor& out);

  // g: the gradient at out. d_x is overwritten, but by a norm added to; the tail's finds nothing there yet.
  void norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                     const at::Tensor& d_x);
  void linear_backward(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out,
                       const at::Tensor& g, const at::Tensor& d_x);
  void attention_backward(const At& at, const at::Tensor& qkv, const at::Tensor& out, const at::Tensor& g,
                          const at::Tensor& d_qkv);
  void activation_backward(const At& at, const at::Tensor& x, const at::Tensor& g, const at::Tensor& d_x);
  void head_norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                          const at::Tensor& d_x);
  void rotate_backward(const At& at, const at::Tensor& x, const at::Tensor& g) const;  // in place
  // By rows that the tables have grouped.
  void embed_backward(const at::Tensor& x, const at::Tensor& g);

 private:
  Sequences sequences() const { return {batch_, state_.tables.offsets, state_.tables.longest}; }
  bool bias_is_summed(const At& at) const;
  const at::Tensor& bias_gradient_of(const At& at) const {  // as bias_of
    return model_.bias_gradient(at.step.site == kNone ? -1 : site(at));
  }

  const Batch& batch_;
  const bool keeps_;
  const Backward options_{};
  // The gradient at attention's input, which its kernel may have put into memory of its own; until the block ends.
  int own_slot_ = kNone;
  at::Tensor own_gradient_;
};

}  // namespace lethe::device
