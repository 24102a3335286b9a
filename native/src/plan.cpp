// Counts the buffers that the passes keep, from shapes alone. What is counted follows workspace.h and device/state.h; a
// test compares it with what a model really holds.
#include "plan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "device.h"
#include "guard.h"
#include "model.h"

namespace lethe {
namespace {

struct Widths {
  int64_t model;    // bytes of a parameter
  int64_t compute;  // of an activation
};

constexpr int64_t kIndexBytes = 64;  // a token's places in tables

int64_t available_memory(const lethe_model_config& config) {
  if (config.device_type == LETHE_CUDA) {
    lethe_device device{};
    device_info(config.device_index, device);
    return device.free_bytes;
  }
  std::ifstream facts("/proc/meminfo");
  for (std::string line; std::getline(facts, line);) {
    long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %lld kB", &kibibytes) == 1) return int64_t{1024} * kibibytes;
  }
  return 0;
}

int64_t chunk_bytes(bool on_device) { return on_device ? int64_t{2} << 30 : int64_t{64} << 20; }

std::string size(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < (int64_t{1} << 30) ? "%.0f MiB" : "%.1f GiB",
                static_cast<double>(bytes) / (bytes < (int64_t{1} << 30) ? 0x1p20 : 0x1p30));
  return text;
}

// What the scaling does not read stays as if it were not there.
Rotary rotary_of(const lethe_model_config& c) {
  Rotary rotary{.size = c.rotary_size, .scaling = static_cast<Scaling>(c.rotary_scaling)};
  if (rotary.size != 0) rotary.base = c.rotary_base;
  if (rotary.scaling != Scaling::kNone) rotary.factor = c.rotary_factor;
  if (rotary.scaling == Scaling::kLlama3) {
    rotary.low_factor = c.rotary_low_factor;
    rotary.high_factor = c.rotary_high_factor;
    rotary.old_context = c.rotary_old_context;
  }
  return rotary;
}

}  // namespace

Shape shape_of(const lethe_model_config& c) {
  require(c.adapted_count >= 0 && c.adapted_count < (int64_t{1} << 20), "config.adapted_count is ", c.adapted_count,
          ", allowed 0 to 2^20");
  std::vector<Adapted> adapted;
  for (int64_t i = 0; i < c.adapted_count; ++i) {
    require_pointer(c.adapted, "config.adapted");
    const lethe_adapted& adapter = checked(c.adapted + i, "config.adapted");
    adapted.push_back({{adapter.module, strnlen(adapter.module, sizeof adapter.module)}, adapter.rank, adapter.scale});
  }
  require(c.dtype == LETHE_F32 || c.dtype == LETHE_F64, "config.dtype is ", c.dtype,
          ", a model computes in 0 (F32) or 1 (F64)");
  require(c.compute_dtype == 0 || (c.compute_dtype == LETHE_BF16 && c.dtype == LETHE_F32), "config.compute_dtype is ",
          c.compute_dtype, ", allowed 0 (as dtype) and, for an F32 model, 3 (BF16)");
  require((c.options & ~(LETHE_ALLOW_TF32 | LETHE_NO_GRAPHS)) == 0, "config.options is ", c.options,
          ", allowed are the bits 1 (TF32) and 2 (no graphs)");
  require((c.block_options & ~127) == 0, "config.block_options is ", c.block_options, ", allowed are the bits 1 to 64");
  const auto has = [&](int32_t bit) { return (c.block_options & bit) != 0; };
  require(c.tied_head == 0 || c.tied_head == 1, "config.tied_head is ", c.tied_head, ", allowed 0 and 1");
  return {.vocabulary = c.vocabulary,
          .context = c.context,
          .channels = c.channels,
          .heads = c.heads,
          .layers = c.layers,
          .inner = c.inner,
          .epsilon = c.norm_epsilon,
          .tied = c.tied_head == 1,
          .family = static_cast<Family>(c.family),
          .kv_heads = c.kv_heads,
          .head = c.head_size,
          .rotary = rotary_of(c),
          .activation = static_cast<Activation>(c.activation),
          .qkv_bias = !has(LETHE_NO_QKV_BIAS),
          .output_bias = !has(LETHE_NO_OUTPUT_BIAS),
          .mlp_bias = !has(LETHE_NO_MLP_BIAS),
          .head_norm = has(LETHE_HEAD_NORM),
          .parallel = has(LETHE_PARALLEL),
          .unscaled_scores = has(LETHE_UNSCALED_SCORES),
          .scores_by_block = has(LETHE_SCORES_BY_BLOCK),
          .adapted = std::move(adapted)};
}

lethe_plan make_plan(const lethe_model_config& config, const lethe_plan_request& request) {
  const Shape shape = shape_of(config);
  const Layout layout(shape);
  const auto sane = [](int64_t value, const char* name) {
    require(value >= 0 && value < (int64_t{1} << 40), "request.", name, " is ", value, ", allowed 0 to 2^40");
  };
  sane(request.tokens, "tokens");
  sane(request.targets, "targets");
  sane(request.records, "records");
  sane(request.ring_slots, "ring_slots");
  sane(request.capture_bytes >> 20, "capture_bytes (in MiB)");
  const bool on_device = config.device_type == LETHE_CUDA, narrow = on_device && config.compute_dtype == LETHE_BF16;
  const Widths width{config.dtype == LETHE_F64 ? 8 : 4, config.dtype == LETHE_F64 ? 8 : narrow ? 2 : 4};

  lethe_plan plan{};
  plan.struct_size = sizeof plan;
  plan.parameters = plan.gradient = layout.flat_size() * width.model;
  plan.moments = 2 * plan.parameters;
  plan.shadow = (narrow ? layout.flat_size() * width.compute : 0) + (on_device ? layout.frozen_numbers() * width.compute : 0);
  const int64_t fixed = plan.parameters + plan.gradient + plan.moments + plan.shadow;

  const Architecture& a = layout.architecture();
  // What is about to join the residual stream counts too: a device keeps it apart. And the rotary turns, by row or, on
  // a device, by position, of which there are no more.
  const int64_t elements = a.slot_elements() + a.gradient_elements() + shape.channels;
  const int64_t of_model = a.note_elements() + a.rotary.size;
  plan.activations = request.tokens * (elements * width.compute + of_model * width.model + kIndexBytes);
  const int64_t row = shape.vocabulary * width.compute;
  plan.head = std::min(request.targets * row, std::max(chunk_bytes(on_device), 32 * row)) +
              (request.targets < request.tokens ? 2 * request.targets * shape.channels * width.compute : 0);
  // Entries are made in one place while those before them are copied out of another.
  plan.capture = on_device ? request.capture_bytes * (request.ring_slots > 0 ? 2 : 1) : 0;
  plan.ring = on_device ? request.capture_bytes * request.ring_slots : 0;
  plan.total = fixed + plan.activations + plan.head + plan.capture;
  plan.available = available_memory(config);
  if (request.tokens > 0) {
    plan.token_bytes = (plan.activations + plan.capture) / request.tokens;
    const int64_t room = plan.available - fixed - plan.head;
    plan.fitting_tokens = std::max<int64_t>(0, plan.token_bytes == 0 ? 0 : room / plan.token_bytes);
  }
  return plan;
}

std::string describe(const lethe_plan& plan) {
  return "it takes " + size(plan.parameters + plan.shadow) + " for parameters, " + size(plan.gradient) +
         " for the gradient, " + size(plan.moments) + " for AdamW's moments, " + size(plan.activations) +
         " for activations, " + size(plan.head) + " for the head and " + size(plan.capture) + " for captured entries, " +
         size(plan.total) + " in all; about " + std::to_string(plan.fitting_tokens) + " tokens a batch fit";
}

}  // namespace lethe
