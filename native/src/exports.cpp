// Exports of the process and of models: life, layout, initialisation and copies.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "flat.h"
#include "guard.h"
#include "model.h"

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

at::Device device_of(const lethe_model_config& config) {
  if (config.device_type == LETHE_CPU) {
    require(config.device_index == 0, "config.device_index is ", config.device_index, ", the CPU's is 0");
    return at::kCPU;
  }
  require(config.device_type == LETHE_CUDA, "config.device_type is ", config.device_type,
          ", allowed 0 (CPU) and 1 (CUDA)");
  const auto devices = static_cast<int32_t>(at::hasCUDA() ? at::getNumGPUs() : 0);
  if (devices == 0) {
    refuse(LETHE_UNSUPPORTED,
           "no CUDA device: ", at::hasCUDA() ? "the driver reports none" : "this libtorch is built without CUDA",
           "; use the CPU");
  }
  require(config.device_index >= 0 && config.device_index < devices, "config.device_index is ", config.device_index,
          ", this machine has CUDA devices 0 to ", devices - 1);
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(config.device_index));
}

void check_compute(const lethe_model_config& c) {
  require(c.compute_dtype == 0 || (c.compute_dtype == LETHE_BF16 && c.dtype == LETHE_F32), "config.compute_dtype is ",
          c.compute_dtype, ", allowed 0 (as dtype) and, for an F32 model, 3 (BF16)");
  require((c.options & ~(LETHE_ALLOW_TF32 | LETHE_NO_GRAPHS)) == 0, "config.options is ", c.options,
          ", allowed are the bits 1 (TF32) and 2 (no graphs)");
  if (c.compute_dtype == LETHE_BF16 && c.device_type == LETHE_CPU)
    refuse(LETHE_UNSUPPORTED, "bf16 compute needs a CUDA device; use f32 on the CPU");
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
#ifdef LETHE_WITH_CUDA
    build.cuda_compiled = 1;
#else
    build.cuda_compiled = 0;
#endif
    build.cuda_devices = static_cast<int32_t>(at::hasCUDA() ? at::getNumGPUs() : 0);
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
    require(c.dtype == LETHE_F32 || c.dtype == LETHE_F64, "config.dtype is ", c.dtype,
            ", a model computes in 0 (F32) or 1 (F64)");
    check_compute(c);
    require(c.tied_head == 0 || c.tied_head == 1, "config.tied_head is ", c.tied_head, ", allowed 0 and 1");
    const Shape shape{.vocabulary = c.vocabulary,
                      .context = c.context,
                      .channels = c.channels,
                      .heads = c.heads,
                      .layers = c.layers,
                      .inner = c.inner,
                      .epsilon = c.layer_norm_epsilon,
                      .tied = c.tied_head == 1};
    *out = std::make_unique<lethe_model>(shape, scalar_type(c.dtype), device_of(c)).release();
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
    initialize(*model, seed);
  });
}

lethe_status lethe_model_read(const lethe_model* model, int32_t buffer, int64_t offset, int64_t count, int32_t dtype,
                              void* out, int64_t bytes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    const at::Tensor& flat = model->buffer(buffer);
    if (flat.defined()) {
      flat_read(flat, offset, count, dtype, out, bytes);
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
    if (buffer == LETHE_MOMENT1 || buffer == LETHE_MOMENT2) model->allocate_moments();
    flat_write(model->layout, model->buffer(buffer), offset, count, dtype, in, bytes);
  });
}

}  // extern "C"
