// Exports of free vectors in parameter space.
#include <cmath>
#include <memory>

#include "flat.h"
#include "guard.h"
#include "model.h"

namespace {

using namespace lethe;

// Two buffers that are added or multiplied must come from models of one shape, dtype and device.
void require_same_space(const Layout& a, const at::Tensor& a_values, const Layout& b, const at::Tensor& b_values) {
  require(a.shape() == b.shape(), "the vector belongs to a model of another shape");
  require(a_values.scalar_type() == b_values.scalar_type(), "the vector belongs to a model of another dtype");
  require(a_values.device() == b_values.device(), "the vector lies on another device");
}

void require_finite(double value, const char* name) {
  require(std::isfinite(value), name, " is ", value, ", must be finite");
}

}  // namespace

extern "C" {

lethe_status lethe_vector_create(const lethe_model* model, lethe_vector** out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(out, "out");
    *out = nullptr;
    run_on(model->path, [&] { *out = std::make_unique<lethe_vector>(*model).release(); });
  });
}

void lethe_vector_destroy(lethe_vector* vector) { delete vector; }

lethe_status lethe_vector_load(lethe_vector* vector, const lethe_model* model, int32_t buffer, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(vector, "vector");
    require_pointer(model, "model");
    require_same_space(vector->layout, vector->values, model->layout, model->parameters);
    const at::Tensor& flat = model->buffer(buffer);
    run_on(model->path, [&] { flat.defined() ? vector->values.copy_(flat) : vector->values.zero_(); });
  });
}

lethe_status lethe_vector_store(const lethe_vector* vector, lethe_model* model, int32_t buffer, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(vector, "vector");
    require_pointer(model, "model");
    require_same_space(vector->layout, vector->values, model->layout, model->parameters);
    run_on(model->path, [&] {
      if (buffer == LETHE_MOMENT1 || buffer == LETHE_MOMENT2) model->allocate_moments();
      model->buffer(buffer).copy_(vector->values);
      if (buffer == LETHE_PARAMETERS) model->parameters_changed();
    });
  });
}

lethe_status lethe_vector_combine(lethe_vector* y, double b, double a, const lethe_vector* x, const uint8_t* sites,
                                  lethe_error* err) {
  return guard(err, [&] {
    require_pointer(y, "y");
    require_finite(b, "b");
    require_finite(a, "a");
    if (a != 0) require_pointer(x, "x");
    if (x != nullptr) require_same_space(y->layout, y->values, x->layout, x->values);
    const at::Tensor none;
    run_on(y->path, [&] { flat_combine(y->path, y->values, b, a, x == nullptr ? none : x->values, segments(y->layout, sites)); });
  });
}

lethe_status lethe_vector_add_square(lethe_vector* y, double b, double a, const lethe_vector* x, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(y, "y");
    require_finite(b, "b");
    require_finite(a, "a");
    require_pointer(x, "x");
    require_same_space(y->layout, y->values, x->layout, x->values);
    run_on(y->path, [&] { flat_add_square(y->path, y->values, b, a, x->values); });
  });
}

lethe_status lethe_vector_divide_root(lethe_vector* y, const lethe_vector* v, double floor, const uint8_t* sites,
                                      lethe_error* err) {
  return guard(err, [&] {
    require_pointer(y, "y");
    require_pointer(v, "v");
    require(floor > 0 && std::isfinite(floor), "floor is ", floor, ", must be above 0");
    require_same_space(y->layout, y->values, v->layout, v->values);
    run_on(y->path, [&] { flat_divide_root(y->path, y->values, v->values, floor, segments(y->layout, sites)); });
  });
}

lethe_status lethe_vector_random(lethe_vector* vector, int32_t distribution, uint64_t seed, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(vector, "vector");
    require(distribution == LETHE_RADEMACHER || distribution == LETHE_NORMAL, "distribution is ", distribution,
            ", allowed 0 (Rademacher) and 1 (normal)");
    run_on(vector->path, [&] { flat_random(vector->layout, vector->values, distribution, seed); });
  });
}

lethe_status lethe_vector_dot(const lethe_vector* a, const lethe_vector* b, const uint8_t* sites, double* out,
                              lethe_error* err) {
  return guard(err, [&] {
    require_pointer(a, "a");
    require_pointer(b, "b");
    require_pointer(out, "out");
    require_same_space(a->layout, a->values, b->layout, b->values);
    run_on(a->path, [&] { *out = flat_dot(a->path, a->values, b->values, segments(a->layout, sites)); });
  });
}

lethe_status lethe_vector_read(const lethe_vector* vector, int64_t offset, int64_t count, int32_t dtype, void* out,
                               int64_t bytes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(vector, "vector");
    run_on(vector->path, [&] { flat_read(vector->values, offset, count, dtype, out, bytes); });
  });
}

lethe_status lethe_vector_write(lethe_vector* vector, int64_t offset, int64_t count, int32_t dtype, const void* in,
                                int64_t bytes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(vector, "vector");
    run_on(vector->path, [&] { flat_write(vector->layout, vector->values, offset, count, dtype, in, bytes); });
  });
}

lethe_status lethe_model_add(lethe_model* model, double a, const lethe_vector* vector, const uint8_t* sites,
                             lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(vector, "vector");
    require_finite(a, "a");
    require_same_space(model->layout, model->parameters, vector->layout, vector->values);
    run_on(model->path, [&] {
      flat_combine(model->path, model->parameters, 1, a, vector->values, segments(model->layout, sites));
      model->parameters_changed();
    });
  });
}

}  // extern "C"
