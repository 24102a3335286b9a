// Generation's passes on the device: the prompts in one ragged pass, then a row a record still running against a cache of
// keys and values. Attention of single rows is a few batched products over all records, those that ended masked away.
#include "decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "passes.h"
#include "products.h"

namespace lethe::device {
namespace {

class DeviceDecoder final : public Decoder, QkvReader {
 public:
  DeviceDecoder(State& state, Model& model, const Batch& prompts, int64_t capacity)
      : state_(state), model_(model), prompts_(prompts) {
    const Shape& shape = model.shape();
    for (int64_t l = 0; l < shape.layers; ++l)
      cache_.push_back(at::zeros({prompts.records(), capacity, 2, shape.heads, shape.head_size()}, state.options(model)));
  }

  void start(const std::vector<Active>& active, const Cancel& cancel) override {
    const at::Tensor hidden = forward(state_, model_, prompts_, Keep::kNothing, cancel, this);
    std::vector<int64_t> last;
    for (const Active& a : active) last.push_back(prompts_.offset(a.record + 1) - 1);
    hidden_ = hidden.index_select(0, indices(last));
  }

  void step(const std::vector<Active>& active) override {
    const auto options = state_.options(model_);
    std::vector<int64_t> records, tokens, places;
    for (const Active& a : active) {
      records.push_back(a.record);
      tokens.push_back(a.token);
      places.push_back(a.length - 1);
      longest_ = std::max(longest_, a.length);
    }
    records_ = indices(records);
    places_ = indices(places);
    const auto rows = static_cast<int64_t>(active.size());
    const int64_t c = model_.shape().channels;
    const at::Tensor sum = model_.weight(Layout::embedding_site()).index_select(0, indices(tokens)) +
                           model_.weight(Layout::position_site()).index_select(0, places_);
    LayerWork& work = state_.work.layers.front();
    const at::Tensor x = work.input.get(options, rows, c), middle = work.middle.get(options, rows, c);
    x.copy_(sum);
    for (int64_t layer = 0; layer < model_.shape().layers; ++layer) {
      const int64_t norm = Layout::layer_site(layer, kNorm1), projection = Layout::layer_site(layer, kProjection);
      const at::Tensor normed = norm_forward(state_, model_, norm, x, work.statistics1, work.normed1);
      const at::Tensor qkv = qkv_forward(state_, model_, layer, normed, work.qkv.get(options, rows, 3 * c));
      residual_forward(state_, model_, projection, attend(qkv, cache_[static_cast<size_t>(layer)]), x, middle);
      mlp_forward(state_, model_, layer, work, middle, x);
    }
    hidden_ = norm_forward(state_, model_, model_.layout.final_norm_site(), x, state_.work.final_statistics,
                           state_.work.final_normed);
  }

  at::Tensor logits(int64_t first, int64_t count) override {
    const at::Tensor all = head_logits(state_, model_, hidden_.narrow(0, first, count));
    return all.narrow(1, 0, model_.shape().vocabulary).to(model_.dtype).cpu().contiguous();
  }

 private:
  void qkv(int64_t layer, const at::Tensor& qkv) override {
    const Shape& shape = model_.shape();
    for (int64_t b = 0; b < prompts_.records(); ++b) {
      const at::Tensor rows = qkv.narrow(0, prompts_.offset(b), prompts_.length(b));
      cache_[static_cast<size_t>(layer)][b]
          .narrow(0, 0, prompts_.length(b))
          .copy_(rows.narrow(1, shape.channels, 2 * shape.channels)
                     .unflatten(1, {2, shape.heads, shape.head_size()}));
    }
  }

  at::Tensor indices(std::vector<int64_t>& values) const {
    const at::Tensor host = at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kLong);
    return host.to(state_.runtime.device(), at::kLong, /*non_blocking=*/false, /*copy=*/true);
  }

  // [A, C] from the new rows' queries, after their keys and values have joined the cache.
  at::Tensor attend(const at::Tensor& qkv, at::Tensor& cache) const {
    const Shape& shape = model_.shape();
    const at::Tensor parts = qkv.unflatten(1, {3, shape.heads, shape.head_size()});
    cache.index_put_({records_, places_}, parts.narrow(1, 1, 2));
    const at::Tensor past = cache.narrow(1, 0, longest_).index_select(0, records_);  // [A, longest, 2, heads, d]
    const at::Tensor keys = past.select(2, 0).permute({0, 2, 3, 1}), values = past.select(2, 1).transpose(1, 2);
    const at::Tensor query = parts.select(1, 0).unsqueeze(2);  // [A, heads, 1, d]
    const at::Tensor future = at::arange(longest_, records_.options()).unsqueeze(0) > places_.unsqueeze(1);
    const at::Tensor scores = batched_product(query, keys)
                                  .to(model_.dtype)
                                  .mul_(1.0 / std::sqrt(static_cast<double>(shape.head_size())))
                                  .masked_fill_(future.unsqueeze(1).unsqueeze(1), -std::numeric_limits<double>::infinity());
    return batched_product(at::softmax(scores, -1).to(qkv.scalar_type()), values).reshape({qkv.size(0), shape.channels});
  }

  State& state_;
  Model& model_;
  const Batch& prompts_;
  std::vector<at::Tensor> cache_;  // [B, capacity, 2, heads, head size] each: keys, values
  at::Tensor records_, places_;    // [A] of the step under way
  at::Tensor hidden_;              // [A, C]
  int64_t longest_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(State& state, Model& model, const Batch& prompts, int64_t capacity) {
  return std::make_unique<DeviceDecoder>(state, model, prompts, capacity);
}

}  // namespace lethe::device
