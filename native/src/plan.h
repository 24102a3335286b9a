// What a model of a configuration takes, on the CPU or a device.
#pragma once

#include "layout.h"
#include "lethe.h"

namespace lethe {

// The shape of a configuration whose every field is checked; refuses what no model can be.
Shape shape_of(const lethe_model_config& config);

lethe_plan make_plan(const lethe_model_config& config, const lethe_plan_request& request);

// A plan in one sentence, for errors.
std::string describe(const lethe_plan& plan);

}  // namespace lethe
