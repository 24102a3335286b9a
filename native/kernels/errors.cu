// The text of a launch's error.
#include "device.h"

namespace lethe::kernels {

const char* describe(Status status) {
#ifdef LETHE_EMULATED
  return status == 0 ? "no error" : "invalid argument";
#else
  return cudaGetErrorString(static_cast<cudaError_t>(status));
#endif
}

}  // namespace lethe::kernels
