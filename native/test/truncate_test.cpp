// Truncated entries: the rank-r factors of a record are as good as its dense gradient's SVD allows, the error they note
// is the error they have, records no longer than the rank keep every row, and what is not finite is refused by name.
#include <ATen/ATen.h>

#include "captured.h"
#include "model.h"

using namespace test;

namespace {

// [in + 1, out]: weight and, below it, bias of a site's dense gradient.
at::Tensor matrix(const lethe::Model& model, const std::vector<double>& gradient, int64_t site) {
  const auto& weight = model.layout.tensors()[static_cast<size_t>(model.layout.weight_of(site))];
  const auto& bias = model.layout.tensors()[static_cast<size_t>(model.layout.bias_of(site))];
  at::Tensor joined = at::empty({weight.rows + 1, weight.columns}, at::kDouble);
  const auto from = [&](int64_t offset, int64_t rows) {
    return at::from_blob(const_cast<double*>(gradient.data()) + offset, {rows, weight.columns}, at::kDouble);
  };
  joined.narrow(0, 0, weight.rows).copy_(from(weight.offset, weight.rows));
  joined.narrow(0, weight.rows, 1).copy_(from(bias.offset, 1));
  return joined;
}

double tail(const at::Tensor& singular, int64_t rank) {
  double sum = 0;
  for (int64_t i = rank; i < singular.size(0); ++i) sum += std::pow(singular[i].item<double>(), 2);
  return sum;
}

void error_is_the_singular_tail(int32_t dtype, int32_t rank, double tolerance) {
  const ModelHandle handle = random_model(wide_config(dtype, true), 4);
  const lethe::Model& model = *handle;
  const Ragged batch = random_batch({70, 3, 33, 12}, 1100, 8, 4);
  const Captured exact = capture(handle.get(), batch, all_sites(handle.get()), 30, dtype);
  const Captured few = capture(handle.get(), batch, all_sites(handle.get()), 30, dtype, rank);
  for (size_t b = 0; b < batch.records(); ++b) {
    const std::vector<double> whole = accumulated(handle.get(), exact.view(b, 1), {1}, nullptr);
    const std::vector<double> cut = accumulated(handle.get(), few.view(b, 1), {1}, nullptr);
    auto info = sized<lethe_entry_info>();
    CHECK_OK(lethe_entry_describe(few.data[b], few.bytes[b], &info, err));
    CHECK(info.rank == rank);
    double dropped = 0, total = 0, best = 0;
    for (int64_t s = 0; s < model.layout.site_count(); ++s) {
      if (model.layout.sites()[static_cast<size_t>(s)].kind != LETHE_SITE_LINEAR) continue;
      const at::Tensor a = matrix(model, whole, s), difference = a - matrix(model, cut, s);
      dropped += difference.square().sum().item<double>();
      total += a.square().sum().item<double>();
      best += tail(at::linalg_svdvals(a), rank);
    }
    if (batch.offsets[b + 1] - batch.offsets[b] <= rank) {
      CHECK(whole == cut && info.truncated_share == 0);
      continue;
    }
    CHECK(few.bytes[b] < exact.bytes[b]);
    CHECK(total > 0 && (best > 0) == (rank < 40));  // sites here have at most 40 + 1 rows
    CHECK_CLOSE(dropped / total, best / total, tolerance);
    CHECK_CLOSE(info.truncated_share, best / total, tolerance);
  }
}

void refusals() {
  const ModelHandle model = random_model(tiny_config(LETHE_F32, true), 3);
  const Ragged batch = random_batch({6}, 23, 5);
  Captured captured = capture(model.get(), batch, all_sites(model.get()), 0, LETHE_F32, 2);
  lethe_entries entries = captured.view();
  captured.format.rank = 3;
  const std::vector<double> one{1};
  const VectorHandle vector = make_vector(model.get());
  CHECK_REFUSED(lethe_entries_accumulate(model.get(), &entries, one.data(), nullptr, vector.get(), nullptr, err),
                LETHE_INVALID_ARGUMENT, "entry 0 has rank 2, the format says 3");
  captured.format.rank = -1;
  int64_t bytes = 0;
  CHECK_REFUSED(lethe_entry_bytes(model.get(), &captured.format, 4, 4, &bytes, err), LETHE_INVALID_ARGUMENT,
                "format.rank is -1, allowed 0 (a row a token) or more");
}

}  // namespace

int main() {
  CHECK_OK(lethe_set_threads(1, err));
  error_is_the_singular_tail(LETHE_F64, 4, 1e-10);
  error_is_the_singular_tail(LETHE_F32, 8, 1e-4);
  error_is_the_singular_tail(LETHE_F64, 45, 1e-10);  // more rows than the narrowest site has inputs
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
