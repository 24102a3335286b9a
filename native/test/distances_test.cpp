// Gradients with a weight or another loss for each target, toward a reference model's predictions and toward a target of
// the hidden states: against central finite
// differences in fp64 in every parameter, values against the slow formula, zeros where model and reference are equal,
// accumulation, a head of several chunks, and refusals.
#include <functional>
#include <limits>

#include "check.h"

using namespace test;

namespace {

using Values = std::function<std::vector<double>(bool accumulate)>;  // runs a gradient; the records' values

std::vector<double> divergences(lethe_model* model, lethe_model* reference, const Ragged& batch,
                                bool accumulate = false) {
  std::vector<double> values(batch.records());
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_kl_gradient(model, &view, reference, accumulate, values.data(), nullptr, err));
  return values;
}

lethe_token_loss token_loss(int32_t kind, const std::vector<double>* weights = nullptr, lethe_model* reference = nullptr,
                            double penalty = 0) {
  return {sizeof(lethe_token_loss), kind, 0, weights == nullptr ? nullptr : weights->data(), reference, penalty};
}

std::vector<double> token_losses(lethe_model* model, const Ragged& batch, lethe_token_loss loss, bool accumulate = false) {
  std::vector<double> values(batch.records());
  const lethe_batch view = batch.view();
  loss.accumulate = accumulate;
  CHECK_OK(lethe_model_token_gradient(model, &view, &loss, values.data(), nullptr, err));
  return values;
}

std::vector<double> token_weights(const Ragged& batch) {
  std::vector<double> weights(batch.tokens.size());
  for (size_t t = 0; t < weights.size(); ++t) weights[t] = t % 3 == 0 ? 0 : 0.5 * static_cast<double>(t % 5) - 1.2;
  return weights;
}

// Toward `target` where there is no reference.
std::vector<double> distances(lethe_model* model, lethe_model* reference, const std::vector<double>& target,
                              int64_t layer, const Ragged& batch, bool accumulate = false) {
  std::vector<double> values(batch.records());
  lethe_batch view = batch.view();
  view.targets = nullptr;
  CHECK_OK(lethe_model_hidden_gradient(model, &view, layer, reference == nullptr ? target.data() : nullptr, reference,
                                       accumulate, values.data(), nullptr, err));
  return values;
}

// `values(false)` against differences of sum_b weights[b] values[b], tensor by tensor.
void finite_differences(lethe_model* model, const Ragged& batch, const char* name, const Values& values) {
  values(false);
  const std::vector<double> exact = read(model, LETHE_GRADIENT), at = read(model, LETHE_PARAMETERS);
  lethe_vector* parameters = vector_of(model, LETHE_PARAMETERS);
  constexpr double h = 1e-5;
  for (const lethe_tensor_info& tensor : tensors_of(model)) {
    std::vector<double> difference(exact.size());
    const auto begin = static_cast<size_t>(tensor.offset);
    const size_t end = begin + static_cast<size_t>(tensor.rows * tensor.columns);
    for (size_t i = begin; i < end; ++i) {
      const auto moved = [&](double step) {
        const double value = at[i] + step;
        CHECK_OK(lethe_vector_write(parameters, static_cast<int64_t>(i), 1, LETHE_F64, &value, 8, err));
        const std::vector<double> records = values(false);
        double sum = 0;
        for (size_t b = 0; b < records.size(); ++b) sum += batch.weights[b] * records[b];
        return sum;
      };
      difference[i] = (moved(h) - moved(-h)) / (2 * h);
      moved(0);
    }
    const double error = relative(difference, exact, begin, end);
    if (!(error < 1e-7))
      report(__FILE__, __LINE__, std::string(name) + ", " + tensor.name + ": " + std::to_string(error));
  }
}

std::vector<double> logits(lethe_model* model, const Ragged& batch, size_t vocabulary) {
  std::vector<double> values(batch.tokens.size() * vocabulary);
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_logits(model, &view, values.data(), static_cast<int64_t>(values.size()) * 8, err));
  return values;
}

double log_sum(const double* row, size_t n) {
  double sum = 0;
  for (size_t j = 0; j < n; ++j) sum += std::exp(row[j]);
  return std::log(sum);
}

// Mean over a record's targets of sum_j q_j (log q_j - log p_j), from the logits as they are.
std::vector<double> slow_divergences(lethe_model* model, lethe_model* reference, const Ragged& batch, size_t v) {
  const std::vector<double> ours = logits(model, batch, v), theirs = logits(reference, batch, v);
  std::vector<double> means(batch.records());
  for (size_t b = 0; b < batch.records(); ++b) {
    double count = 0;
    for (auto row = static_cast<size_t>(batch.offsets[b]); row < static_cast<size_t>(batch.offsets[b + 1]); ++row) {
      if (batch.targets[row] == LETHE_IGNORE_TARGET) continue;
      const double *x = &ours[row * v], *y = &theirs[row * v], log_p = log_sum(x, v), log_q = log_sum(y, v);
      for (size_t j = 0; j < v; ++j) means[b] += std::exp(y[j] - log_q) * ((y[j] - log_q) - (x[j] - log_p));
      ++count;
    }
    if (count > 0) means[b] /= count;
  }
  return means;
}

void gradients(bool tied) {
  const lethe_model_config config = tiny_config(LETHE_F64, tied);
  const ModelHandle model = random_model(config, 1), reference = random_model(config, 2);
  const Ragged batch = random_batch({4, 4, 1, 9, 2, 5}, 23, 2, 4);
  finite_differences(model.get(), batch, "divergence",
                     [&](bool add) { return divergences(model.get(), reference.get(), batch, add); });
  const std::vector<double> slow = slow_divergences(model.get(), reference.get(), batch, 23),
                            fast = divergences(model.get(), reference.get(), batch);
  for (size_t b = 0; b < slow.size(); ++b) CHECK_CLOSE(fast[b], slow[b], 1e-13);
  CHECK(fast[4] == 0 && fast[0] > 0.01);

  const std::vector<double> target{0.5, -1, 2, 0, 0.1, 1, -0.3, 4};
  for (const int64_t layer : {0, 1}) {
    finite_differences(model.get(), batch, "distance to a vector",
                       [&](bool add) { return distances(model.get(), nullptr, target, layer, batch, add); });
    finite_differences(model.get(), batch, "distance to a model",
                       [&](bool add) { return distances(model.get(), reference.get(), {}, layer, batch, add); });
  }
}

// A record's mean of loss(row, logits, target) times its weight, from the logits as they are.
template <class Loss>
std::vector<double> slow_tokens(lethe_model* model, const Ragged& batch, const std::vector<double>& weights, size_t v,
                                Loss&& loss) {
  const std::vector<double> z = logits(model, batch, v);
  std::vector<double> means(batch.records());
  for (size_t b = 0; b < batch.records(); ++b) {
    double count = 0;
    for (auto row = static_cast<size_t>(batch.offsets[b]); row < static_cast<size_t>(batch.offsets[b + 1]); ++row) {
      if (batch.targets[row] == LETHE_IGNORE_TARGET) continue;
      means[b] += weights[row] * loss(row, &z[row * v], static_cast<size_t>(batch.targets[row]));
      ++count;
    }
    if (count > 0) means[b] /= count;
  }
  return means;
}

void tokens(bool tied) {
  constexpr size_t v = 23;
  constexpr double penalty = 3;
  const lethe_model_config config = tiny_config(LETHE_F64, tied);
  const ModelHandle model = random_model(config, 1), reference = random_model(config, 2);
  const Ragged batch = random_batch({4, 4, 1, 9, 2, 5}, v, 2, 4);
  const std::vector<double> weights = token_weights(batch), theirs = logits(reference.get(), batch, v);
  const auto next = [](size_t, const double* z, size_t target) { return log_sum(z, v) - z[target]; };
  const auto toward = [&](size_t row, const double* z, size_t target) {
    std::vector<double> y(&theirs[row * v], &theirs[row * v] + v);
    y[target] -= penalty;
    const double log_p = log_sum(z, v), log_q = log_sum(y.data(), v);
    double sum = 0;
    for (size_t j = 0; j < v; ++j) sum += std::exp(y[j] - log_q) * ((y[j] - log_q) - (z[j] - log_p));
    return sum;
  };
  const auto flat = [](size_t, const double* z, size_t) {
    double top = z[0], sum = 0;
    for (size_t j = 0; j < v; ++j) top = std::max(top, z[j]), sum += z[j];
    return (top - sum / v) * (top - sum / v);
  };
  const auto check = [&](const char* name, const lethe_token_loss& loss, const std::vector<double>& slow) {
    finite_differences(model.get(), batch, name, [&](bool add) { return token_losses(model.get(), batch, loss, add); });
    const std::vector<double> fast = token_losses(model.get(), batch, loss);
    for (size_t b = 0; b < slow.size(); ++b) CHECK_CLOSE(fast[b], slow[b], 1e-13);
    const std::vector<double> alone = read(model.get(), LETHE_GRADIENT);
    token_losses(model.get(), batch, loss, true);
    const std::vector<double> twice = read(model.get(), LETHE_GRADIENT);
    for (size_t i = 0; i < alone.size(); ++i) CHECK_CLOSE(twice[i], 2 * alone[i], 1e-13);
  };
  check("weighed tokens", token_loss(LETHE_NEXT_TOKEN, &weights),
        slow_tokens(model.get(), batch, weights, v, next));
  check("toward a dampened reference",
        token_loss(LETHE_TOWARD, &weights, reference.get(), penalty),
        slow_tokens(model.get(), batch, weights, v, toward));
  check("flatness", token_loss(LETHE_FLATNESS, &weights), slow_tokens(model.get(), batch, weights, v, flat));

  // Without weights and penalty they are the functions that were there before.
  gradient(model.get(), batch);
  const std::vector<double> plain = read(model.get(), LETHE_GRADIENT);
  token_losses(model.get(), batch, token_loss(LETHE_NEXT_TOKEN));
  CHECK(read(model.get(), LETHE_GRADIENT) == plain);
  const std::vector<double> kl = divergences(model.get(), reference.get(), batch), to = read(model.get(), LETHE_GRADIENT);
  CHECK(token_losses(model.get(), batch, token_loss(LETHE_TOWARD, nullptr, reference.get())) == kl);
  CHECK(read(model.get(), LETHE_GRADIENT) == to);
}

// Equal models are at distance zero, but for the rounding of products in memory of another alignment, and accumulate 0
// leaves nothing of the gradient before.
void equals(int32_t dtype, double rounding) {
  const lethe_model_config config = tiny_config(dtype, true);
  const ModelHandle model = random_model(config, 1), twin = random_model(config, 1);
  const Ragged batch = random_batch({4, 9}, 23, 2);
  const auto nothing = [&](const std::vector<double>& values) {
    for (const double value : values) CHECK_CLOSE(value, 0.0, rounding);
    for (const double value : read(model.get(), LETHE_GRADIENT)) CHECK_CLOSE(value, 0.0, rounding);
  };
  gradient(model.get(), batch);
  nothing(divergences(model.get(), twin.get(), batch));
  gradient(model.get(), batch);
  nothing(distances(model.get(), twin.get(), {}, 1, batch));
}

// Nothing above the layer has a gradient, and one batch more is added to what is there.
void accumulation(bool tied) {
  const lethe_model_config config = tiny_config(LETHE_F64, tied);
  const ModelHandle model = random_model(config, 1), reference = random_model(config, 2);
  const Ragged first = random_batch({3, 5}, 23, 5), second = random_batch({7}, 23, 6);
  const std::vector<double> target(8, 0.5), start = gradient(model.get(), first);
  const std::vector<Values> passes{
      [&](bool add) { return divergences(model.get(), reference.get(), second, add); },
      [&](bool add) { return distances(model.get(), nullptr, target, 0, second, add); }};
  for (const Values& pass : passes) {
    pass(false);
    const std::vector<double> alone = read(model.get(), LETHE_GRADIENT);
    gradient(model.get(), first);
    pass(true);
    const std::vector<double> both = read(model.get(), LETHE_GRADIENT);
    for (size_t i = 0; i < both.size(); ++i) CHECK_CLOSE(both[i], start[i] + alone[i], 1e-13);
  }
  gradient(model.get(), first);
  distances(model.get(), nullptr, target, 0, second);
  const std::vector<double> low = read(model.get(), LETHE_GRADIENT);
  for (const lethe_tensor_info& tensor : tensors_of(model.get())) {
    const std::string name = tensor.name;
    const bool above = name.starts_with("h.1.") || name.starts_with("ln_f") || name.starts_with("lm_head");
    bool zero = true;
    for (int64_t i = 0; i < tensor.rows * tensor.columns; ++i)
      zero = zero && low[static_cast<size_t>(tensor.offset + i)] == 0;
    CHECK(zero == above);
  }
}

// A vocabulary so wide that the head takes the batch in two chunks: the same as its records in one chunk each.
void chunks() {
  lethe_model_config config = tiny_config(LETHE_F64, true);
  config.vocabulary = 300000, config.channels = 2, config.inner = 4, config.layers = 1;
  const ModelHandle model = random_model(config, 1), reference = random_model(config, 2);
  Ragged batch;
  Random random(3);
  for (int b = 0; b < 5; ++b) {
    std::vector<int32_t> tokens, targets;
    for (int t = 0; t < 9; ++t) tokens.push_back(random.below(300000)), targets.push_back(random.below(300000));
    batch.add(tokens, targets, 0.2 + 0.1 * b);
  }
  const std::vector<double> whole = divergences(model.get(), reference.get(), batch);
  const std::vector<double> at_once = read(model.get(), LETHE_GRADIENT);
  for (size_t b = 0; b < batch.records(); ++b) {
    Ragged one;
    one.add(batch, b);
    CHECK_CLOSE(divergences(model.get(), reference.get(), one, b > 0)[0], whole[b], 1e-12);
  }
  CHECK(relative(read(model.get(), LETHE_GRADIENT), at_once) < 1e-12);
}

void refusals() {
  const lethe_model_config config = tiny_config(LETHE_F64, true);
  const ModelHandle model = random_model(config, 1), reference = random_model(config, 2),
                    untied = random_model(tiny_config(LETHE_F64, false), 2),
                    narrow = random_model(tiny_config(LETHE_F32, true), 2);
  const Ragged batch = random_batch({4, 9}, 23, 2);
  const lethe_batch view = batch.view();
  lethe_model *at = model.get(), *to = reference.get();
  std::vector<double> values(2), target(8);
  const int32_t raised = 1;
  const auto kl = [&](lethe_model* other, int32_t accumulate, const int32_t* cancel, lethe_error* err) {
    return lethe_model_kl_gradient(at, &view, other, accumulate, values.data(), cancel, err);
  };
  CHECK_REFUSED(kl(nullptr, 0, nullptr, err), LETHE_INVALID_ARGUMENT, "reference is NULL");
  CHECK_REFUSED(kl(at, 0, nullptr, err), LETHE_INVALID_ARGUMENT, "reference is the model itself");
  CHECK_REFUSED(kl(untied.get(), 0, nullptr, err), LETHE_INVALID_ARGUMENT, "another shape or dtype");
  CHECK_REFUSED(kl(narrow.get(), 0, nullptr, err), LETHE_INVALID_ARGUMENT, "another shape or dtype");
  CHECK_REFUSED(kl(to, 2, nullptr, err), LETHE_INVALID_ARGUMENT, "accumulate is 2, allowed 0 and 1");
  CHECK_REFUSED(kl(to, 0, &raised, err), LETHE_CANCELLED, "cancelled");

  std::vector<double> weights(batch.tokens.size(), 1.0);
  const auto token = [&](const lethe_token_loss& loss, lethe_error* err) {
    return lethe_model_token_gradient(at, &view, &loss, values.data(), nullptr, err);
  };
  CHECK_REFUSED(token({8, 0, 0, nullptr, nullptr, 0}, err), LETHE_INVALID_ARGUMENT, "loss.struct_size is 8");
  CHECK_REFUSED(token({sizeof(lethe_token_loss), 0, 2, nullptr, nullptr, 0}, err), LETHE_INVALID_ARGUMENT,
                "loss.accumulate is 2");
  CHECK_REFUSED(token(token_loss(3), err), LETHE_INVALID_ARGUMENT, "loss.kind is 3, allowed 0 to 2");
  CHECK_REFUSED(token(token_loss(LETHE_TOWARD), err), LETHE_INVALID_ARGUMENT, "loss.reference is NULL");
  CHECK_REFUSED(token(token_loss(LETHE_FLATNESS, nullptr, to), err), LETHE_INVALID_ARGUMENT, "loss.reference is given");
  CHECK_REFUSED(token(token_loss(LETHE_TOWARD, nullptr, at), err), LETHE_INVALID_ARGUMENT, "reference is the model itself");
  CHECK_REFUSED(token(token_loss(LETHE_NEXT_TOKEN, nullptr, nullptr, 1), err), LETHE_INVALID_ARGUMENT, "loss.penalty is 1");
  CHECK_REFUSED(token(token_loss(LETHE_TOWARD, nullptr, to, -1), err), LETHE_INVALID_ARGUMENT, "loss.penalty is -1");
  weights[1] = std::numeric_limits<double>::infinity();
  CHECK_REFUSED(token(token_loss(LETHE_NEXT_TOKEN, &weights), err), LETHE_INVALID_ARGUMENT, "loss.weights[1] is inf");

  const auto hidden = [&](int64_t layer, const double* wanted, lethe_model* other, const int32_t* cancel,
                          lethe_error* err) {
    return lethe_model_hidden_gradient(at, &view, layer, wanted, other, 0, values.data(), cancel, err);
  };
  CHECK_REFUSED(hidden(0, target.data(), to, nullptr, err), LETHE_INVALID_ARGUMENT, "exactly one of target and");
  CHECK_REFUSED(hidden(0, nullptr, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "exactly one of target and");
  CHECK_REFUSED(hidden(2, target.data(), nullptr, nullptr, err), LETHE_INVALID_ARGUMENT,
                "layer is 2, the model's are 0 to 1");
  CHECK_REFUSED(hidden(-1, target.data(), nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "layer is -1");
  CHECK_REFUSED(hidden(0, nullptr, at, nullptr, err), LETHE_INVALID_ARGUMENT, "reference is the model itself");
  CHECK_REFUSED(hidden(0, nullptr, narrow.get(), nullptr, err), LETHE_INVALID_ARGUMENT, "another shape or dtype");
  CHECK_REFUSED(hidden(0, target.data(), nullptr, &raised, err), LETHE_CANCELLED, "cancelled");
  target[3] = std::numeric_limits<double>::quiet_NaN();
  CHECK_REFUSED(hidden(0, target.data(), nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "target[3] is nan");

  std::vector<double> broken = read(to, LETHE_PARAMETERS);
  for (double& value : broken) value = std::numeric_limits<double>::quiet_NaN();
  write(to, LETHE_PARAMETERS, broken);
  CHECK_REFUSED(kl(to, 0, nullptr, err), LETHE_NOT_FINITE, "the divergence of record 0 of the batch is");
  CHECK_REFUSED(hidden(1, nullptr, to, nullptr, err), LETHE_NOT_FINITE, "the distance of record 0 of the batch is");
}

}  // namespace

int main() {
  for (const bool tied : {true, false}) {
    gradients(tied);
    tokens(tied);
    accumulation(tied);
  }
  equals(LETHE_F32, 1e-6);
  equals(LETHE_F64, 1e-14);
  chunks();
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
