// Which kernel: flash on the CPU (fp32 and fp64), memory-efficient on CUDA in fp32, plain math for CUDA in fp64.
#include "attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>

#include <cmath>
#include <limits>
#include <tuple>

namespace lethe {
namespace {

// Part `part` of `parts` of a run's rows of x [sum T, parts * C] as [records, heads, T, head size].
at::Tensor heads_of(const at::Tensor& x, const Shape& shape, const Run& run, int64_t parts, int64_t part) {
  const int64_t row = parts * shape.channels;
  return x.as_strided({run.records, shape.heads, run.length, shape.head_size()},
                      {run.length * row, shape.head_size(), row, 1},
                      x.storage_offset() + run.first_row * row + part * shape.channels);
}

struct Qkv {
  at::Tensor q, k, v;
};

Qkv split(const at::Tensor& qkv, const Shape& shape, const Run& run) {
  return {heads_of(qkv, shape, run, 3, 0), heads_of(qkv, shape, run, 3, 1), heads_of(qkv, shape, run, 3, 2)};
}

// Scores q k^T / sqrt(d) with the future masked out.
at::Tensor masked_scores(const Qkv& in) {
  const int64_t length = in.q.size(2);
  const at::Tensor future = at::ones({length, length}, in.q.options().dtype(at::kBool)).triu_(1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(3)));
  return at::matmul(in.q, in.k.transpose(2, 3))
      .mul_(scale)
      .masked_fill_(future, -std::numeric_limits<double>::infinity());
}

std::tuple<at::Tensor, at::Tensor> forward_kernel(const Qkv& in, bool keep) {
  if (in.q.is_cpu()) return at::_scaled_dot_product_flash_attention_for_cpu(in.q, in.k, in.v, 0.0, true);
  if (in.q.scalar_type() != at::kDouble) {
    auto [out, lse, seed, offset] = at::_scaled_dot_product_efficient_attention(in.q, in.k, in.v, {}, keep, 0.0, true);
    return {out, lse};
  }
  const at::Tensor scores = masked_scores(in);
  const at::Tensor lse = at::logsumexp(scores, -1);
  return {at::matmul((scores - lse.unsqueeze(-1)).exp_(), in.v), lse};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_kernel(const Qkv& in, const at::Tensor& out,
                                                               const at::Tensor& lse, const at::Tensor& d_out) {
  if (in.q.is_cpu()) {
    return at::_scaled_dot_product_flash_attention_for_cpu_backward(d_out, in.q, in.k, in.v, out, lse, 0.0, true);
  }
  if (in.q.scalar_type() != at::kDouble) {
    const at::Tensor none = at::empty({0}, in.q.options().dtype(at::kLong));
    auto [dq, dk, dv, dbias] = at::_scaled_dot_product_efficient_attention_backward(
        d_out, in.q, in.k, in.v, {}, out, lse, none, none, 0.0, {true, true, true, false}, true);
    return {dq, dk, dv};
  }
  const at::Tensor p = (masked_scores(in) - lse.unsqueeze(-1)).exp_();
  const at::Tensor d_p = at::matmul(d_out, in.v.transpose(2, 3));
  const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(3)));
  const at::Tensor d_scores = p.mul(d_p - (d_out * out).sum(-1, true)).mul_(scale);
  return {at::matmul(d_scores, in.k), at::matmul(d_scores.transpose(2, 3), in.q), at::matmul(p.transpose(2, 3), d_out)};
}

}  // namespace

void attention(const Shape& shape, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
               std::vector<at::Tensor>* log_sum_exp) {
  if (log_sum_exp != nullptr) log_sum_exp->clear();
  for (const Run& run : batch.runs()) {
    auto [y, lse] = forward_kernel(split(qkv, shape, run), log_sum_exp != nullptr);
    heads_of(out, shape, run, 1, 0).copy_(y);
    if (log_sum_exp != nullptr) log_sum_exp->push_back(std::move(lse));
  }
}

void attention_backward(const Shape& shape, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
                        const std::vector<at::Tensor>& log_sum_exp, const at::Tensor& d_out, const at::Tensor& d_qkv) {
  for (size_t i = 0; i < batch.runs().size(); ++i) {
    const Run& run = batch.runs()[i];
    auto [dq, dk, dv] = backward_kernel(split(qkv, shape, run), heads_of(out, shape, run, 1, 0), log_sum_exp[i],
                                        heads_of(d_out, shape, run, 1, 0));
    heads_of(d_qkv, shape, run, 3, 0).copy_(dq);
    heads_of(d_qkv, shape, run, 3, 1).copy_(dk);
    heads_of(d_qkv, shape, run, 3, 2).copy_(dv);
  }
}

}  // namespace lethe
