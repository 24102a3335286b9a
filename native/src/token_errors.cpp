// Errors of a target's loss that no loop of its own makes: few operations over whole chunks, the same on every place.
#include <ATen/ops/full.h>

#include "ops.h"

namespace lethe {

void lower_targets(const at::Tensor& logits, const at::Tensor& targets, double penalty) {
  const at::Tensor index = targets.to(at::kLong).unsqueeze(1);
  logits.scatter_add_(1, index, at::full(index.sizes(), -penalty, logits.options()));
}

void flat_errors(const at::Tensor& logits, int64_t columns, const at::Tensor& scales, const at::Tensor& losses) {
  const at::ScalarType wide = logits.scalar_type() == at::kBFloat16 ? at::kFloat : logits.scalar_type();
  const at::Tensor z = logits.narrow(1, 0, columns).to(wide);
  const auto [top, first] = z.max(1, /*keepdim=*/true);
  const at::Tensor gap = top.to(at::kDouble).sub(z.mean(1, /*keepdim=*/true).to(at::kDouble));
  losses.copy_(gap.square().squeeze(1));
  const at::Tensor pull = gap.mul(scales.unsqueeze(1)).mul(2.0);
  logits.zero_();
  logits.narrow(1, 0, columns).copy_(pull.div(-static_cast<double>(columns)).expand({logits.size(0), columns}));
  logits.scatter_add_(1, first, pull.to(logits.scalar_type()));
}

}  // namespace lethe
