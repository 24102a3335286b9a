// Decoding on the CPU: the forward walk, with an attention that fills the cache from the prompts, then answers from it
// in plain loops a record and head.
#ifndef LETHE_ISA
#include "decode.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu.h"
#include "vector_math.h"

#define LETHE_FILE "decode.cpp"
#include "each_isa.h"

namespace lethe {
namespace {

// One row a running record: its newest token.
class Continuing final : public CpuRows {
 public:
  Continuing(Model& model, const std::vector<Active>& active, const Cache& cache)
      : CpuRows(model, static_cast<int64_t>(active.size()), model.shape().layers, turns_of(model, active), Cancel()),
        active_(active),
        cache_(cache) {}

  void embed(const at::Tensor& x) {
    std::vector<int64_t> tokens, positions;
    for (const Active& a : active_) {
      tokens.push_back(a.token);
      positions.push_back(a.length - 1);
    }
    take_rows(model_.weight(Layout::embedding_site()), tokens, x);
    const int64_t site = model_.layout.positions();
    if (site < 0) return;
    const at::Tensor places = at::empty_like(x);
    take_rows(model_.weight(site), positions, places);
    x.add_(places);
  }

  // Appends each record's key and value to its cache and attends to all of its tokens so far.
  void attention(const At& at, const at::Tensor& qkv, const at::Tensor& out) {
    const at::Tensor& cache = cache_[at.block];
    const QkvView view = model_.layout.architecture().attention(at.block);
    for (int64_t i = 0; i < qkv.size(0); ++i) {
      const Active& a = active_[static_cast<size_t>(i)];
      cache[a.record][a.length - 1].copy_(cache_.kept(qkv[i]));
    }
    with_element(qkv.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      at::parallel_for(0, qkv.size(0) * view.heads, 1, [&](int64_t begin, int64_t end) {
        std::vector<T> scores(static_cast<size_t>(cache.size(1)));
        for (int64_t i = begin; i < end; ++i) {
          const int64_t row = i / view.heads, head = i % view.heads;
          const Active& a = active_[static_cast<size_t>(row)];
          const T* cached = data<T>(cache) + a.record * cache.size(1) * view.cached();
          const T *query = data<T>(qkv) + row * view.width() + view.query(head),
                  *keys = cached + (view.key(head) - view.key(0)), *values = cached + (view.value(head) - view.key(0));
          T* to = data<T>(out) + row * view.out() + head * view.d;
          const T scale = static_cast<T>(view.scale());
          LETHE_BY_ISA(attend_head(query, keys, values, view.cached(), a.length, view.d, scale, scores.data(), to));
        }
      });
    });
  }

 private:
  static Turns turns_of(const Model& model, const std::vector<Active>& active) {
    std::vector<int64_t> positions;
    for (const Active& a : active) positions.push_back(a.length - 1);
    return make_turns(model.layout.architecture().rotary, positions, model.options());
  }

  const std::vector<Active>& active_;
  const Cache& cache_;
};

class HostDecoder final : public Decoder {
 public:
  HostDecoder(Model& model, const Batch& prompts, int64_t capacity)
      : model_(model), prompts_(prompts), cache_(model, prompts.records(), capacity, model.options()) {}

  void start(const std::vector<Active>& active, const Cancel& cancel) override {
    Prompting<Cpu> pass(prompts_, cache_, model_, prompts_, Keep::kNothing, cancel);
    walk_forward(pass, pass.architecture().blocks());
    std::vector<int64_t> last_rows;
    for (const Active& a : active) last_rows.push_back(prompts_.offset(a.record + 1) - 1);
    hidden_ = model_.workspace.target_hidden.get(model_.options(), static_cast<int64_t>(active.size()),
                                                 model_.shape().channels);
    gather_rows(pass.hidden(), last_rows, hidden_);
  }

  void step(const std::vector<Active>& active) override {
    Continuing pass(model_, active, cache_);
    walk_forward(pass, pass.architecture().blocks());
    hidden_ = pass.hidden();
  }

  at::Tensor logits(int64_t first, int64_t count) override {
    const at::Tensor out = model_.workspace.logits.get(model_.options(), count, model_.shape().vocabulary);
    head_logits(model_, hidden_.narrow(0, first, count), out);
    return out;
  }

 private:
  Model& model_;
  const Batch& prompts_;
  const Cache cache_;
  at::Tensor hidden_;  // [A, C] final hidden states of the active records' newest tokens
};

}  // namespace

Cache::Cache(const Model& model, int64_t records, int64_t capacity, const at::TensorOptions& options)
    : view(model.layout.architecture().qkv) {
  for (int64_t block = 0; block < model.shape().layers; ++block)
    blocks.push_back(at::zeros({records, capacity, view.cached()}, options));
}

void Cache::fill(int64_t block, const Batch& prompts, const at::Tensor& qkv) const {
  for (int64_t b = 0; b < prompts.records(); ++b) {
    const at::Tensor rows = qkv.narrow(0, prompts.offset(b), prompts.length(b));
    (*this)[block][b].narrow(0, 0, prompts.length(b)).copy_(kept(rows));
  }
}

std::unique_ptr<Decoder> make_decoder(Model& model, const Batch& prompts, int64_t capacity) {
  return std::make_unique<HostDecoder>(model, prompts, capacity);
}

}  // namespace lethe
#else

namespace lethe::LETHE_ISA {

// One query row of one head against `length` cached keys and values, `row` apart.
template <class T>
void attend_head(const T* query, const T* keys, const T* values, int64_t row, int64_t length, int64_t d, T scale,
                 T* scores, T* out) {
  T top = -std::numeric_limits<T>::infinity(), total = 0;
  for (int64_t t = 0; t < length; ++t) {
    const T* key = keys + t * row;
    T dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < d; ++j) dot += query[j] * key[j];
    scores[t] = dot * scale;
    top = std::max(top, scores[t]);
  }
#pragma omp simd reduction(+ : total)
  for (int64_t t = 0; t < length; ++t) {
    scores[t] = fast_exp(scores[t] - top);
    total += scores[t];
  }
  std::fill(out, out + d, T(0));
  for (int64_t t = 0; t < length; ++t) {
    const T* value = values + t * row;
    const T share = scores[t] / total;
#pragma omp simd
    for (int64_t j = 0; j < d; ++j) out[j] += share * value[j];
  }
}

}  // namespace lethe::LETHE_ISA
#endif
