// From sums of the first pass to eigenbases and Kronecker eigenvalues.
//
// Linear: F = A/T (x) G/N with A over homogeneous inputs [a, 1]. Table: row v's [C, C] block is f_v D/N + s_v H/n, f the
// shares of tokens, s the mean squared errors, so all rows share one basis only approximately: that of the sum over v,
// which is the table's own second moment on the C side. The second pass then makes the eigenvalues right in that basis.
#include <ATen/TensorOperators.h>
#include <ATen/ops/diagonal.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "gemm.h"
#include "kfac.h"
#include "serial.h"

namespace lethe {
namespace {

constexpr int64_t kPanelColumns = 256, kMostPanels = 8;

struct Eigen {
  at::Tensor values;   // [n] ascending, fp64
  at::Tensor vectors;  // [n, n] columns, fp64
};

Eigen eigen(const Kfac& kfac, const KfacBlock& block, const at::Tensor& matrix, const char* side) {
  if (!at::isfinite(matrix.sum()).item<bool>()) {
    refuse(LETHE_NOT_FINITE, "the ", side, " covariance of ",
           kfac.layout.sites()[static_cast<size_t>(block.site)].name, " is not finite");
  }
  auto [values, vectors] = at::linalg_eigh(matrix, "L");
  return {values.clamp_min(0), vectors};
}

// Mean of [a, 1] [a, 1]^T, or of a a^T without a bias.
at::Tensor homogeneous(const Kfac& kfac, const KfacBlock& block) {
  if (block.bias < 0) return block.inputs.full().div_(static_cast<double>(kfac.tokens));
  const int64_t n = block.weight_rows();
  const at::Tensor all = at::empty({block.rows, block.rows}, at::TensorOptions().dtype(at::kDouble));
  all.narrow(0, 0, n).narrow(1, 0, n).copy_(block.inputs.full());
  all.select(0, n).narrow(0, 0, n).copy_(block.input_sums);
  all.select(1, n).narrow(0, 0, n).copy_(block.input_sums);
  all.select(0, n).select(0, n).fill_(static_cast<double>(kfac.tokens));
  return all.div_(static_cast<double>(kfac.tokens));
}

void decompose_linear(const Kfac& kfac, KfacBlock& block, const Cancel& cancel) {
  const Eigen a = eigen(kfac, block, homogeneous(kfac, block), "input");
  block.left.copy_(a.vectors);
  block.inputs = {};
  cancel.poll();
  const Eigen g = eigen(kfac, block, block.outputs.full().div_(static_cast<double>(kfac.records)), "output");
  block.right.copy_(g.vectors);
  block.outputs = {};
  block.values.copy_(a.values.unsqueeze(1) * g.values.unsqueeze(0));
}

void decompose_table(const Kfac& kfac, KfacBlock& block) {
  const auto wide = at::TensorOptions().dtype(at::kDouble);
  const double tokens = static_cast<double>(kfac.tokens), records = static_cast<double>(kfac.records);
  const double targets = static_cast<double>(std::max<int64_t>(1, kfac.targets));
  at::Tensor sum = at::zeros({block.columns, block.columns}, wide), scatter, head, head_rows;
  if (block.scatter) {
    scatter = block.outputs.full().div_(records);
    sum.add_(scatter);  // the shares of tokens sum to 1
  }
  if (block.head) {
    head = block.inputs.full().div_(targets);
    head_rows = block.head_rows.cpu();
    sum.add_(head, head_rows.sum().item<double>() / records);
  }
  const Eigen basis = eigen(kfac, block, sum, "channel");
  block.right.copy_(basis.vectors);
  const auto along = [&](const at::Tensor& matrix) {  // [1, C] diagonal of Q^T M Q
    return (basis.vectors * at::mm(matrix, basis.vectors)).sum(0).clamp_min(0).unsqueeze(0);
  };
  at::Tensor values = at::zeros({block.rows, block.columns}, wide);
  if (block.scatter) values.add_((block.scatter_rows / tokens).unsqueeze(1) * along(scatter));
  if (block.head) values.add_((head_rows / records).unsqueeze(1) * along(head));
  block.values.copy_(values);
  block.inputs = block.outputs = {};
}

}  // namespace

SymmetricSum::SymmetricSum(int64_t n, const at::TensorOptions& options) : n_(n) {
  const int64_t panels = std::clamp<int64_t>(n / kPanelColumns, 1, kMostPanels);
  for (int64_t i = 0; i <= panels; ++i) begins_.push_back(n * i / panels);
  for (size_t i = 0; i + 1 < begins_.size(); ++i)
    panels_.push_back(at::zeros({begins_[i + 1], begins_[i + 1] - begins_[i]}, options));
}

void SymmetricSum::add(const at::Tensor& x, Rounding rounding) {
  for (size_t i = 0; i < panels_.size(); ++i) {
    const at::Tensor columns = x.narrow(1, begins_[i], begins_[i + 1] - begins_[i]);
    gemm(x.narrow(1, 0, begins_[i + 1]).t(), columns, panels_[i], Into::kAdd, rounding);
  }
}

at::Tensor SymmetricSum::full() const {
  const at::Tensor all = at::empty({n_, n_}, at::TensorOptions().dtype(at::kDouble));
  for (size_t i = 0; i < panels_.size(); ++i) {
    const int64_t begin = begins_[i], width = begins_[i + 1] - begin;
    all.narrow(0, 0, begins_[i + 1]).narrow(1, begin, width).copy_(panels_[i]);
    all.narrow(0, begin, width).narrow(1, 0, begin).copy_(panels_[i].narrow(0, 0, begin).t());
  }
  return all;
}

void kfac_decompose(Kfac& kfac, const Cancel& cancel) {
  require(kfac.stage == KfacStage::kCovariance, "the factors are decomposed already");
  require(kfac.tokens > 0, "no batch was accumulated");
  kfac.broken = true;  // until done: sums are given back on the way
  kfac.allocate_numbers();
  for (KfacBlock& block : kfac.blocks) {
    cancel.poll();
    const SerialIfSmall serial(block.elements() * kfac.layout.shape().channels);  // by itself, whatever is beside it
    if (block.kind == LETHE_SITE_LINEAR) {
      decompose_linear(kfac, block, cancel);
    } else if (block.kind == LETHE_SITE_NORM) {
      block.values.div_(static_cast<double>(kfac.records));  // the diagonal is exact after one pass
    } else {
      decompose_table(kfac, block);
    }
  }
  kfac.stage = KfacStage::kKronecker;
  kfac.broken = false;
}

}  // namespace lethe
