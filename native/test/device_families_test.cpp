// Every family on the emulated device against the CPU, in fp64, fp32 and bf16: the goldens' models with transformers'
// weights, and random ones of odd widths, shared key heads, partial turns and every activation.
#include "device_pair.h"
#include "golden.h"
#include "inside.h"
#include "model.h"

using namespace test;

namespace {

// Of a handful of channels: little of the rounding averages out.
constexpr Precision kNarrowest{LETHE_F32, LETHE_BF16, 3e-2, "bf16"};

ModelHandle make(const lethe::Shape& shape, const Precision& precision, bool device) {
  const c10::InferenceMode inference;
  const lethe::Layout layout(shape);
  const at::ScalarType type = precision.dtype == LETHE_F64 ? at::kDouble : at::kFloat;
  auto config = sized<lethe_model_config>();
  config.device_type = LETHE_CUDA, config.compute_dtype = precision.compute;
  ModelHandle model(device ? new lethe_model(layout, type, lethe::make_device_path(config))
                           : new lethe_model(layout, type));
  describe(*model);
  return model;
}

// Norms' weights near 1, as a trained model has them: with others bf16 loses what the queries' gradients are made of.
Pair pair_of(const lethe::Shape& shape, const Precision& precision) {
  Pair pair{precision, make(shape, precision, false), make(shape, precision, true)};
  pair.lengths = {7, 1, 33, 5};
  std::vector<double> values = read(pair.cpu.get(), LETHE_PARAMETERS);
  const std::vector<lethe_site_info>& sites = sites_of(pair.cpu.get());
  for (const lethe_tensor_info& tensor : tensors_of(pair.cpu.get()))
    if (sites[static_cast<size_t>(tensor.site)].kind == LETHE_SITE_NORM && !std::string(tensor.name).ends_with(".bias"))
      for (int64_t i = 0; i < tensor.columns; ++i) values[static_cast<size_t>(tensor.offset + i)] += 1;
  pair.put(values);
  return pair;
}

// Losses, logits and gradient of transformers' model, by the device alone.
void as_transformers(const std::string& name, const Golden& golden, const Precision& precision) {
  const Pair pair = pair_of(shape_of(golden), precision);
  pair.put(golden.flat(pair.cpu.get(), "weights"));
  Ragged batch;
  for (size_t b = 0; b < golden.numbers.at("tokens").size(); ++b)
    batch.add(golden.ids("tokens", b), golden.ids("targets", b), golden.numbers.at("weight")[b][0]);
  lethe_model* const model = pair.device.get();
  const double slack = precision.dtype == LETHE_F32 ? 10 : 1000;
  pair.same(evaluate(model, batch), golden.array("losses"), name + " losses", slack);
  pair.same(gradient(model, batch), golden.flat(model, "gradient"), name + " gradient", slack);
}

// GPT-2's shape, small enough for the emulation, with more than one chunk of rows a record and a padded vocabulary.
lethe::Shape plain() {
  return {.vocabulary = 51, .context = 40, .channels = 16, .heads = 2, .layers = 2, .inner = 24, .epsilon = 1e-5,
          .tied = true};
}

std::vector<lethe::Shape> shapes() {
  using enum lethe::Activation;
  std::vector<lethe::Shape> all;
  for (const lethe::Activation activation : {kGelu, kRelu, kSilu, kTanh}) {
    lethe::Shape gpt2 = plain();
    gpt2.activation = activation, gpt2.layers = 1;
    gpt2.mlp_bias = activation != kTanh, gpt2.qkv_bias = activation != kRelu;
    all.push_back(gpt2);
  }
  lethe::Shape llama = plain();  // whole vectors everywhere
  llama.family = lethe::Family::kLlama, llama.activation = kSilu;
  llama.qkv_bias = llama.output_bias = llama.mlp_bias = false;
  llama.channels = 32, llama.heads = 4, llama.kv_heads = 2, llama.inner = 48;
  llama.rotary = {.size = 8, .base = 30, .scaling = lethe::Scaling::kLlama3, .factor = 8, .old_context = 20};
  all.push_back(llama);
  lethe::Shape wide = llama;  // six heads of seven numbers on two key heads, four of which turn, biases, untied
  wide.heads = 6, wide.kv_heads = 2, wide.head = 7, wide.channels = 5, wide.inner = 9, wide.tied = false;
  wide.rotary = {.size = 4, .base = 100, .scaling = lethe::Scaling::kLinear, .factor = 2};
  wide.qkv_bias = wide.output_bias = wide.mlp_bias = true, wide.activation = kGeluTanh, wide.layers = 1;
  all.push_back(wide);
  lethe::Shape normed = llama;  // q/k norm
  normed.heads = 3, normed.kv_heads = 1, normed.head = 6, normed.channels = 7, normed.inner = 13;
  normed.rotary = {.size = 6}, normed.head_norm = true, normed.qkv_bias = true, normed.activation = kTanh;
  all.push_back(normed);
  normed.kv_heads = 3, normed.head = 8, normed.activation = kGelu, normed.layers = 1;  // and on the vector path
  normed.rotary = {.size = 8};
  all.push_back(normed);
  lethe::Shape single = llama;  // heads of one number, which cannot turn
  single.heads = 3, single.kv_heads = 3, single.head = 1, single.channels = 3, single.inner = 1, single.rotary = {};
  single.activation = kRelu;
  all.push_back(single);
  lethe::Shape neox = plain();  // side by side with a partial turn, and one after the other
  neox.family = lethe::Family::kNeox, neox.activation = kGelu, neox.tied = false;
  neox.rotary.size = 4, neox.parallel = true;
  all.push_back(neox);
  neox.parallel = false, neox.layers = 1, neox.head = 3, neox.rotary.size = 2, neox.qkv_bias = neox.mlp_bias = false;
  neox.activation = kTanh;
  all.push_back(neox);
  return all;
}

void all_of(const lethe::Shape& shape, const Precision& precision) {
  const Pair pair = pair_of(shape, precision);
  gradients(pair);
  scores(pair);
  captures(pair, ragged(pair), 0, LETHE_F32);
  activation_products(pair);
  generation(pair);
}

// What only walks over entries; and a model that begins on a device has the CPU's numbers.
void beginnings(const lethe::Shape& shape) {
  const Pair pair = pair_of(shape, kDouble);
  entry_arithmetic(pair);
  for (lethe_model* model : {pair.cpu.get(), pair.device.get()}) CHECK_OK(lethe_model_initialize(model, 7, err));
  CHECK(read(pair.cpu.get(), LETHE_PARAMETERS) == read(pair.device.get(), LETHE_PARAMETERS));
  gradients(pair);
}

}  // namespace

int main() {
  over_families([](const std::string& name, const Golden& golden) {
    for (const Precision& precision : {kDouble, kSingle}) as_transformers(name, golden, precision);
  });
  size_t number = 0;
  for (const lethe::Shape& shape : shapes()) {
    const int before = failures;
    for (const Precision& precision : {kSingle, kNarrowest}) all_of(shape, precision);
    beginnings(shape);
    if (failures > before) report(__FILE__, __LINE__, "shape " + std::to_string(number));
    ++number;
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
