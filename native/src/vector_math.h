// exp and the GELU's gate, written so that a plain loop over them becomes vector code: no branches, no calls.
//
// float: Cody-Waite reduction and a degree-6 polynomial, within 2 ulp on [-87, 88] and clamped outside; NaN stays NaN.
// double: the standard library's, for it serves tests, not speed.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace lethe {

[[gnu::always_inline]] inline double fast_exp(double x) { return std::exp(x); }

[[gnu::always_inline]] inline float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the rounded exponent lands in the low bits
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;  // ln 2 in two parts, n * the first is exact
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const uint32_t bits = (std::bit_cast<uint32_t>(shifted) + 127u) << 23;
  return p * std::bit_cast<float>(bits);
}

// GELU in its tanh form, x / 2 (1 + tanh(u)) = x s with s = 1 / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3): the
// sigmoid has no cancellation where the tanh is near -1.
template <class T>
[[gnu::always_inline]] inline T gelu_gate(T x) {
  constexpr T two_k = static_cast<T>(2 * 0.79788456080286535588);
  const T u2 = two_k * (x + static_cast<T>(0.044715) * x * x * x);
  return 1 / (1 + fast_exp(-u2));
}

template <class T>
[[gnu::always_inline]] inline T gelu_derivative(T x) {
  constexpr T two_k = static_cast<T>(2 * 0.79788456080286535588);
  const T s = gelu_gate(x);
  return s + x * s * (1 - s) * two_k * (1 + static_cast<T>(3 * 0.044715) * x * x);
}

}  // namespace lethe
