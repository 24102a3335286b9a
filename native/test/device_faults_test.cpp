// What a device refuses, and that a device that fails leaves models, rings and the process usable; over the emulation.
#include <ATen/Context.h>

#include <atomic>
#include <latch>
#include <thread>

#include "../device/path.h"
#include "../device/runtime_emulated.h"
#include "captured.h"
#include "switches.h"

using namespace test;

namespace {

using lethe::device::emulated::machine;

lethe_model_config config_of(bool device) {
  lethe_model_config config = tiny_config(LETHE_F32, true);
  config.device_type = device ? LETHE_CUDA : LETHE_CPU;
  return config;
}

// The next call writes into pinned memory that this one's copies read.
void failed_calls_wait() {
  const ModelHandle model = random_model(config_of(true), 3);
  const Ragged batch = random_batch({3, 4}, 23, 5);
  const lethe_batch view = batch.view();
  const int32_t cancelled = 1;
  double losses[2];
  machine.unawaited = 0;
  CHECK_REFUSED(lethe_model_gradient(model.get(), &view, 0, nullptr, losses, nullptr, &cancelled, err), LETHE_CANCELLED, "");
  CHECK(machine.unawaited == 0);
  machine.fails = true;  // the reason stays the first one
  CHECK_REFUSED(lethe_model_gradient(model.get(), &view, 0, nullptr, losses, nullptr, &cancelled, err), LETHE_CANCELLED, "");
  machine.fails = false;
  CHECK_OK(lethe_model_gradient(model.get(), &view, 0, nullptr, losses, nullptr, nullptr, err));
}

struct RingOf {
  RingOf(lethe_model* model, int64_t slots) : model(model), mask(all_sites(model)) {
    format.sites = mask.data();
    format.site_count = static_cast<int64_t>(mask.size());
    format.dtype = LETHE_F32;
    CHECK_OK(lethe_ring_create(model, slots, 1 << 20, &ring, err));
    order.format = &format;
    order.ring = ring;
  }
  ~RingOf() { lethe_ring_destroy(ring); }
  lethe_status send(lethe_error* err) {
    const lethe_batch view = batch.view();
    return lethe_model_gradient(model, &view, 0, &order, losses, nullptr, nullptr, err);
  }

  lethe_model* model;
  std::vector<uint8_t> mask;
  const Ragged batch = random_batch({3, 4}, 23, 5);
  lethe_entry_format format = sized<lethe_entry_format>();
  lethe_capture order = sized<lethe_capture>();
  lethe_ring* ring = nullptr;
  double losses[2];
};

// A slot whose pass failed is free again, whatever waiting for its copies says.
void a_fault_gives_the_slot_back() {
  const ModelHandle model = random_model(config_of(true), 3);
  RingOf ring(model.get(), 1);
  gradient(model.get(), ring.batch);
  machine.cannot_pin = true;
  CHECK_REFUSED(ring.send(err), LETHE_OUT_OF_MEMORY, "cannot pin");
  machine.cannot_pin = false;
  machine.fails = true;
  CHECK_REFUSED(ring.send(err), LETHE_INTERNAL, "the emulated device failed");
  machine.fails = false;
  CHECK_OK(ring.send(err));
  CHECK_OK(lethe_ring_release(ring.ring, err));
}

// Threads that want different switches see their own, and all are as before in the end.
void switches_are_each_threads() {
  at::Context& context = at::globalContext();
  std::atomic<int> wrong = 0;
  std::latch together(3);
  const auto work = [&](bool tf32, bool ordered) {
    const lethe::AllowTf32 allowed(tf32);
    together.arrive_and_wait();
    for (int i = 0; i < 2000; ++i) {
      const lethe::Switches switches(ordered);
      std::this_thread::yield();
      wrong += context.allowTF32CuBLAS() != tf32 || context.deterministicAlgorithms() != ordered;
    }
  };
  {
    const std::jthread one([&] { work(true, false); }), two([&] { work(false, false); }), three([&] { work(false, true); });
  }
  CHECK(wrong == 0);
  CHECK(!context.allowTF32CuBLAS() && !context.deterministicAlgorithms());
  CHECK(context.deterministicFillUninitializedMemory());
}

lethe_status pass(lethe_model* model, const Ragged& batch, const int32_t* cancel, lethe_error* err) {
  const lethe_batch view = batch.view();
  std::vector<double> losses(batch.records());
  return lethe_model_gradient(model, &view, 0, nullptr, losses.data(), nullptr, cancel, err);
}

const lethe::device::Path& path_of(const ModelHandle& model) {
  return static_cast<const lethe::device::Path&>(*model->path);
}

void passes_go_on_without_a_graph() {
  machine.graphs = machine.cannot_end = true;
  machine.abandoned = 0;
  const ModelHandle model = random_model(config_of(true), 3);
  const Ragged batch = random_batch({3, 4}, 23, 5);
  const std::vector<double> expected = gradient(model.get(), batch);
  for (int i = 0; i < 3; ++i) {
    CHECK(path_of(model).records() == (i < 2));
    CHECK(gradient(model.get(), batch) == expected);
  }
  CHECK(machine.abandoned == 1);
  CHECK(path_of(model).recording_failure() == "the emulated device cannot end a recording");
  machine.graphs = machine.cannot_end = false;
}

// The third pass is the one that is recorded.
void a_cancelled_recording_is_none() {
  machine.graphs = true;
  machine.abandoned = 0;
  const ModelHandle model = random_model(config_of(true), 3);
  const Ragged batch = random_batch({3, 4}, 23, 5);
  const std::vector<double> expected = gradient(model.get(), batch);
  CHECK_OK(pass(model.get(), batch, nullptr, err));
  const int32_t cancelled = 1;
  CHECK_REFUSED(pass(model.get(), batch, &cancelled, err), LETHE_CANCELLED, "");
  CHECK(machine.abandoned == 1 && path_of(model).records() && path_of(model).recording_failure().empty());
  CHECK(gradient(model.get(), batch) == expected);
  CHECK_REFUSED(pass(model.get(), batch, nullptr, err), LETHE_INTERNAL, "repeats no graphs");  // so that was a replay
  machine.graphs = false;
}

// A batch of a shape that is recorded, captured in another format: other kernels.
void a_graph_is_of_one_format() {
  machine.graphs = true;
  const ModelHandle model = random_model(config_of(true), 3);
  const Ragged batch = random_batch({3, 4}, 23, 5);
  const std::vector<uint8_t> mask = all_sites(model.get());
  for (int i = 0; i < 6; ++i) capture(model.get(), batch, mask, 0, LETHE_F32);  // either area's third is recorded
  capture(model.get(), batch, mask, 0, LETHE_BF16);
  for (int i = 0; i < 6; ++i) capture(model.get(), batch, mask, 3, LETHE_BF16);
  capture(model.get(), batch, mask, 5, LETHE_BF16);
  machine.graphs = false;
}

}  // namespace

int main() {
  passes_go_on_without_a_graph();
  a_cancelled_recording_is_none();
  a_graph_is_of_one_format();
  switches_are_each_threads();
  failed_calls_wait();
  a_fault_gives_the_slot_back();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
