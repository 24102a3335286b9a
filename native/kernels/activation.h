// The activations on the device: f(u), f'(u) and f''(u); what nobody reads is not computed. As src/activations.h.
#pragma once

#include "device.h"

namespace lethe::kernels {

template <class R>
struct Slope {
  R value, first, second;  // f(u), f'(u), f''(u)
};

// u / 2 (1 + tanh(t / 2)) = u s with s = 1 / (1 + exp(-t)): no cancellation where the tanh is near -1.
struct GeluTanh {
  template <class T>
  static LETHE_DEVICE Slope<Real<T>> at(Real<T> u) {
    using R = Real<T>;
    constexpr R kTwo = static_cast<R>(2 * 0.79788456080286535588);
    const R s = reciprocal<T>(1 + exponential<T>(-(kTwo * (u + static_cast<R>(0.044715) * u * u * u))));
    const R t = kTwo * (1 + static_cast<R>(3 * 0.044715) * u * u), bend = kTwo * static_cast<R>(6 * 0.044715) * u;
    return {u * s, s + u * s * (1 - s) * t, s * (1 - s) * (2 * t + u * ((1 - 2 * s) * t * t + bend))};
  }
};

// u P(u), P the normal distribution and p its density: f' = P + u p, f'' = (2 - u^2) p.
struct Gelu {
  template <class T>
  static LETHE_DEVICE Slope<Real<T>> at(Real<T> u) {
    using R = Real<T>;
    const R below = static_cast<R>(0.5) * erfc(u * static_cast<R>(-0.70710678118654752440));
    const R density = static_cast<R>(0.39894228040143267794) * exponential<T>(static_cast<R>(-0.5) * u * u);
    return {u * below, below + u * density, (2 - u * u) * density};
  }
};

struct Relu {
  template <class T>
  static LETHE_DEVICE Slope<Real<T>> at(Real<T> u) {
    return u > 0 ? Slope<Real<T>>{u, 1, 0} : Slope<Real<T>>{0, 0, 0};
  }
};

// u s, s the sigmoid.
struct Silu {
  template <class T>
  static LETHE_DEVICE Slope<Real<T>> at(Real<T> u) {
    const Real<T> s = reciprocal<T>(1 + exponential<T>(-u));
    return {u * s, s + u * s * (1 - s), s * (1 - s) * (2 + u * (1 - 2 * s))};
  }
};

struct Tanh {
  template <class T>
  static LETHE_DEVICE Slope<Real<T>> at(Real<T> u) {
    const Real<T> t = tanh(u);
    return {t, 1 - t * t, -2 * t * (1 - t * t)};
  }
};

// body(one of the above)
template <class Body>
Status with_activation(Activation kind, Body&& body) {
  switch (kind) {
    case Activation::kGeluTanh: return body(GeluTanh{});
    case Activation::kGelu: return body(Gelu{});
    case Activation::kRelu: return body(Relu{});
    case Activation::kSilu: return body(Silu{});
    case Activation::kTanh: return body(Tanh{});
  }
  return kInvalid;
}

// body(F, Tag<T>, Count<N>): by the activation, the type, and whether columns and pointers allow vectors. Of fp64 none:
// erfc is a call there, and more of its arguments at once spill.
template <class Body, class... Pointers>
Status with_all(Activation kind, Element type, int64_t columns, Body&& body, const Pointers*... pointers) {
  return with_activation(kind, [&](auto f) {
    return with_type(type, [&](auto t) {
      using T = typename decltype(t)::type;
      return with_width<(sizeof(T) == 8 ? 1 : kWide<T>)>(
          columns, [&](auto n) { return body(f, t, n); }, pointers...);
    });
  });
}

}  // namespace lethe::kernels
