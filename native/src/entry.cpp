// Sizes, offsets and checks of entries. No arithmetic on factors.
#include "entry.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "guard.h"

namespace lethe {
namespace {

template <class... Parts>
void intact(bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]] refuse(LETHE_DAMAGED, parts...);
}

uint64_t mix(uint64_t hash, int64_t value) { return fnv1a(&value, sizeof value, hash); }

// Hands out aligned places one after the other; refuses what does not fit 64-bit offsets.
class Placer {
 public:
  explicit Placer(int64_t begin) : end_(begin) {}

  int64_t place(int64_t rows, int64_t columns, int64_t element_bytes) {
    const int64_t begin = end_;
    const __int128 bytes = static_cast<__int128>(rows) * columns * element_bytes;
    require(bytes < (__int128{1} << 60) && begin < (int64_t{1} << 60), "an entry of this shape exceeds 2^60 bytes");
    const int64_t used = begin + static_cast<int64_t>(bytes);
    end_ = (used + kEntryAlignment - 1) / kEntryAlignment * kEntryAlignment;
    if (used < end_) gaps_.emplace_back(used, end_);
    return begin;
  }

  int64_t end() const { return end_; }
  const std::vector<std::pair<int64_t, int64_t>>& gaps() const { return gaps_; }

 private:
  int64_t end_;
  std::vector<std::pair<int64_t, int64_t>> gaps_;
};

template <class Index>
bool rising_below(const Index* indices, int64_t count, int64_t limit) {
  bool good = static_cast<int64_t>(indices[0]) >= 0 && static_cast<int64_t>(indices[count - 1]) < limit;
  for (int64_t i = 1; i < count; ++i) good &= indices[i - 1] < indices[i];
  return good;
}

}  // namespace

uint64_t fnv1a(const void* data, size_t bytes, uint64_t seed) {
  const auto* p = static_cast<const unsigned char*>(data);
  uint64_t hash = seed;
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ p[i]) * 1099511628211ull;
  return hash;
}

uint64_t header_checksum(const EntryHeader& header) { return fnv1a(&header, offsetof(EntryHeader, checksum)); }

EntryHeader read_header(const void* data, int64_t bytes, const std::string& what) {
  require_pointer(data, what.c_str());
  intact(bytes >= static_cast<int64_t>(sizeof(EntryHeader)), what, " has ", bytes, " bytes, a header alone takes ",
         sizeof(EntryHeader));
  EntryHeader header;
  std::memcpy(&header, data, sizeof header);
  intact(std::memcmp(header.magic, kEntryMagic, sizeof kEntryMagic) == 0, what, " does not begin with ",
         std::string(kEntryMagic, sizeof kEntryMagic));
  intact(header.checksum == header_checksum(header), what, ": the header's checksum does not match");
  intact(header.version == kEntryVersion, what, " has format version ", header.version, ", this library reads ",
         kEntryVersion);
  intact(header.dtype == LETHE_F32 || header.dtype == LETHE_F64 || header.dtype == LETHE_BF16, what, " has dtype ",
         header.dtype);
  intact(header.tokens >= 1 && header.tokens < (int64_t{1} << 31), what, " claims ", header.tokens, " tokens");
  intact(header.targets >= 0 && header.targets <= header.tokens, what, " claims ", header.targets, " targets of ",
         header.tokens, " tokens");
  intact(header.head_top_k >= 0 && header.site_count >= 1, what, " claims top-k ", header.head_top_k, " and ",
         header.site_count, " sites");
  intact(header.dropped_share >= 0 && header.dropped_share <= 1, what, " claims a dropped share of ",
         header.dropped_share);
  intact(header.rank >= 0 && header.rank < (int64_t{1} << 31) && header.truncated_share >= 0 && header.truncated_share <= 1,
         what, " claims rank ", header.rank, " and a truncated share of ", header.truncated_share);
  Placer least(sizeof(EntryHeader));
  least.place(header.tokens, 1, 4);
  least.place(header.tokens, 1, 4);
  intact(header.total_bytes >= least.end() && header.total_bytes % kEntryAlignment == 0, what, " claims a size of ",
         header.total_bytes, " bytes, its token ids alone end at ", least.end());
  intact(header.total_bytes <= bytes, what, " is cut short: ", bytes, " bytes of ", header.total_bytes);
  return header;
}

EntryFormat::EntryFormat(const Layout& layout, bool double_model, const lethe_entry_format& format)
    : top_k_(format.head_top_k), dtype_(format.dtype), narrow_indices_(layout.shape().vocabulary <= 65536),
      rank_(format.rank) {
  require_pointer(format.sites, "format.sites");
  require(format.site_count == layout.site_count(), "format.site_count is ", format.site_count, ", the model has ",
          layout.site_count(), " sites");
  require(dtype_ == LETHE_F32 || dtype_ == LETHE_BF16 || (dtype_ == LETHE_F64 && double_model), "format.dtype is ", dtype_,
          ", allowed 0 (F32), 3 (BF16)", double_model ? " and 1 (F64)" : "");
  require(top_k_ >= 0 && top_k_ <= layout.shape().vocabulary, "format.head_top_k is ", top_k_, ", allowed 0 (exact) to ",
          layout.shape().vocabulary);
  require(rank_ >= 0, "format.rank is ", rank_, ", allowed 0 (a row a token) or more");
  bool any = false;
  held_ = layout.chosen(format.sites, "format.sites");
  for (const uint8_t held : held_) any = any || held != 0;
  for (const Site& site : layout.sites())
    least_.push_back(site.adapts == Adapts::kNothing ? 0 : std::min(site.inputs, site.outputs));
  require(any, "format.sites selects no site");
  embedding_ = holds(Layout::embedding_site()) || (layout.positions() >= 0 && holds(layout.positions()));
  const Shape& shape = layout.shape();
  earlier_ = fnv1a(held_.data(), held_.size());
  for (int64_t value : {shape.vocabulary, shape.context, shape.channels, shape.layers, shape.inner, int64_t{shape.tied}})
    earlier_ = mix(earlier_, value);
  fingerprint_ = mix(mix(earlier_, shape.heads), std::bit_cast<int64_t>(shape.epsilon));
  const Shape plain{.vocabulary = shape.vocabulary, .context = shape.context, .channels = shape.channels,
                    .heads = shape.heads, .layers = shape.layers, .inner = shape.inner, .epsilon = shape.epsilon,
                    .tied = shape.tied};
  if (shape == plain) return;
  const Rotary& r = shape.rotary;
  for (int64_t value :
       {static_cast<int64_t>(shape.family), shape.key_heads(), shape.head_size(), r.size, static_cast<int64_t>(r.scaling),
        std::bit_cast<int64_t>(r.base), std::bit_cast<int64_t>(r.factor), std::bit_cast<int64_t>(r.low_factor),
        std::bit_cast<int64_t>(r.high_factor), r.old_context, static_cast<int64_t>(shape.activation),
        int64_t{shape.qkv_bias}, int64_t{shape.output_bias}, int64_t{shape.mlp_bias}, int64_t{shape.head_norm},
        int64_t{shape.parallel}, int64_t{shape.unscaled_scores}, int64_t{shape.scores_by_block}})
    fingerprint_ = mix(fingerprint_, value);
  for (const Adapted& adapter : shape.adapted) {
    fingerprint_ = fnv1a(adapter.module.data(), adapter.module.size(), fingerprint_);
    fingerprint_ = mix(mix(fingerprint_, adapter.rank), std::bit_cast<int64_t>(adapter.scale));
  }
  earlier_ = fingerprint_;  // only GPT-2 as published has entries of before
}

EntryFormat EntryFormat::untruncated(bool double_model) const {
  EntryFormat whole = *this;
  if (std::exchange(whole.rank_, 0) > 0) whole.dtype_ = double_model ? LETHE_F64 : LETHE_F32;
  return whole;
}

EntryLayout::EntryLayout(const Layout& layout, const EntryFormat& format, int64_t tokens, int64_t targets)
    : tokens(tokens), targets(targets) {
  const Shape& shape = layout.shape();
  require(tokens >= 1 && tokens <= shape.context, "tokens is ", tokens, ", allowed 1 to the context ", shape.context);
  require(targets >= 0 && targets <= tokens, "targets is ", targets, ", allowed 0 to tokens ", tokens);
  const int64_t element = format.element_bytes();
  Placer placer(sizeof(EntryHeader));
  ids_at = placer.place(tokens, 1, 4);
  targets_at = placer.place(tokens, 1, 4);
  if (format.holds_embedding()) embedding_at = placer.place(tokens, shape.channels, element);
  sites.resize(static_cast<size_t>(layout.site_count()));
  for (int64_t s = 0; s < layout.site_count(); ++s) {
    if (!format.holds(s)) continue;
    const Site& site = layout.sites()[static_cast<size_t>(s)];
    Arrays& arrays = sites[static_cast<size_t>(s)];
    switch (site.kind) {
      case LETHE_SITE_LINEAR:
        arrays.first = placer.place(format.linear_rows(s, tokens), site.inputs, element);
        arrays.second = placer.place(format.linear_rows(s, tokens), site.outputs, element);
        if (format.truncates(s, tokens) && layout.has_bias(s)) arrays.index = placer.place(1, format.rank(), element);
        break;
      case LETHE_SITE_NORM:
        arrays.first = placer.place(1, site.outputs, element);
        if (layout.has_bias(s)) arrays.second = placer.place(1, site.outputs, element);
        break;
      case LETHE_SITE_HEAD: {
        const int64_t width = format.top_k() == 0 ? site.outputs : format.top_k();
        arrays.first = placer.place(targets, site.inputs, element);
        if (format.top_k() > 0) arrays.index = placer.place(targets, width, format.index_bytes());
        arrays.second = placer.place(targets, width, element);
        break;
      }
      default: break;  // wte and wpe share D
    }
  }
  total = placer.end();
  gaps = placer.gaps();
}

void finish_entry(const Layout& layout, const EntryFormat& format, const EntryLayout& places, const EntryFacts& facts,
                  char* data) {
  const auto bytes = static_cast<size_t>(places.tokens) * sizeof(int32_t);
  std::memcpy(data + places.ids_at, facts.ids, bytes);
  std::memcpy(data + places.targets_at, facts.targets, bytes);
  for (const auto& [begin, end] : places.gaps) std::memset(data + begin, 0, static_cast<size_t>(end - begin));
  EntryHeader header{};
  std::memcpy(header.magic, kEntryMagic, sizeof kEntryMagic);
  header.version = kEntryVersion;
  header.dtype = format.dtype();
  header.total_bytes = places.total;
  header.tokens = places.tokens;
  header.targets = places.targets;
  header.head_top_k = format.top_k();
  header.site_count = layout.site_count();
  header.dropped_share = facts.dropped_share;
  header.rank = format.rank();
  header.truncated_share = facts.truncated_share;
  header.fingerprint = format.fingerprint();
  header.checksum = header_checksum(header);
  std::memcpy(data, &header, sizeof header);
}

void refuse_factor(const Layout& layout, int64_t where) {
  refuse(LETHE_NOT_FINITE, "record ", where / layout.site_count(), " of the batch: the gradient factor at ",
         layout.sites()[static_cast<size_t>(where % layout.site_count())].name, " is not finite");
}

EntryView::EntryView(const Layout& layout, const EntryFormat& format, const void* data, int64_t bytes, int64_t index)
    : data_(static_cast<const char*>(data)), places_([&] {
        const std::string what = "entry " + std::to_string(index);
        const EntryHeader header = read_header(data, bytes, what);
        require(reinterpret_cast<uintptr_t>(data) % kEntryAlignment == 0, what, " is not 64-byte aligned");
        require(header.site_count == layout.site_count() && format.fits(header.fingerprint), what,
                " was captured for another model shape or another selection of sites");
        require(header.dtype == format.dtype(), what, " has dtype ", header.dtype, ", the format says ", format.dtype());
        require(header.head_top_k == format.top_k(), what, " has head top-k ", header.head_top_k, ", the format says ",
                format.top_k());
        require(header.rank == format.rank(), what, " has rank ", header.rank, ", the format says ", format.rank());
        intact(header.tokens <= layout.shape().context, what, " claims ", header.tokens, " tokens, the context is ",
               layout.shape().context);
        EntryLayout places(layout, format, header.tokens, header.targets);
        intact(places.total == header.total_bytes, what, " claims ", header.total_bytes, " bytes where its shape takes ",
               places.total);
        return places;
      }()) {
  const std::string what = "entry " + std::to_string(index);
  check_ids(layout, what);
  if (format.top_k() > 0 && format.holds(layout.head_site())) check_indices(layout, format, what);
}

void EntryView::check_ids(const Layout& layout, const std::string& what) const {
  const int64_t vocabulary = layout.shape().vocabulary;
  int64_t with_target = 0;
  for (int64_t t = 0; t < tokens(); ++t) {
    const int32_t id = ids()[t], target = target_ids()[t];
    intact(id >= 0 && id < vocabulary, what, ": token id ", id, " at position ", t);
    intact(target == LETHE_IGNORE_TARGET || (target >= 0 && target < vocabulary), what, ": target ", target,
           " at position ", t);
    with_target += target != LETHE_IGNORE_TARGET;
  }
  intact(with_target == targets(), what, " has ", with_target, " targets, its header claims ", targets());
}

void EntryView::check_indices(const Layout& layout, const EntryFormat& format, const std::string& what) const {
  const int64_t k = format.top_k(), vocabulary = layout.shape().vocabulary;
  const void* all = index(layout.head_site());
  for (int64_t row = 0; row < targets(); ++row) {
    const bool good = format.narrow_indices()
                          ? rising_below(static_cast<const uint16_t*>(all) + row * k, k, vocabulary)
                          : rising_below(static_cast<const int32_t*>(all) + row * k, k, vocabulary);
    intact(good, what, ": the top-k indices of target ", row, " are not rising token ids");
  }
}

}  // namespace lethe
