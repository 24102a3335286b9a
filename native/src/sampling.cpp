// Greedy, top-k and full sampling of one row of logits. The draw is a pure function of (key, counter).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "generate.h"
#include "random.h"

namespace lethe {
namespace {

// The first index at which the running sum of exp((x - top) / temperature) passes the drawn share of the whole.
template <class T, class At>
int32_t draw(int64_t count, At&& at, T top, const Sampling& sampling) {
  std::vector<double> sums(static_cast<size_t>(count));
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    total += std::exp((static_cast<double>(at(i)) - top) / sampling.temperature);
    sums[static_cast<size_t>(i)] = total;
  }
  const double drawn = uniform(sampling.key, sampling.counter) * total;
  const auto found = std::upper_bound(sums.begin(), sums.end() - 1, drawn);
  return static_cast<int32_t>(found - sums.begin());
}

template <class T>
int32_t sample_row(const T* logits, int64_t count, const Sampling& sampling) {
  const T* top = std::max_element(logits, logits + count);
  if (sampling.top_k == 1) return static_cast<int32_t>(top - logits);
  if (sampling.top_k == 0 || sampling.top_k >= count) {
    return draw(count, [&](int64_t i) { return logits[i]; }, *top, sampling);
  }
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  const auto larger = [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  const auto end = order.begin() + sampling.top_k;
  std::partial_sort(order.begin(), end, order.end(), larger);
  return order[static_cast<size_t>(
      draw(sampling.top_k, [&](int64_t i) { return logits[order[static_cast<size_t>(i)]]; }, *top, sampling))];
}

}  // namespace

int32_t sample(const float* logits, int64_t count, const Sampling& sampling) {
  return sample_row(logits, count, sampling);
}
int32_t sample(const double* logits, int64_t count, const Sampling& sampling) {
  return sample_row(logits, count, sampling);
}

}  // namespace lethe
