// Matrix products: fp32 on the CPU by tiles of our own, the rest by ATen (MKL, cuBLAS).
//
// The tiles were the fastest or within 4 % of it for a model's shapes wherever they were measured, and one rule for all
// processors keeps a machine's bytes. GFLOP/s a core: Zen 5 (246 at most), AVX-512: tiles 200-235, oneDNN 130-210, MKL
// 70-92. Zen 4 (117 at most), AVX-512: tiles 90-110, MKL 74-102; AVX2: tiles 87-107, MKL 74-102.
#include "gemm.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <optional>

#include "gemm_tiles.h"
#include "switches.h"

namespace lethe {
namespace {

bool fits_tiles(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  return out.is_cpu() && out.scalar_type() == at::kFloat && (a.stride(0) == 1 || a.stride(1) == 1) &&
         (b.stride(0) == 1 || b.stride(1) == 1) && (out.stride(1) == 1 || out.size(1) == 1) && a.size(1) > 0;
}

Operand operand(const at::Tensor& x) {
  const Number type = x.scalar_type() == at::kBFloat16 ? Number::kBf16
                      : x.scalar_type() == at::kHalf   ? Number::kHalf
                                                       : Number::kFloat;
  return {x.const_data_ptr(), x.stride(0), x.stride(1), type};
}

}  // namespace

void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, Into into, Rounding rounding) {
  if (!out.is_contiguous() && out.t().is_contiguous()) return gemm(b.t(), a.t(), out.t(), into, rounding);
  at::Tensor result = out;
  if (fits_tiles(a, b, out)) {
    tiled_gemm(operand(a), operand(b), a.size(0), a.size(1), b.size(1), out.mutable_data_ptr<float>(), out.stride(0),
               into, rounding);
    return;
  }
  if (b.scalar_type() != out.scalar_type()) return gemm(a, b.to(out.scalar_type()), out, into, rounding);
  std::optional<Switches> switches;
  if (!out.is_cpu()) switches.emplace();
  if (into == Into::kAdd) {
    add_product(a, b, out, out);
  } else {
    at::mm_out(result, a, b);
  }
}

// libtorch takes the addend of a single row for a bias and gives it to cuBLASLt, which refuses the strides that a turned
// column has (seen with 2.11): turned, it is a matrix again.
void add_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& addend, const at::Tensor& out) {
  const bool row = out.size(0) == 1;
  at::Tensor result = row ? out.t() : out;
  const at::Tensor sum = addend.is_same(out) ? result : row ? addend.t() : addend;
  at::addmm_out(result, sum, row ? b.t() : a, row ? a.t() : b);
}

}  // namespace lethe
