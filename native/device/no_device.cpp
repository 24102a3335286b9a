// The device path of a build that has none: everything says so, and what to rebuild.
#include <ATen/Context.h>
#include <torch/version.h>

#include "device.h"

namespace lethe {
namespace {

[[noreturn]] void refuse_device() {
  refuse(LETHE_UNSUPPORTED,
         "no CUDA device: this build of Lethe has no device kernels (it was compiled against libtorch ", TORCH_VERSION,
#ifdef LETHE_WITH_CUDA
         " with CUDA, but without nvcc); install the CUDA toolkit and rebuild with ./lethe build",
#else
         " without CUDA); rebuild against a CUDA libtorch with nvcc on PATH: ./lethe -Dlibtorch=DIR build",
#endif
         ", or use --device cpu");
}

}  // namespace

bool device_kernels_built() { return false; }
int32_t device_count() noexcept { return 0; }
void device_info(int32_t, lethe_device&) { refuse_device(); }
DevicePlace make_device_path(const lethe_model_config&) { refuse_device(); }

}  // namespace lethe
