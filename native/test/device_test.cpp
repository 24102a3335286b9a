// The device path against the CPU's, over the emulated kernels: gradient, accumulation, evaluation, logits, AdamW, vectors,
// captured entries, activation-gradient products, generation; in fp64 and fp32, and in bf16 around fp32 parameters.
// What differs on a real device (streams, graphs, libtorch's attention kernels and products) is tested when this file is
// built as gpu_device_test.
#include <cstring>

#include "captured.h"

using namespace test;

namespace {

struct Precision {
  int32_t dtype, compute;
  double tolerance;
  const char* name;
};

constexpr Precision kDouble{LETHE_F64, 0, 1e-12, "fp64"};
constexpr Precision kSingle{LETHE_F32, 0, 1e-5, "fp32"};
constexpr Precision kNarrow{LETHE_F32, LETHE_BF16, 2e-2, "bf16"};

// Small enough for the emulation, with more than one chunk of rows a record and a padded vocabulary.
lethe_model_config config_of(const Precision& precision, bool tied, bool device) {
  lethe_model_config config = tiny_config(precision.dtype, tied);
  config.vocabulary = 51;
  config.context = 40;
  config.channels = 16;
  config.inner = 24;
  config.device_type = device ? LETHE_CUDA : LETHE_CPU;
  config.compute_dtype = device ? precision.compute : 0;
  return config;
}

// The same parameters on both; small ones, so that bf16's error is that of a trained model's logits.
struct Pair {
  explicit Pair(const Precision& precision, bool tied = true)
      : precision(precision), cpu(random_model(config_of(precision, tied, false), 3)),
        device(make_model(config_of(precision, tied, true))) {
    std::vector<double> values = read(cpu.get(), LETHE_PARAMETERS);
    for (double& value : values) value *= 0.4;
    write(cpu.get(), LETHE_PARAMETERS, values);
    write(device.get(), LETHE_PARAMETERS, values);
  }
  void same(const std::vector<double>& actual, const std::vector<double>& expected, const std::string& what,
            double slack = 1) const {
    const double error = relative(actual, expected);
    if (!(error <= slack * precision.tolerance))
      report(__FILE__, __LINE__, std::string(precision.name) + " " + what + ": " + std::to_string(error));
  }

  Precision precision;
  ModelHandle cpu, device;
};

Ragged ragged() { return random_batch({7, 40, 1, 33, 5}, 51, 11, 4); }

void gradients(const Pair& pair) {
  const Ragged batch = ragged();
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
  const Ragged more = random_batch({12, 12, 12}, 51, 12);
  pair.same(gradient(pair.device.get(), more, true), gradient(pair.cpu.get(), more, true), "accumulated gradient");
  const Ragged silent = random_batch({4}, 51, 6, 0);
  CHECK(gradient(pair.device.get(), silent) == std::vector<double>(expected.size()));
}

// A device may repeat passes of one shape as a recorded graph: other tokens, other parameters, and another shape between.
void repeats(const Pair& pair) {
  Ragged batch = random_batch({33, 5, 40}, 51, 21);
  const Ragged other = random_batch({6, 12}, 51, 22);
  for (int32_t run = 0; run < 9; ++run) {
    for (size_t i = 0; i < batch.tokens.size(); ++i) {
      batch.tokens[i] = (batch.tokens[i] * 7 + run + static_cast<int32_t>(i)) % 51;
      if (batch.targets[i] != LETHE_IGNORE_TARGET) batch.targets[i] = (batch.targets[i] + run) % 51;
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

void scores(const Pair& pair) {
  const Ragged batch = ragged();
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

  const auto logits = [&](lethe_model* model) {
    std::vector<double> wide(count * 51);
    std::vector<float> narrow(count * 51);
    const bool f64 = pair.precision.dtype == LETHE_F64;
    void* to = f64 ? static_cast<void*>(wide.data()) : narrow.data();
    CHECK_OK(lethe_model_logits(model, &view, to, static_cast<int64_t>(count * 51 * (f64 ? 8 : 4)), err));
    if (!f64) wide.assign(narrow.begin(), narrow.end());
    return wide;
  };
  pair.same(logits(pair.device.get()), logits(pair.cpu.get()), "logits");
}

void steps(const Pair& pair) {
  const Ragged batch = ragged();
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

void refused_step(const Pair& pair) {
  std::vector<double> values = read(pair.device.get(), LETHE_GRADIENT);
  values[20 * 16] = std::nan("");
  write(pair.device.get(), LETHE_GRADIENT, values);
  const std::vector<double> before = read(pair.device.get(), LETHE_PARAMETERS);
  auto options = sized<lethe_adamw>();
  options.learning_rate = 1;
  options.epsilon = 1e-8;
  options.step = 1;
  CHECK_REFUSED(lethe_model_adamw(pair.device.get(), &options, nullptr, err), LETHE_NOT_FINITE, "first at wte.weight");
  CHECK(read(pair.device.get(), LETHE_PARAMETERS) == before);
}

void vectors(const Pair& pair) {
  const Ragged batch = ragged();
  std::vector<double> results[2];
  const std::vector<uint8_t> mask = only_site(pair.cpu.get(), 3);
  const std::vector<double> shared = gradient(pair.cpu.get(), batch);
  write(pair.device.get(), LETHE_GRADIENT, shared);
  for (int side = 0; side < 2; ++side) {
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    const VectorHandle a = make_vector(model), b = make_vector(model);
    lethe_vector *parameters = vector_of(model, LETHE_PARAMETERS), *g = vector_of(model, LETHE_GRADIENT);
    copy(a.get(), g);
    copy(b.get(), parameters);
    CHECK_OK(lethe_vector_combine(b.get(), 1, 0.5, a.get(), nullptr, err));
    CHECK_OK(lethe_vector_combine(b.get(), 0.25, 2, a.get(), mask.data(), err));
    double whole = 0, part = 0;
    CHECK_OK(lethe_vector_dot(a.get(), b.get(), nullptr, &whole, err));
    CHECK_OK(lethe_vector_dot(a.get(), b.get(), mask.data(), &part, err));
    results[side] = {whole, part};
    CHECK_OK(lethe_vector_add_square(b.get(), 0, 3, a.get(), err));
    CHECK_OK(lethe_vector_add_square(b.get(), 0.5, 1, a.get(), err));
    CHECK_OK(lethe_vector_divide_root(a.get(), b.get(), 0.1, mask.data(), err));
    CHECK_OK(lethe_vector_dot(a.get(), a.get(), nullptr, &whole, err));
    results[side].push_back(whole);
    // What a borrowed vector changes the next pass sees, in its compute type too.
    CHECK_OK(lethe_vector_combine(parameters, 1, -0.01, g, mask.data(), err));
    for (const double loss : evaluate(model, batch)) results[side].push_back(loss);
    CHECK_OK(lethe_vector_combine(parameters, 1, 0.01, g, mask.data(), err));
  }
  pair.same(results[0], results[1], "dot, combine, add_square, divide_root, add");
}

// Entries are compared by the gradients they make, and by their bytes' shape.
void captures(const Pair& pair, const Ragged& batch, int64_t top_k, int32_t stored) {
  const Captured cpu = capture(pair.cpu.get(), batch, all_sites(pair.cpu.get()), top_k, stored);
  const Captured device = capture(pair.device.get(), batch, all_sites(pair.device.get()), top_k, stored);
  CHECK(cpu.bytes == device.bytes);
  const double slack = stored == LETHE_BF16 ? 2 : 1;  // rounded once more
  for (size_t b = 0; b < batch.records(); ++b) {
    const lethe_entries one = cpu.view(b, 1), other = device.view(b, 1);
    const std::string what = "entry " + std::to_string(b) + " top-k " + std::to_string(top_k) + " dtype " + std::to_string(stored);
    pair.same(accumulated(pair.cpu.get(), other, {1}, nullptr), accumulated(pair.cpu.get(), one, {1}, nullptr), what, slack);
    auto mine = sized<lethe_entry_info>(), its = sized<lethe_entry_info>();
    CHECK_OK(lethe_entry_describe(device.data[b], device.bytes[b], &mine, err));
    CHECK_OK(lethe_entry_describe(cpu.data[b], cpu.bytes[b], &its, err));
    CHECK(mine.tokens == its.tokens && mine.targets == its.targets && mine.dtype == its.dtype);
    CHECK_CLOSE(mine.dropped_share, its.dropped_share, 10 * pair.precision.tolerance);
  }
}

// As repeats: the two areas that entries are made in take turns, a graph each.
void repeated_captures(const Pair& pair) {
  Ragged batch = random_batch({9, 20}, 51, 23);
  for (int32_t run = 0; run < 14; ++run) {
    for (size_t i = 0; i < batch.tokens.size(); ++i) batch.tokens[i] = (batch.tokens[i] * 7 + run + static_cast<int32_t>(i)) % 51;
    captures(pair, batch, run < 12 ? 0 : 6, LETHE_F32);
    if (run == 8) pair.same(gradient(pair.device.get(), batch), gradient(pair.cpu.get(), batch), "gradient between captures");
  }
}

void entry_arithmetic(const Pair& pair) {
  const Ragged batch = random_batch({9, 20}, 51, 13);
  const Captured captured = capture(pair.cpu.get(), batch, all_sites(pair.cpu.get()), 6, LETHE_F32);
  const lethe_entries view = captured.view();
  pair.same(accumulated(pair.device.get(), view, {0.5, -2}, nullptr), accumulated(pair.cpu.get(), view, {0.5, -2}, nullptr),
            "sum of entries");
  std::vector<double> gram[2];
  for (int side = 0; side < 2; ++side) {
    gram[side].resize(4);
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    CHECK_OK(lethe_entries_gram(model, &view, nullptr, 1 << 24, gram[side].data(), nullptr, err));
  }
  pair.same(gram[0], gram[1], "gram");
}

struct DestroyRing {
  void operator()(lethe_ring* ring) const { lethe_ring_destroy(ring); }
};

// Through the ring come the bytes that come without it, in the order of the calls.
void ring(const Pair& pair) {
  const Ragged batch = random_batch({7, 40, 3}, 51, 13), other = random_batch({5}, 51, 14);
  const std::vector<uint8_t> mask = all_sites(pair.device.get());
  const Captured straight = capture(pair.device.get(), batch, mask, 0, LETHE_F32);
  const Captured second = capture(pair.device.get(), other, mask, 0, LETHE_F32);
  int64_t room = 0;
  for (const int64_t bytes : straight.bytes) room += bytes;
  lethe_ring* raw = nullptr;
  CHECK_REFUSED(lethe_ring_create(pair.cpu.get(), 2, room, &raw, err), LETHE_UNSUPPORTED, "a model on a device");
  CHECK_OK(lethe_ring_create(pair.device.get(), 2, room, &raw, err));
  const std::unique_ptr<lethe_ring, DestroyRing> handle(raw);
  CHECK_REFUSED(lethe_ring_take(raw, 0, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "no capture is under way");

  auto order = sized<lethe_capture>();
  order.format = &straight.format;
  order.ring = raw;
  const auto send = [&](const Ragged& what) {
    const lethe_batch view = what.view();
    std::vector<double> losses(what.records());
    CHECK_OK(lethe_model_gradient(pair.device.get(), &view, 0, &order, losses.data(), nullptr, nullptr, err));
  };
  send(batch);
  send(other);
  for (const Captured* expected : {&straight, &second}) {
    std::vector<Block> blocks;
    std::vector<void*> destinations;
    for (const int64_t bytes : expected->bytes) {
      blocks.emplace_back(std::aligned_alloc(64, static_cast<size_t>(bytes)));
      destinations.push_back(blocks.back().get());
    }
    const auto count = static_cast<int64_t>(blocks.size());
    CHECK_OK(lethe_ring_take(raw, count, destinations.data(), expected->bytes.data(), err));
    for (size_t b = 0; b < blocks.size(); ++b)
      CHECK(std::memcmp(destinations[b], expected->data[b], static_cast<size_t>(expected->bytes[b])) == 0);
  }
  send(other);
  CHECK_REFUSED(lethe_ring_take(raw, 2, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "destinations is NULL");
  CHECK_OK(lethe_ring_take(raw, 0, nullptr, nullptr, err));
  send(other);
  send(other);
  const int32_t cancelled = 1;  // full: only a cancel or another thread's take goes on
  const lethe_batch view = other.view();
  double loss = 0;
  CHECK_REFUSED(lethe_model_gradient(pair.device.get(), &view, 0, &order, &loss, nullptr, &cancelled, err), LETHE_CANCELLED, "");
}

void activation_products(const Pair& pair) {
  const Ragged batch = ragged();
  const lethe_batch view = batch.view();
  std::vector<double> products[2], losses(batch.records());
  for (int side = 0; side < 2; ++side) {
    products[side].resize(batch.records() * static_cast<size_t>(layout_of(pair.cpu.get()).sites));
    lethe_model* model = (side == 0 ? pair.device : pair.cpu).get();
    CHECK_OK(lethe_model_gradient(model, &view, 0, nullptr, losses.data(), products[side].data(), nullptr, err));
  }
  pair.same(products[0], products[1], "activation-gradient products", 5);
}

void generation(const Pair& pair) {
  const Ragged prompts = random_batch({4, 9, 1, 40}, 51, 17);
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

void not_finite(const Pair& pair) {
  std::vector<double> values = read(pair.device.get(), LETHE_PARAMETERS);
  for (const lethe_tensor_info& tensor : tensors_of(pair.device.get()))
    if (std::string(tensor.name) == "h.1.mlp.c_fc.weight") values[static_cast<size_t>(tensor.offset)] = INFINITY;
  write(pair.device.get(), LETHE_PARAMETERS, values);
  const Ragged batch = random_batch({4}, 51, 17);
  const lethe_batch view = batch.view();
  double loss = 0;
  CHECK_REFUSED(lethe_model_gradient(pair.device.get(), &view, 0, nullptr, &loss, nullptr, nullptr, err), LETHE_NOT_FINITE,
                "the first site whose output is not finite is h.1.mlp.c_fc");
  CHECK_REFUSED(lethe_model_evaluate(pair.device.get(), &view, nullptr, &loss, nullptr, err), LETHE_NOT_FINITE, "h.1.mlp.c_fc");
}

void all(const Precision& precision) {
  repeats(Pair(precision));
  const Pair pair(precision);
  gradients(pair);
  scores(pair);
  vectors(pair);
  captures(pair, ragged(), 0, LETHE_F32);
  repeated_captures(pair);
  // The emulation of top-k takes a second for ten targets.
  captures(pair, random_batch({5, 3}, 51, 13), 6, precision.compute == 0 ? LETHE_F32 : LETHE_BF16);
  activation_products(pair);
  generation(pair);
  steps(pair);
  refused_step(pair);
  not_finite(pair);
}

}  // namespace

int main() {
  all(kSingle);
  all(kNarrow);
  {
    const Pair exact(kDouble, false);
    gradients(exact);
    repeats(exact);
    ring(exact);
    entry_arithmetic(exact);
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
