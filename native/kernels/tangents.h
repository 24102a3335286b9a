// Launchers of the tangent passes' kernels, as kernels.h: a value and, one direction at a time or K at once, its
// derivative along it. Formulas in src/ops_tangent.h and src/tangent_attention.cpp; ' marks what belongs to a direction.
//
// `real` is F32 or F64, of every matrix: the tangent passes compute in a model's own type.
#pragma once

#include "kernels.h"

namespace lethe::kernels {

// ---- tangent_norm.cu

// out = the tangent at a norm's output, of one direction.
struct NormTangent {
  Element real;
  bool rms;
  const void* x;           // the norm's input
  const void* tangent;     // x'
  const void* statistics;  // [2, rows, each] of x, as layer_norm left them
  const void* weight;      // [columns]
  const void* d_weight;    // [columns] w', or NULL
  const void* d_bias;      // [columns] b', or NULL
  NormRows rows;
  void* out;
};
Status norm_tangent(const NormTangent& job, Stream stream);

// stream += the tangent of the gradient at x; products of weight and bias; each row's share of v^T H v.
struct NormTangentBackward {
  NormTangent forward;         // out is not used
  const void* output;          // gradient at the norm's output
  const void* output_tangent;  // and its tangent
  RowChunks chunks;
  bool overwrite_stream;  // stream = instead of +=
  void* stream;           // inout; may not be an input
  void* partials;         // [chunks.count, each, 2 or, without bias_product, 1, columns] scratch; NULL without products
  bool accumulate;        // products += instead of =
  void* weight_product;   // [columns], or NULL: no products are wanted
  void* bias_product;     // [columns], or NULL
  double* shares;         // [rows, each] <w', dw'> + <b', db'> of the row, written; or NULL
};
Status norm_tangent_backward(const NormTangentBackward& job, Stream stream);

// ---- tangent_activation.cu

// out = the tangent at an activation's output; gated: x and its tangent [rows, 2 columns], no bias.
struct ActivationTangent {
  Activation kind;
  bool gated;
  Element real;
  const void* x;        // without bias
  const void* tangent;  // x'
  const void* bias;     // [columns], or NULL
  const void* d_bias;   // [columns] b', or NULL
  int64_t rows, columns;
  void* out;  // [rows, columns]; may be x' when not gated
};
Status activation_tangent(const ActivationTangent& job, Stream stream);
// d_x = the tangent of the gradient at x.
struct ActivationTangentBackward {
  ActivationTangent forward;     // out is not used
  const void* gradient;          // [rows, columns] at the activation's output
  const void* gradient_tangent;  // [rows, columns]
  void* d_x;                     // of x's shape; not gated, it may be gradient_tangent
};
Status activation_tangent_backward(const ActivationTangentBackward& job, Stream stream);

// ---- tangent_attention.cu

// Scores of queries against keys of one record: row r is query r % keys, which sees keys 0 .. r % keys. Blocks of K + 1
// such matrices below one another, the value first.
struct ScoreTangents {
  Element real;
  int64_t rows, keys, count;  // count: K
  double scale;               // of scores
  void* p;  // [count + 1, rows, keys] in: unscaled scores and their tangents; out: P and P'
};
Status softmax_past_tangent(const ScoreTangents& job, Stream stream);
// d_p [count + 1, rows, keys]: dP and dP' become scale * dS and scale * dS'. P' is read for count > 0.
Status softmax_past_tangent_backward(const ScoreTangents& job, void* d_p, Stream stream);

// ---- tangent_softmax.cu

// Logits' tangents z', K of them, and then the logits: become the tangents of the errors and, with_value, the errors.
struct SoftmaxTangent {
  Element real;
  void* logits;  // [count + 1, rows, columns]
  int64_t rows, columns, count;
  const int32_t* targets;  // [rows]
  const double* scales;    // [rows]
  bool with_value;         // else the logits are only read
  double* losses;          // [rows]
  double* sums;            // [count, rows] <z', e'>, or NULL
};
Status softmax_tangent(const SoftmaxTangent& job, Stream stream);

// out[r] += factor * <a - minus, b> of each row, summed in fp64; minus may be NULL.
struct RowProducts {
  Element real;
  double factor;
  const void* a;  // [rows, columns], or one row for all
  bool one_row;
  const void* minus;
  const void* b;  // [rows, columns]
  int64_t rows, columns;
  double* out;  // [rows]
};
Status row_products(const RowProducts& job, Stream stream);

}  // namespace lethe::kernels
