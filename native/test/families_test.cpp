// Every family against transformers' numbers of a tiny model (src/test/golden/families.py): logits, losses, gradients,
// records' own gradients from captured entries, Hessian and Gauss-Newton products, greedy continuations, AdamW's steps;
// in fp64 to 1e-9, in fp32 to 1e-4 of the largest number of each tensor.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "captured.h"

using namespace test;

namespace {

using Vector = std::vector<double>;

struct Golden {
  explicit Golden(const std::filesystem::path& text) {
    std::ifstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string key;
      words >> key;
      if (key == "array") {
        std::string name;
        std::pair<size_t, size_t> place;
        words >> name >> place.first >> place.second;
        places[name] = place;
        continue;
      }
      Vector values;
      for (double value = 0; words >> value;) values.push_back(value);
      numbers[key].push_back(values);
    }
    std::ifstream file(std::filesystem::path(text).replace_extension("bin"), std::ios::binary | std::ios::ate);
    all.resize(static_cast<size_t>(file.tellg()) / sizeof(double));
    file.seekg(0).read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size() * sizeof(double)));
    CHECK(file.good());
  }

  double number(const char* key) const { return numbers.at(key).at(0).at(0); }
  int64_t integer(const char* key) const { return static_cast<int64_t>(number(key)); }
  std::vector<int32_t> ids(const char* key, size_t i = 0) const {
    const Vector& values = numbers.at(key).at(i);
    return {values.begin(), values.end()};
  }
  Vector array(const std::string& name) const {
    const auto [begin, count] = places.at(name);
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(begin);
    return {first, first + static_cast<std::ptrdiff_t>(count)};
  }
  // The arrays kind/TENSOR where the model keeps them.
  Vector flat(const lethe_model* model, const std::string& kind) const {
    Vector out(static_cast<size_t>(layout_of(model).flat_size));
    for (const lethe_tensor_info& tensor : tensors_of(model)) {
      const Vector values = array(kind + "/" + tensor.name);
      CHECK(static_cast<int64_t>(values.size()) == tensor.rows * tensor.columns);
      std::copy(values.begin(), values.end(), out.begin() + tensor.offset);
    }
    return out;
  }

  std::map<std::string, std::vector<Vector>> numbers;
  std::map<std::string, std::pair<size_t, size_t>> places;
  Vector all;
};

lethe_model_config config_of(const Golden& g, int32_t dtype) {
  auto config = sized<lethe_model_config>();
  config.vocabulary = g.integer("vocabulary");
  config.context = g.integer("context");
  config.channels = g.integer("channels");
  config.heads = g.integer("heads");
  config.layers = g.integer("layers");
  config.inner = g.integer("inner");
  config.norm_epsilon = g.number("epsilon");
  config.tied_head = static_cast<int32_t>(g.integer("tied"));
  config.dtype = dtype;
  config.family = static_cast<int32_t>(g.integer("family"));
  config.activation = static_cast<int32_t>(g.integer("activation"));
  config.kv_heads = g.integer("kv_heads");
  config.head_size = g.integer("head");
  config.rotary_size = g.integer("rotary_size");
  config.rotary_base = g.number("rotary_base");
  config.rotary_scaling = static_cast<int32_t>(g.integer("rotary_scaling"));
  config.rotary_factor = g.number("rotary_factor");
  config.rotary_low_factor = g.number("rotary_low");
  config.rotary_high_factor = g.number("rotary_high");
  config.rotary_old_context = g.integer("rotary_old_context");
  const auto option = [&](const char* key, int64_t where, int32_t bit) {
    if (g.integer(key) == where) config.block_options |= bit;
  };
  option("qkv_bias", 0, LETHE_NO_QKV_BIAS);
  option("output_bias", 0, LETHE_NO_OUTPUT_BIAS);
  option("mlp_bias", 0, LETHE_NO_MLP_BIAS);
  option("head_norm", 1, LETHE_HEAD_NORM);
  option("parallel", 1, LETHE_PARALLEL);
  option("unscaled_scores", 1, LETHE_UNSCALED_SCORES);
  option("scores_by_block", 1, LETHE_SCORES_BY_BLOCK);
  return config;
}

void close(const std::string& what, const Vector& ours, const Vector& theirs, double tolerance) {
  double error = 0, largest = 0;
  for (size_t i = 0; i < theirs.size(); ++i) {
    error = std::max(error, std::abs(ours[i] - theirs[i]));
    largest = std::max(largest, std::abs(theirs[i]));
  }
  if (ours.size() != theirs.size() || !(error <= tolerance * largest))
    report(__FILE__, __LINE__, what + ": off by " + std::to_string(error / largest) + " of the largest");
}

// Each tensor by its own largest number.
void close_by_tensor(const std::string& what, const lethe_model* model, const Vector& ours, const Vector& theirs,
                     double tolerance) {
  for (const lethe_tensor_info& tensor : tensors_of(model)) {
    const auto begin = static_cast<std::ptrdiff_t>(tensor.offset), end = begin + tensor.rows * tensor.columns;
    close(what + " " + tensor.name, {ours.begin() + begin, ours.begin() + end},
          {theirs.begin() + begin, theirs.begin() + end}, tolerance);
  }
}

// Gradients of single records, unweighted, from their entries at every site.
void compare_records(const std::string& name, const Golden& g, lethe_model* m, const Ragged& batch, int32_t dtype,
                     double tolerance) {
  const Captured captured = capture(m, batch, all_sites(m), 0, dtype);
  size_t record = 0;
  for (std::string key = "record0"; g.places.count(key + "/" + tensors_of(m)[0].name) == 1;
       key = "record" + std::to_string(++record))
    close_by_tensor(name + " " + key, m, accumulated(m, captured.view(record, 1), {1.0}, nullptr), g.flat(m, key),
                    tolerance);
  CHECK(record == 2);
}

// Moves the model.
void compare_adamw(const std::string& name, const Golden& g, lethe_model* m, const Ragged& batch, double tolerance) {
  const Vector& numbers = g.numbers.at("adamw")[0];
  auto o = sized<lethe_adamw>();
  o.learning_rate = numbers[0], o.beta1 = numbers[1], o.beta2 = numbers[2], o.epsilon = numbers[3];
  o.weight_decay = numbers[4], o.max_norm = numbers[5];
  Vector norms;
  for (o.step = 1; o.step <= static_cast<int64_t>(g.numbers.at("norms")[0].size()); ++o.step) {
    gradient(m, batch);
    norms.push_back(0);
    CHECK_OK(lethe_model_adamw(m, &o, &norms.back(), err));
  }
  close(name + " gradient norms", norms, g.numbers.at("norms")[0], tolerance);
  close_by_tensor(name + " adamw", m, read(m, LETHE_PARAMETERS), g.flat(m, "adamw"), tolerance);
}

void compare(const std::string& name, const Golden& g, int32_t dtype, double tolerance) {
  const ModelHandle model = make_model(config_of(g, dtype));
  lethe_model* m = model.get();
  CHECK(g.places.count("weights/" + std::string(tensors_of(m)[0].name)) == 1);
  write(m, LETHE_PARAMETERS, g.flat(m, "weights"));
  Ragged batch;
  for (size_t b = 0; b < g.numbers.at("tokens").size(); ++b)
    batch.add(g.ids("tokens", b), g.ids("targets", b), g.numbers.at("weight")[b][0]);
  const lethe_batch view = batch.view();

  const Vector logits = g.array("logits");
  std::vector<float> narrow(logits.size());
  Vector ours(logits.size());
  void* const room = dtype == LETHE_F64 ? static_cast<void*>(ours.data()) : narrow.data();
  const auto element = static_cast<int64_t>(dtype == LETHE_F64 ? sizeof(double) : sizeof(float));
  CHECK_OK(lethe_model_logits(m, &view, room, static_cast<int64_t>(logits.size()) * element, err));
  if (dtype == LETHE_F32) std::copy(narrow.begin(), narrow.end(), ours.begin());
  close(name + " logits", ours, logits, tolerance);
  close(name + " losses", evaluate(m, batch), g.array("losses"), tolerance);
  close_by_tensor(name + " gradient", m, gradient(m, batch), g.flat(m, "gradient"), tolerance);
  compare_records(name, g, m, batch, dtype, tolerance);

  const VectorHandle direction = make_vector(m), product = make_vector(m);
  const Vector along = g.flat(m, "direction");
  const auto count = static_cast<int64_t>(along.size());
  CHECK_OK(lethe_vector_write(direction.get(), 0, count, LETHE_F64, along.data(), count * 8, err));
  const lethe_vector* in = direction.get();
  lethe_vector* out = product.get();
  Vector losses(batch.records());
  auto options = sized<lethe_curvature>();
  options.count = 1, options.directions = &in, options.products = &out;
  for (const auto& [kind, array] :
       {std::pair{LETHE_HESSIAN, "hessian"}, std::pair{LETHE_GAUSS_NEWTON, "gauss_newton"}}) {
    options.kind = kind;
    CHECK_OK(lethe_model_curvature(m, &view, &options, losses.data(), nullptr, err));
    close_by_tensor(name + " " + array, m, read(m, out), g.flat(m, array), tolerance);
  }

  Ragged prompt;
  prompt.add(g.ids("prompt"), std::vector<int32_t>(g.ids("prompt").size(), 0), 1);
  const std::vector<int32_t> expected = g.ids("continuation");
  auto how = sized<lethe_generation>();
  how.max_new_tokens = static_cast<int64_t>(expected.size()), how.top_k = 1, how.stop_token = -1;
  std::vector<int32_t> tokens(expected.size());
  int64_t length = 0;
  const lethe_batch prompts = prompt.view();
  CHECK_OK(lethe_model_generate(m, &prompts, &how, tokens.data(), &length, nullptr, err));
  if (tokens != expected) report(__FILE__, __LINE__, name + ": another continuation");
  compare_adamw(name, g, m, batch, tolerance);
}

}  // namespace

int main() {
  size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LETHE_GOLDEN "/families")) {
    if (entry.path().extension() != ".txt") continue;
    const Golden golden(entry.path());
    const std::string name = entry.path().stem().string();
    compare(name + " fp64", golden, LETHE_F64, 1e-9);
    compare(name + " fp32", golden, LETHE_F32, 1e-4);
    ++seen;
  }
  CHECK(seen == 12);
  CHECK(lethe_live_handles() == 0);
  return finish();
}
