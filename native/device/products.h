// Matrix products on the device: libtorch's cuBLAS, in bf16 or in the model's own type, with fp32 sums for gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include "workspace.h"

namespace lethe::device {

// out = a b, all of one type; a and b may be transposed views.
void product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out);
// out = a b + bias (one row) or + addend (a matrix; may be out itself)
void product_plus(const at::Tensor& a, const at::Tensor& b, const at::Tensor& addend, const at::Tensor& out);
// a b, matrix by matrix, as at::matmul
at::Tensor batched_product(const at::Tensor& a, const at::Tensor& b);
// A parameter's gradient in the model's type from factors in the compute type: out = a b, or out += a b; out may be a
// transposed view.
void gradient_product(const at::Tensor& a, const at::Tensor& b, bool add, const at::Tensor& out, Slab& scratch);

}  // namespace lethe::device
