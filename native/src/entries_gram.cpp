// Drives the Gram matrix: norms here, linear sites and tables by the form that takes fewer operations.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/zeros.h>

#include "entries_device.h"
#include "gemm.h"
#include "gram.h"
#include "rows.h"

namespace lethe {
namespace {

constexpr int64_t kProductRows = 64;  // rows of a strip of X Xᵀ; strips end at the diagonal

void add_lower(const GramJob& job, int64_t first, const at::Tensor& strip) {
  if (job.device_out.defined()) {
    job.device_out.narrow(0, first, strip.size(0)).narrow(1, 0, strip.size(1)).add_(strip);
    return;
  }
  const at::Tensor part = strip.to(at::kDouble).contiguous();
  const double* from = part.const_data_ptr<double>();
  const int64_t columns = part.size(1);
  for (int64_t r = 0; r < part.size(0); ++r)
    for (int64_t j = 0; j <= first + r; ++j) job.row(first + r)[j] += from[r * columns + j];
}

void gram_norm(const GramJob& job, int64_t site) {
  Slab slab;
  const EntryBlock all{0, job.set.count()};
  for (const Factor factor : job.set.norm_factors(site))
    add_products(job, job.set.gather(all, site, factor, nullptr, slab));
}

}  // namespace

void add_products(const GramJob& job, const at::Tensor& x) {
  Slab slab;
  for (int64_t first = 0; first < x.size(0); first += kProductRows) {
    job.cancel.poll();
    const int64_t end = std::min(first + kProductRows, x.size(0));
    const at::Tensor strip = slab.get(x.options(), end - first, end);
    gemm(x.narrow(0, first, end - first), x.narrow(0, 0, end).t(), strip);
    add_lower(job, first, strip);
  }
}

void add_hadamard(const GramJob& job, const RowCounts& left, const RowCounts& right, const at::Tensor& p,
                  const at::Tensor& q) {
  if (job.device_out.defined()) {
    job.set.model().path->pair_products({p, q, begins_of(job.set, left.counts), begins_of(job.set, right.counts),
                                         left.block.begin, right.block.begin, /*lower=*/true, job.device_out});
    return;
  }
  // [rows, entries of the right block]: columns summed by entry in fp64 after the elementwise product.
  const at::Tensor product = at::mul(p, q);
  std::vector<int64_t> starts{0};
  for (const int64_t count : left.counts) starts.push_back(starts.back() + count);
  job.set.with_types([&](auto real, auto) {
    using Real = typename decltype(real)::type;
    const Real* values = product.const_data_ptr<Real>();
    const int64_t columns = product.size(1);
    at::parallel_for(left.block.begin, left.block.end, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto slot = static_cast<size_t>(i - left.block.begin);
        for (int64_t r = starts[slot]; r < starts[slot + 1]; ++r) {
          const Real* from = values + r * columns;
          for (int64_t j = right.block.begin; j < right.block.end; ++j) {
            const int64_t count = right.counts[static_cast<size_t>(j - right.block.begin)];
            if (j <= i) job.row(i)[j] += sum_row(from, count);
            from += count;
          }
        }
      }
    });
  });
}

void gram(const EntrySet& set, int64_t scratch_bytes, GramForm form, double* out, const Cancel& cancel) {
  require(scratch_bytes >= 0, "scratch_bytes is ", scratch_bytes, ", must not be negative");
  const int64_t n = set.count();
  std::fill(out, out + n * n, 0.0);
  if (n == 0) return;
  const int64_t element = set.double_model() ? 8 : 4;
  GramJob job{set, scratch_bytes / element, out, cancel, {}};
  if (!set.model().on_cpu()) job.device_out = at::zeros({n, n}, set.model().options().dtype(at::kDouble));
  for (int64_t s = 0; s < set.layout().site_count(); ++s) {
    cancel.poll();
    if (!set.chosen(s)) continue;
    const int32_t kind = set.layout().sites()[static_cast<size_t>(s)].kind;
    if (kind == LETHE_SITE_NORM) gram_norm(job, s);
    if (kind == LETHE_SITE_LINEAR) gram_linear(job, s, form);
  }
  for (const Table& table : chosen_tables(set)) gram_table(job, table, form);
  if (job.device_out.defined()) at::from_blob(out, {n, n}, at::kDouble).copy_(job.device_out);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j) out[j * n + i] = out[i * n + j];
}

}  // namespace lethe
