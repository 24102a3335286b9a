// Flat buffers: layout, initialisation, copies with conversion, and vectors.
#include <cstring>

#include "check.h"

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
    auto site = sized<lethe_site_info>();
    CHECK_OK(lethe_model_site(model.get(), 15, &site, err));
    CHECK(std::string(site.name) == "lm_head" && site.kind == LETHE_SITE_HEAD && site.inputs == 8 &&
          site.outputs == 23);
  }
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
  const float values[4] = {1.5f, -2.25f, 0.1f, 65504.0f};
  CHECK_OK(lethe_model_write(model.get(), LETHE_PARAMETERS, 3, 4, LETHE_F32, values, 16, err));
  uint16_t half[4], brain[4];
  double wide[4];
  CHECK_OK(lethe_model_read(model.get(), LETHE_PARAMETERS, 3, 4, LETHE_F16, half, 8, err));
  CHECK_OK(lethe_model_read(model.get(), LETHE_PARAMETERS, 3, 4, LETHE_BF16, brain, 8, err));
  CHECK_OK(lethe_model_read(model.get(), LETHE_PARAMETERS, 3, 4, LETHE_F64, wide, 32, err));
  CHECK(half[0] == 0x3E00 && half[1] == 0xC080 && half[3] == 0x7BFF && brain[0] == 0x3FC0 && brain[1] == 0xC010);
  CHECK(wide[2] == static_cast<double>(0.1f));
  CHECK_OK(lethe_model_write(model.get(), LETHE_PARAMETERS, 8, 4, LETHE_F16, half, 8, err));
  // From memory that is aligned to nothing, as a tensor inside a mapped file may be.
  char bytes[17];
  std::memcpy(bytes + 1, values, 16);
  CHECK_OK(lethe_model_write(model.get(), LETHE_PARAMETERS, 12, 4, LETHE_F32, bytes + 1, 16, err));
  const std::vector<double> all = read(model.get(), LETHE_PARAMETERS);
  CHECK(all[8] == 1.5 && all[9] == -2.25 && all[11] == 65504 && all[13] == -2.25 && all[14] == wide[2]);

  // Moments read as zeros before they exist; the gaps between tensors cannot be written.
  std::vector<double> ones(all.size(), 1.0);
  CHECK(read(model.get(), LETHE_MOMENT2) == std::vector<double>(all.size()));
  write(model.get(), LETHE_MOMENT1, ones);
  const std::vector<double> written = read(model.get(), LETHE_MOMENT1);
  double sum = 0;
  for (const double value : written) sum += value;
  CHECK(sum == static_cast<double>(layout_of(model.get()).parameters));
}

VectorHandle vector_of(lethe_model* model) {
  lethe_vector* vector = nullptr;
  CHECK_OK(lethe_vector_create(model, &vector, err));
  return VectorHandle(vector);
}

void vectors() {
  const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 2);
  const std::vector<double> w = read(model.get(), LETHE_PARAMETERS);
  const VectorHandle a = vector_of(model.get()), b = vector_of(model.get());
  CHECK_OK(lethe_vector_load(a.get(), model.get(), LETHE_PARAMETERS, err));
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

  CHECK_OK(lethe_model_add(model.get(), -1.0, b.get(), sites.data(), err));
  const std::vector<double> moved = read(model.get(), LETHE_PARAMETERS);
  for (size_t i = 0; i < w.size(); ++i) CHECK_CLOSE(moved[i], i >= begin && i < end ? w[i] / 2 : w[i], 1e-15);

  CHECK_OK(lethe_vector_store(b.get(), model.get(), LETHE_GRADIENT, err));
  CHECK(read(model.get(), LETHE_GRADIENT)[begin] == w[begin] / 2);
  const double nan = std::nan("");
  CHECK_OK(lethe_vector_write(b.get(), 0, 1, LETHE_F64, &nan, 8, err));
  CHECK_OK(lethe_vector_combine(b.get(), 0.0, 0, nullptr, nullptr, err));
  CHECK_OK(lethe_vector_dot(b.get(), b.get(), nullptr, &dot, err));
  CHECK(dot == 0);

  // y = b y + a x on a site's tensors only; 0 does not read what it multiplies.
  CHECK_OK(lethe_vector_load(b.get(), model.get(), LETHE_GRADIENT, err));
  const std::vector<double> before = read(model.get(), LETHE_GRADIENT);
  CHECK_OK(lethe_vector_combine(b.get(), -0.5, 3.0, a.get(), sites.data(), err));
  CHECK_OK(lethe_vector_write(a.get(), 0, 1, LETHE_F64, &nan, 8, err));
  CHECK_OK(lethe_vector_combine(a.get(), 0, 2.0, b.get(), nullptr, err));
  CHECK_OK(lethe_vector_store(a.get(), model.get(), LETHE_GRADIENT, err));
  const std::vector<double> doubled = read(model.get(), LETHE_GRADIENT);
  for (size_t i = 0; i < w.size(); ++i) {
    const double expected_here = i >= begin && i < end ? -0.5 * before[i] + 3 * w[i] : before[i];
    CHECK_CLOSE(doubled[i], 2 * expected_here, 1e-15);
  }
  CHECK_REFUSED(lethe_vector_combine(a.get(), 1, 1, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "x is NULL");

  // v = 0.5 v + 2 w^2, then y / (sqrt(v) + 0.1) on a site's tensors only.
  const VectorHandle v = vector_of(model.get()), y = vector_of(model.get());
  CHECK_OK(lethe_vector_load(y.get(), model.get(), LETHE_PARAMETERS, err));
  CHECK_OK(lethe_vector_add_square(v.get(), 0, 4.0, y.get(), err));
  CHECK_OK(lethe_vector_add_square(v.get(), 0.5, 2.0, y.get(), err));
  CHECK_OK(lethe_vector_divide_root(y.get(), v.get(), 0.1, sites.data(), err));
  CHECK_OK(lethe_vector_store(y.get(), model.get(), LETHE_GRADIENT, err));
  const std::vector<double> divided = read(model.get(), LETHE_GRADIENT);
  for (size_t i = 0; i < w.size(); ++i) {
    CHECK_CLOSE(divided[i], i >= begin && i < end ? moved[i] / (2 * std::abs(moved[i]) + 0.1) : moved[i], 1e-14);
  }
  CHECK_REFUSED(lethe_vector_divide_root(y.get(), v.get(), 0, nullptr, err), LETHE_INVALID_ARGUMENT, "must be above 0");

  const ModelHandle other = make_model(tiny_config(LETHE_F64, false)),
                    narrow = make_model(tiny_config(LETHE_F32, true));
  CHECK_REFUSED(lethe_vector_load(a.get(), other.get(), LETHE_PARAMETERS, err), LETHE_INVALID_ARGUMENT,
                "another shape");
  CHECK_REFUSED(lethe_model_add(narrow.get(), 1, a.get(), nullptr, err), LETHE_INVALID_ARGUMENT, "another dtype");
  CHECK_REFUSED(lethe_vector_combine(a.get(), 1, nan, b.get(), nullptr, err), LETHE_INVALID_ARGUMENT, "must be finite");
}

// Moments, independence of neighbours, and the same numbers for every thread count and dtype.
void random_vectors() {
  lethe_model_config config = tiny_config(LETHE_F64, true), narrow_config = tiny_config(LETHE_F32, true);
  config.vocabulary = narrow_config.vocabulary = 5003;
  const ModelHandle model = make_model(config), narrow = make_model(narrow_config);
  const VectorHandle wide_vector = vector_of(model.get()), narrow_vector = vector_of(narrow.get());
  const auto count = static_cast<double>(layout_of(model.get()).parameters);
  for (const int32_t distribution : {LETHE_RADEMACHER, LETHE_NORMAL}) {
    const auto draw = [&](uint64_t seed) {
      CHECK_OK(lethe_vector_random(wide_vector.get(), distribution, seed, err));
      CHECK_OK(lethe_vector_store(wide_vector.get(), model.get(), LETHE_GRADIENT, err));
      return read(model.get(), LETHE_GRADIENT);
    };
    CHECK_OK(lethe_set_threads(1, err));
    const std::vector<double> values = draw(11);
    CHECK_OK(lethe_set_threads(2, err));
    CHECK(draw(11) == values);
    CHECK(draw(12) != values);
    CHECK_OK(lethe_vector_random(narrow_vector.get(), distribution, 11, err));
    CHECK_OK(lethe_vector_store(narrow_vector.get(), narrow.get(), LETHE_GRADIENT, err));
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
  initialisation();
  conversions();
  vectors();
  random_vectors();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
