// Arithmetic over flat buffers on the device, by chunks of the chosen segments.
#include <ATen/ops/from_blob.h>

#include <cmath>

#include "../kernels/tables.h"
#include "flat.h"
#include "path.h"

namespace lethe::device {
namespace {

bool same(const std::vector<Segment>& a, const std::vector<Segment>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Segment& x, const Segment& y) {
    return x.begin == y.begin && x.end == y.end && x.matrix == y.matrix;
  });
}

constexpr size_t kKept = 8;  // selections whose chunks are remembered

}  // namespace

kernels::FlatChunks Path::chunks_of(const std::vector<Segment>& over) {
  for (const auto& [segments, chunks] : chunks_) {
    if (same(segments, over))
      return {reinterpret_cast<const kernels::FlatChunk*>(chunks.const_data_ptr()),
              chunks.numel() / static_cast<int64_t>(sizeof(kernels::FlatChunk))};
  }
  std::vector<kernels::FlatChunk> cut = kernels::cut_flat(over);
  const auto bytes = static_cast<int64_t>(cut.size() * sizeof(kernels::FlatChunk));
  const at::Tensor host = at::from_blob(cut.data(), {bytes}, at::kByte);
  if (chunks_.size() == kKept) chunks_.erase(chunks_.begin());
  chunks_.emplace_back(over, host.to(state_.runtime.device(), at::kByte, /*non_blocking=*/false, /*copy=*/true));
  return {reinterpret_cast<const kernels::FlatChunk*>(chunks_.back().second.const_data_ptr()),
          static_cast<int64_t>(cut.size())};
}

double* Path::sums(int64_t count) {
  return sums_.get(at::TensorOptions().dtype(at::kDouble).device(state_.runtime.device()), count).mutable_data_ptr<double>();
}

double Path::dot(const at::Tensor& a, const at::Tensor& b, const std::vector<Segment>& over) {
  const kernels::FlatChunks chunks = chunks_of(over);
  double* partials = sums(chunks.count + 1);
  launched(kernels::flat_dot(element_of(a), a.const_data_ptr(), b.const_data_ptr(), chunks, partials + 1, partials,
                             stream_of(state_)),
           "flat_dot");
  double result = 0;
  if (chunks.count > 0) fetch(&result, partials, sizeof result);
  return result;
}

void Path::combine(const at::Tensor& y, double b, double a, const at::Tensor& x, const std::vector<Segment>& over) {
  if (b == 1 && a != 0) {
    launched(kernels::flat_axpy({element_of(y), a, x.const_data_ptr(), chunks_of(over), y.mutable_data_ptr(), nullptr},
                                stream_of(state_)),
             "flat_axpy");
    return;
  }
  for (const Segment& s : over) {
    const at::Tensor to = y.narrow(0, s.begin, s.end - s.begin);
    if (b == 0 && a == 1) {
      to.copy_(x.narrow(0, s.begin, s.end - s.begin));
      continue;
    }
    b == 0 ? to.zero_() : to.mul_(b);
    if (a != 0) to.add_(x.narrow(0, s.begin, s.end - s.begin), a);
  }
}

void Path::add_square(const at::Tensor& y, double b, double a, const at::Tensor& x) {
  b == 0 ? y.zero_() : y.mul_(b);
  y.addcmul_(x, x, a);
}

void Path::divide_root(const at::Tensor& y, const at::Tensor& v, double floor, const std::vector<Segment>& over) {
  constexpr int64_t kPiece = 1 << 24;  // the roots need memory of their own
  for (const Segment& s : over) {
    for (int64_t begin = s.begin; begin < s.end; begin += kPiece) {
      const int64_t count = std::min(kPiece, s.end - begin);
      y.narrow(0, begin, count).div_(v.narrow(0, begin, count).sqrt().add_(floor));
    }
  }
}

double Path::adamw(Model& model, const AdamwStep& step, const std::vector<Segment>& over) {
  const kernels::FlatChunks chunks = chunks_of(over);
  const kernels::AdamWStep numbers{step.max_norm, step.beta1,     step.beta2,
                                   step.epsilon,  step.decay,     step.step_size,
                                   1 / step.root_correction2};
  // The step's numbers, then the norm, then the norm's partial sums.
  constexpr int64_t kStep = sizeof(kernels::AdamWStep) / 8, kNorm = sizeof(kernels::GradientNorm) / 8;
  double* block = sums(kStep + kNorm + chunks.count);
  auto* on_device = reinterpret_cast<kernels::AdamWStep*>(block);
  auto* norm = reinterpret_cast<kernels::GradientNorm*>(block + kStep);
  send(on_device, &numbers, sizeof numbers);
  fill(norm, 0, sizeof *norm, state_.runtime.work());
  launched(kernels::gradient_norm(element_of(model.gradients), model.gradients.const_data_ptr(), chunks, on_device,
                                  block + kStep + kNorm, norm, stream_of(state_)),
           "gradient_norm");
  launched(kernels::adamw({.real = element_of(model.parameters),
                           .step = on_device,
                           .norm = norm,
                           .gradient = model.gradients.const_data_ptr(),
                           .chunks = chunks,
                           .parameter = model.parameters.mutable_data_ptr(),
                           .moment1 = model.moment1.mutable_data_ptr(),
                           .moment2 = model.moment2.mutable_data_ptr(),
                           .shadow = state_.shadow.defined() ? state_.shadow.mutable_data_ptr() : nullptr},
                          stream_of(state_)),
           "adamw");
  kernels::GradientNorm result{};
  fetch(&result, norm, sizeof result);
  return result.norm;
}

}  // namespace lethe::device
