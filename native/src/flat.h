// Arithmetic over whole flat buffers [P], restricted to segments of it: initialisation, dot, axpy, AdamW.
//
// Sums run over fixed blocks in fp64, so that their value does not depend on the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model.h"

namespace lethe {

// ---- flat.cpp

// `path` is the device that the buffers lie on, NULL on the CPU.
using DevicePointer = std::shared_ptr<DevicePath>;
double flat_dot(const DevicePointer& path, const at::Tensor& a, const at::Tensor& b, const std::vector<Segment>& over);
// y = b y + a x in one pass; y is not read when b is 0, x (may be undefined) not when a is 0
void flat_combine(const DevicePointer& path, const at::Tensor& y, double b, double a, const at::Tensor& x,
                  const std::vector<Segment>& over);
// y = b y + a x^2; y is not read when b is 0
void flat_add_square(const DevicePointer& path, const at::Tensor& y, double b, double a, const at::Tensor& x);
// y = y / (sqrt(v) + floor)
void flat_divide_root(const DevicePointer& path, const at::Tensor& y, const at::Tensor& v, double floor,
                      const std::vector<Segment>& over);

// Elements [offset, offset + count) of flat to or from caller memory of a LETHE_* dtype, `bytes` long; checks all.
void flat_read(const at::Tensor& flat, int64_t offset, int64_t count, int32_t dtype, void* out, int64_t bytes);
void flat_write(const Layout& layout, const at::Tensor& flat, int64_t offset, int64_t count, int32_t dtype,
                const void* in, int64_t bytes);
// The range and size checks of the two above.
void check_range(int64_t flat_size, int64_t offset, int64_t count, int32_t dtype, const void* memory, int64_t bytes);

// ---- initialize.cpp

void initialize(Model& model, uint64_t seed);

// Every tensor's elements of `flat` drawn from a LETHE_RADEMACHER or LETHE_NORMAL distribution by their flat place.
void flat_random(const Layout& layout, const at::Tensor& flat, int32_t distribution, uint64_t seed);

// ---- optimizer.cpp

// The numbers of one step, shared by all segments.
struct AdamwStep {
  double max_norm, beta1, beta2, epsilon;
  double decay;  // a matrix's factor
  double step_size, root_correction2;
};

// One AdamW step on the selected segments; returns the gradient's norm before clipping.
double adamw_step(Model& model, const lethe_adamw& options);

}  // namespace lethe
