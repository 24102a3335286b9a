// The head and its loss with tangents, chunk by chunk over the rows that have a target.
//
//   Z = H W^T,  Z' = H' W^T + H W'^T,  E and E' from them in place (ops_tangent.h)
//   dH' = E' W + E W',  dW' = E'^T H + E^T H'      Gauss-Newton: the terms with E fall away
// Only a chunk's logits and their tangents exist at a time. Its hidden rows are stacked [H; H'_1; ..; H'_K; H], so that
// all but the first block meets W in one product and, with K = 1, the first two blocks the stacked errors [E'; E].
#include <algorithm>
#include <cmath>
#include <cstring>

#include "gemm.h"
#include "ops.h"
#include "slots.h"
#include "tangent.h"

namespace lethe {
namespace {

constexpr int64_t kChunkBytes = int64_t{256} << 20;  // of logits and tangents; a quarter of it takes a fifth longer
constexpr int64_t kLeastChunkRows = 32;

int64_t chunk_rows(const Model& model, int64_t blocks, int64_t rows) {
  const int64_t bytes = model.shape().vocabulary * static_cast<int64_t>(c10::elementSize(model.dtype));
  const int64_t most = std::max(kLeastChunkRows, kChunkBytes / (blocks * bytes));
  const int64_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

class Head {
 public:
  Head(Model& model, const Batch& batch, const Curvature& curvature, const at::Tensor& hidden)
      : model_(model),
        batch_(batch),
        curvature_(curvature),
        site_(model.layout.head_site()),
        hidden_(hidden),
        directions_(curvature.directions(site_)),
        products_(curvature.products(site_)) {
    if (!curvature.trunk()) return;
    gradient_ = hidden_gradient_of(model, curvature.gradient_rows());
    if (batch.target_count() < batch.rows()) gradient_.zero_();
  }

  // Target rows first .. first + n.
  void chunk(int64_t first, int64_t n, double* row_losses) {
    const Blocks blocks{n, curvature_.count()};
    const at::Tensor stack = stacked_hidden(first, blocks);
    const at::Tensor logits =
        model_.workspace.logits.get(model_.options(), (blocks.tangents + 1) * n, model_.shape().vocabulary);
    multiply(stack, logits, blocks);
    std::vector<double> scales(static_cast<size_t>(n)), sums;
    for (int64_t i = 0; i < n; ++i) scales[static_cast<size_t>(i)] = batch_.target_scale(record(first + i));
    if (curvature_.wants_quadratic()) sums.resize(static_cast<size_t>(blocks.tangents * n));
    softmax_tangent(logits, {.blocks = blocks,
                             .targets = batch_.target_tokens().data() + first,
                             .scales = scales.data(),
                             .with_value = curvature_.hessian(),
                             .losses = row_losses + first,
                             .sums = sums.empty() ? nullptr : sums.data()});
    require_finite(first, n, row_losses);
    // The share of a site that is not chosen is zero, and of Gauss-Newton this is the whole.
    if (curvature_.hessian() && directions_.empty()) sums.clear();
    const at::Tensor errors = logits.narrow(0, 0, (blocks.tangents + (curvature_.hessian() ? 1 : 0)) * n);
    if (curvature_.trunk()) hidden_gradient(first, stack, errors, blocks, sums);
    parameters(first == 0, stack, errors, blocks);
    if (sums.empty()) return;
    for (int64_t k = 0; k < blocks.tangents; ++k)
      for (int64_t i = 0; i < n; ++i) row_sum(k, first + i) += sums[static_cast<size_t>(k * n + i)];
  }

 private:
  int64_t channels() const { return model_.shape().channels; }
  int64_t record(int64_t i) const { return batch_.target_records()[static_cast<size_t>(i)]; }
  int64_t row(int64_t i) const { return batch_.target_rows()[static_cast<size_t>(i)]; }
  double& row_sum(int64_t k, int64_t i) const { return curvature_.row_sums()[k * batch_.rows() + row(i)]; }

  at::Tensor stacked_hidden(int64_t first, const Blocks& blocks) {
    const at::Tensor stack =
        model_.workspace.target_hidden.get(model_.options(), (blocks.tangents + 2) * blocks.rows, channels());
    const auto begin = batch_.target_rows().begin() + first;
    const std::vector<int64_t> rows(begin, begin + blocks.rows);
    const Blocks whole = curvature_.blocks();
    gather_rows(whole.value(hidden_), rows, blocks.value(stack));
    for (int64_t k = 0; curvature_.trunk() && k < blocks.tangents; ++k)
      gather_rows(whole.tangent(hidden_, k), rows, blocks.tangent(stack, k));
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

  void hidden_gradient(int64_t first, const at::Tensor& stack, const at::Tensor& errors, const Blocks& blocks,
                       std::vector<double>& sums) {
    const at::Tensor d = model_.workspace.target_gradient.get(model_.options(), errors.size(0), channels());
    const bool curved = curvature_.hessian() && !directions_.empty(), quadratic = curved && !sums.empty();
    if (curved) {
      for (int64_t k = 0; k < blocks.tangents; ++k) {
        const at::Tensor tangent = blocks.gradient_tangent(d, k);
        gemm(blocks.gradient(errors), directions_.weight[static_cast<size_t>(k)], tangent);
        if (quadratic) row_products(2, blocks.tangent(stack, k), {}, tangent, sums.data() + k * blocks.rows);
      }
      blocks.gradient(d).zero_();
    }
    gemm(errors, model_.weight(site_), d, curved ? Into::kAdd : Into::kOverwrite);
    for (int64_t k = 0; quadratic && k < blocks.tangents; ++k) {
      row_products(-1, blocks.tangent(stack, k), {}, blocks.gradient_tangent(d, k), sums.data() + k * blocks.rows);
    }
    put(first, d, blocks);
  }

  // Each block's rows to their places in that block of the gradient.
  void put(int64_t first, const at::Tensor& d, const Blocks& blocks) {
    const size_t bytes = static_cast<size_t>(channels()) * d.element_size();
    const auto* from = static_cast<const char*>(d.const_data_ptr());
    auto* to = static_cast<char*>(gradient_.mutable_data_ptr());
    for (int64_t block = 0; block < d.size(0) / blocks.rows; ++block) {
      for (int64_t i = 0; i < blocks.rows; ++i, from += bytes)
        std::memcpy(to + static_cast<size_t>(block * batch_.rows() + row(first + i)) * bytes, from, bytes);
    }
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

  void require_finite(int64_t first, int64_t n, const double* losses) const {
    for (int64_t i = first; i < first + n; ++i) {
      if (std::isfinite(losses[i])) continue;
      refuse(LETHE_NOT_FINITE, "the loss of record ", record(i), " of the batch is ", losses[i], " at its token ",
             row(i) - batch_.offset(record(i)));
    }
  }

  Model& model_;
  const Batch& batch_;
  const Curvature& curvature_;
  const int64_t site_;
  const at::Tensor& hidden_;  // joint
  const SiteTangents directions_, products_;
  at::Tensor gradient_;  // joint gradient at hidden, or undefined
};

}  // namespace

void tangent_head(Model& model, const Batch& batch, const Curvature& curvature, const at::Tensor& hidden,
                  double* row_losses, const Cancel& cancel) {
  Head head(model, batch, curvature, hidden);
  const int64_t rows = batch.target_count(), step = chunk_rows(model, curvature.count() + 1, rows);
  for (int64_t first = 0; first < rows; first += step) {
    cancel.poll();
    head.chunk(first, std::min(step, rows - first), row_losses);
  }
}

}  // namespace lethe
