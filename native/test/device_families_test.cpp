// Every family on the emulated device against the CPU, in fp64, fp32 and bf16: the goldens' models with transformers'
// weights, and random ones of odd widths, shared key heads, partial turns and every activation.
#include "device_shapes.h"
#include "golden.h"

using namespace test;

namespace {

// Losses, logits and gradient of transformers' model, by the device alone.
void as_transformers(const std::string& name, const Golden& golden, const Precision& precision) {
  const Pair pair = pair_of(config_of(golden, precision.dtype), precision);
  pair.put(golden.flat(pair.cpu.get(), "weights"));
  Ragged batch;
  for (size_t b = 0; b < golden.numbers.at("tokens").size(); ++b)
    batch.add(golden.ids("tokens", b), golden.ids("targets", b), golden.numbers.at("weight")[b][0]);
  lethe_model* const model = pair.device.get();
  const double slack = precision.dtype == LETHE_F32 ? 10 : 1000;
  pair.same(evaluate(model, batch), golden.array("losses"), name + " losses", slack);
  pair.same(gradient(model, batch), golden.flat(model, "gradient"), name + " gradient", slack);
}

void all_of(const lethe_model_config& shape, const Precision& precision) {
  const Pair pair = pair_of(shape, precision);
  gradients(pair);
  scores(pair);
  captures(pair, ragged(pair), 0, LETHE_F32);
  activation_products(pair);
  generation(pair);
  if (precision.compute == 0) entry_arithmetic(pair, 6, LETHE_BF16);
}

// What only walks over entries; and a model that begins on a device has the CPU's numbers.
void beginnings(const lethe_model_config& shape) {
  const Pair pair = pair_of(shape, kDouble);
  entry_arithmetic(pair);
  entry_arithmetic(pair, 0, LETHE_F64);
  for (lethe_model* model : {pair.cpu.get(), pair.device.get()}) CHECK_OK(lethe_model_initialize(model, 7, err));
  CHECK(read(pair.cpu.get(), LETHE_PARAMETERS) == read(pair.device.get(), LETHE_PARAMETERS));
  gradients(pair);
}

}  // namespace

int main() {
  over_families([](const std::string& name, const Golden& golden) {
    for (const Precision& precision : {kDouble, kSingle}) as_transformers(name, golden, precision);
  });
  size_t number = 0;
  for (const lethe_model_config& shape : shapes()) {
    const int before = failures;
    for (const Precision& precision : {kSingle, kNarrowest}) all_of(shape, precision);
    beginnings(shape);
    if (failures > before) report(__FILE__, __LINE__, "shape " + std::to_string(number));
    ++number;
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
