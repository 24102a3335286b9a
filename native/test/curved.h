// Curvature products over the C ABI, for the tests of them.
#pragma once

#include "captured.h"

namespace test {

using Vector = std::vector<double>;

// What one call gives.
struct Curved {
  std::vector<Vector> products;  // [K]
  Vector quadratic;              // [B, K]
  Vector losses;
};

inline VectorHandle upload(const lethe_model* model, const Vector& values) {
  VectorHandle vector = make_vector(model);
  const auto count = static_cast<int64_t>(values.size());
  CHECK_OK(lethe_vector_write(vector.get(), 0, count, LETHE_F64, values.data(), count * 8, err));
  return vector;
}

// `start`, if not empty, is what the products hold before a call that accumulates.
inline Curved curvature(lethe_model* model, const Ragged& batch, int32_t kind, const std::vector<Vector>& directions,
                 const std::vector<uint8_t>& sites = {}, const Vector& start = {}) {
  std::vector<VectorHandle> owned;
  std::vector<const lethe_vector*> in;
  std::vector<lethe_vector*> out;
  for (const Vector& direction : directions) {
    owned.push_back(upload(model, direction));
    in.push_back(owned.back().get());
    // Without accumulating, what was there before must not matter.
    owned.push_back(upload(model, start.empty() ? Vector(direction.size(), 7.0) : start));
    out.push_back(owned.back().get());
  }
  Curved result;
  result.quadratic.resize(batch.records() * directions.size());
  result.losses.resize(batch.records());
  auto options = sized<lethe_curvature>();
  options.kind = kind;
  options.accumulate = !start.empty();
  options.count = static_cast<int64_t>(directions.size());
  options.directions = in.data();
  options.products = out.data();
  options.sites = sites.empty() ? nullptr : sites.data();
  options.quadratic = result.quadratic.data();
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_model_curvature(model, &view, &options, result.losses.data(), nullptr, err));
  for (const lethe_vector* product : out) result.products.push_back(read(model, product));

  // Quadratic forms alone take another way through the passes.
  Vector alone(result.quadratic.size());
  options.products = nullptr;
  options.quadratic = alone.data();
  CHECK_OK(lethe_model_curvature(model, &view, &options, result.losses.data(), nullptr, err));
  CHECK(alone == result.quadratic);
  return result;
}

// Random where parameters are, zero in the gaps and outside the sites' tensors.
inline Vector random_direction(const lethe_model* model, uint64_t seed, const std::vector<uint8_t>& sites = {}) {
  Random random(seed);
  Vector values(static_cast<size_t>(layout_of(model).flat_size));
  for (const lethe_tensor_info& tensor : tensors_of(model)) {
    for (int64_t i = tensor.offset; i < tensor.offset + tensor.rows * tensor.columns; ++i) {
      const double value = random.uniform();
      if (sites.empty() || sites[static_cast<size_t>(tensor.site)]) values[static_cast<size_t>(i)] = value;
    }
  }
  return values;
}

}  // namespace test
