// AdamW (Loshchilov and Hutter 2019) as torch.optim.AdamW computes it, in one pass over the flat buffers, with clipping
// by the global norm folded in: the gradient buffer itself is not changed.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "flat.h"
#include "guard.h"
#include "ops.h"

namespace lethe {
namespace {

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
void update(const AdamwStep& step, double clipping, bool matrix, const T* gradient, T* parameter, T* moment1, T* moment2,
            int64_t count) {
  const T clip = static_cast<T>(clipping), epsilon = static_cast<T>(step.epsilon);
  const T rest1 = static_cast<T>(1 - step.beta1), beta2 = static_cast<T>(step.beta2),
          rest2 = static_cast<T>(1 - step.beta2);
  const T keep = static_cast<T>(matrix ? step.decay : 1.0), size = static_cast<T>(step.step_size);
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

// The first selected tensor whose gradient is not finite.
std::string first_bad(const Model& model, const std::vector<Segment>& over) {
  for (const TensorSpec& tensor : model.layout.tensors()) {
    const auto holds = [&](const Segment& s) { return tensor.offset >= s.begin && tensor.offset < s.end; };
    if (std::none_of(over.begin(), over.end(), holds)) continue;
    const std::vector<Segment> own{{tensor.offset, tensor.offset + tensor.count(), tensor.dimensions == 2}};
    if (!std::isfinite(flat_dot(model.path, model.gradients, model.gradients, own))) return tensor.name;
  }
  return "no single tensor";  // each is finite and their sum is not
}

double require_finite(const Model& model, const std::vector<Segment>& over, double norm) {
  if (!std::isfinite(norm))
    refuse(LETHE_NOT_FINITE, "the gradient's norm is ", norm, ", first at ", first_bad(model, over),
           "; no parameter was moved");
  return norm;
}

}  // namespace

double adamw_step(Model& model, const lethe_adamw& options) {
  check(options);
  const std::vector<Segment> over = segments(model.layout, options.sites);
  const double count = static_cast<double>(options.step);
  const AdamwStep step{.max_norm = options.max_norm,
                       .beta1 = options.beta1,
                       .beta2 = options.beta2,
                       .epsilon = options.epsilon,
                       .decay = 1 - options.learning_rate * options.weight_decay,
                       .step_size = options.learning_rate / (1 - std::pow(options.beta1, count)),
                       .root_correction2 = std::sqrt(1 - std::pow(options.beta2, count))};
  if (!model.on_cpu()) {
    model.allocate_moments();
    return require_finite(model, over, model.path->adamw(model, step, over));
  }
  const double norm =
      require_finite(model, over, std::sqrt(flat_dot(model.path, model.gradients, model.gradients, over)));
  model.allocate_moments();
  const double clip = options.max_norm > 0 ? std::min(1.0, options.max_norm / (norm + 1e-6)) : 1.0;
  for (const Segment& s : over) {
    with_element(model.dtype, [&](auto zero) {
      using T = decltype(zero);
      at::parallel_for(s.begin, s.end, 16384, [&](int64_t begin, int64_t end) {
        update(step, clip, s.matrix, data<T>(model.gradients) + begin, data<T>(model.parameters) + begin,
               data<T>(model.moment1) + begin, data<T>(model.moment2) + begin, end - begin);
      });
    });
  }
  return norm;
}

}  // namespace lethe
