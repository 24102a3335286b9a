// The one door to matrix products, so that which library makes them is decided in one place.
#pragma once

#include <ATen/core/Tensor.h>

namespace lethe {

enum class Into { kOverwrite, kAdd };

// out [m, n] = a [m, k] b [k, n], added to out with kAdd. Each is contiguous or the transpose of what is.
void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, Into into = Into::kOverwrite);

// While it lives, products that this thread asks for round their fp32 operands to bf16 and sum in fp32.
class Bf16Products {
 public:
  explicit Bf16Products(bool on);
  ~Bf16Products();
  Bf16Products(const Bf16Products&) = delete;
  Bf16Products& operator=(const Bf16Products&) = delete;

  static bool available();  // on this processor, by this build

 private:
  bool before_;
};

}  // namespace lethe
