// Kronecker factors of captured entries: the observers of the two passes are told what the entries hold, in place of what a pass
// over their records would compute at the weights they were captured at. An entry keeps rows of A, G, D, H and E; sums over
// them need no model.
#include <ATen/ops/zeros.h>

#include "entry_set.h"
#include "kfac.h"
#include "ops.h"

namespace lethe {
namespace {

constexpr int64_t kBlockTokens = 4096;
constexpr int64_t kErrorBytes = int64_t{64} << 20;  // of softmax errors as full rows; one record may take more

// The records of some entries, of weight 1 each. The batch borrows the arrays.
struct Records {
  std::vector<int64_t> offsets{0};
  std::vector<int32_t> tokens, targets;

  Records(const EntrySet& set, const EntryBlock& block) {
    for (int64_t i = block.begin; i < block.end; ++i) {
      const EntryView& entry = set.entry(i);
      tokens.insert(tokens.end(), entry.ids(), entry.ids() + entry.tokens());
      targets.insert(targets.end(), entry.target_ids(), entry.target_ids() + entry.tokens());
      offsets.push_back(static_cast<int64_t>(tokens.size()));
    }
  }

  Batch batch(const Shape& shape) const {
    const std::vector<double> weights(offsets.size() - 1, 1.0);
    lethe_batch view{};
    view.struct_size = sizeof view;
    view.records = static_cast<int64_t>(weights.size());
    view.tokens_total = offsets.back();
    view.offsets = offsets.data();
    view.tokens = tokens.data();
    view.targets = targets.data();
    view.weights = weights.data();
    return Batch(view, shape, Targets::kRequired);
  }
};

// E of a block as full rows [targets, V] on the model's device; what a top-k entry dropped is 0.
at::Tensor errors(const EntrySet& set, const EntryBlock& block, int64_t head, Slab& slab) {
  if (set.exact_head()) return set.gather(block, head, Factor::kSecond, nullptr, slab);
  const at::Tensor values = set.gather_host(block, head, Factor::kSecond, 0, set.format().top_k(), nullptr, slab);
  const at::Tensor full = at::zeros({values.size(0), set.layout().shape().vocabulary}, values.options());
  int64_t row = 0;
  with_index(set.format(), [&](auto type) {
    using Index = typename decltype(type)::type;
    for (int64_t i = block.begin; i < block.end; ++i) {
      const auto* index = static_cast<const Index*>(set.entry(i).index(head));
      const int64_t targets = set.entry(i).targets(), k = set.format().top_k();
      with_element(values.scalar_type(), [&](auto zero) {
        using T = decltype(zero);
        for (int64_t r = 0; r < targets; ++r, ++row) {
          const T* from = values.const_data_ptr<T>() + row * k;
          T* to = full.mutable_data_ptr<T>() + row * full.size(1);
          for (int64_t j = 0; j < k; ++j) to[index[r * k + j]] = from[j];
        }
      });
    }
  });
  return full.to(set.model().options());
}

void observe(const EntrySet& set, const EntryBlock& block, KfacObserver& observer, const Kfac& kfac) {
  const int64_t head = kfac.layout.head_site();
  Slab left, right;
  if (kfac.block_of_site(head) != nullptr) {  // first, as in a pass: a tied table's parts meet later
    const int64_t row_bytes = kfac.layout.shape().vocabulary * static_cast<int64_t>(c10::elementSize(kfac.dtype));
    int64_t first_row = 0;
    for (const EntryBlock& piece : set.blocks(block, kErrorBytes / row_bytes)) {
      const int64_t rows = set.rows(piece, head);
      if (rows == 0) continue;
      observer.head(first_row, errors(set, piece, head, right), set.gather(piece, head, Factor::kFirst, nullptr, left));
      first_row += rows;
    }
  }
  bool table = false;
  for (const KfacBlock& own : kfac.blocks) {
    table |= own.scatter;
    if (own.kind == LETHE_SITE_LINEAR) {
      observer.linear(own.site, set.gather(block, own.site, Factor::kFirst, nullptr, left),
                      set.gather(block, own.site, Factor::kSecond, nullptr, right));
    } else if (own.kind == LETHE_SITE_NORM) {
      const bool bias = set.norm_factors(own.site).size() > 1;
      observer.norm(own.site, set.gather(block, own.site, Factor::kFirst, nullptr, left),
                    bias ? set.gather(block, own.site, Factor::kSecond, nullptr, right) : at::Tensor());
    }
  }
  if (table) observer.embedding({}, set.gather(block, Layout::embedding_site(), Factor::kFirst, nullptr, left));
}

void require_rows(const EntrySet& set, const Kfac& kfac) {
  require(kfac.fisher == LETHE_FISHER_EMPIRICAL, "entries hold gradients of the data's targets; factors over sampled ones need a pass");
  const auto held = [&](int64_t site) {
    require(set.format().holds(site), "the entries do not hold ", kfac.layout.sites()[static_cast<size_t>(site)].name);
  };
  for (const KfacBlock& block : kfac.blocks) {
    if (block.head) held(kfac.layout.head_site());
    if (block.scatter) held(block.site);
    if (block.head || block.scatter) continue;
    held(block.site);
    for (int64_t i = 0; i < set.count() && block.kind == LETHE_SITE_LINEAR; ++i) {
      require(set.matrix(i, block.site, Factor::kFirst).rows == set.entry(i).tokens(), "entry ", i, " keeps fewer rows at ",
              kfac.layout.sites()[static_cast<size_t>(block.site)].name, " than the record has tokens, and their sums are others");
    }
  }
}

}  // namespace

void kfac_accumulate_entries(Kfac& kfac, const EntrySet& set, const Cancel& cancel) {
  require_rows(set, kfac);
  // Cut by the entries alone: a block's sums are to the bit the same whichever other sites have one beside it.
  for (const EntryBlock& block : set.blocks(kBlockTokens)) {
    kfac.broken = true;  // so that entries of which some are in are not added again
    cancel.poll();
    const Records records(set, block);
    const Batch batch = records.batch(kfac.layout.shape());
    const auto observer = kfac_begin(kfac, batch, set.model().rounding);
    observe(set, block, *observer, kfac);
    kfac_end(kfac, batch, *observer);
  }
}

}  // namespace lethe
