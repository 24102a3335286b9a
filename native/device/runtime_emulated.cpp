// The runtime on the CPU, for tests: device memory is host memory, and every call is done when it returns.
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "runtime.h"
#include "runtime_emulated.h"

namespace lethe {
namespace device {
namespace {

void require_working() {
  if (emulated::machine.fails) refuse(LETHE_INTERNAL, "the emulated device failed");
}

}  // namespace

struct Runtime::State {};
Runtime::Runtime(int32_t index, bool) { require(index == 0, "config.device_index is ", index, ", the emulated device is 0"); }
Runtime::~Runtime() = default;
at::Device Runtime::device() const { return at::kCPU; }
StreamHandle Runtime::work() const { return nullptr; }
StreamHandle Runtime::side() const { return nullptr; }
std::unique_ptr<DeviceScope> Runtime::enter() const { return std::make_unique<DeviceScope>(); }
void Runtime::wait() const {
  emulated::machine.unawaited = 0;
  require_working();
}
void Runtime::give_back() const {}
bool Runtime::has_graphs() const { return emulated::machine.graphs; }

struct Event::State {};
Event::Event() = default;
Event::~Event() = default;
Event::Event(Event&&) noexcept = default;
void Event::record(StreamHandle) {}
void Event::hold(StreamHandle) const {}
void Event::wait() const { require_working(); }

Pinned::Pinned(size_t bytes) : bytes_(bytes) {
  if (emulated::machine.cannot_pin) refuse(LETHE_OUT_OF_MEMORY, "the emulated device cannot pin memory");
  data_ = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (data_ == nullptr) throw std::bad_alloc();
}
Pinned::~Pinned() { std::free(data_); }

void to_device(void* to, const void* from, size_t bytes, StreamHandle) {
  ++emulated::machine.unawaited;
  std::memcpy(to, from, bytes);
}
void to_host(void* to, const void* from, size_t bytes, StreamHandle stream) { to_device(to, from, bytes, stream); }
void fill(void* memory, unsigned char byte, size_t bytes, StreamHandle) {
  ++emulated::machine.unawaited;
  std::memset(memory, byte, bytes);
}

struct Graph::State {
  bool replayed = false;
};
Graph::Graph() : state_(std::make_unique<State>()) {}
Graph::~Graph() = default;
void Graph::begin() {}
void Graph::end() {
  if (emulated::machine.cannot_end) refuse(LETHE_INTERNAL, "the emulated device cannot end a recording");
}
void Graph::abandon() noexcept { ++emulated::machine.abandoned; }
void Graph::replay() {
  if (std::exchange(state_->replayed, true)) refuse(LETHE_INTERNAL, "the emulated device repeats no graphs");
}

}  // namespace device

int32_t device_count() noexcept { return 1; }

void device_info(int32_t index, lethe_device& out) {
  require(index == 0, "device index is ", index, ", the emulated device is 0");
  std::memset(out.name, 0, sizeof out.name);
  std::memcpy(out.name, "emulated", 8);
  out.total_bytes = out.free_bytes = int64_t{1} << 34;
  out.capability = 90;
  out.driver = out.runtime = 0;
  out.usable = 1;
}

}  // namespace lethe
