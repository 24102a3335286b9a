// One ragged forward pass over the prompts fills the cache; then each step carries one row a record still running.
//
// A record's draws are keyed by its seed and its own prompt, so that neither its batch mates nor its place matter.
#include "generate.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "decode.h"
#include "ops.h"
#include "random.h"

namespace lethe {
namespace {

constexpr int64_t kLogitRows = 128;  // rows of logits made at once

// The next token of each active record.
class Chooser {
 public:
  Chooser(const Model& model, const Batch& prompts, const lethe_generation& options) : model_(model), options_(options) {
    for (int64_t b = 0; b < prompts.records(); ++b) {
      uint64_t key = mix(options.seeds == nullptr ? 0 : options.seeds[b]);
      for (int64_t row = prompts.offset(b); row < prompts.offset(b + 1); ++row) {
        key = mix(key ^ static_cast<uint64_t>(prompts.tokens()[row]));
      }
      keys_.push_back(key);
    }
  }

  std::vector<int32_t> choose(Decoder& decoder, const std::vector<Active>& active) {
    const int64_t rows = static_cast<int64_t>(active.size()), v = model_.shape().vocabulary;
    std::vector<int32_t> chosen(static_cast<size_t>(rows));
    for (int64_t first = 0; first < rows; first += kLogitRows) {
      const int64_t count = std::min(kLogitRows, rows - first);
      const at::Tensor host = decoder.logits(first, count);
      with_element(host.scalar_type(), [&](auto zero) {
        using T = decltype(zero);
        at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const size_t row = static_cast<size_t>(first + i);
            chosen[row] = choose_row(data<T>(host) + i * v, active[row]);
          }
        });
      });
    }
    for (size_t i = 0; i < chosen.size(); ++i) {
      if (chosen[i] < 0) refuse(LETHE_NOT_FINITE, "the logits of record ", active[i].record, " are not finite");
    }
    return chosen;
  }

 private:
  template <class T>
  int32_t choose_row(const T* logits, const Active& a) const {
    const int64_t v = model_.shape().vocabulary;
    T sum = 0;  // finite exactly when every logit is, short of overflow
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < v; ++j) sum += logits[j] - logits[j];
    if (!(sum == 0)) return -1;
    return sample(
        logits, v,
        {options_.top_k, options_.temperature, keys_[static_cast<size_t>(a.record)], static_cast<uint64_t>(a.length)});
  }

  const Model& model_;
  const lethe_generation& options_;
  std::vector<uint64_t> keys_;
};

void check(const lethe_generation& o, const Shape& shape) {
  require(o.max_new_tokens >= 1 && o.max_new_tokens < (int64_t{1} << 31), "generation.max_new_tokens is ",
          o.max_new_tokens, ", must be at least 1");
  require(o.top_k >= 0, "generation.top_k is ", o.top_k, ", must be 1 (greedy), more, or 0 (all)");
  require(o.top_k == 1 || (std::isfinite(o.temperature) && o.temperature > 0), "generation.temperature is ",
          o.temperature, ", must be positive");
  require(o.stop_token >= -1 && o.stop_token < shape.vocabulary, "generation.stop_token is ", o.stop_token,
          ", must be a token id or -1");
}

}  // namespace

void generate(Model& model, const Batch& prompts, const lethe_generation& options, int32_t* tokens, int64_t* lengths,
              const Cancel& cancel) {
  const Shape& shape = model.shape();
  check(options, shape);
  std::fill(tokens, tokens + prompts.records() * options.max_new_tokens, -1);
  std::fill(lengths, lengths + prompts.records(), 0);
  std::vector<Active> active;
  int64_t longest = 0;
  for (int64_t b = 0; b < prompts.records(); ++b) {
    if (prompts.length(b) < shape.context) active.push_back({b, prompts.length(b), 0});
    longest = std::max(longest, prompts.length(b));
  }
  if (active.empty()) return;

  const int64_t capacity = std::min(shape.context, longest + options.max_new_tokens);
  const std::unique_ptr<Decoder> decoder = model.path != nullptr
                                               ? model.path->decoder(model, prompts, capacity)
                                               : make_decoder(model, prompts, capacity);
  Chooser chooser(model, prompts, options);
  decoder->start(active, cancel);
  while (true) {
    cancel.poll();
    const std::vector<int32_t> chosen = chooser.choose(*decoder, active);
    std::vector<Active> running;
    for (size_t i = 0; i < active.size(); ++i) {
      Active a = active[i];
      if (chosen[i] == options.stop_token) continue;
      tokens[a.record * options.max_new_tokens + lengths[a.record]++] = chosen[i];
      a.token = chosen[i];
      ++a.length;
      if (lengths[a.record] < options.max_new_tokens && a.length < shape.context) running.push_back(a);
    }
    active = std::move(running);
    if (active.empty()) return;
    decoder->step(active);
  }
}

}  // namespace lethe
