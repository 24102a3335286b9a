// The observer of the activation-gradient product on the device; the counterpart of src/activation_products.cpp.
#pragma once

#include "capture.h"
#include "ops.h"

namespace lethe::device {

class ActivationProducts final : public GradientObserver {
 public:
  // sums [B, S] zeros on the device, for the batch loss; the tokens' will still hold the positions' part.
  ActivationProducts(State& state, const Model& model, double* sums) : state_(state), model_(model), sums_(sums) {}

  bool wants(int64_t site) const override { return site == Layout::embedding_site() && !model_.layout.frozen(site); }

  void output(int64_t site, const SiteOutput& y, const at::Tensor& output_gradient) override {
    if (model_.layout.frozen(site)) return;
    record_products(state_, y.value, y.minus, y.bias, output_gradient, sums_ + site, model_.layout.site_count());
  }

  void embedding(const at::Tensor& x, const at::Tensor& gradient) override {
    output(Layout::embedding_site(), {x, {}, {}}, gradient);
    if (model_.layout.positions() < 0) return;
    const at::Tensor places = state_.work.position_rows.get(model_.options(), x.size(0), x.size(1));
    gather_rows(state_, model_.weight(model_.layout.positions()), state_.tables.positions, places);
    output(model_.layout.positions(), {places, {}, {}}, gradient);
  }

 private:
  State& state_;
  const Model& model_;
  double* sums_;
};

}  // namespace lethe::device
