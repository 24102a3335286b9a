// Where a walk finds its slots, gradients and notes: in a workspace, on the CPU the model's.
#pragma once

#include "model.h"
#include "ops.h"
#include "walk.h"

namespace lethe {

// Room [rows, width] for the gradient at a slot.
inline at::Tensor gradient_of(Model& model, int slot, int64_t rows) {
  return model.workspace.gradient(model.layout.architecture().slots[static_cast<size_t>(slot)], model.options(), rows);
}
// At the final hidden states: what a head makes and the walk back begins with.
inline at::Tensor hidden_gradient_of(Model& model, int64_t rows) {
  return gradient_of(model, model.layout.architecture().tail.back().out, rows);
}

inline Turns turns_of(const Model& model, const Batch& batch) {
  return make_turns(model.layout.architecture().rotary, batch, model.options());
}
// A workspace and the type of its slots and gradients; notes are of the model's own.
struct Room {
  Workspace& workspace;
  at::TensorOptions options;
};

class Slots {
 public:
  // Blocks below `kept` leave nothing behind: they share the first one's memory.
  Slots(Model& model, const Room& room, int64_t rows, int64_t gradient_rows, int64_t kept)
      : model_(model), room_(room), rows_(rows), gradient_rows_(gradient_rows), kept_(kept) {}
  Slots(Model& model, int64_t rows, int64_t gradient_rows, int64_t kept)
      : Slots(model, {model.workspace, model.options()}, rows, gradient_rows, kept) {}

  const Architecture& architecture() const { return model_.layout.architecture(); }
  at::Tensor slot(int64_t block, int index) {
    if (architecture().leaves(index)) return slot(block + 1, 0);
    Slab& slab = slabs(block).slots[static_cast<size_t>(index)];
    return slab.get(room_.options, rows_, architecture().slot(block, index).width);
  }
  at::Tensor gradient(int64_t block, int index) {
    return room_.workspace.gradient(architecture().slot(block, index), room_.options, gradient_rows_);
  }
  // After the tail.
  at::Tensor hidden() { return slot(architecture().layers, architecture().tail.back().out); }

 protected:
  BlockSlabs& slabs(int64_t block) { return room_.workspace.blocks[static_cast<size_t>(block < kept_ ? 0 : block)]; }
  int64_t site(const At& at) const { return model_.layout.site(at.block, at.step.site); }
  bool trained(int64_t site) const { return !model_.layout.frozen(site); }
  Activating activating() const { return {architecture().activation, architecture().gated}; }
  // Of the linear site whose bias an activation adds; undefined without one.
  const at::Tensor& bias_of(const At& at) const { return model_.bias(at.step.site == kNone ? -1 : site(at)); }
  // [notes, rows] beside a step's output.
  at::Tensor note(const At& at, int64_t rows) {
    return slabs(at.block).notes[at.index].get(model_.options(), architecture().notes(at.step), rows);
  }

  Model& model_;

 private:
  const Room room_;
  int64_t rows_, gradient_rows_, kept_;
};

}  // namespace lethe
