// Models with adapters over a base in a file of their own making, for tests.
#pragma once

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "captured.h"

namespace test {

struct CloseBase {
  void operator()(lethe_base* base) const { lethe_base_close(base); }
};
using BaseHandle = std::unique_ptr<lethe_base, CloseBase>;

// Random weights in a file, gone with it.
class BaseFile {
 public:
  BaseFile(const lethe_model_config& config, int32_t dtype, uint64_t seed) : plain_(describe(config)) {
    std::string name = (std::filesystem::temp_directory_path() / "lethe-base-XXXXXX").string();
    const int file = mkstemp(name.data());
    CHECK(file >= 0);
    path_ = name;
    close(file);
    std::ofstream out(path_, std::ios::binary);
    Random random(seed);
    int64_t at = 1;  // not aligned to anything
    out.put('x');
    for (const lethe_tensor_info& tensor : plain_.tensors) {
      auto place = sized<lethe_base_tensor>();
      place.path = path_.c_str(), place.offset = at, place.dtype = dtype;
      places_.push_back(place);
      for (int64_t i = 0; i < tensor.rows * tensor.columns; ++i) {
        // A bf16 number, which all types hold.
        float value = static_cast<float>(0.5 * random.uniform());
        uint32_t bits = 0;
        std::memcpy(&bits, &value, 4);
        bits &= 0xFFFF0000u;
        std::memcpy(&value, &bits, 4);
        const auto half = static_cast<uint16_t>(bits >> 16);
        out.write(dtype == LETHE_F32 ? reinterpret_cast<const char*>(&value) : reinterpret_cast<const char*>(&half),
                  dtype == LETHE_F32 ? 4 : 2);
        at += dtype == LETHE_F32 ? 4 : 2;
      }
    }
    CHECK(out.good());
  }
  ~BaseFile() { std::filesystem::remove(path_); }

  const std::string& path() const { return path_; }
  std::vector<lethe_base_tensor>& places() { return places_; }
  const Described& plain() const { return plain_; }
  BaseHandle open(const lethe_model_config& config) const {
    lethe_base* base = nullptr;
    CHECK_OK(lethe_base_open(&config, places_.data(), static_cast<int64_t>(places_.size()), &base, err));
    return BaseHandle(base);
  }

 private:
  Described plain_;
  std::string path_;
  std::vector<lethe_base_tensor> places_;
};

// Of a family with everything that adapters meet: grouped heads and cut sites, biases, a parallel residual.
inline lethe_model_config family_config(int32_t family, int32_t dtype, bool tied) {
  lethe_model_config config = tiny_config(dtype, tied);
  config.context = 24;
  config.family = family;
  if (family == LETHE_GPT2) return config;
  config.heads = 4, config.head_size = 4, config.rotary_size = 4, config.rotary_base = 100;
  config.activation = family == LETHE_LLAMA ? LETHE_SILU : LETHE_GELU;
  if (family == LETHE_LLAMA) config.kv_heads = 2, config.block_options = LETHE_NO_OUTPUT_BIAS | LETHE_NO_MLP_BIAS | LETHE_HEAD_NORM;
  if (family == LETHE_GPT_NEOX) config.block_options = LETHE_PARALLEL, config.rotary_size = 2;
  return config;
}

inline lethe_adapted adapter_of(const std::string& module, int64_t rank, double scale) {
  auto adapter = sized<lethe_adapted>();
  module.copy(adapter.module, sizeof adapter.module - 1);
  adapter.rank = rank, adapter.scale = scale;
  return adapter;
}

// Of every linear module of the first block, one of the last, with ranks that differ.
inline std::vector<lethe_adapted> some_adapters(const Described& plain) {
  std::vector<lethe_adapted> adapters;
  for (const lethe_tensor_info& tensor : plain.tensors) {
    const lethe_site_info& site = plain.sites[static_cast<size_t>(tensor.site)];
    const std::string name = tensor.name;
    if (site.kind != LETHE_SITE_LINEAR || tensor.dimensions != 2 || (site.block == 1 && adapters.size() % 2 == 0)) continue;
    adapters.push_back(adapter_of(name.substr(0, name.size() - std::strlen(".weight")),
                                  1 + static_cast<int64_t>(adapters.size()) % 4, 0.5 + 0.25 * static_cast<double>(adapters.size())));
  }
  return adapters;
}

inline ModelHandle adapted_model(lethe_model_config config, const std::vector<lethe_adapted>& adapters, lethe_base* base,
                                 uint64_t seed) {
  config.adapted = adapters.data();
  config.adapted_count = static_cast<int64_t>(adapters.size());
  config.base = base;
  return random_model(config, seed);
}

// The plain model that the adapted one is when its adapters are put into the base.
inline ModelHandle merged_model(lethe_model* model, const lethe_model_config& config) {
  ModelHandle plain = make_model(config);
  std::vector<double> values(static_cast<size_t>(layout_of(plain.get()).flat_size));
  for (const lethe_tensor_info& to : tensors_of(plain.get())) {
    const auto& all = tensors_of(model);
    for (size_t i = 0; i < all.size(); ++i)
      if (std::strcmp(all[i].name, to.name) == 0)
        CHECK_OK(lethe_model_merged(model, static_cast<int64_t>(i), LETHE_F64, values.data() + to.offset,
                                    8 * to.rows * to.columns, err));
  }
  write(plain.get(), LETHE_PARAMETERS, values);
  return plain;
}

}  // namespace test
