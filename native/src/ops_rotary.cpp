// Rotary positions (Su et al. 2021): pairs of a head's numbers turned by an angle that grows with the position. Cosines
// and sines are made once a pass; the turn is its own tangent, and its adjoint is the turn back.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "ops.h"

namespace lethe {
namespace {

constexpr int64_t kGrain = 16;  // rows

template <class T>
void turn_head(T* x, const T* cos, const T* sin, T sign, int64_t half) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const T a = x[i], b = x[i + half], s = sign * sin[i];
    x[i] = a * cos[i] - b * s;
    x[i + half] = b * cos[i] + a * s;
  }
}

}  // namespace

Turns make_turns(const Rotary& rotary, const std::vector<int64_t>& positions, const at::TensorOptions& options) {
  if (rotary.size == 0) return {};
  const int64_t half = rotary.size / 2, rows = static_cast<int64_t>(positions.size());
  std::vector<double> frequencies;
  for (int64_t i = 0; i < half; ++i) frequencies.push_back(rotary.frequency(i));
  const Turns turns{at::empty({rows, half}, options), at::empty({rows, half}, options)};
  with_element(turns.cos.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, rows, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const auto place = static_cast<double>(positions[static_cast<size_t>(r)]);
        for (int64_t i = 0; i < half; ++i) {
          const double angle = place * frequencies[static_cast<size_t>(i)];
          data<T>(turns.cos)[r * half + i] = static_cast<T>(std::cos(angle));
          data<T>(turns.sin)[r * half + i] = static_cast<T>(std::sin(angle));
        }
      }
    });
  });
  return turns;
}

Turns make_turns(const Rotary& rotary, const Batch& batch, const at::TensorOptions& options) {
  std::vector<int64_t> positions;
  for (int64_t b = 0; rotary.size > 0 && b < batch.records(); ++b)
    for (int64_t t = 0; t < batch.length(b); ++t) positions.push_back(t);
  return make_turns(rotary, positions, options);
}

void turn(const QkvView& view, const Turns& turns, Direction direction, const at::Tensor& x) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = turns.cos.size(0), half = turns.cos.size(1);
    const T sign = direction == Direction::kForward ? T(1) : T(-1);
    at::parallel_for(0, x.size(0), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* row = data<T>(x) + r * view.width();
        const T *cos = data<T>(turns.cos) + r % rows * half, *sin = data<T>(turns.sin) + r % rows * half;
        for (int64_t head = 0; head < view.heads; ++head) turn_head(row + view.query(head), cos, sin, sign, half);
        for (int64_t head = 0; head < view.heads; head += view.group())
          turn_head(row + view.key(head), cos, sin, sign, half);
      }
    });
  });
}

}  // namespace lethe
