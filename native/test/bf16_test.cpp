// A model that computes in bf16 on the CPU: near the fp32 model, not the same, repeatable; refused where the processor
// cannot.
#include "captured.h"
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

// The second pass over Kronecker factors squares tiles on whichever thread is free: all must round alike.
void kronecker_repeats() {
  lethe_model_config config = wide_config(LETHE_F32, true);
  config.compute_dtype = LETHE_BF16;
  const ModelHandle model = random_model(config, 5);
  const Ragged batch = random_batch({70, 33, 64}, 1100, 7);
  const lethe_batch view = batch.view();
  const std::vector<uint8_t> sites = all_sites(model.get());
  auto options = sized<lethe_kfac_options>();
  options.sites = sites.data();
  options.site_count = static_cast<int64_t>(sites.size());
  std::vector<float> first;
  for (int round = 0; round < 6; ++round) {
    lethe_kfac* kfac = nullptr;
    auto info = sized<lethe_kfac_info>();
    std::vector<double> losses(batch.records());
    CHECK_OK(lethe_kfac_create(model.get(), &options, &kfac, err));
    CHECK_OK(lethe_kfac_accumulate(kfac, model.get(), &view, losses.data(), nullptr, err));
    CHECK_OK(lethe_kfac_decompose(kfac, nullptr, err));
    CHECK_OK(lethe_kfac_accumulate(kfac, model.get(), &view, losses.data(), nullptr, err));
    CHECK_OK(lethe_kfac_describe(kfac, &info, err));
    std::vector<float> numbers(static_cast<size_t>(info.elements));
    CHECK_OK(lethe_kfac_read(kfac, 0, info.elements, LETHE_F32, numbers.data(), info.elements * 4, err));
    lethe_kfac_destroy(kfac);
    if (round == 0) first = numbers;
    CHECK(numbers == first);
  }
}

}  // namespace

int main() {
  if (lethe::bf16_tiles()) {
    near_fp32();
    kronecker_repeats();
  } else {
    const lethe_model_config config = configuration(LETHE_BF16);
    lethe_model* model = nullptr;
    CHECK_REFUSED(lethe_model_create(&config, &model, err), LETHE_UNSUPPORTED, "needs AVX-512 BF16");
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
