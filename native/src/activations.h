// The activations as plain code that loops vectorise: f(u), f'(u), and these with f''(u). erfc and tanh are the
// standard library's, a call a number.
#pragma once

#include <cmath>

#include "architecture.h"
#include "vector_math.h"

namespace lethe {

template <class T>
struct Slopes {
  T value, first, second;
};

struct GeluTanh {
  template <class T>
  [[gnu::always_inline]] static T value(T u) { return u * gelu_gate(u); }
  template <class T>
  [[gnu::always_inline]] static T first(T u) { return gelu_derivative(u); }
  // s as in gelu_gate, t = d/du of the sigmoid's argument
  template <class T>
  [[gnu::always_inline]] static Slopes<T> slopes(T u) {
    constexpr T two_k = static_cast<T>(2 * 0.79788456080286535588);
    const T s = gelu_gate(u), spread = s * (1 - s);
    const T t = two_k * (1 + static_cast<T>(3 * 0.044715) * u * u);
    const T t_slope = two_k * static_cast<T>(6 * 0.044715) * u;
    return {u * s, s + u * spread * t, spread * (2 * t + u * ((1 - 2 * s) * t * t + t_slope))};
  }
};

// u P(u), P the normal distribution and p its density: f' = P + u p, f'' = (2 - u^2) p.
struct Gelu {
  template <class T>
  [[gnu::always_inline]] static T value(T u) { return u * below(u); }
  template <class T>
  [[gnu::always_inline]] static T first(T u) { return below(u) + u * density(u); }
  template <class T>
  [[gnu::always_inline]] static Slopes<T> slopes(T u) {
    const T share = below(u), p = density(u);
    return {u * share, share + u * p, (2 - u * u) * p};
  }

 private:
  template <class T>
  [[gnu::always_inline]] static T below(T u) {
    return static_cast<T>(0.5) * std::erfc(u * static_cast<T>(-0.70710678118654752440));
  }
  template <class T>
  [[gnu::always_inline]] static T density(T u) {
    return static_cast<T>(0.39894228040143267794) * fast_exp(static_cast<T>(-0.5) * u * u);
  }
};

struct Relu {
  template <class T>
  [[gnu::always_inline]] static T value(T u) { return u > 0 ? u : T(0); }
  template <class T>
  [[gnu::always_inline]] static T first(T u) { return u > 0 ? T(1) : T(0); }
  template <class T>
  [[gnu::always_inline]] static Slopes<T> slopes(T u) { return {value(u), first(u), T(0)}; }
};

// u s, s the sigmoid: f' = s + u s (1 - s), f'' = s (1 - s) (2 + u (1 - 2s)).
struct Silu {
  template <class T>
  [[gnu::always_inline]] static T value(T u) { return u / (1 + fast_exp(-u)); }
  template <class T>
  [[gnu::always_inline]] static T first(T u) { return slopes(u).first; }
  template <class T>
  [[gnu::always_inline]] static Slopes<T> slopes(T u) {
    const T s = 1 / (1 + fast_exp(-u)), spread = s * (1 - s);
    return {u * s, s + u * spread, spread * (2 + u * (1 - 2 * s))};
  }
};

struct Tanh {
  template <class T>
  [[gnu::always_inline]] static T value(T u) { return std::tanh(u); }
  template <class T>
  [[gnu::always_inline]] static T first(T u) { return slopes(u).first; }
  template <class T>
  [[gnu::always_inline]] static Slopes<T> slopes(T u) {
    const T t = std::tanh(u);
    return {t, 1 - t * t, -2 * t * (1 - t * t)};
  }
};

// body(one of the above)
template <class Body>
void with_activation(Activation kind, Body&& body) {
  switch (kind) {
    case Activation::kGelu: return body(Gelu{});
    case Activation::kRelu: return body(Relu{});
    case Activation::kSilu: return body(Silu{});
    case Activation::kTanh: return body(Tanh{});
    default: return body(GeluTanh{});
  }
}

}  // namespace lethe
