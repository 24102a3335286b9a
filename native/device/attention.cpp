// Chooses the kernel and lays its arguments out.
#include "attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_efficient_attention_backward.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/ones.h>

#include <cmath>
#include <limits>

#include "ops.h"
#include "products.h"
#include "switches.h"

namespace lethe::device {
namespace {

enum class Kernel { kFlash, kEfficient, kPlain };
constexpr int64_t kCausal = 1;  // memory-efficient attention's number for a mask from the top left

Kernel kernel_for(const Shape& shape, const at::Tensor& qkv) {
  const int64_t bytes = shape.head_size() * qkv.element_size();
  if (!qkv.is_cuda() || bytes % 16 != 0) return Kernel::kPlain;
  if (qkv.scalar_type() == at::kBFloat16 && shape.head_size() <= 256) return Kernel::kFlash;
  return qkv.scalar_type() == at::kFloat ? Kernel::kEfficient : Kernel::kPlain;
}

struct Qkv {
  at::Tensor q, k, v;
};

// [sum T, heads, head size] views
Qkv columns(const at::Tensor& qkv, const Shape& shape) {
  const auto part = [&](int64_t which) {
    return qkv.narrow(1, which * shape.channels, shape.channels).unflatten(1, {shape.heads, shape.head_size()});
  };
  return {part(0), part(1), part(2)};
}

// ---- plain products

// Part `part` of `parts` of a run's rows as [records, heads, T, head size], at least in fp32.
at::Tensor heads_of(const at::Tensor& x, const Shape& shape, const Run& run, int64_t parts, int64_t part) {
  const int64_t row = parts * shape.channels;
  return x.as_strided({run.records, shape.heads, run.length, shape.head_size()},
                      {run.length * row, shape.head_size(), row, 1},
                      x.storage_offset() + run.first_row * row + part * shape.channels);
}

at::Tensor wide(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x; }

Qkv wide_heads(const at::Tensor& qkv, const Shape& shape, const Run& run) {
  return {wide(heads_of(qkv, shape, run, 3, 0)), wide(heads_of(qkv, shape, run, 3, 1)),
          wide(heads_of(qkv, shape, run, 3, 2))};
}

double scale_of(const Shape& shape) { return 1.0 / std::sqrt(static_cast<double>(shape.head_size())); }

// q k^T / sqrt(d) with the future masked out
at::Tensor masked_scores(const Shape& shape, const Qkv& in) {
  const int64_t length = in.q.size(2);
  const at::Tensor future = at::ones({length, length}, in.q.options().dtype(at::kBool)).triu_(1);
  return batched_product(in.q, in.k.transpose(2, 3))
      .mul_(scale_of(shape))
      .masked_fill_(future, -std::numeric_limits<double>::infinity());
}

Attended plain(const Shape& shape, const Batch& batch, const at::Tensor& qkv) {
  Attended result{at::empty({qkv.size(0), shape.channels}, qkv.options()), {}};
  for (const Run& run : batch.runs()) {
    const Qkv in = wide_heads(qkv, shape, run);
    const at::Tensor scores = masked_scores(shape, in);
    const at::Tensor sums = at::logsumexp(scores, -1, true);
    heads_of(result.out, shape, run, 1, 0).copy_(batched_product((scores - sums).exp_(), in.v));
    result.kept.push_back(sums);
  }
  return result;
}

void plain_backward(const Shape& shape, const Batch& batch, const at::Tensor& qkv, const Attended& attended,
                    const at::Tensor& d_out, const at::Tensor& d_qkv) {
  for (size_t i = 0; i < batch.runs().size(); ++i) {
    const Run& run = batch.runs()[i];
    const Qkv in = wide_heads(qkv, shape, run);
    const at::Tensor d_y = wide(heads_of(d_out, shape, run, 1, 0)), y = wide(heads_of(attended.out, shape, run, 1, 0));
    const at::Tensor p = (masked_scores(shape, in) - attended.kept[i]).exp_();
    const at::Tensor d_p = batched_product(d_y, in.v.transpose(2, 3));
    const at::Tensor d_scores = p.mul(d_p - (d_y * y).sum(-1, true)).mul_(scale_of(shape));
    heads_of(d_qkv, shape, run, 3, 0).copy_(batched_product(d_scores, in.k));
    heads_of(d_qkv, shape, run, 3, 1).copy_(batched_product(d_scores.transpose(2, 3), in.q));
    heads_of(d_qkv, shape, run, 3, 2).copy_(batched_product(p.transpose(2, 3), d_y));
  }
}

// ---- libtorch's kernels

Attended flash(const Shape& shape, const Sequences& s, const at::Tensor& qkv) {
  const Qkv in = columns(qkv, shape);
  auto [out, sums, state, unused, mask] = at::_flash_attention_forward(in.q, in.k, in.v, s.offsets, s.offsets, s.longest,
                                                                       s.longest, 0.0, true, false);
  return {out.reshape({qkv.size(0), shape.channels}), {sums, state, unused}};
}

Qkv flash_backward(const Shape& shape, const Sequences& s, const at::Tensor& qkv, const Attended& attended,
                   const at::Tensor& d_out) {
  const Qkv in = columns(qkv, shape);
  const auto heads = [&](const at::Tensor& x) { return x.view({x.size(0), shape.heads, shape.head_size()}); };
  const Switches switches(/*ordered=*/true);  // it otherwise adds up queries' gradients as they come
  const auto [dq, dk, dv] =
      at::_flash_attention_backward(heads(d_out), in.q, in.k, in.v, heads(attended.out), attended.kept[0], s.offsets,
                                    s.offsets, s.longest, s.longest, 0.0, true, attended.kept[1], attended.kept[2]);
  const auto rows = [](const at::Tensor& x) { return x.reshape({x.size(0), -1}); };
  return {rows(dq), rows(dk), rows(dv)};
}

Attended efficient(const Shape& shape, const Sequences& s, const at::Tensor& qkv, bool keep) {
  const Qkv in = columns(qkv.unsqueeze(0).squeeze(0), shape);
  auto [out, sums, seed, offset, q, k] =
      at::_efficient_attention_forward(in.q.unsqueeze(0), in.k.unsqueeze(0), in.v.unsqueeze(0), {}, s.offsets, s.offsets,
                                       s.longest, s.longest, 0.0, kCausal, keep);
  return {out.reshape({qkv.size(0), shape.channels}), {sums, seed, offset}};
}

// The three gradients share one [1, sum T, 3, heads, head size] block, which is d_qkv.
at::Tensor efficient_backward(const Shape& shape, const Sequences& s, const at::Tensor& qkv, const Attended& attended,
                              const at::Tensor& d_out) {
  const Qkv in = columns(qkv, shape);
  const auto heads = [&](const at::Tensor& x) { return x.view({1, x.size(0), shape.heads, shape.head_size()}); };
  auto [dq, dk, dv, dbias] = at::_efficient_attention_backward(
      heads(d_out), in.q.unsqueeze(0), in.k.unsqueeze(0), in.v.unsqueeze(0), {}, heads(attended.out), s.offsets, s.offsets,
      s.longest, s.longest, attended.kept[0], 0.0, attended.kept[1], attended.kept[2], kCausal, false, {},
      /*num_splits_key=*/1, {}, /*shared_storage_dqdkdv=*/true);
  return dq.as_strided({qkv.size(0), 3 * shape.channels}, {3 * shape.channels, 1});
}

}  // namespace

Attended attention(const Shape& shape, const Sequences& sequences, const at::Tensor& qkv, bool keep) {
  switch (kernel_for(shape, qkv)) {
    case Kernel::kFlash: return flash(shape, sequences, qkv);
    case Kernel::kEfficient: return efficient(shape, sequences, qkv, keep);
    default: return plain(shape, sequences.batch, qkv);
  }
}

at::Tensor attention_backward(State& state, const Shape& shape, const Sequences& sequences, const at::Tensor& qkv,
                              const Attended& attended, const at::Tensor& d_out, const at::Tensor& room, bool accumulate,
                              const at::Tensor& d_bias) {
  at::Tensor d_qkv = room;
  switch (kernel_for(shape, qkv)) {
    case Kernel::kFlash: {
      const Qkv d = flash_backward(shape, sequences, qkv, attended, d_out);
      column_sums(state, {d.q, d.k, d.v}, d_qkv, accumulate, d_bias);
      return d_qkv;
    }
    case Kernel::kEfficient: d_qkv = efficient_backward(shape, sequences, qkv, attended, d_out); break;
    default: plain_backward(shape, sequences.batch, qkv, attended, d_out, d_qkv);
  }
  column_sums(state, d_qkv, accumulate, d_bias);
  return d_qkv;
}

}  // namespace lethe::device
