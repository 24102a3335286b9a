// Captures a batch into aligned memory and hands the entries back to the C functions, for the tests of entries.
#pragma once

#include <cstdlib>
#include <utility>

#include "check.h"

namespace test {

struct FreeBlock {
  void operator()(void* block) const { std::free(block); }
};
using Block = std::unique_ptr<void, FreeBlock>;

// That can be trained.
inline std::vector<uint8_t> all_sites(const lethe_model* model) {
  std::vector<uint8_t> mask;
  for (const lethe_site_info& site : sites_of(model)) mask.push_back(site.frozen == 0);
  return mask;
}

inline std::vector<uint8_t> only_site(const lethe_model* model, size_t site) {
  std::vector<uint8_t> mask(static_cast<size_t>(layout_of(model).sites), 0);
  mask[site] = 1;
  return mask;
}

// The entries of a batch's records.
struct Captured {
  std::vector<uint8_t> mask;
  lethe_entry_format format = sized<lethe_entry_format>();
  std::vector<Block> blocks;
  std::vector<const void*> data;
  std::vector<int64_t> bytes;

  lethe_entries view() const { return view(0, data.size()); }
  lethe_entries view(size_t first, size_t count) const {
    auto entries = sized<lethe_entries>();
    entries.format = &format;
    entries.count = static_cast<int64_t>(count);
    entries.data = data.data() + first;
    entries.bytes = bytes.data() + first;
    return entries;
  }
};

inline Captured capture(lethe_model* model, const Ragged& batch, std::vector<uint8_t> mask, int64_t top_k, int32_t dtype,
                        int32_t rank = 0) {
  Captured captured;
  captured.mask = std::move(mask);
  captured.format.sites = captured.mask.data();
  captured.format.site_count = static_cast<int64_t>(captured.mask.size());
  captured.format.head_top_k = top_k;
  captured.format.dtype = dtype;
  captured.format.rank = rank;
  std::vector<void*> destinations;
  for (size_t b = 0; b < batch.records(); ++b) {
    int64_t targets = 0, bytes = 0;
    for (auto row = batch.offsets[b]; row < batch.offsets[b + 1]; ++row)
      targets += batch.targets[static_cast<size_t>(row)] != LETHE_IGNORE_TARGET;
    CHECK_OK(lethe_entry_bytes(model, &captured.format, batch.offsets[b + 1] - batch.offsets[b], targets, &bytes, err));
    CHECK(bytes % 64 == 0);
    captured.blocks.emplace_back(std::aligned_alloc(64, static_cast<size_t>(bytes)));
    destinations.push_back(captured.blocks.back().get());
    captured.data.push_back(destinations.back());
    captured.bytes.push_back(bytes);
  }
  auto order = sized<lethe_capture>();
  order.format = &captured.format;
  order.destinations = destinations.data();
  order.capacities = captured.bytes.data();
  std::vector<double> losses(batch.records());
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_gradient(model, &view, 0, &order, losses.data(), nullptr, nullptr, err));
  return captured;
}

inline VectorHandle make_vector(const lethe_model* model) {
  lethe_vector* vector = nullptr;
  CHECK_OK(lethe_vector_create(model, &vector, err));
  return VectorHandle(vector);
}

// sum_i coefficients[i] g_i over `sites` (NULL = all held), dense.
inline std::vector<double> accumulated(lethe_model* model, const lethe_entries& entries,
                                       const std::vector<double>& coefficients, const uint8_t* sites) {
  const VectorHandle vector = make_vector(model);
  CHECK_OK(lethe_entries_accumulate(model, &entries, coefficients.data(), sites, vector.get(), nullptr, err));
  return read(model, vector.get());
}

// grad(mean loss of record b), by a batch of one.
inline std::vector<double> record_gradient(lethe_model* model, const Ragged& batch, size_t b) {
  Ragged one;
  one.add(batch, b);
  one.weights[0] = 1;
  return gradient(model, one);
}

inline double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline double norm(const std::vector<double>& a) { return std::sqrt(product(a, a)); }

// ||a - b|| / scale
inline double distance(const std::vector<double>& a, const std::vector<double>& b, double scale) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum) / scale;
}

// The tests' larger shape: more than one block of everything that works in blocks.
inline lethe_model_config wide_config(int32_t dtype, bool tied) {
  lethe_model_config config = tiny_config(dtype, tied);
  config.vocabulary = 1100;
  config.context = 70;
  config.channels = 40;
  config.heads = 5;
  config.inner = 72;
  return config;
}

}  // namespace test
