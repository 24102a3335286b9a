// Inner products of captured gradients, with vectors, with queries and with each other, against dense dot products: both
// forms of every site, tied cross terms included, whatever the scratch memory; no entries and one entry too.
#include "captured.h"
#include "entries.h"

using namespace test;

namespace {

std::vector<std::vector<double>> dense_gradients(lethe_model* model, const Captured& captured, const uint8_t* sites) {
  std::vector<std::vector<double>> gradients;
  for (size_t i = 0; i < captured.data.size(); ++i)
    gradients.push_back(accumulated(model, captured.view(i, 1), {1}, sites));
  return gradients;
}

void dots(lethe_model* model, const Captured& captured, double tolerance) {
  const VectorHandle vector = make_vector(model);
  const auto sites = static_cast<size_t>(layout_of(model).sites);
  Random random(31);
  std::vector<double> values(static_cast<size_t>(layout_of(model).flat_size));
  for (const lethe_tensor_info& tensor : tensors_of(model))
    for (int64_t i = 0; i < tensor.rows * tensor.columns; ++i)
      values[static_cast<size_t>(tensor.offset + i)] = random.uniform();
  const auto count = static_cast<int64_t>(values.size());
  CHECK_OK(lethe_vector_write(vector.get(), 0, count, LETHE_F64, values.data(), count * 8, err));
  values = read(model, vector.get());
  std::vector<double> out(captured.data.size() * sites, -1);
  const lethe_entries entries = captured.view();
  const VectorHandle zero = make_vector(model);
  const lethe_vector* vectors[] = {vector.get(), zero.get(), vector.get()};
  CHECK_OK(lethe_entries_dot(model, &entries, nullptr, vectors, 1, out.data(), nullptr, err));
  std::vector<double> three(3 * out.size(), -1);
  CHECK_OK(lethe_entries_dot(model, &entries, nullptr, vectors, 3, three.data(), nullptr, err));
  for (size_t i = 0; i < out.size(); ++i)
    CHECK(three[i] == out[i] && three[out.size() + i] == 0 && three[2 * out.size() + i] == out[i]);
  for (size_t s = 0; s < sites; ++s) {
    const auto gradients = dense_gradients(model, captured, only_site(model, s).data());
    for (size_t i = 0; i < gradients.size(); ++i)
      CHECK_CLOSE(out[i * sites + s], product(gradients[i], values), tolerance * (1e-3 + norm(gradients[i]) * norm(values)));
  }
  std::vector<double> one(captured.data.size() * sites, -1);
  CHECK_OK(lethe_entries_dot(model, &entries, only_site(model, 3).data(), vectors, 1, one.data(), nullptr, err));
  for (size_t i = 0; i < captured.data.size(); ++i)
    for (size_t s = 0; s < sites; ++s) CHECK(one[i * sites + s] == (s == 3 ? out[i * sites + s] : 0));
}

// A vector with these values.
VectorHandle vector_of(lethe_model* model, const std::vector<double>& values) {
  VectorHandle vector = make_vector(model);
  const auto count = static_cast<int64_t>(values.size());
  CHECK_OK(lethe_vector_write(vector.get(), 0, count, LETHE_F64, values.data(), count * 8, err));
  return vector;
}

// Factored queries give what their dense gradients give as vectors, site by site; an entry's own norm is its query's.
void crossings(lethe_model* model, const Captured& captured, const Captured& queries, const std::vector<uint8_t>& mask,
               double tolerance) {
  const size_t n = captured.data.size(), q = queries.data.size(), sites = all_sites(model).size();
  const lethe_entries entries = captured.view(), asked = queries.view();
  std::vector<VectorHandle> handles;
  std::vector<const lethe_vector*> vectors;
  for (const auto& gradient : dense_gradients(model, queries, nullptr)) {
    handles.push_back(vector_of(model, gradient));
    vectors.push_back(handles.back().get());
  }
  std::vector<double> expected(q * n * sites, -1), out(q * n * sites, -1), norms(n * sites, -1);
  CHECK_OK(lethe_entries_dot(model, &entries, mask.data(), vectors.data(), static_cast<int64_t>(q), expected.data(), nullptr, err));
  CHECK_OK(lethe_entries_cross(model, &entries, &asked, mask.data(), out.data(), nullptr, err));
  double scale = 1e-6;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < out.size(); ++i) CHECK_CLOSE(out[i], expected[i], tolerance * scale);
  std::vector<double> again(out.size(), -1);
  CHECK_OK(lethe_entries_cross(model, &entries, &asked, mask.data(), again.data(), nullptr, err));
  CHECK(out == again);
  CHECK_OK(lethe_entries_cross(model, &entries, nullptr, mask.data(), norms.data(), nullptr, err));
  const auto own = dense_gradients(model, captured, mask.data());
  for (size_t i = 0; i < n; ++i) {
    std::vector<double> row(sites, -1);
    const VectorHandle self = vector_of(model, own[i]);
    const lethe_vector* raw = self.get();
    const lethe_entries one = captured.view(i, 1);
    CHECK_OK(lethe_entries_dot(model, &one, mask.data(), &raw, 1, row.data(), nullptr, err));
    for (size_t s = 0; s < sites; ++s)
      CHECK_CLOSE(norms[i * sites + s], row[s], tolerance * (1e-6 + product(own[i], own[i])));
  }
}

void grams(lethe_model* model, const Captured& captured, const std::vector<uint8_t>& mask, double tolerance) {
  const auto gradients = dense_gradients(model, captured, mask.data());
  const size_t n = gradients.size();
  std::vector<double> expected(n * n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j <= i; ++j) expected[i * n + j] = expected[j * n + i] = product(gradients[i], gradients[j]);
  const lethe::EntrySet set(*model, captured.view(), mask.data());
  const c10::InferenceMode inference;
  for (const auto form : {lethe::GramForm::kFactored, lethe::GramForm::kDense, lethe::GramForm::kCheapest}) {
    for (const int64_t scratch : {20000, 1 << 26}) {
      std::vector<double> out(n * n, -1);
      lethe::gram(set, scratch, form, out.data(), lethe::Cancel());
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j)
          CHECK_CLOSE(out[i * n + j], expected[i * n + j],
                      tolerance * (1e-6 + std::sqrt(expected[i * n + i] * expected[j * n + j])));
      std::vector<double> again(n * n, -1);
      lethe::gram(set, scratch, form, again.data(), lethe::Cancel());
      CHECK(out == again);
    }
  }
}

void products(int32_t dtype, bool tied, int64_t top_k, int32_t stored, double tolerance) {
  const ModelHandle model = random_model(wide_config(dtype, tied), 4);
  const Ragged batch = random_batch({70, 1, 33, 20, 2, 64, 5, 5, 40}, 1100, 8, 4);
  const Captured captured = capture(model.get(), batch, all_sites(model.get()), top_k, stored);
  dots(model.get(), captured, tolerance);
  grams(model.get(), captured, all_sites(model.get()), tolerance);
  const size_t head = all_sites(model.get()).size() - 1;
  for (const size_t site : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, head})
    grams(model.get(), captured, only_site(model.get(), site), tolerance);
}

// Entries of every kind with exact queries in the model's own type, and truncated ones with themselves.
void queried(int32_t dtype, bool tied, int64_t top_k, int32_t stored, int32_t rank, double tolerance) {
  const ModelHandle model = random_model(wide_config(dtype, tied), 4);
  const Captured captured =
      capture(model.get(), random_batch({70, 1, 33, 20, 2, 64, 5}, 1100, 8, 4), all_sites(model.get()), top_k, stored, rank);
  const Captured queries = capture(model.get(), random_batch({9, 41, 3}, 1100, 9), all_sites(model.get()), 0, dtype);
  crossings(model.get(), captured, queries, all_sites(model.get()), tolerance);
  crossings(model.get(), captured, captured, all_sites(model.get()), tolerance);
  const size_t head = all_sites(model.get()).size() - 1;
  for (const size_t site : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, head})
    crossings(model.get(), captured, queries, only_site(model.get(), site), tolerance);
  if (rank > 0) {
    dots(model.get(), captured, tolerance);
    grams(model.get(), captured, all_sites(model.get()), tolerance);
  }
  if (!tied) return;
  const Captured half = capture(model.get(), random_batch({4}, 1100, 9), only_site(model.get(), 0), 0, dtype);
  const lethe_entries entries = captured.view(), asked = half.view();
  double out[64];
  CHECK_REFUSED(lethe_entries_cross(model.get(), &entries, &asked, only_site(model.get(), 0).data(), out, nullptr, err),
                LETHE_INVALID_ARGUMENT, "the queries do not hold site lm_head");
}

void none_and_one() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 3);
  const Ragged batch = random_batch({5}, 23, 5);
  const Captured captured = capture(model.get(), batch, all_sites(model.get()), 4, LETHE_F64);
  lethe_entries entries = captured.view();
  double out = -1;
  CHECK_OK(lethe_entries_gram(model.get(), &entries, nullptr, 1 << 20, &out, nullptr, err));
  const std::vector<double> gradient = accumulated(model.get(), captured.view(), {1}, nullptr);
  CHECK_CLOSE(out, product(gradient, gradient), 1e-9 * out);
  entries.count = 0;
  CHECK_OK(lethe_entries_gram(model.get(), &entries, nullptr, 1 << 20, nullptr, nullptr, err));
  const VectorHandle vector = make_vector(model.get());
  const lethe_vector* raw = vector.get();
  CHECK_OK(lethe_entries_dot(model.get(), &entries, nullptr, &raw, 1, nullptr, nullptr, err));
  CHECK_OK(lethe_entries_cross(model.get(), &entries, nullptr, nullptr, nullptr, nullptr, err));
  entries.count = 1;
  CHECK_REFUSED(lethe_entries_gram(model.get(), &entries, nullptr, -1, &out, nullptr, err), LETHE_INVALID_ARGUMENT,
                "scratch_bytes is -1");
  const int32_t cancel = 1;
  CHECK_REFUSED(lethe_entries_gram(model.get(), &entries, nullptr, 1 << 20, &out, &cancel, err), LETHE_CANCELLED, "");
}

void eigen() {
  // Q diag(1, 2, 4) Q^T with a rotation about an axis.
  const double c = 0.6, s = 0.8;
  double matrix[9] = {c * c + 2 * s * s, c * s - 2 * c * s, 0, c * s - 2 * c * s, s * s + 2 * c * c, 0, 0, 0, 4};
  double values[3];
  CHECK_OK(lethe_symmetric_eigen(3, matrix, values, err));
  CHECK_CLOSE(values[0], 1.0, 1e-12);
  CHECK_CLOSE(values[2], 4.0, 1e-12);
  CHECK_CLOSE(std::abs(matrix[0] * c + matrix[1] * s), 1.0, 1e-12);
  CHECK_CLOSE(std::abs(matrix[8]), 1.0, 1e-12);
  CHECK_OK(lethe_symmetric_eigen(0, nullptr, nullptr, err));
  matrix[4] = NAN;
  CHECK_REFUSED(lethe_symmetric_eigen(3, matrix, values, err), LETHE_NOT_FINITE, "matrix[1, 1]");
}

}  // namespace

int main() {
  CHECK_OK(lethe_set_threads(1, err));  // small loops: a second thread would only be waited for
  for (const bool tied : {true, false}) {
    for (const int64_t top_k : {0, 30}) {
      products(LETHE_F64, tied, top_k, LETHE_F64, 1e-9);
      products(LETHE_F32, tied, top_k, LETHE_F32, 1e-4);
      if (tied) products(LETHE_F32, tied, top_k, LETHE_BF16, 1e-4);
    }
  }
  for (const bool tied : {true, false}) {
    for (const int64_t top_k : {0, 30}) {
      queried(LETHE_F64, tied, top_k, LETHE_F64, 0, 1e-9);
      queried(LETHE_F32, tied, top_k, LETHE_BF16, 0, 1e-4);
    }
  }
  queried(LETHE_F64, true, 30, LETHE_F64, 4, 1e-9);
  queried(LETHE_F32, true, 0, LETHE_F32, 8, 1e-4);
  none_and_one();
  eigen();
  CHECK_OK(lethe_set_threads(2, err));
  queried(LETHE_F32, true, 30, LETHE_F32, 4, 1e-4);
  products(LETHE_F32, true, 30, LETHE_F32, 1e-4);
  products(LETHE_F32, true, 0, LETHE_F32, 1e-4);
  CHECK(lethe_live_handles() == 0);
  return finish();
}
