// Exports of the process and of models: layout, life and initialisation.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base.h"
#include "flat.h"
#include "guard.h"
#include "isa.h"
#include "model.h"
#include "plan.h"
#include "serial.h"

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

void require_count(int64_t count, size_t expected, const char* what) {
  require(count == static_cast<int64_t>(expected), "count is ", count, ", the model has ", expected, " ", what);
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

at::ScalarType compute_type(const lethe_model_config& config) {
  return config.device_type != LETHE_CPU && config.compute_dtype == LETHE_BF16 ? at::kBFloat16 : scalar_type(config.dtype);
}

Shape without_adapters(Shape shape) {
  shape.adapted.clear();
  return shape;
}

// The base of a model with adapters, which must be of its shape.
std::shared_ptr<const Base> base_of(const lethe_model_config& config, const Layout& layout) {
  if (layout.shape().adapted.empty()) return nullptr;
  require_pointer(config.base, "config.base");
  const Base& base = *config.base->base;
  const bool same = base.layout().shape() == without_adapters(layout.shape()) && base.compute() == compute_type(config) &&
                    base.on_device() == (config.device_type != LETHE_CPU);
  require(same, "config.base is of another shape, dtype or device than the model");
  return config.base->base;
}

// Of the process, before anybody sets a thread's own; asked for before that.
int loaded_threads() {
  static const int loaded = at::get_num_threads();
  return loaded;
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
    build.threads = loaded_threads();
    build.reserved = 0;
    copy_text(build.isa, isa_name());
  });
}

lethe_status lethe_set_threads(int32_t threads, lethe_error* err) {
  return guard(err, [&] {
    require(threads >= 0 && threads <= 1024, "threads is ", threads, ", allowed 0 (as loaded) to 1024");
    const int usual = loaded_threads();  // before this thread's is another
    const int wanted = threads == 0 ? usual : threads;
    at::internal::lazy_init_num_threads();  // which would set the usual number later
    if (at::get_num_threads() == wanted) return;
    omp_set_num_threads(wanted);  // of this thread's regions, as MKL's; ATen's own setter would set the process's too
    if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(wanted);
  });
}

lethe_status lethe_model_create(const lethe_model_config* config, lethe_model** out, lethe_error* err) {
  return guard(err, [&] {
    const lethe_model_config& c = checked(config, "config");
    require_pointer(out, "out");
    *out = nullptr;
    isa_name();  // refuses a LETHE_ISA that names no set
    Layout layout(shape_of(c));
    const std::shared_ptr<const Base> base = base_of(c, layout);
    DevicePlace place = place_of(c);
    const bool rounds = place.path == nullptr && c.compute_dtype == LETHE_BF16;
    if (rounds && !bf16_tiles())
      refuse(LETHE_UNSUPPORTED,
             "bf16 compute on the CPU needs AVX-512 BF16, which this processor lacks or LETHE_ISA forbids; use f32");
    const std::shared_ptr<DevicePath> path = place.path;
    run_on(path, [&] {
      *out = std::make_unique<lethe_model>(std::move(layout), scalar_type(c.dtype), std::move(place), base).release();
    });
    if (rounds) (*out)->rounding = Rounding::kBf16;
  });
}

void lethe_model_destroy(lethe_model* model) { delete model; }

lethe_status lethe_base_open(const lethe_model_config* config, const lethe_base_tensor* tensors, int64_t count,
                             lethe_base** out, lethe_error* err) {
  return guard(err, [&] {
    const lethe_model_config& c = checked(config, "config");
    require_pointer(out, "out");
    *out = nullptr;
    Layout layout(shape_of(c));
    require(layout.shape().adapted.empty(), "config.adapted_count is ", c.adapted_count, ", a base has no adapters");
    const DevicePlace place = place_of(c);
    run_on(place.path, [&] {
      *out = new lethe_base{std::make_shared<const Base>(std::move(layout), compute_type(c), place, tensors, count), {}};
    });
  });
}

void lethe_base_close(lethe_base* base) { delete base; }

lethe_status lethe_model_merged(lethe_model* model, int64_t tensor, int32_t dtype, void* out, int64_t bytes,
                                lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(out, "out");
    run_on(model->path, [&] { write_merged(*model, tensor, dtype, out, bytes); });
  });
}

lethe_status lethe_model_layout(const lethe_model_config* config, lethe_layout* out, lethe_error* err) {
  return guard(err, [&] {
    const Layout layout(shape_of(checked(config, "config")));
    lethe_layout& sizes = checked(out, "layout");
    sizes.tensors = static_cast<int64_t>(layout.tensors().size());
    sizes.sites = layout.site_count();
    sizes.parameters = layout.parameters();
    sizes.flat_size = layout.flat_size();
  });
}

lethe_status lethe_model_tensors(const lethe_model_config* config, lethe_tensor_info* out, int64_t count,
                                 lethe_error* err) {
  return guard(err, [&] {
    const Layout layout(shape_of(checked(config, "config")));
    require_count(count, layout.tensors().size(), "tensors");
    for (const TensorSpec& tensor : layout.tensors()) {
      lethe_tensor_info& info = checked(out++, "tensor_info");
      copy_text(info.name, tensor.name);
      info.offset = tensor.offset;
      info.rows = tensor.rows;
      info.columns = tensor.columns;
      info.dimensions = tensor.dimensions;
      info.site = static_cast<int32_t>(tensor.site);
    }
  });
}

lethe_status lethe_model_sites(const lethe_model_config* config, lethe_site_info* out, int64_t count, lethe_error* err) {
  return guard(err, [&] {
    const Layout layout(shape_of(checked(config, "config")));
    require_count(count, layout.sites().size(), "sites");
    for (const Site& site : layout.sites()) {
      lethe_site_info& info = checked(out++, "site_info");
      copy_text(info.name, site.name);
      info.kind = site.kind;
      info.role = site.role;
      info.block = site.block;
      info.inputs = site.inputs;
      info.outputs = site.outputs;
      info.frozen = site.frozen ? 1 : 0;
      info.reserved = 0;
    }
  });
}

lethe_status lethe_model_vector(lethe_model* model, int32_t buffer, lethe_vector** out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(out, "out");
    *out = nullptr;
    run_on(model->path, [&] { *out = model->vector(buffer); });
  });
}

lethe_status lethe_model_initialize(lethe_model* model, uint64_t seed, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    run_on(model->path, [&] { initialize(*model, seed); });
  });
}

}  // extern "C"
