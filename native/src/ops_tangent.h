// The elementwise and rowwise pieces of the tangent passes, value and tangents in one loop: the CPU's.
//
// Joint matrices are those of tangent.h; ' is the derivative along a direction v of the parameters, s the reciprocal
// deviation of a row, m() the mean over a row, x-hat = s (x - m(x)).
//   layer norm  x-hat' = s (x' - m(x') - x-hat m(x-hat x')),  y' = x-hat' w + x-hat w' + b'
//     backward  h = g w,  dx = s (h - m(h) - x-hat m(h x-hat)),  h' = g' w + g w'
//               dx' = -s m(x-hat x') dx + s (h' - m(h') - x-hat' m(h x-hat) - x-hat m(h' x-hat + h x-hat'))
//               dw' = sum of g' x-hat + g x-hat',  db' = sum of g'
//   RMS norm    the same with no m(x) and no m(h) taken away, s of the mean square: m(x'), m(h), m(h') are 0
//   activation  y' = f'(u) u',  backward  d = g f'(u),  d' = g' f'(u) + g f''(u) u',  u = x + b
//   gated       y' = f'(u) u' w + f(u) w',  backward  du = g f'(u) w,  dw = g f(u),  x = [u, w]
//               du' = g' f'(u) w + g (f''(u) u' w + f'(u) w'),  dw' = g' f(u) + g f'(u) u'
//   softmax     e = c (p - one-hot),  e' = c p (z' - <p, z'>), c the loss's scale: diag(p) - p p^T times z'
// Sums into shared rows are over fixed blocks in a fixed order, whatever the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "batch.h"
#include "ops.h"

namespace lethe {

// How a joint matrix is cut into blocks of R rows.
struct Blocks {
  int64_t rows;      // R
  int64_t tangents;  // K

  at::Tensor all(const at::Tensor& joint) const { return joint.narrow(0, 0, (1 + tangents) * rows); }
  at::Tensor value(const at::Tensor& joint) const { return joint.narrow(0, 0, rows); }
  at::Tensor tangent(const at::Tensor& joint, int64_t k) const { return joint.narrow(0, (1 + k) * rows, rows); }
  // Of a joint gradient: tangents first.
  at::Tensor gradient(const at::Tensor& joint) const { return joint.narrow(0, tangents * rows, rows); }
  at::Tensor gradient_tangent(const at::Tensor& joint, int64_t k) const { return joint.narrow(0, k * rows, rows); }
};

// A site's weight and bias, one a direction; empty where the site is not chosen (bias also where it has none).
struct SiteTangents {
  std::vector<at::Tensor> weight, bias;
  bool empty() const { return weight.empty(); }
};

// The k-th of a list of vectors, or `zeros` when the list is empty.
template <class T>
const T* row_or(const std::vector<at::Tensor>& list, int64_t k, const std::vector<T>& zeros) {
  return list.empty() ? zeros.data() : data<T>(list[static_cast<size_t>(k)]);
}

// out[r] += factor <a - minus, b> of each row r; minus may be undefined.
void row_products(double factor, const at::Tensor& a, const at::Tensor& minus, const at::Tensor& b, double* out);

struct NormTangent {
  Norm kind;
  Blocks blocks;
  const at::Tensor& x;           // joint [(1 + K) R, C]
  const at::Tensor& statistics;  // [2, R] mean and 1 / deviation: out forward, in backward
  const at::Tensor& weight;      // [C]
  const SiteTangents& directions;
};
void layer_norm_tangent(const NormTangent& norm, const at::Tensor& bias, double epsilon, const at::Tensor& out);

struct NormTangentGradient {
  const at::Tensor& output;      // joint gradient [(K + 1) R, C] at the norm's output
  const at::Tensor& stream;      // joint gradient, inout: the gradient at x is added
  const SiteTangents& products;  // [C] each, or empty
  bool accumulate;               // add to the products instead of overwriting them
  double* row_sums;              // [K, R] inout: <w', dw'> + <b', db'> of each row is added; may be NULL
};
void layer_norm_tangent_backward(const NormTangent& norm, const NormTangentGradient& gradient, Slab& partials);

// As activate and activate_backward, joint; bias' as directions.bias.
void activate_tangent(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                      const SiteTangents& directions, const at::Tensor& out);
void activate_tangent_backward(const Activating& how, const Blocks& blocks, const at::Tensor& x, const at::Tensor& bias,
                               const SiteTangents& directions, const at::Tensor& gradient, const at::Tensor& d_x);

// Logits [(K + 1) n, V], tangents first, become errors in place; the last block only when with_value.
struct SoftmaxTangent {
  Blocks blocks;
  const int32_t* targets;  // [n]
  const double* scales;    // [n] c
  bool with_value;
  double* losses;  // [n]
  double* sums;    // [K, n] out: <z', e'>; NULL = not wanted
};
void softmax_tangent(const at::Tensor& logits, const SoftmaxTangent& options);

}  // namespace lethe
