// Curvature products in fp64 against slow and obvious ones: the Hessian against central differences of our own gradient,
// Gauss-Newton against J^T H_loss J with J from differences of the logits; symmetry, positive semi-definiteness, records
// against the batch, site blocks against slices of the full matrix, several directions against one by one.
#include <algorithm>

#include "curved.h"

using namespace test;

namespace {

Vector moved(const Vector& at, double step, const Vector& along) {
  Vector out = at;
  for (size_t i = 0; i < at.size(); ++i) out[i] += step * along[i];
  return out;
}

// (f(w + h v) - f(w - h v)) / 2h
template <class Function>
Vector central_difference(lethe_model* model, const Vector& direction, Function&& f) {
  constexpr double h = 1e-5;
  const Vector at = read(model, LETHE_PARAMETERS);
  write(model, LETHE_PARAMETERS, moved(at, h, direction));
  const Vector up = f();
  write(model, LETHE_PARAMETERS, moved(at, -h, direction));
  const Vector down = f();
  write(model, LETHE_PARAMETERS, at);
  Vector out(up.size());
  for (size_t i = 0; i < up.size(); ++i) out[i] = (up[i] - down[i]) / (2 * h);
  return out;
}

Vector logits_of(lethe_model* model, const Ragged& batch, size_t vocabulary) {
  Vector logits(batch.tokens.size() * vocabulary);
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_logits(model, &view, logits.data(), static_cast<int64_t>(logits.size() * 8), err));
  return logits;
}

// sum over record b's target rows of z'^T (diag(p) - p p^T) z' / targets, from the logits and their differences
double gauss_newton_form(const Ragged& batch, const Vector& logits, const Vector& tangents, size_t vocabulary,
                         size_t b) {
  double sum = 0, targets = 0;
  for (auto row = static_cast<size_t>(batch.offsets[b]); row < static_cast<size_t>(batch.offsets[b + 1]); ++row) {
    if (batch.targets[row] == LETHE_IGNORE_TARGET) continue;
    double total = 0, mean = 0, square = 0;
    for (size_t v = row * vocabulary; v < (row + 1) * vocabulary; ++v) {
      const double e = std::exp(logits[v]);
      total += e, mean += e * tangents[v], square += e * tangents[v] * tangents[v];
    }
    mean /= total;
    sum += square / total - mean * mean;
    ++targets;
  }
  return targets == 0 ? 0 : sum / targets;
}

const std::vector<int> kLengths{4, 4, 1, 9, 2, 5};  // record 4 has no target

double relative_number(double a, double b) { return a == b ? 0 : std::abs(a - b) / std::max(std::abs(a), std::abs(b)); }

void against_differences(const lethe_model_config& config, const std::vector<int>& lengths) {
  const ModelHandle model = random_model(config, 1);
  lethe_model* m = model.get();
  const Ragged batch = random_batch(lengths, static_cast<int32_t>(config.vocabulary), 2, 4);
  const Vector v = random_direction(m, 3), u = random_direction(m, 4);
  const Vector before = gradient(m, batch);
  const Curved h = curvature(m, batch, LETHE_HESSIAN, {v});
  CHECK(read(m, LETHE_GRADIENT) == before);
  const Vector difference = central_difference(m, v, [&] { return gradient(m, batch); });
  for (const lethe_tensor_info& tensor : tensors_of(m)) {
    const auto begin = static_cast<size_t>(tensor.offset),
               end = begin + static_cast<size_t>(tensor.rows * tensor.columns);
    const double error = relative(h.products[0], difference, begin, end);
    if (!(error < 1e-6)) report(__FILE__, __LINE__, std::string(tensor.name) + ": " + std::to_string(error));
  }
  const Vector losses = evaluate(m, batch);
  for (size_t b = 0; b < losses.size(); ++b) CHECK_CLOSE(h.losses[b], losses[b], 1e-12);

  const auto vocabulary = static_cast<size_t>(config.vocabulary);
  const Curved g = curvature(m, batch, LETHE_GAUSS_NEWTON, {v, u});
  const Vector logits = logits_of(m, batch, vocabulary);
  const Vector tangents = central_difference(m, v, [&] { return logits_of(m, batch, vocabulary); });
  double total = 0;
  for (size_t b = 0; b < batch.records(); ++b) {
    const double expected = gauss_newton_form(batch, logits, tangents, vocabulary, b);
    CHECK(relative_number(g.quadratic[2 * b], expected) < 1e-7);
    total += batch.weights[b] * expected;
  }
  CHECK(relative_number(product(v, g.products[0]), total) < 1e-7);
  CHECK(relative_number(product(u, g.products[0]), product(v, g.products[1])) < 1e-11);
}

void symmetric_and_shared(bool tied) {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, tied), 5);
  lethe_model* m = model.get();
  const Ragged batch = random_batch(kLengths, 23, 6, 4);
  std::vector<Vector> directions;
  for (uint64_t seed = 10; seed < 14; ++seed) directions.push_back(random_direction(m, seed));
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    const Curved all = curvature(m, batch, kind, directions);
    for (size_t k = 0; k < directions.size(); ++k) {
      const Curved one = curvature(m, batch, kind, {directions[k]});
      CHECK(relative(all.products[k], one.products[0]) < 1e-13);
      double sum = 0;
      for (size_t b = 0; b < batch.records(); ++b) {
        CHECK_CLOSE(all.quadratic[b * 4 + k], one.quadratic[b], 1e-10);
        sum += batch.weights[b] * one.quadratic[b];
        if (kind == LETHE_GAUSS_NEWTON) CHECK(one.quadratic[b] >= 0);
      }
      CHECK(one.quadratic[4] == 0);  // no target
      CHECK(relative_number(sum, product(directions[k], one.products[0])) < 1e-11);
      for (size_t j = 0; j < k; ++j)
        CHECK(relative_number(product(directions[j], all.products[k]), product(directions[k], all.products[j])) < 1e-11);
    }
    // Nothing depends on what a call of another size left behind, and adding adds.
    const Curved added = curvature(m, batch, kind, {directions[0]}, {}, directions[1]);
    CHECK(relative(added.products[0], moved(directions[1], 1, all.products[0])) < 1e-13);
  }
}

// Every record alone: its own product, its own form, and all of them the batch's.
void records(bool tied) {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, tied), 7);
  lethe_model* m = model.get();
  const Ragged batch = random_batch(kLengths, 23, 8, 4);
  const Vector v = random_direction(m, 20), u = random_direction(m, 21);
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    const Curved whole = curvature(m, batch, kind, {v, u});
    Vector sum(v.size());
    for (size_t b = 0; b < batch.records(); ++b) {
      Ragged one;
      one.add(batch, b);
      one.weights[0] = 1;
      const Curved own = curvature(m, one, kind, {v, u});
      sum = moved(sum, batch.weights[b], own.products[0]);
      for (size_t k = 0; k < 2; ++k) {
        CHECK_CLOSE(own.quadratic[k], whole.quadratic[2 * b + k], 1e-11);
        CHECK_CLOSE(own.quadratic[k], product(k == 0 ? v : u, own.products[k]), 1e-11);
      }
    }
    CHECK(relative(sum, whole.products[0]) < 1e-13);
  }
}

// The block over some sites is that slice of the full matrix: zero elsewhere, and v^T C v of its own.
void site_block(lethe_model* m, const Ragged& batch, const std::vector<uint8_t>& sites, size_t k_count) {
  const std::vector<lethe_tensor_info> tensors = tensors_of(m);
  std::vector<Vector> full, restricted;
  for (size_t k = 0; k < k_count; ++k) {
    full.push_back(random_direction(m, 30 + k));
    restricted.push_back(random_direction(m, 30 + k, sites));
  }
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    const Curved block = curvature(m, batch, kind, full, sites), whole = curvature(m, batch, kind, restricted);
    for (size_t k = 0; k < k_count; ++k) {
      Vector expected = whole.products[k];
      for (const lethe_tensor_info& tensor : tensors) {
        if (sites[static_cast<size_t>(tensor.site)]) continue;
        std::fill_n(expected.begin() + tensor.offset, tensor.rows * tensor.columns, 0.0);
      }
      CHECK(relative(block.products[k], expected) < 1e-12);
      for (size_t b = 0; b < batch.records(); ++b)
        CHECK_CLOSE(block.quadratic[b * k_count + k], whole.quadratic[b * k_count + k], 1e-10);
    }
  }
}

void site_blocks(bool tied) {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, tied), 9);
  lethe_model* m = model.get();
  const Ragged batch = random_batch(kLengths, 23, 10, 4);
  const size_t sites = sites_of(m).size();
  const auto chosen = [&](std::initializer_list<size_t> which) {
    std::vector<uint8_t> mask(sites, 0);
    for (const size_t site : which) mask[site] = 1;
    return mask;
  };
  for (size_t site = 1; site + 1 < sites; ++site) site_block(m, batch, chosen({site}), 1);
  if (!tied) site_block(m, batch, chosen({0}), 1), site_block(m, batch, chosen({sites - 1}), 2);
  site_block(m, batch, chosen({0, sites - 1}), 2);
  site_block(m, batch, chosen({0, 1, sites - 1}), 1);
  site_block(m, batch, chosen({4, 9, sites - 2}), 3);
}

// The two uses of a tied table: as two tables of an untied model with the same numbers.
void tied_uses() {
  const ModelHandle tied = random_model(tiny_config(LETHE_F64, true), 11);
  const ModelHandle untied = make_model(tiny_config(LETHE_F64, false));
  Vector weights = read(tied.get(), LETHE_PARAMETERS);
  const size_t trunk = weights.size(), sites = sites_of(tied.get()).size();
  const lethe_tensor_info head = tensors_of(untied.get()).back();
  const auto table = static_cast<size_t>(head.rows * head.columns);
  weights.resize(static_cast<size_t>(layout_of(untied.get()).flat_size));
  std::copy_n(weights.begin(), table, weights.begin() + head.offset);
  write(untied.get(), LETHE_PARAMETERS, weights);
  const Ragged batch = random_batch(kLengths, 23, 12, 4);
  const Vector v = random_direction(tied.get(), 40);
  Vector twice = v;
  twice.resize(weights.size());
  std::copy_n(v.begin(), table, twice.begin() + head.offset);
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    for (const size_t site : {size_t{0}, sites - 1}) {
      const Curved a = curvature(tied.get(), batch, kind, {v}, only_site(tied.get(), site));
      const Curved b = curvature(untied.get(), batch, kind, {twice}, only_site(untied.get(), site));
      Vector expected(b.products[0].begin(), b.products[0].begin() + static_cast<int64_t>(trunk));
      if (site != 0) std::copy_n(b.products[0].begin() + head.offset, table, expected.begin());
      CHECK(relative(a.products[0], expected) < 1e-12);
    }
  }
}

// fp32 follows fp64, at a shape with several blocks of everything.
void single_precision(bool tied) {
  const ModelHandle wide = random_model(wide_config(LETHE_F64, tied), 13);
  const ModelHandle narrow = make_model(wide_config(LETHE_F32, tied));
  const Ragged batch = random_batch({70, 3, 3, 66}, 1100, 14);
  Vector weights = read(wide.get(), LETHE_PARAMETERS), v = random_direction(wide.get(), 50);
  for (double& w : weights) w = static_cast<float>(w);
  for (double& x : v) x = static_cast<float>(x);
  write(wide.get(), LETHE_PARAMETERS, weights);
  write(narrow.get(), LETHE_PARAMETERS, weights);
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    const Curved exact = curvature(wide.get(), batch, kind, {v}), close = curvature(narrow.get(), batch, kind, {v});
    CHECK(relative(close.products[0], exact.products[0]) < 1e-4);
    CHECK(relative(close.quadratic, exact.quadratic) < 1e-4);
    CHECK(curvature(narrow.get(), batch, kind, {v}).products == close.products);
  }
}

void refusals() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 15);
  const ModelHandle other = make_model(wide_config(LETHE_F64, true));
  lethe_model* m = model.get();
  const Ragged batch = random_batch({3, 2}, 23, 16);
  const lethe_batch view = batch.view();
  const VectorHandle v = make_vector(m), hv = make_vector(m), foreign = make_vector(other.get());
  double losses[2], quadratic[2];
  const std::vector<uint8_t> nothing(sites_of(m).size(), 0);
  const auto call = [&](auto&& change, lethe_error* err, const int32_t* cancel = nullptr) {
    const lethe_vector* in[2] = {v.get(), v.get()};
    lethe_vector* out[2] = {hv.get(), hv.get()};
    auto options = sized<lethe_curvature>();
    options.count = 1;
    options.directions = in;
    options.products = out;
    options.quadratic = quadratic;
    change(options, in, out);
    return lethe_model_curvature(m, &view, &options, losses, cancel, err);
  };
  using Options = lethe_curvature;
  CHECK_OK(call([](Options&, auto&, auto&) {}, err));
  CHECK_REFUSED(call([](Options& o, auto&, auto&) { o.kind = 2; }, err), LETHE_INVALID_ARGUMENT, "curvature.kind is 2");
  CHECK_REFUSED(call([](Options& o, auto&, auto&) { o.accumulate = -1; }, err), LETHE_INVALID_ARGUMENT,
                "accumulate is -1");
  CHECK_REFUSED(call([](Options& o, auto&, auto&) { o.count = 0; }, err), LETHE_INVALID_ARGUMENT,
                "curvature.count is 0");
  CHECK_REFUSED(call([](Options& o, auto&, auto&) { o.directions = nullptr; }, err), LETHE_INVALID_ARGUMENT,
                "curvature.directions is NULL");
  CHECK_REFUSED(call([](Options& o, auto&, auto&) { o.products = nullptr, o.quadratic = nullptr; }, err),
                LETHE_INVALID_ARGUMENT, "nothing is asked for");
  CHECK_REFUSED(call([](Options&, auto& in, auto&) { in[0] = nullptr; }, err), LETHE_INVALID_ARGUMENT,
                "curvature.directions[0] is NULL");
  CHECK_REFUSED(call([&](Options&, auto&, auto& out) { out[0] = foreign.get(); }, err), LETHE_INVALID_ARGUMENT,
                "curvature.products[0] belongs to a model of another shape");
  CHECK_REFUSED(call([&](Options&, auto& in, auto&) { in[0] = hv.get(); }, err), LETHE_INVALID_ARGUMENT,
                "curvature.products[0] is also a direction");
  CHECK_REFUSED(call([&](Options& o, auto&, auto&) { o.count = 2; }, err), LETHE_INVALID_ARGUMENT,
                "curvature.products[1] is given twice");
  CHECK_REFUSED(call([&](Options& o, auto&, auto&) { o.sites = nothing.data(); }, err), LETHE_INVALID_ARGUMENT,
                "curvature.sites selects no site");
  const int32_t raised = 1;
  CHECK_REFUSED(call([](Options&, auto&, auto&) {}, err, &raised), LETHE_CANCELLED, "cancelled");
}

// A batch without any target has no curvature.
void silence(bool tied) {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, tied), 17);
  const Ragged batch = random_batch({3}, 23, 18, 0);
  const Curved none = curvature(model.get(), batch, LETHE_HESSIAN, {random_direction(model.get(), 60)});
  CHECK(none.losses == Vector(1) && none.quadratic == Vector(1));
  CHECK(none.products[0] == Vector(none.products[0].size()));
}

}  // namespace

int main() {
  for (const bool tied : {true, false}) {
    against_differences(tiny_config(LETHE_F64, tied), kLengths);
    symmetric_and_shared(tied);
    records(tied);
    site_blocks(tied);
    single_precision(tied);
    silence(tied);
  }
  against_differences(wide_config(LETHE_F64, true), {70, 3, 3, 66, 2});
  tied_uses();
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
