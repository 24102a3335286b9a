// Allocation of a model's buffers and their views.
#include "model.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <sys/mman.h>

#include "base.h"
#include "guard.h"

namespace lethe {

std::atomic<int64_t> live_handles{0};

at::Tensor flat_zeros(int64_t count, at::ScalarType dtype, at::Device device) {
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  const size_t bytes = static_cast<size_t>(count) * c10::elementSize(dtype);
  constexpr size_t kHugePage = size_t{2} << 20;
  if (!device.is_cpu() || bytes < kHugePage) return at::zeros({count}, options);
  // Fresh anonymous pages are zero; huge ones keep the optimizer's streams and the GEMMs' packing out of the TLB's way.
  const size_t length = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* block = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) refuse(LETHE_OUT_OF_MEMORY, "cannot allocate ", length, " bytes for a parameter buffer");
  madvise(block, length, MADV_HUGEPAGE);  // advice only: a kernel without huge pages says no and nothing changes
  return at::from_blob(block, {count}, [length](void* pointer) { munmap(pointer, length); }, options);
}

std::vector<at::Tensor> views_of(const Layout& layout, const at::Tensor& flat) {
  std::vector<at::Tensor> views;
  for (const Part& part : layout.parts()) {
    if (part.frozen()) {
      views.emplace_back();
      continue;
    }
    const at::Tensor slice = flat.narrow(0, part.offset, part.count());
    if (part.dimensions == 1) {
      views.push_back(slice);
    } else {
      views.push_back(part.turned ? slice.view({part.columns, part.rows}).t() : slice.view({part.rows, part.columns}));
    }
  }
  return views;
}

at::ScalarType scalar_type(int32_t dtype) {
  switch (dtype) {
    case LETHE_F32: return at::kFloat;
    case LETHE_F64: return at::kDouble;
    case LETHE_F16: return at::kHalf;
    case LETHE_BF16: return at::kBFloat16;
    default: refuse(LETHE_INVALID_ARGUMENT, "dtype is ", dtype, ", allowed 0 (F32), 1 (F64), 2 (F16), 3 (BF16)");
  }
}

Model::Model(Layout of, at::ScalarType dtype, DevicePlace place, std::shared_ptr<const Base> frozen)
    : layout(std::move(of)),
      dtype(dtype),
      device(place.device),
      path(std::move(place.path)),
      base(std::move(frozen)),
      parameters(flat_zeros(layout.flat_size(), dtype, device)),
      gradients(flat_zeros(layout.flat_size(), dtype, device)),
      parameter_views(views_of(layout, parameters)),
      gradient_views(views_of(layout, gradients)),
      workspace(layout.architecture()) {
  for (size_t i = 0; i < parameter_views.size(); ++i) {
    const Part& part = layout.parts()[i];
    if (!part.frozen()) continue;
    std::vector<at::Tensor> tensors;  // more than one of a norm of queries and keys only
    for (int64_t t = part.tensor, columns = 0; columns < part.columns; columns += tensors.back().size(part.turned ? 0 : -1), ++t)
      tensors.push_back(base->tensor(layout.tensors()[static_cast<size_t>(t)].name));
    const at::Tensor whole = tensors.size() == 1 ? tensors[0] : at::cat(tensors);
    parameter_views[i] = part.turned ? whole.t() : whole;
  }
}

const at::Tensor& Model::buffer(int32_t which) const {
  switch (which) {
    case LETHE_PARAMETERS: return parameters;
    case LETHE_GRADIENT: return gradients;
    case LETHE_MOMENT1: return moment1;
    case LETHE_MOMENT2: return moment2;
    default:
      refuse(LETHE_INVALID_ARGUMENT, "buffer is ", which,
             ", allowed 0 (parameters), 1 (gradient), 2 (first moment), 3 (second moment)");
  }
}

void Model::allocate_moments() {
  if (moment1.defined()) return;
  at::Tensor first = flat_zeros(layout.flat_size(), dtype, device);
  moment2 = flat_zeros(layout.flat_size(), dtype, device);
  moment1 = std::move(first);
}

}  // namespace lethe

lethe_vector::lethe_vector(const lethe::Model& model)
    : layout(model.layout),
      path(model.path),
      parameters(false),
      values(lethe::flat_zeros(layout.flat_size(), model.dtype, model.device)),
      views(lethe::views_of(layout, values)) {
  live.emplace();
}

lethe_vector::lethe_vector(const lethe::Model& model, int32_t buffer)
    : layout(model.layout),
      path(model.path),
      parameters(buffer == LETHE_PARAMETERS),
      values(model.buffer(buffer)),
      views(lethe::views_of(layout, values)) {}

lethe_vector* lethe_model::vector(int32_t which) {
  buffer(which);  // refuses what is none
  if (which == LETHE_MOMENT1 || which == LETHE_MOMENT2) allocate_moments();
  auto& vector = vectors_[static_cast<size_t>(which)];
  if (vector == nullptr) vector = std::make_unique<lethe_vector>(*this, which);
  return vector.get();
}
