// GPT-2's initialisation (Radford et al. 2019): N(0, 0.02), the two projections into the residual stream scaled by
// 1 / sqrt(2L), norms 1, biases 0. A number depends on the seed, its tensor and its place only.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "flat.h"
#include "ops.h"
#include "random.h"

namespace lethe {
namespace {

void fill_normal(const at::Tensor& host, double deviation, uint64_t key) {
  with_element(host.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, host.numel(), 4096, [&](int64_t begin, int64_t end) {
      T* values = data<T>(host);
      for (int64_t i = begin; i < end; ++i) {
        values[i] = static_cast<T>(deviation * normal(key, static_cast<uint64_t>(i)));
      }
    });
  });
}

}  // namespace

void initialize(Model& model, uint64_t seed) {
  const double residual = 0.02 / std::sqrt(2.0 * static_cast<double>(model.shape().layers));
  for (size_t i = 0; i < model.layout.tensors().size(); ++i) {
    const TensorSpec& tensor = model.layout.tensors()[i];
    const at::Tensor& values = model.parameter_views[i];
    if (tensor.dimensions == 1) {
      const bool scale = model.layout.sites()[static_cast<size_t>(tensor.site)].kind == LETHE_SITE_NORM &&
                         model.layout.weight_of(tensor.site) == static_cast<int64_t>(i);
      values.fill_(scale ? 1.0 : 0.0);
      continue;
    }
    const double deviation = tensor.name.ends_with("c_proj.weight") ? residual : 0.02;
    const at::Tensor host =
        model.on_cpu() ? values : at::empty({values.numel()}, at::TensorOptions().dtype(model.dtype));
    fill_normal(host, deviation, mix(seed ^ mix(static_cast<uint64_t>(i))));
    if (!model.on_cpu()) values.copy_(host.view_as(values));
  }
}

}  // namespace lethe
