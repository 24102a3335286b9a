// Keeps the bf16 copy of the parameters, and the turns of all positions met so far.
#include "state.h"

#include <ATen/ops/empty.h>

#include <bit>
#include <numeric>

#include "ops.h"

namespace lethe::device {

void State::refresh(const Model& model) {
  if (!narrow || !stale) return;
  if (!shadow.defined()) {
    shadow = at::empty({model.layout.flat_size()}, options(model));
    shadow_views = views_of(model.layout, shadow);
    for (size_t i = 0; i < shadow_views.size(); ++i)  // a base's matrices are of the compute type already
      if (model.layout.parts()[i].frozen()) shadow_views[i] = model.parameter(static_cast<int64_t>(i)).to(compute(model));
  }
  cast(*this, model.parameters, shadow);
  stale = false;
}

void State::reach(const Model& model, int64_t length) {
  const Rotary& rotary = model.layout.architecture().rotary;
  if (rotary.size == 0 || (turns.cos.defined() && turns.cos.size(0) >= length)) return;
  std::vector<int64_t> positions(std::bit_ceil(static_cast<size_t>(length)));  // a longer batch does not make them anew
  std::iota(positions.begin(), positions.end(), 0);
  const Turns host = make_turns(rotary, positions, at::TensorOptions().dtype(model.dtype));
  turns = {host.cos.to(runtime.device()), host.sin.to(runtime.device())};
}

}  // namespace lethe::device
