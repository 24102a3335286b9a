// Matrix products by ATen (MKL, cuBLAS), or by tiles of our own where those are faster.
//
// On AMD processors MKL keeps to AVX2. Where they have AVX-512, our tiles make 200-235 GFLOP/s a core of a model's fp32
// products, oneDNN's generated kernels 130-210 and MKL 70-92 (Zen 5, 246 at most).
#include "gemm.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <optional>

#include "gemm_tiles.h"
#include "switches.h"

namespace lethe {
namespace {

bool amd_with_avx512() {
#if defined(__AVX512F__) && defined(__GNUC__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

bool fits_tiles(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, Rounding rounding) {
  static const bool faster = amd_with_avx512();
  return (faster || rounding == Rounding::kBf16) && out.is_cpu() && out.scalar_type() == at::kFloat &&
         (a.stride(0) == 1 || a.stride(1) == 1) &&
         (b.stride(0) == 1 || b.stride(1) == 1) && a.size(1) > 0;
}

Operand operand(const at::Tensor& x) { return {x.const_data_ptr<float>(), x.stride(0), x.stride(1)}; }

}  // namespace

void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, Into into, Rounding rounding) {
  if (!out.is_contiguous() && out.t().is_contiguous()) return gemm(b.t(), a.t(), out.t(), into, rounding);
  at::Tensor result = out;
  if (fits_tiles(a, b, out, rounding)) {
    tiled_gemm(operand(a), operand(b), a.size(0), a.size(1), b.size(1), out.mutable_data_ptr<float>(), into, rounding);
    return;
  }
  std::optional<Switches> switches;
  if (!out.is_cpu()) switches.emplace();
  if (into == Into::kAdd) {
    at::addmm_out(result, result, a, b);
  } else {
    at::mm_out(result, a, b);
  }
}

}  // namespace lethe
