// For tests that look behind the door: models made of a layout.
#pragma once

#include "check.h"
#include "model.h"

namespace test {

// Notes where everything lies in a model that no configuration tells of.
inline void describe(const lethe_model& model) {
  Described& d = described[&model] = {};
  d.layout.sites = model.layout.site_count();
  d.layout.flat_size = model.layout.flat_size();
  for (const lethe::TensorSpec& tensor : model.layout.tensors()) {
    auto info = sized<lethe_tensor_info>();
    tensor.name.copy(info.name, sizeof info.name - 1);
    info.offset = tensor.offset, info.rows = tensor.rows, info.columns = tensor.columns;
    info.dimensions = tensor.dimensions, info.site = static_cast<int32_t>(tensor.site);
    d.tensors.push_back(info);
  }
  for (const lethe::Site& site : model.layout.sites()) {
    auto info = sized<lethe_site_info>();
    site.name.copy(info.name, sizeof info.name - 1);
    info.kind = site.kind, info.role = site.role, info.block = site.block;
    info.inputs = site.inputs, info.outputs = site.outputs;
    d.sites.push_back(info);
  }
}

}  // namespace test
