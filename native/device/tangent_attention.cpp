// Causal attention with tangents on the device; formulas in src/tangent_attention.cpp.
#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "../kernels/tangents.h"
#include "heads.h"
#include "ops.h"
#include "switches.h"
#include "tangent_device.h"

namespace lethe::device {
namespace {

constexpr int64_t kScoreBytes = int64_t{1} << 30;

void product(const at::Tensor& a, const at::Tensor& b, at::Tensor out) {
  const Switches switches;
  at::bmm_out(out, a, b);
}
// a b + c d
void products(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, const at::Tensor& d, at::Tensor out) {
  product(a, b, out);
  const Switches switches;
  out.baddbmm_(c, d);
}
at::Tensor room_for(const at::Tensor& a, const at::Tensor& b) {
  return at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
}
at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor out = room_for(a, b);
  product(a, b, out);
  return out;
}
at::Tensor products(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, const at::Tensor& d) {
  at::Tensor out = room_for(a, b);
  products(a, b, c, d, out);
  return out;
}
at::Tensor turned(const at::Tensor& x) { return x.transpose(1, 2); }

// Records of one length, and some of their key heads with the queries that share them.
struct Piece {
  Run run;
  int64_t first_head, heads;
};

Run part_of(Run run, int64_t first, int64_t records) {
  run.first_record += first, run.first_row += first * run.length, run.records = records;
  return run;
}

// body(piece) for all of the batch; each keeps `matrices` scores [queries, keys] a head at once.
template <class Body>
void over_pieces(const QkvView& view, const Batch& batch, int64_t matrices, int64_t element_bytes, Body&& body) {
  for (const Run& run : batch.runs()) {
    const int64_t head_bytes = matrices * view.group() * run.length * run.length * element_bytes;
    const int64_t heads = std::clamp<int64_t>(kScoreBytes / head_bytes, 1, view.kv_heads);
    const int64_t records = std::clamp<int64_t>(kScoreBytes / (head_bytes * view.kv_heads), 1, run.records);
    for (int64_t first = 0; first < run.records; first += records)
      for (int64_t head = 0; head < view.kv_heads; head += heads)
        body(Piece{part_of(run, first, std::min(records, run.records - first)), head, std::min(heads, view.kv_heads - head)});
  }
}

class Heads {
 public:
  Heads(State& state, const QkvView& view, const Blocks& blocks, const Piece& piece, const at::Tensor& qkv,
        int64_t tangents)
      : state_(state), view_(view), blocks_(blocks), piece_(piece), tangents_(tangents) {
    for (int64_t i = 0; i <= tangents; ++i) in.push_back(read(qkv, i));
    const at::Tensor& q = in[0].q;
    p = at::empty({1 + tangents, q.size(0), q.size(1), piece.run.length}, q.options());
    product(q, turned(in[0].k), p[0]);
    for (int64_t k = 1; k <= tangents; ++k) products(at(k).q, turned(in[0].k), q, turned(at(k).k), p[k]);
    launched(kernels::softmax_past_tangent(job(), stream_of(state_)), "softmax_past_tangent");
  }

  const Qkv& at(int64_t i) const { return in[static_cast<size_t>(i)]; }

  // d_p as p, and its tangents where p has them.
  void through_softmax(const at::Tensor& d_p) const {
    launched(kernels::softmax_past_tangent_backward(job(), d_p.mutable_data_ptr(), stream_of(state_)),
             "softmax_past_tangent_backward");
  }

  // The piece's part of a block of rows of attention's output, [records * heads, queries, d].
  at::Tensor read_out(const at::Tensor& joint, int64_t block) const {
    return grouped(view_, queries(heads_of_out(rows(joint, block), view_))).flatten(0, 1).contiguous();
  }
  void write_out(const at::Tensor& x, const at::Tensor& joint, int64_t block) const {
    queries(heads_of_out(rows(joint, block), view_)).copy_(apart(x));
  }
  void write(const Qkv& d, const at::Tensor& joint, int64_t block) const {
    const Qkv to = columns(view_, rows(joint, block));
    queries(to.q).copy_(apart(d.q));
    keys(to.k).copy_(whole(d.k));
    keys(to.v).copy_(whole(d.v));
  }

  std::vector<Qkv> in;  // the value's and each tangent's, [records * heads, queries or keys, d]
  at::Tensor p;         // [1 + tangents, records * heads, queries, keys] P and its tangents

 private:
  kernels::ScoreTangents job() const {
    return {element_of(p), p.size(1) * p.size(2), p.size(3), tangents_, view_.scale(), p.mutable_data_ptr()};
  }
  at::Tensor rows(const at::Tensor& joint, int64_t block) const {
    return joint.narrow(0, block * blocks_.rows, blocks_.rows);
  }
  at::Tensor queries(const at::Tensor& x) const {  // [records, query heads, T, d]
    return of_run(x, piece_.run).narrow(1, piece_.first_head * view_.group(), piece_.heads * view_.group());
  }
  at::Tensor keys(const at::Tensor& x) const { return of_run(x, piece_.run).narrow(1, piece_.first_head, piece_.heads); }
  at::Tensor whole(const at::Tensor& x) const { return x.unflatten(0, {piece_.run.records, piece_.heads}); }
  at::Tensor apart(const at::Tensor& x) const { return ungrouped(view_, whole(x)); }
  Qkv read(const at::Tensor& joint, int64_t block) const {
    const Qkv x = columns(view_, rows(joint, block));
    return {grouped(view_, queries(x.q)).flatten(0, 1).contiguous(), keys(x.k).flatten(0, 1).contiguous(),
            keys(x.v).flatten(0, 1).contiguous()};
  }

  State& state_;
  const QkvView& view_;
  const Blocks& blocks_;
  const Piece& piece_;
  const int64_t tangents_;
};

// The plain backward of gradient block `block`; leaves dS in d_p.
void value_backward(const Heads& heads, const at::Tensor& d_out, const at::Tensor& d_p, const at::Tensor& d_qkv,
                    int64_t block) {
  const Qkv& in = heads.at(0);
  heads.write({product(d_p, in.k), product(turned(d_p), in.q), product(turned(heads.p[0]), d_out)}, d_qkv, block);
}

}  // namespace

void attention_tangent(State& state, const QkvView& view, const Batch& batch, const Blocks& blocks,
                       const at::Tensor& qkv, const at::Tensor& out) {
  over_pieces(view, batch, 2 * (1 + blocks.tangents), qkv.element_size(), [&](const Piece& piece) {
    const Heads heads(state, view, blocks, piece, qkv, blocks.tangents);
    const at::Tensor &p = heads.p[0], &v = heads.at(0).v;
    heads.write_out(product(p, v), out, 0);
    for (int64_t k = 1; k <= blocks.tangents; ++k)
      heads.write_out(products(heads.p[k], v, p, heads.at(k).v), out, k);
  });
}

void attention_tangent_backward(State& state, const QkvView& view, const Batch& batch, const Blocks& blocks, bool hessian,
                                const at::Tensor& qkv, const at::Tensor& d_out, const at::Tensor& d_qkv) {
  const int64_t tangents = hessian ? blocks.tangents : 0;
  over_pieces(view, batch, 3 * (1 + tangents), qkv.element_size(), [&](const Piece& piece) {
    const Heads heads(state, view, blocks, piece, qkv, tangents);
    const Qkv& in = heads.at(0);
    const at::Tensor values = turned(in.v), d_p = at::empty_like(heads.p);
    for (int64_t k = 0; !hessian && k < blocks.tangents; ++k) {
      const at::Tensor d_y = heads.read_out(d_out, k);
      product(d_y, values, d_p[0]);
      heads.through_softmax(d_p);
      value_backward(heads, d_y, d_p[0], d_qkv, k);
    }
    if (!hessian) return;
    const at::Tensor d_y = heads.read_out(d_out, tangents);  // the gradient that is not a tangent comes last
    std::vector<at::Tensor> d_tangents;
    product(d_y, values, d_p[0]);
    for (int64_t k = 1; k <= tangents; ++k) {
      d_tangents.push_back(heads.read_out(d_out, k - 1));
      products(d_tangents.back(), values, d_y, turned(heads.at(k).v), d_p[k]);
    }
    heads.through_softmax(d_p);
    value_backward(heads, d_y, d_p[0], d_qkv, tangents);
    for (int64_t k = 1; k <= tangents; ++k) {
      const Qkv& tangent = heads.at(k);
      heads.write({products(d_p[k], in.k, d_p[0], tangent.k), products(turned(d_p[k]), in.q, turned(d_p[0]), tangent.q),
                   products(turned(heads.p[k]), d_y, turned(heads.p[0]), d_tangents[static_cast<size_t>(k - 1)])},
                  d_qkv, k - 1);
    }
  });
}

}  // namespace lethe::device
