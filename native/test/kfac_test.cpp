// Kronecker factors in fp64 against dense arithmetic over gradients of records taken alone: bases, eigenvalues after the
// second pass, powers; sampled targets against the enumerated expectation; records that the head's chunks cut; refusals.
#include <algorithm>

#include "captured.h"

using namespace test;

namespace {

struct KfacDestroy {
  void operator()(lethe_kfac* kfac) const { lethe_kfac_destroy(kfac); }
};
using KfacHandle = std::unique_ptr<lethe_kfac, KfacDestroy>;

KfacHandle make_kfac(const lethe_model* model, const std::vector<uint8_t>& sites, int32_t fisher, int32_t stage = 0,
                     int64_t records = 0) {
  auto options = sized<lethe_kfac_options>();
  options.sites = sites.data();
  options.site_count = static_cast<int64_t>(sites.size());
  options.fisher = fisher;
  options.stage = stage;
  options.records = records;
  options.seed = 9;
  lethe_kfac* kfac = nullptr;
  CHECK_OK(lethe_kfac_create(model, &options, &kfac, err));
  return KfacHandle(kfac);
}

void accumulate(lethe_kfac* kfac, lethe_model* model, const Ragged& batch) {
  std::vector<double> losses(batch.records());
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_kfac_accumulate(kfac, model, &view, losses.data(), nullptr, err));
  if (batch.tokens.size() < 100) CHECK(losses == evaluate(model, batch));
}

std::vector<double> numbers(const lethe_kfac* kfac) {
  auto info = sized<lethe_kfac_info>();
  CHECK_OK(lethe_kfac_describe(kfac, &info, err));
  std::vector<double> values(static_cast<size_t>(info.elements));
  CHECK_OK(lethe_kfac_read(kfac, 0, info.elements, LETHE_F64, values.data(), info.elements * 8, err));
  return values;
}

// A [rows, columns] matrix in plain loops.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
  double& at(int64_t i, int64_t j) { return values[static_cast<size_t>(i * columns + j)]; }
  double at(int64_t i, int64_t j) const { return values[static_cast<size_t>(i * columns + j)]; }
};

Matrix zeros(int64_t rows, int64_t columns) {
  return {rows, columns, std::vector<double>(static_cast<size_t>(rows * columns))};
}

Matrix transposed(const Matrix& a) {
  Matrix t = zeros(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j) t.at(j, i) = a.at(i, j);
  return t;
}

Matrix times(const Matrix& a, const Matrix& b) {
  Matrix c = zeros(a.rows, b.columns);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t k = 0; k < a.columns; ++k)
      for (int64_t j = 0; j < b.columns; ++j) c.at(i, j) += a.at(i, k) * b.at(k, j);
  return c;
}

void check_orthonormal(const Matrix& q) {
  const Matrix identity = times(transposed(q), q);
  for (int64_t i = 0; i < q.rows; ++i)
    for (int64_t j = 0; j < q.rows; ++j) CHECK_CLOSE(identity.at(i, j), i == j ? 1.0 : 0.0, 1e-12);
}

// A block read out of the factors: bases (empty = identity) and eigenvalues, and the flat places of its parameters.
struct Block {
  lethe_site_info site;
  Matrix left, right, values;
  std::vector<int64_t> place;  // of values' elements in the flat buffer
};

std::vector<Block> blocks_of(const lethe_model* model, bool tied, const std::vector<double>& all) {
  const auto tensors = tensors_of(model);
  std::vector<Block> blocks;
  size_t at = 0;
  const auto take = [&](int64_t rows, int64_t columns) {
    Matrix matrix = zeros(rows, columns);
    std::copy_n(all.begin() + static_cast<int64_t>(at), matrix.values.size(), matrix.values.begin());
    at += (matrix.values.size() + 15) / 16 * 16;
    return matrix;
  };
  const auto sites = sites_of(model);
  for (size_t s = 0; s < sites.size(); ++s) {
    if (sites[s].kind == LETHE_SITE_HEAD && tied) continue;
    Block block{.site = sites[s], .left = {}, .right = {}, .values = {}, .place = {}};
    int64_t rows = 0, columns = 0;
    for (const auto& tensor : tensors) {
      if (tensor.site != static_cast<int32_t>(s)) continue;
      rows += tensor.rows, columns = tensor.columns;
      for (int64_t i = 0; i < tensor.rows * tensor.columns; ++i) block.place.push_back(tensor.offset + i);
    }
    if (block.site.kind == LETHE_SITE_LINEAR) block.left = take(rows, rows);
    if (block.site.kind != LETHE_SITE_NORM) block.right = take(columns, columns);
    block.values = take(rows, columns);
    blocks.push_back(std::move(block));
  }
  CHECK(at == all.size());
  return blocks;
}

Matrix part(const Block& block, const std::vector<double>& flat) {
  Matrix m = zeros(block.values.rows, block.values.columns);
  for (size_t i = 0; i < block.place.size(); ++i) m.values[i] = flat[static_cast<size_t>(block.place[i])];
  return m;
}

Matrix rotated(const Block& block, Matrix m, bool back) {
  if (block.left.rows > 0) m = times(back ? block.left : transposed(block.left), m);
  return block.right.rows > 0 ? times(m, back ? transposed(block.right) : block.right) : m;
}

void against_records(bool tied) {
  lethe_model_config config = tiny_config(LETHE_F64, tied);
  config.inner = 19;  // so that tensors have gaps after them
  const ModelHandle model = random_model(config, 1);
  const Ragged first = random_batch({4, 1, 9, 2}, 23, 2, 3), second = random_batch({5, 7, 3}, 23, 3);
  const KfacHandle kfac = make_kfac(model.get(), all_sites(model.get()), LETHE_FISHER_EMPIRICAL);
  const auto both = [&] {
    accumulate(kfac.get(), model.get(), first);
    accumulate(kfac.get(), model.get(), second);
  };
  both();
  CHECK_OK(lethe_kfac_decompose(kfac.get(), nullptr, err));
  const std::vector<Block> kronecker = blocks_of(model.get(), tied, numbers(kfac.get()));
  both();
  const std::vector<double> all = numbers(kfac.get());
  const std::vector<Block> corrected = blocks_of(model.get(), tied, all);

  std::vector<std::vector<double>> gradients;
  for (const Ragged* batch : {&first, &second})
    for (size_t b = 0; b < batch->records(); ++b) gradients.push_back(record_gradient(model.get(), *batch, b));
  for (size_t i = 0; i < corrected.size(); ++i) {
    const Block& block = corrected[i];
    if (block.left.rows > 0) check_orthonormal(block.left);
    if (block.right.rows > 0) check_orthonormal(block.right);
    Matrix squares = zeros(block.values.rows, block.values.columns);
    for (const auto& gradient : gradients) {
      const Matrix g = rotated(block, part(block, gradient), false);
      for (size_t j = 0; j < g.values.size(); ++j) squares.values[j] += g.values[j] * g.values[j];
    }
    const double error = relative(block.values.values, squares.values);
    if (!(error < 1e-9)) report(__FILE__, __LINE__, std::string(block.site.name) + ": " + std::to_string(error));
    // A norm's diagonal is exact after one pass already: the mean instead of the sum.
    if (block.site.kind == LETHE_SITE_NORM)
      for (size_t j = 0; j < squares.values.size(); ++j)
        CHECK_CLOSE(kronecker[i].values.values[j] * static_cast<double>(gradients.size()), squares.values[j], 1e-12);
  }

  // The same from what a ledger would keep of these records.
  const auto stored = [&](int64_t top_k, int32_t dtype) {
    const KfacHandle factors = make_kfac(model.get(), all_sites(model.get()), LETHE_FISHER_EMPIRICAL);
    for (const bool corrects : {false, true}) {
      for (const Ragged* batch : {&first, &second}) {
        const Captured captured = capture(model.get(), *batch, all_sites(model.get()), top_k, dtype);
        const lethe_entries entries = captured.view();
        CHECK_OK(lethe_kfac_accumulate_entries(factors.get(), model.get(), &entries, nullptr, err));
      }
      if (!corrects) CHECK_OK(lethe_kfac_decompose(factors.get(), nullptr, err));
    }
    return numbers(factors.get());
  };
  for (const int64_t top_k : {0, 23}) {  // of a vocabulary of 23
    const std::vector<Block> again = blocks_of(model.get(), tied, stored(top_k, LETHE_F64));
    for (size_t i = 0; i < again.size(); ++i) {
      const double error = relative(again[i].values.values, corrected[i].values.values);
      if (!(error < 1e-9)) report(__FILE__, __LINE__, std::string(again[i].site.name) + ": " + std::to_string(error));
    }
  }

  // Powers, against the same in plain loops; damping of a block's mean included.
  Random random(4);
  std::vector<double> v(static_cast<size_t>(layout_of(model.get()).flat_size));
  for (double& value : v) value = random.uniform();
  const VectorHandle in = make_vector(model.get()), out = make_vector(model.get());
  CHECK_OK(lethe_vector_write(in.get(), 0, static_cast<int64_t>(v.size()), LETHE_F64, v.data(),
                              static_cast<int64_t>(v.size()) * 8, err));
  for (const double power : {-1.0, 1.0, -0.5}) {
    CHECK_OK(lethe_kfac_apply(kfac.get(), 1e-3, 0.1, power, in.get(), out.get(), err));
    const std::vector<double> result = read(model.get(), out.get());
    for (const Block& block : corrected) {
      const auto records = static_cast<double>(gradients.size());
      const auto elements = static_cast<double>(block.values.values.size());
      double mean = 0;
      for (const double value : block.values.values) mean += value / records / elements;
      Matrix m = rotated(block, part(block, v), false);
      for (size_t j = 0; j < m.values.size(); ++j)
        m.values[j] *= std::pow(block.values.values[j] / records + 1e-3 + 0.1 * mean, power);
      CHECK(relative(part(block, result).values, rotated(block, m, true).values) < 1e-10);
    }
  }

  // The numbers make the same factors again; out may be in.
  const KfacHandle again = make_kfac(model.get(), all_sites(model.get()), LETHE_FISHER_EMPIRICAL, 2, 7);
  const auto count = static_cast<int64_t>(all.size());
  CHECK_OK(lethe_kfac_write(again.get(), 0, count, LETHE_F64, all.data(), count * 8, err));
  CHECK_OK(lethe_kfac_apply(kfac.get(), 0.5, 0, -1, in.get(), out.get(), err));
  CHECK_OK(lethe_kfac_apply(again.get(), 0.5, 0, -1, in.get(), in.get(), err));
  CHECK(read(model.get(), in.get()) == read(model.get(), out.get()));
}

// One batch whose records the head's chunks cut gives what its records give alone, whatever the threads.
void cut_records() {
  lethe_model_config config = tiny_config(LETHE_F64, true);
  config.vocabulary = 60000;  // 139 rows a chunk
  config.context = 100;
  config.layers = 1;
  const ModelHandle model = random_model(config, 1);
  const std::vector<uint8_t> sites = [&] {
    std::vector<uint8_t> mask(static_cast<size_t>(layout_of(model.get()).sites), 0);
    mask.front() = mask.back() = 1;
    return mask;
  }();
  const Ragged whole = random_batch({100, 70, 30, 40}, 60000, 2);
  const auto factors = [&](const std::vector<Ragged>& batches, int threads) {
    CHECK_OK(lethe_set_threads(threads, err));
    const KfacHandle kfac = make_kfac(model.get(), sites, LETHE_FISHER_SAMPLED);
    for (const Ragged& batch : batches) accumulate(kfac.get(), model.get(), batch);
    CHECK_OK(lethe_kfac_decompose(kfac.get(), nullptr, err));
    for (const Ragged& batch : batches) accumulate(kfac.get(), model.get(), batch);
    const VectorHandle v = make_vector(model.get());
    CHECK_OK(lethe_vector_random(v.get(), LETHE_NORMAL, 3, err));
    CHECK_OK(lethe_kfac_apply(kfac.get(), 0, 0, 1, v.get(), v.get(), err));
    return read(model.get(), v.get());
  };
  std::vector<Ragged> alone(whole.records());
  for (size_t b = 0; b < alone.size(); ++b) alone[b].add(whole, b);
  const std::vector<double> one = factors({whole}, 1), two = factors({whole}, 2), many = factors(alone, 2);
  CHECK(relative(two, one) < 1e-9);
  CHECK(relative(many, one) < 1e-9);
}

// Factors of entries over some sites are, to the bit, what factors over all hold of these, one after the other: whichever
// sites stand beside, though the head takes a block in pieces (279 rows of fp32 here).
void some_sites() {
  lethe_model_config config = tiny_config(LETHE_F32, true);
  config.vocabulary = 60000;
  config.context = 100;
  const ModelHandle model = random_model(config, 1);
  const std::vector<uint8_t> all = all_sites(model.get());
  const Captured captured = capture(model.get(), random_batch({100, 70, 90, 1, 100, 60}, 60000, 2, 3), all, 50, LETHE_BF16);
  const lethe_entries entries = captured.view();
  const auto factors = [&](const std::vector<uint8_t>& sites) {
    const KfacHandle kfac = make_kfac(model.get(), sites, LETHE_FISHER_EMPIRICAL);
    CHECK_OK(lethe_kfac_accumulate_entries(kfac.get(), model.get(), &entries, nullptr, err));
    CHECK_OK(lethe_kfac_decompose(kfac.get(), nullptr, err));
    CHECK_OK(lethe_kfac_accumulate_entries(kfac.get(), model.get(), &entries, nullptr, err));
    return numbers(kfac.get());
  };
  for (const int threads : {1, 2}) {
    CHECK_OK(lethe_set_threads(threads, err));
    std::vector<double> parts;
    for (const auto& [from, to] : {std::pair<size_t, size_t>{0, 1}, {1, 4}, {4, 9}, {9, all.size() - 1}}) {  // the table is whole
      std::vector<uint8_t> some(all.size(), 0);
      std::fill(some.begin() + static_cast<int64_t>(from), some.begin() + static_cast<int64_t>(to), uint8_t{1});
      const std::vector<double> own = factors(some);
      parts.insert(parts.end(), own.begin(), own.end());
    }
    CHECK(parts == factors(all));
  }
}

// With targets drawn from the model, F = E[n g g^T]: two targets, all 23 * 23 label pairs enumerated.
void sampled_labels() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 1);
  Ragged record;
  record.add({3, 7, 11}, {5, LETHE_IGNORE_TARGET, 2}, 1);
  std::vector<double> logits(3 * 23);
  const lethe_batch view = record.view();
  CHECK_OK(lethe_model_logits(model.get(), &view, logits.data(), 3 * 23 * 8, err));
  const auto probability = [&](size_t row, size_t label) {
    double sum = 0;
    for (size_t v = 0; v < 23; ++v) sum += std::exp(logits[row * 23 + v]);
    return std::exp(logits[row * 23 + label]) / sum;
  };
  const std::vector<uint8_t> final_norm = only_site(model.get(), 14);
  std::vector<double> mean(16), square(16);  // of n g^2 at ln_f's weight and bias
  const auto tensors = tensors_of(model.get());
  const auto tensor = std::find_if(tensors.begin(), tensors.end(), [](const auto& t) { return t.site == 14; });
  for (int32_t y = 0; y < 23; ++y) {
    for (int32_t z = 0; z < 23; ++z) {
      record.targets = {y, LETHE_IGNORE_TARGET, z};
      const std::vector<double> g = record_gradient(model.get(), record, 0);
      const double p = probability(0, static_cast<size_t>(y)) * probability(2, static_cast<size_t>(z));
      for (size_t i = 0; i < 16; ++i) {
        const double value = 2 * std::pow(g[static_cast<size_t>(tensor[i / 8].offset) + i % 8], 2);
        mean[i] += p * value;
        square[i] += p * value * value;
      }
    }
  }
  record.targets = {5, LETHE_IGNORE_TARGET, 2};
  Ragged copies;
  constexpr int kCopies = 20000;
  for (int i = 0; i < kCopies; ++i) copies.add(record, 0);
  const KfacHandle kfac = make_kfac(model.get(), final_norm, LETHE_FISHER_SAMPLED);
  accumulate(kfac.get(), model.get(), copies);
  CHECK_OK(lethe_kfac_decompose(kfac.get(), nullptr, err));
  const std::vector<double> estimated = numbers(kfac.get());
  for (size_t i = 0; i < 16; ++i)
    CHECK_CLOSE(estimated[i], mean[i], 5 * std::sqrt((square[i] - mean[i] * mean[i]) / kCopies));
}

void refusals() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 1);
  const Ragged batch = random_batch({4, 3}, 23, 2);
  const lethe_batch view = batch.view();
  std::vector<double> losses(2);
  const KfacHandle kfac = make_kfac(model.get(), only_site(model.get(), 3), LETHE_FISHER_EMPIRICAL);
  const VectorHandle v = make_vector(model.get());
  CHECK_OK(lethe_vector_random(v.get(), LETHE_NORMAL, 3, err));
  CHECK_REFUSED(lethe_kfac_apply(kfac.get(), 1, 0, -1, v.get(), v.get(), err), LETHE_INVALID_ARGUMENT, "not decomposed");
  CHECK_REFUSED(lethe_kfac_decompose(kfac.get(), nullptr, err), LETHE_INVALID_ARGUMENT, "no batch");
  accumulate(kfac.get(), model.get(), batch);
  CHECK_OK(lethe_kfac_decompose(kfac.get(), nullptr, err));
  CHECK_REFUSED(lethe_kfac_decompose(kfac.get(), nullptr, err), LETHE_INVALID_ARGUMENT, "already");
  CHECK_REFUSED(lethe_kfac_apply(kfac.get(), 0, 0, -1, v.get(), v.get(), err), LETHE_INVALID_ARGUMENT,
                "h.0.attn.c_attn has a zero eigenvalue");
  CHECK_REFUSED(lethe_kfac_apply(kfac.get(), -1, 0, -1, v.get(), v.get(), err), LETHE_INVALID_ARGUMENT, "damping is -1");
  CHECK_OK(lethe_kfac_apply(kfac.get(), 1, 0, -1, v.get(), v.get(), err));
  const std::vector<double> chosen = read(model.get(), v.get());
  CHECK(chosen[0] == 0 && chosen[static_cast<size_t>(tensors_of(model.get())[4].offset)] != 0);

  const ModelHandle narrow = make_model(tiny_config(LETHE_F32, true));
  CHECK_REFUSED(lethe_kfac_accumulate(kfac.get(), narrow.get(), &view, losses.data(), nullptr, err),
                LETHE_INVALID_ARGUMENT, "another shape or dtype");
  const int32_t cancelled = 1;
  CHECK_REFUSED(lethe_kfac_accumulate(kfac.get(), model.get(), &view, losses.data(), &cancelled, err), LETHE_CANCELLED, "");
  CHECK_REFUSED(lethe_kfac_apply(kfac.get(), 1, 0, -1, v.get(), v.get(), err), LETHE_INVALID_ARGUMENT, "whose pass failed");

  const KfacHandle sampled = make_kfac(model.get(), only_site(model.get(), 3), LETHE_FISHER_SAMPLED);
  const KfacHandle fresh = make_kfac(model.get(), only_site(model.get(), 3), LETHE_FISHER_EMPIRICAL);
  Captured captured = capture(model.get(), batch, all_sites(model.get()), 0, LETHE_F64);
  lethe_entries entries = captured.view();
  CHECK_REFUSED(lethe_kfac_accumulate_entries(sampled.get(), model.get(), &entries, nullptr, err), LETHE_INVALID_ARGUMENT,
                "factors over sampled ones need a pass");
  captured = capture(model.get(), batch, only_site(model.get(), 4), 0, LETHE_F64);
  entries = captured.view();
  CHECK_REFUSED(lethe_kfac_accumulate_entries(fresh.get(), model.get(), &entries, nullptr, err), LETHE_INVALID_ARGUMENT,
                "the entries do not hold h.0.attn.c_attn");
  captured = capture(model.get(), batch, only_site(model.get(), 3), 0, LETHE_F64, 2);
  entries = captured.view();
  CHECK_REFUSED(lethe_kfac_accumulate_entries(fresh.get(), model.get(), &entries, nullptr, err), LETHE_INVALID_ARGUMENT,
                "entry 0 keeps fewer rows at h.0.attn.c_attn");

  auto options = sized<lethe_kfac_options>();
  const std::vector<uint8_t> none(16, 0);
  options.sites = none.data();
  options.site_count = 16;
  lethe_kfac* out = nullptr;
  CHECK_REFUSED(lethe_kfac_create(model.get(), &options, &out, err), LETHE_INVALID_ARGUMENT, "chooses no site");
  options.fisher = 2;
  CHECK_REFUSED(lethe_kfac_create(model.get(), &options, &out, err), LETHE_INVALID_ARGUMENT, "options.fisher is 2");
}

}  // namespace

int main() {
  against_records(true);
  against_records(false);
  cut_records();
  some_sites();
  sampled_labels();
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
