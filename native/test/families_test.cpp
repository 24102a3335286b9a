// Every family against transformers' numbers of a tiny model (src/test/golden/families.py): logits, losses, gradients,
// records' own gradients from captured entries, Hessian and Gauss-Newton products, greedy continuations, AdamW's steps;
// in fp64 to 1e-9, in fp32 to 1e-4 of the largest number of each tensor.
#include <algorithm>

#include "captured.h"
#include "golden.h"

using namespace test;

namespace {

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
  over_families([](const std::string& name, const Golden& golden) {
    compare(name + " fp64", golden, LETHE_F64, 1e-9);
    compare(name + " fp32", golden, LETHE_F32, 1e-4);
  });
  CHECK(lethe_live_handles() == 0);
  return finish();
}
