// Blocks that GPT-2 does not have, written as tables: without biases, with a parallel residual, other gradient buffers;
// and the families over shapes with odd widths, shared key heads, partial turns, heads of one number. Whatever walks
// over them must be right for the table alone: the gradient against differences of the loss, curvature against
// differences of the gradient, entries and K-FAC's squares against dense gradients, decoding against logits.
#include <algorithm>

#include "captured.h"
#include "inside.h"
#include "model.h"

using namespace test;

namespace {

using Vector = std::vector<double>;

const Ragged kShort = random_batch({4, 4, 1, 9, 2, 5}, 23, 2, 4), kLong = random_batch({131, 70, 49}, 23, 3);
Ragged batch = kShort;  // what the checks look at

lethe::Shape shape() {
  return {.vocabulary = 23, .context = 9, .channels = 8, .heads = 2, .layers = 2, .inner = 12, .epsilon = 1e-5,
          .tied = true};
}

lethe::Architecture without_biases(const std::vector<size_t>& sites, bool tail) {
  lethe::Architecture a = lethe::gpt2(shape());
  for (const size_t site : sites) a.sites[site].bias = false;
  a.tail_site.bias = tail;
  return a;
}

// x + attention(norm(x)) + mlp(norm(x)): both norms first, and the second's gradient in a buffer of its own.
lethe::Architecture parallel(lethe::Architecture a) {
  constexpr int none = lethe::kNone;
  using enum lethe::Op;
  a.slots[5].gradient = a.gradients();
  a.steps = {{kNorm, 0, none, 1, 0},      {kNorm, 0, none, 5, 1},      {kLinear, 1, none, 2, 2},
             {kAttention, 2, none, 3},    {kLinear, 3, 0, 4, 3},       {kLinear, 5, none, 6, 4, true},
             {kActivation, 6, none, 7, 4}, {kLinear, 7, 4, 8, 5}};
  std::rotate(a.sites.begin() + 1, a.sites.begin() + 3, a.sites.begin() + 4);  // ln_2 is the second site now
  return a;
}

// By what surrounds a step, wherever it stands.
void roles() {
  const lethe::Layout layout(shape(), parallel(lethe::gpt2(shape())));
  const std::vector<int32_t> expected{LETHE_ROLE_NORM, LETHE_ROLE_NORM, LETHE_ROLE_ATTENTION_INPUT,
                                      LETHE_ROLE_ATTENTION_OUTPUT, LETHE_ROLE_MLP_INPUT, LETHE_ROLE_MLP_OUTPUT};
  for (size_t i = 0; i < expected.size(); ++i) CHECK(layout.sites()[2 + i].role == expected[i]);
}

ModelHandle make(const lethe::Layout& layout) {
  const c10::InferenceMode inference;
  ModelHandle model(new lethe_model(layout, at::kDouble));
  describe(*model);
  Random random(3);
  Vector values(static_cast<size_t>(layout_of(model.get()).flat_size));
  for (double& value : values) value = 0.5 * random.uniform();
  write(model.get(), LETHE_PARAMETERS, values);
  return model;
}

double loss(lethe_model* model) {
  const Vector losses = evaluate(model, batch);
  double sum = 0;
  for (size_t b = 0; b < losses.size(); ++b) sum += batch.weights[b] * losses[b];
  return sum;
}

// f's derivative along v by differences of fourth order: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h
template <class Function>
auto difference(lethe_model* model, const Vector& direction, Function&& f) {
  constexpr double h = 1e-3;
  const Vector at = read(model, LETHE_PARAMETERS);
  const auto moved = [&](double step) {
    Vector there = at;
    for (size_t i = 0; i < at.size(); ++i) there[i] += step * direction[i];
    write(model, LETHE_PARAMETERS, there);
    return f();
  };
  const Vector up = moved(h), down = moved(-h), far_up = moved(2 * h), far_down = moved(-2 * h);
  write(model, LETHE_PARAMETERS, at);
  Vector out(up.size());
  for (size_t i = 0; i < up.size(); ++i) out[i] = (8 * (up[i] - down[i]) - (far_up[i] - far_down[i])) / (12 * h);
  return out;
}

void gradients(lethe_model* m) {
  const Vector exact = gradient(m, batch);
  for (const lethe_tensor_info& tensor : tensors_of(m)) {
    const auto begin = static_cast<size_t>(tensor.offset),
               end = begin + static_cast<size_t>(tensor.rows * tensor.columns);
    Vector approximate(exact.size());
    for (size_t i = begin; i < end; ++i) {
      Vector unit(exact.size());
      unit[i] = 1;
      approximate[i] = difference(m, unit, [&] { return Vector{loss(m)}; })[0];
    }
    const double error = relative(approximate, exact, begin, end);
    if (!(error < 1e-7)) report(__FILE__, __LINE__, std::string(tensor.name) + ": " + std::to_string(error));
  }
}

void curvature(lethe_model* m) {
  const VectorHandle v = make_vector(m), u = make_vector(m), hv = make_vector(m), hu = make_vector(m);
  CHECK_OK(lethe_vector_random(v.get(), LETHE_NORMAL, 5, err));
  CHECK_OK(lethe_vector_random(u.get(), LETHE_NORMAL, 6, err));
  const lethe_vector* in[] = {v.get(), u.get()};
  lethe_vector* out[] = {hv.get(), hu.get()};
  const lethe_batch view = batch.view();
  Vector quadratic(2 * batch.records()), losses(batch.records());
  auto options = sized<lethe_curvature>();
  options.directions = in, options.products = out, options.quadratic = quadratic.data();
  const Vector direction = read(m, v.get()), other = read(m, u.get());
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    Vector curved;
    for (const int64_t count : {1, 2}) {
      options.kind = kind, options.count = count;
      CHECK_OK(lethe_model_curvature(m, &view, &options, losses.data(), nullptr, err));
      curved = read(m, hv.get());
      if (kind == LETHE_HESSIAN)
        CHECK(relative(curved, difference(m, direction, [&] { return gradient(m, batch); })) < 1e-6);
      double sum = 0;
      for (size_t b = 0; b < batch.records(); ++b)
        sum += batch.weights[b] * quadratic[b * static_cast<size_t>(count)];
      CHECK(std::abs(sum / product(direction, curved) - 1) < 1e-10);
    }
    CHECK(std::abs(product(other, curved) / product(direction, read(m, hu.get())) - 1) < 1e-9);
  }
}

void entries(lethe_model* m) {
  const size_t n = batch.records(), sites = static_cast<size_t>(layout_of(m).sites);
  std::vector<Vector> dense;
  for (size_t b = 0; b < n; ++b) dense.push_back(record_gradient(m, batch, b));
  const Captured exact = capture(m, batch, all_sites(m), 0, LETHE_F64);
  const lethe_entries view = exact.view();
  Vector gram(n * n), cross(n * n * sites), dots(n * sites), norms(n * sites);
  CHECK_OK(lethe_entries_gram(m, &view, nullptr, 1 << 20, gram.data(), nullptr, err));
  CHECK_OK(lethe_entries_cross(m, &view, &view, nullptr, cross.data(), nullptr, err));
  CHECK_OK(lethe_entries_cross(m, &view, nullptr, nullptr, norms.data(), nullptr, err));
  const VectorHandle v = make_vector(m);
  CHECK_OK(lethe_vector_random(v.get(), LETHE_NORMAL, 5, err));
  const lethe_vector* vector = v.get();
  CHECK_OK(lethe_entries_dot(m, &view, nullptr, &vector, 1, dots.data(), nullptr, err));
  const auto over_sites = [&](const Vector& all, size_t row) {
    double sum = 0;
    for (size_t s = 0; s < sites; ++s) sum += all[row * sites + s];
    return sum;
  };
  for (size_t i = 0; i < n; ++i) {
    Vector one(n);
    one[i] = 1;
    CHECK(distance(accumulated(m, view, one, nullptr), dense[i], 1) < 1e-12);
    CHECK_CLOSE(over_sites(dots, i), product(dense[i], read(m, vector)), 1e-11);
    for (size_t s = 0; s < sites; ++s) CHECK_CLOSE(norms[i * sites + s], cross[(i * n + i) * sites + s], 1e-11);
    for (size_t j = 0; j < n; ++j) {
      CHECK_CLOSE(gram[i * n + j], product(dense[i], dense[j]), 1e-11);
      CHECK_CLOSE(over_sites(cross, i * n + j), product(dense[i], dense[j]), 1e-11);
    }
  }
  // A record cut to rank 3 says how much of it is gone.
  Vector longest(n);
  longest[3] = 1;
  for (size_t s = 0; s < sites; ++s) {
    const lethe_site_info site = sites_of(m)[s];
    if (site.kind != LETHE_SITE_LINEAR || std::min(site.inputs, site.outputs) <= 3) continue;
    const Captured whole = capture(m, batch, only_site(m, s), 0, LETHE_F64);
    const Captured few = capture(m, batch, only_site(m, s), 0, LETHE_F64, 3);
    auto info = sized<lethe_entry_info>();
    CHECK_OK(lethe_entry_describe(few.data[3], few.bytes[3], &info, err));
    const Vector all = accumulated(m, whole.view(), longest, nullptr);
    const double gone = distance(accumulated(m, few.view(), longest, nullptr), all, norm(all));
    CHECK(info.truncated_share > 0);
    CHECK_CLOSE(gone * gone, info.truncated_share, 1e-12);
  }
}

// In any basis a block's squares add up to those of the gradients.
void kronecker(lethe_model* m) {
  const std::vector<uint8_t> chosen = all_sites(m);
  auto options = sized<lethe_kfac_options>();
  options.sites = chosen.data(), options.site_count = static_cast<int64_t>(chosen.size());
  lethe_kfac* kfac = nullptr;
  CHECK_OK(lethe_kfac_create(m, &options, &kfac, err));
  const lethe_batch view = batch.view();
  Vector losses(batch.records());
  CHECK_OK(lethe_kfac_accumulate(kfac, m, &view, losses.data(), nullptr, err));
  CHECK_OK(lethe_kfac_decompose(kfac, nullptr, err));
  CHECK_OK(lethe_kfac_accumulate(kfac, m, &view, losses.data(), nullptr, err));
  auto info = sized<lethe_kfac_info>();
  CHECK_OK(lethe_kfac_describe(kfac, &info, err));
  Vector numbers(static_cast<size_t>(info.elements));
  CHECK_OK(lethe_kfac_read(kfac, 0, info.elements, LETHE_F64, numbers.data(), info.elements * 8, err));
  size_t at = 0;
  const auto tensors = tensors_of(m);
  const auto sites = sites_of(m);
  for (size_t s = 0; s < sites.size(); ++s) {
    const bool linear = sites[s].kind == LETHE_SITE_LINEAR, norm = sites[s].kind == LETHE_SITE_NORM;
    size_t rows = 0, columns = 0, biases = 0;
    double squares = 0;
    for (const lethe_tensor_info& tensor : tensors) {
      if (tensor.site != static_cast<int32_t>(s)) continue;
      biases = std::max<size_t>(biases, std::string(tensor.name).ends_with(".bias"));
      rows = static_cast<size_t>(tensor.rows), columns = static_cast<size_t>(tensor.columns);
      for (size_t b = 0; b < batch.records(); ++b) {
        const Vector g = record_gradient(m, batch, b);
        for (int64_t i = tensor.offset; i < tensor.offset + tensor.rows * tensor.columns; ++i)
          squares += g[static_cast<size_t>(i)] * g[static_cast<size_t>(i)];
      }
    }
    if (columns == 0) continue;  // a tied head is the embedding's
    if (linear || norm) rows = linear ? static_cast<size_t>(sites[s].inputs) : 1;
    if (linear || norm) rows += biases, columns = static_cast<size_t>(sites[s].outputs);
    const auto skip = [&](size_t count) { at += (count + 15) / 16 * 16; };
    if (linear) skip(rows * rows);
    if (!norm) skip(columns * columns);
    double sum = 0;
    for (size_t i = 0; i < rows * columns; ++i) sum += numbers[at + i];
    skip(rows * columns);
    if (!(std::abs(sum / squares - 1) < 1e-10)) report(__FILE__, __LINE__, sites[s].name);
  }
  CHECK(at == numbers.size());
  // The inverse undoes the power 1.
  const VectorHandle v = make_vector(m);
  CHECK_OK(lethe_vector_random(v.get(), LETHE_NORMAL, 5, err));
  const Vector before = read(m, v.get());
  for (const double power : {1.0, -1.0}) CHECK_OK(lethe_kfac_apply(kfac, 0.1, 0, power, v.get(), v.get(), err));
  CHECK(relative(read(m, v.get()), before) < 1e-10);
  lethe_kfac_destroy(kfac);
}

void decoding(lethe_model* m) {
  Ragged prompt;
  prompt.add({3, 7, 1}, {0, 0, 0}, 1);
  auto how = sized<lethe_generation>();
  how.max_new_tokens = 5, how.top_k = 1, how.stop_token = -1;
  std::vector<int32_t> tokens(5);
  int64_t length = 0;
  const lethe_batch prompts = prompt.view();
  CHECK_OK(lethe_model_generate(m, &prompts, &how, tokens.data(), &length, nullptr, err));
  CHECK(length == 5);
  for (const int32_t token : tokens) {
    const lethe_batch view = prompt.view();
    Vector logits(prompt.tokens.size() * 23);
    CHECK_OK(lethe_model_logits(m, &view, logits.data(), static_cast<int64_t>(logits.size() * 8), err));
    CHECK(token == std::max_element(logits.end() - 23, logits.end()) - (logits.end() - 23));
    std::vector<int32_t> longer = prompt.tokens;
    longer.push_back(token);
    prompt = Ragged();
    prompt.add(longer, std::vector<int32_t>(longer.size(), 0), 1);
  }
}

void all_of(lethe_model* model) {
  gradients(model);
  curvature(model);
  entries(model);
  kronecker(model);
  decoding(model);
}

// Records of more than one block of queries, over heads that share keys: along a direction, for each is too many.
void long_records(lethe::Shape shape) {
  shape.context = 131;
  batch = kLong;
  const ModelHandle model = make(lethe::Layout(shape));
  const VectorHandle v = make_vector(model.get());
  CHECK_OK(lethe_vector_random(v.get(), LETHE_NORMAL, 7, err));
  const Vector direction = read(model.get(), v.get());
  const double slope = difference(model.get(), direction, [&] { return Vector{loss(model.get())}; })[0];
  CHECK(std::abs(product(gradient(model.get(), batch), direction) / slope - 1) < 1e-6);
  curvature(model.get());
  batch = kShort;
}

std::vector<lethe::Shape> families() {
  using enum lethe::Activation;
  lethe::Shape plain = shape();
  plain.layers = 1;
  lethe::Shape llama = plain;
  llama.family = lethe::Family::kLlama, llama.activation = kSilu;
  llama.qkv_bias = llama.output_bias = llama.mlp_bias = false;
  std::vector<lethe::Shape> shapes;
  // GPT-2 with other activations, and with heads that share keys.
  for (const lethe::Activation activation : {kGelu, kTanh, kSilu}) {
    plain.activation = activation;
    plain.kv_heads = activation == kSilu ? 1 : 0;
    shapes.push_back(plain);
  }
  // Two blocks, shared key heads, everything turns; then one thing after the other.
  lethe::Shape two = llama;
  two.layers = 2, two.heads = 4, two.kv_heads = 2, two.rotary.size = 2, two.inner = 11;
  shapes.push_back(two);
  lethe::Shape wide = llama;  // six heads of seven numbers on two key heads, four of which turn, biases, untied
  wide.heads = 6, wide.kv_heads = 2, wide.head = 7, wide.channels = 5, wide.inner = 9, wide.tied = false;
  wide.rotary = {.size = 4, .base = 30, .scaling = lethe::Scaling::kLlama3, .factor = 8, .old_context = 20};
  wide.qkv_bias = wide.output_bias = wide.mlp_bias = true, wide.activation = kGeluTanh;
  shapes.push_back(wide);
  lethe::Shape normed = llama;  // q/k norm
  normed.heads = 3, normed.kv_heads = 1, normed.head = 6, normed.channels = 7, normed.head_norm = true;
  normed.rotary = {.size = 6, .base = 100, .scaling = lethe::Scaling::kLinear, .factor = 2};
  normed.qkv_bias = true;
  shapes.push_back(normed);
  lethe::Shape single = llama;  // heads of one number, which cannot turn
  single.heads = 3, single.kv_heads = 3, single.head = 1, single.channels = 3, single.inner = 1;
  shapes.push_back(single);
  lethe::Shape scaled = shape();  // GPT-2 with scores of its own
  scaled.unscaled_scores = scaled.scores_by_block = true, scaled.activation = kSilu;
  shapes.push_back(scaled);
  // GPT-NeoX side by side with a partial turn, and one after the other.
  lethe::Shape neox = shape();
  neox.family = lethe::Family::kNeox, neox.activation = kGelu, neox.tied = false;
  neox.layers = 2, neox.rotary.size = 2, neox.parallel = true;
  shapes.push_back(neox);
  neox.parallel = false, neox.layers = 1, neox.head = 3, neox.qkv_bias = false, neox.activation = kTanh;
  shapes.push_back(neox);
  return shapes;
}

// Everything that is wrong with a shape at once.
void refusals() {
  lethe::Shape wrong = shape();
  wrong.family = lethe::Family::kNeox, wrong.kv_heads = 1, wrong.rotary.size = 3, wrong.head_norm = true;
  wrong.rotary.factor = 0, wrong.activation = static_cast<lethe::Activation>(9), wrong.epsilon = 0;
  std::string text;
  try {
    const lethe::Layout layout(wrong);
  } catch (const std::exception& refused) {
    text = refused.what();
  }
  for (const char* problem :
       {"rotary size is 3", "rotary factor is 0", "only llama has a norm", "as many kv_heads as heads",
        "activation is 9", "norm_epsilon is 0"})
    if (text.find(problem) == std::string::npos) report(__FILE__, __LINE__, problem + (" is not in: " + text));
}

}  // namespace

int main() {
  roles();
  const std::vector<size_t> every{0, 1, 2, 3, 4, 5};
  for (const lethe::Architecture& architecture :
       {without_biases(every, false), parallel(lethe::gpt2(shape())), parallel(without_biases({1, 3, 4}, true))})
    all_of(make(lethe::Layout(shape(), architecture)).get());
  for (const lethe::Shape& family : families()) all_of(make(lethe::Layout(family)).get());
  long_records(families()[3]);
  long_records(families()[4]);
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
