// The runtime over CUDA. Errors of the CUDA runtime become c10::Error through libtorch's own check, so that exports report
// them like those of ATen.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime.h"
#include "switches.h"

namespace lethe {
namespace device {
namespace {

// What the kernels are compiled for, 90 = compute capability 9.0; the build says.
std::vector<int32_t> compiled_architectures() { return {LETHE_CUDA_ARCHITECTURES}; }

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

// Devices usable now; refuses with the reason when there are none.
int32_t require_devices() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found == cudaSuccess && count > 0) return count;
  cudaGetLastError();  // a failed look must not fail the next call
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0)
    refuse(LETHE_UNSUPPORTED, "no CUDA device: this machine has no NVIDIA driver; use --device cpu");
  if (driver / 1000 < runtime / 1000)
    refuse(LETHE_UNSUPPORTED, "no CUDA device: the driver supports CUDA ", version(driver),
           " and this libtorch needs ", version(runtime), "; update the driver, or use --device cpu");
  refuse(LETHE_UNSUPPORTED, "no CUDA device: ", found == cudaSuccess ? "the driver reports none" : cudaGetErrorString(found),
         "; use --device cpu");
}

cudaDeviceProp properties(int32_t index) {
  const int32_t count = require_devices();
  require(index >= 0 && index < count, "config.device_index is ", index, ", this machine has CUDA devices 0 to ", count - 1);
  cudaDeviceProp found;
  C10_CUDA_CHECK(cudaGetDeviceProperties(&found, index));
  return found;
}

// A binary of an architecture runs on devices of the same major version and no lower minor one; what is newer than all of
// them compiles the newest one's PTX.
bool runs_here(const cudaDeviceProp& found) {
  const std::vector<int32_t> compiled = compiled_architectures();
  const auto binary = [&](int32_t a) { return a / 10 == found.major && a % 10 <= found.minor; };
  return found.major * 10 + found.minor > *std::max_element(compiled.begin(), compiled.end()) ||
         std::any_of(compiled.begin(), compiled.end(), binary);
}

cudaDeviceProp usable(int32_t index) {
  const cudaDeviceProp found = properties(index);
  const std::vector<int32_t> compiled = compiled_architectures();
  if (runs_here(found)) return found;
  std::string list;
  for (const int32_t a : compiled) list += (list.empty() ? "" : ", ") + version(a * 100);
  refuse(LETHE_UNSUPPORTED, "device ", index, " (", found.name, ") has compute capability ", found.major, ".", found.minor,
         ", this build has kernels for ", list,
         found.major < 8 ? "; Lethe needs 8.0 or newer"
                         : "; rebuild with -DLETHE_CUDA_ARCHITECTURES=" + std::to_string(found.major * 10 + found.minor));
}

struct Scope final : DeviceScope {
  Scope(c10::cuda::CUDAStream stream, bool allow_tf32) : guard(stream), tf32(allow_tf32) {}
  c10::cuda::CUDAStreamGuard guard;
  AllowTf32 tf32;
};

cudaStream_t stream_of(StreamHandle handle) { return static_cast<cudaStream_t>(handle); }

}  // namespace

struct Runtime::State {
  c10::cuda::CUDAStream work, side;
  bool allow_tf32;
};

Runtime::Runtime(int32_t index, bool allow_tf32) {
  usable(index);
  const auto device = static_cast<c10::DeviceIndex>(index);
  state_ = std::make_unique<State>(State{c10::cuda::getStreamFromPool(false, device),
                                         c10::cuda::getStreamFromPool(false, device), allow_tf32});
}
Runtime::~Runtime() = default;
at::Device Runtime::device() const { return state_->work.device(); }
StreamHandle Runtime::work() const { return state_->work.stream(); }
StreamHandle Runtime::side() const { return state_->side.stream(); }
std::unique_ptr<DeviceScope> Runtime::enter() const { return std::make_unique<Scope>(state_->work, state_->allow_tf32); }
void Runtime::wait() const { C10_CUDA_CHECK(cudaStreamSynchronize(state_->work.stream())); }
void Runtime::give_back() const { c10::cuda::CUDACachingAllocator::emptyCache(); }
bool Runtime::has_graphs() const { return true; }

struct Event::State {
  State() { C10_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming)); }
  ~State() { C10_CUDA_CHECK_WARN(cudaEventDestroy(event)); }
  cudaEvent_t event = nullptr;
};
Event::Event() = default;
Event::~Event() = default;
Event::Event(Event&&) noexcept = default;
void Event::record(StreamHandle stream) {
  if (state_ == nullptr) state_ = std::make_unique<State>();  // here, where the stream's device is the current one
  C10_CUDA_CHECK(cudaEventRecord(state_->event, stream_of(stream)));
}
void Event::hold(StreamHandle stream) const {
  if (state_ != nullptr) C10_CUDA_CHECK(cudaStreamWaitEvent(stream_of(stream), state_->event, 0));
}
void Event::wait() const {
  if (state_ != nullptr) C10_CUDA_CHECK(cudaEventSynchronize(state_->event));
}

Pinned::Pinned(size_t bytes) : bytes_(bytes) {
  const cudaError_t made = cudaHostAlloc(&data_, bytes, cudaHostAllocDefault);
  if (made == cudaSuccess) return;
  cudaGetLastError();
  refuse(LETHE_OUT_OF_MEMORY, "cannot pin ", bytes, " bytes of host memory: ", cudaGetErrorString(made));
}
Pinned::~Pinned() {
  if (data_ != nullptr) C10_CUDA_CHECK_WARN(cudaFreeHost(data_));
}

void to_device(void* to, const void* from, size_t bytes, StreamHandle stream) {
  C10_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(stream)));
}
void to_host(void* to, const void* from, size_t bytes, StreamHandle stream) {
  C10_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(stream)));
}
void fill(void* memory, unsigned char byte, size_t bytes, StreamHandle stream) {
  C10_CUDA_CHECK(cudaMemsetAsync(memory, byte, bytes, stream_of(stream)));
}

struct Graph::State {
  at::cuda::CUDAGraph graph;
  decltype(at::cuda::graph_pool_handle()) pool = at::cuda::graph_pool_handle();
  c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
};
Graph::Graph() : state_(std::make_unique<State>()) {}
Graph::~Graph() = default;
// Thread-local mode: the writer's thread may wait for events and copy meanwhile.
void Graph::begin() { state_->graph.capture_begin(state_->pool, cudaStreamCaptureModeThreadLocal); }
void Graph::end() { state_->graph.capture_end(); }
// libtorch's capture_end() leaves the allocator recording when ending the stream's capture fails, and the allocator then
// keeps asking the graph: such a graph stays in memory.
void Graph::abandon() noexcept {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(state_->stream, &status) == cudaSuccess && status != cudaStreamCaptureStatusNone) {
    cudaGraph_t unfinished = nullptr;
    cudaStreamEndCapture(state_->stream, &unfinished);
    if (unfinished != nullptr) cudaGraphDestroy(unfinished);
  }
  cudaGetLastError();  // the reason is in flight already
  try {
    c10::cuda::CUDACachingAllocator::endAllocateToPool(state_->stream.device_index(), state_->pool);
    c10::cuda::CUDACachingAllocator::releasePool(state_->stream.device_index(), state_->pool);
    static_cast<void>(state_.release());
  } catch (const std::exception&) {  // it was not recording: libtorch has ended that, or not begun it
  }
}
void Graph::replay() { state_->graph.replay(); }

}  // namespace device

int32_t device_count() noexcept {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // a failed look must not fail the next call
  return 0;
}

void device_info(int32_t index, lethe_device& out) {
  const cudaDeviceProp found = device::properties(index);
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
  size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  int driver = 0, runtime = 0;
  C10_CUDA_CHECK(cudaDriverGetVersion(&driver));
  C10_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  const std::string name(found.name, strnlen(found.name, sizeof found.name));
  const size_t length = std::min(name.size(), sizeof out.name - 1);
  std::memset(out.name, 0, sizeof out.name);
  std::memcpy(out.name, name.data(), length);
  out.total_bytes = static_cast<int64_t>(total);
  out.free_bytes = static_cast<int64_t>(free);
  out.capability = found.major * 10 + found.minor;
  out.driver = driver;
  out.runtime = runtime;
  out.usable = device::runs_here(found);
}

}  // namespace lethe
