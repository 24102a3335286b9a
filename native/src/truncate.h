// The best factors of few rows for a record's gradient at a linear site. Weight and bias are one matrix,
// [A, 1]ᵀ G [in + 1, out], or AᵀG where there is no bias; its r largest singular values are kept (Eckart and Young
// 1936), found without making it: thin QR of both factors, then the SVD of the small core R_a R_gᵀ.
#pragma once

#include <ATen/core/Tensor.h>

namespace lethe {

struct TruncatedFactors {
  at::Tensor inputs;     // A [r, in]
  at::Tensor gradients;  // G [r, out]
  at::Tensor shares;     // [r] of G's rows in the bias's gradient
  double total, dropped;  // squared norm of the gradient, and what of it is gone
};

// a [T, in], g [T, out] on one device, finite; 1 <= rank < T.
TruncatedFactors truncate(const at::Tensor& a, const at::Tensor& g, int64_t rank, bool bias);

}  // namespace lethe
