// Keeps the bf16 copy of the parameters.
#include "state.h"

#include <ATen/ops/empty.h>

#include "ops.h"

namespace lethe::device {

void State::refresh(const Model& model) {
  if (!narrow || !stale) return;
  if (!shadow.defined()) {
    shadow = at::empty({model.layout.flat_size()}, options(model));
    shadow_views = views_of(model.layout, shadow);
  }
  cast(*this, model.parameters, shadow);
  stale = false;
}

}  // namespace lethe::device
