// A model on the CPU and its like on a device, and the checks that both do the same: gradient, accumulation,
// evaluation, logits, AdamW, captured entries and sums of them, activation-gradient products, generation. Records of up
// to 40 tokens.
#pragma once

#include <algorithm>
#include <utility>

#include "captured.h"

namespace test {

struct Precision {
  int32_t dtype, compute;
  double tolerance;
  const char* name;
};

constexpr Precision kDouble{LETHE_F64, 0, 1e-12, "fp64"};
constexpr Precision kSingle{LETHE_F32, 0, 1e-5, "fp32"};
constexpr Precision kNarrow{LETHE_F32, LETHE_BF16, 2e-2, "bf16"};

// The same parameters on both; small ones, so that bf16's error is that of a trained model's logits.
struct Pair {
  Pair(const Precision& precision, ModelHandle on_cpu, ModelHandle on_device)
      : precision(precision), cpu(std::move(on_cpu)), device(std::move(on_device)) {
    Random random(3);
    std::vector<double> values(static_cast<size_t>(layout_of(cpu.get()).flat_size));
    for (double& value : values) value = 0.4 * (0.5 * random.uniform());
    put(values);
  }
  void put(const std::vector<double>& parameters) const {
    write(cpu.get(), LETHE_PARAMETERS, parameters);
    write(device.get(), LETHE_PARAMETERS, parameters);
  }
  int32_t vocabulary() const { return static_cast<int32_t>(sites_of(cpu.get())[0].inputs); }
  void same(const std::vector<double>& actual, const std::vector<double>& expected, const std::string& what,
            double slack = 1) const {
    const double error = relative(actual, expected);
    if (!(error <= slack * precision.tolerance))
      report(__FILE__, __LINE__, std::string(precision.name) + " " + what + ": " + std::to_string(error));
  }

  Precision precision;
  ModelHandle cpu, device;
  std::vector<int> lengths{7, 40, 1, 33, 5};  // of the records that the checks look at
};

inline Ragged ragged(const Pair& pair) {
  return random_batch(pair.lengths, pair.vocabulary(), 11, static_cast<int>(pair.lengths.size()) - 1);
}

inline void gradients(const Pair& pair) {
  const Ragged batch = ragged(pair);
  pair.same(evaluate(pair.device.get(), batch), evaluate(pair.cpu.get(), batch), "losses");
  const std::vector<double> expected = gradient(pair.cpu.get(), batch), actual = gradient(pair.device.get(), batch);
  pair.same(actual, expected, "gradient");
  for (const lethe_tensor_info& tensor : tensors_of(pair.cpu.get())) {
    // The key bias has no influence; its error is measured against the whole bias.
    const auto begin = static_cast<size_t>(tensor.offset), end = begin + static_cast<size_t>(tensor.rows * tensor.columns);
    const double error = relative(actual, expected, begin, end);
    if (!(error <= 3 * pair.precision.tolerance))
      report(__FILE__, __LINE__, std::string(pair.precision.name) + " " + tensor.name + ": " + std::to_string(error));
  }
  const Ragged more = random_batch({12, 12, 12}, pair.vocabulary(), 12);
  pair.same(gradient(pair.device.get(), more, true), gradient(pair.cpu.get(), more, true), "accumulated gradient");
  const Ragged silent = random_batch({4}, pair.vocabulary(), 6, 0);
  CHECK(gradient(pair.device.get(), silent) == std::vector<double>(expected.size()));
}

// A device may repeat passes of one shape as a recorded graph: other tokens, other parameters, and another shape
// between.
inline void repeats(const Pair& pair) {
  Ragged batch = random_batch({33, 5, 40}, pair.vocabulary(), 21);
  const Ragged other = random_batch({6, 12}, pair.vocabulary(), 22);
  for (int32_t run = 0; run < 9; ++run) {
    for (size_t i = 0; i < batch.tokens.size(); ++i) {
      batch.tokens[i] = (batch.tokens[i] * 7 + run + static_cast<int32_t>(i)) % pair.vocabulary();
      if (batch.targets[i] != LETHE_IGNORE_TARGET) batch.targets[i] = (batch.targets[i] + run) % pair.vocabulary();
    }
    const bool add = run == 2 || run == 8;
    pair.same(gradient(pair.device.get(), batch, add), gradient(pair.cpu.get(), batch, add), "repeated gradient");
    if (run == 5) pair.same(gradient(pair.device.get(), other), gradient(pair.cpu.get(), other), "another shape's gradient");
    std::vector<double> values = read(pair.cpu.get(), LETHE_PARAMETERS);
    for (double& value : values) value *= 0.97;
    write(pair.cpu.get(), LETHE_PARAMETERS, values);
    write(pair.device.get(), LETHE_PARAMETERS, values);
  }
}

inline void scores(const Pair& pair) {
  const Ragged batch = ragged(pair);
  const lethe_batch view = batch.view();
  const size_t count = batch.tokens.size();
  std::vector<double> columns[2][3], losses(batch.records());
  std::vector<uint8_t> hits[2];
  for (int side = 0; side < 2; ++side) {
    for (auto& column : columns[side]) column.resize(count);
    hits[side].resize(count);
    auto wanted = sized<lethe_token_scores>();
    wanted.log_probability = columns[side][0].data();
    wanted.mean = columns[side][1].data();
    wanted.deviation = columns[side][2].data();
    wanted.greedy_hit = hits[side].data();
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    CHECK_OK(lethe_model_evaluate(model, &view, &wanted, losses.data(), nullptr, err));
    for (auto& column : columns[side])
      for (double& value : column) value = std::isnan(value) ? 0 : value;
  }
  for (int i = 0; i < 3; ++i) pair.same(columns[0][i], columns[1][i], "score " + std::to_string(i));
  if (pair.precision.compute == 0) CHECK(hits[0] == hits[1]);

  const auto vocabulary = static_cast<size_t>(pair.vocabulary());
  const auto logits = [&](lethe_model* model) {
    std::vector<double> wide(count * vocabulary);
    std::vector<float> narrow(count * vocabulary);
    const bool f64 = pair.precision.dtype == LETHE_F64;
    void* to = f64 ? static_cast<void*>(wide.data()) : narrow.data();
    CHECK_OK(lethe_model_logits(model, &view, to, static_cast<int64_t>(count * vocabulary * (f64 ? 8 : 4)), err));
    if (!f64) wide.assign(narrow.begin(), narrow.end());
    return wide;
  };
  pair.same(logits(pair.device.get()), logits(pair.cpu.get()), "logits");
}

inline void steps(const Pair& pair) {
  const Ragged batch = ragged(pair);
  auto options = sized<lethe_adamw>();
  options.learning_rate = 1e-3;
  options.beta1 = 0.9;
  options.beta2 = 0.999;
  options.epsilon = 1e-8;
  options.weight_decay = 0.1;
  options.max_norm = 0.5;
  std::vector<double> losses[2];
  for (int side = 0; side < 2; ++side) {
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    for (options.step = 1; options.step <= 3; ++options.step) {
      gradient(model, batch);
      double norm = 0;
      CHECK_OK(lethe_model_adamw(model, &options, &norm, err));
      losses[side].push_back(norm);
      for (const double loss : evaluate(model, batch)) losses[side].push_back(loss);
    }
  }
  pair.same(losses[0], losses[1], "norms and losses of three steps");
  pair.same(read(pair.device.get(), LETHE_PARAMETERS), read(pair.cpu.get(), LETHE_PARAMETERS), "parameters after them");
}

// Entries are compared by the gradients they make, and by their bytes' shape.
inline void captures(const Pair& pair, const Ragged& batch, int64_t top_k, int32_t stored, int32_t rank = 0) {
  const Captured cpu = capture(pair.cpu.get(), batch, all_sites(pair.cpu.get()), top_k, stored, rank);
  const Captured device = capture(pair.device.get(), batch, all_sites(pair.device.get()), top_k, stored, rank);
  CHECK(cpu.bytes == device.bytes);
  const double slack = stored == LETHE_BF16 ? 2 : 1;  // rounded once more
  for (size_t b = 0; b < batch.records(); ++b) {
    const lethe_entries one = cpu.view(b, 1), other = device.view(b, 1);
    const std::string what = "entry " + std::to_string(b) + " top-k " + std::to_string(top_k) + " dtype " + std::to_string(stored);
    pair.same(accumulated(pair.cpu.get(), other, {1}, nullptr), accumulated(pair.cpu.get(), one, {1}, nullptr), what, slack);
    auto mine = sized<lethe_entry_info>(), its = sized<lethe_entry_info>();
    CHECK_OK(lethe_entry_describe(device.data[b], device.bytes[b], &mine, err));
    CHECK_OK(lethe_entry_describe(cpu.data[b], cpu.bytes[b], &its, err));
    CHECK(mine.tokens == its.tokens && mine.targets == its.targets && mine.dtype == its.dtype && mine.rank == its.rank);
    CHECK_CLOSE(mine.dropped_share, its.dropped_share, 10 * pair.precision.tolerance);
    CHECK_CLOSE(mine.truncated_share, its.truncated_share, 10 * pair.precision.tolerance);
  }
}

// Sums, inner products with vectors, with entries and of all with each other, of entries of several lengths.
inline void entry_arithmetic(const Pair& pair, int64_t top_k = 6, int32_t stored = LETHE_F32) {
  const Ragged batch = random_batch({9, 20, 4}, pair.vocabulary(), 13), asked = random_batch({6, 11}, pair.vocabulary(), 14);
  const Captured captured = capture(pair.cpu.get(), batch, all_sites(pair.cpu.get()), top_k, stored);
  const Captured queries = capture(pair.cpu.get(), asked, all_sites(pair.cpu.get()), top_k, stored);
  const lethe_entries view = captured.view(), query_view = queries.view();
  const std::string kind = " top-k " + std::to_string(top_k) + " dtype " + std::to_string(stored);
  const std::vector<double> coefficients{0.5, -2, 1};
  const std::vector<double> sum = accumulated(pair.cpu.get(), view, coefficients, nullptr);
  pair.same(accumulated(pair.device.get(), view, coefficients, nullptr), sum, "sum of entries" + kind);
  const size_t sites = static_cast<size_t>(layout_of(pair.cpu.get()).sites);
  const std::vector<double> other = gradient(pair.cpu.get(), asked);
  std::vector<double> gram[2], dots[2], cross[2], squares[2];
  for (int side = 0; side < 2; ++side) {
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    gram[side].resize(9), dots[side].resize(2 * 3 * sites), cross[side].resize(2 * 3 * sites), squares[side].resize(3 * sites);
    CHECK_OK(lethe_entries_gram(model, &view, nullptr, 1 << 24, gram[side].data(), nullptr, err));
    const VectorHandle a = make_vector(model), b = make_vector(model);
    const auto count = static_cast<int64_t>(sum.size());
    CHECK_OK(lethe_vector_write(a.get(), 0, count, LETHE_F64, sum.data(), count * 8, err));
    CHECK_OK(lethe_vector_write(b.get(), 0, count, LETHE_F64, other.data(), count * 8, err));
    const lethe_vector* vectors[] = {a.get(), b.get()};
    CHECK_OK(lethe_entries_dot(model, &view, nullptr, vectors, 2, dots[side].data(), nullptr, err));
    CHECK_OK(lethe_entries_cross(model, &view, &query_view, nullptr, cross[side].data(), nullptr, err));
    CHECK_OK(lethe_entries_cross(model, &view, nullptr, nullptr, squares[side].data(), nullptr, err));
  }
  pair.same(gram[0], gram[1], "gram" + kind);
  pair.same(dots[0], dots[1], "dots" + kind);
  pair.same(cross[0], cross[1], "cross" + kind);
  pair.same(squares[0], squares[1], "squares" + kind);
}

inline void activation_products(const Pair& pair) {
  const Ragged batch = ragged(pair);
  const lethe_batch view = batch.view();
  std::vector<double> products[2], losses(batch.records());
  for (int side = 0; side < 2; ++side) {
    products[side].resize(batch.records() * static_cast<size_t>(layout_of(pair.cpu.get()).sites));
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    CHECK_OK(lethe_model_gradient(model, &view, 0, nullptr, losses.data(), products[side].data(), nullptr, err));
  }
  pair.same(products[0], products[1], "activation-gradient products", 5);
}

inline void generation(const Pair& pair) {
  const Ragged prompts = random_batch({4, 9, 1, 40}, pair.vocabulary(), 17);
  const lethe_batch view = prompts.view();
  auto options = sized<lethe_generation>();
  options.max_new_tokens = 12;
  options.top_k = 1;
  options.stop_token = -1;
  std::vector<int32_t> tokens[2];
  std::vector<int64_t> lengths[2];
  for (int side = 0; side < 2; ++side) {
    tokens[side].resize(4 * 12);
    lengths[side].resize(4);
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    CHECK_OK(lethe_model_generate(model, &view, &options, tokens[side].data(), lengths[side].data(), nullptr, err));
  }
  CHECK(lengths[0] == lengths[1]);
  if (pair.precision.compute == 0) CHECK(tokens[0] == tokens[1]);
}

}  // namespace test
