// The blocks of chosen sites, the places of their numbers, and (F + shift)^power v in the eigenbases.
#include "kfac.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "gemm.h"

namespace lethe {
namespace {

int64_t aligned(int64_t count) { return (count + 15) / 16 * 16; }

KfacBlock block_for(const Layout& layout, int64_t site) {
  const Site& what = layout.sites()[static_cast<size_t>(site)];
  const Part& weight = layout.parts()[static_cast<size_t>(layout.weight_of(site))];
  KfacBlock block;
  block.site = site, block.kind = what.kind;
  block.weight = layout.weight_of(site), block.bias = layout.bias_of(site);
  switch (what.kind) {
    case LETHE_SITE_LINEAR:
    case LETHE_SITE_NORM: block.rows = weight.rows + (block.bias < 0 ? 0 : 1), block.columns = what.outputs; break;
    default: block.rows = weight.rows, block.columns = weight.columns;
  }
  block.scatter = what.kind == LETHE_SITE_EMBEDDING || what.kind == LETHE_SITE_POSITION;
  block.head = what.kind == LETHE_SITE_HEAD || (what.kind == LETHE_SITE_EMBEDDING && layout.shape().tied);
  return block;
}

void allocate_sums(KfacBlock& block, const at::TensorOptions& options) {
  if (block.kind == LETHE_SITE_LINEAR) {
    block.inputs = SymmetricSum(block.weight_rows(), options);
    block.outputs = SymmetricSum(block.columns, options);
    block.input_sums = at::zeros({block.weight_rows()}, options);
  } else if (block.kind == LETHE_SITE_NORM) {
    block.values = at::zeros({block.rows, block.columns}, options);
  } else {
    if (block.scatter) block.outputs = SymmetricSum(block.columns, options);
    if (block.scatter) block.scatter_rows = at::zeros({block.rows}, at::kDouble);
    if (block.head) block.inputs = SymmetricSum(block.columns, options);
    if (block.head) block.head_rows = at::zeros({block.rows}, options.dtype(at::kDouble));
  }
}

// A block's parts of a vector as one [rows, columns] matrix.
at::Tensor gather(const KfacBlock& block, const lethe_vector& vector) {
  const auto view = [&](int64_t part) { return vector.views[static_cast<size_t>(part)]; };
  const at::Tensor weight = view(block.weight);
  if (block.bias < 0) return weight.view({block.rows, block.columns});
  const at::Tensor bias = view(block.bias);
  const at::Tensor all = at::empty({block.rows, block.columns}, weight.options());
  all.narrow(0, 0, block.rows - 1).copy_(weight.view({block.rows - 1, block.columns}));
  all.select(0, block.rows - 1).copy_(bias);
  return all;
}

void scatter(const KfacBlock& block, const at::Tensor& all, lethe_vector& vector) {
  const at::Tensor& weight = vector.views[static_cast<size_t>(block.weight)];
  if (block.bias < 0) {
    weight.copy_(all.view(weight.sizes()));
    return;
  }
  weight.copy_(all.narrow(0, 0, block.rows - 1).view(weight.sizes()));
  vector.views[static_cast<size_t>(block.bias)].copy_(all.select(0, block.rows - 1));
}

// m *= (scale * values + shift)^power; false when a number has no such power.
bool raise(const at::Tensor& values, double scale, double shift, double power, at::Tensor m) {
  const at::Tensor raised = values.clamp_min(0).mul_(scale).add_(shift);
  if (power < 0 && !(raised.min().item<double>() > 0)) return false;
  power == -1 ? m.div_(raised) : m.mul_(power == 1 ? raised : raised.pow(power));
  return true;
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  gemm(a, b, out);
  return out;
}

}  // namespace

int64_t KfacBlock::elements() const {
  const int64_t left_elements = kind == LETHE_SITE_LINEAR ? aligned(rows * rows) : 0;
  const int64_t right_elements = kind == LETHE_SITE_NORM ? 0 : aligned(columns * columns);
  return left_elements + right_elements + aligned(rows * columns);
}

Kfac::Kfac(const Model& model, const lethe_kfac_options& options)
    : layout(model.layout),
      dtype(model.dtype),
      device(model.device),
      path(model.path),
      fisher(options.fisher),
      seed(options.seed),
      stage(static_cast<KfacStage>(options.stage)),
      records(options.records) {
  const std::vector<uint8_t> sites = layout.chosen(options.sites, "options.sites");
  const auto chosen = [&](int64_t site) { return sites[static_cast<size_t>(site)] != 0; };
  const int64_t head = layout.head_site();
  for (int64_t site = 0; site < layout.site_count(); ++site) {
    if (site == head && layout.shape().tied) continue;
    const bool shared = site == Layout::embedding_site() && layout.shape().tied && chosen(head);
    if (chosen(site) || shared) blocks.push_back(block_for(layout, site));
  }
  require(!blocks.empty(), "options.sites chooses no site");
  for (const KfacBlock& block : blocks) elements += block.elements();
  if (stage != KfacStage::kCovariance) {
    allocate_numbers();
  } else {
    for (KfacBlock& block : blocks) allocate_sums(block, this->options());
  }
}

void Kfac::allocate_numbers() {
  numbers = flat_zeros(elements, dtype, device);
  int64_t at = 0;
  const auto take = [&](int64_t rows, int64_t columns) {
    const at::Tensor view = numbers.narrow(0, at, rows * columns).view({rows, columns});
    at += aligned(rows * columns);
    return view;
  };
  for (KfacBlock& block : blocks) {
    if (block.kind == LETHE_SITE_LINEAR) block.left = take(block.rows, block.rows);
    if (block.kind != LETHE_SITE_NORM) block.right = take(block.columns, block.columns);
    const at::Tensor values = take(block.rows, block.columns);
    if (block.values.defined()) values.copy_(block.values);  // a norm's, from the first pass
    block.values = values;
  }
}

const KfacBlock* Kfac::block_of_site(int64_t site) const {
  if (site == layout.head_site() && layout.shape().tied) site = Layout::embedding_site();
  for (const KfacBlock& block : blocks)
    if (block.site == site) return &block;
  return nullptr;
}

void Kfac::require_whole() const {
  require(!broken, "these factors hold part of a batch whose pass failed; make them anew");
}

double Kfac::value_scale() const {
  return stage == KfacStage::kCorrected ? 1.0 / static_cast<double>(std::max<int64_t>(1, records)) : 1.0;
}

void kfac_apply(const Kfac& kfac, const KfacPower& options, const lethe_vector& in, lethe_vector& out) {
  require(kfac.stage != KfacStage::kCovariance, "the factors are not decomposed yet");
  const double scale = kfac.value_scale();
  std::vector<bool> written(kfac.layout.parts().size());
  for (const KfacBlock& block : kfac.blocks) {
    const double shift = options.damping + options.relative * scale * block.values.mean().item<double>();
    at::Tensor m = gather(block, in);
    if (block.left.defined()) m = product(block.left.t(), m);
    m = block.right.defined() ? product(m, block.right) : m.clone();
    if (!raise(block.values, scale, shift, options.power, m)) {
      refuse(LETHE_INVALID_ARGUMENT, "the block of ", kfac.layout.sites()[static_cast<size_t>(block.site)].name,
             " has a zero eigenvalue and its damping is ", shift, ", so it has no power ", options.power,
             "; use a damping above 0");
    }
    if (block.right.defined()) m = product(m, block.right.t());
    if (block.left.defined()) m = product(block.left, m);
    scatter(block, m, out);
    written[static_cast<size_t>(block.weight)] = true;
    if (block.bias >= 0) written[static_cast<size_t>(block.bias)] = true;
  }
  for (size_t i = 0; i < written.size(); ++i)
    if (!written[i] && out.views[i].defined()) out.views[i].zero_();
}

}  // namespace lethe
