// Captured entries against the obvious reference, the gradient of a batch of one: every site, tied and untied, exact and
// top-k heads, all dtypes; weighted sums against the batch's gradient.
#include "capture.h"
#include "captured.h"
#include "entry.h"
#include "guard.h"
#include "model.h"

using namespace test;

namespace {

// Site by site the parts must lie where the record's gradient lies; a tied wte's two parts add up to it.
void each_site_alone(int32_t dtype, bool tied, double tolerance) {
  const ModelHandle model = random_model(tiny_config(dtype, tied), 3);
  const Ragged batch = random_batch({9, 1, 5, 4}, 23, 5, 2);
  const auto tensors = tensors_of(model.get());
  const size_t sites = all_sites(model.get()).size();
  std::vector<std::vector<double>> sums(batch.records());
  for (size_t b = 0; b < batch.records(); ++b) sums[b].resize(static_cast<size_t>(layout_of(model.get()).flat_size));
  for (size_t s = 0; s < sites; ++s) {
    const Captured captured = capture(model.get(), batch, only_site(model.get(), s), 0, dtype);
    for (size_t b = 0; b < batch.records(); ++b) {
      const std::vector<double> part = accumulated(model.get(), captured.view(b, 1), {1}, nullptr);
      for (const lethe_tensor_info& tensor : tensors) {
        const bool mine = tensor.site == static_cast<int32_t>(s) || (tied && s + 1 == sites && tensor.site == 0);
        for (auto i = static_cast<size_t>(tensor.offset); i < static_cast<size_t>(tensor.offset + tensor.rows * tensor.columns); ++i) {
          CHECK(mine || part[i] == 0);
          sums[b][i] += part[i];
        }
      }
    }
  }
  for (size_t b = 0; b < batch.records(); ++b) {
    const std::vector<double> reference = record_gradient(model.get(), batch, b);
    for (const lethe_tensor_info& tensor : tensors) {
      const auto begin = static_cast<size_t>(tensor.offset), end = begin + static_cast<size_t>(tensor.rows * tensor.columns);
      if (b != 2) CHECK_CLOSE(relative(sums[b], reference, begin, end), 0.0, tolerance);
    }
    if (b == 2) CHECK(norm(sums[b]) == 0 && norm(reference) == 0);
  }
}

void whole_model(int32_t dtype, bool tied, int64_t top_k, int32_t stored, double tolerance) {
  const ModelHandle model = random_model(wide_config(dtype, tied), 4);
  const Ragged batch = random_batch({70, 1, 33, 33, 2, 64}, 1100, 8, 4);
  const Captured captured = capture(model.get(), batch, all_sites(model.get()), top_k, stored);
  const std::vector<double> batch_gradient = read(model.get(), LETHE_GRADIENT);
  for (size_t b = 0; b < batch.records(); ++b) {
    const std::vector<double> reference = record_gradient(model.get(), batch, b);
    CHECK_CLOSE(distance(accumulated(model.get(), captured.view(b, 1), {1}, nullptr), reference, 1 + norm(reference)), 0.0,
                tolerance);
    auto info = sized<lethe_entry_info>();
    CHECK_OK(lethe_entry_describe(captured.data[b], captured.bytes[b], &info, err));
    CHECK(info.tokens == batch.offsets[b + 1] - batch.offsets[b] && info.head_top_k == top_k && info.dtype == stored);
    CHECK(info.dropped_share == 0);
    std::vector<int32_t> tokens(70), targets(70);
    CHECK_OK(lethe_entry_tokens(captured.data[b], captured.bytes[b], tokens.data(), targets.data(), 70, err));
    for (int64_t t = 0; t < info.tokens; ++t) {
      const auto at = static_cast<size_t>(t), row = static_cast<size_t>(batch.offsets[b] + t);
      CHECK(tokens[at] == batch.tokens[row] && targets[at] == batch.targets[row]);
    }
  }
  const std::vector<double> sum = accumulated(model.get(), captured.view(), batch.weights, nullptr);
  CHECK_CLOSE(distance(sum, batch_gradient, norm(batch_gradient)), 0.0, tolerance);
  const std::vector<double> again = accumulated(model.get(), captured.view(), batch.weights, nullptr);
  CHECK(sum == again);
}

// A top-k entry holds the exact entry's largest errors and the targets', and says what it dropped.
void small_top_k(int32_t dtype, int64_t k) {
  const ModelHandle handle = random_model(wide_config(dtype, true), 4);
  const lethe::Model& model = *handle;
  const Ragged batch = random_batch({20, 33}, 1100, 8);
  const Captured exact = capture(handle.get(), batch, all_sites(handle.get()), 0, LETHE_F64);
  const Captured sparse = capture(handle.get(), batch, all_sites(handle.get()), k, LETHE_F64);
  const lethe::EntryFormat exact_format(model.layout, true, exact.format), format(model.layout, true, sparse.format);
  const int64_t head = model.layout.head_site();
  for (size_t b = 0; b < 2; ++b) {
    const lethe::EntryView all(model.layout, exact_format, exact.data[b], exact.bytes[b], 0);
    const lethe::EntryView some(model.layout, format, sparse.data[b], sparse.bytes[b], 0);
    double total = 0, kept = 0;
    int64_t row = 0;
    for (int64_t t = 0; t < some.tokens(); ++t) {
      if (some.target_ids()[t] == LETHE_IGNORE_TARGET) continue;
      const double* errors = static_cast<const double*>(all.second(head)) + row * 1100;
      const double* values = static_cast<const double*>(some.second(head)) + row * k;
      const uint16_t* indices = static_cast<const uint16_t*>(some.index(head)) + row * k;
      ++row;
      std::vector<bool> chosen(1100);
      double least = 1e300, largest = 0;
      bool target = false;
      for (int64_t i = 0; i < k; ++i) {
        CHECK(values[i] == errors[indices[i]]);
        chosen[indices[i]] = true;
        kept += values[i] * values[i];
        target = target || indices[i] == some.target_ids()[t];
        if (indices[i] != some.target_ids()[t]) least = std::min(least, std::abs(values[i]));
      }
      for (size_t v = 0; v < 1100; ++v) {
        total += errors[v] * errors[v];
        if (!chosen[v]) largest = std::max(largest, std::abs(errors[v]));
      }
      CHECK(target && least >= largest);
    }
    auto info = sized<lethe_entry_info>();
    CHECK_OK(lethe_entry_describe(sparse.data[b], sparse.bytes[b], &info, err));
    CHECK_CLOSE(info.dropped_share, (total - kept) / total, 1e-9);
    CHECK(info.dropped_share > 0 && info.dropped_share < 1);
  }
}

void refusals() {
  const ModelHandle model = random_model(tiny_config(LETHE_F32, true), 3);
  const Ragged batch = random_batch({5, 4}, 23, 5);
  Captured captured = capture(model.get(), batch, only_site(model.get(), 3), 0, LETHE_F32);
  const VectorHandle vector = make_vector(model.get());
  const std::vector<double> ones{1, 1};
  lethe_entries entries = captured.view();
  const auto accumulate = [&](const uint8_t* sites, lethe_error* err) {
    return lethe_entries_accumulate(model.get(), &entries, ones.data(), sites, vector.get(), nullptr, err);
  };
  CHECK_REFUSED(accumulate(only_site(model.get(), 0).data(), err), LETHE_INVALID_ARGUMENT, "do not hold site wte");
  captured.format.head_top_k = 24;
  CHECK_REFUSED(accumulate(nullptr, err), LETHE_INVALID_ARGUMENT, "head_top_k is 24");
  captured.format.head_top_k = 5;
  CHECK_REFUSED(accumulate(nullptr, err), LETHE_INVALID_ARGUMENT, "entry 0 has head top-k 0, the format says 5");
  captured.format.head_top_k = 0;
  captured.format.dtype = LETHE_F64;
  CHECK_REFUSED(accumulate(nullptr, err), LETHE_INVALID_ARGUMENT, "format.dtype is 1");
  captured.format.dtype = LETHE_F32;
  captured.mask[5] = 1;
  CHECK_REFUSED(accumulate(nullptr, err), LETHE_INVALID_ARGUMENT, "another selection of sites");
  captured.mask[5] = 0;
  const int32_t cancel = 1;
  CHECK_REFUSED(lethe_entries_accumulate(model.get(), &entries, ones.data(), nullptr, vector.get(), &cancel, err),
                LETHE_CANCELLED, "cancelled");
  entries.count = 0;
  CHECK_OK(lethe_entries_accumulate(model.get(), &entries, nullptr, nullptr, vector.get(), nullptr, err));

  // Short, misaligned and missing destinations, and a factor that is not finite.
  int64_t capacity = captured.bytes[0] - 64;
  void* destination = captured.blocks[0].get();
  auto order = sized<lethe_capture>();
  order.format = &captured.format;
  order.destinations = &destination;
  order.capacities = &capacity;
  Ragged one;
  one.add(batch, 0);
  const lethe_batch view = one.view();
  double loss = 0;
  const auto run = [&](lethe_error* err) {
    return lethe_model_gradient(model.get(), &view, 0, &order, &loss, nullptr, nullptr, err);
  };
  CHECK_REFUSED(run(err), LETHE_INVALID_ARGUMENT, "capture.capacities[0]");
  capacity += 64;
  destination = static_cast<char*>(destination) + 4;
  CHECK_REFUSED(run(err), LETHE_INVALID_ARGUMENT, "not 64-byte aligned");
  destination = nullptr;
  CHECK_REFUSED(run(err), LETHE_INVALID_ARGUMENT, "capture.destinations[0] is NULL");
}

// The first bad record and its first bad site are named, and no header is written.
void not_finite() {
  const ModelHandle handle = random_model(tiny_config(LETHE_F32, true), 3);
  const Ragged ragged = random_batch({5, 4}, 23, 5);
  Captured captured = capture(handle.get(), ragged, all_sites(handle.get()), 4, LETHE_BF16);
  std::vector<void*> destinations{captured.blocks[0].get(), captured.blocks[1].get()};
  auto order = sized<lethe_capture>();
  order.format = &captured.format;
  order.destinations = destinations.data();
  order.capacities = captured.bytes.data();
  const lethe_batch view = ragged.view();
  const lethe::Batch batch(view, handle->shape(), lethe::Targets::kRequired);
  const auto observer = lethe::make_capture(*handle, batch, order);
  const auto zeros = [](int64_t rows, int64_t columns) {
    return lethe::flat_zeros(rows * columns, at::kFloat, at::kCPU).view({rows, columns});
  };
  const at::Tensor inputs = zeros(9, 8), gradient = zeros(9, 24), errors = zeros(batch.target_count(), 23);
  gradient.mutable_data_ptr<float>()[6 * 24 + 3] = INFINITY;
  errors.mutable_data_ptr<float>()[(batch.target_count() - 1) * 23] = NAN;
  observer->linear(3, inputs, gradient);
  observer->head(0, errors, zeros(batch.target_count(), 8));
  try {
    observer->finish();
    CHECK(false);
  } catch (const lethe::Refusal& refusal) {
    CHECK(refusal.status == LETHE_NOT_FINITE);
    CHECK(refusal.message.find("record 1 of the batch") == 0);
    CHECK(refusal.message.find("h.0.attn.c_attn") != std::string::npos);
  }
}

}  // namespace

int main() {
  CHECK_OK(lethe_set_threads(1, err));  // small loops: a second thread would only be waited for
  for (const bool tied : {true, false}) {
    each_site_alone(LETHE_F64, tied, 1e-9);
    each_site_alone(LETHE_F32, tied, 1e-4);
    for (const int64_t top_k : {0, 1100}) {
      whole_model(LETHE_F64, tied, top_k, LETHE_F64, 1e-9);
      whole_model(LETHE_F64, tied, top_k, LETHE_F32, 1e-6);
      whole_model(LETHE_F32, tied, top_k, LETHE_F32, 1e-4);
      whole_model(LETHE_F32, tied, top_k, LETHE_BF16, 1e-2);
    }
  }
  for (const int64_t k : {1, 2, 7, 300, 1099}) small_top_k(LETHE_F64, k);
  refusals();
  not_finite();
  CHECK_OK(lethe_set_threads(2, err));
  whole_model(LETHE_F32, true, 1100, LETHE_F32, 1e-4);
  whole_model(LETHE_F32, true, 0, LETHE_F32, 1e-4);
  CHECK(lethe_live_handles() == 0);
  return finish();
}
