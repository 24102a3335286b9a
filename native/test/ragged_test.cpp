// A ragged batch is the sum of its records: losses, token scores and gradients equal those of batches of one, whatever
// the order, in both dtypes and over more rows than one block of any kernel. Also: the same numbers at 1 and 2 threads.
#include <algorithm>

#include "check.h"

using namespace test;

namespace {

lethe_model_config larger(int32_t dtype) {
  lethe_model_config config = tiny_config(dtype, true);
  config.vocabulary = 1100;  // more than one block of the softmax's sums
  config.context = 70;
  config.channels = 40;
  config.heads = 5;
  config.inner = 72;
  return config;
}

void equals_batches_of_one(int32_t dtype, double tolerance) {
  const ModelHandle model = random_model(larger(dtype), 4);
  const Ragged batch = random_batch({70, 1, 33, 33, 2, 64}, 1100, 8, 4);
  const std::vector<double> losses = evaluate(model.get(), batch), whole = gradient(model.get(), batch);
  std::vector<double> sum(whole.size());
  for (size_t b = 0; b < batch.records(); ++b) {
    Ragged one;
    one.add(batch, b);
    CHECK_CLOSE(evaluate(model.get(), one)[0], losses[b], tolerance * 10);
    const std::vector<double> part = gradient(model.get(), one);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
  }
  CHECK_CLOSE(relative(whole, sum), 0.0, tolerance);
  CHECK(losses[4] == 0);

  Ragged reversed;
  for (size_t b = batch.records(); b-- > 0;) reversed.add(batch, b);
  CHECK_CLOSE(relative(gradient(model.get(), reversed), whole), 0.0, tolerance);
  std::vector<double> backwards = evaluate(model.get(), reversed);
  std::reverse(backwards.begin(), backwards.end());
  CHECK_CLOSE(relative(backwards, losses), 0.0, tolerance);
}

void token_scores() {
  const ModelHandle model = random_model(larger(LETHE_F64), 4);
  const Ragged batch = random_batch({9, 20}, 1100, 9);
  const lethe_batch view = batch.view();
  const size_t rows = batch.tokens.size(), v = 1100;
  std::vector<double> logits(rows * v), log_p(rows), mean(rows), deviation(rows), losses(2);
  std::vector<uint8_t> hits(rows);
  CHECK_OK(lethe_model_logits(model.get(), &view, logits.data(), static_cast<int64_t>(logits.size() * 8), err));
  auto scores = sized<lethe_token_scores>();
  scores.log_probability = log_p.data();
  scores.mean = mean.data();
  scores.deviation = deviation.data();
  scores.greedy_hit = hits.data();
  CHECK_OK(lethe_model_evaluate(model.get(), &view, &scores, losses.data(), nullptr, err));
  for (size_t r = 0; r < rows; ++r) {
    if (batch.targets[r] == LETHE_IGNORE_TARGET) {
      CHECK(std::isnan(log_p[r]) && std::isnan(mean[r]) && std::isnan(deviation[r]) && hits[r] == 0);
      continue;
    }
    const double* x = logits.data() + r * v;
    double total = 0, first = 0, second = 0;
    for (size_t j = 0; j < v; ++j) total += std::exp(x[j]);
    for (size_t j = 0; j < v; ++j) first += std::exp(x[j]) / total * (x[j] - std::log(total));
    for (size_t j = 0; j < v; ++j) second += std::exp(x[j]) / total * std::pow(x[j] - std::log(total) - first, 2);
    CHECK_CLOSE(log_p[r], x[batch.targets[r]] - std::log(total), 1e-12);
    CHECK_CLOSE(mean[r], first, 1e-12);
    CHECK_CLOSE(deviation[r], std::sqrt(second), 1e-10);
    CHECK(hits[r] == (std::max_element(x, x + v) - x == batch.targets[r]));
  }
}

void thread_count_does_not_matter() {
  const ModelHandle model = random_model(larger(LETHE_F32), 4);
  const Ragged batch = random_batch({70, 1, 33}, 1100, 8);
  CHECK_OK(lethe_set_threads(1, err));
  const std::vector<double> one = gradient(model.get(), batch);
  CHECK_OK(lethe_set_threads(2, err));
  // GEMMs are MKL's, whose summation order may follow the thread count; everything else may not.
  CHECK_CLOSE(relative(gradient(model.get(), batch), one), 0.0, 1e-6);
  const std::vector<double> again = gradient(model.get(), batch);
  CHECK(again == gradient(model.get(), batch));
}

}  // namespace

int main() {
  equals_batches_of_one(LETHE_F32, 1e-6);
  equals_batches_of_one(LETHE_F64, 1e-12);
  token_scores();
  thread_count_does_not_matter();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
