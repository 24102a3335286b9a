// The calls of one model: upload, pass, one copy of the results back.
#include "path.h"

#include <ATen/ops/isfinite.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <cstdio>
#include <cstring>

#include "activation_products.h"
#include "capture_device.h"
#include "decoder.h"
#include "passes.h"
#include "plan.h"
#include "tangent_device.h"
#include "walk_device.h"

namespace lethe {
namespace device {
namespace {

constexpr size_t kBounceBytes = size_t{64} << 20;
constexpr int64_t kWarmUps = 2;  // passes of one shape before one is recorded: libraries allocate in the first

// The first site whose output is not finite, of a pass whose slots these are and whose loss is not.
int64_t first_not_finite(Slots& slots, const Layout& layout) {
  const auto bad = [](const at::Tensor& x) { return !at::isfinite(x).all().item<bool>(); };
  if (bad(slots.slot(0, 0))) return Layout::embedding_site();
  for (int64_t block = 0; block < slots.architecture().blocks(); ++block)
    for (const Step& step : slots.architecture().steps_of(block))
      if ((step.op == Op::kNorm || step.op == Op::kLinear || step.op == Op::kHeadNorm) &&
          bad(slots.slot(block, step.out)))
        return layout.site(block, step.site);
  return layout.head_site();
}

}  // namespace

Path::Path(const lethe_model_config& config)
    : config_(config),
      state_(config.device_index, (config.options & LETHE_ALLOW_TF32) != 0, config.compute_dtype == LETHE_BF16),
      records_(state_.runtime.has_graphs() && (config.options & LETHE_NO_GRAPHS) == 0) {}

Path::~Path() {
  try {
    release();
  } catch (...) {  // a device that failed has told so before
  }
}

void Path::forget_graphs() {
  for (Recorded& recorded : recorded_) recorded = Recorded{};
  last_pass_ = PassKey{};
}

void Path::run_pass(PassKey key, Recorded& recorded, const std::function<void()>& pass) {
  if (!records_) return pass();
  if (key != last_pass_) {  // memory that it uses may move
    forget_graphs();
    last_pass_ = std::move(key);
  }
  const StagingArea& area = areas_[&recorded - recorded_];
  const bool captures = last_pass_.capture.has_value();
  const void* block = captures ? area.block_data : nullptr;
  const void* report = captures ? area.report_data : nullptr;
  const void* places = captures ? area.places_data : nullptr;
  if (block != recorded.block || report != recorded.report || places != recorded.places)
    recorded = {block, report, places, 0, nullptr};
  if (recorded.graph == nullptr && recorded.repeats++ >= kWarmUps) recorded.graph = record(pass);
  recorded.graph == nullptr ? pass() : recorded.graph->replay();
}

// A pass that cannot be recorded here may run all the same: one that memory is too short for as well, for a recording
// cannot take what libtorch keeps for reuse, and the pass itself tells when it does not fit. What a pass tells its caller
// (cancelled, say) goes on to the caller.
std::unique_ptr<Graph> Path::record(const std::function<void()>& pass) {
  auto graph = std::make_unique<Graph>();
  try {
    graph->record(pass);
    return graph;
  } catch (const c10::Error& error) {
    go_without_graphs(error.what_without_backtrace());
  } catch (const Refusal& refusal) {
    if (refusal.status != LETHE_INTERNAL) throw;
    go_without_graphs(refusal.message);
  }
  return nullptr;
}

void Path::go_without_graphs(std::string reason) {
  records_ = false;
  failure_ = std::move(reason);
  std::fprintf(stderr, "lethe: passes run kernel by kernel, for recording one as a graph failed: %s\n",
               failure_.substr(0, failure_.find('\n')).c_str());
}

void Path::release() {
  state_.runtime.wait();
  forget_graphs();
  state_.work = Work{};
  for (StagingArea& area : areas_) {
    area.copied.wait();
    area.block = area.report = area.places = Slab();
  }
  results_ = sums_ = Slab();
  state_.runtime.give_back();
}

void Path::fetch(void* to, const void* from, size_t bytes) {
  start_fetch(from, bytes);
  finish_fetch(to, bytes);
}

void Path::start_fetch(const void* from, size_t bytes) {
  if (bounce_.bytes() < bytes) bounce_ = Pinned(bytes);
  to_host(bounce_.data(), from, bytes, state_.runtime.work());
}

void Path::finish_fetch(void* to, size_t bytes) {
  wait();
  std::memcpy(to, bounce_.data(), bytes);
}

void Path::send(void* to, const void* from, size_t bytes) {
  if (bounce_.bytes() < bytes) bounce_ = Pinned(bytes);
  std::memcpy(bounce_.data(), from, bytes);
  to_device(to, bounce_.data(), bytes, state_.runtime.work());
}

void Path::begin(Model& model, const Batch& batch) {
  if (state_.work.blocks.empty()) state_.work = Work(model.layout.architecture());
  state_.refresh(model);
  state_.tables.upload(batch, device(), state_.runtime.work());
  state_.reach(model, state_.tables.longest);
}

template <class Body>
void Path::within_memory(const Model& model, const Batch& batch, Body&& body) {
  try {
    body();
    return;
  } catch (const c10::OutOfMemoryError&) {
    // Reported below, when what the failed pass held is free.
  }
  release();
  lethe_plan_request request{};
  request.struct_size = sizeof request;
  request.records = batch.records();
  request.tokens = batch.rows();
  request.targets = batch.targets() == nullptr ? 0 : batch.target_count();
  const lethe_plan plan = make_plan(config_, request);
  refuse(LETHE_OUT_OF_MEMORY, "a batch of ", batch.rows(), " tokens does not fit into the device's memory: ",
         describe(plan), "; use smaller batches, or accumulate gradients of several (P = ", model.layout.parameters(), ")");
}

void Path::refuse_loss(Model& model, const Batch& batch, const double* losses, int64_t row, bool kept) {
  if (!kept) forward(state_, model, batch, Keep::kForBackward, Cancel());
  Slots slots(model, {state_.work, state_.options(model)}, batch.rows(), batch.rows(), 0);
  const int64_t first = first_not_finite(slots, model.layout);
  const int64_t record = batch.target_records()[static_cast<size_t>(row)];
  refuse(LETHE_NOT_FINITE, "the loss of record ", record, " of the batch is ", losses[row], " at its token ",
         batch.target_rows()[static_cast<size_t>(row)] - batch.offset(record), "; the first site whose output is not finite is ",
         model.layout.sites()[static_cast<size_t>(first)].name);
}

void Path::gradient(Model& model, const Batch& batch, const GradientCall& call, const Cancel& cancel) {
  within_memory(model, batch, [&] { run_gradient(model, batch, call, cancel); });
}

void Path::run_gradient(Model& model, const Batch& batch, const GradientCall& call, const Cancel& cancel) {
  begin(model, batch);
  const StreamHandle work = state_.runtime.work(), side = state_.runtime.side();
  const int64_t targets = batch.target_count(), sites = model.layout.site_count();
  // Losses, mean logits and products in one block, which one copy brings back.
  const int64_t product_count = call.products == nullptr ? 0 : batch.records() * sites;
  const int64_t results = targets + (call.products == nullptr ? 0 : targets) + product_count;
  double* block = results_.get(at::TensorOptions().dtype(at::kDouble).device(device()), results).mutable_data_ptr<double>();
  double* products = call.products == nullptr ? nullptr : block + 2 * targets;
  if (products != nullptr) fill(products, 0, static_cast<size_t>(product_count) * 8, work);
  DeviceScores scores{};
  scores.loss = block;
  scores.mean_logit = call.products == nullptr ? nullptr : block + targets;

  StagingArea& area = areas_[captures_ % 2];
  std::optional<EntriesOut> entries;
  std::optional<DeviceCapture> capture;
  Ring* ring = nullptr;
  Ring::Slot* slot = nullptr;
  const EntriesOut* out = nullptr;
  if (call.capture != nullptr) {
    const lethe_capture& wanted = checked(call.capture, "capture");
    const bool wide = model.dtype == at::kDouble;
    entries.emplace(model.layout, EntryFormat(model.layout, wide, checked(wanted.format, "capture.format")), wide, batch);
    ring = static_cast<Ring*>(wanted.ring);
    if (ring == nullptr) {
      require_pointer(wanted.destinations, "capture.destinations");
      require_pointer(wanted.capacities, "capture.capacities");
      entries->check(batch.records(), wanted.destinations, wanted.capacities);
      out = &*entries;
    } else {
      slot = &ring->claim(std::move(*entries), cancel);
      out = &*slot->entries;
    }
    ++captures_;
  }
  struct Abandon {
    ~Abandon() {
      if (slot != nullptr) ring->abandon(*slot);
    }
    Ring* ring;
    Ring::Slot* slot;
  } abandon{ring, slot};

  Backward options{.accumulate = call.accumulate};
  if (out != nullptr) options.observers.push_back(&capture.emplace(state_, model, *out, area));
  std::optional<ActivationProducts> activations;
  if (products != nullptr) options.observers.push_back(&activations.emplace(state_, model, products));
  Device back(state_, model, batch, options, cancel);
  const auto pass = [&] {
    const at::Tensor hidden = forward(state_, model, batch, Keep::kForBackward, cancel);
    head_gradient(state_, model, hidden, options, scores, cancel);
    walk_blocks_backward(back, back.architecture().blocks(), 0);
  };
  std::optional<PassKey::Format> format;
  if (out != nullptr) format = {out->format.fingerprint(), out->format.dtype(), out->format.top_k()};
  if (products == nullptr) {
    run_pass({{batch.offsets(), batch.offsets() + batch.records() + 1},
              batch.target_rows(),
              format,
              call.accumulate,
              state_.tables.tokens,
              block},
             recorded_[out == nullptr ? 0 : &area - areas_], pass);
  } else {
    forget_graphs();
    pass();
  }
  // Not recorded: how many tokens differ changes from batch to batch.
  state_.tables.group(batch, work);
  back.embed_backward(back.slot(0, 0), back.gradient(0, 0));
  // Ahead of the entries: a device has one engine for copies to the host, and a step waits for its losses alone.
  std::vector<double> host(static_cast<size_t>(results));
  if (results > 0) start_fetch(block, host.size() * sizeof(double));
  if (slot != nullptr) {
    Event ready;
    ready.record(work);
    ready.hold(side);
    to_host(slot->block.data(), area.block_data, static_cast<size_t>(out->bytes), side);
    to_host(slot->report.data(), area.report_data, static_cast<size_t>(out->report_bytes()), side);
    slot->filled.record(side);
    area.copied.record(side);
  }

  if (results > 0) finish_fetch(host.data(), host.size() * sizeof(double));
  for (int64_t i = 0; i < targets; ++i)
    if (!std::isfinite(host[static_cast<size_t>(i)])) refuse_loss(model, batch, host.data(), i, true);
  record_losses(batch, host.data(), call.losses);
  if (call.products != nullptr) {
    std::memcpy(call.products, host.data() + 2 * targets, static_cast<size_t>(product_count) * 8);
    // The tokens' sums still hold the positions' part, where there is one.
    for (int64_t b = 0; model.layout.positions() >= 0 && b < batch.records(); ++b)
      call.products[b * sites + Layout::embedding_site()] -= call.products[b * sites + model.layout.positions()];
    finish_products(model, batch, {host.begin() + targets, host.begin() + 2 * targets}, call.products);
  }
  if (slot != nullptr) {
    ring->publish(*slot);
    abandon.slot = nullptr;
  } else if (out != nullptr) {
    copy_out(*out, area, *call.capture);
  }
}

// Through pinned memory, a part at a time.
void Path::copy_out(const EntriesOut& entries, StagingArea& area, const lethe_capture& capture) {
  std::vector<char> report(static_cast<size_t>(entries.report_bytes()));
  fetch(report.data(), area.report_data, report.size());
  entries.refuse_bad(report.data());
  std::vector<char> whole;
  for (int64_t b = 0; b < entries.records(); ++b) {
    const auto at = static_cast<size_t>(b);
    auto* entry = static_cast<char*>(capture.destinations[b]);
    const auto total = static_cast<size_t>(entries.places[at].total);
    if (entries.narrows()) whole.resize(total);
    char* to = entries.narrows() ? whole.data() : entry;
    for (size_t done = 0; done < total; done += kBounceBytes)
      fetch(to + done, area.block_data + entries.begins[at] + done, std::min(kBounceBytes, total - done));
    entries.finish(b, report.data(), to, entry);
  }
}

void Path::evaluate(Model& model, const Batch& batch, const RowScores& scores, const Cancel& cancel) {
  within_memory(model, batch, [&] { run_evaluate(model, batch, scores, cancel); });
}

void Path::run_evaluate(Model& model, const Batch& batch, const RowScores& scores, const Cancel& cancel) {
  const int64_t targets = batch.target_count();
  if (targets == 0) return;
  forget_graphs();  // memory that it uses may move
  begin(model, batch);
  // Loss, mean, deviation, then a byte a hit.
  const int64_t count = 3 * targets + (targets + 7) / 8;
  double* block = results_.get(at::TensorOptions().dtype(at::kDouble).device(device()), count).mutable_data_ptr<double>();
  DeviceScores on_device{};
  on_device.loss = block;
  if (scores.mean != nullptr) on_device.mean = block + targets;
  if (scores.deviation != nullptr) on_device.deviation = block + 2 * targets;
  if (scores.greedy_hit != nullptr) on_device.greedy_hit = reinterpret_cast<uint8_t*>(block + 3 * targets);
  const at::Tensor hidden = forward(state_, model, batch, Keep::kNothing, cancel);
  head_scores(state_, model, hidden, on_device, cancel);
  std::vector<double> host(static_cast<size_t>(count));
  fetch(host.data(), block, host.size() * sizeof(double));
  for (int64_t i = 0; i < targets; ++i)
    if (!std::isfinite(host[static_cast<size_t>(i)])) refuse_loss(model, batch, host.data(), i, false);
  const auto give = [&](double* to, int64_t from) {
    if (to != nullptr) std::memcpy(to, host.data() + from, static_cast<size_t>(targets) * sizeof(double));
  };
  give(scores.loss, 0);
  give(scores.mean, targets);
  give(scores.deviation, 2 * targets);
  if (scores.greedy_hit != nullptr) std::memcpy(scores.greedy_hit, host.data() + 3 * targets, static_cast<size_t>(targets));
}

void Path::logits(Model& model, const Batch& batch, const at::Tensor& out) {
  within_memory(model, batch, [&] {
    forget_graphs();
    begin(model, batch);
    const at::Tensor hidden = forward(state_, model, batch, Keep::kNothing, Cancel());
    const int64_t step = head_chunk_rows(model.layout, hidden.element_size(), batch.rows());
    for (int64_t first = 0; first < batch.rows(); first += step) {
      const int64_t count = std::min(step, batch.rows() - first);
      const at::Tensor logits = head_logits(state_, model, hidden.narrow(0, first, count));
      out.narrow(0, first, count).copy_(logits.narrow(1, 0, model.shape().vocabulary));
    }
  });
}

void Path::token_gradient(Model& model, const Batch& batch, const TokenCall& call, const Cancel& cancel) {
  within_memory(model, batch, [&] { run_token_gradient(model, batch, call, cancel); });
}

void Path::hidden_gradient(Model& model, const Batch& batch, const HiddenCall& call, const Cancel& cancel) {
  within_memory(model, batch, [&] { run_hidden_gradient(model, batch, call, cancel); });
}

void Path::observe(Model& model, const Batch& batch, const std::vector<GradientObserver*>& observers,
                   double* row_losses, const Cancel& cancel) {
  within_memory(model, batch, [&] { run_observe(model, batch, observers, row_losses, cancel); });
}

void Path::tangents(Model& model, const Batch& batch, const std::function<void(TangentOps&)>& body) {
  within_memory(model, batch, [&] {
    forget_graphs();
    begin(model, batch);
    state_.tables.group(batch, state_.runtime.work());
    body(*make_tangent_ops(state_, model, batch));
  });
}

std::unique_ptr<Decoder> Path::decoder(Model& model, const Batch& prompts, int64_t capacity) {
  forget_graphs();
  begin(model, prompts);
  return make_decoder(state_, model, prompts, capacity);
}

std::unique_ptr<lethe_ring> Path::make_ring(Model&, int64_t slots, int64_t slot_bytes) {
  return std::make_unique<Ring>(shared_from_this(), slots, slot_bytes);
}

}  // namespace device

bool device_kernels_built() { return true; }

DevicePlace make_device_path(const lethe_model_config& config) {
  auto path = std::make_shared<device::Path>(config);
  const at::Device device = path->device();
  return {device, std::move(path)};
}

}  // namespace lethe
