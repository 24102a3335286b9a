// Selection of the k largest magnitudes of a row, the target's among them, in rising order of index.
//
// One vectorised pass over the row compares blocks with a threshold guessed from a strided sample and sums squares; only
// the few candidates that pass are ranked. Ties go to the lower index, so the result does not depend on the guess.
#pragma once

#include <cstdint>
#include <vector>

namespace lethe {

// Scratch of one thread, kept from row to row.
template <class Real>
struct TopK {
  std::vector<int32_t> indices;  // [k] rising, the selection of the last row
  double kept = 0;               // its squares' sum
  double total = 0;              // the whole row's squares' sum; not finite when the row is not

  // 1 <= k <= columns; 0 <= target < columns
  void select(const Real* row, int64_t columns, int64_t k, int64_t target);

 private:
  Real guess(const Real* row, int64_t columns, int64_t k);
  void collect(const Real* row, int64_t columns, Real threshold);
  void keep_all(const Real* row, int64_t columns);
  void rank(const Real* row, int64_t k, int64_t target);

  struct Key {
    Real magnitude;
    int32_t index;
    bool operator<(const Key& other) const {  // the larger magnitude first
      return magnitude > other.magnitude || (magnitude == other.magnitude && index < other.index);
    }
  };

  std::vector<Real> sample_;
  std::vector<int32_t> candidates_;  // rising; the first found_ count
  int64_t found_ = 0;
  std::vector<Key> keys_;
};

extern template struct TopK<float>;
extern template struct TopK<double>;

}  // namespace lethe
