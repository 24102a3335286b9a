// A model that computes in bf16 on the CPU: near the fp32 model, not the same, repeatable; refused where the processor
// cannot.
#include "check.h"
#include "gemm_tiles.h"

using namespace test;

namespace {

lethe_model_config configuration(int32_t compute) {
  lethe_model_config config = tiny_config(LETHE_F32, true);
  config.compute_dtype = compute;
  return config;
}

void near_fp32() {
  const ModelHandle exact = random_model(configuration(0), 5), rounded = random_model(configuration(LETHE_BF16), 5);
  const Ragged batch = random_batch({9, 1, 6, 4}, 23, 7);
  const std::vector<double> wanted = gradient(exact.get(), batch), gradients = gradient(rounded.get(), batch);
  CHECK(relative(gradients, wanted) < 2e-2);
  CHECK(relative(gradients, wanted) > 1e-5);
  CHECK(relative(evaluate(rounded.get(), batch), evaluate(exact.get(), batch)) < 1e-2);
  CHECK(gradient(rounded.get(), batch) == gradients);
  CHECK(gradient(exact.get(), batch) == wanted);  // the neighbour's rounding stays its own
}

}  // namespace

int main() {
  if (lethe::bf16_tiles()) {
    near_fp32();
  } else {
    const lethe_model_config config = configuration(LETHE_BF16);
    lethe_model* model = nullptr;
    CHECK_REFUSED(lethe_model_create(&config, &model, err), LETHE_UNSUPPORTED, "needs AVX-512 BF16");
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
