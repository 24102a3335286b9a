// Every array that crosses the boundary, given exactly as long as the header says and ended by a page that may not be
// touched; inputs on pages that may not be written. One element read or written too many ends the test by a signal.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "check.h"

using namespace test;

namespace {

// `count` elements that end at a forbidden page; 64-byte aligned when their size is a multiple of 64.
template <class T>
class Guarded {
 public:
  explicit Guarded(size_t count) : count_(count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = count * sizeof(T);
    usable_ = (bytes + page - 1) / page * page;
    mapped_ = usable_ + page;
    base_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + usable_, page, PROT_NONE) != 0) std::abort();
    data_ = reinterpret_cast<T*>(base_ + usable_ - bytes);
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
    std::copy(values.begin(), values.end(), data_);
    freeze();
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, mapped_); }

  void freeze() {
    if (mprotect(base_, usable_, PROT_READ) != 0) std::abort();
  }
  T* data() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }
  size_t size() const { return count_; }
  int64_t bytes() const { return static_cast<int64_t>(count_ * sizeof(T)); }

 private:
  size_t count_, usable_ = 0, mapped_ = 0;
  char* base_ = nullptr;
  T* data_ = nullptr;
};

constexpr int32_t kVocabulary = 23;

// A ragged batch whose arrays are guarded: lengths 1, 9 (the context) and 4.
struct GuardedBatch {
  Ragged values = random_batch({1, 9, 4}, kVocabulary, 5);
  Guarded<int64_t> offsets{values.offsets};
  Guarded<int32_t> tokens{values.tokens}, targets{values.targets};
  Guarded<double> weights{values.weights};
  lethe_batch view = sized<lethe_batch>();

  GuardedBatch() {
    view.records = static_cast<int64_t>(values.records());
    view.tokens_total = static_cast<int64_t>(values.tokens.size());
    view.offsets = offsets.data();
    view.tokens = tokens.data();
    view.targets = targets.data();
    view.weights = weights.data();
  }
  size_t records() const { return values.records(); }
  size_t length() const { return values.tokens.size(); }
};

void forward(lethe_model* model, const GuardedBatch& batch) {
  const Guarded<double> losses(batch.records()), log_p(batch.length()), mean(batch.length()), deviation(batch.length());
  const Guarded<uint8_t> hits(batch.length());
  auto scores = sized<lethe_token_scores>();
  scores.log_probability = log_p.data();
  scores.mean = mean.data();
  scores.deviation = deviation.data();
  scores.greedy_hit = hits.data();
  CHECK_OK(lethe_model_evaluate(model, &batch.view, &scores, losses.data(), nullptr, err));
  const Guarded<float> logits(batch.length() * kVocabulary);
  CHECK_OK(lethe_model_logits(model, &batch.view, logits.data(), logits.bytes(), err));

  auto options = sized<lethe_generation>();
  options.max_new_tokens = 3, options.top_k = 5, options.temperature = 1, options.stop_token = -1;
  const Guarded<int32_t> tokens(batch.records() * 3);
  const Guarded<int64_t> lengths(batch.records());
  const Guarded<uint64_t> seeds(std::vector<uint64_t>(batch.records(), 3));
  options.seeds = seeds.data();
  CHECK_OK(lethe_model_generate(model, &batch.view, &options, tokens.data(), lengths.data(), nullptr, err));
}

// Gradients toward another model and toward a vector; a batch without targets too, where they may be missing.
void distances(lethe_model* model, bool tied, const GuardedBatch& batch) {
  const ModelHandle other = random_model(tiny_config(LETHE_F32, tied), 4);
  const Guarded<double> target(std::vector<double>(8, 0.5)), values(batch.records());
  CHECK_OK(lethe_model_kl_gradient(model, &batch.view, other.get(), 0, values.data(), nullptr, err));
  const Guarded<double> weights(std::vector<double>(static_cast<size_t>(batch.view.tokens_total), 0.5));
  for (const int32_t kind : {LETHE_NEXT_TOKEN, LETHE_TOWARD, LETHE_FLATNESS}) {
    const lethe_token_loss loss{.struct_size = sizeof loss,
                                .kind = kind,
                                .accumulate = 1,
                                .weights = weights.data(),
                                .reference = kind == LETHE_TOWARD ? other.get() : nullptr,
                                .penalty = 0};
    CHECK_OK(lethe_model_token_gradient(model, &batch.view, &loss, values.data(), nullptr, err));
  }
  lethe_batch silent = batch.view;
  silent.targets = nullptr;
  for (const lethe_batch* view : {&batch.view, static_cast<const lethe_batch*>(&silent)}) {
    CHECK_OK(lethe_model_hidden_gradient(model, view, 0, target.data(), nullptr, 0, values.data(), nullptr, err));
    CHECK_OK(lethe_model_hidden_gradient(model, view, 1, nullptr, other.get(), 1, values.data(), nullptr, err));
  }
}

void copies(lethe_model* model) {
  const auto count = static_cast<size_t>(layout_of(model).flat_size);
  const auto each = [&](auto element, int32_t dtype) {
    const Guarded<decltype(element)> values(count);
    const auto n = static_cast<int64_t>(count);
    for (int32_t buffer : {LETHE_PARAMETERS, LETHE_GRADIENT, LETHE_MOMENT1, LETHE_MOMENT2}) {
      lethe_vector* vector = vector_of(model, buffer);
      CHECK_OK(lethe_vector_read(vector, 0, n, dtype, values.data(), values.bytes(), err));
      CHECK_OK(lethe_vector_write(vector, 0, n, dtype, values.data(), values.bytes(), err));
      CHECK_OK(lethe_vector_read(vector, n - 1, 1, dtype, &values[count - 1], sizeof(element), err));
    }
  };
  each(double{}, LETHE_F64);
  each(float{}, LETHE_F32);
  each(uint16_t{}, LETHE_BF16);
  each(uint16_t{}, LETHE_F16);
}

void layouts(const lethe_model_config& config) {
  const Described d = describe(config);
  const Guarded<lethe_tensor_info> tensors(d.tensors.size());
  const Guarded<lethe_site_info> sites(d.sites.size());
  std::copy(d.tensors.begin(), d.tensors.end(), tensors.data());
  std::copy(d.sites.begin(), d.sites.end(), sites.data());
  CHECK_OK(lethe_model_tensors(&config, tensors.data(), d.layout.tensors, err));
  CHECK_OK(lethe_model_sites(&config, sites.data(), d.layout.sites, err));
}

// Captures into guarded destinations, then computes with entries that lie on read-only pages.
void entries(lethe_model* model, const GuardedBatch& batch, int64_t top_k, int32_t dtype, int32_t rank) {
  const auto sites = static_cast<size_t>(layout_of(model).sites);
  const Guarded<uint8_t> held(std::vector<uint8_t>(sites, 1));
  auto format = sized<lethe_entry_format>();
  format.sites = held.data();
  format.site_count = static_cast<int64_t>(sites);
  format.head_top_k = top_k;
  format.dtype = dtype;
  format.rank = rank;

  std::vector<std::unique_ptr<Guarded<char>>> memory;
  std::vector<void*> pointers;
  std::vector<int64_t> sizes;
  for (size_t b = 0; b < batch.records(); ++b) {
    const int64_t begin = batch.values.offsets[b], end = batch.values.offsets[b + 1];
    const int64_t targets = (end - begin) - std::count(batch.targets.data() + begin, batch.targets.data() + end,
                                                       LETHE_IGNORE_TARGET);
    int64_t bytes = 0;
    CHECK_OK(lethe_entry_bytes(model, &format, end - begin, targets, &bytes, err));
    CHECK(bytes > 0 && bytes % 64 == 0);
    memory.push_back(std::make_unique<Guarded<char>>(static_cast<size_t>(bytes)));
    pointers.push_back(memory.back()->data());
    sizes.push_back(bytes);
  }
  const Guarded<void*> destinations(pointers);
  const Guarded<int64_t> capacities(sizes);
  auto capture = sized<lethe_capture>();
  capture.format = &format;
  capture.destinations = destinations.data();
  capture.capacities = capacities.data();
  const Guarded<double> losses(batch.records()), products(batch.records() * sites);
  CHECK_OK(lethe_model_gradient(model, &batch.view, 0, &capture, losses.data(), products.data(), nullptr, err));

  for (const auto& entry : memory) entry->freeze();
  auto set = sized<lethe_entries>();
  const Guarded<const void*> data(std::vector<const void*>(pointers.begin(), pointers.end()));
  set.format = &format;
  set.count = static_cast<int64_t>(batch.records());
  set.data = data.data();
  set.bytes = capacities.data();
  lethe_vector* raw = nullptr;
  CHECK_OK(lethe_vector_create(model, &raw, err));
  const VectorHandle vector(raw);
  const Guarded<double> coefficients(std::vector<double>(batch.records(), 0.5));
  CHECK_OK(lethe_entries_accumulate(model, &set, coefficients.data(), held.data(), vector.get(), nullptr, err));
  const Guarded<double> dots(batch.records() * sites), gram(batch.records() * batch.records());
  const Guarded<const lethe_vector*> vectors(std::vector<const lethe_vector*>{vector.get(), vector.get()});
  const Guarded<double> pairs(2 * batch.records() * sites), crossed(batch.records() * batch.records() * sites);
  CHECK_OK(lethe_entries_dot(model, &set, held.data(), vectors.data(), 2, pairs.data(), nullptr, err));
  CHECK_OK(lethe_entries_cross(model, &set, &set, held.data(), crossed.data(), nullptr, err));
  CHECK_OK(lethe_entries_cross(model, &set, nullptr, held.data(), dots.data(), nullptr, err));
  CHECK_OK(lethe_entries_gram(model, &set, held.data(), 1 << 20, gram.data(), nullptr, err));
  for (size_t b = 0; b < batch.records(); ++b) {
    auto info = sized<lethe_entry_info>();
    CHECK_OK(lethe_entry_describe(pointers[b], sizes[b], &info, err));
    const Guarded<int32_t> tokens(static_cast<size_t>(info.tokens)), targets(static_cast<size_t>(info.tokens));
    CHECK_OK(lethe_entry_tokens(pointers[b], sizes[b], tokens.data(), targets.data(), info.tokens, err));
    CHECK(std::memcmp(tokens.data(), batch.tokens.data() + batch.values.offsets[b], tokens.size() * 4) == 0);
    // A cut or blank entry is refused before anything behind its end is read.
    CHECK(lethe_entry_describe(pointers[b], 63, &info, nullptr) != LETHE_OK);
    const Guarded<char> blank(64);
    CHECK(lethe_entry_describe(blank.data(), 64, &info, nullptr) != LETHE_OK);
  }
}

// Two directions at once, sites, directions and products in guarded arrays.
void curvature(lethe_model* model, const GuardedBatch& batch) {
  std::vector<VectorHandle> owned;
  for (int i = 0; i < 4; ++i) {
    lethe_vector* raw = nullptr;
    CHECK_OK(lethe_vector_create(model, &raw, err));
    copy(raw, vector_of(model, LETHE_PARAMETERS));
    owned.emplace_back(raw);
  }
  const Guarded<const lethe_vector*> directions({owned[0].get(), owned[1].get()});
  const Guarded<lethe_vector*> products({owned[2].get(), owned[3].get()});
  const Guarded<uint8_t> sites(std::vector<uint8_t>(static_cast<size_t>(layout_of(model).sites), 1));
  const Guarded<double> quadratic(batch.records() * 2), losses(batch.records());
  auto options = sized<lethe_curvature>();
  options.count = 2;
  options.directions = directions.data();
  options.products = products.data();
  options.sites = sites.data();
  options.quadratic = quadratic.data();
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    options.kind = kind;
    CHECK_OK(lethe_model_curvature(model, &batch.view, &options, losses.data(), nullptr, err));
  }
}

void factors(lethe_model* model, const GuardedBatch& batch) {
  const Guarded<uint8_t> sites(std::vector<uint8_t>(static_cast<size_t>(layout_of(model).sites), 1));
  auto options = sized<lethe_kfac_options>();
  options.sites = sites.data();
  options.site_count = static_cast<int64_t>(sites.size());
  options.fisher = LETHE_FISHER_SAMPLED;
  lethe_kfac* kfac = nullptr;
  CHECK_OK(lethe_kfac_create(model, &options, &kfac, err));
  const Guarded<double> losses(batch.records());
  CHECK_OK(lethe_kfac_accumulate(kfac, model, &batch.view, losses.data(), nullptr, err));
  CHECK_OK(lethe_kfac_decompose(kfac, nullptr, err));
  CHECK_OK(lethe_kfac_accumulate(kfac, model, &batch.view, losses.data(), nullptr, err));
  auto info = sized<lethe_kfac_info>();
  CHECK_OK(lethe_kfac_describe(kfac, &info, err));
  Guarded<float> numbers(static_cast<size_t>(info.elements));
  CHECK_OK(lethe_kfac_read(kfac, 0, info.elements, LETHE_F32, numbers.data(), numbers.bytes(), err));
  numbers.freeze();
  CHECK_OK(lethe_kfac_write(kfac, 0, info.elements, LETHE_F32, numbers.data(), numbers.bytes(), err));
  lethe_kfac_destroy(kfac);
}

void eigen() {
  const Guarded<double> matrix(9), values(3);
  for (size_t i = 0; i < 9; ++i) matrix[i] = i % 4 == 0 ? 1.0 + static_cast<double>(i) : 0.25;
  CHECK_OK(lethe_symmetric_eigen(3, matrix.data(), values.data(), err));
}

}  // namespace

int main() {
  const GuardedBatch batch;
  for (const bool tied : {true, false}) {
    const ModelHandle model = random_model(tiny_config(LETHE_F32, tied), 3);
    layouts(tiny_config(LETHE_F32, tied));
    forward(model.get(), batch);
    entries(model.get(), batch, 0, LETHE_F32, 0);
    entries(model.get(), batch, 4, LETHE_BF16, 0);
    entries(model.get(), batch, 4, LETHE_F32, 2);
    curvature(model.get(), batch);
    distances(model.get(), tied, batch);
    copies(model.get());
    factors(model.get(), batch);
  }
  eigen();
  return finish();
}
