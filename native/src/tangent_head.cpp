// The head and its loss with tangents, chunk by chunk over the rows that have a target.
//
//   Z = H W^T,  Z' = H' W^T + H W'^T,  E and E' from them in place (ops_tangent.h)
//   dH' = E' W + E W',  dW' = E'^T H + E^T H'      Gauss-Newton: the terms with E fall away
// Only a chunk's logits and their tangents exist at a time. Its hidden rows are stacked [H; H'_1; ..; H'_K; H], so that
// all but the first block meets W in one product and, with K = 1, the first two blocks the stacked errors [E'; E].
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "gemm.h"
#include "tangent.h"

namespace lethe {
namespace {

constexpr int64_t kChunkBytes = int64_t{256} << 20;  // of logits and tangents; a quarter of it takes a fifth longer
constexpr int64_t kDeviceChunkBytes = int64_t{2} << 30;  // as device/head.cpp's
constexpr int64_t kLeastChunkRows = 32;

int64_t chunk_rows(const Model& model, int64_t blocks, int64_t rows) {
  const int64_t bytes = model.shape().vocabulary * static_cast<int64_t>(c10::elementSize(model.dtype));
  const int64_t most = std::max(kLeastChunkRows, (model.on_cpu() ? kChunkBytes : kDeviceChunkBytes) / (blocks * bytes));
  const int64_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

// The rows that have a target, on the model's device.
at::Tensor target_rows(const Model& model, const Batch& batch) {
  std::vector<int64_t> rows = batch.target_rows();
  const at::Tensor host = at::from_blob(rows.data(), {batch.target_count()}, at::kLong);
  return host.to(model.device, at::kLong, /*non_blocking=*/false, /*copy=*/true);
}

class Head {
 public:
  Head(Model& model, const Batch& batch, const Curvature& curvature, TangentOps& ops, const at::Tensor& hidden,
       const at::Tensor& hidden_gradient)
      : model_(model),
        curvature_(curvature),
        ops_(ops),
        site_(model.layout.head_site()),
        hidden_(hidden),
        rows_(target_rows(model, batch)),
        directions_(curvature.directions(site_)),
        products_(curvature.products(site_)),
        gradient_(hidden_gradient) {
    if (curvature.trunk() && batch.target_count() < batch.rows()) gradient_.zero_();
  }

  // Target rows first .. first + n; their losses.
  void chunk(int64_t first, int64_t n, double* losses) {
    const Blocks blocks{n, curvature_.count()};
    const at::Tensor rows = rows_.narrow(0, first, n), stack = stacked_hidden(rows, blocks);
    const at::Tensor logits =
        ops_.workspace.logits.get(model_.options(), (blocks.tangents + 1) * n, model_.shape().vocabulary);
    multiply(stack, logits, blocks);
    at::Tensor sums;
    if (curvature_.wants_quadratic()) sums = at::zeros({blocks.tangents, n}, curvature_.row_shares().options());
    ops_.softmax_tangent(logits, blocks, first, curvature_.hessian(), losses, sum_of(sums, 0));
    // The share of a site that is not chosen is zero, and of Gauss-Newton this is the whole.
    if (curvature_.hessian() && directions_.empty()) sums.reset();
    const at::Tensor errors = logits.narrow(0, 0, (blocks.tangents + (curvature_.hessian() ? 1 : 0)) * n);
    if (curvature_.trunk()) hidden_gradient(rows, stack, errors, blocks, sums);
    parameters(first == 0, stack, errors, blocks);
    if (!sums.defined()) return;
    at::Tensor shares = curvature_.row_shares();
    shares.index_add_(1, rows, sums);
  }

 private:
  int64_t channels() const { return model_.shape().channels; }
  // The k-th tangent's of sums [K, n].
  static double* sum_of(const at::Tensor& sums, int64_t k) {
    return sums.defined() ? sums.mutable_data_ptr<double>() + k * sums.size(1) : nullptr;
  }

  at::Tensor stacked_hidden(const at::Tensor& rows, const Blocks& blocks) {
    const at::Tensor stack =
        ops_.workspace.target_hidden.get(model_.options(), (blocks.tangents + 2) * blocks.rows, channels());
    const Blocks whole = curvature_.blocks();
    const auto gather = [&](const at::Tensor& from, at::Tensor to) { at::index_select_out(to, from, 0, rows); };
    gather(whole.value(hidden_), blocks.value(stack));
    for (int64_t k = 0; curvature_.trunk() && k < blocks.tangents; ++k)
      gather(whole.tangent(hidden_, k), blocks.tangent(stack, k));
    blocks.tangent(stack, blocks.tangents).copy_(blocks.value(stack));
    return stack;
  }

  // Joint logits, tangents first.
  void multiply(const at::Tensor& stack, const at::Tensor& logits, const Blocks& blocks) {
    const at::Tensor& weight = model_.weight(site_);
    if (curvature_.trunk()) {
      gemm(stack.narrow(0, blocks.rows, (blocks.tangents + 1) * blocks.rows), weight.t(), logits);
    } else {
      gemm(blocks.value(stack), weight.t(), blocks.gradient(logits));
    }
    for (size_t k = 0; k < directions_.weight.size(); ++k) {
      gemm(blocks.value(stack), directions_.weight[k].t(), blocks.gradient_tangent(logits, static_cast<int64_t>(k)),
           curvature_.trunk() ? Into::kAdd : Into::kOverwrite);
    }
  }

  void hidden_gradient(const at::Tensor& rows, const at::Tensor& stack, const at::Tensor& errors, const Blocks& blocks,
                       const at::Tensor& sums) {
    const at::Tensor d = ops_.workspace.target_gradient.get(model_.options(), errors.size(0), channels());
    const bool curved = curvature_.hessian() && !directions_.empty(), quadratic = curved && sums.defined();
    if (curved) {
      for (int64_t k = 0; k < blocks.tangents; ++k) {
        const at::Tensor tangent = blocks.gradient_tangent(d, k);
        gemm(blocks.gradient(errors), directions_.weight[static_cast<size_t>(k)], tangent);
        if (quadratic) ops_.row_products(2, blocks.tangent(stack, k), {}, tangent, sum_of(sums, k));
      }
      blocks.gradient(d).zero_();
    }
    gemm(errors, model_.weight(site_), d, curved ? Into::kAdd : Into::kOverwrite);
    for (int64_t k = 0; quadratic && k < blocks.tangents; ++k)
      ops_.row_products(-1, blocks.tangent(stack, k), {}, blocks.gradient_tangent(d, k), sum_of(sums, k));
    // Each block's rows to their places in that block of the gradient.
    const int64_t all = curvature_.blocks().rows;
    for (int64_t block = 0; block < d.size(0) / blocks.rows; ++block)
      gradient_.narrow(0, block * all, all).index_copy_(0, rows, d.narrow(0, block * blocks.rows, blocks.rows));
  }

  void parameters(bool first_chunk, const at::Tensor& stack, const at::Tensor& errors, const Blocks& blocks) {
    const Into into = first_chunk && !curvature_.accumulate() ? Into::kOverwrite : Into::kAdd;
    const bool curved = curvature_.hessian() && curvature_.trunk();
    for (size_t k = 0; k < products_.weight.size(); ++k) {
      const auto i = static_cast<int64_t>(k);
      if (curved && blocks.tangents == 1) {
        gemm(errors.t(), stack.narrow(0, 0, 2 * blocks.rows), products_.weight[k], into);  // [E'; E]^T [H; H']
        continue;
      }
      gemm(blocks.gradient_tangent(errors, i).t(), blocks.value(stack), products_.weight[k], into);
      if (curved) gemm(blocks.gradient(errors).t(), blocks.tangent(stack, i), products_.weight[k], Into::kAdd);
    }
  }

  Model& model_;
  const Curvature& curvature_;
  TangentOps& ops_;
  const int64_t site_;
  const at::Tensor& hidden_;  // joint
  const at::Tensor rows_;     // [targets]
  const SiteTangents directions_, products_;
  const at::Tensor& gradient_;  // joint gradient at hidden, where one is wanted
};

void require_finite(const Batch& batch, const std::vector<double>& losses) {
  for (size_t i = 0; i < losses.size(); ++i) {
    if (std::isfinite(losses[i])) continue;
    const int64_t record = batch.target_records()[i];
    refuse(LETHE_NOT_FINITE, "the loss of record ", record, " of the batch is ", losses[i], " at its token ",
           batch.target_rows()[i] - batch.offset(record));
  }
}

}  // namespace

std::vector<double> tangent_head(Model& model, const Batch& batch, const Curvature& curvature, TangentOps& ops,
                                 const at::Tensor& hidden, const at::Tensor& hidden_gradient, const Cancel& cancel) {
  const int64_t rows = batch.target_count(), step = chunk_rows(model, curvature.count() + 1, rows);
  const at::Tensor losses = at::empty({rows}, at::TensorOptions().dtype(at::kDouble).device(model.device));
  Head head(model, batch, curvature, ops, hidden, hidden_gradient);
  for (int64_t first = 0; first < rows; first += step) {
    cancel.poll();
    head.chunk(first, std::min(step, rows - first), losses.mutable_data_ptr<double>() + first);
  }
  const at::Tensor host = losses.cpu();
  const double* values = host.const_data_ptr<double>();
  std::vector<double> result(values, values + rows);
  require_finite(batch, result);
  return result;
}

}  // namespace lethe
