// Exports of ranks: one process among those that train a model together. What carries the numbers is a library loaded when
// a group is opened (../ranks/transport.h); here are the checks, the buckets and the waiting, which can be cancelled. On the host alone.
#include <dlfcn.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "../ranks/transport.h"
#include "guard.h"
#include "model.h"

namespace {

using namespace lethe;
using Clock = std::chrono::steady_clock;

// What one rank sends another at a time in a ring. Larger pieces leave the caches (on one host 64 MiB took four times as long as
// 4 MiB), smaller ones wait for the network more often; several under way at once were slower than one after the other.
constexpr int64_t kMessageBytes = 2 << 20;
constexpr int64_t kMostBytes = int64_t{1} << 30;
// What is under way moves only when it is asked for. A gathering that takes longer waits for a rank that still computes.
constexpr auto kPatience = std::chrono::milliseconds(5);
constexpr timespec kNap{0, 50'000};
// An interrupt often comes to all ranks, each of which tells the others so: they have this long to.
constexpr auto kGrace = std::chrono::milliseconds(500);

std::atomic<bool> opened{false};

}  // namespace

struct lethe_group final {
  const lethe_transport* transport;
  int32_t rank = 0, size = 0;
  bool broken = false;
  char message[kTransportMessage] = "";
  lethe::LiveHandle live;

  void require_whole() const { if (broken) refuse(LETHE_INTERNAL, "a call of this group failed before; only close is left"); }

  void told(int status) {
    if (status != 0) refuse(LETHE_INTERNAL, message);
  }

  // What begin() started, to its end. `naps`: between questions, once it has taken long.
  template <class Begin>
  void run(const int32_t* flag, bool naps, Begin&& begin) {
    const Clock::time_point start = Clock::now();
    Clock::time_point last = start;  // time at which nobody had cancelled yet
    broken = true;
    told(begin());
    for (int32_t done = 0;;) {
      told(transport->progress(&done, message));
      if (done) break;
      const Clock::time_point now = Clock::now();
      if (flag == nullptr || __atomic_load_n(flag, __ATOMIC_RELAXED) == 0) last = now;
      if (now - last > kGrace) refuse(LETHE_CANCELLED, "cancelled");
      if (naps && now - start > kPatience) nanosleep(&kNap, nullptr);
      else sched_yield();
    }
    broken = false;
  }
};

extern "C" {

lethe_status lethe_group_open(const char* library, lethe_group** out, int32_t* rank, int32_t* size, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(library, "library");
    require_pointer(out, "out");
    require_pointer(rank, "rank");
    require_pointer(size, "size");
    *out = nullptr;
    void* loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (loaded == nullptr) refuse(LETHE_UNSUPPORTED, dlerror());
    const auto give = reinterpret_cast<decltype(&lethe_transport_table)>(dlsym(loaded, "lethe_transport_table"));
    if (give == nullptr) refuse(LETHE_UNSUPPORTED, library, " is not a library of Lethe's ranks");
    const lethe_transport* transport = give();
    if (transport->version != kTransportVersion) {
      refuse(LETHE_UNSUPPORTED, library, " has version ", transport->version, ", this library needs ", kTransportVersion);
    }
    if (opened.exchange(true)) refuse(LETHE_UNSUPPORTED, "a process joins a group once");
    auto group = std::make_unique<lethe_group>();
    group->transport = transport;
    if (transport->open(&group->rank, &group->size, group->message) != 0) refuse(LETHE_UNSUPPORTED, group->message);
    *rank = group->rank;
    *size = group->size;
    *out = group.release();
  });
}

void lethe_group_close(lethe_group* group) {
  if (group == nullptr) return;
  if (!group->broken) group->transport->close(group->message);
  delete group;
}

lethe_status lethe_group_sum(lethe_group* group, lethe_vector* vector, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(group, "group");
    require_pointer(vector, "vector");
    if (vector->path != nullptr) refuse(LETHE_UNSUPPORTED, "ranks add up vectors on the host, this one is on a device");
    group->require_whole();
    const bool wide = vector->values.scalar_type() == at::kDouble;
    const int64_t width = wide ? 8 : 4, count = vector->values.numel(),
                  bucket = std::min(kMessageBytes * group->size, kMostBytes) / width;
    char* values = static_cast<char*>(vector->values.data_ptr());
    for (int64_t at = 0; at < count; at += bucket) {
      group->run(cancel, false, [&] {
        return group->transport->begin_sum(values + at * width, std::min(bucket, count - at), wide ? LETHE_F64 : LETHE_F32,
                                           group->message);
      });
    }
  });
}

lethe_status lethe_group_gather(lethe_group* group, const void* in, int64_t bytes, void* out, const int32_t* cancel,
                                lethe_error* err) {
  return guard(err, [&] {
    require_pointer(group, "group");
    require_pointer(in, "in");
    require_pointer(out, "out");
    require(bytes >= 1 && bytes < (int64_t{1} << 31), "bytes is ", bytes, ", allowed 1 to 2^31 - 1");
    group->require_whole();
    group->run(cancel, true, [&] { return group->transport->begin_gather(in, bytes, out, group->message); });
  });
}

}  // extern "C"
