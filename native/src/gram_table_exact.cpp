// Dense form with an exact head: a stretch of V of every gradient, E_i[:, stretch]ᵀ H_i plus the scattered rows of D_i,
// laid out [N, stretch * C], then X Xᵀ.
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include "gemm.h"
#include "gram.h"
#include "rows.h"

namespace lethe {
namespace {

constexpr int64_t kProductColumns = 1 << 16;  // the longest fp32 sum of a product

// gradient [end - begin, C] = rows [begin, end) of entry i's gradient
template <class Real, class Stored>
void make_stretch(const GramJob& job, const Table& table, int64_t i, int64_t begin, int64_t end,
                  const at::Tensor& gradient) {
  Slab left, right;
  const EntrySet& set = job.set;
  const at::Tensor h = set.gather_host({i, i + 1}, table.head, Factor::kFirst, 0, gradient.size(1), nullptr, left);
  const at::Tensor e = set.gather_host({i, i + 1}, table.head, Factor::kSecond, begin, end, nullptr, right);
  if (h.size(0) > 0) {
    gemm(e.t(), h, gradient);
  } else {
    gradient.zero_();
  }
  if (table.scatter < 0) return;
  const EntryView& entry = set.entry(i);
  const int64_t channels = gradient.size(1);
  Real* to = gradient.mutable_data_ptr<Real>();
  for (int64_t t = 0; t < entry.tokens(); ++t) {
    const int64_t id = entry.ids()[t];
    if (id < begin || id >= end) continue;
    add_row(Real{1}, static_cast<const Stored*>(entry.embedding()) + t * channels, channels, to + (id - begin) * channels);
  }
}

}  // namespace

void gram_table_exact(const GramJob& job, const Table& table) {
  const int64_t n = job.set.count(), channels = job.set.layout().shape().channels;
  const int64_t fit = std::min(kProductColumns, job.scratch_elements / n) / channels;
  const int64_t stretch = std::clamp<int64_t>(fit, 1, table.rows);
  const auto options = at::TensorOptions().dtype(job.set.model().dtype);
  Slab slab;
  for (int64_t begin = 0; begin < table.rows; begin += stretch) {
    job.cancel.poll();
    const int64_t end = std::min(begin + stretch, table.rows);
    const at::Tensor x = slab.get(options, n, (end - begin) * channels);
    at::parallel_for(0, n, 1, [&](int64_t first, int64_t last) {
      const c10::InferenceMode inference;  // thread-local, and this may be another thread
      job.set.with_types([&](auto real, auto stored) {
        for (int64_t i = first; i < last; ++i)
          make_stretch<typename decltype(real)::type, typename decltype(stored)::type>(
              job, table, i, begin, end, x.select(0, i).view({end - begin, channels}));
      });
    });
    add_products(job, x);
  }
}

}  // namespace lethe
