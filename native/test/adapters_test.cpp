// LoRA over a frozen base, every family: the plain model with the adapters put in says the same, and its gradient dW
// gives theirs, dA = s dW B^T and dB = s A^T dW; Hessian products against differences of gradients; records' own
// gradients from entries, factored or dense, short and long; what is frozen has nothing; a base in bf16 gives the bytes
// that the same numbers in fp32 give.
#include <algorithm>

#include "based.h"

using namespace test;

namespace {

using Vector = std::vector<double>;

const std::vector<int> kLengths{3, 2, 1, 19, 8};

const lethe_tensor_info& tensor_named(const lethe_model* model, const std::string& name) {
  for (const lethe_tensor_info& tensor : tensors_of(model))
    if (name == tensor.name) return tensor;
  CHECK(!"no such tensor");
  return tensors_of(model)[0];
}

// What the merged model's gradient makes of the adapters'.
Vector chained(const lethe_model* model, const Vector& at, const std::vector<lethe_adapted>& adapters,
               const lethe_model* plain, const Vector& d_plain, bool inputs_first) {
  Vector out(at.size());
  for (const lethe_adapted& adapter : adapters) {
    const std::string name = adapter.module;
    const auto &w = tensor_named(plain, name + ".weight"), &a = tensor_named(model, name + ".lora_A.weight"),
               &b = tensor_named(model, name + ".lora_B.weight");
    const int64_t inputs = a.columns, outputs = b.rows;
    for (int64_t i = 0; i < inputs; ++i)
      for (int64_t o = 0; o < outputs; ++o) {
        const double d = d_plain[static_cast<size_t>(w.offset + (inputs_first ? i * outputs + o : o * inputs + i))];
        for (int64_t r = 0; r < adapter.rank; ++r) {
          const auto at_a = static_cast<size_t>(a.offset + r * inputs + i), at_b = static_cast<size_t>(b.offset + o * adapter.rank + r);
          out[at_a] += adapter.scale * d * at[at_b];
          out[at_b] += adapter.scale * d * at[at_a];
        }
      }
  }
  return out;
}

struct Products {
  Vector product, quadratic;
};

Products curvature(lethe_model* model, const Ragged& batch, int32_t kind, const Vector& direction) {
  const VectorHandle in = make_vector(model), out = make_vector(model);
  const auto count = static_cast<int64_t>(direction.size());
  CHECK_OK(lethe_vector_write(in.get(), 0, count, LETHE_F64, direction.data(), count * 8, err));
  const lethe_vector* directions[] = {in.get()};
  lethe_vector* products[] = {out.get()};
  Products result;
  result.quadratic.resize(batch.records());
  Vector losses(batch.records());
  auto options = sized<lethe_curvature>();
  options.kind = kind, options.count = 1, options.directions = directions, options.products = products;
  options.quadratic = result.quadratic.data();
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_curvature(model, &view, &options, losses.data(), nullptr, err));
  result.product = read(model, out.get());
  return result;
}

Vector random_direction(const lethe_model* model, uint64_t seed) {
  Random random(seed);
  Vector values(static_cast<size_t>(layout_of(model).flat_size));
  for (const lethe_tensor_info& tensor : tensors_of(model))
    for (int64_t i = 0; tensor.offset >= 0 && i < tensor.rows * tensor.columns; ++i)
      values[static_cast<size_t>(tensor.offset + i)] = random.uniform();
  return values;
}

void against_differences(lethe_model* model, const Ragged& batch) {
  constexpr double h = 1e-5;
  const Vector v = random_direction(model, 9), at = read(model, LETHE_PARAMETERS);
  const auto moved = [&](double step) {
    Vector out = at;
    for (size_t i = 0; i < at.size(); ++i) out[i] += step * v[i];
    write(model, LETHE_PARAMETERS, out);
    const Vector g = gradient(model, batch);
    write(model, LETHE_PARAMETERS, at);
    return g;
  };
  const Vector up = moved(h), down = moved(-h);
  Vector difference(up.size());
  for (size_t i = 0; i < up.size(); ++i) difference[i] = (up[i] - down[i]) / (2 * h);
  const Products hessian = curvature(model, batch, LETHE_HESSIAN, v);
  CHECK_CLOSE(relative(hessian.product, difference), 0, 1e-7);
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    const Products all = curvature(model, batch, kind, v);
    double sum = 0;
    for (size_t b = 0; b < batch.records(); ++b) sum += batch.weights[b] * all.quadratic[b];
    CHECK_CLOSE(sum, product(all.product, v), 1e-9 * std::abs(sum));
  }
}

void against_entries(lethe_model* model, const Ragged& batch) {
  for (const int32_t rank : {0, 3}) {
    const Captured captured = capture(model, batch, all_sites(model), 0, LETHE_F64, rank);
    const lethe_entries all = captured.view();
    Vector norms(batch.records() * static_cast<size_t>(layout_of(model).sites));
    CHECK_OK(lethe_entries_cross(model, &all, nullptr, nullptr, norms.data(), nullptr, err));
    Vector gram(batch.records() * batch.records());
    CHECK_OK(lethe_entries_gram(model, &all, nullptr, 1 << 20, gram.data(), nullptr, err));
    for (size_t b = 0; b < batch.records(); ++b) {
      const Vector own = record_gradient(model, batch, b);
      const Vector stored = accumulated(model, captured.view(b, 1), {1.0}, nullptr);
      // Ranks above 3 lose a little of the longer records.
      CHECK_CLOSE(distance(stored, own, std::max(norm(own), 1e-9)), 0, rank == 0 ? 1e-12 : 0.5);
      double squares = 0;
      for (size_t s = 0; s < static_cast<size_t>(layout_of(model).sites); ++s)
        squares += norms[b * static_cast<size_t>(layout_of(model).sites) + s];
      CHECK_CLOSE(squares, product(stored, stored), 1e-10 * squares);
      CHECK_CLOSE(gram[b * batch.records() + b], squares, 1e-10 * squares);
    }
  }
}

void family(int32_t which, bool tied) {
  const lethe_model_config config = family_config(which, LETHE_F64, tied);
  const BaseFile file(config, LETHE_F32, 3);
  const std::vector<lethe_adapted> adapters = some_adapters(file.plain());
  BaseHandle base = file.open(config);
  const ModelHandle model = adapted_model(config, adapters, base.get(), 5);
  base.reset();  // the model keeps what it needs
  lethe_model* m = model.get();
  const Ragged batch = random_batch(kLengths, 23, 7, 2);
  const ModelHandle plain = merged_model(m, config);
  const Vector theirs = evaluate(plain.get(), batch), ours = evaluate(m, batch);
  for (size_t b = 0; b < ours.size(); ++b) CHECK_CLOSE(ours[b], theirs[b], 1e-12);
  const Vector at = read(m, LETHE_PARAMETERS), d_plain = gradient(plain.get(), batch);
  const Vector expected = chained(m, at, adapters, plain.get(), d_plain, which == LETHE_GPT2);
  CHECK_CLOSE(relative(gradient(m, batch), expected), 0, 1e-12);
  against_differences(m, batch);
  against_entries(m, batch);

  auto o = sized<lethe_generation>();
  o.max_new_tokens = 6, o.top_k = 1, o.temperature = 1, o.stop_token = -1;
  const lethe_batch prompts = batch.view();
  std::vector<int32_t> a(batch.records() * 6), b(batch.records() * 6);
  std::vector<int64_t> lengths(batch.records());
  CHECK_OK(lethe_model_generate(m, &prompts, &o, a.data(), lengths.data(), nullptr, err));
  CHECK_OK(lethe_model_generate(plain.get(), &prompts, &o, b.data(), lengths.data(), nullptr, err));
  CHECK(a == b);

  // A new adapter changes nothing.
  CHECK_OK(lethe_model_initialize(m, 4, err));
  const ModelHandle untouched = merged_model(m, config);
  CHECK(evaluate(m, batch)[3] == evaluate(untouched.get(), batch)[3]);
}

// The adapters' activation-gradient products are those of their own outputs.
void products(int32_t which) {
  const lethe_model_config config = family_config(which, LETHE_F64, false);
  const BaseFile file(config, LETHE_F32, 3);
  const std::vector<lethe_adapted> adapters = some_adapters(file.plain());
  const BaseHandle base = file.open(config);
  const ModelHandle model = adapted_model(config, adapters, base.get(), 5);
  const Ragged batch = random_batch({9}, 23, 7);
  const auto sites = static_cast<size_t>(layout_of(model.get()).sites);
  Vector activation(sites), losses(1);
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_gradient(model.get(), &view, 0, nullptr, losses.data(), activation.data(), nullptr, err));
  const Vector at = read(model.get(), LETHE_PARAMETERS), g = record_gradient(model.get(), batch, 0);
  for (const lethe_tensor_info& tensor : tensors_of(model.get())) {
    if (tensor.offset < 0) continue;
    double sum = 0;  // <y, G> = <x W, G> = <W, x^T G>
    for (auto i = static_cast<size_t>(tensor.offset); i < static_cast<size_t>(tensor.offset + tensor.rows * tensor.columns); ++i)
      sum += at[i] * g[i];
    CHECK_CLOSE(activation[static_cast<size_t>(tensor.site)], sum, 1e-12);
  }
}

void types(int32_t which) {
  const lethe_model_config config = family_config(which, LETHE_F32, true);
  const BaseFile wide(config, LETHE_F32, 3), narrow(config, LETHE_BF16, 3);
  const std::vector<lethe_adapted> adapters = some_adapters(wide.plain());
  const BaseHandle base = wide.open(config), half = narrow.open(config);
  const ModelHandle model = adapted_model(config, adapters, base.get(), 5);
  const ModelHandle other = adapted_model(config, adapters, half.get(), 5);
  const Ragged batch = random_batch(kLengths, 23, 7, 2);
  CHECK(evaluate(model.get(), batch) == evaluate(other.get(), batch));
  CHECK(gradient(model.get(), batch) == gradient(other.get(), batch));
  CHECK(curvature(model.get(), batch, LETHE_HESSIAN, random_direction(model.get(), 2)).product ==
        curvature(other.get(), batch, LETHE_HESSIAN, random_direction(model.get(), 2)).product);
}

void refusals() {
  lethe_model_config config = family_config(LETHE_LLAMA, LETHE_F32, true);
  BaseFile file(config, LETHE_F32, 3);
  const BaseHandle base = file.open(config);
  lethe_model* model = nullptr;
  const auto refused = [&](const lethe_adapted& adapter, const char* why) {
    lethe_model_config with = config;
    with.adapted = &adapter, with.adapted_count = 1, with.base = base.get();
    CHECK_REFUSED(lethe_model_create(&with, &model, err), LETHE_INVALID_ARGUMENT, why);
  };
  refused(adapter_of("layers.0.self_attn.qkv_proj", 2, 1), "no linear layer of this model: layers.0.self_attn.qkv_proj");
  refused(adapter_of("embed_tokens", 2, 1), "no linear layer of this model: embed_tokens");
  refused(adapter_of("layers.0.self_attn.q_proj", 9, 1), "is 9, allowed 1 to 8");
  refused(adapter_of("layers.0.self_attn.q_proj", 0, 1), "is 0, allowed 1 to 8");
  refused(adapter_of("layers.0.self_attn.q_proj", 2, 0), "must be finite and not 0");

  const lethe_adapted good = adapter_of("layers.1.mlp.up_proj", 2, 1);
  lethe_model_config with = config;
  with.adapted = &good, with.adapted_count = 1;
  CHECK_REFUSED(lethe_model_create(&with, &model, err), LETHE_INVALID_ARGUMENT, "config.base is NULL");
  with.base = base.get();
  with.inner = 16;
  CHECK_REFUSED(lethe_model_create(&with, &model, err), LETHE_INVALID_ARGUMENT, "of another shape");
  lethe_base* none = nullptr;
  std::vector<lethe_base_tensor> places = file.places();
  places.back().offset += 4;
  const auto count = static_cast<int64_t>(places.size());
  CHECK_REFUSED(lethe_base_open(&config, places.data(), count, &none, err), LETHE_INVALID_ARGUMENT, "ends before");
  places.back().path = "/nonexistent/model.safetensors";
  CHECK_REFUSED(lethe_base_open(&config, places.data(), count, &none, err), LETHE_INVALID_ARGUMENT, "cannot open");
  CHECK_REFUSED(lethe_base_open(&config, places.data(), count - 1, &none, err), LETHE_INVALID_ARGUMENT, "tensors");

  const ModelHandle adapted = adapted_model(config, {good}, base.get(), 5);
  const Ragged batch = random_batch({5}, 23, 7);
  const std::vector<uint8_t> all(static_cast<size_t>(layout_of(adapted.get()).sites), 1);
  auto format = sized<lethe_entry_format>();
  format.sites = all.data(), format.site_count = static_cast<int64_t>(all.size());
  int64_t bytes = 0;
  CHECK_REFUSED(lethe_entry_bytes(adapted.get(), &format, 5, 5, &bytes, err), LETHE_INVALID_ARGUMENT,
                "embed_tokens, which is the base's and frozen");
}

}  // namespace

int main() {
  for (const bool tied : {true, false})
    for (const int32_t which : {LETHE_GPT2, LETHE_LLAMA, LETHE_GPT_NEOX}) family(which, tied);
  for (const int32_t which : {LETHE_GPT2, LETHE_LLAMA, LETHE_GPT_NEOX}) products(which), types(which);
  refusals();
  return finish();
}
