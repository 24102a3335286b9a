// Two-step selection: collect what passes a guessed threshold, then rank the candidates.
#include "topk.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace lethe {
namespace {

constexpr int64_t kBlock = 32;             // elements compared at once before looking at single ones
constexpr int64_t kSquares = 64 * kBlock;  // elements summed in the row's own precision before fp64 takes over
constexpr int64_t kRuns = 64;              // the sample is this many cache lines, evenly spaced
constexpr int64_t kRunLength = 16;

}  // namespace

template <class Real>
Real TopK<Real>::guess(const Real* row, int64_t columns, int64_t k) {
  constexpr int64_t count = kRuns * kRunLength;
  if (columns < 2 * count) return 0;
  // Two standard deviations of the sample's rank as margin: a miss costs a second pass and is rare.
  const double expected = static_cast<double>(k) * count / static_cast<double>(columns);
  const auto rank = static_cast<int64_t>(expected + 2 * std::sqrt(expected) + 1);
  if (rank >= count) return 0;
  sample_.resize(count);
  for (int64_t i = 0; i < kRuns; ++i)
    for (int64_t j = 0; j < kRunLength; ++j)
      sample_[static_cast<size_t>(i * kRunLength + j)] = std::abs(row[columns / kRuns * i + j]);
  std::nth_element(sample_.begin(), sample_.begin() + rank, sample_.end(), std::greater<Real>());
  return sample_[static_cast<size_t>(rank)];
}

template <class Real>
void TopK<Real>::collect(const Real* row, int64_t columns, Real threshold) {
  candidates_.resize(static_cast<size_t>(columns + 1));
  int32_t* const found = candidates_.data();
  int64_t count = 0, begin = 0;
  total = 0;
  while (begin + kBlock <= columns) {
    const int64_t end = std::min(begin + kSquares, columns);
    Real squares[kBlock] = {};
    for (; begin + kBlock <= end; begin += kBlock) {
      int passes = 0;
      for (int64_t j = 0; j < kBlock; ++j) {
        const Real value = row[begin + j];
        squares[j] += value * value;
        passes |= std::abs(value) >= threshold;
      }
      if (passes == 0) continue;
      for (int64_t j = begin; j < begin + kBlock; ++j) {
        found[count] = static_cast<int32_t>(j);
        count += std::abs(row[j]) >= threshold;
      }
    }
    for (const Real square : squares) total += static_cast<double>(square);
  }
  for (; begin < columns; ++begin) {
    total += static_cast<double>(row[begin]) * static_cast<double>(row[begin]);
    found[count] = static_cast<int32_t>(begin);
    count += std::abs(row[begin]) >= threshold;
  }
  found_ = count;
}

template <class Real>
void TopK<Real>::keep_all(const Real* row, int64_t columns) {
  indices.resize(static_cast<size_t>(columns));
  std::iota(indices.begin(), indices.end(), 0);
  total = 0;
  for (int64_t i = 0; i < columns; ++i) total += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  kept = total;
}

template <class Real>
void TopK<Real>::rank(const Real* row, int64_t k, int64_t target) {
  keys_.clear();
  for (int64_t i = 0; i < found_; ++i) {
    const int32_t index = candidates_[static_cast<size_t>(i)];
    keys_.push_back({std::abs(row[index]), index});
  }
  const auto last = keys_.begin() + (k - 1);
  std::nth_element(keys_.begin(), last, keys_.end());
  Key limit = *last;
  const Key wanted{std::abs(row[target]), static_cast<int32_t>(target)};
  const bool outside = limit < wanted;
  if (outside && k > 1) limit = *std::max_element(keys_.begin(), last);
  indices.clear();
  for (int64_t i = 0; i < found_; ++i) {
    const int32_t index = candidates_[static_cast<size_t>(i)];
    const bool chosen = !(limit < Key{std::abs(row[index]), index}) && !(outside && k == 1);
    if (chosen) indices.push_back(index);
  }
  if (outside) indices.insert(std::upper_bound(indices.begin(), indices.end(), wanted.index), wanted.index);
  kept = 0;
  for (const int32_t i : indices) kept += static_cast<double>(row[i]) * static_cast<double>(row[i]);
}

template <class Real>
void TopK<Real>::select(const Real* row, int64_t columns, int64_t k, int64_t target) {
  if (k == columns) return keep_all(row, columns);
  Real threshold = guess(row, columns, k);
  collect(row, columns, threshold);
  while (found_ < k && threshold > 0) {
    threshold = threshold > std::numeric_limits<Real>::min() ? threshold / 4 : 0;
    collect(row, columns, threshold);
  }
  if (!std::isfinite(total)) {  // NaN fails every comparison; the caller sees `total` and refuses the record
    indices.resize(static_cast<size_t>(k));
    std::iota(indices.begin(), indices.end(), 0);
    return;
  }
  rank(row, k, target);
}

template struct TopK<float>;
template struct TopK<double>;

}  // namespace lethe
