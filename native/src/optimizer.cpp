// AdamW (Loshchilov and Hutter 2019) as torch.optim.AdamW computes it, in one pass over the flat buffers, with clipping
// by the global norm folded in: the gradient buffer itself is not changed.
#include <ATen/Parallel.h>
#include <ATen/ops/addcdiv.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>

#include <cmath>

#include "flat.h"
#include "guard.h"
#include "ops.h"

namespace lethe {
namespace {

struct Step {
  double clip, beta1, beta2, epsilon, decay_factor, step_size, root_correction2;
};

void check(const lethe_adamw& o) {
  const auto in = [](double value, const char* name, bool holds, const char* allowed) {
    require(std::isfinite(value) && holds, "adamw.", name, " is ", value, ", must be ", allowed);
  };
  in(o.learning_rate, "learning_rate", o.learning_rate >= 0, "0 or more");
  in(o.beta1, "beta1", o.beta1 >= 0 && o.beta1 < 1, "in [0, 1)");
  in(o.beta2, "beta2", o.beta2 >= 0 && o.beta2 < 1, "in [0, 1)");
  in(o.epsilon, "epsilon", o.epsilon > 0, "positive");
  in(o.weight_decay, "weight_decay", o.weight_decay >= 0, "0 or more");
  in(o.max_norm, "max_norm", o.max_norm >= 0, "0 (off) or more");
  require(o.step >= 1, "adamw.step is ", o.step, ", the first step is 1");
}

template <class T>
void update(const Step& step, const T* gradient, T* parameter, T* moment1, T* moment2, int64_t count) {
  const T clip = static_cast<T>(step.clip), epsilon = static_cast<T>(step.epsilon);
  const T rest1 = static_cast<T>(1 - step.beta1), beta2 = static_cast<T>(step.beta2),
          rest2 = static_cast<T>(1 - step.beta2);
  const T keep = static_cast<T>(step.decay_factor), size = static_cast<T>(step.step_size);
  const T inverse_root = static_cast<T>(1 / step.root_correction2);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const T g = gradient[i] * clip;
    const T m = moment1[i] + rest1 * (g - moment1[i]);
    const T v = moment2[i] * beta2 + rest2 * g * g;
    moment1[i] = m;
    moment2[i] = v;
    parameter[i] = parameter[i] * keep - size * m / (std::sqrt(v) * inverse_root + epsilon);
  }
}

void update_with_ops(const Step& step, const Model& model, const Segment& s) {
  const auto slice = [&](const at::Tensor& flat) { return flat.narrow(0, s.begin, s.end - s.begin); };
  at::Tensor parameter = slice(model.parameters), m = slice(model.moment1), v = slice(model.moment2);
  const at::Tensor g = slice(model.gradients).mul(step.clip);
  parameter.mul_(step.decay_factor);
  m.lerp_(g, 1 - step.beta1);
  v.mul_(step.beta2).addcmul_(g, g, 1 - step.beta2);
  parameter.addcdiv_(m, v.sqrt().div_(step.root_correction2).add_(step.epsilon), -step.step_size);
}

}  // namespace

double adamw_step(Model& model, const lethe_adamw& options) {
  check(options);
  const std::vector<Segment> over = segments(model.layout, options.sites);
  const double norm = std::sqrt(flat_dot(model.gradients, model.gradients, over));
  if (!std::isfinite(norm)) refuse(LETHE_NOT_FINITE, "the gradient's norm is ", norm, "; no parameter was moved");
  model.allocate_moments();

  const double count = static_cast<double>(options.step);
  Step step{.clip = 1.0,
            .beta1 = options.beta1,
            .beta2 = options.beta2,
            .epsilon = options.epsilon,
            .decay_factor = 1.0,
            .step_size = options.learning_rate / (1 - std::pow(options.beta1, count)),
            .root_correction2 = std::sqrt(1 - std::pow(options.beta2, count))};
  if (options.max_norm > 0) step.clip = std::min(1.0, options.max_norm / (norm + 1e-6));
  for (const Segment& s : over) {
    step.decay_factor = s.matrix ? 1 - options.learning_rate * options.weight_decay : 1.0;
    if (!model.on_cpu()) {
      update_with_ops(step, model, s);
      continue;
    }
    with_element(model.dtype, [&](auto zero) {
      using T = decltype(zero);
      at::parallel_for(s.begin, s.end, 16384, [&](int64_t begin, int64_t end) {
        update(step, data<T>(model.gradients) + begin, data<T>(model.parameters) + begin,
               data<T>(model.moment1) + begin, data<T>(model.moment2) + begin, end - begin);
      });
    });
  }
  return norm;
}

}  // namespace lethe
