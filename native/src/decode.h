// What generation asks of a place: the prompts in one pass, then a token a running record against what is cached.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <utility>
#include <vector>

#include "batch.h"
#include "guard.h"
#include "model.h"
#include "walk.h"

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

// Keys and values of every record so far as rows of qkv hold them, keys turned. Zeros at first: what a mask hides is
// finite.
struct Cache {
  Cache(const Model& model, int64_t records, int64_t capacity, const at::TensorOptions& options);
  const at::Tensor& operator[](int64_t block) const { return blocks[static_cast<size_t>(block)]; }
  at::Tensor kept(const at::Tensor& qkv) const { return qkv.narrow(-1, view.key(0), view.cached()); }
  void fill(int64_t block, const Batch& prompts, const at::Tensor& qkv) const;  // from the prompts' rows

  QkvView view;
  std::vector<at::Tensor> blocks;  // [B, capacity, view.cached()] each
};

// The prompts' pass on a place, which leaves their keys and values in the cache.
template <class Ops>
class Prompting final : public Ops {
 public:
  template <class... Rest>
  Prompting(const Batch& prompts, const Cache& cache, Rest&&... rest)
      : Ops(std::forward<Rest>(rest)...), prompts_(prompts), cache_(cache) {}

  void attention(const At& at, const at::Tensor& qkv, const at::Tensor& out) {
    cache_.fill(at.block, prompts_, qkv);
    Ops::attention(at, qkv, out);
  }

 private:
  const Batch& prompts_;
  const Cache& cache_;
};

// Decoding on the CPU.
std::unique_ptr<Decoder> make_decoder(Model& model, const Batch& prompts, int64_t capacity);

}  // namespace lethe
