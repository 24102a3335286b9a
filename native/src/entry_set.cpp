// Checks of a lethe_entries and block copies out of it.
#include "entry_set.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <exception>

#include "guard.h"

namespace lethe {
namespace {

constexpr int64_t kGrainElements = 16384;

// A row to copy: where it lies and what it is multiplied by.
struct SourceRow {
  const char* data;
  double scale;
};

}  // namespace

EntrySet::EntrySet(const Model& model, const lethe_entries& entries, const uint8_t* sites)
    : model_(model),
      format_(model.layout, model.dtype == at::kDouble, checked(entries.format, "entries.format")) {
  require(entries.count >= 0, "entries.count is ", entries.count, ", must not be negative");
  for (int64_t s = 0; s < layout().site_count(); ++s) {
    const bool wanted = sites == nullptr ? format_.holds(s) : sites[s] != 0;
    require(!wanted || format_.holds(s), "the entries do not hold site ", layout().sites()[static_cast<size_t>(s)].name);
    chosen_.push_back(wanted);
  }
  if (entries.count == 0) return;
  require_pointer(entries.data, "entries.data");
  require_pointer(entries.bytes, "entries.bytes");
  views_.reserve(static_cast<size_t>(entries.count));
  for (int64_t i = 0; i < entries.count; ++i)
    views_.emplace_back(layout(), format_, entries.data[i], entries.bytes[i], i);
}

StoredMatrix EntrySet::matrix(int64_t i, int64_t site, Factor factor) const {
  const EntryView& view = entry(i);
  const Site& place = layout().sites()[static_cast<size_t>(site)];
  const bool first = factor == Factor::kFirst;
  const void* data = first ? view.first(site) : view.second(site);
  switch (place.kind) {
    case LETHE_SITE_LINEAR: return {data, format_.linear_rows(site, view.tokens()), first ? place.inputs : place.outputs};
    case LETHE_SITE_NORM: return {data, 1, place.outputs};
    case LETHE_SITE_HEAD:
      return {data, view.targets(), first ? place.inputs : exact_head() ? place.outputs : format_.top_k()};
    default: return {view.embedding(), view.tokens(), layout().shape().channels};
  }
}

int64_t EntrySet::rows(const EntryBlock& block, int64_t site) const {
  int64_t rows = 0;
  for (int64_t i = block.begin; i < block.end; ++i) rows += matrix(i, site, Factor::kFirst).rows;
  return rows;
}

std::vector<double> EntrySet::bias_shares(const EntryBlock& block, int64_t site) const {
  std::vector<double> shares;
  for (int64_t i = block.begin; i < block.end; ++i) {
    const auto rows = static_cast<size_t>(matrix(i, site, Factor::kFirst).rows);
    if (!has_bias(site) || !format_.truncates(site, entry(i).tokens())) {
      shares.insert(shares.end(), rows, has_bias(site) ? 1.0 : 0.0);
      continue;
    }
    with_types([&](auto real, auto stored) {
      using Real = typename decltype(real)::type;
      const auto* from = static_cast<const typename decltype(stored)::type*>(entry(i).index(site));
      for (size_t r = 0; r < rows; ++r) shares.push_back(static_cast<double>(load<Real>(from[r])));
    });
  }
  return shares;
}

at::Tensor EntrySet::bias_share_rows(const EntryBlock& block, int64_t site) const {
  std::vector<double> values = bias_shares(block, site);
  const at::Tensor host = at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kDouble);
  return host.to(model_.options(), /*non_blocking=*/false, /*copy=*/true);
}

std::vector<Factor> EntrySet::norm_factors(int64_t site) const {
  return has_bias(site) ? std::vector{Factor::kFirst, Factor::kSecond} : std::vector{Factor::kFirst};
}

std::vector<EntryBlock> EntrySet::blocks(const EntryBlock& of, int64_t limit) const {
  std::vector<EntryBlock> result;
  int64_t tokens = 0;
  for (int64_t i = of.begin; i < of.end; ++i) {
    if (result.empty() || tokens + entry(i).tokens() > limit) {
      result.push_back({i, i});
      tokens = 0;
    }
    tokens += entry(i).tokens();
    result.back().end = i + 1;
  }
  return result;
}

at::Tensor EntrySet::gather_host(const EntryBlock& block, int64_t site, Factor factor, int64_t from, int64_t to,
                                 const double* scales, Slab& slab) const {
  const int64_t width = to - from;
  const at::Tensor out = slab.get(at::TensorOptions().dtype(model_.dtype), rows(block, site), width);
  with_types([&](auto real, auto stored) {
    using Real = typename decltype(real)::type;
    using Stored = typename decltype(stored)::type;
    std::vector<SourceRow> sources;
    for (int64_t i = block.begin; i < block.end; ++i) {
      const StoredMatrix m = matrix(i, site, factor);
      const auto* data = static_cast<const Stored*>(m.data) + from;
      for (int64_t r = 0; r < m.rows; ++r)
        sources.push_back({reinterpret_cast<const char*>(data + r * m.columns), scales == nullptr ? 1.0 : scales[i]});
    }
    Real* to_rows = out.mutable_data_ptr<Real>();
    const auto grain = std::max<int64_t>(1, kGrainElements / width);
    at::parallel_for(0, static_cast<int64_t>(sources.size()), grain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const SourceRow& source = sources[static_cast<size_t>(r)];
        load_row(reinterpret_cast<const Stored*>(source.data), width, static_cast<Real>(source.scale),
                 to_rows + r * width);
      }
    });
  });
  return out;
}

at::Tensor EntrySet::gather(const EntryBlock& block, int64_t site, Factor factor, int64_t from, int64_t to,
                            const double* scales, Slab& slab) const {
  if (model_.on_cpu()) return gather_host(block, site, factor, from, to, scales, slab);
  std::vector<const void*> sources;
  std::vector<double> factors;
  for (int64_t i = block.begin; i < block.end; ++i) {
    const StoredMatrix m = matrix(i, site, factor);
    const auto* data = static_cast<const char*>(m.data) + from * format_.element_bytes();
    for (int64_t r = 0; r < m.rows; ++r) sources.push_back(data + r * m.columns * format_.element_bytes());
    if (scales != nullptr) factors.insert(factors.end(), static_cast<size_t>(m.rows), scales[i]);
  }
  const at::Tensor rows = upload_rows(sources, to - from);
  if (scales == nullptr) return rows;
  const at::Tensor host = at::from_blob(factors.data(), {rows.size(0), 1}, at::kDouble);
  return rows.mul(host.to(model_.options(), /*non_blocking=*/false, /*copy=*/true));
}

at::Tensor EntrySet::upload_rows(const std::vector<const void*>& rows, int64_t width) const {
  const auto count = static_cast<int64_t>(rows.size());
  const auto bytes = static_cast<size_t>(width * format_.element_bytes());
  char* to = model_.path->staging(rows.size() * bytes);
  at::parallel_for(0, count, std::max<int64_t>(1, kGrainElements / width), [&](int64_t begin, int64_t end) {
    for (auto r = static_cast<size_t>(begin); r < static_cast<size_t>(end); ++r)
      std::memcpy(to + r * bytes, rows[r], bytes);
  });
  const at::Tensor stored = model_.path->upload(rows.size() * bytes).view(scalar_type(format_.dtype()));
  return stored.view({count, width}).to(model_.dtype);
}

at::Tensor EntrySet::gather(const EntryBlock& block, int64_t site, Factor factor, const double* scales,
                            Slab& slab) const {
  return gather(block, site, factor, 0, matrix(block.begin, site, factor).columns, scales, slab);
}

}  // namespace lethe
