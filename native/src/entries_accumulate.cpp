// sum_i c_i g_i: entries are laid one below the other in bounded blocks, then one GEMM a linear site and block,
// A_catᵀ diag(c) G_cat. Tables get their sparse rows added by ranges of table rows, so that no two threads share one.
#include <ATen/ops/addmv.h>
#include <ATen/ops/from_blob.h>

#include <optional>

#include "entries.h"
#include "entries_device.h"
#include "gemm.h"
#include "parallel.h"
#include "rows.h"
#include "switches.h"
#include "table.h"

namespace lethe {
namespace {

constexpr int64_t kBlockTokens = 4096;
constexpr int64_t kHeadColumns = 1024;   // of V at once in an exact head's GEMM
constexpr int64_t kRangeBytes = 1 << 18;  // of table rows a thread works on, to stay in its cache

class Accumulation {
 public:
  Accumulation(const EntrySet& set, const double* coefficients, lethe_vector& vector, const Cancel& cancel)
      : set_(set), coefficients_(coefficients), vector_(vector), cancel_(cancel) {}

  void norm(int64_t site) {
    const EntryBlock all{0, set_.count()};
    const at::Tensor c = coefficients(all, site, std::vector<double>(static_cast<size_t>(set_.count()), 1.0));
    for (const Factor factor : set_.norm_factors(site)) {
      const Layout& layout = set_.layout();
      add_vector(factor == Factor::kFirst ? layout.weight_of(site) : layout.bias_of(site),
                 set_.gather(all, site, factor, nullptr, left_), c);
    }
  }

  void linear(int64_t site, const EntryBlock& block) {
    const at::Tensor a = set_.gather(block, site, Factor::kFirst, coefficients_, left_);
    const at::Tensor g = set_.gather(block, site, Factor::kSecond, nullptr, right_);
    gemm(a.t(), g, view(set_.layout().weight_of(site)), Into::kAdd);
    if (!set_.has_bias(site)) return;
    add_vector(set_.layout().bias_of(site), g, coefficients(block, site, set_.bias_shares(block, site)));
  }

  // E_catᵀ diag(c) H_cat, a stretch of V at a time.
  void exact_head(int64_t site, const EntryBlock& block) {
    if (set_.rows(block, site) == 0) return;
    const at::Tensor h = set_.gather(block, site, Factor::kFirst, coefficients_, left_);
    const at::Tensor& table = view(set_.layout().weight_of(site));
    for (int64_t v = 0; v < table.size(0); v += kHeadColumns) {
      cancel_.poll();
      const int64_t end = std::min(v + kHeadColumns, table.size(0));
      const at::Tensor e = set_.gather(block, site, Factor::kSecond, v, end, nullptr, right_);
      gemm(e.t(), h, table.narrow(0, v, end - v), Into::kAdd);
    }
  }

  void table_rows(const Table& table, const EntryBlock& block) {
    const std::vector<TableRow> rows = lethe::table_rows(table, set_, block);
    const at::Tensor& target = view(table.tensor);
    if (rows.empty()) return;
    if (!set_.model().on_cpu()) {
      const TableGroups groups = table_groups(set_, rows, coefficients_, target.size(0));
      return set_.model().path->add_rows(table_inputs(set_, rows), groups, target);
    }
    set_.with_types([&](auto real, auto stored) {
      with_index(set_.format(), [&](auto index) {
        add_rows<typename decltype(real)::type, typename decltype(stored)::type, typename decltype(index)::type>(rows, target);
      });
    });
  }

 private:
  const at::Tensor& view(int64_t tensor) const { return vector_.views[static_cast<size_t>(tensor)]; }

  // c_i times the row's share, for each row of the site's factors in the block.
  at::Tensor coefficients(const EntryBlock& block, int64_t site, std::vector<double> c) {
    size_t row = 0;
    for (int64_t i = block.begin; i < block.end; ++i)
      for (int64_t r = 0; r < set_.matrix(i, site, Factor::kFirst).rows; ++r) c[row++] *= coefficients_[i];
    const at::Tensor host = at::from_blob(c.data(), {static_cast<int64_t>(c.size())}, at::kDouble);
    return host.to(set_.model().options(), /*non_blocking=*/false, /*copy=*/true);
  }

  void add_vector(int64_t tensor, const at::Tensor& rows, const at::Tensor& c) {
    std::optional<Switches> switches;
    if (!c.is_cpu()) switches.emplace();
    view(tensor).addmv_(rows.t(), c);
  }

  template <class Real, class Stored, class Index>
  void add_rows(const std::vector<TableRow>& rows, const at::Tensor& target) {
    const int64_t count = target.size(0), channels = target.size(1);
    const int64_t range = std::max<int64_t>(1, kRangeBytes / (channels * static_cast<int64_t>(sizeof(Real))));
    Real* out = target.mutable_data_ptr<Real>();
    dynamic_for((count + range - 1) / range, [&] {
      return [&, slicer = TableSlicer<Real, Stored, Index>(rows, set_.format().top_k())](int64_t which) mutable {
        const int64_t begin = which * range, end = std::min(begin + range, count);
        const TablePairs<Real>& pairs = slicer.slice(begin, end);
        for (int64_t v = begin; v < end; ++v) {
          const auto slot = static_cast<size_t>(v - begin);
          for (auto p = static_cast<size_t>(pairs.start[slot]); p < static_cast<size_t>(pairs.start[slot + 1]); ++p) {
            const TableRow& row = rows[static_cast<size_t>(pairs.row[p])];
            const Real c = static_cast<Real>(coefficients_[row.entry]) * pairs.value[p];
            add_row(c, static_cast<const Stored*>(row.x), channels, out + v * channels);
          }
        }
      };
    });
  }

  const EntrySet& set_;
  const double* coefficients_;
  lethe_vector& vector_;
  const Cancel& cancel_;
  Slab left_, right_;
};

}  // namespace

void accumulate(const EntrySet& set, const double* coefficients, lethe_vector& vector, const Cancel& cancel) {
  if (set.count() == 0) return;
  Accumulation sum(set, coefficients, vector, cancel);
  const std::vector<Table> tables = chosen_tables(set);
  const int64_t head = set.layout().head_site();
  for (const EntryBlock& block : set.blocks(kBlockTokens)) {
    for (int64_t s = 0; s < set.layout().site_count(); ++s) {
      cancel.poll();
      if (set.chosen(s) && set.layout().sites()[static_cast<size_t>(s)].kind == LETHE_SITE_LINEAR) sum.linear(s, block);
    }
    if (set.chosen(head) && set.exact_head()) sum.exact_head(head, block);
    for (const Table& table : tables) {
      cancel.poll();
      sum.table_rows(table, block);
    }
  }
  for (int64_t s = 0; s < set.layout().site_count(); ++s)
    if (set.chosen(s) && set.layout().sites()[static_cast<size_t>(s)].kind == LETHE_SITE_NORM) sum.norm(s);
}

}  // namespace lethe
