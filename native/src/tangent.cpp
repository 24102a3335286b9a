// Checks of a lethe_curvature, and what its site selection means for the passes.
#include "tangent.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

namespace lethe {
namespace {

void require_own(const Model& model, const lethe_vector* vector, const char* name, int64_t k) {
  require(vector != nullptr, name, "[", k, "] is NULL");
  const bool same = vector->layout.shape() == model.shape() && vector->values.scalar_type() == model.dtype &&
                    vector->values.device() == model.device;
  require(same, name, "[", k, "] belongs to a model of another shape, dtype or device");
}

}  // namespace

Curvature::Curvature(const Model& model, const Batch& batch, const lethe_curvature& options)
    : layout_(model.layout),
      hessian_(options.kind == LETHE_HESSIAN),
      accumulate_(options.accumulate == 1),
      rows_(batch.rows()),
      first_layer_(model.shape().layers) {
  require(options.kind == LETHE_HESSIAN || options.kind == LETHE_GAUSS_NEWTON, "curvature.kind is ", options.kind,
          ", allowed 0 (Hessian) and 1 (Gauss-Newton)");
  require(options.accumulate == 0 || options.accumulate == 1, "curvature.accumulate is ", options.accumulate,
          ", allowed 0 and 1");
  require(options.count >= 1 && options.count <= 1024, "curvature.count is ", options.count, ", allowed 1 to 1024");
  require_pointer(options.directions, "curvature.directions");
  require(options.products != nullptr || options.quadratic != nullptr,
          "curvature.products and curvature.quadratic are both NULL: nothing is asked for");
  for (int64_t k = 0; k < options.count; ++k) {
    require_own(model, options.directions[k], "curvature.directions", k);
    directions_.push_back(options.directions[k]);
  }
  for (int64_t k = 0; options.products != nullptr && k < options.count; ++k) {
    const lethe_vector* product = options.products[k];
    require_own(model, product, "curvature.products", k);
    const auto among = [&](const auto& list) { return std::find(list.begin(), list.end(), product) != list.end(); };
    require(!product->values.is_alias_of(model.parameters), "curvature.products[", k, "] is the model's own parameters");
    require(!among(directions_), "curvature.products[", k, "] is also a direction");
    require(!among(products_), "curvature.products[", k, "] is given twice");
    products_.push_back(product);
  }
  chosen_ = layout_.chosen(options.sites, "curvature.sites");
  const auto any = [&](int64_t begin, int64_t end) {
    return std::any_of(chosen_.begin() + begin, chosen_.begin() + end, [](uint8_t site) { return site != 0; });
  };
  require(any(0, layout_.site_count()), "curvature.sites selects no site");
  trunk_ = any(0, layout_.head_site());
  for (int64_t layer = model.shape().layers - 1; layer >= 0; --layer)
    if (any(layer == 0 ? 0 : layout_.site(layer, 0), layout_.site(layer + 1, 0)))
      first_layer_ = layer;
  if (options.quadratic != nullptr)
    row_sums_ = at::zeros({options.count, rows_}, at::TensorOptions().dtype(at::kDouble).device(model.device));
}

SiteTangents Curvature::views(const std::vector<const lethe_vector*>& vectors, int64_t site) const {
  SiteTangents tangents;
  if (!chosen(site)) return tangents;
  const int64_t weight = layout_.weight_of(site), bias = layout_.bias_of(site);
  for (const lethe_vector* vector : vectors) {
    tangents.weight.push_back(vector->views[static_cast<size_t>(weight)]);
    if (bias >= 0) tangents.bias.push_back(vector->views[static_cast<size_t>(bias)]);
  }
  return tangents;
}

SiteTangents Curvature::directions(int64_t site) const { return views(directions_, site); }
SiteTangents Curvature::products(int64_t site) const { return views(products_, site); }

void Curvature::clear_products(bool all) const {
  if (accumulate_) return;
  const auto& parts = layout_.parts();
  for (size_t part = 0; part < parts.size(); ++part) {
    const int64_t site = parts[part].site;
    if (parts[part].frozen()) continue;
    // The embeddings' scatters only add, but to a tied table the head's part is written first.
    const bool table = site == Layout::embedding_site(), tied = table && layout_.shape().tied;
    const bool written = tied ? chosen(layout_.head_site()) : !table && site != layout_.positions() && chosen(site);
    if (written && !all) continue;
    for (const lethe_vector* product : products_) product->views[part].zero_();
  }
}

void Curvature::record_quadratics(const Batch& batch, double* out) const {
  const int64_t k_count = count();
  const at::Tensor shares = row_sums_.cpu();
  for (int64_t b = 0; b < batch.records(); ++b) {
    for (int64_t k = 0; k < k_count; ++k) {
      const double* first = shares.const_data_ptr<double>() + k * rows_ + batch.offset(b);
      double sum = 0;
      for (int64_t t = 0; t < batch.length(b); ++t) sum += first[t];
      out[b * k_count + k] = sum / batch.weight(b);
    }
  }
}

}  // namespace lethe
