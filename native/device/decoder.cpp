// Generation's passes on the device: the prompts in one ragged pass, then a row a record still running against a cache of
// keys and values. Attention of single rows is a few batched products over all records, those that ended masked away.
#include "decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <limits>

#include "ops.h"
#include "passes.h"
#include "products.h"
#include "walk_device.h"

namespace lethe::device {
namespace {

at::Tensor indices(const State& state, std::vector<int64_t>& values) {
  const at::Tensor host = at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kLong);
  return host.to(state.runtime.device(), at::kLong, /*non_blocking=*/false, /*copy=*/true);
}

// One row a running record: its newest token. No record has more than `longest` tokens yet.
class Continuing final : public DeviceRows {
 public:
  Continuing(State& state, Model& model, const std::vector<Active>& active, int64_t longest, const Cache& cache)
      : DeviceRows(state, model, static_cast<int64_t>(active.size()), model.shape().layers, Cancel()),
        longest_(longest),
        cache_(cache) {
    std::vector<int64_t> records, tokens, places;
    for (const Active& a : active) {
      records.push_back(a.record);
      tokens.push_back(a.token);
      places.push_back(a.length - 1);
    }
    records_ = indices(state, records);
    tokens_ = indices(state, tokens);
    places_ = indices(state, places);
    rows_ = places_.to(at::kInt);
  }

  void embed(const at::Tensor& x) {
    const at::Tensor token = model_.weight(Layout::embedding_site()).index_select(0, tokens_);
    const int64_t site = model_.layout.positions();
    x.copy_(site < 0 ? token : token + model_.weight(site).index_select(0, places_));
  }

  void rotate(const At& /*at*/, const at::Tensor& qkv) const {
    turn(state_, cache_.view, rows_.const_data_ptr<int32_t>(), Direction::kForward, qkv);
  }

  // From the new rows' queries, after their keys and values have joined the cache.
  void attention(const At& at, const at::Tensor& qkv, const at::Tensor& /*out*/) {
    const QkvView view = model_.layout.architecture().attention(at.block);
    at::Tensor cache = cache_[at.block];
    cache.index_put_({records_, places_}, cache_.kept(qkv));
    const at::Tensor rows = cache.narrow(1, 0, longest_).index_select(0, records_).flatten(0, 1);
    const auto past = [&](const at::Tensor& x) { return x.unflatten(0, {-1, longest_}); };  // [A, longest, kv_heads, d]
    const Qkv cached = cached_columns(view, rows);
    const at::Tensor keys = past(cached.k).permute({0, 2, 3, 1}), values = past(cached.v).transpose(1, 2);
    const at::Tensor query = columns(view, qkv).q.unflatten(1, {view.kv_heads, view.group()});  // [A, kv, group, d]
    const at::Tensor future = at::arange(longest_, records_.options()).unsqueeze(0) > places_.unsqueeze(1);
    const at::Tensor scores = batched_product(query, keys)
                                  .to(model_.dtype)
                                  .mul_(view.scale())
                                  .masked_fill_(future.unsqueeze(1).unsqueeze(1), -std::numeric_limits<double>::infinity());
    const at::Tensor shares = at::softmax(scores, -1).to(qkv.scalar_type());
    slabs(at.block).attended = {batched_product(shares, values).reshape({qkv.size(0), view.out()}), {}};
  }

 private:
  const int64_t longest_;
  const Cache& cache_;
  at::Tensor records_, tokens_, places_;  // [A]
  at::Tensor rows_;                       // [A] places_ as int32
};

class DeviceDecoder final : public Decoder {
 public:
  DeviceDecoder(State& state, Model& model, const Batch& prompts, int64_t capacity)
      : state_(state),
        model_(model),
        prompts_(prompts),
        cache_(model, prompts.records(), capacity, state.options(model)) {}

  void start(const std::vector<Active>& active, const Cancel& cancel) override {
    Prompting<Device> pass(prompts_, cache_, state_, model_, prompts_, Keep::kNothing, cancel);
    walk_forward(pass, pass.architecture().blocks());
    std::vector<int64_t> last;
    for (const Active& a : active) last.push_back(prompts_.offset(a.record + 1) - 1);
    hidden_ = pass.hidden().index_select(0, indices(state_, last));
  }

  void step(const std::vector<Active>& active) override {
    for (const Active& a : active) longest_ = std::max(longest_, a.length);
    Continuing pass(state_, model_, active, longest_, cache_);
    walk_forward(pass, pass.architecture().blocks());
    hidden_ = pass.hidden();
  }

  at::Tensor logits(int64_t first, int64_t count) override {
    const at::Tensor all = head_logits(state_, model_, hidden_.narrow(0, first, count));
    return all.narrow(1, 0, model_.shape().vocabulary).to(model_.dtype).cpu().contiguous();
  }

 private:
  State& state_;
  Model& model_;
  const Batch& prompts_;
  const Cache cache_;
  at::Tensor hidden_;  // [A, C] final hidden states of the active records' newest tokens
  int64_t longest_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(State& state, Model& model, const Batch& prompts, int64_t capacity) {
  state.reach(model, capacity);
  return std::make_unique<DeviceDecoder>(state, model, prompts, capacity);
}

}  // namespace lethe::device
