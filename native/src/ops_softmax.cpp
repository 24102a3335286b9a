// Softmax and cross-entropy of rows of logits, in place: a row is read into the cache once, and errors replace logits.
//
// Sums over the vocabulary run in the element type within blocks of 1,024 and in fp64 across them.
#ifndef LETHE_ISA
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "ops.h"
#include "rows.h"
#include "vector_math.h"

#define LETHE_FILE "ops_softmax.cpp"
#include "each_isa.h"

namespace lethe {

void softmax_scores(const at::Tensor& logits, const int32_t* targets, const RowScores& scores) {
  LETHE_BY_ISA(softmax_scores(logits, targets, scores));
}

void softmax_errors(const at::Tensor& logits, const int32_t* targets, const double* scales, const RowScores& scores) {
  LETHE_BY_ISA(softmax_errors(logits, targets, scales, scores));
}

}  // namespace lethe
#else
namespace lethe::LETHE_ISA {
namespace {

// Sums of e, e d and e d^2 with d = x - top and e = exp(d), over one row. E replaces x when store is set.
struct RowSums {
  double e = 0, ed = 0, edd = 0;
};

template <class T>
RowSums row_sums(const T* row, int64_t n, T top) {
  RowSums sums;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = std::min(n, begin + kSumBlock);
    T e = 0, ed = 0, edd = 0;
#pragma omp simd reduction(+ : e, ed, edd)
    for (int64_t j = begin; j < end; ++j) {
      const T d = row[j] - top, p = fast_exp(d);
      e += p;
      ed += p * d;
      edd += p * d * d;
    }
    sums.e += e;
    sums.ed += ed;
    sums.edd += edd;
  }
  return sums;
}

// As row_sums without squares; exp(x - top) replaces x.
template <class T>
RowSums exponentiate(T* row, int64_t n, T top) {
  RowSums sums;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = std::min(n, begin + kSumBlock);
    T e = 0, ed = 0;
#pragma omp simd reduction(+ : e, ed)
    for (int64_t j = begin; j < end; ++j) {
      const T d = row[j] - top, p = fast_exp(d);
      row[j] = p;
      e += p;
      ed += p * d;
    }
    sums.e += e;
    sums.ed += ed;
  }
  return sums;
}

template <class T>
void score_row(const T* row, int64_t n, int32_t target, int64_t r, const RowScores& scores) {
  const T top = row_max(row, n);
  const RowSums sums = row_sums(row, n, top);
  const double log_total = std::log(sums.e), mean = sums.ed / sums.e;
  if (scores.loss) scores.loss[r] = log_total - (static_cast<double>(row[target]) - top);
  if (scores.mean) scores.mean[r] = mean - log_total;
  if (scores.deviation) scores.deviation[r] = std::sqrt(std::max(0.0, sums.edd / sums.e - mean * mean));
  // Argmax is the first of equals.
  if (scores.greedy_hit) scores.greedy_hit[r] = row[target] == top && std::find(row, row + target, top) == row + target;
}

template <class T>
void error_row(T* row, int64_t n, int32_t target, double scale, int64_t r, const RowScores& scores) {
  const T top = row_max(row, n);
  const double at_target = static_cast<double>(row[target]) - top;
  const RowSums sums = exponentiate(row, n, top);
  if (scores.loss) scores.loss[r] = std::log(sums.e) - at_target;
  if (scores.mean_logit) scores.mean_logit[r] = sums.ed / sums.e - at_target;
  const T factor = static_cast<T>(scale / sums.e);
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) row[j] *= factor;
  row[target] -= static_cast<T>(scale);
}

}  // namespace

void softmax_scores(const at::Tensor& logits, const int32_t* targets, const RowScores& scores) {
  const int64_t rows = logits.size(0), n = logits.size(1);
  with_element(logits.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) score_row(data<T>(logits) + r * n, n, targets[r], r, scores);
    });
  });
}

void softmax_errors(const at::Tensor& logits, const int32_t* targets, const double* scales, const RowScores& scores) {
  const int64_t rows = logits.size(0), n = logits.size(1);
  with_element(logits.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) error_row(data<T>(logits) + r * n, n, targets[r], scales[r], r, scores);
    });
  });
}

}  // namespace lethe::LETHE_ISA
#endif
