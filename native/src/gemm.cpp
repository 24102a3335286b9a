// Matrix products by ATen (MKL, cuBLAS), or by the oneDNN inside libtorch where that is the faster one.
//
// On AMD processors MKL keeps to AVX2. Where they have AVX-512, oneDNN's generated kernels make 130-195 GFLOP/s a core
// of this model's fp32 products, MKL 70-92 (Zen 5, one core, 246 at most). libtorch exports the entry, but has no
// header for it: the declaration is weak, and without it ATen does the work.
#include "gemm.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

namespace at::native {

__attribute__((weak)) void mkldnn_matmul(const Tensor& a, const Tensor& b, const Tensor& out, float beta, float alpha);

}  // namespace at::native

namespace lethe {
namespace {

bool amd_with_avx512() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

bool generated_kernels(const at::Tensor& out) {
  static const bool faster = at::native::mkldnn_matmul != nullptr && amd_with_avx512();
  return faster && out.is_cpu() && out.scalar_type() == at::kFloat;
}

}  // namespace

void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, Into into) {
  at::Tensor result = out;
  if (generated_kernels(out)) {
    at::native::mkldnn_matmul(a, b, out, into == Into::kAdd ? 1.0f : 0.0f, 1.0f);
  } else if (into == Into::kAdd) {
    at::addmm_out(result, result, a, b);
  } else {
    at::mm_out(result, a, b);
  }
}

}  // namespace lethe
