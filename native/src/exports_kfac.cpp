// Exports of Kronecker factors.
#include <ATen/ops/from_blob.h>

#include <cmath>
#include <memory>

#include "entry_set.h"
#include "flat.h"
#include "guard.h"
#include "kfac.h"
#include "serial.h"

namespace {

using namespace lethe;

// A lethe_model or lethe_vector of the factors' kind.
template <class Owner>
void require_same_space(const Kfac& kfac, const Owner& owner, const at::Tensor& values, const char* what) {
  require(kfac.layout.shape() == owner.layout.shape() && kfac.dtype == values.scalar_type(), "the ", what,
          " has another shape or dtype than the factors");
  require(kfac.device == values.device() && (kfac.path == nullptr) == (owner.path == nullptr), "the ", what,
          " is on another device than the factors");
}

void require_numbers(const Kfac& kfac) {
  kfac.require_whole();
  require(kfac.numbers.defined(), "the factors are not decomposed yet");
}

}  // namespace

extern "C" {

lethe_status lethe_kfac_create(const lethe_model* model, const lethe_kfac_options* options, lethe_kfac** out,
                               lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(out, "out");
    *out = nullptr;
    const lethe_kfac_options& o = checked(options, "options");
    require_pointer(o.sites, "options.sites");
    require(o.site_count == model->layout.site_count(), "options.site_count is ", o.site_count, ", the model has ",
            model->layout.site_count());
    require(o.fisher == LETHE_FISHER_EMPIRICAL || o.fisher == LETHE_FISHER_SAMPLED, "options.fisher is ", o.fisher,
            ", allowed 0 (empirical) and 1 (sampled)");
    require(o.stage >= 0 && o.stage <= 2, "options.stage is ", o.stage, ", allowed 0 to 2");
    require(o.records >= 0 && (o.stage != 0 || o.records == 0), "options.records is ", o.records, " in stage ", o.stage);
    run_on(model->path, [&] { *out = std::make_unique<lethe_kfac>(*model, o).release(); });
  });
}

void lethe_kfac_destroy(lethe_kfac* kfac) { delete kfac; }

lethe_status lethe_kfac_describe(const lethe_kfac* kfac, lethe_kfac_info* out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(kfac, "kfac");
    lethe_kfac_info& info = checked(out, "info");
    info.elements = kfac->elements;
    info.records = kfac->records;
    info.stage = static_cast<int32_t>(kfac->stage);
    info.reserved = 0;
  });
}

lethe_status lethe_kfac_accumulate(lethe_kfac* kfac, lethe_model* model, const lethe_batch* batch, double* losses,
                                   const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(kfac, "kfac");
    require_pointer(model, "model");
    require_pointer(losses, "losses");
    kfac->require_whole();
    require_same_space(*kfac, *model, model->parameters, "model");
    const Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kRequired);
    const SerialIfSmall serial(checked_batch.rows() * model->layout.parameters());
    run_on(model->path, [&] { kfac_accumulate(*kfac, *model, checked_batch, losses, Cancel(cancel)); });
  });
}

lethe_status lethe_kfac_accumulate_entries(lethe_kfac* kfac, const lethe_model* model, const lethe_entries* entries,
                                           const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(kfac, "kfac");
    require_pointer(model, "model");
    kfac->require_whole();
    require_same_space(*kfac, *model, model->parameters, "model");
    run_on(model->path, [&] {
      kfac_accumulate_entries(*kfac, EntrySet(*model, checked(entries, "entries"), nullptr), Cancel(cancel));
    });
  });
}

lethe_status lethe_kfac_decompose(lethe_kfac* kfac, const int32_t* cancel, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(kfac, "kfac");
    kfac->require_whole();
    run_on(kfac->path, [&] { kfac_decompose(*kfac, Cancel(cancel)); });
  });
}

lethe_status lethe_kfac_apply(const lethe_kfac* kfac, double damping, double relative, double power,
                              const lethe_vector* in, lethe_vector* out, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(kfac, "kfac");
    require_pointer(in, "in");
    require_pointer(out, "out");
    require_numbers(*kfac);
    require(std::isfinite(damping) && damping >= 0, "damping is ", damping, ", must be 0 or more");
    require(std::isfinite(relative) && relative >= 0, "relative is ", relative, ", must be 0 or more");
    require(std::isfinite(power), "power is ", power, ", must be finite");
    require_same_space(*kfac, *in, in->values, "vector");
    require_same_space(*kfac, *out, out->values, "vector");
    const SerialIfSmall serial(kfac->elements * kfac->layout.shape().channels);
    out->changes();
    run_on(in->path, [&] { kfac_apply(*kfac, {.damping = damping, .relative = relative, .power = power}, *in, *out); });
  });
}

lethe_status lethe_kfac_read(const lethe_kfac* kfac, int64_t offset, int64_t count, int32_t dtype, void* out,
                             int64_t bytes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(kfac, "kfac");
    require_numbers(*kfac);
    run_on(kfac->path, [&] { flat_read(kfac->numbers, offset, count, dtype, out, bytes); });
  });
}

lethe_status lethe_kfac_write(lethe_kfac* kfac, int64_t offset, int64_t count, int32_t dtype, const void* in,
                              int64_t bytes, lethe_error* err) {
  return guard(err, [&] {
    require_pointer(kfac, "kfac");
    require_numbers(*kfac);
    check_range(kfac->elements, offset, count, dtype, in, bytes);
    if (count == 0) return;
    const auto options = at::TensorOptions().dtype(scalar_type(dtype));
    run_on(kfac->path, [&] {
      kfac->numbers.narrow(0, offset, count).copy_(at::from_blob(const_cast<void*>(in), {count}, options));
    });
  });
}

}  // extern "C"
