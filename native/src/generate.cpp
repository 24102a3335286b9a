// One ragged forward pass over the prompts fills the cache; then each step carries one row a record still running.
//
// A record's draws are keyed by the seed and its own prompt, so that neither its batch mates nor its place matter.
#include "generate.h"

#include <ATen/Parallel.h>
#include <ATen/ops/add.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <cmath>

#include "decode.h"
#include "gemm.h"
#include "passes.h"
#include "random.h"

namespace lethe {
namespace {

constexpr int64_t kLogitRows = 64;  // rows of logits made at once

void linear_forward(const Model& model, int64_t site, const at::Tensor& x, const at::Tensor& out) {
  fill_bias(model.bias(site), out);
  gemm(x, model.weight(site), out, Into::kAdd);
}

void residual_forward(const Model& model, int64_t site, const at::Tensor& x, const at::Tensor& residual,
                      const at::Tensor& out) {
  add_bias(residual, model.bias(site), out);
  gemm(x, model.weight(site), out, Into::kAdd);
}

at::Tensor norm_forward(const Model& model, int64_t site, const at::Tensor& x, Slab& statistics, Slab& normed) {
  const at::Tensor out = normed.get(model.options(), x.size(0), x.size(1));
  layer_norm(x, model.weight(site), model.bias(site), model.shape().epsilon,
             statistics.get(model.options(), 2, x.size(0)), out);
  return out;
}

void mlp_forward(const Model& model, int64_t layer, LayerSlabs& slabs, const at::Tensor& middle,
                 const at::Tensor& out) {
  const auto site = [&](LayerSite which) { return Layout::layer_site(layer, which); };
  const int64_t rows = middle.size(0), inner = model.shape().inner;
  const at::Tensor normed = norm_forward(model, site(kNorm2), middle, slabs.statistics2, slabs.normed2);
  const at::Tensor expanded = slabs.expanded.get(model.options(), rows, inner);
  gemm(normed, model.weight(site(kExpand)), expanded);
  const at::Tensor activated = slabs.activated.get(model.options(), rows, inner);
  gelu(expanded, model.bias(site(kExpand)), activated);
  residual_forward(model, site(kContract), activated, middle, out);
}

// Decoding on the CPU.
class HostDecoder final : public Decoder {
 public:
  HostDecoder(Model& model, const Batch& prompts, int64_t capacity)
      : model_(model), prompts_(prompts), cache_(model, prompts, capacity) {}

  void start(const std::vector<Active>& active, const Cancel& cancel) override {
    const at::Tensor prompt_hidden = forward(model_, prompts_, Keep::kNothing, cancel, &cache_);
    std::vector<int64_t> last_rows;
    for (const Active& a : active) last_rows.push_back(prompts_.offset(a.record + 1) - 1);
    hidden_ = model_.workspace.target_hidden.get(model_.options(), static_cast<int64_t>(active.size()),
                                                 model_.shape().channels);
    gather_rows(prompt_hidden, last_rows, hidden_);
  }

  void step(const std::vector<Active>& active) override;

  at::Tensor logits(int64_t first, int64_t count) override {
    const at::Tensor out = model_.workspace.logits.get(model_.options(), count, model_.shape().vocabulary);
    head_logits(model_, hidden_.narrow(0, first, count), out);
    return out;
  }

 private:
  Model& model_;
  const Batch& prompts_;
  Cache cache_;
  at::Tensor hidden_;  // [A, C] final hidden states of the active records' newest tokens
};

void HostDecoder::step(const std::vector<Active>& active) {
  Model& model = model_;
  const Shape& shape = model.shape();
  Workspace& work = model.workspace;
  LayerSlabs& slabs = work.layers.front();
  const auto options = model.options();
  const int64_t rows = static_cast<int64_t>(active.size()), c = shape.channels;
  std::vector<int64_t> tokens, positions;
  for (const Active& a : active) {
    tokens.push_back(a.token);
    positions.push_back(a.length - 1);
  }
  const auto index = [&](std::vector<int64_t>& ids) {
    return at::from_blob(ids.data(), {rows}, at::kLong);
  };
  const at::Tensor x = slabs.input.get(options, rows, c), middle = slabs.middle.get(options, rows, c);
  at::Tensor sum = x;
  at::add_out(sum, model.weight(Layout::embedding_site()).index_select(0, index(tokens)),
              model.weight(Layout::position_site()).index_select(0, index(positions)));
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    const auto site = [&](LayerSite which) { return Layout::layer_site(layer, which); };
    const at::Tensor normed = norm_forward(model, site(kNorm1), x, slabs.statistics1, slabs.normed1);
    const at::Tensor qkv = slabs.qkv.get(options, rows, 3 * c), attended = slabs.attended.get(options, rows, c);
    linear_forward(model, site(kAttention), normed, qkv);
    attend_step(shape, active, qkv, cache_.layers[static_cast<size_t>(layer)], attended);
    residual_forward(model, site(kProjection), attended, x, middle);
    mlp_forward(model, layer, slabs, middle, x);
  }
  hidden_ = norm_forward(model, model.layout.final_norm_site(), x, work.final_statistics, work.final_normed);
}

// The next token of each active record.
class Chooser {
 public:
  Chooser(const Model& model, const Batch& prompts, const lethe_generation& options) : model_(model), options_(options) {
    for (int64_t b = 0; b < prompts.records(); ++b) {
      uint64_t key = mix(options.seed);
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
  const Bf16Products rounded(model.bf16_products);
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
                                               : std::make_unique<HostDecoder>(model, prompts, capacity);
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
