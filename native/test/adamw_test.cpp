// AdamW against a scalar reference over three steps, with clipping, decay on matrices only and a choice of sites; a
// gradient that is not finite moves nothing.
#include <limits>

#include "check.h"

using namespace test;

namespace {

struct Reference {
  std::vector<double> w, m, v;

  double step(const std::vector<double>& g, const lethe_adamw& o, const std::vector<lethe_tensor_info>& tensors) {
    double norm = 0;
    const auto each = [&](auto&& body) {
      for (const lethe_tensor_info& tensor : tensors) {
        const bool tied_head = o.sites && tensor.site == 0 && o.sites[15];
        if (o.sites && !o.sites[tensor.site] && !tied_head) continue;
        for (int64_t i = tensor.offset; i < tensor.offset + tensor.rows * tensor.columns; ++i) {
          body(static_cast<size_t>(i), tensor.dimensions == 2);
        }
      }
    };
    each([&](size_t i, bool) { norm += g[i] * g[i]; });
    norm = std::sqrt(norm);
    const double clip = o.max_norm > 0 ? std::min(1.0, o.max_norm / (norm + 1e-6)) : 1.0,
                 t = static_cast<double>(o.step);
    each([&](size_t i, bool matrix) {
      const double gradient = g[i] * clip;
      if (matrix) w[i] -= o.learning_rate * o.weight_decay * w[i];
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * gradient;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * gradient * gradient;
      const double corrected = m[i] / (1 - std::pow(o.beta1, t));
      w[i] -= o.learning_rate * corrected / (std::sqrt(v[i] / (1 - std::pow(o.beta2, t))) + o.epsilon);
    });
    return norm;
  }
};

lethe_adamw options(int64_t step) {
  auto o = sized<lethe_adamw>();
  o.learning_rate = 1e-2;
  o.beta1 = 0.9;
  o.beta2 = 0.999;
  o.epsilon = 1e-8;
  o.weight_decay = 0.1;
  o.max_norm = 0.5;
  o.step = step;
  return o;
}

void three_steps(int32_t dtype, double tolerance, const uint8_t* sites) {
  const ModelHandle model = random_model(tiny_config(dtype, true), 1);
  const auto tensors = tensors_of(model.get());
  Reference reference{read(model.get(), LETHE_PARAMETERS), {}, {}};
  reference.m.resize(reference.w.size());
  reference.v.resize(reference.w.size());
  Random random(3);
  for (int64_t step = 1; step <= 3; ++step) {
    std::vector<double> g(reference.w.size());
    for (double& value : g) value = random.uniform() * (step == 2 ? 1e-4 : 1.0);  // step 2 is not clipped
    write(model.get(), LETHE_GRADIENT, g);
    lethe_adamw o = options(step);
    o.sites = sites;
    double norm = 0;
    CHECK_OK(lethe_model_adamw(model.get(), &o, &norm, err));
    const double expected = reference.step(read(model.get(), LETHE_GRADIENT), o, tensors);
    CHECK_CLOSE(norm / expected, 1.0, tolerance);
  }
  CHECK_CLOSE(relative(read(model.get(), LETHE_PARAMETERS), reference.w), 0.0, tolerance);
  CHECK_CLOSE(relative(read(model.get(), LETHE_MOMENT1), reference.m), 0.0, tolerance);
  CHECK_CLOSE(relative(read(model.get(), LETHE_MOMENT2), reference.v), 0.0, tolerance);
}

void not_finite_moves_nothing() {
  const ModelHandle model = random_model(tiny_config(LETHE_F32, true), 1);
  const std::vector<double> before = read(model.get(), LETHE_PARAMETERS);
  std::vector<double> g(before.size(), 0.1);
  g[5] = std::numeric_limits<double>::quiet_NaN();
  write(model.get(), LETHE_GRADIENT, g);
  const lethe_adamw o = options(1);
  CHECK_REFUSED(lethe_model_adamw(model.get(), &o, nullptr, err), LETHE_NOT_FINITE, "norm");
  CHECK(read(model.get(), LETHE_PARAMETERS) == before);
}

}  // namespace

int main() {
  three_steps(LETHE_F64, 1e-13, nullptr);
  three_steps(LETHE_F32, 1e-6, nullptr);
  std::vector<uint8_t> sites(16);
  sites[4] = sites[7] = 1;  // h.0.attn.c_proj, h.0.mlp.c_proj
  three_steps(LETHE_F64, 1e-13, sites.data());
  sites[15] = 1;  // lm_head: moves the tied wte
  three_steps(LETHE_F64, 1e-13, sites.data());
  not_finite_moves_nothing();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
