// The families' tables, and sums over them.
#include "architecture.h"

#include <algorithm>

namespace lethe {

Architecture gpt2(const Shape& shape) {
  const int64_t c = shape.channels, inner = shape.inner;
  const QkvView qkv{.heads = shape.heads, .kv_heads = shape.heads, .d = shape.head_size()};
  enum { kStream, kNormed1, kQkv, kAttended, kMiddle, kNormed2, kExpanded, kActivated, kOut };
  enum { kStreamGradient, kNarrow, kWide };
  return {.layers = shape.layers,
          .qkv = qkv,
          .embedding = "wte",
          .positions = "wpe",
          .block = "h.",
          .head = "lm_head",
          .slots = {{c, kStreamGradient}, {c, kNarrow}, {qkv.width(), kWide}, {qkv.out(), kNarrow},
                    {c, kStreamGradient}, {c, kNarrow}, {inner, kWide}, {inner, kWide}},
          .steps = {{Op::kNorm, kStream, kNone, kNormed1, 0},
                    {Op::kLinear, kNormed1, kNone, kQkv, 1},
                    {Op::kAttention, kQkv, kNone, kAttended},
                    {Op::kLinear, kAttended, kStream, kMiddle, 2},
                    {Op::kNorm, kMiddle, kNone, kNormed2, 3},
                    {Op::kLinear, kNormed2, kNone, kExpanded, 4, true},
                    {Op::kActivation, kExpanded, kNone, kActivated, 4},
                    {Op::kLinear, kActivated, kMiddle, kOut, 5}},
          .sites = {{"ln_1", true}, {"attn.c_attn", true}, {"attn.c_proj", true}, {"ln_2", true}, {"mlp.c_fc", true},
                    {"mlp.c_proj", true}},
          .tail = {{Op::kNorm, kStream, kNone, kNormed1, 0}},
          .tail_site = {"ln_f", true}};
}

int Architecture::gradients() const {
  int count = 0;
  for (const Slot& slot : slots) count = std::max(count, slot.gradient + 1);
  return count;
}

int64_t Architecture::slot_elements() const {
  int64_t block = 0;
  for (const Slot& slot : slots) block += slot.width;
  return layers * block + slots[0].width + slots[1].width;
}

int64_t Architecture::gradient_elements() const {
  std::vector<int64_t> widest(static_cast<size_t>(gradients()));
  int64_t sum = 0;
  for (const Slot& slot : slots) {
    int64_t& width = widest[static_cast<size_t>(slot.gradient)];
    sum += std::max(width, slot.width) - width;
    width = std::max(width, slot.width);
  }
  return sum;
}

int64_t Architecture::note_elements() const {
  int64_t sum = 0;
  for (int64_t block = 0; block < blocks(); ++block)
    for (const Step& step : steps_of(block)) sum += notes(step);
  return sum;
}

}  // namespace lethe
