// Chooses libtorch's operator for each product.
//
// Adding a bf16 product to an fp32 matrix goes through scratch: addmm with an output type of its own takes an fp32 addend
// in some of the supported versions only.
#include "products.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>

#include "gemm.h"
#include "switches.h"

namespace lethe::device {
namespace {

// fp32 out = bf16 a times bf16 b, sums in fp32 throughout
void wide_product(const at::Tensor& a, const at::Tensor& b, at::Tensor out) {
  const Switches switches;
  if (a.is_cpu()) {  // the emulation: the CPU has no such product, and bf16 numbers are fp32 numbers
    at::mm_out(out, a.to(at::kFloat), b.to(at::kFloat));
  } else {
    at::mm_out(out, a, b, at::kFloat);
  }
}

}  // namespace

void product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  at::Tensor result = out;
  const Switches switches;
  at::mm_out(result, a, b);
}

void product_plus(const at::Tensor& a, const at::Tensor& b, const at::Tensor& addend, const at::Tensor& out) {
  const Switches switches;
  if (addend.dim() == 2) return add_product(a, b, addend, out);
  at::Tensor result = out;
  at::addmm_out(result, addend, a, b);
}

at::Tensor batched_product(const at::Tensor& a, const at::Tensor& b) {
  const Switches switches;
  return at::matmul(a, b);
}

void gradient_product(const at::Tensor& a, const at::Tensor& b, bool add, const at::Tensor& out, Slab& scratch) {
  if (!out.is_contiguous()) return gradient_product(b.t(), a.t(), add, out.t(), scratch);  // a weight kept turned
  if (a.scalar_type() == out.scalar_type()) {
    add ? product_plus(a, b, out, out) : product(a, b, out);
  } else if (add) {
    const at::Tensor sum = scratch.get(out.options(), out.size(0), out.size(1));
    wide_product(a, b, sum);
    out.add_(sum);
  } else {
    wide_product(a, b, out);
  }
}

}  // namespace lethe::device
