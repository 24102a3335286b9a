// The elementwise and rowwise pieces of the device's passes: tensors in, launches of native/kernels out.
//
// Matrices are contiguous [rows, columns] in the compute type; parameters, their gradients, statistics and sums are in the
// model's. Index tables are state.tables'.
#pragma once

#include "../kernels/kernels.h"
#include "../src/ops.h"
#include "state.h"

namespace lethe::device {

using kernels::DeviceScores;

kernels::Element element_of(const at::Tensor& tensor);
kernels::Stream stream_of(const State& state);
void launched(kernels::Status status, const char* kernel);  // refuses when the launch failed

// A table that is undefined is zero, not both.
void embed(State& state, const at::Tensor& tokens, const at::Tensor& positions, const at::Tensor& out);
// Into the tables that are defined, by rows that state.tables has grouped.
void embed_backward(State& state, const at::Tensor& gradient, const at::Tensor& d_tokens, const at::Tensor& d_positions);

// Norms of rows, or of each stretch of weight's width in them: x, out, output and stream may then be columns of wider
// matrices, all of the same width. statistics [2, rows, stretches].
void layer_norm(State& state, Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                double epsilon, const at::Tensor& statistics, const at::Tensor& out);

struct NormGradient {
  Norm kind;
  const at::Tensor& x;              // the norm's input
  const at::Tensor& statistics;
  const at::Tensor& weight;         // [C]
  const at::Tensor& output;         // gradient at the norm's output
  const at::Tensor& stream;         // inout: the gradient at x is added
  bool first;                       // nothing is in the stream yet
  const at::Tensor& d_weight;       // [C]
  const at::Tensor& d_bias;         // [C], or undefined
  bool accumulate;                  // add to d_weight and d_bias instead of overwriting them
  const at::Tensor& record_weight;  // [B, C] the same sums record by record, with record_bias; or both undefined
  const at::Tensor& record_bias;    // not written without d_bias
};
void norm_backward(State& state, const NormGradient& gradient);

// As src/ops.h; not gated: with d_bias, also the column sums of what it writes.
void activate(State& state, const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out);
void activate_backward(State& state, const Activating& how, const at::Tensor& x, const at::Tensor& bias,
                       const at::Tensor& gradient, const at::Tensor& d_x, bool accumulate, const at::Tensor& d_bias);
// out = x + y + bias a row
void add_bias(State& state, const at::Tensor& x, const at::Tensor& y, const at::Tensor& bias, const at::Tensor& out);
void column_sums(State& state, const at::Tensor& x, bool accumulate, const at::Tensor& out);
// Also: joined = the three side by side.
void column_sums(State& state, const at::Tensor (&parts)[3], const at::Tensor& joined, bool accumulate, const at::Tensor& out);
// out[r] = x[index[r]], zeros where that is negative
void gather_rows(State& state, const at::Tensor& x, const int32_t* index, const at::Tensor& out);
void cast(State& state, const at::Tensor& x, const at::Tensor& out);

// Scores of target rows [first, first + logits' rows); scores point at the first target's.
void softmax_scores(State& state, const at::Tensor& logits, int64_t vocabulary, int64_t first, const DeviceScores& scores);
// Also: logits become errors, target_scales[r] * (softmax - one-hot), zero behind `vocabulary`.
void softmax_errors(State& state, const at::Tensor& logits, int64_t vocabulary, int64_t first, const DeviceScores& scores);

// divergences[r] = KL(reference || logits) of target rows from `first` on, and logits become their errors; both padded.
void divergence_errors(State& state, const at::Tensor& logits, const at::Tensor& reference, int64_t vocabulary,
                       int64_t first, double* divergences);
// x's rows times factors [rows] fp64, in place
void scale_rows(State& state, const at::Tensor& x, const at::Tensor& factors);

// The queries and keys of x in place, by state.turns and the rows' positions on the device.
void turn(State& state, const QkvView& view, const int32_t* positions, Direction direction, const at::Tensor& x);

// sums[b * stride] += <x + bias - minus, y> over record b's rows; bias and minus may be undefined. x, minus and y may
// be columns of wider matrices, all of the same width.
void record_products(State& state, const at::Tensor& x, const at::Tensor& minus, const at::Tensor& bias, const at::Tensor& y,
                     double* sums, int64_t stride);

}  // namespace lethe::device
