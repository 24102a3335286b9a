// One pass over a batch for Kronecker factors: forward, head, trunk backward without weight gradients, an observer that
// sums; labels drawn from the model where the Fisher matrix is sampled; and what both observers share.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "gemm.h"
#include "kfac.h"
#include "ops.h"
#include "parallel.h"
#include "passes.h"
#include "random.h"

namespace lethe {
namespace {

constexpr int64_t kTileBytes = int64_t{256} << 10;  // of eigenvalues that a thread keeps in its cache
constexpr int64_t kLeastTileRows = 16;

// Moves the minus one of a row of errors, scale (softmax - one-hot), from `target` to a label drawn from the softmax.
template <class T>
void draw_label(T* errors, int64_t count, int32_t target, double scale, double drawn) {
  errors[target] += static_cast<T>(scale);
  const double wanted = drawn * scale;
  double sum = 0;
  int64_t label = 0;
  for (; label + 1 < count; ++label) {
    sum += static_cast<double>(errors[label]);
    if (sum > wanted) break;
  }
  errors[label] -= static_cast<T>(scale);
}

// A batch's weights such that rows of G are those of F's definition: 1, or sqrt(targets) where labels are drawn.
std::vector<double> fisher_weights(const Kfac& kfac, const Batch& batch) {
  std::vector<double> weights(static_cast<size_t>(batch.records()), 1.0);
  if (kfac.fisher == LETHE_FISHER_SAMPLED) {
    for (int64_t b = 0; b < batch.records(); ++b)
      weights[static_cast<size_t>(b)] = std::sqrt(static_cast<double>(std::max<int64_t>(1, batch.target_count(b))));
  }
  return weights;
}

Batch weighted(const Kfac& kfac, const Batch& batch, const std::vector<double>& weights) {
  lethe_batch view{};
  view.struct_size = sizeof view;
  view.records = batch.records();
  view.tokens_total = batch.rows();
  view.offsets = batch.offsets();
  view.tokens = batch.tokens();
  view.targets = batch.targets();
  view.weights = weights.data();
  return Batch(view, kfac.layout.shape(), Targets::kRequired);
}

}  // namespace

void KfacObserver::relabel(int64_t first_row, const at::Tensor& errors) {
  if (kfac_.fisher != LETHE_FISHER_SAMPLED) return;
  const uint64_t key = mix(kfac_.seed ^ mix(static_cast<uint64_t>(kfac_.stage)));
  std::vector<double> drawn(static_cast<size_t>(errors.size(0)));
  for (size_t i = 0; i < drawn.size(); ++i) {
    const size_t row = static_cast<size_t>(first_row) + i;
    const int64_t record = batch_.target_records()[row];
    const int64_t position = batch_.target_rows()[row] - batch_.offset(record);
    drawn[i] = uniform(key ^ mix(static_cast<uint64_t>(kfac_.records + record)), static_cast<uint64_t>(position));
  }
  if (kfac_.path != nullptr)
    return kfac_.path->draw_labels(errors, kfac_.layout.shape().vocabulary, first_row, drawn);
  with_element(errors.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t columns = errors.size(1);
    at::parallel_for(0, errors.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto row = static_cast<size_t>(first_row + i);
        draw_label(data<T>(errors) + i * columns, columns, batch_.target_tokens()[row],
                   batch_.target_scale(batch_.target_records()[row]), drawn[static_cast<size_t>(i)]);
      }
    });
  });
}

// Whatever is not finite in a gradient on the way has reached the embedding's.
void KfacObserver::require_finite(const at::Tensor& embedding_gradient) const {
  if (std::isfinite(embedding_gradient.sum().item<double>())) return;
  for (int64_t b = 0; b < batch_.records(); ++b) {
    const double sum = embedding_gradient.narrow(0, batch_.offset(b), batch_.length(b)).sum().item<double>();
    if (!std::isfinite(sum)) refuse(LETHE_NOT_FINITE, "record ", b, " of the batch: its gradient is not finite");
  }
  refuse(LETHE_NOT_FINITE, "the gradients of the batch overflow");
}

void KfacObserver::norm(int64_t site, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor& values = kfac_.block_of_site(site)->values;
  values[0].add_(weight.square().sum(0));
  if (values.size(0) > 1) values[1].add_(bias.square().sum(0));
}

// A tile of eigenvalues stays in the cache while all records' products pass over it.
void add_squares(bool on_device, const at::Tensor& u, const at::Tensor& x, const std::vector<RowRange>& ranges,
                 const at::Tensor& values) {
  if (on_device) {
    const at::Tensor square = at::empty_like(values);
    for (const RowRange& range : ranges) {
      if (range.begin == range.end) continue;
      const int64_t length = range.end - range.begin;
      gemm(u.narrow(0, range.begin, length).t(), x.narrow(0, range.begin, length), square);
      values.addcmul_(square, square);
    }
    return;
  }
  const int64_t rows = values.size(0), columns = values.size(1);
  const int64_t row_bytes = columns * static_cast<int64_t>(values.element_size());
  const int64_t tile = std::min(rows, std::max(kLeastTileRows, kTileBytes / row_bytes));
  dynamic_for((rows + tile - 1) / tile, [&] {
    const at::Tensor room = at::empty({tile, columns}, values.options());
    return [&, room](int64_t index) {
      const c10::InferenceMode inference;  // thread-local, and this may be another thread
      const int64_t begin = index * tile, count = std::min(tile, rows - begin);
      const at::Tensor square = room.narrow(0, 0, count), into = values.narrow(0, begin, count);
      for (const RowRange& range : ranges) {
        if (range.begin == range.end) continue;
        const int64_t length = range.end - range.begin;
        gemm(u.narrow(0, range.begin, length).narrow(1, begin, count).t(), x.narrow(0, range.begin, length), square);
        with_element(values.scalar_type(), [&](auto zero) {
          using T = decltype(zero);
          const T* from = square.const_data_ptr<T>();
          T* to = data<T>(into);
          for (int64_t i = 0; i < count * columns; ++i) to[i] += from[i] * from[i];
        });
      }
    };
  });
}

std::unique_ptr<KfacObserver> kfac_begin(Kfac& kfac, const Batch& batch, Rounding rounding) {
  if (kfac.stage == KfacStage::kKronecker) {  // the second pass begins
    kfac.stage = KfacStage::kCorrected;
    kfac.records = 0;
    for (KfacBlock& block : kfac.blocks) block.values.zero_();
  }
  kfac.broken = true;  // until the batch is in
  return kfac.stage == KfacStage::kCovariance ? make_covariance_pass(kfac, batch, rounding)
                                              : make_correction_pass(kfac, batch, rounding);
}

void kfac_end(Kfac& kfac, const Batch& batch, KfacObserver& observer) {
  observer.finish();
  kfac.records += batch.records();
  if (kfac.stage == KfacStage::kCovariance) {
    kfac.tokens += batch.rows();
    kfac.targets += batch.target_count();
  }
  kfac.broken = false;
}

void kfac_accumulate(Kfac& kfac, Model& model, const Batch& given, double* losses, const Cancel& cancel) {
  const std::vector<double> weights = fisher_weights(kfac, given);
  const Batch batch = weighted(kfac, given, weights);
  const auto observer = kfac_begin(kfac, batch, model.rounding);
  std::vector<double> row_losses(static_cast<size_t>(batch.target_count()));
  if (kfac.path != nullptr) {
    model.path->observe(model, batch, {observer.get()}, row_losses.data(), cancel);
    record_losses(batch, row_losses.data(), losses);
    return kfac_end(kfac, batch, *observer);
  }
  const at::Tensor hidden = forward(model, batch, Keep::kForBackward, cancel);
  const HeadGradient head{
      .accumulate = true, .observers = {observer.get()}, .scores = {.loss = row_losses.data()}, .weights = false};
  head_gradient(model, batch, hidden, head, cancel);
  record_losses(batch, row_losses.data(), losses);
  backward(model, batch, {.accumulate = true, .observers = {observer.get()}, .weights = false}, cancel);
  kfac_end(kfac, batch, *observer);
}

}  // namespace lethe
