// The observer of the activation-gradient product (Zagardo 2024): <y, dL/dy> at each site's output y, summed over a
// record's tokens in fp64.
#include <ATen/TensorOperators.h>

#include <algorithm>

#include "capture.h"
#include "model.h"
#include "ops.h"

namespace lethe {
namespace {

class ActivationProducts final : public GradientObserver {
 public:
  ActivationProducts(const Model& model, const Batch& batch, const std::vector<double>& mean_logits, double* products)
      : model_(model), batch_(batch), mean_logits_(mean_logits), products_(products) {
    std::fill(products, products + batch.records() * model.layout.site_count(), 0.0);
  }

  bool wants(int64_t site) const override { return site == Layout::embedding_site() && !model_.layout.frozen(site); }

  void output(int64_t site, const SiteOutput& y, const at::Tensor& output_gradient) override {
    if (model_.layout.frozen(site)) return;
    std::vector<double> sums(static_cast<size_t>(batch_.records()), 0.0);
    record_products(y.bias.defined() ? y.value + y.bias : y.value, y.minus, output_gradient, batch_, sums.data());
    for (int64_t b = 0; b < batch_.records(); ++b) of_record(b)[site] += sums[static_cast<size_t>(b)];
  }

  void embedding(const at::Tensor& x, const at::Tensor& gradient) override {
    const int64_t site = model_.layout.positions();
    const at::Tensor& positions = model_.weight(site);
    for (int64_t b = 0; b < batch_.records(); ++b) {
      const int64_t first = batch_.offset(b), count = batch_.length(b);
      const at::Tensor rows = gradient.narrow(0, first, count);
      const double both = (x.narrow(0, first, count).to(at::kDouble) * rows).sum().item<double>();
      of_record(b)[Layout::embedding_site()] += both;
      if (site < 0) continue;
      const double position = (positions.narrow(0, 0, count).to(at::kDouble) * rows).sum().item<double>();
      of_record(b)[site] += position;
      of_record(b)[Layout::embedding_site()] -= position;
    }
  }

  void finish() override { finish_products(model_, batch_, mean_logits_, products_); }

 private:
  double* of_record(int64_t b) const { return products_ + b * model_.layout.site_count(); }

  const Model& model_;
  const Batch& batch_;
  const std::vector<double>& mean_logits_;
  double* products_;  // [B, S]
};

}  // namespace

std::unique_ptr<GradientObserver> make_activation_products(const Model& model, const Batch& batch,
                                                           const std::vector<double>& mean_logits, double* products) {
  return std::make_unique<ActivationProducts>(model, batch, mean_logits, products);
}

void finish_products(const Model& model, const Batch& batch, const std::vector<double>& mean_logits, double* products) {
  const int64_t sites = model.layout.site_count(), head = model.layout.head_site();
  for (size_t i = 0; !model.layout.frozen(head) && i < mean_logits.size(); ++i) {
    const int64_t b = batch.target_records()[i];
    products[b * sites + head] += batch.target_scale(b) * mean_logits[i];
  }
  for (int64_t b = 0; b < batch.records(); ++b) {
    for (int64_t s = 0; s < sites; ++s) products[b * sites + s] /= batch.weight(b);
  }
}

}  // namespace lethe
