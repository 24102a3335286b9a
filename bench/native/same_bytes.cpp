// Every pass of the C ABI on the CPU or, as `same_bytes device`, on device 0, with a hash of the bytes it gave: two
// builds of the library that print the same lines compute the same numbers. bench/same_bytes runs it. Models of several
// shapes, tied and untied, fp32, fp64 and (where the processor can) bf16 compute, ragged batches with ignored targets and
// a silent record.
#include <cstring>

#include "../../native/test/captured.h"

using namespace test;

namespace {

bool on_device = false;

// Prints name and FNV-1a of whatever it is given.
class Digest {
 public:
  explicit Digest(std::string where) : where_(std::move(where)) {}

  void bytes(const std::string& what, const void* data, size_t count) const {
    uint64_t hash = 14695981039346656037ull;
    for (size_t i = 0; i < count; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211ull;
    std::printf("%s %s %016llx\n", where_.c_str(), what.c_str(), static_cast<unsigned long long>(hash));
  }
  template <class T>
  void operator()(const std::string& what, const std::vector<T>& values) const {
    bytes(what, values.data(), values.size() * sizeof(T));
  }
  Digest at(const std::string& place) const { return Digest(where_ + " " + place); }

 private:
  std::string where_;
};

struct KfacDestroy {
  void operator()(lethe_kfac* kfac) const { lethe_kfac_destroy(kfac); }
};

// What all cases of one model share.
struct Subject {
  lethe_model_config config;
  ModelHandle model;
  Ragged batch;
  lethe_batch view() const { return batch.view(); }
  lethe_model* get() const { return model.get(); }
  size_t sites() const { return static_cast<size_t>(layout_of(get()).sites); }
  size_t records() const { return batch.records(); }
};

VectorHandle random_vector(const lethe_model* model, uint64_t seed) {
  VectorHandle vector = make_vector(model);
  CHECK_OK(lethe_vector_random(vector.get(), LETHE_NORMAL, seed, err));
  return vector;
}

void scores(const Subject& s, const Digest& digest) {
  const lethe_batch view = s.view();
  std::vector<double> losses(s.records()), log_probability(s.batch.tokens.size()), mean(log_probability), deviation(mean);
  std::vector<uint8_t> hit(mean.size());
  auto wanted = sized<lethe_token_scores>();
  wanted.log_probability = log_probability.data(), wanted.mean = mean.data(), wanted.deviation = deviation.data();
  wanted.greedy_hit = hit.data();
  CHECK_OK(lethe_model_evaluate(s.get(), &view, &wanted, losses.data(), nullptr, err));
  digest("losses", losses);
  digest("log_probability", log_probability);
  digest("mean", mean);
  digest("deviation", deviation);
  digest("hit", hit);
  const size_t width = s.config.dtype == LETHE_F64 ? 8 : 4;
  std::vector<char> logits(s.batch.tokens.size() * static_cast<size_t>(s.config.vocabulary) * width);
  CHECK_OK(lethe_model_logits(s.get(), &view, logits.data(), static_cast<int64_t>(logits.size()), err));
  digest("logits", logits);
}

void gradients(const Subject& s, const Digest& digest) {
  const lethe_batch view = s.view();
  std::vector<double> losses(s.records()), products(s.records() * s.sites());
  for (const int32_t accumulate : {0, 1}) {
    CHECK_OK(lethe_model_gradient(s.get(), &view, accumulate, nullptr, losses.data(), products.data(), nullptr, err));
    digest("gradient+" + std::to_string(accumulate), read(s.get(), LETHE_GRADIENT));
    digest("losses+" + std::to_string(accumulate), losses);
    digest("products+" + std::to_string(accumulate), products);
  }
  CHECK_OK(lethe_model_gradient(s.get(), &view, 0, nullptr, losses.data(), nullptr, nullptr, err));
  digest("gradient", read(s.get(), LETHE_GRADIENT));
}

void entries_of(const Subject& s, const Captured& captured, const std::vector<uint8_t>& mask, const Digest& digest) {
  for (size_t b = 0; b < captured.data.size(); ++b)
    digest.bytes("entry" + std::to_string(b), captured.data[b], static_cast<size_t>(captured.bytes[b]));
  digest("gradient", read(s.get(), LETHE_GRADIENT));
  const lethe_entries entries = captured.view();
  std::vector<double> coefficients;
  for (size_t b = 0; b < s.records(); ++b) coefficients.push_back(0.5 + static_cast<double>(b));
  digest("sum", accumulated(s.get(), entries, coefficients, mask.data()));
  const VectorHandle u = random_vector(s.get(), 5), v = random_vector(s.get(), 6);
  const lethe_vector* vectors[] = {u.get(), v.get()};
  const size_t n = s.records(), sites = s.sites();
  std::vector<double> dots(2 * n * sites), cross(n * n * sites), norms(n * sites), gram(n * n);
  CHECK_OK(lethe_entries_dot(s.get(), &entries, mask.data(), vectors, 2, dots.data(), nullptr, err));
  CHECK_OK(lethe_entries_cross(s.get(), &entries, &entries, mask.data(), cross.data(), nullptr, err));
  CHECK_OK(lethe_entries_cross(s.get(), &entries, nullptr, mask.data(), norms.data(), nullptr, err));
  CHECK_OK(lethe_entries_gram(s.get(), &entries, mask.data(), 1 << 20, gram.data(), nullptr, err));
  digest("dots", dots);
  digest("cross", cross);
  digest("norms", norms);
  digest("gram", gram);
}

void captures(const Subject& s, const Digest& digest) {
  const std::vector<uint8_t> all(s.sites(), 1);
  std::vector<uint8_t> some(s.sites(), 0);  // norms and the positions
  some[1] = 1;
  for (size_t i = 2; i < s.sites(); i += 3) some[i] = 1;
  const int32_t own = s.config.dtype == LETHE_F64 ? LETHE_F64 : LETHE_F32;
  entries_of(s, capture(s.get(), s.batch, all, 0, own), all, digest.at("exact"));
  entries_of(s, capture(s.get(), s.batch, all, 5, LETHE_BF16), all, digest.at("top5"));
  if (!on_device)  // which captures whole entries only
    entries_of(s, capture(s.get(), s.batch, all, 0, LETHE_F32, 3), all, digest.at("rank3"));
  entries_of(s, capture(s.get(), s.batch, some, 0, own), some, digest.at("some"));
}

void curvature(const Subject& s, const Digest& digest) {
  const lethe_batch view = s.view();
  const size_t sites = s.sites();
  std::vector<std::pair<std::string, std::vector<uint8_t>>> masks{{"all", std::vector<uint8_t>(sites, 1)}};
  const auto mask = [&](const std::string& name, const std::vector<size_t>& chosen) {
    masks.emplace_back(name, std::vector<uint8_t>(sites, 0));
    for (const size_t site : chosen) masks.back().second[site] = 1;
  };
  mask("head", {sites - 1});
  mask("final_norm", {sites - 2});
  mask("embedding", {0});
  mask("positions", {1});
  mask("last_block", {sites - 5, sites - 3});
  mask("mlp_and_head", {6, 7, sites - 1});
  for (const auto& [name, chosen] : masks) {
    for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
      for (const size_t count : {size_t{1}, size_t{2}}) {
        std::vector<VectorHandle> owned;
        std::vector<const lethe_vector*> in;
        std::vector<lethe_vector*> out;
        for (size_t k = 0; k < count; ++k) {
          owned.push_back(random_vector(s.get(), 11 + k));
          in.push_back(owned.back().get());
          owned.push_back(random_vector(s.get(), 21 + k));
          out.push_back(owned.back().get());
        }
        std::vector<double> quadratic(s.records() * count), losses(s.records());
        auto options = sized<lethe_curvature>();
        options.kind = kind;
        options.count = static_cast<int64_t>(count);
        options.directions = in.data();
        options.sites = chosen.data();
        const std::string what = name + (kind == LETHE_HESSIAN ? " hvp" : " ggn") + std::to_string(count);
        for (const bool both : {false, true}) {
          options.products = out.data();
          options.quadratic = both ? quadratic.data() : nullptr;
          options.accumulate = both;
          CHECK_OK(lethe_model_curvature(s.get(), &view, &options, losses.data(), nullptr, err));
          for (const lethe_vector* product : out)
            digest(what + (both ? " accumulated" : " product"), read(s.get(), product));
        }
        digest(what + " quadratic", quadratic);
        options.products = nullptr;
        options.accumulate = 0;
        CHECK_OK(lethe_model_curvature(s.get(), &view, &options, losses.data(), nullptr, err));
        digest(what + " alone", quadratic);
        digest(what + " losses", losses);
      }
    }
  }
}

void kronecker(const Subject& s, const Digest& digest) {
  const lethe_batch view = s.view();
  for (const int32_t fisher : {LETHE_FISHER_EMPIRICAL, LETHE_FISHER_SAMPLED}) {
    const std::vector<uint8_t> sites(s.sites(), 1);
    auto options = sized<lethe_kfac_options>();
    options.sites = sites.data();
    options.site_count = static_cast<int64_t>(sites.size());
    options.fisher = fisher;
    options.seed = 9;
    lethe_kfac* made = nullptr;
    CHECK_OK(lethe_kfac_create(s.get(), &options, &made, err));
    const std::unique_ptr<lethe_kfac, KfacDestroy> kfac(made);
    std::vector<double> losses(s.records());
    const auto numbers = [&](const std::string& what) {
      auto info = sized<lethe_kfac_info>();
      CHECK_OK(lethe_kfac_describe(made, &info, err));
      std::vector<double> values(static_cast<size_t>(info.elements));
      CHECK_OK(lethe_kfac_read(made, 0, info.elements, LETHE_F64, values.data(), info.elements * 8, err));
      digest(what + std::to_string(fisher), values);
    };
    for (int i = 0; i < 2; ++i) CHECK_OK(lethe_kfac_accumulate(made, s.get(), &view, losses.data(), nullptr, err));
    CHECK_OK(lethe_kfac_decompose(made, nullptr, err));
    numbers("kronecker");
    for (int i = 0; i < 2; ++i) CHECK_OK(lethe_kfac_accumulate(made, s.get(), &view, losses.data(), nullptr, err));
    numbers("corrected");
    digest("losses", losses);
    const VectorHandle vector = random_vector(s.get(), 7);
    CHECK_OK(lethe_kfac_apply(made, 1e-3, 0.1, -1, vector.get(), vector.get(), err));
    digest("applied", read(s.get(), vector.get()));
  }
}

void distances(const Subject& s, const Digest& digest) {
  const ModelHandle other = random_model(s.config, 99);
  const lethe_batch view = s.view();
  std::vector<double> values(s.records());
  CHECK_OK(lethe_model_kl_gradient(s.get(), &view, other.get(), 0, values.data(), nullptr, err));
  digest("divergences", values);
  digest("kl", read(s.get(), LETHE_GRADIENT));
  const std::vector<double> target(static_cast<size_t>(s.config.channels), 0.25);
  for (int64_t layer = 0; layer < s.config.layers; ++layer) {
    CHECK_OK(lethe_model_hidden_gradient(s.get(), &view, layer, target.data(), nullptr, 0, values.data(), nullptr, err));
    CHECK_OK(lethe_model_hidden_gradient(s.get(), &view, layer, nullptr, other.get(), 1, values.data(), nullptr, err));
    digest("distances" + std::to_string(layer), values);
    digest("hidden" + std::to_string(layer), read(s.get(), LETHE_GRADIENT));
  }
}

void generation(const Subject& s, const Digest& digest) {
  const lethe_batch view = s.view();
  for (const int64_t top_k : {1, 7, 0}) {
    auto how = sized<lethe_generation>();
    how.max_new_tokens = 6;
    how.top_k = top_k;
    how.temperature = 0.8;
    how.seed = 3;
    how.stop_token = 1;
    std::vector<int32_t> tokens(s.records() * 6);
    std::vector<int64_t> lengths(s.records());
    CHECK_OK(lethe_model_generate(s.get(), &view, &how, tokens.data(), lengths.data(), nullptr, err));
    digest("tokens" + std::to_string(top_k), tokens);
    digest("lengths" + std::to_string(top_k), lengths);
  }
}

void training(const Subject& s, const Digest& digest) {
  CHECK_OK(lethe_model_initialize(s.get(), 17, err));
  digest("initial", read(s.get(), LETHE_PARAMETERS));
  const lethe_batch view = s.view();
  std::vector<double> losses(s.records());
  auto options = sized<lethe_adamw>();
  options.learning_rate = 1e-3, options.beta1 = 0.9, options.beta2 = 0.999, options.epsilon = 1e-8;
  options.weight_decay = 0.01, options.max_norm = 1;
  for (options.step = 1; options.step <= 3; ++options.step) {
    CHECK_OK(lethe_model_gradient(s.get(), &view, 0, nullptr, losses.data(), nullptr, nullptr, err));
    double norm = 0;
    CHECK_OK(lethe_model_adamw(s.get(), &options, &norm, err));
    digest("norm", std::vector<double>{norm});
  }
  digest("trained", read(s.get(), LETHE_PARAMETERS));
  generation(s, digest.at("trained"));
}

void everything(const std::string& name, lethe_model_config config, const std::vector<int>& lengths, int silent) {
  for (const int32_t tied : {1, 0}) {
    for (const int32_t compute : {LETHE_F32, LETHE_F64, LETHE_BF16}) {
      config.tied_head = tied;
      config.dtype = compute == LETHE_F64 ? LETHE_F64 : LETHE_F32;
      config.compute_dtype = compute == LETHE_BF16 ? LETHE_BF16 : 0;
      config.device_type = on_device ? LETHE_CUDA : LETHE_CPU;
      const Digest digest(name + (tied != 0 ? " tied " : " untied ") +
                          (compute == LETHE_F32 ? "fp32" : compute == LETHE_F64 ? "fp64" : "bf16"));
      lethe_model* made = nullptr;
      if (compute == LETHE_BF16 && lethe_model_create(&config, &made, nullptr) == LETHE_UNSUPPORTED) continue;
      lethe_model_destroy(made);
      const Subject s{config, random_model(config, 1),
                      random_batch(lengths, static_cast<int32_t>(config.vocabulary), 2, silent)};
      scores(s, digest);
      gradients(s, digest);
      captures(s, digest);
      if (!on_device) {  // no device has these
        curvature(s, digest);
        kronecker(s, digest);
        distances(s, digest);
      }
      generation(s, digest);
      training(s, digest);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  on_device = count > 1 && std::strcmp(arguments[1], "device") == 0;
  CHECK_OK(lethe_set_threads(2, err));
  everything("tiny", tiny_config(LETHE_F32, true), {4, 4, 1, 9, 2, 5}, 4);
  if (on_device) {  // small, for the emulation
    lethe_model_config small = wide_config(LETHE_F32, true);
    small.vocabulary = 51;
    everything("small", small, {40, 3, 7, 7}, 1);
    CHECK(lethe_live_handles() == 0);
    return finish();
  }
  everything("wide", wide_config(LETHE_F32, true), {70, 3, 33, 33, 64}, 1);
  lethe_model_config deep = wide_config(LETHE_F32, true);
  deep.vocabulary = 2048, deep.context = 128, deep.channels = 96, deep.heads = 3, deep.layers = 3, deep.inner = 400;
  everything("deep", deep, {128, 100, 17, 90, 90}, -1);
  CHECK(lethe_live_handles() == 0);
  return finish();
}
