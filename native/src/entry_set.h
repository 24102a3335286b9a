// N checked entries with the sites chosen for one call, and their factors gathered into blocks of rows.
//
// Entries stay where they are (a mapped ledger); gather() copies a bounded block of a factor of several entries into
// model-dtype memory on the model's device. Holds no arithmetic beyond a scale a row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "entry.h"
#include "lethe.h"
#include "model.h"
#include "stored.h"
#include "workspace.h"

namespace lethe {

// FIRST: A, dweight, H. SECOND: G, dbias, E or the top-k values. Both name D at wte and wpe.
enum class Factor { kFirst, kSecond };

// Neighbouring entries [begin, end).
struct EntryBlock {
  int64_t begin, end;
};

class EntrySet {
 public:
  // Checks every entry. `sites` [S] must be held; NULL = all held.
  EntrySet(const Model& model, const lethe_entries& entries, const uint8_t* sites);

  int64_t count() const { return static_cast<int64_t>(views_.size()); }  // N
  const EntryView& entry(int64_t i) const { return views_[static_cast<size_t>(i)]; }
  const Model& model() const { return model_; }
  const Layout& layout() const { return model_.layout; }
  const EntryFormat& format() const { return format_; }
  bool chosen(int64_t site) const { return site >= 0 && chosen_[static_cast<size_t>(site)] != 0; }
  bool double_model() const { return model_.dtype == at::kDouble; }
  bool exact_head() const { return format_.top_k() == 0; }
  bool has_bias(int64_t site) const { return layout().has_bias(site); }

  StoredMatrix matrix(int64_t entry, int64_t site, Factor factor) const;
  int64_t rows(const EntryBlock& block, int64_t site) const;  // of a factor: tokens, targets of a head, 1 of a norm

  // Entries in order, of all or of a block, cut so that a block has at most `limit` tokens (one entry may exceed it).
  std::vector<EntryBlock> blocks(int64_t limit) const { return blocks({0, count()}, limit); }
  std::vector<EntryBlock> blocks(const EntryBlock& of, int64_t limit) const;

  // Columns [from, to) of a factor of the block's entries, one below the other; rows of entry i times scales[i] (NULL =
  // 1). [rows, to - from] in the model's dtype. gather_host leaves it in the slab's memory, gather makes it on the device.
  at::Tensor gather_host(const EntryBlock& block, int64_t site, Factor factor, int64_t from, int64_t to,
                         const double* scales, Slab& slab) const;
  at::Tensor gather(const EntryBlock& block, int64_t site, Factor factor, int64_t from, int64_t to,
                    const double* scales, Slab& slab) const;
  at::Tensor gather(const EntryBlock& block, int64_t site, Factor factor, const double* scales, Slab& slab) const;

  // Stored rows of one width, cast on the model's device, which is not the CPU.
  at::Tensor upload_rows(const std::vector<const void*>& rows, int64_t width) const;

  // What an entry holds of a norm's gradient: weight and, where it has one, bias.
  std::vector<Factor> norm_factors(int64_t site) const;
  // How much of each row of a linear site's G the bias's gradient takes, one value a row of the block: 1 a token, what a
  // truncated record keeps instead, or 0 where there is no bias.
  std::vector<double> bias_shares(const EntryBlock& block, int64_t site) const;
  at::Tensor bias_share_rows(const EntryBlock& block, int64_t site) const;  // in the model's dtype and on its device

  // body(Type<Real>, Type<Stored>)
  template <class Body>
  decltype(auto) with_types(Body&& body) const {
    return with_stored(double_model(), format_.dtype(), std::forward<Body>(body));
  }

 private:
  const Model& model_;
  EntryFormat format_;
  std::vector<uint8_t> chosen_;
  std::vector<EntryView> views_;
};

}  // namespace lethe
