// Two-step selection: collect what passes a guessed threshold, then rank the candidates.
#ifndef LETHE_ISA
#include "topk.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace lethe {

constexpr int64_t kBlock = 32;  // elements compared at once before looking at single ones

}  // namespace lethe

#define LETHE_FILE "topk.cpp"
#include "each_isa.h"

namespace lethe {
namespace {

constexpr int64_t kSquares = 64 * kBlock;  // elements summed in the row's own precision before fp64 takes over
constexpr int64_t kSample = 1024;          // evenly spaced: neighbouring token ids are alike, so runs would mislead

template <class Bits, class Real>
Bits magnitude(Real value) {
  return std::bit_cast<Bits>(value) & (~Bits{0} >> 1);
}

// The k-th largest of n numbers below 2^(bits - 1), for 1 <= k <= n: the largest number that k of them reach.
template <class Bits>
Bits kth_largest(const Bits* values, int64_t n, int64_t k) {
  Bits result = 0;
  for (int bit = static_cast<int>(sizeof(Bits)) * 8 - 2; bit >= 0; --bit) {
    const Bits trial = result | (Bits{1} << bit);
    Bits reached = 0;
    for (int64_t i = 0; i < n; ++i) reached += values[i] >= trial;
    if (reached >= static_cast<Bits>(k)) result = trial;
  }
  return result;
}

}  // namespace

template <class Real>
void TopK<Real>::keep_all(const Real* row, int64_t columns) {
  indices.resize(static_cast<size_t>(columns));
  std::iota(indices.begin(), indices.end(), 0);
  total = 0;
  for (int64_t i = 0; i < columns; ++i) total += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  kept = total;
}

template <class Real>
void TopK<Real>::sample(const Real* row, int64_t columns) {
  const int64_t stride = std::max<int64_t>(1, columns / kSample);
  sample_.clear();
  for (int64_t i = 0; i < columns; i += stride) sample_.push_back(magnitude<Bits>(row[i]));
}

template <class Real>
void TopK<Real>::collect(const Real* row, int64_t columns, Real threshold) {
  candidates_.resize(static_cast<size_t>(columns + kBlock));
  found_ = 0;
  total = 0;
  const int64_t blocks = columns / kBlock * kBlock;
  for (int64_t begin = 0; begin < blocks; begin += kSquares)
    found_ += LETHE_BY_ISA(
        scan(row, begin, std::min(begin + kSquares, blocks), threshold, candidates_.data() + found_, total));
  for (int64_t i = blocks; i < columns; ++i) {
    total += static_cast<double>(row[i]) * static_cast<double>(row[i]);
    candidates_[static_cast<size_t>(found_)] = static_cast<int32_t>(i);
    found_ += std::abs(row[i]) >= threshold;
  }
}

// The k largest candidates; of equal ones at the end, those with the lower indices.
template <class Real>
void TopK<Real>::choose(int64_t k) {
  indices.clear();
  if (k == 0) return;
  const Bits limit = kth_largest(magnitudes_.data(), found_, k);
  int64_t larger = 0;
  for (int64_t i = 0; i < found_; ++i) larger += magnitudes_[static_cast<size_t>(i)] > limit;
  int64_t equal = k - larger;
  for (int64_t i = 0; i < found_; ++i) {
    const Bits mine = magnitudes_[static_cast<size_t>(i)];
    if (mine > limit || (mine == limit && equal-- > 0)) indices.push_back(candidates_[static_cast<size_t>(i)]);
  }
}

template <class Real>
void TopK<Real>::select(const Real* row, int64_t columns, int64_t k, int64_t target) {
  if (k == columns) return keep_all(row, columns);
  sample(row, columns);
  const auto size = static_cast<int64_t>(sample_.size());
  // Two standard deviations of the rank as margin: a miss costs another pass with twice the rank, and is rare.
  const double expected = static_cast<double>(k) * static_cast<double>(size) / static_cast<double>(columns);
  auto rank = static_cast<int64_t>(expected + 2 * std::sqrt(expected) + 2);
  Real threshold;
  do {
    threshold = rank > size ? Real{0} : std::bit_cast<Real>(kth_largest(sample_.data(), size, rank));
    collect(row, columns, threshold);
    rank *= 2;
  } while (found_ < k && threshold > 0);
  if (!std::isfinite(total)) {  // NaN fails every comparison; the caller sees `total` and refuses the record
    indices.resize(static_cast<size_t>(k));
    std::iota(indices.begin(), indices.end(), 0);
    return;
  }
  magnitudes_.clear();
  for (int64_t i = 0; i < found_; ++i) magnitudes_.push_back(magnitude<Bits>(row[candidates_[static_cast<size_t>(i)]]));
  choose(k);
  const auto wanted = static_cast<int32_t>(target);
  if (!std::binary_search(indices.begin(), indices.end(), wanted)) {
    choose(k - 1);
    indices.insert(std::upper_bound(indices.begin(), indices.end(), wanted), wanted);
  }
  kept = 0;
  for (const int32_t i : indices) kept += static_cast<double>(row[i]) * static_cast<double>(row[i]);
}

template struct TopK<float>;
template struct TopK<double>;

}  // namespace lethe
#else

namespace lethe::LETHE_ISA {

// Indices in [begin, end) with |row[i]| >= threshold, appended at `found`, which has room for a block more than there are;
// returns how many. Adds the squares to `total`. end - begin is a multiple of kBlock.
template <class Real>
int64_t scan(const Real* row, int64_t begin, int64_t end, Real threshold, int32_t* found, double& total) {
  Real squares[kBlock] = {};
  int64_t count = 0;
  for (; begin < end; begin += kBlock) {
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
  return count;
}

#ifdef LETHE_AVX512
// The same with compare masks and compressed stores: half of a row's time.
template <>
int64_t scan(const float* row, int64_t begin, int64_t end, float threshold, int32_t* found, double& total) {
  const __m512 limit = _mm512_set1_ps(threshold);
  __m512 squares[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  __m512i index = _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                   _mm512_set1_epi32(static_cast<int32_t>(begin)));
  int64_t count = 0;
  for (; begin < end; begin += kBlock) {
    for (int half = 0; half < 2; ++half) {
      const __m512 value = _mm512_loadu_ps(row + begin + 16 * half);
      squares[half] = _mm512_fmadd_ps(value, value, squares[half]);
      const __mmask16 passes = _mm512_cmp_ps_mask(_mm512_abs_ps(value), limit, _CMP_GE_OQ);
      if (passes != 0) {
        _mm512_storeu_si512(found + count, _mm512_maskz_compress_epi32(passes, index));
        count += std::popcount(static_cast<uint32_t>(passes));
      }
      index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
  }
  float lanes[16];
  _mm512_storeu_ps(lanes, _mm512_add_ps(squares[0], squares[1]));
  for (const float lane : lanes) total += static_cast<double>(lane);
  return count;
}
#endif

}  // namespace lethe::LETHE_ISA
#endif
