// Exports about devices: what there is, what a training takes, and the ring through which captures leave.
#include "device.h"
#include "guard.h"
#include "model.h"
#include "plan.h"
#include "ring.h"

using namespace lethe;

extern "C" {

lethe_status lethe_device_info(int32_t index, lethe_device* out, lethe_error* err) {
  return guard(err, [&] { device_info(index, checked(out, "device")); });
}

lethe_status lethe_model_plan(const lethe_model_config* config, const lethe_plan_request* request, lethe_plan* out,
                              lethe_error* err) {
  return guard(err, [&] {
    const lethe_model_config& c = checked(config, "config");
    lethe_plan& plan = checked(out, "plan");
    plan = make_plan(c, checked(request, "request"));
  });
}

lethe_status lethe_ring_create(lethe_model* model, int64_t slots, int64_t slot_bytes, lethe_ring** out,
                               lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(out, "out");
    *out = nullptr;
    require(slots >= 1 && slots <= 1024, "slots is ", slots, ", allowed 1 to 1024");
    require(slot_bytes >= 1, "slot_bytes is ", slot_bytes, ", must be positive");
    if (model->on_cpu())
      refuse(LETHE_UNSUPPORTED, "a capture ring is for a model on a device; on the CPU entries are written in place");
    run_on(model->path, [&] { *out = model->path->make_ring(*model, slots, slot_bytes).release(); });
  });
}

void lethe_ring_destroy(lethe_ring* ring) { delete ring; }

lethe_status lethe_ring_take(lethe_ring* ring, int64_t records, const void** entries, int64_t* sizes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(ring, "ring");
    require(records >= 1, "records is ", records, ", must be positive");
    require_pointer(entries, "entries");
    require_pointer(sizes, "sizes");
    ring->take(records, entries, sizes);
  });
}

lethe_status lethe_ring_release(lethe_ring* ring, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(ring, "ring");
    ring->release();
  });
}

}  // extern "C"
