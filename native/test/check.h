// The tests' whole framework: checks that count and report, a model handle that releases itself, and ragged batches.
// Every test is an executable that returns the number of failed checks (0 = passed).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lethe.h"

namespace test {

inline int failures = 0;

inline void report(const char* file, int line, const std::string& what) {
  ++failures;
  if (failures <= 20) std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

inline int finish() {
  if (failures > 0) std::fprintf(stderr, "%d checks failed\n", failures);
  return failures > 0 ? 1 : 0;
}

#undef CHECK  // libtorch has one too
#define CHECK(holds) \
  if (!(holds)) test::report(__FILE__, __LINE__, #holds)
// NaN is never close.
#define CHECK_CLOSE(a, b, tolerance)         \
  if (!(std::abs((a) - (b)) <= (tolerance))) \
  test::report(__FILE__, __LINE__, std::string(#a) + " = " + std::to_string(a) + ", " + #b + " = " + std::to_string(b))
#define CHECK_OK(call)                                                                                    \
  do {                                                                                                    \
    lethe_error error_ = test::no_error();                                                                \
    [[maybe_unused]] lethe_error* err = &error_;                                                          \
    if ((call) != LETHE_OK) test::report(__FILE__, __LINE__, std::string(#call) + ": " + error_.message); \
  } while (0)
// The call (which passes `err`) fails with `status` and a message that contains `text`.
#define CHECK_REFUSED(call, expected, text)                                                                      \
  do {                                                                                                           \
    lethe_error error_ = test::no_error();                                                                       \
    lethe_error* err = &error_;                                                                                  \
    const lethe_status status_ = (call);                                                                         \
    if (status_ != (expected) || std::string(error_.message).find(text) == std::string::npos)                    \
      test::report(__FILE__, __LINE__,                                                                           \
                   std::string(#call) + ": status " + std::to_string(status_) + ", \"" + error_.message + "\""); \
  } while (0)

inline lethe_error no_error() {
  lethe_error error{};
  error.struct_size = sizeof(lethe_error);
  return error;
}

template <class Struct>
Struct sized() {
  Struct value{};
  value.struct_size = sizeof(Struct);
  return value;
}

// V 23, context 9, C 8, 2 heads, 2 layers, inner 12: an inner width that is no multiple of anything.
inline lethe_model_config tiny_config(int32_t dtype, bool tied) {
  auto config = sized<lethe_model_config>();
  config.vocabulary = 23;
  config.context = 9;
  config.channels = 8;
  config.heads = 2;
  config.layers = 2;
  config.inner = 12;
  config.norm_epsilon = 1e-5;
  config.tied_head = tied;
  config.dtype = dtype;
  return config;
}

struct Release {
  void operator()(lethe_model* model) const { lethe_model_destroy(model); }
  void operator()(lethe_vector* vector) const { lethe_vector_destroy(vector); }
};
using ModelHandle = std::unique_ptr<lethe_model, Release>;
using VectorHandle = std::unique_ptr<lethe_vector, Release>;

// Where everything lies in a model.
struct Described {
  lethe_layout layout = sized<lethe_layout>();
  std::vector<lethe_tensor_info> tensors;
  std::vector<lethe_site_info> sites;
};

inline Described describe(const lethe_model_config& config) {
  Described d;
  CHECK_OK(lethe_model_layout(&config, &d.layout, err));
  d.tensors.assign(static_cast<size_t>(d.layout.tensors), sized<lethe_tensor_info>());
  d.sites.assign(static_cast<size_t>(d.layout.sites), sized<lethe_site_info>());
  CHECK_OK(lethe_model_tensors(&config, d.tensors.data(), d.layout.tensors, err));
  CHECK_OK(lethe_model_sites(&config, d.sites.data(), d.layout.sites, err));
  return d;
}

// Of the models that live: a handle does not tell its configuration.
inline std::map<const lethe_model*, Described> described;

inline ModelHandle make_model(const lethe_model_config& config) {
  lethe_model* model = nullptr;
  CHECK_OK(lethe_model_create(&config, &model, err));
  described[model] = describe(config);
  return ModelHandle(model);
}

inline const lethe_layout& layout_of(const lethe_model* model) { return described.at(model).layout; }
inline const std::vector<lethe_tensor_info>& tensors_of(const lethe_model* model) { return described.at(model).tensors; }
inline const std::vector<lethe_site_info>& sites_of(const lethe_model* model) { return described.at(model).sites; }

// A model's own buffer.
inline lethe_vector* vector_of(lethe_model* model, int32_t buffer) {
  lethe_vector* vector = nullptr;
  CHECK_OK(lethe_model_vector(model, buffer, &vector, err));
  return vector;
}

inline std::vector<double> read(const lethe_model* model, const lethe_vector* vector) {
  std::vector<double> values(static_cast<size_t>(layout_of(model).flat_size));
  const auto count = static_cast<int64_t>(values.size());
  CHECK_OK(lethe_vector_read(vector, 0, count, LETHE_F64, values.data(), count * 8, err));
  return values;
}
inline std::vector<double> read(lethe_model* model, int32_t buffer) { return read(model, vector_of(model, buffer)); }

inline void write(lethe_model* model, int32_t buffer, const std::vector<double>& values) {
  const auto count = static_cast<int64_t>(values.size());
  CHECK_OK(lethe_vector_write(vector_of(model, buffer), 0, count, LETHE_F64, values.data(), count * 8, err));
}

// to = from.
inline void copy(lethe_vector* to, const lethe_vector* from) {
  CHECK_OK(lethe_vector_combine(to, 0, 1, from, nullptr, err));
}

// A small deterministic generator, good enough for test data.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  double uniform() {  // [-1, 1)
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state_ >> 11) * 0x1p-52 - 1;
  }
  int32_t below(int32_t n) { return static_cast<int32_t>((uniform() + 1) / 2 * n); }

 private:
  uint64_t state_;
};

// Every parameter random, gaps too (they must be cleared), norms near 1: nothing is zero by chance.
inline ModelHandle random_model(const lethe_model_config& config, uint64_t seed) {
  ModelHandle model = make_model(config);
  Random random(seed);
  std::vector<double> values(static_cast<size_t>(layout_of(model.get()).flat_size));
  for (double& value : values) value = 0.5 * random.uniform();
  write(model.get(), LETHE_PARAMETERS, values);
  return model;
}

// A ragged batch that owns its arrays.
struct Ragged {
  std::vector<int64_t> offsets{0};
  std::vector<int32_t> tokens, targets;
  std::vector<double> weights;

  void add(const std::vector<int32_t>& record, const std::vector<int32_t>& record_targets, double weight) {
    tokens.insert(tokens.end(), record.begin(), record.end());
    targets.insert(targets.end(), record_targets.begin(), record_targets.end());
    offsets.push_back(static_cast<int64_t>(tokens.size()));
    weights.push_back(weight);
  }
  // Record `index` of another batch.
  void add(const Ragged& other, size_t index) {
    const auto begin = other.offsets[index], end = other.offsets[index + 1];
    add({other.tokens.begin() + begin, other.tokens.begin() + end},
        {other.targets.begin() + begin, other.targets.begin() + end}, other.weights[index]);
  }
  size_t records() const { return weights.size(); }
  lethe_batch view() const {
    auto batch = sized<lethe_batch>();
    batch.records = static_cast<int64_t>(records());
    batch.tokens_total = static_cast<int64_t>(tokens.size());
    batch.offsets = offsets.data();
    batch.tokens = tokens.data();
    batch.targets = targets.data();
    batch.weights = weights.data();
    return batch;
  }
};

// Records of the given lengths; about a third of the targets are ignored, all of record `silent`'s.
inline Ragged random_batch(const std::vector<int>& lengths, int32_t vocabulary, uint64_t seed, int silent = -1) {
  Random random(seed);
  Ragged batch;
  for (size_t b = 0; b < lengths.size(); ++b) {
    std::vector<int32_t> tokens, targets;
    for (int t = 0; t < lengths[b]; ++t) {
      tokens.push_back(random.below(vocabulary));
      const bool ignored = static_cast<int>(b) == silent || random.uniform() < -0.4;
      targets.push_back(ignored ? LETHE_IGNORE_TARGET : random.below(vocabulary));
    }
    batch.add(tokens, targets, 0.3 + 0.1 * static_cast<double>(b));
  }
  return batch;
}

inline std::vector<double> evaluate(lethe_model* model, const Ragged& batch) {
  std::vector<double> losses(batch.records());
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_evaluate(model, &view, nullptr, losses.data(), nullptr, err));
  return losses;
}

inline std::vector<double> gradient(lethe_model* model, const Ragged& batch, bool accumulate = false) {
  std::vector<double> losses(batch.records());
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_gradient(model, &view, accumulate, nullptr, losses.data(), nullptr, nullptr, err));
  return read(model, LETHE_GRADIENT);
}

// ||a - b|| / ||b|| over [begin, end).
inline double relative(const std::vector<double>& a, const std::vector<double>& b, size_t begin, size_t end) {
  double difference = 0, norm = 0;
  for (size_t i = begin; i < end; ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}
inline double relative(const std::vector<double>& a, const std::vector<double>& b) {
  return relative(a, b, 0, b.size());
}

}  // namespace test
