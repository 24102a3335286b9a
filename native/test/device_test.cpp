// The device path against the CPU's, over the emulated kernels: gradient, accumulation, evaluation, logits, AdamW, vectors,
// captured entries, activation-gradient products, generation; in fp64 and fp32, and in bf16 around fp32 parameters.
// What differs on a real device (streams, graphs, libtorch's attention kernels and products) is tested when this file is
// built as gpu_device_test.
#include <cstring>

#include "device_pair.h"

using namespace test;

namespace {

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

Pair pair_of(const Precision& precision, bool tied = true) {
  return {precision, make_model(config_of(precision, tied, false)), make_model(config_of(precision, tied, true))};
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
  const Ragged batch = ragged(pair);
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

// As repeats: the two areas that entries are made in take turns, a graph each.
void repeated_captures(const Pair& pair) {
  Ragged batch = random_batch({9, 20}, 51, 23);
  for (int32_t run = 0; run < 14; ++run) {
    for (size_t i = 0; i < batch.tokens.size(); ++i) batch.tokens[i] = (batch.tokens[i] * 7 + run + static_cast<int32_t>(i)) % 51;
    captures(pair, batch, run < 12 ? 0 : 6, LETHE_F32);
    if (run == 8) pair.same(gradient(pair.device.get(), batch), gradient(pair.cpu.get(), batch), "gradient between captures");
  }
}

struct DestroyRing {
  void operator()(lethe_ring* ring) const { lethe_ring_destroy(ring); }
};

// Through the ring come the bytes that come without it, in the order of the calls.
void ring(const Pair& pair, int32_t rank) {
  const Ragged batch = random_batch({7, 40, 3}, 51, 13), other = random_batch({5}, 51, 14);
  const std::vector<uint8_t> mask = all_sites(pair.device.get());
  const Captured straight = capture(pair.device.get(), batch, mask, 0, LETHE_F32, rank);
  const Captured second = capture(pair.device.get(), other, mask, 0, LETHE_F32, rank);
  int64_t room = 0;  // for entries with every row
  for (const int64_t bytes : capture(pair.device.get(), batch, mask, 0, pair.precision.dtype).bytes) room += bytes;
  lethe_ring* raw = nullptr;
  CHECK_REFUSED(lethe_ring_create(pair.cpu.get(), 2, room, &raw, err), LETHE_UNSUPPORTED, "a model on a device");
  CHECK_OK(lethe_ring_create(pair.device.get(), 2, room, &raw, err));
  const std::unique_ptr<lethe_ring, DestroyRing> handle(raw);
  CHECK_REFUSED(lethe_ring_release(raw, err), LETHE_INVALID_ARGUMENT, "no capture is under way");

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
  const void* entries[3];
  int64_t sizes[3];
  for (const Captured* expected : {&straight, &second}) {
    const size_t count = expected->data.size();
    CHECK_OK(lethe_ring_take(raw, static_cast<int64_t>(count), entries, sizes, err));
    for (size_t b = 0; b < count; ++b) {
      CHECK(reinterpret_cast<uintptr_t>(entries[b]) % 64 == 0 && sizes[b] == expected->bytes[b]);
      CHECK(std::memcmp(entries[b], expected->data[b], static_cast<size_t>(sizes[b])) == 0);
    }
    CHECK_REFUSED(lethe_ring_take(raw, 1, entries, sizes, err), LETHE_INVALID_ARGUMENT, "is not released");
    CHECK_OK(lethe_ring_release(raw, err));
  }
  send(other);
  CHECK_REFUSED(lethe_ring_take(raw, 1, nullptr, sizes, err), LETHE_INVALID_ARGUMENT, "entries is NULL");
  CHECK_OK(lethe_ring_release(raw, err));
  send(other);
  CHECK_REFUSED(lethe_ring_take(raw, 2, entries, sizes, err), LETHE_INVALID_ARGUMENT, "the capture has 1");
  send(other);
  send(other);
  const int32_t cancelled = 1;  // full: only a cancel or another thread's take goes on
  const lethe_batch view = other.view();
  double loss = 0;
  CHECK_REFUSED(lethe_model_gradient(pair.device.get(), &view, 0, &order, &loss, nullptr, &cancelled, err), LETHE_CANCELLED, "");
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
  repeats(pair_of(precision));
  const Pair pair = pair_of(precision);
  gradients(pair);
  scores(pair);
  vectors(pair);
  captures(pair, ragged(pair), 0, LETHE_F32);
  repeated_captures(pair);
  // The emulation of top-k takes a second for ten targets.
  captures(pair, random_batch({5, 3}, 51, 13), 6, precision.compute == 0 ? LETHE_F32 : LETHE_BF16);
  captures(pair, ragged(pair), 6, precision.compute == 0 ? LETHE_F32 : LETHE_BF16, 4);
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
    const Pair exact = pair_of(kDouble, false);
    gradients(exact);
    repeats(exact);
    for (const int32_t rank : {0, 4}) ring(exact, rank);
    entry_arithmetic(exact);
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
