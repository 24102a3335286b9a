// Flat buffers: layout, initialisation, copies with conversion, and vectors.
#include <cstring>

#include "captured.h"

using namespace test;

namespace {

void layout() {
  for (const bool tied : {true, false}) {
    const ModelHandle model = make_model(tiny_config(LETHE_F32, tied));
    const lethe_layout layout = layout_of(model.get());
    const auto tensors = tensors_of(model.get());
    CHECK(layout.sites == 16 && layout.tensors == (tied ? 28 : 29) && tensors[0].site == 0);
    int64_t end = 0, parameters = 0;
    for (const auto& tensor : tensors) {
      CHECK(tensor.offset % 16 == 0 && tensor.offset >= end && tensor.offset < end + 16);
      end = tensor.offset + tensor.rows * tensor.columns;
      parameters += tensor.rows * tensor.columns;
    }
    CHECK(layout.parameters == parameters && layout.flat_size % 16 == 0 && layout.flat_size >= end);
    CHECK(std::string(tensors[4].name) == "h.0.attn.c_attn.weight" && tensors[4].rows == 8 && tensors[4].columns == 24);
    const lethe_site_info& head = sites_of(model.get())[15];
    CHECK(std::string(head.name) == "lm_head" && head.kind == LETHE_SITE_HEAD && head.inputs == 8 &&
          head.outputs == 23);
  }
}

void roles() {
  const std::vector<int32_t> outside{LETHE_ROLE_EMBEDDING, LETHE_ROLE_POSITION, LETHE_ROLE_NORM, LETHE_ROLE_HEAD};
  const std::vector<int32_t> inside{LETHE_ROLE_NORM, LETHE_ROLE_ATTENTION_INPUT, LETHE_ROLE_ATTENTION_OUTPUT,
                                    LETHE_ROLE_NORM, LETHE_ROLE_MLP_INPUT, LETHE_ROLE_MLP_OUTPUT};
  std::vector<int32_t> expected{outside[0], outside[1]};
  for (int block = 0; block < 2; ++block) expected.insert(expected.end(), inside.begin(), inside.end());
  expected.insert(expected.end(), outside.begin() + 2, outside.end());
  const auto sites = describe(tiny_config(LETHE_F32, true)).sites;
  CHECK(sites.size() == expected.size());
  for (size_t i = 0; i < sites.size(); ++i) {
    CHECK(sites[i].role == expected[i]);
    CHECK(sites[i].block == (i < 2 || i >= 14 ? -1 : i < 8 ? 0 : 1));
  }
}

// Asked of a configuration alone: of one too large to be made, too.
void unmade() {
  lethe_model_config config = tiny_config(LETHE_F32, true);
  config.vocabulary = config.channels = int64_t{1} << 26;
  CHECK(describe(config).layout.parameters > int64_t{1} << 52);
  CHECK(lethe_live_handles() == 0);
  lethe_tensor_info tensors[28];
  CHECK_REFUSED(lethe_model_tensors(&config, tensors, 27, err), LETHE_INVALID_ARGUMENT, "the model has 28 tensors");
  lethe_site_info sites[16];
  CHECK_REFUSED(lethe_model_sites(&config, sites, -1, err), LETHE_INVALID_ARGUMENT, "the model has 16 sites");
  config.heads = 3;
  auto layout = sized<lethe_layout>();
  CHECK_REFUSED(lethe_model_layout(&config, &layout, err), LETHE_INVALID_ARGUMENT, "not divisible by heads 3");
}

void initialisation() {
  lethe_model_config config = tiny_config(LETHE_F32, true);
  config.channels = 64;
  config.inner = 256;
  const ModelHandle a = make_model(config), b = make_model(config), c = make_model(config);
  CHECK_OK(lethe_set_threads(1, err));
  CHECK_OK(lethe_model_initialize(a.get(), 7, err));
  CHECK_OK(lethe_set_threads(2, err));
  CHECK_OK(lethe_model_initialize(b.get(), 7, err));
  CHECK_OK(lethe_model_initialize(c.get(), 8, err));
  const std::vector<double> values = read(a.get(), LETHE_PARAMETERS);
  CHECK(values == read(b.get(), LETHE_PARAMETERS));
  CHECK(values != read(c.get(), LETHE_PARAMETERS));
  for (const auto& tensor : tensors_of(a.get())) {
    double sum = 0, squares = 0;
    const auto count = static_cast<double>(tensor.rows * tensor.columns);
    for (int64_t i = tensor.offset; i < tensor.offset + tensor.rows * tensor.columns; ++i) {
      sum += values[static_cast<size_t>(i)];
      squares += values[static_cast<size_t>(i)] * values[static_cast<size_t>(i)];
    }
    const std::string name = tensor.name;
    if (tensor.dimensions == 2) {
      const double deviation = name.ends_with("c_proj.weight") ? 0.01 : 0.02;  // 0.02 / sqrt(2 * 2 layers)
      CHECK_CLOSE(std::sqrt(squares / count) / deviation, 1.0, 4 / std::sqrt(2 * count));
      CHECK_CLOSE(sum / count / deviation, 0.0, 4 / std::sqrt(count));
    } else {
      const bool scale = name.find("ln_") != std::string::npos && name.ends_with("weight");
      CHECK(sum == (scale ? count : 0));
    }
  }
}

void conversions() {
  const ModelHandle model = make_model(tiny_config(LETHE_F32, true));
  lethe_vector* parameters = vector_of(model.get(), LETHE_PARAMETERS);
  const float values[4] = {1.5f, -2.25f, 0.1f, 65504.0f};
  CHECK_OK(lethe_vector_write(parameters, 3, 4, LETHE_F32, values, 16, err));
  uint16_t half[4], brain[4];
  double wide[4];
  CHECK_OK(lethe_vector_read(parameters, 3, 4, LETHE_F16, half, 8, err));
  CHECK_OK(lethe_vector_read(parameters, 3, 4, LETHE_BF16, brain, 8, err));
  CHECK_OK(lethe_vector_read(parameters, 3, 4, LETHE_F64, wide, 32, err));
  CHECK(half[0] == 0x3E00 && half[1] == 0xC080 && half[3] == 0x7BFF && brain[0] == 0x3FC0 && brain[1] == 0xC010);
  CHECK(wide[2] == static_cast<double>(0.1f));
  CHECK_OK(lethe_vector_write(parameters, 8, 4, LETHE_F16, half, 8, err));
  // From memory that is aligned to nothing, as a tensor inside a mapped file may be.
  char bytes[17];
  std::memcpy(bytes + 1, values, 16);
  CHECK_OK(lethe_vector_write(parameters, 12, 4, LETHE_F32, bytes + 1, 16, err));
  const std::vector<double> all = read(model.get(), LETHE_PARAMETERS);
  CHECK(all[8] == 1.5 && all[9] == -2.25 && all[11] == 65504 && all[13] == -2.25 && all[14] == wide[2]);

  // Moments are zeros until something else; the gaps between tensors cannot be written.
  std::vector<double> ones(all.size(), 1.0);
  CHECK(read(model.get(), LETHE_MOMENT2) == std::vector<double>(all.size()));
  write(model.get(), LETHE_MOMENT1, ones);
  const std::vector<double> written = read(model.get(), LETHE_MOMENT1);
  double sum = 0;
  for (const double value : written) sum += value;
  CHECK(sum == static_cast<double>(layout_of(model.get()).parameters));
}

void vectors() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 2);
  const std::vector<double> w = read(model.get(), LETHE_PARAMETERS);
  const VectorHandle a = make_vector(model.get()), b = make_vector(model.get());
  copy(a.get(), vector_of(model.get(), LETHE_PARAMETERS));
  CHECK_OK(lethe_vector_combine(b.get(), 1.0, 2.0, a.get(), nullptr, err));
  CHECK_OK(lethe_vector_combine(b.get(), 0.25, 0, nullptr, nullptr, err));
  double dot = 0, expected = 0, at_site = 0, expected_at_site = 0;
  CHECK_OK(lethe_vector_dot(a.get(), b.get(), nullptr, &dot, err));
  for (const double value : w) expected += value * value / 2;
  CHECK_CLOSE(dot, expected, 1e-12);

  std::vector<uint8_t> sites(16);
  sites[3] = 1;  // h.0.attn.c_attn: tensors 4 and 5
  const auto tensors = tensors_of(model.get());
  const auto begin = static_cast<size_t>(tensors[4].offset), end = static_cast<size_t>(tensors[6].offset);
  for (size_t i = begin; i < end; ++i) expected_at_site += w[i] * w[i] / 2;
  CHECK_OK(lethe_vector_dot(a.get(), b.get(), sites.data(), &at_site, err));
  CHECK_CLOSE(at_site, expected_at_site, 1e-12);

  CHECK_OK(lethe_vector_combine(vector_of(model.get(), LETHE_PARAMETERS), 1, -1.0, b.get(), sites.data(), err));
  const std::vector<double> moved = read(model.get(), LETHE_PARAMETERS);
  for (size_t i = 0; i < w.size(); ++i) CHECK_CLOSE(moved[i], i >= begin && i < end ? w[i] / 2 : w[i], 1e-15);

  copy(vector_of(model.get(), LETHE_GRADIENT), b.get());
  CHECK(read(model.get(), LETHE_GRADIENT)[begin] == w[begin] / 2);
  const double nan = std::nan("");
  CHECK_OK(lethe_vector_write(b.get(), 0, 1, LETHE_F64, &nan, 8, err));
  CHECK_OK(lethe_vector_combine(b.get(), 0.0, 0, nullptr, nullptr, err));
  CHECK_OK(lethe_vector_dot(b.get(), b.get(), nullptr, &dot, err));
  CHECK(dot == 0);

  // y = b y + a x on a site's tensors only; 0 does not read what it multiplies.
  copy(b.get(), vector_of(model.get(), LETHE_GRADIENT));
  const std::vector<double> before = read(model.get(), LETHE_GRADIENT);
  CHECK_OK(lethe_vector_combine(b.get(), -0.5, 3.0, a.get(), sites.data(), err));
  CHECK_OK(lethe_vector_write(a.get(), 0, 1, LETHE_F64, &nan, 8, err));
  CHECK_OK(lethe_vector_combine(a.get(), 0, 2.0, b.get(), nullptr, err));
  copy(vector_of(model.get(), LETHE_GRADIENT), a.get());
  const std::vector<double> doubled = read(model.get(), LETHE_GRADIENT);
  for (size_t i = 0; i < w.size(); ++i) {
    const double expected_here = i >= begin && i < end ? -0.5 * before[i] + 3 * w[i] : before[i];
    CHECK_CLOSE(doubled[i], 2 * expected_here, 1e-15);
  }
  CHECK_REFUSED(lethe_vector_combine(a.get(), 1, 1, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "x is NULL");

  // v = 0.5 v + 2 w^2, then y / (sqrt(v) + 0.1) on a site's tensors only.
  const VectorHandle v = make_vector(model.get()), y = make_vector(model.get());
  copy(y.get(), vector_of(model.get(), LETHE_PARAMETERS));
  CHECK_OK(lethe_vector_add_square(v.get(), 0, 4.0, y.get(), err));
  CHECK_OK(lethe_vector_add_square(v.get(), 0.5, 2.0, y.get(), err));
  CHECK_OK(lethe_vector_divide_root(y.get(), v.get(), 0.1, sites.data(), err));
  copy(vector_of(model.get(), LETHE_GRADIENT), y.get());
  const std::vector<double> divided = read(model.get(), LETHE_GRADIENT);
  for (size_t i = 0; i < w.size(); ++i) {
    CHECK_CLOSE(divided[i], i >= begin && i < end ? moved[i] / (2 * std::abs(moved[i]) + 0.1) : moved[i], 1e-14);
  }
  CHECK_REFUSED(lethe_vector_divide_root(y.get(), v.get(), 0, nullptr, err), LETHE_INVALID_ARGUMENT, "must be above 0");

  const ModelHandle other = make_model(tiny_config(LETHE_F64, false)),
                    narrow = make_model(tiny_config(LETHE_F32, true));
  const auto combine = [&](lethe_model* with, lethe_error* err) {
    return lethe_vector_combine(vector_of(with, LETHE_PARAMETERS), 1, 1, a.get(), nullptr, err);
  };
  CHECK_REFUSED(combine(other.get(), err), LETHE_INVALID_ARGUMENT, "another shape");
  CHECK_REFUSED(combine(narrow.get(), err), LETHE_INVALID_ARGUMENT, "another dtype");
  CHECK_REFUSED(lethe_vector_combine(a.get(), 1, nan, b.get(), nullptr, err), LETHE_INVALID_ARGUMENT, "must be finite");
}

// A model's own buffers: the same handle each time, seen by its passes and steps, never counted, only its own to destroy.
void borrowed() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 3);
  const Ragged batch = random_batch({4, 2}, 23, 3);
  lethe_vector* parameters = vector_of(model.get(), LETHE_PARAMETERS);
  CHECK(parameters == vector_of(model.get(), LETHE_PARAMETERS));
  lethe_vector_destroy(parameters);
  const int64_t alive = lethe_live_handles();
  lethe_vector* gradient_vector = vector_of(model.get(), LETHE_GRADIENT);
  CHECK(lethe_live_handles() == alive);
  const std::vector<double> before = evaluate(model.get(), batch), g = gradient(model.get(), batch);
  CHECK(read(model.get(), gradient_vector) == g);
  CHECK_OK(lethe_vector_combine(parameters, 1, 1e-3, gradient_vector, nullptr, err));
  const std::vector<double> after = evaluate(model.get(), batch);
  CHECK(batch.weights[0] * after[0] + batch.weights[1] * after[1] >
        batch.weights[0] * before[0] + batch.weights[1] * before[1]);

  // Moments that were asked for are those a step uses.
  lethe_vector* moment = vector_of(model.get(), LETHE_MOMENT1);
  CHECK(read(model.get(), moment) == std::vector<double>(g.size()));
  auto step = sized<lethe_adamw>();
  step.learning_rate = 1e-3, step.beta1 = 0.75, step.beta2 = 0.5, step.epsilon = 1e-8, step.step = 1;
  CHECK_OK(lethe_model_adamw(model.get(), &step, nullptr, err));
  const std::vector<double> mean = read(model.get(), moment);
  for (size_t i = 0; i < g.size(); ++i) CHECK_CLOSE(mean[i], 0.25 * g[i], 1e-15);

  lethe_vector* none = nullptr;
  for (const int32_t buffer : {-1, 4})
    CHECK_REFUSED(lethe_model_vector(model.get(), buffer, &none, err), LETHE_INVALID_ARGUMENT, "allowed 0 (parameters)");
  auto options = sized<lethe_curvature>();
  const lethe_vector* direction = gradient_vector;
  options.count = 1, options.directions = &direction, options.products = &parameters;
  const lethe_batch view = batch.view();
  double losses[2];
  CHECK_REFUSED(lethe_model_curvature(model.get(), &view, &options, losses, nullptr, err), LETHE_INVALID_ARGUMENT,
                "curvature.products[0] is the model's own parameters");
}

// Moments, independence of neighbours, and the same numbers for every thread count and dtype.
void random_vectors() {
  lethe_model_config config = tiny_config(LETHE_F64, true), narrow_config = tiny_config(LETHE_F32, true);
  config.vocabulary = narrow_config.vocabulary = 5003;
  const ModelHandle model = make_model(config), narrow = make_model(narrow_config);
  const VectorHandle wide_vector = make_vector(model.get()), narrow_vector = make_vector(narrow.get());
  const auto count = static_cast<double>(layout_of(model.get()).parameters);
  for (const int32_t distribution : {LETHE_RADEMACHER, LETHE_NORMAL}) {
    const auto draw = [&](uint64_t seed) {
      CHECK_OK(lethe_vector_random(wide_vector.get(), distribution, seed, err));
      copy(vector_of(model.get(), LETHE_GRADIENT), wide_vector.get());
      return read(model.get(), LETHE_GRADIENT);
    };
    CHECK_OK(lethe_set_threads(1, err));
    const std::vector<double> values = draw(11);
    CHECK_OK(lethe_set_threads(2, err));
    CHECK(draw(11) == values);
    CHECK(draw(12) != values);
    CHECK_OK(lethe_vector_random(narrow_vector.get(), distribution, 11, err));
    copy(vector_of(narrow.get(), LETHE_GRADIENT), narrow_vector.get());
    const std::vector<double> rounded = read(narrow.get(), LETHE_GRADIENT);
    double sum = 0, squares = 0, fourth = 0, neighbours = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(rounded[i] == static_cast<double>(static_cast<float>(values[i])));
      sum += values[i];
      squares += values[i] * values[i];
      fourth += std::pow(values[i], 4);
      if (i > 0) neighbours += values[i] * values[i - 1];
    }
    const double error = 5 / std::sqrt(count);  // five standard errors of a mean
    CHECK_CLOSE(sum / count, 0.0, error);
    CHECK_CLOSE(neighbours / count, 0.0, error);
    if (distribution == LETHE_RADEMACHER) CHECK(squares == count && fourth == count);  // gaps are zero, all else +-1
    if (distribution == LETHE_NORMAL) {
      CHECK_CLOSE(squares / count, 1.0, error * std::sqrt(2.0));
      CHECK_CLOSE(fourth / count, 3.0, error * std::sqrt(96.0));
    }
  }
  CHECK_REFUSED(lethe_vector_random(wide_vector.get(), 2, 0, err), LETHE_INVALID_ARGUMENT, "distribution is 2");
}

}  // namespace

int main() {
  layout();
  roles();
  unmade();
  initialisation();
  conversions();
  vectors();
  borrowed();
  random_vectors();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
