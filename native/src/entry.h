// The bytes of one captured record: a self-describing header, then 64-byte aligned arrays.
//
//   header (128) | token ids int32 [T] | targets int32 [T] | D [T, C] when wte or wpe is held
//   then for each held site in site order
//     LINEAR  A [T, in], G [T, out]      NORM  dweight [C], dbias [C]
//             or, of a record longer than the format's rank r, the r best rows: A [r, in], G [r, out], shares [r] (truncate.h)
//             or, of an adapter's factor and more tokens than r = min(in, out): G^T A [r, in], I [r, r], or I, A^T G [r, out]
//     HEAD    H [Lr, C], then E [Lr, V] or, top-k, indices [Lr, k] and values [Lr, k] sorted by index
// Lr counts the positions with a target. G, D and E are gradients of the record's own mean loss. Floats are stored in the
// format's dtype; indices in 16 bits when the vocabulary fits them. Nothing past the header is read before it is checked.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "layout.h"
#include "lethe.h"

namespace lethe {

struct EntryHeader {
  char magic[8];         // "LETHEGRD"
  uint32_t version;      // kEntryVersion
  int32_t dtype;         // LETHE_F32 | LETHE_F64 | LETHE_BF16
  int64_t total_bytes;   // header included, a multiple of 64
  int64_t tokens;        // T
  int64_t targets;       // Lr
  int64_t head_top_k;    // 0 = exact
  int64_t site_count;    // S
  double dropped_share;  // of E's squared norm
  uint64_t fingerprint;  // of the model's shape and the held sites
  int64_t rank;            // of linear sites, 0 = a row a token
  double truncated_share;  // of the linear sites' squared norm
  uint8_t reserved[32];  // zero
  uint64_t checksum;     // FNV-1a of the bytes before it
};
static_assert(sizeof(EntryHeader) == 128);

inline constexpr char kEntryMagic[8] = {'L', 'E', 'T', 'H', 'E', 'G', 'R', 'D'};
inline constexpr uint32_t kEntryVersion = 1;
inline constexpr int64_t kEntryAlignment = 64;

uint64_t fnv1a(const void* data, size_t bytes, uint64_t seed = 14695981039346656037ull);
uint64_t header_checksum(const EntryHeader& header);

// Reads and checks a header as far as it can be without a model: LETHE_DAMAGED unless it is whole and plausible and the
// `bytes` at `data` hold the entry it announces. `what` opens the message ("entry 3").
EntryHeader read_header(const void* data, int64_t bytes, const std::string& what);

// A lethe_entry_format checked against a model. Owns its site mask.
class EntryFormat {
 public:
  // Refuses unknown dtypes, F64 for an F32 model, a mask of the wrong length, no site at all, k outside 0..V, rank < 0.
  EntryFormat(const Layout& layout, bool double_model, const lethe_entry_format& format);

  bool holds(int64_t site) const { return held_[static_cast<size_t>(site)] != 0; }
  bool holds_embedding() const { return embedding_; }  // or positions
  int64_t top_k() const { return top_k_; }  // 0 = exact
  int32_t dtype() const { return dtype_; }
  int64_t element_bytes() const { return dtype_ == LETHE_F64 ? 8 : dtype_ == LETHE_F32 ? 4 : 2; }
  bool narrow_indices() const { return narrow_indices_; }  // uint16 rather than int32
  int64_t index_bytes() const { return narrow_indices_ ? 2 : 4; }
  int64_t rank() const { return rank_; }  // 0 = every token's row
  // Whether a linear site's rows are the best few of a longer record;
  bool truncates(int64_t site, int64_t tokens) const {
    const int64_t least = least_[static_cast<size_t>(site)];
    return rank_ > 0 && tokens > rank_ && (least == 0 || rank_ < least);
  }
  // or, at an adapter's factor with fewer inputs or outputs than the record has tokens, the gradient itself: as rows
  // beside an identity matrix, which is exact and smaller.
  bool dense(int64_t site, int64_t tokens) const {
    const int64_t least = least_[static_cast<size_t>(site)];
    return least > 0 && tokens > least && !truncates(site, tokens);
  }
  int64_t linear_rows(int64_t site, int64_t tokens) const {
    return truncates(site, tokens) ? rank_ : dense(site, tokens) ? least_[static_cast<size_t>(site)] : tokens;
  }
  // What a device makes of it, which leaves the choice of rows to the host: every row, in full width.
  EntryFormat untruncated(bool double_model) const;
  // Of every size of the model and the sites held.
  uint64_t fingerprint() const { return fingerprint_; }
  // Entries of earlier versions left out what moves no tensor: heads and epsilon.
  bool fits(uint64_t fingerprint) const { return fingerprint == fingerprint_ || fingerprint == earlier_; }

 private:
  std::vector<uint8_t> held_;
  std::vector<int64_t> least_;  // inputs or outputs of an adapter's factor, the smaller; 0 elsewhere
  bool embedding_;
  int64_t top_k_;
  int32_t dtype_;
  bool narrow_indices_;
  int64_t rank_;
  uint64_t fingerprint_, earlier_;
};

// Where the arrays of one entry lie, in bytes from its beginning; 0 where the entry holds no such array.
struct EntryLayout {
  struct Arrays {
    int64_t first = 0;   // A, dweight or H
    int64_t second = 0;  // G, dbias, E or the top-k values
    int64_t index = 0;   // top-k indices, or the bias shares of a truncated linear site
  };

  // Refuses T outside 1..context and Lr outside 0..T.
  EntryLayout(const Layout& layout, const EntryFormat& format, int64_t tokens, int64_t targets);

  int64_t tokens;         // T
  int64_t targets;        // Lr
  int64_t ids_at = 0;
  int64_t targets_at = 0;
  int64_t embedding_at = 0;
  std::vector<Arrays> sites;  // [S]
  std::vector<std::pair<int64_t, int64_t>> gaps;  // padding behind arrays, [begin, end)
  int64_t total = 0;
};

// Writes what an entry holds besides its factors: header, token ids [T], targets [T], and zeros in the gaps, so that the
// same record gives the same bytes whatever the memory held before.
struct EntryFacts {
  const int32_t* ids;
  const int32_t* targets;
  double dropped_share;
  double truncated_share;
};
void finish_entry(const Layout& layout, const EntryFormat& format, const EntryLayout& places, const EntryFacts& facts,
                  char* data);

// Refuses a factor that is not finite; `where` is its record in the batch * S + its site.
[[noreturn]] void refuse_factor(const Layout& layout, int64_t where);

// A matrix inside an entry, row-major, in the entry's dtype.
struct StoredMatrix {
  const void* data;
  int64_t rows;
  int64_t columns;
};

// One entry that has passed every check: sizes, token ids, target count and top-k indices are safe to use.
class EntryView {
 public:
  // LETHE_DAMAGED when the bytes contradict themselves, LETHE_INVALID_ARGUMENT when they are an entry of another model or
  // format. `index` names the entry in messages.
  EntryView(const Layout& layout, const EntryFormat& format, const void* data, int64_t bytes, int64_t index);

  int64_t tokens() const { return places_.tokens; }
  int64_t targets() const { return places_.targets; }
  const int32_t* ids() const { return at<int32_t>(places_.ids_at); }           // [T]
  const int32_t* target_ids() const { return at<int32_t>(places_.targets_at); }  // [T]
  const void* embedding() const { return at<void>(places_.embedding_at); }     // D [T, C]
  const void* first(int64_t site) const { return at<void>(arrays(site).first); }
  const void* second(int64_t site) const { return at<void>(arrays(site).second); }
  const void* index(int64_t site) const { return at<void>(arrays(site).index); }

 private:
  template <class T>
  const T* at(int64_t offset) const {
    return reinterpret_cast<const T*>(data_ + offset);
  }
  const EntryLayout::Arrays& arrays(int64_t site) const { return places_.sites[static_cast<size_t>(site)]; }
  void check_ids(const Layout& layout, const std::string& what) const;
  void check_indices(const Layout& layout, const EntryFormat& format, const std::string& what) const;

  const char* data_;
  EntryLayout places_;
};

}  // namespace lethe
