// What both capture kernels share: where a row goes, its factor, and how a number that is not finite is reported.
#pragma once

#include "device.h"

namespace lethe::kernels {

static_assert(sizeof(unsigned long long) == sizeof(uint64_t));

template <class R>
LETHE_DEVICE R factor_of(const Staging& staging, int32_t record) {
  return staging.factors == nullptr ? R{1} : static_cast<R>(staging.factors[record]);
}

// A minimum of integers: the same whatever the order.
LETHE_DEVICE void report(const Staging& staging, int32_t record) {
  atomicMin(reinterpret_cast<unsigned long long*>(staging.first_bad),
            static_cast<unsigned long long>(record * staging.site_count + staging.site));
}

// body(Tag<X>, Tag<T>): F32 or BF16 to F32 or BF16, F64 to any.
template <class Body>
Status with_capture_types(Element x, Element out, Body&& body) {
  if (x == Element::kF64 && out == Element::kF32) return body(Tag<double>{}, Tag<float>{});
  if (x == Element::kF64 && out == Element::kBF16) return body(Tag<double>{}, Tag<BF16>{});
  return with_types(x, out, body);
}

}  // namespace lethe::kernels
