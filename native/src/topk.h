// Selection of the k largest magnitudes of a row, the target's among them, in rising order of index.
//
// One vectorised pass over the row keeps what passes a threshold guessed from a strided sample and sums squares; only the
// few candidates are ranked, by a bitwise search over their magnitudes' bits that has no branches to mispredict. Ties go
// to the lower index, so the result does not depend on the guess.
#pragma once

#include <cstdint>
#include <type_traits>
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
  // A magnitude as an unsigned integer of the same order.
  using Bits = std::conditional_t<sizeof(Real) == 4, uint32_t, uint64_t>;

  void keep_all(const Real* row, int64_t columns);
  void sample(const Real* row, int64_t columns);
  void collect(const Real* row, int64_t columns, Real threshold);
  void choose(int64_t k);

  std::vector<Bits> sample_;
  std::vector<int32_t> candidates_;  // rising; the first found_ count
  std::vector<Bits> magnitudes_;     // of the candidates
  int64_t found_ = 0;
};

extern template struct TopK<float>;
extern template struct TopK<double>;

}  // namespace lethe
