// Chooses the kernel and lays its arguments out.
#include "attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_efficient_attention_backward.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/cat.h>
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

Kernel kernel_for(const QkvView& view, const at::Tensor& qkv) {
  const int64_t bytes = view.d * qkv.element_size();
  if (!qkv.is_cuda() || bytes % 16 != 0) return Kernel::kPlain;
  if (qkv.scalar_type() == at::kBFloat16 && view.d <= 256) return Kernel::kFlash;
  return qkv.scalar_type() == at::kFloat ? Kernel::kEfficient : Kernel::kPlain;
}

struct Qkv {
  at::Tensor q, k, v;
};

// [sum T, heads, head size] views
Qkv columns(const at::Tensor& qkv, const QkvView& view) {
  const auto part = [&](int64_t first, int64_t heads) {
    return qkv.narrow(1, first, heads * view.d).unflatten(1, {heads, view.d});
  };
  return {part(view.query(0), view.heads), part(view.key(0), view.kv_heads), part(view.value(0), view.kv_heads)};
}

// ---- plain products

// A run's rows from column `first` on as [records, heads, T, head size].
at::Tensor heads_of(const at::Tensor& x, const Run& run, int64_t first, int64_t heads, int64_t d) {
  const int64_t row = x.size(1);
  return x.as_strided({run.records, heads, run.length, d}, {run.length * row, d, row, 1},
                      x.storage_offset() + run.first_row * row + first);
}

Qkv heads_of(const at::Tensor& qkv, const QkvView& view, const Run& run) {
  return {heads_of(qkv, run, view.query(0), view.heads, view.d), heads_of(qkv, run, view.key(0), view.kv_heads, view.d),
          heads_of(qkv, run, view.value(0), view.kv_heads, view.d)};
}

at::Tensor wide(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x; }

Qkv wide_heads(const at::Tensor& qkv, const QkvView& view, const Run& run) {
  const Qkv in = heads_of(qkv, view, run);
  return {wide(in.q), wide(in.k), wide(in.v)};
}

// q k^T, scaled, with the future masked out
at::Tensor masked_scores(const QkvView& view, const Qkv& in) {
  const int64_t length = in.q.size(2);
  const at::Tensor future = at::ones({length, length}, in.q.options().dtype(at::kBool)).triu_(1);
  return batched_product(in.q, in.k.transpose(2, 3))
      .mul_(view.scale())
      .masked_fill_(future, -std::numeric_limits<double>::infinity());
}

Attended plain(const QkvView& view, const Batch& batch, const at::Tensor& qkv) {
  Attended result{at::empty({qkv.size(0), view.out()}, qkv.options()), {}};
  for (const Run& run : batch.runs()) {
    const Qkv in = wide_heads(qkv, view, run);
    const at::Tensor scores = masked_scores(view, in);
    const at::Tensor sums = at::logsumexp(scores, -1, true);
    heads_of(result.out, run, 0, view.heads, view.d).copy_(batched_product((scores - sums).exp_(), in.v));
    result.kept.push_back(sums);
  }
  return result;
}

void plain_backward(const QkvView& view, const Batch& batch, const at::Tensor& qkv, const Attended& attended,
                    const at::Tensor& d_out, const at::Tensor& d_qkv) {
  for (size_t i = 0; i < batch.runs().size(); ++i) {
    const Run& run = batch.runs()[i];
    const Qkv in = wide_heads(qkv, view, run), d = heads_of(d_qkv, view, run);
    const at::Tensor d_y = wide(heads_of(d_out, run, 0, view.heads, view.d));
    const at::Tensor y = wide(heads_of(attended.out, run, 0, view.heads, view.d));
    const at::Tensor p = (masked_scores(view, in) - attended.kept[i]).exp_();
    const at::Tensor d_p = batched_product(d_y, in.v.transpose(2, 3));
    const at::Tensor d_scores = p.mul(d_p - (d_y * y).sum(-1, true)).mul_(view.scale());
    d.q.copy_(batched_product(d_scores, in.k));
    d.k.copy_(batched_product(d_scores.transpose(2, 3), in.q));
    d.v.copy_(batched_product(p.transpose(2, 3), d_y));
  }
}

// ---- libtorch's kernels

Attended flash(const QkvView& view, const Sequences& s, const at::Tensor& qkv) {
  const Qkv in = columns(qkv, view);
  auto [out, sums, state, unused, mask] = at::_flash_attention_forward(in.q, in.k, in.v, s.offsets, s.offsets, s.longest,
                                                                       s.longest, 0.0, true, false);
  return {out.reshape({qkv.size(0), view.out()}), {sums, state, unused}};
}

Qkv flash_backward(const QkvView& view, const Sequences& s, const at::Tensor& qkv, const Attended& attended,
                   const at::Tensor& d_out) {
  const Qkv in = columns(qkv, view);
  const auto heads = [&](const at::Tensor& x) { return x.view({x.size(0), view.heads, view.d}); };
  const Switches switches(/*ordered=*/true);  // it otherwise adds up queries' gradients as they come
  const auto [dq, dk, dv] =
      at::_flash_attention_backward(heads(d_out), in.q, in.k, in.v, heads(attended.out), attended.kept[0], s.offsets,
                                    s.offsets, s.longest, s.longest, 0.0, true, attended.kept[1], attended.kept[2]);
  const auto rows = [](const at::Tensor& x) { return x.reshape({x.size(0), -1}); };
  return {rows(dq), rows(dk), rows(dv)};
}

Attended efficient(const QkvView& view, const Sequences& s, const at::Tensor& qkv, bool keep) {
  const Qkv in = columns(qkv.unsqueeze(0).squeeze(0), view);
  auto [out, sums, seed, offset, q, k] =
      at::_efficient_attention_forward(in.q.unsqueeze(0), in.k.unsqueeze(0), in.v.unsqueeze(0), {}, s.offsets, s.offsets,
                                       s.longest, s.longest, 0.0, kCausal, keep);
  return {out.reshape({qkv.size(0), view.out()}), {sums, seed, offset}};
}

// The three gradients share one [1, sum T, 3, heads, head size] block, which is d_qkv.
at::Tensor efficient_backward(const QkvView& view, const Sequences& s, const at::Tensor& qkv, const Attended& attended,
                              const at::Tensor& d_out) {
  const Qkv in = columns(qkv, view);
  const auto heads = [&](const at::Tensor& x) { return x.view({1, x.size(0), view.heads, view.d}); };
  auto [dq, dk, dv, dbias] = at::_efficient_attention_backward(
      heads(d_out), in.q.unsqueeze(0), in.k.unsqueeze(0), in.v.unsqueeze(0), {}, heads(attended.out), s.offsets, s.offsets,
      s.longest, s.longest, attended.kept[0], 0.0, attended.kept[1], attended.kept[2], kCausal, false, {},
      /*num_splits_key=*/1, {}, /*shared_storage_dqdkdv=*/true);
  return dq.as_strided({qkv.size(0), view.width()}, {view.width(), 1});
}

}  // namespace

Attended attention(const QkvView& view, const Sequences& sequences, const at::Tensor& qkv, bool keep) {
  switch (kernel_for(view, qkv)) {
    case Kernel::kFlash: return flash(view, sequences, qkv);
    case Kernel::kEfficient: return efficient(view, sequences, qkv, keep);
    default: return plain(view, sequences.batch, qkv);
  }
}

at::Tensor attention_backward(State& state, const QkvView& view, const Sequences& sequences, const at::Tensor& qkv,
                              const Attended& attended, const at::Tensor& d_out, const at::Tensor& room, bool accumulate,
                              const at::Tensor& d_bias) {
  at::Tensor d_qkv = room;
  switch (kernel_for(view, qkv)) {
    case Kernel::kFlash: {
      const Qkv d = flash_backward(view, sequences, qkv, attended, d_out);
      if (d_bias.defined()) {
        column_sums(state, {d.q, d.k, d.v}, d_qkv, accumulate, d_bias);
      } else {
        at::cat_out(d_qkv, {d.q, d.k, d.v}, 1);
      }
      return d_qkv;
    }
    case Kernel::kEfficient: d_qkv = efficient_backward(view, sequences, qkv, attended, d_out); break;
    default: plain_backward(view, sequences.batch, qkv, attended, d_out, d_qkv);
  }
  if (d_bias.defined()) column_sums(state, d_qkv, accumulate, d_bias);
  return d_qkv;
}

}  // namespace lethe::device
