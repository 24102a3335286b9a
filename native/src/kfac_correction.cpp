// The observer of the second pass: every record's gradient in the eigenbases, squared and summed.
//
// The head hands its errors over in chunks that may cut a record; the rows of a record not yet whole are kept until it
// is. A tied table's gradient is the head's part p plus the embedding's q, and q is known only at the end of the pass:
// the head adds p^2 everywhere, and what p holds on the record's own tokens, [its tokens, C], is kept to add 2pq + q^2.
#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "gemm.h"
#include "kfac.h"

namespace lethe {
namespace {

class CorrectionPass final : public KfacObserver {
 public:
  CorrectionPass(Kfac& kfac, const Batch& batch, Rounding rounding) : KfacObserver(kfac, batch, rounding) {
    for (int64_t b = 0; b < batch.records(); ++b) {
      records_.push_back({batch.offset(b), batch.offset(b + 1)});
      std::vector<int32_t> ids(batch.tokens() + batch.offset(b), batch.tokens() + batch.offset(b + 1));
      std::sort(ids.begin(), ids.end());
      ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
      const at::Tensor host = at::from_blob(ids.data(), {static_cast<int64_t>(ids.size())}, at::kInt);
      ids_.push_back(host.to(kfac.device, at::kLong, /*non_blocking=*/false, /*copy=*/true));
    }
    head_parts_.resize(records_.size());
  }

  bool wants(int64_t site) const override {
    return site == Layout::embedding_site() || kfac_.block_of_site(site) != nullptr;
  }

  void linear(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) override {
    KfacBlock& block = *kfac_.block_of_site(site);
    const at::Tensor a = own(inputs), u = at::empty({a.size(0), block.rows}, a.options());
    const int64_t width = block.weight_rows();
    if (block.bias >= 0) u.copy_(block.left.narrow(0, width, 1).expand_as(u));  // the homogeneous coordinate's share
    gemm(a, block.left.narrow(0, 0, width), u, block.bias < 0 ? Into::kOverwrite : Into::kAdd, rounding_);
    add_squares(on_device(), u, rotated(output_gradient, block), records_, block.values);
  }

  void head(int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden) override;
  void embedding(const at::Tensor& /*x*/, const at::Tensor& gradient) override;

 private:
  bool on_device() const { return kfac_.path != nullptr; }
  at::Tensor rotated(const at::Tensor& x, const KfacBlock& block) const {
    const at::Tensor from = own(x), to = at::empty({from.size(0), block.columns}, from.options());
    gemm(from, block.right, to, Into::kOverwrite, rounding_);
    return to;
  }
  void add_head(KfacBlock& block, int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden,
                std::vector<RowRange> ranges);
  void keep_head_part(int64_t record, const at::Tensor& errors, const at::Tensor& hidden);
  void add_scatter(KfacBlock& block, int64_t record, const at::Tensor& rows);

  std::vector<RowRange> records_;            // rows of each record
  std::vector<at::Tensor> ids_;              // its distinct tokens, rising
  std::vector<at::Tensor> head_parts_;       // [ids, C] of a record's head part in the basis; undefined when there is none
  at::Tensor cut_errors_, cut_hidden_;       // rows so far of the record that the chunks cut
};

void CorrectionPass::head(int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden) {
  KfacBlock& block = *kfac_.block_of_site(kfac_.layout.head_site());
  const at::Tensor e = own_errors(errors), h = rotated(hidden, block);
  const int64_t last_row = first_row + e.size(0);
  std::vector<RowRange> whole;
  for (int64_t b = batch_.target_records()[static_cast<size_t>(first_row)]; b < batch_.records(); ++b) {
    const int64_t begin = std::max(batch_.target_offset(b), first_row);
    const int64_t end = std::min(batch_.target_offset(b + 1), last_row);
    if (begin >= end) {
      if (batch_.target_offset(b) >= last_row) break;
      continue;  // a record without targets
    }
    const bool begun = batch_.target_offset(b) < first_row, finished = batch_.target_offset(b + 1) <= last_row;
    if (!begun && finished) {
      whole.push_back({begin - first_row, end - first_row});
      continue;
    }
    const at::Tensor part_e = e.narrow(0, begin - first_row, end - begin);
    const at::Tensor part_h = h.narrow(0, begin - first_row, end - begin);
    cut_errors_ = begun ? at::cat({cut_errors_, part_e}) : part_e.clone();
    cut_hidden_ = begun ? at::cat({cut_hidden_, part_h}) : part_h.clone();
    if (finished) add_head(block, batch_.target_offset(b), cut_errors_, cut_hidden_, {{0, cut_errors_.size(0)}});
  }
  add_head(block, first_row, e, h, std::move(whole));
}

// Ranges are whole records of the given rows, which begin at target row first_row.
void CorrectionPass::add_head(KfacBlock& block, int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden,
                              std::vector<RowRange> ranges) {
  add_squares(on_device(), errors, hidden, ranges, block.values);
  if (!block.scatter) return;
  for (const RowRange& range : ranges) {
    const int64_t record = batch_.target_records()[static_cast<size_t>(first_row + range.begin)];
    const at::Tensor e = errors.narrow(0, range.begin, range.end - range.begin);
    const at::Tensor h = hidden.narrow(0, range.begin, range.end - range.begin);
    keep_head_part(record, e, h);
  }
}

void CorrectionPass::keep_head_part(int64_t record, const at::Tensor& errors, const at::Tensor& hidden) {
  const at::Tensor gathered = errors.index_select(1, ids_[static_cast<size_t>(record)]);
  const at::Tensor part = at::empty({gathered.size(1), hidden.size(1)}, errors.options());
  gemm(gathered.t(), hidden, part, Into::kOverwrite, rounding_);
  head_parts_[static_cast<size_t>(record)] = part;
}

void CorrectionPass::embedding(const at::Tensor& /*x*/, const at::Tensor& gradient) {
  const at::Tensor d = own(gradient);
  require_finite(d);
  if (KfacBlock* positions = kfac_.block_of_site(kfac_.layout.positions())) {
    const at::Tensor rows = rotated(d, *positions);
    for (const RowRange& record : records_) {
      const at::Tensor part = rows.narrow(0, record.begin, record.end - record.begin);
      positions->values.narrow(0, 0, record.end - record.begin).addcmul_(part, part);
    }
  }
  if (KfacBlock* tokens = kfac_.block_of_site(Layout::embedding_site())) {
    const at::Tensor rows = rotated(d, *tokens);
    for (int64_t b = 0; b < batch_.records(); ++b) add_scatter(*tokens, b, rows);
  }
}

// q is a record's rows summed by token, by a product, whose order of sums is fixed; values += q^2, and 2pq where the head
// has added p^2 before.
void CorrectionPass::add_scatter(KfacBlock& block, int64_t record, const at::Tensor& rows) {
  const at::Tensor& ids = ids_[static_cast<size_t>(record)];
  const RowRange range = records_[static_cast<size_t>(record)];
  std::vector<int32_t> tokens(batch_.tokens() + range.begin, batch_.tokens() + range.end);
  const at::Tensor host = at::from_blob(tokens.data(), {range.end - range.begin}, at::kInt);
  const at::Tensor own_tokens = host.to(ids.device(), at::kLong, /*non_blocking=*/false, /*copy=*/true);
  const at::Tensor holds = ids.unsqueeze(1).eq(own_tokens.unsqueeze(0)).to(rows.scalar_type());  // [ids, T]
  const at::Tensor q = at::empty({ids.size(0), block.columns}, rows.options());
  gemm(holds, rows.narrow(0, range.begin, range.end - range.begin), q);
  const at::Tensor& p = head_parts_[static_cast<size_t>(record)];
  const at::Tensor both = p.defined() ? at::add(q, p, 2) : q;
  block.values.index_copy_(0, ids, block.values.index_select(0, ids).addcmul_(both, q));
}

}  // namespace

std::unique_ptr<KfacObserver> make_correction_pass(Kfac& kfac, const Batch& batch, Rounding rounding) {
  return std::make_unique<CorrectionPass>(kfac, batch, rounding);
}

}  // namespace lethe
