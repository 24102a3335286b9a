// Causal self-attention on the CPU, one record and head at a time, straight from the flat qkv buffer.
//
// A block of queries sees all its keys at once, so the softmax needs no rescaling (Dao 2023, FlashAttention-2, without the
// outer tiling: a row of scores fits the second-level cache). The backward pass makes the scores anew from the saved
// log-sum-exp. Which thread takes a record's heads does not matter to the result.
#ifndef LETHE_ISA
#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "attention.h"
#include "ops.h"
#include "parallel.h"
#include "rows.h"
#include "vector_math.h"

#define LETHE_FILE "attention.cpp"
#include "each_isa.h"

namespace lethe {

void attention(const QkvView& view, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
               const at::Tensor& log_sum_exp, Slab& scratch) {
  LETHE_BY_ISA(attention(view, batch, qkv, out, log_sum_exp, scratch));
}

void attention_backward(const QkvView& view, const Batch& batch, const AttentionGradient& g, Slab& scratch) {
  LETHE_BY_ISA(attention_backward(view, batch, g, scratch));
}

}  // namespace lethe
#else
#include "tile.h"

namespace lethe::LETHE_ISA {
namespace {

constexpr int64_t kQueries = 48;  // rows of scores at once, a multiple of kTileRows

// One record's head: pointers to its first row, and how far rows lie apart.
template <class T>
struct Head {
  int64_t length, size, row;  // T, head size, elements of a row of qkv
  const T *q, *k, *v;
  T scale;  // of scores
};

// Scratch of one thread, cut from one block.
template <class T>
class Cutter {
 public:
  explicit Cutter(T* next) : next_(next) {}
  T* take(int64_t count) { return std::exchange(next_, next_ + padded<T>(count)); }

 private:
  T* next_;
};

// scores[r][j] = <rows r of a, column j of the panels>, r < rows, for the first `keys` keys, whole panels.
template <class T>
void score_block(const T* a, int64_t row, const T* panels, const Head<T>& head, int64_t rows, int64_t keys, T* scores,
                 int64_t stride) {
  for (int64_t j = 0; j < keys; j += kTile<T>)
    tile_product(a, row, 1, panels + j * head.size, head.size, rows, scores + j, stride, TileInto::kOverwrite);
}

// out[r][d] = or += sum_j weights[r][j] panels[j][d], both padded to whole panels of d.
template <class T>
void sum_block(const T* weights, int64_t row, int64_t step, const T* panels, int64_t panel_rows, int64_t terms,
               int64_t rows, const Head<T>& head, T* out, TileInto into) {
  for (int64_t d = 0; d < head.size; d += kTile<T>)
    tile_product(weights, row, step, panels + d * panel_rows, terms, rows, out + d, padded<T>(head.size), into);
}

// exp(scale s - shift) over the keys a query sees, zero up to `end`; returns the sum.
template <class T>
T weigh(T* row, int64_t seen, int64_t end, T scale, T shift) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < seen; ++j) {
    const T p = fast_exp(row[j] * scale - shift);
    row[j] = p;
    sum += p;
  }
  std::fill(row + seen, row + end, T(0));
  return sum;
}

template <class T>
int64_t forward_scratch(int64_t length, int64_t size) {
  const int64_t keys = padded<T>(length), width = padded<T>(size);
  return keys * size + length * width + kQueries * (keys + width) + 4 * kTile<T>;
}

template <class T>
void forward_head(const Head<T>& head, T* scratch, T* out, int64_t out_row, T* log_sum_exp) {
  const int64_t length = head.length, keys = padded<T>(length), width = padded<T>(head.size);
  Cutter<T> cut(scratch);
  T *kt = cut.take(keys * head.size), *v = cut.take(length * width), *scores = cut.take(kQueries * keys),
    *sums = cut.take(kQueries * width);
  pack_transposed(head.k, head.row, length, head.size, kt);
  pack_rows(head.v, head.row, length, head.size, v);
  T inverse[kQueries];
  for (int64_t first = 0; first < length; first += kQueries) {
    const int64_t rows = std::min(kQueries, length - first), end = first + rows;
    score_block(head.q + first * head.row, head.row, kt, head, rows, end, scores, keys);
    for (int64_t r = 0; r < rows; ++r) {
      T* row = scores + r * keys;
      const T top = row_max(row, first + r + 1) * head.scale;
      const T sum = weigh(row, first + r + 1, end, head.scale, top);
      inverse[r] = 1 / sum;
      if (log_sum_exp != nullptr) log_sum_exp[first + r] = top + std::log(sum);
    }
    sum_block(scores, keys, 1, v, length, end, rows, head, sums, TileInto::kOverwrite);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t d = 0; d < head.size; ++d) out[(first + r) * out_row + d] = sums[r * width + d] * inverse[r];
  }
}

template <class T>
int64_t backward_scratch(int64_t length, int64_t size) {
  const int64_t keys = padded<T>(length), width = padded<T>(size);
  return 2 * keys * size + 2 * kQueries * keys + 3 * (length + kQueries) * width + 12 * kTile<T>;
}

// What a head's output was, the gradient at it, and where the gradients at q, k and v go; and how the next head of
// those that share k and v lies to it: `heads` of them, their queries, outputs and sums so many numbers apart.
template <class T>
struct HeadGradients {
  const T *out, *d_out, *log_sum_exp;
  int64_t out_row;
  T *dq, *dk, *dv;
  int64_t heads, next_query, next_out, next_sum;
};

// weights P and d_scores dS = P (dP - <dO, O>) of a block of queries, in place of the scores and of dP.
template <class T>
void differentiate(const Head<T>& head, const HeadGradients<T>& g, int64_t first, int64_t rows, T* weights, T* d_scores,
                   int64_t stride) {
  for (int64_t r = 0; r < rows; ++r) {
    T *p = weights + r * stride, *ds = d_scores + r * stride;
    const T *o = g.out + (first + r) * g.out_row, *d_o = g.d_out + (first + r) * g.out_row;
    T delta = 0;
#pragma omp simd reduction(+ : delta)
    for (int64_t d = 0; d < head.size; ++d) delta += o[d] * d_o[d];
    weigh(p, first + r + 1, first + rows, head.scale, g.log_sum_exp[first + r]);
    const T scale = head.scale;
#pragma omp simd
    for (int64_t j = 0; j < first + rows; ++j) ds[j] = scale * p[j] * (ds[j] - delta);
  }
}

template <class T>
void unpack(const T* from, const Head<T>& head, int64_t rows, T* to) {
  for (int64_t r = 0; r < rows; ++r)
    std::copy_n(from + r * padded<T>(head.size), head.size, to + r * head.row);
}

template <class T>
void backward_heads(Head<T> head, HeadGradients<T> g, T* scratch) {
  const int64_t length = head.length, keys = padded<T>(length), width = padded<T>(head.size);
  Cutter<T> cut(scratch);
  T *kt = cut.take(keys * head.size), *vt = cut.take(keys * head.size);
  T *k = cut.take(length * width), *q = cut.take(kQueries * width), *d_out = cut.take(kQueries * width);
  T *weights = cut.take(kQueries * keys), *d_scores = cut.take(kQueries * keys);
  T *dk = cut.take(length * width), *dv = cut.take(length * width), *dq = cut.take(kQueries * width);
  pack_transposed(head.k, head.row, length, head.size, kt);
  pack_transposed(head.v, head.row, length, head.size, vt);
  pack_rows(head.k, head.row, length, head.size, k);
  const auto block = [&](int64_t first, bool shared) {
    const int64_t rows = std::min(kQueries, length - first), end = first + rows;
    // This block's queries and output gradients, as panels of their own.
    pack_rows(head.q + first * head.row, head.row, rows, head.size, q);
    pack_rows(g.d_out + first * g.out_row, g.out_row, rows, head.size, d_out);
    score_block(head.q + first * head.row, head.row, kt, head, rows, end, weights, keys);
    score_block(g.d_out + first * g.out_row, g.out_row, vt, head, rows, end, d_scores, keys);
    differentiate(head, g, first, rows, weights, d_scores, keys);
    sum_block(d_scores, keys, 1, k, length, end, rows, head, dq, TileInto::kOverwrite);
    unpack(dq, head, rows, g.dq + first * head.row);
    // Keys before the block have a sum to add to; the block's own keys begin theirs unless a head before has.
    for (const auto& [from, to, into] : {std::tuple{int64_t{0}, first, TileInto::kAdd},
                                         std::tuple{first, end, shared ? TileInto::kAdd : TileInto::kOverwrite}}) {
      sum_block(weights + from, 1, keys, d_out, rows, rows, to - from, head, dv + from * width, into);
      sum_block(d_scores + from, 1, keys, q, rows, rows, to - from, head, dk + from * width, into);
    }
  };
  for (int64_t i = 0; i < g.heads; ++i) {
    for (int64_t first = 0; first < length; first += kQueries) block(first, i > 0);
    head.q += g.next_query, g.dq += g.next_query;
    g.out += g.next_out, g.d_out += g.next_out, g.log_sum_exp += g.next_sum;
  }
  unpack(dk, head, length, g.dk);
  unpack(dv, head, length, g.dv);
}

int64_t longest(const Batch& batch) {
  int64_t length = 0;
  for (int64_t b = 0; b < batch.records(); ++b) length = std::max(length, batch.length(b));
  return length;
}

// body(head, record's first row, head index, scratch) for every record and every `step`-th head.
template <class T, class Body>
void over_heads(const QkvView& view, const Batch& batch, const at::Tensor& qkv, int64_t step, int64_t scratch_size,
                Slab& slab, Body&& body) {
  const at::Tensor scratch = slab.get(qkv.options(), at::get_num_threads(), scratch_size);
  const int64_t tasks = view.heads / step;
  dynamic_for(batch.records() * tasks, [&] {
    T* mine = data<T>(scratch) + at::get_thread_num() * scratch_size;
    return [&, mine](int64_t task) {
      const int64_t b = task / tasks, index = task % tasks * step;
      const T* row = data<T>(qkv) + batch.offset(b) * view.width();
      const Head<T> head{batch.length(b), view.d, view.width(), row + view.query(index), row + view.key(index),
                         row + view.value(index), static_cast<T>(view.scale())};
      body(head, batch.offset(b), index, mine);
    };
  });
}

}  // namespace

void attention(const QkvView& view, const Batch& batch, const at::Tensor& qkv, const at::Tensor& out,
               const at::Tensor& log_sum_exp, Slab& scratch) {
  with_element(qkv.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    over_heads<T>(view, batch, qkv, 1, forward_scratch<T>(longest(batch), view.d), scratch,
                  [&](const Head<T>& head, int64_t first, int64_t index, T* mine) {
                    T* lse = log_sum_exp.defined() ? data<T>(log_sum_exp) + index * batch.rows() + first : nullptr;
                    forward_head(head, mine, data<T>(out) + first * view.out() + index * head.size, view.out(), lse);
                  });
  });
}

void attention_backward(const QkvView& view, const Batch& batch, const AttentionGradient& g, Slab& scratch) {
  with_element(g.qkv.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    over_heads<T>(view, batch, g.qkv, view.group(), backward_scratch<T>(longest(batch), view.d), scratch,
                  [&](const Head<T>& head, int64_t first, int64_t index, T* mine) {
                    const int64_t at = first * view.out() + index * head.size, sum = index * batch.rows() + first;
                    T* row = data<T>(g.d_qkv) + first * view.width();
                    backward_heads(head,
                                   HeadGradients<T>{.out = data<T>(g.out) + at,
                                                    .d_out = data<T>(g.d_out) + at,
                                                    .log_sum_exp = data<T>(g.log_sum_exp) + sum,
                                                    .out_row = view.out(),
                                                    .dq = row + view.query(index),
                                                    .dk = row + view.key(index),
                                                    .dv = row + view.value(index),
                                                    .heads = view.group(),
                                                    .next_query = view.query(1) - view.query(0),
                                                    .next_out = head.size,
                                                    .next_sum = batch.rows()},
                                   mine);
                  });
  });
}

}  // namespace lethe::LETHE_ISA
#endif
