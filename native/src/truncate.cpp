// Low-rank factors by QR and a small SVD. Rows left over when the gradient has fewer singular values than r are zero.
#include "truncate.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace lethe {
namespace {

double squares(const at::Tensor& values) {
  const at::Tensor wide = values.to(at::kDouble);
  return at::dot(wide, wide).item<double>();
}

}  // namespace

TruncatedFactors truncate(const at::Tensor& a, const at::Tensor& g, int64_t rank, bool bias) {
  const int64_t in = a.size(1), out = g.size(1);
  const at::Tensor widened = bias ? at::cat({a, at::ones({a.size(0), 1}, a.options())}, 1) : a;
  const auto [q_a, r_a] = at::linalg_qr(widened.t());
  const auto [q_g, r_g] = at::linalg_qr(g.t());
  const auto [u, s, vh] = at::linalg_svd(at::matmul(r_a, r_g.t()), /*full_matrices=*/false);
  const int64_t kept = std::min(rank, s.size(0));
  const at::Tensor root = at::sqrt(s.narrow(0, 0, kept));
  TruncatedFactors result{at::zeros({rank, in}, a.options()), at::zeros({rank, out}, a.options()),
                          at::zeros({rank}, a.options()), squares(s), squares(s.narrow(0, kept, s.size(0) - kept))};
  const at::Tensor left = at::matmul(q_a, at::mul(u.narrow(1, 0, kept), root)).t();  // [kept, in + 1]
  result.inputs.narrow(0, 0, kept).copy_(left.narrow(1, 0, in));
  if (bias) result.shares.narrow(0, 0, kept).copy_(left.select(1, in));
  result.gradients.narrow(0, 0, kept).copy_(at::matmul(at::mul(root.unsqueeze(1), vh.narrow(0, 0, kept)), q_g.t()));
  return result;
}

}  // namespace lethe
