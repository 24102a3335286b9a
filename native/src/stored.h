// Numbers as entries store them (float, double or bfloat16 bits) to and from a model's Real, and which of them a format
// uses. Conversions to bfloat16 round to nearest even.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "entry.h"

namespace lethe {

struct BFloat16 {
  uint16_t bits;
};

template <class Real>
inline Real load(float value) { return static_cast<Real>(value); }
template <class Real>
inline Real load(double value) { return static_cast<Real>(value); }
template <class Real>
inline Real load(BFloat16 value) {
  return static_cast<Real>(std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16));
}

template <class Stored, class Real>
inline Stored store(Real value) {
  if constexpr (std::is_same_v<Stored, BFloat16>) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
    return {static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
  } else {
    return static_cast<Stored>(value);
  }
}

// All ones in the exponent: infinite or NaN. Integer arithmetic, so that a whole row's test vectorises.
inline uint32_t not_finite(BFloat16 value) { return (value.bits & 0x7F80u) == 0x7F80u; }
inline uint32_t not_finite(float value) { return (std::bit_cast<uint32_t>(value) & 0x7F800000u) == 0x7F800000u; }
inline uint64_t not_finite(double value) {
  return (std::bit_cast<uint64_t>(value) & 0x7FF0000000000000u) == 0x7FF0000000000000u;
}

// to[i] = scale * from[i]; false when a stored number is not finite.
template <class Stored, class Real>
inline bool store_row(const Real* from, int64_t count, Real scale, Stored* to) {
  decltype(not_finite(Stored{})) bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Stored value = store<Stored>(scale * from[i]);
    to[i] = value;
    bad |= not_finite(value);
  }
  return bad == 0;
}

// to[i] = scale * from[i]
template <class Stored, class Real>
inline void load_row(const Stored* from, int64_t count, Real scale, Real* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = scale * load<Real>(from[i]);
}

template <class T>
struct Type {
  using type = T;
};

// body(Type<Real>, Type<Stored>) with the types of a model and of an entry's dtype.
template <class Body>
decltype(auto) with_stored(bool double_model, int32_t dtype, Body&& body) {
  if (double_model) {
    if (dtype == LETHE_F64) return body(Type<double>{}, Type<double>{});
    if (dtype == LETHE_BF16) return body(Type<double>{}, Type<BFloat16>{});
    return body(Type<double>{}, Type<float>{});
  }
  if (dtype == LETHE_BF16) return body(Type<float>{}, Type<BFloat16>{});
  return body(Type<float>{}, Type<float>{});
}

// body(Type<Index>) with the type of a format's top-k indices.
template <class Body>
decltype(auto) with_index(const EntryFormat& format, Body&& body) {
  if (format.narrow_indices()) return body(Type<uint16_t>{});
  return body(Type<int32_t>{});
}

}  // namespace lethe
