// The observer that writes ledger entries during the backward pass: one pass over each tensor, scaled from the batch's
// loss to the record's own, straight into the caller's memory. Rows are handled in parallel and each exactly once.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "capture.h"
#include "entry.h"
#include "guard.h"
#include "model.h"
#include "stored.h"
#include "topk.h"
#include "truncate.h"

namespace lethe {
namespace {

constexpr int64_t kGrainElements = 16384;  // a thread's least share of a copy

int64_t grain(int64_t columns) { return std::max<int64_t>(1, kGrainElements / columns); }

template <class Real, class Stored>
class EntryCapture final : public GradientObserver {
 public:
  EntryCapture(const Model& model, const Batch& batch, const lethe_capture& capture, const EntryFormat& format);

  bool wants(int64_t site) const override;
  void linear(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) override;
  void norm(int64_t site, const at::Tensor& weight, const at::Tensor& bias) override;
  void embedding(const at::Tensor& x, const at::Tensor& gradient) override;
  void head(int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden) override;
  void finish() override;

 private:
  const EntryLayout& places(int64_t record) const { return places_[static_cast<size_t>(record)]; }
  Stored* at(int64_t record, int64_t offset) const { return reinterpret_cast<Stored*>(data_[record] + offset); }
  Real scale(int64_t record) const { return static_cast<Real>(1.0 / batch_.weight(record)); }
  const EntryLayout::Arrays& arrays(int64_t record, int64_t site) const {
    return places(record).sites[static_cast<size_t>(site)];
  }
  void report(int64_t record, int64_t site);
  template <class Place>
  void copy_rows(int64_t site, const at::Tensor& rows, bool scaled, Place&& place);
  void copy_few(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient);
  bool copy_dense(int64_t site, int64_t record, const at::Tensor& inputs, const at::Tensor& output_gradient);
  template <class Index>
  void copy_top_k(int64_t first_row, const at::Tensor& errors);
  double dropped_share(int64_t record) const;

  const Model& model_;
  const Batch& batch_;
  const EntryFormat format_;
  std::vector<char*> data_;           // [B]
  std::vector<EntryLayout> places_;   // [B]
  std::vector<int64_t> row_records_;  // [sum T]
  std::vector<double> dropped_, total_;  // [targets] squares of E's rows
  std::vector<double> truncated_, linear_total_;  // [B] squares of the linear sites' gradients: dropped by rank, all
  // The first record, and its first site, with a factor that is not finite; as record * S + site.
  std::atomic<int64_t> first_bad_{std::numeric_limits<int64_t>::max()};
};

template <class Real, class Stored>
EntryCapture<Real, Stored>::EntryCapture(const Model& model, const Batch& batch, const lethe_capture& capture,
                                         const EntryFormat& format)
    : model_(model), batch_(batch), format_(format) {
  require_pointer(capture.destinations, "capture.destinations");
  require_pointer(capture.capacities, "capture.capacities");
  for (int64_t b = 0; b < batch.records(); ++b) {
    places_.emplace_back(model.layout, format_, batch.length(b), batch.target_count(b));
    auto* destination = static_cast<char*>(capture.destinations[b]);
    require(destination != nullptr, "capture.destinations[", b, "] is NULL");
    require(reinterpret_cast<uintptr_t>(destination) % kEntryAlignment == 0, "capture.destinations[", b,
            "] is not 64-byte aligned");
    require(capture.capacities[b] >= places(b).total, "capture.capacities[", b, "] is ", capture.capacities[b],
            ", the entry takes ", places(b).total, " bytes");
    data_.push_back(destination);
    row_records_.insert(row_records_.end(), static_cast<size_t>(batch.length(b)), b);
  }
  dropped_.resize(static_cast<size_t>(batch.target_count()));
  total_.resize(static_cast<size_t>(batch.target_count()));
  truncated_.resize(static_cast<size_t>(batch.records()));
  linear_total_.resize(static_cast<size_t>(batch.records()));
}

template <class Real, class Stored>
bool EntryCapture<Real, Stored>::wants(int64_t site) const {
  // The two embeddings share one array: asking for either site asks for it.
  const bool embedding = site == Layout::embedding_site() || site == model_.layout.positions();
  return embedding ? format_.holds_embedding() : format_.holds(site);
}

template <class Real, class Stored>
void EntryCapture<Real, Stored>::report(int64_t record, int64_t site) {
  const int64_t mine = record * model_.layout.site_count() + site;
  int64_t seen = first_bad_.load(std::memory_order_relaxed);
  while (mine < seen && !first_bad_.compare_exchange_weak(seen, mine, std::memory_order_relaxed)) {
  }
}

// Row t of record b goes to place(b) + t * columns; a record without a place is passed over.
template <class Real, class Stored>
template <class Place>
void EntryCapture<Real, Stored>::copy_rows(int64_t site, const at::Tensor& rows, bool scaled, Place&& place) {
  const Real* from = rows.const_data_ptr<Real>();
  const int64_t columns = rows.size(1);
  at::parallel_for(0, rows.size(0), grain(columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t b = row_records_[static_cast<size_t>(row)];
      Stored* begin_of_record = place(b);
      if (begin_of_record == nullptr) continue;
      const Real factor = scaled ? scale(b) : Real{1};
      Stored* to = begin_of_record + (row - batch_.offset(b)) * columns;
      if (!store_row(from + row * columns, columns, factor, to)) [[unlikely]] report(b, site);
    }
  });
}

template <class Real, class Stored>
void EntryCapture<Real, Stored>::linear(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) {
  const auto whole = [&](int64_t b, int64_t place) {
    return format_.linear_rows(site, batch_.length(b)) < batch_.length(b) ? nullptr : at(b, place);
  };
  copy_rows(site, inputs, false, [&](int64_t b) { return whole(b, arrays(b, site).first); });
  copy_rows(site, output_gradient, true, [&](int64_t b) { return whole(b, arrays(b, site).second); });
  copy_few(site, inputs, output_gradient);
}

// Records whose entry has fewer rows than they have tokens, each by one thread.
template <class Real, class Stored>
void EntryCapture<Real, Stored>::copy_few(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) {
  at::parallel_for(0, batch_.records(), 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode inference;  // thread-local, and this may be another thread
    for (int64_t b = begin; b < end; ++b) {
      const bool dense = format_.dense(site, batch_.length(b));
      if (!dense && !format_.truncates(site, batch_.length(b))) continue;
      const at::Tensor a = inputs.narrow(0, batch_.offset(b), batch_.length(b));
      const at::Tensor g = at::mul(output_gradient.narrow(0, batch_.offset(b), batch_.length(b)), static_cast<double>(scale(b)));
      if (!std::isfinite(a.sum().item<double>()) || !std::isfinite(g.sum().item<double>())) {
        report(b, site);
        continue;
      }
      if (dense) {
        if (!copy_dense(site, b, a, g)) report(b, site);
        continue;
      }
      const bool bias = model_.layout.has_bias(site);
      const TruncatedFactors few = truncate(a, g, format_.rank(), bias);
      const auto put = [&](const at::Tensor& values, int64_t place) {
        return store_row(values.const_data_ptr<Real>(), values.numel(), Real{1}, at(b, place));
      };
      const bool finite = put(few.inputs, arrays(b, site).first) & put(few.gradients, arrays(b, site).second) &
                          (!bias || put(few.shares, arrays(b, site).index));
      if (!finite) [[unlikely]] report(b, site);
      truncated_[static_cast<size_t>(b)] += few.dropped;
      linear_total_[static_cast<size_t>(b)] += few.total;
    }
  });
}

// The gradient as rows, and the identity that makes factors of them; false when a number is not finite in the stored type.
template <class Real, class Stored>
bool EntryCapture<Real, Stored>::copy_dense(int64_t site, int64_t b, const at::Tensor& a, const at::Tensor& g) {
  const bool by_output = g.size(1) <= a.size(1);
  const at::Tensor rows = by_output ? at::mm(g.t(), a) : at::mm(a.t(), g), one = at::eye(rows.size(0), rows.options());
  const auto put = [&](const at::Tensor& values, int64_t place) {
    return store_row(values.const_data_ptr<Real>(), values.numel(), Real{1}, at(b, place));
  };
  if (format_.rank() > 0) linear_total_[static_cast<size_t>(b)] += rows.square().sum().template item<double>();
  return put(by_output ? rows : one, arrays(b, site).first) & put(by_output ? one : rows, arrays(b, site).second);
}

template <class Real, class Stored>
void EntryCapture<Real, Stored>::embedding(const at::Tensor& /*x*/, const at::Tensor& gradient) {
  const int64_t site = format_.holds(Layout::embedding_site()) ? Layout::embedding_site() : model_.layout.positions();
  copy_rows(site, gradient, true, [&](int64_t b) { return at(b, places(b).embedding_at); });
}

template <class Real, class Stored>
void EntryCapture<Real, Stored>::norm(int64_t site, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t columns = weight.size(1);
  for (int64_t b = 0; b < batch_.records(); ++b) {
    const auto put = [&](const at::Tensor& values, int64_t place) {
      return store_row(values.const_data_ptr<Real>() + b * columns, columns, scale(b), at(b, place));
    };
    bool finite = put(weight, arrays(b, site).first);
    if (model_.layout.has_bias(site)) finite &= put(bias, arrays(b, site).second);
    if (!finite) [[unlikely]] report(b, site);
  }
}

template <class Real, class Stored>
void EntryCapture<Real, Stored>::head(int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden) {
  const int64_t site = model_.layout.head_site();
  const at::Tensor &h = hidden, &e = errors;
  const int64_t channels = h.size(1), columns = e.size(1);
  const auto& records = batch_.target_records();
  at::parallel_for(0, h.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = records[static_cast<size_t>(first_row + i)];
      const int64_t row = first_row + i - batch_.target_offset(b);
      bool finite = store_row(h.const_data_ptr<Real>() + i * channels, channels, Real{1},
                              at(b, arrays(b, site).first) + row * channels);
      if (format_.top_k() == 0)
        finite &= store_row(e.const_data_ptr<Real>() + i * columns, columns, scale(b),
                            at(b, arrays(b, site).second) + row * columns);
      if (!finite) [[unlikely]] report(b, site);
    }
  });
  if (format_.top_k() > 0) with_index(format_, [&](auto index) { copy_top_k<typename decltype(index)::type>(first_row, e); });
}

template <class Real, class Stored>
template <class Index>
void EntryCapture<Real, Stored>::copy_top_k(int64_t first_row, const at::Tensor& errors) {
  const int64_t site = model_.layout.head_site(), columns = errors.size(1), k = format_.top_k();
  at::parallel_for(0, errors.size(0), 1, [&](int64_t begin, int64_t end) {
    TopK<Real> top;
    std::vector<Real> values(static_cast<size_t>(k));
    for (int64_t i = begin; i < end; ++i) {
      const auto target_row = static_cast<size_t>(first_row + i);
      const int64_t b = batch_.target_records()[target_row];
      const int64_t row = first_row + i - batch_.target_offset(b);
      const Real* e = errors.const_data_ptr<Real>() + i * columns;
      top.select(e, columns, k, batch_.target_tokens()[target_row]);
      total_[target_row] = top.total;
      dropped_[target_row] = std::max(0.0, top.total - top.kept);
      auto* indices = reinterpret_cast<Index*>(data_[b] + arrays(b, site).index) + row * k;
      for (int64_t j = 0; j < k; ++j) {
        const int32_t index = top.indices[static_cast<size_t>(j)];
        indices[j] = static_cast<Index>(index);
        values[static_cast<size_t>(j)] = e[index];
      }
      const bool finite = store_row(values.data(), k, scale(b), at(b, arrays(b, site).second) + row * k);
      if (!finite || !std::isfinite(top.total)) [[unlikely]] report(b, site);
    }
  });
}

template <class Real, class Stored>
double EntryCapture<Real, Stored>::dropped_share(int64_t record) const {
  double dropped = 0, total = 0;
  for (int64_t row = batch_.target_offset(record); row < batch_.target_offset(record + 1); ++row) {
    dropped += dropped_[static_cast<size_t>(row)];
    total += total_[static_cast<size_t>(row)];
  }
  return total > 0 ? std::min(1.0, dropped / total) : 0;
}

template <class Real, class Stored>
void EntryCapture<Real, Stored>::finish() {
  const int64_t bad = first_bad_.load();
  if (bad != std::numeric_limits<int64_t>::max()) refuse_factor(model_.layout, bad);
  for (int64_t b = 0; b < batch_.records(); ++b) {
    const auto at = static_cast<size_t>(b);
    const double lost = linear_total_[at] > 0 ? std::min(1.0, truncated_[at] / linear_total_[at]) : 0;
    const EntryFacts facts{batch_.tokens() + batch_.offset(b), batch_.targets() + batch_.offset(b), dropped_share(b), lost};
    finish_entry(model_.layout, format_, places(b), facts, data_[at]);
  }
}

}  // namespace

std::unique_ptr<GradientObserver> make_capture(const Model& model, const Batch& batch, const lethe_capture& capture) {
  checked(&capture, "capture");
  const bool double_model = model.dtype == at::kDouble;
  const EntryFormat format(model.layout, double_model, checked(capture.format, "capture.format"));
  return with_stored(double_model, format.dtype(), [&](auto real, auto stored) -> std::unique_ptr<GradientObserver> {
    using Capture = EntryCapture<typename decltype(real)::type, typename decltype(stored)::type>;
    return std::make_unique<Capture>(model, batch, capture, format);
  });
}

}  // namespace lethe
