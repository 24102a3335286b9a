// How the device's attention and head norms look at rows of queries, keys and values.
#pragma once

#include "attention.h"

namespace lethe::device {

inline at::Tensor heads_of_out(const at::Tensor& out, const QkvView& view) {
  return out.unflatten(1, {view.heads, view.d});
}

// A run's rows of x [sum T, heads, d] as [records, heads, T, d].
inline at::Tensor of_run(const at::Tensor& x, const Run& run) {
  return x.narrow(0, run.first_row, run.records * run.length).unflatten(0, {run.records, run.length}).transpose(1, 2);
}
// And, of heads of queries, as [records, kv_heads, heads that share a key head * T, d], which may be a copy; and back.
inline at::Tensor grouped(const QkvView& view, const at::Tensor& x) {
  return x.unflatten(1, {-1, view.group()}).flatten(2, 3);
}
inline at::Tensor ungrouped(const QkvView& view, const at::Tensor& x) {
  return x.unflatten(2, {view.group(), -1}).flatten(1, 2);
}

// Queries and keys one after the other, each head a norm: body(their columns of x, their share [.., d] of the site's
// weight, their share of the statistics).
template <class Body>
void queries_and_keys(const QkvView& view, Body&& body) {
  const auto heads = [&](int64_t first, int64_t count, int64_t share) {
    body([=](const at::Tensor& x) { return x.narrow(1, first * view.d, count * view.d); },
         [=](const at::Tensor& w) { return w.defined() ? w.narrow(-1, share * view.d, view.d) : w; },
         [=](const at::Tensor& statistics) { return statistics.narrow(0, 2 * first, 2 * count); });
  };
  heads(0, view.heads, 0);
  heads(view.heads, view.kv_heads, 1);
}

// What no norm touches: the values.
inline at::Tensor values(const QkvView& view, const at::Tensor& x) {
  return x.narrow(1, view.value(0), view.kv_heads * view.d);
}

}  // namespace lethe::device
