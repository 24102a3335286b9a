// Gradients with a weight or another loss for each target, toward a reference model and toward a target of the hidden
// states on the emulated device against the CPU's:
// every family in fp64, fp32 and bf16; and what is refused.
#include "device_shapes.h"

using namespace test;

namespace {

constexpr Precision kWide{LETHE_F64, 0, 1e-9, "fp64"};
constexpr Precision kHalf{LETHE_F32, 0, 1e-4, "fp32"};

// Another model of the same shape on both places, nearby.
Pair reference_of(const Pair& pair, const lethe_model_config& shape) {
  Pair reference = pair_of(shape, pair.precision);
  std::vector<double> values = read(pair.cpu.get(), LETHE_PARAMETERS);
  Random random(29);
  for (double& value : values) value += 0.2 * random.uniform();
  reference.put(values);
  return reference;
}

// call(model, reference, values) on both places: the records' values and the gradients.
template <class Call>
void both(const Pair& pair, const Pair& reference, size_t records, const std::string& what, Call&& call) {
  std::vector<double> values[2];
  for (int side = 0; side < 2; ++side) {
    values[side].resize(records);
    const Pair* of[] = {&pair, &reference};
    lethe_model* models[2];
    for (int i = 0; i < 2; ++i) models[i] = (side == 0 ? of[i]->device : of[i]->cpu).get();
    call(models[0], models[1], values[side].data());
  }
  pair.same(values[0], values[1], what + " values", 3);
  pair.same(read(pair.device.get(), LETHE_GRADIENT), read(pair.cpu.get(), LETHE_GRADIENT), what + " gradient", 3);
}

void all_of(const lethe_model_config& shape, const Precision& precision) {
  const Pair pair = pair_of(shape, precision), reference = reference_of(pair, shape);
  const Ragged some = random_batch({7, 1, 33, 5}, pair.vocabulary(), 11, 3), all = random_batch({12, 4}, pair.vocabulary(), 12);
  for (const Ragged* batch : {&some, &all}) {
    const lethe_batch view = batch->view();
    for (const int32_t add : {0, 1})
      both(pair, reference, batch->records(), "divergence", [&](lethe_model* model, lethe_model* other, double* out) {
        CHECK_OK(lethe_model_kl_gradient(model, &view, other, add, out, nullptr, err));
      });
    std::vector<double> weights(batch->tokens.size());
    for (size_t t = 0; t < weights.size(); ++t) weights[t] = 0.4 * static_cast<double>(t % 6) - 0.9;
    for (const int32_t kind : {LETHE_NEXT_TOKEN, LETHE_TOWARD, LETHE_FLATNESS}) {
      if (kind == LETHE_FLATNESS && precision.compute == LETHE_BF16) continue;  // another of two near logits may be the largest
      both(pair, reference, batch->records(), "loss " + std::to_string(kind),
           [&](lethe_model* model, lethe_model* other, double* out) {
             const bool toward = kind == LETHE_TOWARD;
             const lethe_token_loss loss{.struct_size = sizeof loss,
                                         .kind = kind,
                                         .accumulate = 0,
                                         .weights = weights.data(),
                                         .reference = toward ? other : nullptr,
                                         .penalty = toward ? 5.0 : 0.0};
             CHECK_OK(lethe_model_token_gradient(model, &view, &loss, out, nullptr, err));
           });
    }
  }
  lethe_batch view = some.view();
  view.targets = nullptr;
  std::vector<double> target(static_cast<size_t>(shape.channels));
  for (size_t j = 0; j < target.size(); ++j) target[j] = 0.1 * static_cast<double>(j % 5) - 0.2;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    both(pair, reference, some.records(), "distance to a vector", [&](lethe_model* model, lethe_model*, double* out) {
      CHECK_OK(lethe_model_hidden_gradient(model, &view, layer, target.data(), nullptr, 0, out, nullptr, err));
    });
    both(pair, reference, some.records(), "distance to a model", [&](lethe_model* model, lethe_model* other, double* out) {
      CHECK_OK(lethe_model_hidden_gradient(model, &view, layer, nullptr, other, 1, out, nullptr, err));
    });
  }
  gradients(pair);  // nothing is left behind
}

void refusals() {
  const Pair pair = pair_of(plain(), kWide), reference = reference_of(pair, plain());
  const Ragged batch = random_batch({4, 3}, pair.vocabulary(), 17);
  const lethe_batch view = batch.view();
  double values[2];
  lethe_model *const model = pair.device.get(), *const other = reference.device.get();
  CHECK_REFUSED(lethe_model_kl_gradient(model, &view, reference.cpu.get(), 0, values, nullptr, err), LETHE_INVALID_ARGUMENT,
                "reference is on another device");
  CHECK_REFUSED(lethe_model_hidden_gradient(pair.cpu.get(), &view, 0, nullptr, other, 0, values, nullptr, err),
                LETHE_INVALID_ARGUMENT, "reference is on another device");
  CHECK_REFUSED(lethe_model_kl_gradient(model, &view, model, 0, values, nullptr, err), LETHE_INVALID_ARGUMENT,
                "reference is the model itself");
  const int32_t raised = 1;
  CHECK_REFUSED(lethe_model_kl_gradient(model, &view, other, 0, values, &raised, err), LETHE_CANCELLED, "cancelled");
  std::vector<double> broken(read(other, LETHE_PARAMETERS).size(), std::nan(""));
  write(other, LETHE_PARAMETERS, broken);
  CHECK_REFUSED(lethe_model_kl_gradient(model, &view, other, 0, values, nullptr, err), LETHE_NOT_FINITE,
                "the divergence of record 0 of the batch");
  CHECK_REFUSED(lethe_model_hidden_gradient(model, &view, 1, nullptr, other, 0, values, nullptr, err), LETHE_NOT_FINITE,
                "the distance of record 0 of the batch");
}

}  // namespace

int main() {
  size_t number = 0;
  for (const lethe_model_config& shape : shapes()) {
    const int before = failures;
    for (const Precision& precision : {kWide, kHalf, kNarrowest}) all_of(shape, precision);
    if (failures > before) report(__FILE__, __LINE__, "shape " + std::to_string(number));
    ++number;
  }
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
