// The elementwise and rowwise pieces of the CPU's passes, vectorised loops; results do not depend on the number of
// threads.
//
// Matrices are contiguous [rows, columns]; outputs are written into memory the caller owns. GEMMs are not here: those
// are ATen's.
#pragma once

#include <ATen/core/Tensor.h>

#include "batch.h"
#include "workspace.h"

namespace lethe {

// Calls body with a value of the element type: float or double, the only two a model computes in.
template <class Body>
void with_element(at::ScalarType dtype, Body&& body) {
  if (dtype == at::kDouble) {
    body(double{});
  } else {
    body(float{});
  }
}

template <class T>
T* data(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<T>();
}

// A bias's numbers; as many zeros, made in `none`, where there is no bias.
template <class T>
const T* bias_row(const at::Tensor& bias, int64_t count, std::vector<T>& none) {
  if (bias.defined()) return data<T>(bias);
  none.assign(static_cast<size_t>(count), T(0));
  return none.data();
}

// ---- ops_norm.cpp

// out = (x - mean) / deviation * weight + bias a row, the bias undefined where there is none; statistics [2, rows] =
// mean, 1 / deviation. Of an RMS norm the mean is 0, here and below.
void layer_norm(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                const at::Tensor& statistics, const at::Tensor& out);

struct NormGradient {
  Norm kind;
  const at::Tensor& x;           // [rows, C] the norm's input
  const at::Tensor& statistics;  // [2, rows]
  const at::Tensor& weight;      // [C]
  const at::Tensor& output;      // [rows, C] gradient at the norm's output
  const at::Tensor& stream;      // [rows, C] inout: the gradient at x is added
  const at::Tensor& d_weight;    // [C], or undefined where it is not wanted
  const at::Tensor& d_bias;      // [C], or undefined
  bool accumulate;               // add to d_weight and d_bias instead of overwriting them
};
void layer_norm_backward(const NormGradient& gradient, Slab& partials);

// weight, bias [B, C]: each record's share of d_weight and d_bias; `each` rows a token
void layer_norm_records(const at::Tensor& x, const at::Tensor& statistics, const at::Tensor& output, const Batch& batch,
                        int64_t each, const at::Tensor& weight, const at::Tensor& bias);

// ---- ops_activation.cpp

struct Activating {
  Activation kind;
  bool gated;
};
// out [rows, n] = f(x + bias), a bias that is undefined being none; gated: f(gate) * up of x [rows, 2n], without a bias
void activate(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out);
// d_x, the gradient at x, from the one at out; not gated: in place, `gradient` and d_x being one
void activate_backward(const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& gradient,
                       const at::Tensor& d_x);

// ---- ops_rotary.cpp

// Cosines and sines [rows, size / 2] of rows at given positions; undefined where nothing turns.
struct Turns {
  at::Tensor cos, sin;
};
Turns make_turns(const Rotary& rotary, const std::vector<int64_t>& positions, const at::TensorOptions& options);
Turns make_turns(const Rotary& rotary, const Batch& batch, const at::TensorOptions& options);

enum class Direction { kForward, kBack };
// The queries and keys of x [n rows, view.width()] in place, every block of `rows` alike.
void turn(const QkvView& view, const Turns& turns, Direction direction, const at::Tensor& x);

// ---- ops_rows.cpp

// out = token's row + position's row; an undefined table is zero, not both; a token table of another type is a base's
void embed(const at::Tensor& token_table, const at::Tensor& position_table, const Batch& batch, const at::Tensor& out);
// Adds gradient's rows to d_tokens at the token ids and to d_positions at the positions, where these are defined.
void embed_backward(const at::Tensor& gradient, const Batch& batch, const at::Tensor& d_tokens,
                    const at::Tensor& d_positions);
// out = x + bias a row; undefined means zero
void start_rows(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out);
void add_bias(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out);  // out = x + bias a row
void fill_bias(const at::Tensor& bias, const at::Tensor& out);  // every row of out = bias; out may be columns of more
void column_sums(const at::Tensor& x, bool accumulate, const at::Tensor& out);      // [columns]
// out = the table's rows at ids, in out's type whatever the table's
void take_rows(const at::Tensor& table, const std::vector<int64_t>& ids, const at::Tensor& out);
void gather_rows(const at::Tensor& x, const std::vector<int64_t>& rows, const at::Tensor& out);
// out's given rows = x's, every other row zero; rows rise
void scatter_rows(const at::Tensor& x, const std::vector<int64_t>& rows, const at::Tensor& out);
// sums[b] += <x - minus, y> over record b's rows, in fp64; minus may be undefined
void record_products(const at::Tensor& x, const at::Tensor& minus, const at::Tensor& y, const Batch& batch,
                     double* sums);

// ---- ops_softmax.cpp

// What each row's prediction looked like; [rows] each, NULL = not wanted.
struct RowScores {
  double* loss = nullptr;        // -log p(target)
  double* mean = nullptr;        // E[log p] under p
  double* deviation = nullptr;   // standard deviation of log p under p
  double* mean_logit = nullptr;  // E[logit] under p minus the target's logit
  uint8_t* greedy_hit = nullptr;
};

// Scores of logits [rows, V] against targets [rows]. logits are left unspecified.
void softmax_scores(const at::Tensor& logits, const int32_t* targets, const RowScores& scores);
// As softmax_scores (loss and mean_logit only), and logits become errors: scales[r] * (softmax - one-hot).
void softmax_errors(const at::Tensor& logits, const int32_t* targets, const double* scales, const RowScores& scores);

// ---- ops_distance.cpp

// divergences[r] = KL(q || p), q the softmax of `reference` and p that of `logits`, both [rows, V]. logits become
// errors, scales[r] * (p - q); reference is left unspecified.
void divergence_errors(const at::Tensor& logits, const at::Tensor& reference, const double* scales,
                       double* divergences);

// distances[b] = mean of (x - target)^2 over record b's rows and the columns; errors = weight(b) times its gradient at
// x. target: [rows, C], or [1, C] for every row the same.
void square_errors(const at::Tensor& x, const at::Tensor& target, const Batch& batch, const at::Tensor& errors,
                   double* distances);

// ---- token_errors.cpp: on every place

// logits [rows, V or more]: `penalty` is taken off each row's target, [rows] int32 on the same place.
void lower_targets(const at::Tensor& logits, const at::Tensor& targets, double penalty);
// losses[r] = (largest - mean)^2 of the first `columns` of a row; logits become errors, scales[r] times its gradient, zero
// behind `columns`. scales, losses: [rows] fp64 on the same place.
void flat_errors(const at::Tensor& logits, int64_t columns, const at::Tensor& scales, const at::Tensor& losses);

}  // namespace lethe
