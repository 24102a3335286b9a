// The fused softmax and cross-entropy, emulated, against log-softmax in double: every score, errors, padding, rows that
// start anywhere, ties, one column, a vocabulary of 50,257, numbers that are not finite. Divergences from a reference, and
// labels drawn from predictions.
#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

struct Expected {
  std::vector<double> loss, mean, deviation, mean_logit, errors;
  std::vector<uint8_t> hits;
};

Expected reference(const Array& logits, const std::vector<int32_t>& targets, const Array& scales, int64_t v,
                   int64_t stride) {
  Expected e;
  for (size_t row = 0; row < targets.size(); ++row) {
    const auto at = [&](int64_t j) { return logits[static_cast<int64_t>(row) * stride + j]; };
    int64_t best = 0;
    for (int64_t j = 0; j < v; ++j)
      if (at(j) > at(best)) best = j;
    double sum = 0, mean = 0, square = 0, logit = 0;
    for (int64_t j = 0; j < v; ++j) sum += std::exp(at(j) - at(best));
    const double log_sum = std::log(sum) + at(best);
    for (int64_t j = 0; j < v; ++j) {
      const double log_p = at(j) - log_sum, p = std::exp(log_p);
      mean += p * log_p;
      square += p * log_p * log_p;
      logit += p * at(j);
    }
    const int64_t target = targets[row];
    e.loss.push_back(log_sum - at(target));
    e.mean.push_back(mean);
    e.deviation.push_back(std::sqrt(std::max(0.0, square - mean * mean)));
    e.mean_logit.push_back(logit - at(target));
    e.hits.push_back(best == target);
    for (int64_t j = 0; j < stride; ++j)
      e.errors.push_back(j >= v ? 0.0
                                : scales[static_cast<int64_t>(row)] * (std::exp(at(j) - log_sum) - (j == target)));
  }
  return e;
}

void compare(Element type, int64_t rows, int64_t v, int64_t stride, std::mt19937& random) {
  Array logits(type, rows * stride, random, 3);
  std::vector<int32_t> targets;
  for (int64_t r = 0; r < rows; ++r) {
    targets.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(v)));
    if (r % 3 == 1) logits.set(r * stride + targets.back(), 20);  // a hit, unless an equal one comes first
    if (r % 3 == 1 && r % 2 == 0) logits.set(r * stride, 20);
    for (int64_t j = v; j < stride; ++j) logits.set(r * stride + j, 1e30);  // padding is not looked at
  }
  const Array scales(Element::kF64, rows, random, 0.1);
  const Expected expected = reference(logits, targets, scales, v, stride);
  const Table<int32_t> wanted(targets);
  const Array loss(Element::kF64, rows), mean(Element::kF64, rows), deviation(Element::kF64, rows),
      logit(Element::kF64, rows);
  const Table<uint8_t> hits(std::vector<uint8_t>(static_cast<size_t>(rows), 9));
  const auto fp64 = [](const Array& array) { return static_cast<double*>(array.data()); };
  const DeviceScores scores{fp64(loss), fp64(mean), fp64(deviation), fp64(logit), hits.data()};
  const Logits job{type, logits.data(), rows, v, stride, wanted.data()};
  const double tolerance = type == Element::kF64 ? 1e-10 : 1e-5;
  const auto check_scores = [&] {
    CHECK_NEAR(loss, expected.loss, tolerance);
    CHECK_NEAR(mean, expected.mean, tolerance);
    // A variance is a difference: an error of 1e-6 in it is one of 1e-3 in a deviation that is nearly zero.
    CHECK_NEAR(deviation, expected.deviation, type == Element::kF64 ? 1e-6 : 2e-3);
    CHECK_NEAR(logit, expected.mean_logit, tolerance);
    for (int64_t r = 0; r < rows; ++r) CHECK(hits[r] == expected.hits[static_cast<size_t>(r)]);
  };
  run_twice({&loss.memory(), &mean.memory(), &deviation.memory(), &logit.memory(), &hits.memory(), &logits.memory()},
            [&] { return softmax_scores(job, scores, nullptr); });
  check_scores();
  run_twice({&loss.memory(), &mean.memory(), &deviation.memory(), &logit.memory(), &hits.memory(), &logits.memory()},
            [&] { return softmax_errors(job, fp64(scales), scores, nullptr); });
  check_scores();
  CHECK_NEAR(logits, expected.errors, tolerance + rounding(type), 0.1);
}

void divergences(Element type, int64_t rows, int64_t v, int64_t stride, std::mt19937& random) {
  Array logits(type, rows * stride, random, 3), other(type, rows * stride, random, 3);
  for (int64_t j = 0; j < v; ++j) other.set(j, logits[j]);  // the first row is the reference's own
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = v; j < stride; ++j) logits.set(r * stride + j, 1e30), other.set(r * stride + j, 1e30);
  const Array scales(Element::kF64, rows, random, 0.1), result(Element::kF64, rows);
  std::vector<double> errors(static_cast<size_t>(rows * stride)), expected;
  for (int64_t r = 0; r < rows; ++r) {
    const auto p = [&](int64_t j) { return logits[r * stride + j]; };
    const auto q = [&](int64_t j) { return other[r * stride + j]; };
    double top_p = p(0), top_q = q(0), sum_p = 0, sum_q = 0, divergence = 0;
    for (int64_t j = 0; j < v; ++j) top_p = std::max(top_p, p(j)), top_q = std::max(top_q, q(j));
    for (int64_t j = 0; j < v; ++j) sum_p += std::exp(p(j) - top_p), sum_q += std::exp(q(j) - top_q);
    for (int64_t j = 0; j < v; ++j) {
      const double log_p = p(j) - top_p - std::log(sum_p), log_q = q(j) - top_q - std::log(sum_q);
      divergence += std::exp(log_q) * (log_q - log_p);
      errors[static_cast<size_t>(r * stride + j)] = scales[r] * (std::exp(log_p) - std::exp(log_q));
    }
    expected.push_back(divergence);
  }
  run_twice({&result.memory(), &logits.memory()}, [&] {
    return divergence_errors({type, logits.data(), other.data(), rows, v, stride, static_cast<double*>(scales.data()),
                              static_cast<double*>(result.data())},
                             nullptr);
  });
  const double tolerance = type == Element::kF64 ? 1e-11 : 2e-5;
  CHECK_NEAR(result, expected, tolerance);
  CHECK_NEAR(logits, errors, tolerance + rounding(type), 0.1);
  CHECK(result[0] == 0);
  for (int64_t j = 0; j < stride; ++j) CHECK(logits[j] == 0);
}

// The minus one goes to where the running sum of the softmax passes the drawn number.
void labels(Element type, int64_t v, int64_t stride, std::mt19937& random) {
  constexpr int64_t kRows = 9;
  const Array logits(Element::kF64, kRows * v, random, 2);
  Array errors(type, kRows * stride), scales(Element::kF64, kRows), drawn(Element::kF64, kRows);
  std::vector<int32_t> targets;
  for (int64_t r = 0; r < kRows; ++r) {
    double total = 0;
    for (int64_t j = 0; j < v; ++j) total += std::exp(logits[r * v + j]);
    targets.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(v)));
    scales.set(r, 0.25 + 0.5 * static_cast<double>(r));
    drawn.set(r, r == 0 ? 0 : r == 1 ? 1 - 1e-16 : static_cast<double>(random() % 1000) / 1000);
    for (int64_t j = 0; j < stride; ++j)
      errors.set(r * stride + j, j >= v ? 0 : scales[r] * (std::exp(logits[r * v + j]) / total - (j == targets.back())));
  }
  std::vector<int64_t> expected;
  std::vector<double> before = values(errors);
  for (int64_t r = 0; r < kRows; ++r) {
    const auto p = [&](int64_t j) {
      return before[static_cast<size_t>(r * stride + j)] + (j == targets[static_cast<size_t>(r)] ? scales[r] : 0);
    };
    double sum = 0;
    int64_t label = 0;
    for (; label + 1 < v; ++label)
      if ((sum += p(label)) > drawn[r] * scales[r]) break;
    expected.push_back(label);
  }
  const Table<int32_t> wanted(targets);
  run_twice({&errors.memory()}, [&] {
    return draw_labels({type, errors.data(), kRows, v, stride, wanted.data(), static_cast<double*>(scales.data()),
                        static_cast<double*>(drawn.data())},
                       nullptr);
  });
  for (int64_t r = 0; r < kRows; ++r) {
    const auto row = static_cast<size_t>(r);
    if (r == 1) expected[row] = -1;  // among the last ones, by rounding
    for (int64_t j = 0; j < stride && expected[row] >= 0; ++j) {
      const double change = (j == expected[row] ? -scales[r] : 0) + (j == targets[row] ? scales[r] : 0);
      CHECK(std::abs(errors[r * stride + j] - before[static_cast<size_t>(r * stride + j)] - change) <= 4 * rounding(type) * scales[r]);
    }
  }
}

void not_finite() {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const int64_t place : {0, 37, 99}) {
      Array logits(Element::kBF16, 200);
      logits.fill(0.5);
      logits.set(place, bad);
      const Table<int32_t> targets({5, 5});
      const Array loss(Element::kF64, 2), scales(Element::kF64, 2);
      CHECK(softmax_errors({Element::kBF16, logits.data(), 2, 100, 100, targets.data()},
                           static_cast<double*>(scales.data()),
                           {static_cast<double*>(loss.data()), nullptr, nullptr, nullptr, nullptr}, nullptr) == 0);
      CHECK(!std::isfinite(loss[0]));
      CHECK_CLOSE(loss[1], std::log(100.0), 1e-6);
    }
  }
}

}  // namespace

int main() {
  std::mt19937 random(13);
  for (const Element type : {Element::kF32, Element::kBF16, Element::kF64}) {
    compare(type, 1, 1, 1, random);
    compare(type, 7, 23, 23, random);
    compare(type, 5, 23, 32, random);
    compare(type, 3, 4099, 4099, random);
    divergences(type, 3, 51, 64, random);
    divergences(type, 2, 1300, 1300, random);
    if (type != Element::kBF16) labels(type, 51, 64, random), labels(type, 1300, 1300, random);
  }
  compare(Element::kF32, 2, 50257, 50257, random);
  compare(Element::kBF16, 3, 50257, 50264, random);
  compare(Element::kBF16, 2, 50257, 50257, random);
  not_finite();
  CHECK(softmax_scores({Element::kF32, nullptr, 0, 5, 5, nullptr}, {}, nullptr) == 0);
  CHECK(softmax_scores({Element::kF32, nullptr, 1, 5, 4, nullptr}, {}, nullptr) == 1);
  return finish();
}
