// The C functions over captured entries, and the eigen-decomposition the span contrast needs.
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigh.h>

#include <cmath>

#include "entries.h"
#include "guard.h"
#include "serial.h"

namespace lethe {
namespace {

// The model, entries and sites of a call, checked.
EntrySet open_entries(const lethe_model* model, const lethe_entries* entries, const uint8_t* sites) {
  require_pointer(model, "model");
  return EntrySet(*model, checked(entries, "entries"), sites);
}

void check_vector(const lethe_vector* vector, const Model& model) {
  require_pointer(vector, "vector");
  const Shape& mine = vector->layout.shape();
  const Shape& its = model.shape();
  const bool same = vector->values.scalar_type() == model.dtype && vector->values.device() == model.device &&
                    vector->layout.flat_size() == model.layout.flat_size() && mine.vocabulary == its.vocabulary &&
                    mine.channels == its.channels && mine.layers == its.layers && mine.tied == its.tied &&
                    mine.adapted == its.adapted;
  require(same, "vector belongs to a model of another shape, dtype or device");
}

// Every parameter meets every token once in a sum or product, once per entry in a Gram matrix.
int64_t token_work(const EntrySet& set) {
  int64_t tokens = 0;
  for (int64_t i = 0; i < set.count(); ++i) tokens += set.entry(i).tokens();
  return tokens * set.layout().parameters();
}

// The queries hold all that the chosen sites' tensors take part in.
void require_comparable(const EntrySet& set, const EntrySet& queries) {
  const Layout& layout = set.layout();
  const int64_t wte = Layout::embedding_site(), head = layout.head_site();
  const bool tied = layout.shape().tied && (set.chosen(wte) || set.chosen(head));
  for (int64_t s = 0; s < layout.site_count(); ++s) {
    const bool needed = set.chosen(s) || (tied && (s == wte || s == head));
    require(!needed || queries.chosen(s), "the queries do not hold site ", layout.sites()[static_cast<size_t>(s)].name);
  }
}

// Vectors are columns of what libtorch returns; ours are rows.
void eigen(int64_t n, double* matrix, double* values) {
  require(n >= 0 && n < (int64_t{1} << 20), "n is ", n, ", allowed 0 to 2^20 - 1");
  if (n == 0) return;
  require_pointer(matrix, "matrix");
  require_pointer(values, "values");
  for (int64_t i = 0; i < n * n; ++i)
    if (!std::isfinite(matrix[i])) refuse(LETHE_NOT_FINITE, "matrix[", i / n, ", ", i % n, "] is not finite");
  at::Tensor memory = at::from_blob(matrix, {n, n}, at::kDouble);
  const auto [eigenvalues, eigenvectors] = at::linalg_eigh(memory, "L");
  at::from_blob(values, {n}, at::kDouble).copy_(eigenvalues);
  memory.copy_(eigenvectors.t());
}

}  // namespace
}  // namespace lethe

using namespace lethe;

extern "C" {

LETHE_API lethe_status lethe_entry_bytes(const lethe_model* model, const lethe_entry_format* format, int64_t tokens,
                                         int64_t targets, int64_t* out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(out, "out");
    const EntryFormat checked_format(model->layout, model->dtype == at::kDouble, checked(format, "format"));
    *out = EntryLayout(model->layout, checked_format, tokens, targets).total;
  });
}

LETHE_API lethe_status lethe_entry_describe(const void* data, int64_t bytes, lethe_entry_info* out, lethe_error* err) {
  return guard(err, [&] {
    lethe_entry_info& info = checked(out, "out");
    const EntryHeader header = read_header(data, bytes, "the entry");
    info.tokens = header.tokens;
    info.targets = header.targets;
    info.head_top_k = header.head_top_k;
    info.dropped_share = header.dropped_share;
    info.dtype = header.dtype;
    info.rank = static_cast<int32_t>(header.rank);
    info.truncated_share = header.truncated_share;
  });
}

LETHE_API lethe_status lethe_entry_tokens(const void* data, int64_t bytes, int32_t* tokens, int32_t* targets,
                                          int64_t capacity, lethe_error* err) {
  return guard(err, [&] {
    const EntryHeader header = read_header(data, bytes, "the entry");
    require(capacity >= header.tokens, "capacity is ", capacity, ", the entry has ", header.tokens, " tokens");
    const auto count = static_cast<size_t>(header.tokens) * sizeof(int32_t);
    const auto* ids = static_cast<const char*>(data) + sizeof(EntryHeader);
    const size_t padded = (count + kEntryAlignment - 1) / kEntryAlignment * kEntryAlignment;
    if (tokens != nullptr) std::memcpy(tokens, ids, count);
    if (targets != nullptr) std::memcpy(targets, ids + padded, count);
  });
}

LETHE_API lethe_status lethe_entries_accumulate(lethe_model* model, const lethe_entries* entries,
                                                const double* coefficients, const uint8_t* sites, lethe_vector* vector,
                                                const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    const EntrySet set = open_entries(model, entries, sites);
    check_vector(vector, *model);
    if (set.count() == 0) return;
    require_pointer(coefficients, "coefficients");
    for (int64_t i = 0; i < set.count(); ++i)
      require(std::isfinite(coefficients[i]), "coefficients[", i, "] is ", coefficients[i]);
    const SerialIfSmall serial(token_work(set));
    vector->changes();
    run_on(model->path, [&] { accumulate(set, coefficients, *vector, Cancel(cancel)); });
  });
}

LETHE_API lethe_status lethe_entries_dot(lethe_model* model, const lethe_entries* entries, const uint8_t* sites,
                                         const lethe_vector* const* vectors, int64_t vector_count, double* out,
                                         const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    const EntrySet set = open_entries(model, entries, sites);
    require(vector_count >= 0, "vector_count is ", vector_count, ", must not be negative");
    if (vector_count > 0) require_pointer(vectors, "vectors");
    for (int64_t m = 0; m < vector_count; ++m) check_vector(vectors[m], *model);
    if (set.count() == 0 || vector_count == 0) return;
    require_pointer(out, "out");
    const SerialIfSmall serial(vector_count * token_work(set));
    run_on(model->path, [&] {
      dot(set, std::vector<const lethe_vector*>(vectors, vectors + vector_count), out, Cancel(cancel));
    });
  });
}

LETHE_API lethe_status lethe_entries_cross(lethe_model* model, const lethe_entries* entries, const lethe_entries* queries,
                                           const uint8_t* sites, double* out, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    const EntrySet set = open_entries(model, entries, sites);
    if (queries == nullptr) {
      if (set.count() == 0) return;
      require_pointer(out, "out");
      const SerialIfSmall serial(token_work(set));
      return run_on(model->path, [&] { squared_norms(set, out, Cancel(cancel)); });
    }
    const EntrySet asked(*model, checked(queries, "queries"), nullptr);
    require_comparable(set, asked);
    if (set.count() == 0 || asked.count() == 0) return;
    require_pointer(out, "out");
    const SerialIfSmall serial(asked.count() * token_work(set));
    run_on(model->path, [&] { cross(set, asked, out, Cancel(cancel)); });
  });
}

LETHE_API lethe_status lethe_entries_gram(lethe_model* model, const lethe_entries* entries, const uint8_t* sites,
                                          int64_t scratch_bytes, double* out, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    const EntrySet set = open_entries(model, entries, sites);
    require(scratch_bytes >= 0, "scratch_bytes is ", scratch_bytes, ", must not be negative");
    if (set.count() == 0) return;
    require_pointer(out, "out");
    const SerialIfSmall serial(set.count() * token_work(set));
    run_on(model->path, [&] { gram(set, scratch_bytes, GramForm::kCheapest, out, Cancel(cancel)); });
  });
}

LETHE_API lethe_status lethe_symmetric_eigen(int64_t n, double* matrix, double* values, lethe_error* err) {
  return guard(err, [&] { eigen(n, matrix, values); });
}

}  // extern "C"
