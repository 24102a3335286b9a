// Exports of the process and of models: life, layout, initialisation and copies.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "flat.h"
#include "gemm.h"
#include "guard.h"
#include "model.h"
#include "plan.h"

namespace {

using namespace lethe;

// Cuts at the array's end; always NUL-terminated.
template <size_t N>
void copy_text(char (&to)[N], const std::string& text) {
  const size_t length = std::min(text.size(), N - 1);
  std::memcpy(to, text.data(), length);
  std::memset(to + length, 0, N - length);
}

// libtorch exports its version only inside its build settings.
std::string loaded_torch_version() {
  const std::string settings = at::show_config(), key = "TORCH_VERSION=";
  const size_t begin = settings.find(key);
  if (begin == std::string::npos) return "unknown";
  const size_t from = begin + key.size();
  return settings.substr(from, settings.find_first_of(", \n", from) - from);
}

// Where a model of this configuration lives.
DevicePlace place_of(const lethe_model_config& config) {
  if (config.device_type != LETHE_CPU) {
    require(config.device_type == LETHE_CUDA, "config.device_type is ", config.device_type,
            ", allowed 0 (CPU) and 1 (CUDA)");
    return make_device_path(config);
  }
  require(config.device_index == 0, "config.device_index is ", config.device_index, ", the CPU's is 0");
  return {at::kCPU, nullptr};
}

}  // namespace

extern "C" {

int32_t lethe_abi_version(void) { return LETHE_ABI_VERSION; }

int64_t lethe_live_handles(void) { return live_handles.load(std::memory_order_relaxed); }

lethe_status lethe_build_info(lethe_build* out, lethe_error* err) {
  return guard(err, [&] {
    lethe_build& build = checked(out, "build");
    copy_text(build.torch_version, loaded_torch_version());
    copy_text(build.compiled_for, TORCH_VERSION);
    build.cuda_compiled = device_kernels_built() ? 1 : 0;
    build.cuda_devices = device_count();
    build.threads = at::get_num_threads();
    build.reserved = 0;
  });
}

lethe_status lethe_set_threads(int32_t threads, lethe_error* err) {
  return guard(err, [&] {
    require(threads >= 1 && threads <= 1024, "threads is ", threads, ", allowed 1 to 1024");
    at::set_num_threads(threads);
  });
}

lethe_status lethe_model_create(const lethe_model_config* config, lethe_model** out, lethe_error* err) {
  return guard(err, [&] {
    const lethe_model_config& c = checked(config, "config");
    require_pointer(out, "out");
    *out = nullptr;
    Layout layout(shape_of(c));
    DevicePlace place = place_of(c);
    const bool bf16_products = place.path == nullptr && c.compute_dtype == LETHE_BF16;
    if (bf16_products && !Bf16Products::available())
      refuse(LETHE_UNSUPPORTED,
             "bf16 compute on the CPU needs AVX-512 BF16, which this processor or this build lacks; use f32");
    const std::shared_ptr<DevicePath> path = place.path;
    run_on(path, [&] {
      *out = std::make_unique<lethe_model>(std::move(layout), scalar_type(c.dtype), std::move(place)).release();
    });
    (*out)->bf16_products = bf16_products;
  });
}

void lethe_model_destroy(lethe_model* model) { delete model; }

lethe_status lethe_model_layout(const lethe_model* model, lethe_layout* out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    lethe_layout& layout = checked(out, "layout");
    layout.tensors = static_cast<int64_t>(model->layout.tensors().size());
    layout.sites = model->layout.site_count();
    layout.parameters = model->layout.parameters();
    layout.flat_size = model->layout.flat_size();
  });
}

lethe_status lethe_model_tensor(const lethe_model* model, int64_t index, lethe_tensor_info* out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    lethe_tensor_info& info = checked(out, "tensor_info");
    const auto& tensors = model->layout.tensors();
    const auto count = static_cast<int64_t>(tensors.size());
    require(index >= 0 && index < count, "tensor index is ", index, ", the model has tensors 0 to ", count - 1);
    const TensorSpec& tensor = tensors[static_cast<size_t>(index)];
    copy_text(info.name, tensor.name);
    info.offset = tensor.offset;
    info.rows = tensor.rows;
    info.columns = tensor.columns;
    info.dimensions = tensor.dimensions;
    info.site = static_cast<int32_t>(tensor.site);
  });
}

lethe_status lethe_model_site(const lethe_model* model, int64_t index, lethe_site_info* out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    lethe_site_info& info = checked(out, "site_info");
    const int64_t count = model->layout.site_count();
    require(index >= 0 && index < count, "site index is ", index, ", the model has sites 0 to ", count - 1);
    const Site& site = model->layout.sites()[static_cast<size_t>(index)];
    copy_text(info.name, site.name);
    info.kind = site.kind;
    info.reserved = 0;
    info.inputs = site.inputs;
    info.outputs = site.outputs;
  });
}

lethe_status lethe_model_initialize(lethe_model* model, uint64_t seed, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    run_on(model->path, [&] { initialize(*model, seed); });
  });
}

lethe_status lethe_model_read(const lethe_model* model, int32_t buffer, int64_t offset, int64_t count, int32_t dtype,
                              void* out, int64_t bytes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    const at::Tensor& flat = model->buffer(buffer);
    if (flat.defined()) {
      run_on(model->path, [&] { flat_read(flat, offset, count, dtype, out, bytes); });
      return;
    }
    // Moments that no step has made yet are zero.
    check_range(model->layout.flat_size(), offset, count, dtype, out, bytes);
    std::memset(out, 0, static_cast<size_t>(count) * c10::elementSize(scalar_type(dtype)));
  });
}

lethe_status lethe_model_write(lethe_model* model, int32_t buffer, int64_t offset, int64_t count, int32_t dtype,
                               const void* in, int64_t bytes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    check_range(model->layout.flat_size(), offset, count, dtype, in, bytes);
    run_on(model->path, [&] {
      if (buffer == LETHE_MOMENT1 || buffer == LETHE_MOMENT2) model->allocate_moments();
      flat_write(model->layout, model->buffer(buffer), offset, count, dtype, in, bytes);
      if (buffer == LETHE_PARAMETERS) model->parameters_changed();
    });
  });
}

}  // extern "C"
