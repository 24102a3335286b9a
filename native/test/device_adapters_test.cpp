// LoRA over a frozen base on a device against the CPU, every family and precision.
#include "based.h"
#include "device_pair.h"

using namespace test;

int main() {
  for (const Precision& precision : {kDouble, kSingle, kNarrow})
    for (const int32_t family : {LETHE_GPT2, LETHE_LLAMA, LETHE_GPT_NEOX}) {
      lethe_model_config on_cpu = family_config(family, precision.dtype, family == LETHE_LLAMA);
      on_cpu.context = 40;
      lethe_model_config on_device = on_cpu;
      on_device.device_type = LETHE_CUDA;
      on_device.compute_dtype = precision.compute;
      const BaseFile file(on_cpu, precision.compute == LETHE_BF16 ? LETHE_BF16 : LETHE_F32, 3);
      const std::vector<lethe_adapted> adapters = some_adapters(file.plain());
      const BaseHandle base = file.open(on_cpu), other = file.open(on_device);
      const Pair pair(precision, adapted_model(on_cpu, adapters, base.get(), 5),
                      adapted_model(on_device, adapters, other.get(), 5));
      gradients(pair);
      scores(pair);
      repeats(pair);
      steps(pair);
      captures(pair, ragged(pair), 0, LETHE_F32);
      captures(pair, ragged(pair), 0, LETHE_F32, 2);
      // A gradient stored as such rounds another way when its sum is the least bit another.
      if (precision.compute == LETHE_BF16) captures(pair, ragged(pair), 0, LETHE_BF16);
      entry_arithmetic(pair);
      activation_products(pair);
      generation(pair);
    }
  return finish();
}
