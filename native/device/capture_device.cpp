// Launches of the capture's kernels.
#include "capture_device.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>

#include <algorithm>

#include "ops.h"
#include "products.h"

namespace lethe::device {
namespace {

constexpr unsigned char kNothingBad = 0xFF;

kernels::Element stored_element(int32_t dtype) {
  return dtype == LETHE_F64 ? kernels::Element::kF64
                            : dtype == LETHE_BF16 ? kernels::Element::kBF16 : kernels::Element::kF32;
}

}  // namespace

DeviceCapture::DeviceCapture(State& state, const Model& model, const EntriesOut& out, StagingArea& area)
    : state_(state), layout_(model.layout), out_(out), area_(area) {
  const StreamHandle stream = state.runtime.work();
  area.copied.hold(stream);
  const auto bytes = at::TensorOptions().dtype(at::kByte).device(model.device);
  block_ = static_cast<char*>(area.block.get(bytes, out.bytes).mutable_data_ptr());
  report_ = static_cast<char*>(area.report.get(bytes, out.report_bytes()).mutable_data_ptr());
  area.block_data = block_;
  area.report_data = report_;
  fill(report_, kNothingBad, 8, stream);
  fill(report_ + 8, 0, static_cast<size_t>(out.report_bytes() - 8), stream);
  upload_places();
}

void DeviceCapture::upload_places() {
  const int64_t arrays = 1 + 3 * layout_.site_count(), records = out_.records();
  const auto bytes = static_cast<size_t>(arrays * records) * sizeof(int64_t);
  // The pinned block may still be on its way for the last capture; the area's event is behind that copy.
  area_.copied.wait();
  if (area_.host_places.bytes() < bytes) area_.host_places = Pinned(bytes);
  auto* host = reinterpret_cast<int64_t*>(area_.host_places.data());
  for (int64_t b = 0; b < records; ++b) {
    const auto at = static_cast<size_t>(b);
    host[b] = out_.begins[at] + out_.places[at].embedding_at;
    for (int64_t s = 0; s < layout_.site_count(); ++s) {
      const EntryLayout::Arrays& site = out_.places[at].sites[static_cast<size_t>(s)];
      int64_t* row = host + (1 + 3 * s) * records + b;
      row[0] = out_.begins[at] + site.first;
      row[records] = out_.begins[at] + site.second;
      row[2 * records] = out_.begins[at] + site.index;
    }
  }
  const at::Tensor on_device = area_.places.get(at::TensorOptions().dtype(at::kLong).device(state_.runtime.device()),
                                                arrays * records);
  to_device(on_device.mutable_data_ptr(), host, bytes, state_.runtime.work());
  device_places_ = area_.places_data = on_device.const_data_ptr<int64_t>();
}

bool DeviceCapture::wants(int64_t site) const {
  const bool embedding = site == Layout::embedding_site() || site == layout_.positions();
  return embedding ? out_.format.holds_embedding() : out_.format.holds(site);
}

const int64_t* DeviceCapture::places(int64_t site, Array which) const {
  return device_places_ + (1 + 3 * site + which) * out_.records();
}

void DeviceCapture::scatter(int64_t site, const at::Tensor& x, int64_t columns, const int64_t* places, bool scaled,
                            Rows rows) {
  const kernels::CastScatter job{.x_type = element_of(x),
                                 .out_type = stored_element(out_.format.dtype()),
                                 .x = x.const_data_ptr(),
                                 .rows = x.size(0),
                                 .columns = columns,
                                 .stride = x.size(1),
                                 .places = places};
  const kernels::Staging staging{rows.record,
                                 rows.position,
                                 scaled ? state_.tables.inverse_weights : nullptr,
                                 block_,
                                 site,
                                 layout_.site_count(),
                                 reinterpret_cast<uint64_t*>(report_)};
  launched(kernels::cast_scatter(job, staging, stream_of(state_)), "cast_scatter");
}

void DeviceCapture::linear(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) {
  if (layout_.sites()[static_cast<size_t>(site)].adapts != Adapts::kNothing)
    return adapter(site, inputs, output_gradient);
  const Rows rows{state_.tables.row_records, state_.tables.positions};
  scatter(site, inputs, inputs.size(1), places(site, kFirst), false, rows);
  scatter(site, output_gradient, output_gradient.size(1), places(site, kSecond), true, rows);
}

// Record by record: a longer one's gradient itself as rows beside an identity matrix (entry.h). Its first rows' places
// in the tables serve as those of its gradient's rows, of which it has fewer.
void DeviceCapture::adapter(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) {
  for (int64_t b = 0; b < out_.records(); ++b) {
    const int64_t first = out_.offsets[static_cast<size_t>(b)], count = out_.offsets[static_cast<size_t>(b) + 1] - first;
    const Rows rows{state_.tables.row_records + first, state_.tables.positions + first};
    at::Tensor a = inputs.narrow(0, first, count), g = output_gradient.narrow(0, first, count);
    const bool dense = out_.format.dense(site, count), by_output = g.size(1) <= a.size(1);
    if (dense) {
      const at::Tensor sum = at::empty({std::min(a.size(1), g.size(1)), std::max(a.size(1), g.size(1))},
                                       a.options().dtype(state_.narrow ? at::kFloat : a.scalar_type()));
      by_output ? gradient_product(g.t(), a, false, sum, state_.work.wide_sum)
                : gradient_product(a.t(), g, false, sum, state_.work.wide_sum);
      const at::Tensor one = at::eye(sum.size(0), sum.options());
      a = by_output ? sum : one, g = by_output ? one : sum;
    }
    scatter(site, a, a.size(1), places(site, kFirst), dense && by_output, rows);
    scatter(site, g, g.size(1), places(site, kSecond), !dense || !by_output, rows);
  }
}

void DeviceCapture::norm(int64_t site, const at::Tensor& record_weight, const at::Tensor& record_bias) {
  const Rows rows{state_.tables.record_numbers, state_.tables.record_zeros};
  scatter(site, record_weight, record_weight.size(1), places(site, kFirst), true, rows);
  if (!layout_.has_bias(site)) return;
  scatter(site, record_bias, record_bias.size(1), places(site, kSecond), true, rows);
}

void DeviceCapture::embedding(const at::Tensor& /*x*/, const at::Tensor& gradient) {
  const int64_t site =
      out_.format.holds(Layout::embedding_site()) ? Layout::embedding_site() : layout_.positions();
  scatter(site, gradient, gradient.size(1), device_places_, true, {state_.tables.row_records, state_.tables.positions});
}

void DeviceCapture::head(int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden) {
  const int64_t site = layout_.head_site(), vocabulary = layout_.shape().vocabulary;
  const Rows rows{state_.tables.target_records + first_row, state_.tables.target_positions + first_row};
  scatter(site, hidden, hidden.size(1), places(site, kFirst), false, rows);
  if (out_.format.top_k() == 0) {
    scatter(site, errors, vocabulary, places(site, kSecond), true, rows);
    return;
  }
  auto* totals = reinterpret_cast<double*>(report_ + 8) + first_row;
  const kernels::TopKScatter job{.x_type = element_of(errors),
                                 .out_type = stored_element(out_.format.dtype()),
                                 .errors = errors.const_data_ptr(),
                                 .targets = state_.tables.target_tokens + first_row,
                                 .rows = errors.size(0),
                                 .columns = vocabulary,
                                 .stride = errors.size(1),
                                 .k = out_.format.top_k(),
                                 .narrow = out_.format.narrow_indices(),
                                 .index_places = places(site, kIndex),
                                 .value_places = places(site, kSecond),
                                 .total = totals,
                                 .kept = totals + out_.targets()};
  const kernels::Staging staging{rows.record, rows.position, state_.tables.inverse_weights,          block_,
                                 site,        layout_.site_count(), reinterpret_cast<uint64_t*>(report_)};
  launched(kernels::top_k_scatter(job, staging, stream_of(state_)), "top_k_scatter");
}

}  // namespace lethe::device
