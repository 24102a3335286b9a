// Growth of a slab: by a quarter more than asked, so that slowly growing batches do not reallocate every time.
#include "workspace.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace lethe {

at::Tensor Slab::get(const at::TensorOptions& options, int64_t count) {
  if (store_.defined() && store_.scalar_type() != options.dtype()) store_ = view_ = at::Tensor();
  if (!store_.defined()) {
    store_ = at::empty({count}, options);
  } else if (store_.numel() < count) {
    store_ = view_ = at::Tensor();  // the old block goes before the new one comes
    store_ = at::empty({count + count / 4}, options);
  }
  return store_.narrow(0, 0, count);
}

at::Tensor Slab::get(const at::TensorOptions& options, int64_t rows, int64_t columns) {
  if (!view_.defined() || view_.size(0) != rows || view_.size(1) != columns || view_.scalar_type() != options.dtype())
    view_ = get(options, rows * columns).view({rows, columns});
  return view_;
}

Workspace::Workspace(const Architecture& architecture)
    : blocks(static_cast<size_t>(architecture.blocks())), gradients(static_cast<size_t>(architecture.gradients())) {
  for (size_t block = 0; block < blocks.size(); ++block) {
    const size_t slots = architecture.slots_of(static_cast<int64_t>(block)).size();
    const size_t notes = architecture.steps_of(static_cast<int64_t>(block)).size();
    blocks[block].slots.resize(slots), blocks[block].notes.resize(notes);
    // A walk that keeps nothing goes through the first block's, whose adapters may be fewer.
    blocks[0].slots.resize(std::max(blocks[0].slots.size(), slots));
    blocks[0].notes.resize(std::max(blocks[0].notes.size(), notes));
  }
}

}  // namespace lethe
