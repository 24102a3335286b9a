// Exports of vectors in parameter space, free and borrowed.
#include <cmath>
#include <memory>

#include "flat.h"
#include "guard.h"
#include "model.h"

namespace {

using namespace lethe;

// Two vectors that are added or multiplied must come from models of one shape, dtype and device.
void require_same_space(const lethe_vector& a, const lethe_vector& b) {
  require(a.layout.shape() == b.layout.shape(), "the vector belongs to a model of another shape");
  require(a.values.scalar_type() == b.values.scalar_type(), "the vector belongs to a model of another dtype");
  require(a.values.device() == b.values.device(), "the vector lies on another device");
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

void lethe_vector_destroy(lethe_vector* vector) {
  if (vector != nullptr && !vector->borrowed()) delete vector;
}

lethe_status lethe_vector_combine(lethe_vector* y, double b, double a, const lethe_vector* x, const uint8_t* sites,
                                  lethe_error* err) {
  return guard(err, [&] {
    require_pointer(y, "y");
    require_finite(b, "b");
    require_finite(a, "a");
    if (a != 0) require_pointer(x, "x");
    if (x != nullptr) require_same_space(*y, *x);
    y->changes();
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
    require_same_space(*y, *x);
    y->changes();
    run_on(y->path, [&] { flat_add_square(y->path, y->values, b, a, x->values); });
  });
}

lethe_status lethe_vector_divide_root(lethe_vector* y, const lethe_vector* v, double floor, const uint8_t* sites,
                                      lethe_error* err) {
  return guard(err, [&] {
    require_pointer(y, "y");
    require_pointer(v, "v");
    require(floor > 0 && std::isfinite(floor), "floor is ", floor, ", must be above 0");
    require_same_space(*y, *v);
    y->changes();
    run_on(y->path, [&] { flat_divide_root(y->path, y->values, v->values, floor, segments(y->layout, sites)); });
  });
}

lethe_status lethe_vector_random(lethe_vector* vector, int32_t distribution, uint64_t seed, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(vector, "vector");
    require(distribution == LETHE_RADEMACHER || distribution == LETHE_NORMAL, "distribution is ", distribution,
            ", allowed 0 (Rademacher) and 1 (normal)");
    vector->changes();
    run_on(vector->path, [&] { flat_random(vector->layout, vector->values, distribution, seed); });
  });
}

lethe_status lethe_vector_dot(const lethe_vector* a, const lethe_vector* b, const uint8_t* sites, double* out,
                              lethe_error* err) {
  return guard(err, [&] {
    require_pointer(a, "a");
    require_pointer(b, "b");
    require_pointer(out, "out");
    require_same_space(*a, *b);
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
    vector->changes();
    run_on(vector->path, [&] { flat_write(vector->layout, vector->values, offset, count, dtype, in, bytes); });
  });
}

}  // extern "C"
