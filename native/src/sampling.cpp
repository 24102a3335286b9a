// Greedy, top-k and full sampling of one row of logits. The draw is a pure function of (key, counter).
#ifndef LETHE_ISA
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "generate.h"
#include "random.h"
#include "rows.h"
#include "vector_math.h"

#define LETHE_FILE "sampling.cpp"
#include "each_isa.h"

namespace lethe {
namespace {

template <class T>
int32_t draw(const T* logits, int64_t count, const Sampling& sampling) {
  const double drawn = uniform(sampling.key, sampling.counter);
  const T cold = static_cast<T>(std::min(1 / sampling.temperature, static_cast<double>(std::numeric_limits<T>::max())));
  return LETHE_BY_ISA(first_past(logits, count, cold, drawn));
}

template <class T>
int32_t sample_row(const T* logits, int64_t count, const Sampling& sampling) {
  if (sampling.top_k == 1) return LETHE_BY_ISA(largest(logits, count));
  if (sampling.top_k == 0 || sampling.top_k >= count) return draw(logits, count, sampling);
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  const auto larger = [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::partial_sort(order.begin(), order.begin() + sampling.top_k, order.end(), larger);
  std::vector<T> kept;
  for (int64_t i = 0; i < sampling.top_k; ++i) kept.push_back(logits[order[static_cast<size_t>(i)]]);
  return order[static_cast<size_t>(draw(kept.data(), sampling.top_k, sampling))];
}

}  // namespace

int32_t sample(const float* logits, int64_t count, const Sampling& sampling) {
  return sample_row(logits, count, sampling);
}
int32_t sample(const double* logits, int64_t count, const Sampling& sampling) {
  return sample_row(logits, count, sampling);
}

}  // namespace lethe
#else

namespace lethe::LETHE_ISA {

template <class T>
int32_t largest(const T* logits, int64_t count) {
  return static_cast<int32_t>(std::find(logits, logits + count, row_max(logits, count)) - logits);
}

// The first index at which the running sum of exp((x - top) cold) passes the drawn share of the whole. Sums run in the
// element type within blocks and in fp64 across them; only the block where the sum passes is gone through one by one.
template <class T>
int32_t first_past(const T* logits, int64_t count, T cold, double drawn) {
  constexpr int64_t kBlock = 256;
  const T top = row_max(logits, count);
  std::vector<double> sums;
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(count, begin + kBlock);
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = begin; j < end; ++j) sum += fast_exp((logits[j] - top) * cold);
    sums.push_back(total += sum);
  }
  const double wanted = drawn * total;
  const auto block = std::upper_bound(sums.begin(), sums.end() - 1, wanted);
  double sum = block == sums.begin() ? 0 : *(block - 1);
  int64_t j = (block - sums.begin()) * kBlock;
  const int64_t last = std::min(count, j + kBlock) - 1;
  while (j < last && (sum += fast_exp((logits[j] - top) * cold)) <= wanted) ++j;
  return static_cast<int32_t>(j);
}

}  // namespace lethe::LETHE_ISA
#endif
