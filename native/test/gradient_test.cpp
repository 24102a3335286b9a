// The hand-derived gradient against central finite differences in fp64, every parameter, tied and untied head, ragged
// records down to one token, ignored targets, a record without targets; and the activation-gradient products of the
// sites whose products follow from the parameters' gradients.
#include "check.h"

using namespace test;

namespace {

double batch_loss(lethe_model* model, const Ragged& batch) {
  const std::vector<double> losses = evaluate(model, batch);
  double sum = 0;
  for (size_t b = 0; b < losses.size(); ++b) sum += batch.weights[b] * losses[b];
  return sum;
}

void finite_differences(bool tied) {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, tied), 1);
  const Ragged batch = random_batch({4, 4, 1, 9, 2, 5}, 23, 2, 4);
  const std::vector<double> exact = gradient(model.get(), batch);
  const std::vector<double> at = read(model.get(), LETHE_PARAMETERS);
  lethe_vector* parameters = vector_of(model.get(), LETHE_PARAMETERS);
  constexpr double h = 1e-5;
  for (const lethe_tensor_info& tensor : tensors_of(model.get())) {
    std::vector<double> difference(exact.size());
    for (int64_t i = tensor.offset; i < tensor.offset + tensor.rows * tensor.columns; ++i) {
      const auto moved = [&](double step) {
        const double value = at[static_cast<size_t>(i)] + step;
        CHECK_OK(lethe_vector_write(parameters, i, 1, LETHE_F64, &value, 8, err));
        return batch_loss(model.get(), batch);
      };
      difference[static_cast<size_t>(i)] = (moved(h) - moved(-h)) / (2 * h);
      moved(0);
    }
    const auto begin = static_cast<size_t>(tensor.offset),
               end = begin + static_cast<size_t>(tensor.rows * tensor.columns);
    // The key bias has no influence at all, so c_attn.bias mixes exact zeros with rounding; its norm is its other
    // parts'.
    const double error = relative(difference, exact, begin, end);
    if (!(error < 1e-7)) report(__FILE__, __LINE__, std::string(tensor.name) + ": " + std::to_string(error));
  }
}

void accumulation() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 1);
  const Ragged first = random_batch({3, 5}, 23, 5), second = random_batch({7}, 23, 6);
  const std::vector<double> a = gradient(model.get(), first), b = gradient(model.get(), second);
  gradient(model.get(), first);
  const std::vector<double> both = gradient(model.get(), second, true);
  for (size_t i = 0; i < both.size(); ++i) CHECK_CLOSE(both[i], a[i] + b[i], 1e-13);
}

// No target anywhere: no loss, and a gradient that overwrites the last one with zeros.
void silence(bool tied) {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, tied), 1);
  gradient(model.get(), random_batch({5}, 23, 5));
  const Ragged silent = random_batch({4}, 23, 6, 0);
  CHECK(evaluate(model.get(), silent) == std::vector<double>(1));
  for (const double value : gradient(model.get(), silent)) CHECK(value == 0);
}

// Where every output is a linear function of the site's own parameters, sum <y, dL/dy> = <w, dL/dw>.
void activation_products(bool tied) {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, tied), 3);
  Ragged batch = random_batch({6}, 23, 7);
  batch.weights[0] = 2.5;  // products are of the record's own loss whatever its weight
  const lethe_batch view = batch.view();
  const auto sites = static_cast<size_t>(layout_of(model.get()).sites);
  std::vector<double> products(sites), losses(1);
  CHECK_OK(lethe_model_gradient(model.get(), &view, 0, nullptr, losses.data(), products.data(), nullptr, err));
  const std::vector<double> g = read(model.get(), LETHE_GRADIENT), w = read(model.get(), LETHE_PARAMETERS);
  std::vector<double> expected(sites);
  for (const lethe_tensor_info& tensor : tensors_of(model.get())) {
    for (int64_t i = tensor.offset; i < tensor.offset + tensor.rows * tensor.columns; ++i) {
      expected[static_cast<size_t>(tensor.site)] += w[static_cast<size_t>(i)] * g[static_cast<size_t>(i)] / 2.5;
    }
  }
  // A tied wte's parameter product holds the embedding's and the head's part.
  if (tied) products[0] += products[sites - 1], products[sites - 1] = 0;
  for (size_t s = 0; s < sites; ++s) CHECK_CLOSE(products[s], expected[s], 1e-12);
}

}  // namespace

int main() {
  finite_differences(true);
  finite_differences(false);
  accumulation();
  silence(true);
  silence(false);
  activation_products(true);
  activation_products(false);
  CHECK(lethe_live_handles() == 0);
  return finish();
}
