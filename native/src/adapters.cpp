// A family's table over a frozen base with LoRA adapters (Hu et al. 2021). An adapter is two linear steps more:
//
//   h = scale * (x A),  out += h B
//
// so that every walk, observer, product and place that knows linear steps knows adapters. A linear step of the base is
// cut into one for each tensor of a checkpoint, since the tensors of a mapped base do not lie next to each other and
// adapters go by them; each writes its own columns of the step's output.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "architecture.h"
#include "guard.h"

namespace lethe {
namespace {

class Block {
 public:
  Block(const Architecture& family, const Shape& shape, int64_t number, std::vector<bool>& found)
      : family_(family),
        shape_(shape),
        prefix_(family.block + std::to_string(number) + "."),
        found_(found),
        places_(family.sites.size()) {
    table_.slots = family.slots;
    table_.slots.push_back(family.slots[0]);  // the place of the stream that leaves
    for (const Step& step : family.steps) add(step);
    for (size_t i = 0; i < table_.steps.size(); ++i) {
      Step& step = table_.steps[i];
      const auto reads_too = [&](const Step& later) { return later.op == Op::kLinear && later.in == step.in; };
      step.adds = step.op == Op::kLinear && std::any_of(table_.steps.begin() + static_cast<int64_t>(i) + 1,
                                                        table_.steps.end(), reads_too);
    }
  }
  BlockTable take() { return std::move(table_); }

 private:
  void add(Step step) {
    if (step.op == Op::kLinear) return add_linear(step);
    if (step.site != kNone) {
      const auto site = static_cast<size_t>(step.site);
      if (step.op == Op::kNorm || step.op == Op::kHeadNorm) {
        BlockSite norm = family_.sites[site];
        norm.frozen = true;
        places_[site] = add_site(std::move(norm));
      }
      step.site = places_[site];
    }
    table_.steps.push_back(step);
  }

  void add_linear(const Step& step) {
    const BlockSite& whole = family_.sites[static_cast<size_t>(step.site)];
    std::vector<Piece> pieces = whole.pieces;
    const bool cut = !pieces.empty();
    if (!cut) pieces.push_back({whole.name, family_.slot(0, step.out).width});
    int64_t from = 0;
    for (const Piece& piece : pieces) {
      Step part = step;
      part.site = places_[static_cast<size_t>(step.site)] = add_site({piece.name, whole.bias, {}, true});
      if (cut) part.from = from, part.width = piece.outputs;
      table_.steps.push_back(part);
      adapt(part, piece);
      from += piece.outputs;
    }
  }

  void adapt(const Step& base, const Piece& piece) {
    for (size_t i = 0; i < shape_.adapted.size(); ++i) {
      const Adapted& adapter = shape_.adapted[i];
      if (adapter.module != prefix_ + piece.name) continue;
      require(!found_[i], "two adapters are of ", adapter.module);
      found_[i] = true;
      const int64_t most = std::min(family_.slot(0, base.in).width, piece.outputs);
      require(adapter.rank >= 1 && adapter.rank <= most, "the rank of the adapter of ", adapter.module, " is ",
              adapter.rank, ", allowed 1 to ", most);
      require(std::isfinite(adapter.scale) && adapter.scale != 0, "the scale of the adapter of ", adapter.module, " is ",
              adapter.scale, ", must be finite and not 0");
      const int hidden = static_cast<int>(table_.slots.size());
      table_.slots.push_back({adapter.rank, family_.gradients()});
      const int a = add_site({piece.name + ".lora_A", false, {}, false, Adapts::kA, base.site});
      table_.steps.push_back({.op = Op::kLinear, .in = base.in, .add = kNone, .out = hidden, .site = a,
                              .scale = adapter.scale});
      const int b = add_site({piece.name + ".lora_B", false, {}, false, Adapts::kB, base.site});
      table_.steps.push_back({.op = Op::kLinear, .in = hidden, .add = kNone, .out = base.out, .site = b,
                              .from = base.from, .width = base.width, .onto = true});
    }
  }

  int add_site(BlockSite site) {
    table_.sites.push_back(std::move(site));
    return static_cast<int>(table_.sites.size()) - 1;
  }

  const Architecture& family_;
  const Shape& shape_;
  const std::string prefix_;
  std::vector<bool>& found_;
  std::vector<int> places_;  // of the family's sites; the last piece's of one that is cut
  BlockTable table_;
};

}  // namespace

Architecture with_adapters(Architecture family, const Shape& shape) {
  std::vector<bool> found(shape.adapted.size());
  std::vector<BlockTable> blocks;
  for (int64_t number = 0; number < family.layers; ++number)
    blocks.push_back(Block(family, shape, number, found).take());
  std::ostringstream missing;
  for (size_t i = 0; i < found.size(); ++i)
    if (!found[i]) missing << (missing.tellp() > 0 ? ", " : "") << shape.adapted[i].module;
  require(missing.tellp() == 0, "no linear layer of this model: ", missing.str());
  family.adapted = std::move(blocks);
  family.tail_site.frozen = true;
  return family;
}

}  // namespace lethe
