// Dense form of scatter and top-k rows: a table row's gradients exist only for the entries that touch it. For a stretch
// of the table they are made, entry by entry, [touched, C] row after row, and multiplied pairwise, so the work is
// sum_v present(v)^2 / 2 * C instead of N^2 / 2 * V * C.
#ifndef LETHE_ISA
#include <algorithm>

#include "gram.h"
#include "parallel.h"
#include "rows.h"

#define LETHE_FILE "gram_table_rows.cpp"
#include "each_isa.h"

namespace lethe {
namespace {

constexpr int64_t kStretchElements = 1 << 21;  // of gradients made at once: they are read back from cache
constexpr int64_t kStretchMarks = 1 << 22;
constexpr int64_t kEntryBlock = 16;  // rows of the Gram matrix a thread owns at a time

template <class Real, class Stored, class Index>
class TouchedRows {
 public:
  TouchedRows(const GramJob& job, const std::vector<TableRow>& rows, const std::vector<int64_t>& present)
      : job_(job), rows_(rows), present_(present), channels_(job.set.layout().shape().channels),
        top_k_(job.set.format().top_k()), cursors_(rows.size(), 0) {
    first_row_.assign(static_cast<size_t>(job.set.count()) + 1, 0);
    for (const TableRow& row : rows) ++first_row_[static_cast<size_t>(row.entry) + 1];
    for (size_t i = 1; i < first_row_.size(); ++i) first_row_[i] += first_row_[i - 1];
  }

  void run() {
    const auto table_rows = static_cast<int64_t>(present_.size());
    const int64_t limit = std::clamp<int64_t>(job_.scratch_elements, 1, kStretchElements);
    for (int64_t begin = 0; begin < table_rows;) {
      int64_t end = begin, touched = 0;
      while (end < table_rows && (end == begin || (touched + present_[static_cast<size_t>(end)]) * channels_ <= limit) &&
             (end - begin) * job_.set.count() < kStretchMarks)
        touched += present_[static_cast<size_t>(end++)];
      if (touched > 0) {
        job_.cancel.poll();
        stretch(begin, end);
      }
      begin = end;
    }
  }

 private:
  void stretch(int64_t begin, int64_t end) {
    const int64_t n = job_.set.count(), width = end - begin;
    slots_.assign(static_cast<size_t>(n * width), -1);
    at::parallel_for(0, n, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        visit(i, begin, end, false, [&](int64_t v, Real, const void*) { slots_[static_cast<size_t>(i * width + v)] = 0; });
    });
    place(width);
    gradients_.assign(entries_.size() * static_cast<size_t>(channels_), Real{0});
    at::parallel_for(0, n, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        visit(i, begin, end, true, [&](int64_t v, Real value, const void* x) {
          add_row(value, static_cast<const Stored*>(x), channels_, gradient(slots_[static_cast<size_t>(i * width + v)]));
        });
    });
    dynamic_for((n + kEntryBlock - 1) / kEntryBlock, [&] {
      return [&](int64_t which) {
        for (int64_t v = 0; v < width; ++v) pair_products(v, which * kEntryBlock, std::min(n, (which + 1) * kEntryBlock));
      };
    });
  }

  // each(table row - begin, value, x) for the nonzeros of entry i's rows in [begin, end); `advance` moves the cursors on.
  template <class Each>
  void visit(int64_t i, int64_t begin, int64_t end, bool advance, Each&& each) {
    for (auto r = static_cast<size_t>(first_row_[static_cast<size_t>(i)]);
         r < static_cast<size_t>(first_row_[static_cast<size_t>(i) + 1]); ++r) {
      const TableRow& row = rows_[r];
      if (row.id >= begin && row.id < end) each(row.id - begin, Real{1}, row.x);
      if (row.index == nullptr) continue;
      const auto* index = static_cast<const Index*>(row.index);
      const auto* value = static_cast<const Stored*>(row.value);
      int64_t at = cursors_[r];
      for (; at < top_k_ && static_cast<int64_t>(index[at]) < end; ++at)
        each(static_cast<int64_t>(index[at]) - begin, load<Real>(value[at]), row.x);
      if (advance) cursors_[r] = at;
    }
  }

  // Numbers the marked (table row, entry) pairs, by table row and then by entry.
  void place(int64_t width) {
    const int64_t n = job_.set.count();
    starts_.assign(1, 0);
    entries_.clear();
    for (int64_t v = 0; v < width; ++v) {
      for (int64_t i = 0; i < n; ++i) {
        int32_t& slot = slots_[static_cast<size_t>(i * width + v)];
        if (slot < 0) continue;
        slot = static_cast<int32_t>(entries_.size());
        entries_.push_back(static_cast<int32_t>(i));
      }
      starts_.push_back(static_cast<int64_t>(entries_.size()));
    }
  }

  // Rows [from, to) of the Gram matrix, table row v.
  void pair_products(int64_t v, int64_t from, int64_t to) {
    const int64_t begin = starts_[static_cast<size_t>(v)], end = starts_[static_cast<size_t>(v) + 1];
    const auto place = [&](int64_t entry) {
      return std::lower_bound(entries_.begin() + begin, entries_.begin() + end, entry) - entries_.begin();
    };
    int64_t a = place(from);
    const int64_t last = place(to);
    for (; a + 4 <= last; a += 4) {
      int64_t b = begin;
      for (; b + 4 <= a + 1; b += 4) add_tile(a, b);
      for (int64_t row = a; row < a + 4; ++row)
        for (int64_t column = b; column <= row; ++column) add_pair(row, column);
    }
    for (; a < last; ++a)
      for (int64_t b = begin; b <= a; ++b) add_pair(a, b);
  }

  void add_tile(int64_t a, int64_t b) {
    const Real* x[4] = {gradient(a), gradient(a + 1), gradient(a + 2), gradient(a + 3)};
    const Real* y[4] = {gradient(b), gradient(b + 1), gradient(b + 2), gradient(b + 3)};
    double dots[4][4];
    LETHE_BY_ISA(dots_4x4(x, y, channels_, dots));
    for (int64_t p = 0; p < 4; ++p)
      for (int64_t q = 0; q < 4; ++q) at(a + p, b + q) += dots[p][q];
  }

  void add_pair(int64_t a, int64_t b) { at(a, b) += dot_row(gradient(a), gradient(b), channels_); }

  double& at(int64_t a, int64_t b) const {
    return job_.row(entries_[static_cast<size_t>(a)])[entries_[static_cast<size_t>(b)]];
  }
  Real* gradient(int64_t slot) { return gradients_.data() + slot * channels_; }

  const GramJob& job_;
  const std::vector<TableRow>& rows_;
  const std::vector<int64_t>& present_;
  const int64_t channels_, top_k_;
  std::vector<int64_t> first_row_;  // [N + 1] of an entry in rows_
  std::vector<int64_t> cursors_;    // next top-k index of each row
  std::vector<int32_t> slots_;      // [N, stretch]
  std::vector<int64_t> starts_;     // [stretch + 1]
  std::vector<int32_t> entries_;    // [touched]
  std::vector<Real> gradients_;     // [touched, C]
};

}  // namespace

void gram_table_rows(const GramJob& job, const std::vector<TableRow>& rows, const std::vector<int64_t>& present) {
  job.set.with_types([&](auto real, auto stored) {
    with_index(job.set.format(), [&](auto index) {
      TouchedRows<typename decltype(real)::type, typename decltype(stored)::type, typename decltype(index)::type>(job, rows,
                                                                                                                present)
          .run();
    });
  });
}

}  // namespace lethe
#else

namespace lethe::LETHE_ISA {

// Four rows against four: enough independent sums to keep the multipliers busy.
template <class Real>
void dots_4x4(const Real* const* x, const Real* const* y, int64_t count, double (&out)[4][4]) {
  typedef Real Lanes __attribute__((vector_size(LETHE_VECTOR_BYTES), aligned(sizeof(Real))));
  constexpr int64_t kLanes = LETHE_VECTOR_BYTES / static_cast<int64_t>(sizeof(Real));
  Lanes sums[4][4] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes b[4];
    for (int q = 0; q < 4; ++q) b[q] = *reinterpret_cast<const Lanes*>(y[q] + i);
    for (int p = 0; p < 4; ++p) {
      const Lanes a = *reinterpret_cast<const Lanes*>(x[p] + i);
      for (int q = 0; q < 4; ++q) sums[p][q] += a * b[q];
    }
  }
  for (int p = 0; p < 4; ++p) {
    for (int q = 0; q < 4; ++q) {
      double sum = 0;
      for (int64_t j = 0; j < kLanes; ++j) sum += static_cast<double>(sums[p][q][j]);
      for (int64_t j = i; j < count; ++j) sum += static_cast<double>(x[p][j] * y[q][j]);
      out[p][q] = sum;
    }
  }
}

}  // namespace lethe::LETHE_ISA
#endif
