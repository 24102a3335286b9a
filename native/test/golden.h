// transformers' numbers of a tiny model of a family (src/test/golden/families.py made them), and its configuration.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "check.h"

namespace test {

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

inline lethe_model_config config_of(const Golden& g, int32_t dtype) {
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

// body(name, numbers) for each family's.
template <class Body>
void over_families(Body&& body) {
  size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LETHE_GOLDEN "/families")) {
    if (entry.path().extension() != ".txt") continue;
    body(entry.path().stem().string(), Golden(entry.path()));
    ++seen;
  }
  CHECK(seen == 12);
}

}  // namespace test
