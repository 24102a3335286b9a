// A block that GPT-2 does not have, written as a table, on the emulated device against the CPU: a parallel residual,
// and linear sites without a bias. The walk, not the place, knows the block.
#include <algorithm>

#include "captured.h"
#include "inside.h"
#include "model.h"

using namespace test;

namespace {

lethe_model_config config_of(bool device) {
  lethe_model_config config = tiny_config(LETHE_F64, true);
  config.device_type = device ? LETHE_CUDA : LETHE_CPU;
  return config;
}

// x + attention(norm(x)) + mlp(norm(x)): both norms first, and the second's gradient in a buffer of its own.
lethe::Architecture parallel(const lethe::Shape& shape) {
  constexpr int none = lethe::kNone;
  using enum lethe::Op;
  lethe::Architecture a = lethe::gpt2(shape);
  for (const size_t linear : {1, 2, 5}) a.sites[linear].bias = false;
  a.slots[5].gradient = a.gradients();
  a.steps = {{kNorm, 0, none, 1, 0},       {kNorm, 0, none, 5, 1},     {kLinear, 1, none, 2, 2},
             {kAttention, 2, none, 3},     {kLinear, 3, 0, 4, 3},      {kLinear, 5, none, 6, 4, true},
             {kActivation, 6, none, 7, 4}, {kLinear, 7, 4, 8, 5}};
  std::rotate(a.sites.begin() + 1, a.sites.begin() + 3, a.sites.begin() + 4);  // ln_2 is the second site now
  return a;
}

ModelHandle make(bool device) {
  const c10::InferenceMode inference;
  const lethe_model_config c = config_of(device);
  const lethe::Shape shape{.vocabulary = c.vocabulary, .context = c.context, .channels = c.channels, .heads = c.heads,
                           .layers = c.layers, .inner = c.inner, .epsilon = c.norm_epsilon, .tied = true};
  const lethe::Layout layout(shape, parallel(shape));
  ModelHandle model(device ? new lethe_model(layout, at::kDouble, lethe::make_device_path(c))
                           : new lethe_model(layout, at::kDouble));
  describe(*model);
  Random random(3);
  std::vector<double> values(static_cast<size_t>(layout.flat_size()));
  for (double& value : values) value = 0.5 * random.uniform();
  write(model.get(), LETHE_PARAMETERS, values);
  return model;
}

}  // namespace

int main() {
  {
    const ModelHandle cpu = make(false), device = make(true);
    const Ragged batch = random_batch({4, 4, 1, 9, 2, 5}, 23, 2, 4);
    CHECK(relative(evaluate(device.get(), batch), evaluate(cpu.get(), batch)) < 1e-12);
    CHECK(relative(gradient(device.get(), batch), gradient(cpu.get(), batch)) < 1e-12);
    const std::vector<uint8_t> all = all_sites(cpu.get());
    const std::vector<double> coefficients{1, 2, 3, 4, 5, 6};
    const auto sum = [&](const ModelHandle& model) {
      const Captured captured = capture(model.get(), batch, all, 0, LETHE_F64);
      return accumulated(cpu.get(), captured.view(), coefficients, nullptr);
    };
    CHECK(relative(sum(device), sum(cpu)) < 1e-12);

    const lethe_batch view = batch.view();
    auto how = sized<lethe_generation>();
    how.max_new_tokens = 5, how.top_k = 1, how.stop_token = -1;
    std::vector<int32_t> tokens[2];
    std::vector<int64_t> lengths(batch.records());
    for (int side = 0; side < 2; ++side) {
      tokens[side].resize(batch.records() * 5);
      CHECK_OK(lethe_model_generate((side == 0 ? cpu : device).get(), &view, &how, tokens[side].data(), lengths.data(),
                                    nullptr, err));
    }
    CHECK(tokens[0] == tokens[1]);
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
