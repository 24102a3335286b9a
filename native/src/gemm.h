// The one door to matrix products, so that which library makes them is decided in one place.
#pragma once

#include <ATen/core/Tensor.h>

namespace lethe {

enum class Into { kOverwrite, kAdd };

// out [m, n] = a [m, k] b [k, n], added to out with kAdd. a and b may be transposed views; out is contiguous.
void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, Into into = Into::kOverwrite);

}  // namespace lethe
