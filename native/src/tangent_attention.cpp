// Causal self-attention with tangents, forward and backward, one record and head at a time in blocks of queries.
//
//   S = s Q K^T with s = 1 / sqrt(d),  P = softmax of a row's past,  O = P V
//   S' = s (Q' K^T + Q K'^T),  P' = P (S' - row sums of P S'),  O' = P' V + P V'
//   dP = dO V^T,  D = row sums of P dP,  dS = P (dP - D),  dQ = s dS K,  dK = s dS^T Q,  dV = P^T dO
//   dP' = dO' V^T + dO V'^T,  D' = row sums of P' dP + P dP',  dS' = P' (dP - D) + P (dP' - D')
//   dQ' = s (dS' K + dS K'),  dK' = s (dS'^T Q + dS^T Q'),  dV' = P'^T dO + P^T dO'
// Probabilities are made again in the backward pass, a block of queries against its past at a time, so that memory
// grows with T and not with T^2. Threads take (record, head) pairs, backward all heads of a key head at once; each
// writes rows and columns of its own.
#ifndef LETHE_ISA
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "parallel.h"
#include "tangent.h"
#include "vector_math.h"

#define LETHE_FILE "tangent_attention.cpp"
#include "each_isa.h"

namespace lethe {

void attention_tangent(const QkvView& view, const Batch& batch, const Blocks& blocks, const at::Tensor& qkv,
                       const at::Tensor& out, Slab& scratch) {
  LETHE_BY_ISA(attention_tangent(view, batch, blocks, qkv, out, scratch));
}

void attention_tangent_backward(const QkvView& view, const Batch& batch, const Blocks& blocks, bool hessian,
                                const at::Tensor& qkv, const at::Tensor& d_out, const at::Tensor& d_qkv,
                                Slab& scratch) {
  LETHE_BY_ISA(attention_tangent_backward(view, batch, blocks, hessian, qkv, d_out, d_qkv, scratch));
}

}  // namespace lethe
#else
#include "tile.h"
#include "block_product.h"
#include "tangent_scores.h"

namespace lethe::LETHE_ISA {
namespace {

template <class T>
class Forward {
 public:
  Forward(const Geometry<T>& g, Room<T> room)
      : g_(g),
        scores_(g, room),
        values_(room, 1 + g.blocks.tangents, g.longest, g.width),
        out_(room.take(kQueries, g.width)),
        used(room.used()) {}

  void run(const Place& at, const at::Tensor& qkv, const at::Tensor& out) {
    scores_.begin(qkv, at);
    for (int64_t i = 0; i <= g_.blocks.tangents; ++i)
      pack_rows(g_.part(qkv, at, i, g_.kValue), g_.view.width(), at.length, g_.d, g_.width, T(1), values_[i]);
    for (int64_t first = 0; first < at.length; first += kQueries) {
      const int64_t count = std::min(kQueries, at.length - first), end = first + count;
      scores_.block(qkv, at, first, count, true);
      for (int64_t i = 0; i <= g_.blocks.tangents; ++i) {
        product(count, end, scores_.p[i], values_[0], false);
        if (i > 0) product(count, end, scores_.p[0], values_[i], true);
        T* to = g_.head(out, at, i) + first * g_.view.out();
        for (int64_t r = 0; r < count; ++r) std::copy_n(out_ + r * g_.width, g_.d, to + r * g_.view.out());
      }
    }
  }

 private:
  void product(int64_t count, int64_t keys, const T* p, const T* values, bool add) {
    block_product<T>(count, g_.width, keys, {p, scores_.row(), 1}, values, g_.width, out_, g_.width, add);
  }

  const Geometry<T>& g_;
  Scores<T> scores_;
  const Packs<T> values_;  // [T, width] each
  T* out_;

 public:
  int64_t used;  // elements of scratch
};

template <class T>
class Backward {
 public:
  Backward(const Geometry<T>& g, bool hessian, Room<T> room)
      : g_(g),
        hessian_(hessian),
        gradients_(g.blocks.tangents + (hessian ? 1 : 0)),
        scores_(g, room),
        keys_(room, 1 + g.blocks.tangents, g.longest, g.width),
        values_(room, 1 + g.blocks.tangents, g.d, scores_.row()),
        d_out_(room, gradients_, kQueries, g.width),
        d_keys_(room, gradients_, g.longest, g.width),
        d_values_(room, gradients_, g.longest, g.width),
        d_p_(room, gradients_ + 1, kQueries, scores_.row()),
        d_queries_(room.take(kQueries, g.width)),
        used(room.used()) {}

  void run(const Place& at, const at::Tensor& qkv, const at::Tensor& d_out, const at::Tensor& d_qkv) {
    const int64_t row = g_.view.width();
    scores_.begin(qkv, at);
    for (int64_t i = 0; i <= g_.blocks.tangents; ++i) {
      pack_rows(g_.part(qkv, at, i, g_.kKey), row, at.length, g_.d, g_.width, g_.factor, keys_[i]);
      pack_columns(g_.part(qkv, at, i, g_.kValue), row, at.length, g_.d, scores_.row(), T(1), values_[i]);
    }
    std::fill_n(d_keys_[0], gradients_ * d_keys_.stride, T(0));
    std::fill_n(d_values_[0], gradients_ * d_values_.stride, T(0));
    for (Place head = at; head.head < at.head + g_.view.group(); ++head.head) queries_of(head, qkv, d_out, d_qkv);
    for (int64_t i = 0; i < gradients_; ++i) {
      store(0, at.length, d_keys_[i], g_.factor, g_.part(d_qkv, at, i, g_.kKey));
      store(0, at.length, d_values_[i], T(1), g_.part(d_qkv, at, i, g_.kValue));
    }
  }

 private:
  // What one head's queries give, to theirs and to the keys and values.
  void queries_of(const Place& at, const at::Tensor& qkv, const at::Tensor& d_out, const at::Tensor& d_qkv) {
    for (int64_t first = 0; first < at.length; first += kQueries) {
      const int64_t count = std::min(kQueries, at.length - first);
      scores_.block(qkv, at, first, count, hessian_);
      for (int64_t i = 0; i < gradients_; ++i)
        pack_rows(g_.head(d_out, at, i) + first * g_.view.out(), g_.view.out(), count, g_.d, g_.width, T(1), d_out_[i]);
      if (hessian_) {
        value(at, first, count, d_qkv, value_block());
        for (int64_t k = 0; k < g_.blocks.tangents; ++k) tangent(at, first, count, d_qkv, k);
      } else {
        for (int64_t k = 0; k < gradients_; ++k) value(at, first, count, d_qkv, k);
      }
    }
  }

  int64_t value_block() const { return g_.blocks.tangents; }  // the gradient that is not a tangent comes last

  // The plain backward of gradient block i; leaves dP - D in d_p_[i] and dS in the last for the tangents.
  void value(const Place& at, int64_t first, int64_t count, const at::Tensor& d_qkv, int64_t i) {
    T* d_p = d_p_[i];
    const T* p = scores_.p[0];
    const int64_t row = scores_.row(), end = first + count;
    scores_.product(count, d_out_[i], values_[0], d_p, false);
    T* d_s = d_p_[gradients_];
    for (int64_t r = 0; r < count; ++r) {
      const T mean = dot_past(p + r * row, d_p + r * row, first + r + 1);
#pragma omp simd
      for (int64_t j = 0; j < scores_.width; ++j) {
        const T centred = d_p[r * row + j] - mean;
        d_p[r * row + j] = centred;
        d_s[r * row + j] = p[r * row + j] * centred;
      }
    }
    add_transposed(count, end, p, d_out_[i], d_values_[i]);
    add_transposed(count, end, d_s, scores_.queries[0], d_keys_[i]);
    queries(count, end, d_s, keys_[0], false);
    store(first, count, d_queries_, T(1), g_.part(d_qkv, at, i, g_.kQuery));
  }

  void tangent(const Place& at, int64_t first, int64_t count, const at::Tensor& d_qkv, int64_t k) {
    const int64_t row = scores_.row(), end = first + count, g = value_block();
    const T *p = scores_.p[0], *p_tangent = scores_.p[1 + k], *centred = d_p_[g], *d_s = d_p_[gradients_];
    T* d_p = d_p_[k];
    scores_.product(count, d_out_[k], values_[0], d_p, false);
    scores_.product(count, d_out_[g], values_[1 + k], d_p, true);
    for (int64_t r = 0; r < count; ++r) {
      const T *pr = p + r * row, *tr = p_tangent + r * row, *cr = centred + r * row;
      T* x = d_p + r * row;
      // D' = sum of P' dP + P dP'; the rows of P' add up to zero, so dP may be taken less D.
      const int64_t past = first + r + 1;
      const T mean = dot_past(tr, cr, past) + dot_past(pr, x, past);
#pragma omp simd
      for (int64_t j = 0; j < scores_.width; ++j) x[j] = tr[j] * cr[j] + pr[j] * (x[j] - mean);
    }
    add_transposed(count, end, p_tangent, d_out_[g], d_values_[k]);
    add_transposed(count, end, p, d_out_[k], d_values_[k]);
    add_transposed(count, end, d_p, scores_.queries[0], d_keys_[k]);
    add_transposed(count, end, d_s, scores_.queries[1 + k], d_keys_[k]);
    queries(count, end, d_p, keys_[0], false);
    queries(count, end, d_s, keys_[1 + k], true);
    store(first, count, d_queries_, T(1), g_.part(d_qkv, at, k, g_.kQuery));
  }

  // to [keys, width] += x^T y over the block's queries
  void add_transposed(int64_t count, int64_t keys, const T* x, const T* y, T* to) {
    block_product<T>(keys, g_.width, count, {x, 1, scores_.row()}, y, g_.width, to, g_.width, true);
  }
  void queries(int64_t count, int64_t keys, const T* d_s, const T* k, bool add) {
    block_product<T>(count, g_.width, keys, {d_s, scores_.row(), 1}, k, g_.width, d_queries_, g_.width, add);
  }
  void store(int64_t first, int64_t count, const T* from, T factor, T* to) {
    const int64_t row = g_.view.width();
    for (int64_t t = 0; t < count; ++t)
      for (int64_t j = 0; j < g_.d; ++j) to[(first + t) * row + j] = factor * from[t * g_.width + j];
  }

  const Geometry<T>& g_;
  const bool hessian_;
  const int64_t gradients_;  // blocks of a joint gradient
  Scores<T> scores_;
  const Packs<T> keys_, values_;  // [T, width] times 1 / sqrt(d), and [d, T]
  const Packs<T> d_out_, d_keys_, d_values_;
  const Packs<T> d_p_;  // [block, T] each, and dS
  T* d_queries_;

 public:
  int64_t used;
};

// body(heads, place) for every `step`-th of a record's heads, with heads = make(scratch) one a thread.
template <class T, class Make, class Body>
void over_heads(const Geometry<T>& geometry, int64_t step, const at::TensorOptions& options, Slab& slab, Make&& make,
                Body&& body) {
  const int64_t size = whole_vectors<T>(make(nullptr).used);
  const at::Tensor scratch = slab.get(options, at::get_num_threads() * size);
  dynamic_for(static_cast<int64_t>(geometry.places.size()) / step, [&] {
    return [&, heads = make(data<T>(scratch) + at::get_thread_num() * size)](int64_t i) mutable {
      body(heads, geometry.places[static_cast<size_t>(i * step)]);
    };
  });
}

}  // namespace

void attention_tangent(const QkvView& view, const Batch& batch, const Blocks& blocks, const at::Tensor& qkv,
                       const at::Tensor& out, Slab& scratch) {
  with_element(qkv.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Geometry<T> geometry(view, batch, blocks);
    over_heads(
        geometry, 1, qkv.options(), scratch,
        [&](T* base) { return Forward<T>(geometry, Room<T>(base)); },
        [&](Forward<T>& heads, const Place& at) { heads.run(at, qkv, out); });
  });
}

void attention_tangent_backward(const QkvView& view, const Batch& batch, const Blocks& blocks, bool hessian,
                                const at::Tensor& qkv, const at::Tensor& d_out, const at::Tensor& d_qkv,
                                Slab& scratch) {
  with_element(qkv.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Geometry<T> geometry(view, batch, blocks);
    over_heads(
        geometry, view.group(), qkv.options(), scratch,
        [&](T* base) { return Backward<T>(geometry, hessian, Room<T>(base)); },
        [&](Backward<T>& heads, const Place& at) { heads.run(at, qkv, d_out, d_qkv); });
  });
}

}  // namespace lethe::LETHE_ISA
#endif
