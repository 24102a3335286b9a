// From an entry with every row, as a device makes it, to one with the best few: on the host, site by site.
#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <initializer_list>

#include "entries_out.h"
#include "stored.h"
#include "truncate.h"

namespace lethe::device {
namespace {

// What one site lost of its gradient's squared norm.
struct Loss {
  double total = 0, dropped = 0;
  bool finite = true;
};

bool all(std::initializer_list<bool> parts) { return std::ranges::all_of(parts, std::identity()); }

template <class Real, class Stored>
struct Narrowing {
  const EntriesOut& out;
  const EntryLayout &from, &to;
  const char* made;
  char* entry;

  bool put(const Real* values, int64_t count, int64_t place) const {
    return store_row(values, count, Real{1}, reinterpret_cast<Stored*>(entry + place));
  }
  bool put(const at::Tensor& values, int64_t place) const {
    return put(values.const_data_ptr<Real>(), values.numel(), place);
  }
  bool cast(int64_t source, int64_t place, int64_t count) const {
    return count == 0 || put(reinterpret_cast<const Real*>(made + source), count, place);
  }
  at::Tensor matrix(int64_t source, int64_t rows, int64_t columns) const {
    return at::from_blob(const_cast<char*>(made) + source, {rows, columns}, c10::CppTypeToScalarType<Real>::value);
  }

  Loss linear(int64_t s, const Site& site) const {
    const auto at = static_cast<size_t>(s);
    const int64_t rows = out.format.linear_rows(s, to.tokens);
    if (!out.wanted.truncates(s, to.tokens)) {
      const bool finite = all({cast(from.sites[at].first, to.sites[at].first, rows * site.inputs),
                               cast(from.sites[at].second, to.sites[at].second, rows * site.outputs)});
      if (!out.wanted.dense(s, to.tokens)) return {.finite = finite};
      const at::Tensor dense = site.outputs <= site.inputs ? matrix(from.sites[at].first, rows, site.inputs)
                                                           : matrix(from.sites[at].second, rows, site.outputs);
      return {.total = dense.square().sum().template item<double>(), .finite = finite};
    }
    const bool bias = out.layout.has_bias(s);
    const TruncatedFactors few = truncate(matrix(from.sites[at].first, rows, site.inputs),
                                          matrix(from.sites[at].second, rows, site.outputs), out.wanted.rank(), bias);
    const bool finite = all({put(few.inputs, to.sites[at].first), put(few.gradients, to.sites[at].second),
                             !bias || put(few.shares, to.sites[at].index)});
    return {few.total, few.dropped, finite};
  }

  Loss site(int64_t s) const {
    const Site& site = out.layout.sites()[static_cast<size_t>(s)];
    const EntryLayout::Arrays &source = from.sites[static_cast<size_t>(s)], &place = to.sites[static_cast<size_t>(s)];
    if (site.kind == LETHE_SITE_LINEAR) return linear(s, site);
    if (site.kind == LETHE_SITE_NORM)
      return {.finite = all({cast(source.first, place.first, site.outputs),
                             cast(source.second, place.second, out.layout.has_bias(s) ? site.outputs : 0)})};
    if (site.kind != LETHE_SITE_HEAD) return {};
    const int64_t k = out.wanted.top_k(), width = k > 0 ? k : site.outputs;
    const auto indices = static_cast<size_t>(to.targets * k * out.wanted.index_bytes());
    if (k > 0) std::memcpy(entry + place.index, made + source.index, indices);
    return {.finite = all({cast(source.first, place.first, to.targets * site.inputs),
                           cast(source.second, place.second, to.targets * width)})};
  }
};

}  // namespace

double narrow_entry(const EntriesOut& out, int64_t record, const EntryLayout& places, const char* made, char* entry) {
  return with_stored(out.double_model, out.wanted.dtype(), [&](auto real, auto stored) {
    const Narrowing<typename decltype(real)::type, typename decltype(stored)::type> narrowing{
        out, out.places[static_cast<size_t>(record)], places, made, entry};
    const int64_t sites = out.layout.site_count();
    std::vector<Loss> losses(static_cast<size_t>(sites));
    at::parallel_for(0, sites, 1, [&](int64_t begin, int64_t end) {
      const c10::InferenceMode inference;  // thread-local, and this may be another thread
      for (int64_t s = begin; s < end; ++s)
        if (out.wanted.holds(s)) losses[static_cast<size_t>(s)] = narrowing.site(s);
    });
    if (out.wanted.holds_embedding() &&
        !narrowing.cast(narrowing.from.embedding_at, places.embedding_at, places.tokens * out.layout.shape().channels))
      losses[static_cast<size_t>(Layout::embedding_site())].finite = false;
    double total = 0, dropped = 0;
    for (int64_t s = 0; s < sites; ++s) {
      const Loss& loss = losses[static_cast<size_t>(s)];
      if (!loss.finite) refuse_factor(out.layout, record * sites + s);
      total += loss.total, dropped += loss.dropped;
    }
    return total > 0 ? std::min(1.0, dropped / total) : 0.0;
  });
}

}  // namespace lethe::device
