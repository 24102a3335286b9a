// Counter-based random numbers: a pure function of (key, counter), so that every thread can make its share and the
// result is the same on every machine and thread count. SplitMix64's finalizer (Steele, Lea and Flood 2014).
#pragma once

#include <cmath>
#include <cstdint>

namespace lethe {

inline uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

inline uint64_t random_bits(uint64_t key, uint64_t counter) { return mix(key ^ mix(counter)); }

// In the open interval (0, 1).
inline double uniform(uint64_t key, uint64_t counter) {
  return (static_cast<double>(random_bits(key, counter) >> 11) + 0.5) * 0x1p-53;
}

// Standard normal by Box-Muller; counters 2n and 2n + 1 share one pair of uniforms.
inline double normal(uint64_t key, uint64_t counter) {
  const uint64_t first = counter & ~uint64_t{1};
  const double radius = std::sqrt(-2 * std::log(uniform(key, first)));
  const double angle = 6.283185307179586 * uniform(key, first + 1);
  return radius * (counter & 1 ? std::sin(angle) : std::cos(angle));
}

}  // namespace lethe
