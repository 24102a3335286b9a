// The one door to matrix products, so that which library makes them is decided in one place.
#pragma once

#include <ATen/core/Tensor.h>

namespace lethe {

enum class Into { kOverwrite, kAdd };

// kBf16 rounds fp32 operands to bf16 (nearest, ties to even) and sums in fp32; on the CPU, where bf16_tiles() holds.
enum class Rounding { kNone, kBf16 };

bool bf16_tiles();  // this build and this processor have AVX-512 BF16

// out [m, n] = a [m, k] b [k, n], added to out with kAdd. Of each the rows or the columns are contiguous. b may be
// bf16 or fp16, a base's, where the others are wider: fp32 products on the CPU widen what they pack, others all of b.
void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, Into into = Into::kOverwrite,
          Rounding rounding = Rounding::kNone);

// out = a b + addend, all matrices of one type on any place; the addend may be out itself. By ATen.
void add_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& addend, const at::Tensor& out);

}  // namespace lethe
