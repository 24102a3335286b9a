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

#include "heads.h"
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

// [rows, heads, d] of the columns from `first` on
at::Tensor heads_of(const at::Tensor& x, const QkvView& view, int64_t first, int64_t heads) {
  return x.as_strided({x.size(0), heads, view.d}, {x.stride(0), view.step(), 1}, x.storage_offset() + first);
}

// d_qkv, cut as qkv is, from gradients [rows, heads, d] each.
void join(const QkvView& view, const Qkv& d, const at::Tensor& d_qkv) {
  at::Tensor out = view.by_head ? d_qkv.unflatten(1, {view.heads, 3 * view.d}) : d_qkv;
  if (view.by_head) {
    at::cat_out(out, {d.q, d.k, d.v}, 2);
  } else {
    at::cat_out(out, {d.q.flatten(1), d.k.flatten(1), d.v.flatten(1)}, 1);
  }
}

// ---- plain products: queries that share keys are rows of one product

at::Tensor wide(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x; }

Qkv wide_heads(const at::Tensor& qkv, const QkvView& view, const Run& run) {
  const Qkv in = columns(view, qkv);
  return {wide(grouped(view, of_run(in.q, run))), wide(of_run(in.k, run)), wide(of_run(in.v, run))};
}

// q k^T, scaled, with the future masked out
at::Tensor masked_scores(const QkvView& view, const Qkv& in) {
  const int64_t length = in.k.size(2);
  const at::Tensor future = at::ones({length, length}, in.q.options().dtype(at::kBool)).triu_(1);
  const at::Tensor scores = batched_product(in.q, in.k.transpose(2, 3)).mul_(view.scale());
  scores.unflatten(2, {view.group(), length}).masked_fill_(future, -std::numeric_limits<double>::infinity());
  return scores;
}

Attended plain(const QkvView& view, const Batch& batch, const at::Tensor& qkv) {
  Attended result{at::empty({qkv.size(0), view.out()}, qkv.options()), {}};
  for (const Run& run : batch.runs()) {
    const Qkv in = wide_heads(qkv, view, run);
    const at::Tensor scores = masked_scores(view, in);
    const at::Tensor sums = at::logsumexp(scores, -1, true);
    const at::Tensor y = batched_product((scores - sums).exp_(), in.v);
    of_run(heads_of_out(result.out, view), run).copy_(ungrouped(view, y));
    result.kept.push_back(sums);
  }
  return result;
}

void plain_backward(const QkvView& view, const Batch& batch, const at::Tensor& qkv, const Attended& attended,
                    const at::Tensor& d_out, const at::Tensor& d_qkv) {
  const Qkv d = columns(view, d_qkv);
  for (size_t i = 0; i < batch.runs().size(); ++i) {
    const Run& run = batch.runs()[i];
    const Qkv in = wide_heads(qkv, view, run);
    const at::Tensor d_y = wide(grouped(view, of_run(heads_of_out(d_out, view), run)));
    const at::Tensor y = wide(grouped(view, of_run(heads_of_out(attended.out, view), run)));
    const at::Tensor p = (masked_scores(view, in) - attended.kept[i]).exp_();
    const at::Tensor d_p = batched_product(d_y, in.v.transpose(2, 3));
    const at::Tensor d_scores = p.mul(d_p - (d_y * y).sum(-1, true)).mul_(view.scale());
    of_run(d.q, run).copy_(ungrouped(view, batched_product(d_scores, in.k)));
    of_run(d.k, run).copy_(batched_product(d_scores.transpose(2, 3), in.q));
    of_run(d.v, run).copy_(batched_product(p.transpose(2, 3), d_y));
  }
}

// ---- libtorch's kernels

Attended flash(const QkvView& view, const Sequences& s, const at::Tensor& qkv) {
  const Qkv in = columns(view, qkv);
  auto [out, sums, state, unused, mask] =
      at::_flash_attention_forward(in.q, in.k, in.v, s.offsets, s.offsets, s.longest, s.longest, 0.0, true, false,
                                   view.scale());
  return {out.reshape({qkv.size(0), view.out()}), {sums, state, unused}};
}

// [rows, heads, d] each
Qkv flash_backward(const QkvView& view, const Sequences& s, const at::Tensor& qkv, const Attended& attended,
                   const at::Tensor& d_out) {
  const Qkv in = columns(view, qkv);
  const Switches switches(/*ordered=*/true);  // it otherwise adds up queries' gradients as they come
  const auto [dq, dk, dv] = at::_flash_attention_backward(
      heads_of_out(d_out, view), in.q, in.k, in.v, heads_of_out(attended.out, view), attended.kept[0], s.offsets,
      s.offsets, s.longest, s.longest, 0.0, true, attended.kept[1], attended.kept[2], view.scale());
  return {dq, dk, dv};
}

// Of heads that share a key head each its own copy, which the memory-efficient kernels ask for; [1, rows, heads, d].
Qkv spread(const QkvView& view, const at::Tensor& qkv) {
  const Qkv in = columns(view, qkv);
  const auto each = [&](const at::Tensor& x) {
    const at::Tensor own = view.group() == 1 ? x : x.unsqueeze(2).expand({-1, -1, view.group(), -1}).flatten(1, 2);
    return own.unsqueeze(0);
  };
  return {in.q.unsqueeze(0), each(in.k), each(in.v)};
}

Attended efficient(const QkvView& view, const Sequences& s, const at::Tensor& qkv, bool keep) {
  const Qkv in = spread(view, qkv);
  auto [out, sums, seed, offset, q, k] = at::_efficient_attention_forward(
      in.q, in.k, in.v, {}, s.offsets, s.offsets, s.longest, s.longest, 0.0, kCausal, keep, view.scale());
  return {out.reshape({qkv.size(0), view.out()}), {sums, seed, offset}};
}

// The three gradients share one [1, sum T, 3, heads, head size] block, which is d_qkv where heads share no keys and lie
// one kind after the other; else `room` is filled.
at::Tensor efficient_backward(const QkvView& view, const Sequences& s, const at::Tensor& qkv, const Attended& attended,
                              const at::Tensor& d_out, const at::Tensor& room) {
  const Qkv in = spread(view, qkv);
  const auto heads = [&](const at::Tensor& x) { return heads_of_out(x, view).unsqueeze(0); };
  auto [dq, dk, dv, dbias] = at::_efficient_attention_backward(
      heads(d_out), in.q, in.k, in.v, {}, heads(attended.out), s.offsets, s.offsets, s.longest, s.longest,
      attended.kept[0], 0.0, attended.kept[1], attended.kept[2], kCausal, false, view.scale(),
      /*num_splits_key=*/1, {}, /*shared_storage_dqdkdv=*/true);
  if (view.group() == 1 && !view.by_head) return dq.as_strided({qkv.size(0), view.width()}, {view.width(), 1});
  const auto summed = [&](const at::Tensor& x) {
    return view.group() == 1 ? x : x.unflatten(1, {view.kv_heads, view.group()}).sum(2);
  };
  join(view, {dq.squeeze(0), summed(dk.squeeze(0)), summed(dv.squeeze(0))}, room);
  return room;
}

}  // namespace

Qkv columns(const QkvView& view, const at::Tensor& qkv) {
  return {heads_of(qkv, view, view.query(0), view.heads), heads_of(qkv, view, view.key(0), view.kv_heads),
          heads_of(qkv, view, view.value(0), view.kv_heads)};
}

Qkv cached_columns(const QkvView& view, const at::Tensor& rows) {
  return {at::Tensor(), heads_of(rows, view, 0, view.kv_heads),
          heads_of(rows, view, view.value(0) - view.key(0), view.kv_heads)};
}

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
      if (d_bias.defined() && !view.by_head) {
        column_sums(state, {d.q.flatten(1), d.k.flatten(1), d.v.flatten(1)}, d_qkv, accumulate, d_bias);
        return d_qkv;
      }
      join(view, d, d_qkv);
      break;
    }
    case Kernel::kEfficient: d_qkv = efficient_backward(view, sequences, qkv, attended, d_out, room); break;
    default: plain_backward(view, sequences.batch, qkv, attended, d_out, d_qkv);
  }
  if (d_bias.defined()) column_sums(state, d_qkv, accumulate, d_bias);
  return d_qkv;
}

}  // namespace lethe::device
