// Initialisation: N(0, deviation), which in GPT-2 (Radford et al. 2019) is smaller for what joins the residual stream,
// norms 1, biases 0. A number depends on the seed, its part and its place only. And random vectors.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "flat.h"
#include "ops.h"
#include "random.h"

namespace lethe {
namespace {

// Element i = draw(i).
template <class Draw>
void fill(const at::Tensor& host, Draw&& draw) {
  with_element(host.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, host.numel(), 4096, [&](int64_t begin, int64_t end) {
      T* values = data<T>(host);
      for (int64_t i = begin; i < end; ++i) values[i] = static_cast<T>(draw(static_cast<uint64_t>(i)));
    });
  });
}

void fill_normal(const at::Tensor& host, double deviation, uint64_t key) {
  fill(host, [=](uint64_t i) { return deviation * normal(key, i); });
}

// In (-bound, bound): what Kaiming's initialisation with a = sqrt(5), torch.nn.Linear's and peft's, comes to.
void fill_uniform(const at::Tensor& host, double bound, uint64_t key) {
  fill(host, [=](uint64_t i) { return bound * (2 * uniform(key, i) - 1); });
}

// Elements [begin, end) of a flat buffer; a Rademacher element takes one bit of its 64 neighbours' word, a normal one
// shares Box-Muller's two uniforms with one neighbour.
template <class T>
void fill_random(T* values, int64_t begin, int64_t end, int32_t distribution, uint64_t key) {
  for (int64_t i = begin; i < end; ++i) {
    const auto place = static_cast<uint64_t>(i);
    values[i] = distribution == LETHE_NORMAL
                    ? static_cast<T>(normal(key, place))
                    : static_cast<T>(random_bits(key, place / 64) >> (place % 64) & 1 ? 1 : -1);
  }
}

}  // namespace

void initialize(Model& model, uint64_t seed) {
  const Architecture& a = model.layout.architecture();
  for (size_t i = 0; i < model.layout.parts().size(); ++i) {
    const Part& part = model.layout.parts()[i];
    if (part.frozen()) continue;
    const Site& site = model.layout.sites()[static_cast<size_t>(part.site)];
    const at::Tensor values = model.parameters.narrow(0, part.offset, part.count());
    if (part.dimensions == 1) {
      const bool scale = site.kind == LETHE_SITE_NORM && model.layout.weight_of(part.site) == static_cast<int64_t>(i);
      values.fill_(scale ? 1.0 : 0.0);
      continue;
    }
    const at::Tensor host =
        model.on_cpu() ? values : at::empty({values.numel()}, at::TensorOptions().dtype(model.dtype));
    const uint64_t key = mix(seed ^ mix(static_cast<uint64_t>(i)));
    switch (site.adapts) {
      case Adapts::kA: fill_uniform(host, 1 / std::sqrt(static_cast<double>(part.rows)), key); break;
      case Adapts::kB: host.zero_(); break;
      default: fill_normal(host, site.residual ? a.residual_deviation : a.deviation, key);
    }
    if (!model.on_cpu()) values.copy_(host);
  }
  model.parameters_changed();
}

void flat_random(const Layout& layout, const at::Tensor& flat, int32_t distribution, uint64_t seed) {
  const uint64_t key = mix(seed ^ mix(~static_cast<uint64_t>(distribution)));
  const at::Tensor host = flat.is_cpu() ? flat : at::zeros({flat.numel()}, at::TensorOptions().dtype(flat.dtype()));
  with_element(host.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    for (const Part& part : layout.parts()) {
      if (part.frozen()) continue;
      at::parallel_for(part.offset, part.offset + part.count(), 4096, [&](int64_t begin, int64_t end) {
        fill_random(data<T>(host), begin, end, distribution, key);
      });
    }
  });
  if (!flat.is_cpu()) flat.copy_(host);
}

}  // namespace lethe
