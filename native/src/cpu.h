// A walk's operations on the CPU, on plain numbers: records lie one after the other, and only attention looks at
// borders.
//
// At each linear site the weight's gradient is A^T G and the bias's the column sums of G; observers see both first.
#pragma once

#include "passes.h"
#include "slots.h"

namespace lethe {

// What does not look at record borders: any rows, on the way forward.
class CpuRows : public Slots {
 public:
  CpuRows(Model& model, int64_t rows, int64_t kept, Turns turns, const Cancel& cancel)
      : Slots(model, rows, rows, kept), turns_(std::move(turns)), cancel_(cancel) {}

  void enter(int64_t /*block*/) const { cancel_.poll(); }

  void norm(const At& at, const at::Tensor& x, const at::Tensor& out);
  void linear(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out);
  void head_norm(const At& at, const at::Tensor& x, const at::Tensor& out);
  void rotate(const At& at, const at::Tensor& x) const;
  void activation(const At& at, const at::Tensor& x, const at::Tensor& out);

 protected:
  const Turns turns_;  // of the rows

 private:
  const Cancel cancel_;
};

class Cpu : public CpuRows {
 public:
  // Forward.
  Cpu(Model& model, const Batch& batch, Keep keep, const Cancel& cancel);
  // Backward, over what a forward pass kept.
  Cpu(Model& model, const Batch& batch, const Backward& options, const Cancel& cancel);

  void embed(const at::Tensor& x);
  void attention(const At& at, const at::Tensor& qkv, const at::Tensor& out);

  // g: the gradient at out. d_x is overwritten, but by a norm added to.
  void norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                     const at::Tensor& d_x);
  void linear_backward(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out,
                       const at::Tensor& g, const at::Tensor& d_x);
  void head_norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                          const at::Tensor& d_x);
  void rotate_backward(const At& at, const at::Tensor& x, const at::Tensor& g) const;  // x and g in place
  void attention_backward(const At& at, const at::Tensor& qkv, const at::Tensor& out, const at::Tensor& g,
                          const at::Tensor& d_qkv);
  void activation_backward(const At& at, const at::Tensor& x, const at::Tensor& g, const at::Tensor& d_x);
  void embed_backward(const at::Tensor& x, const at::Tensor& g);

 private:
  const Batch& batch_;
  const bool keeps_;
  const Backward options_{};
};

}  // namespace lethe
