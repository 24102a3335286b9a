// The observer of the first pass: sums of A^T A and G^T G, of a table's D^T D and H^T H with its rows' weights, and the
// norms' squared gradients.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include "kfac.h"
#include "ops.h"

namespace lethe {
namespace {

// sums[v] += squares of column v of errors [n, V], in fp64 across rows' blocks
void add_column_squares(bool on_device, const at::Tensor& errors, const at::Tensor& sums) {
  if (on_device) {
    sums.add_(errors.square().sum({0}, /*keepdim=*/false, at::kDouble));
    return;
  }
  with_element(errors.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* e = errors.const_data_ptr<T>();
    const int64_t rows = errors.size(0), columns = errors.size(1);
    double* out = sums.mutable_data_ptr<double>();
    at::parallel_for(0, columns, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t v = begin; v < end; ++v) {
          const T value = e[r * columns + v];
          out[v] += static_cast<double>(value * value);
        }
    });
  });
}

class CovariancePass final : public KfacObserver {
 public:
  using KfacObserver::KfacObserver;

  bool wants(int64_t site) const override {
    // The embedding's gradient is looked at for its finiteness, whatever is chosen.
    return site == Layout::embedding_site() || kfac_.block_of_site(site) != nullptr;
  }

  void linear(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) override {
    KfacBlock& block = *kfac_.block_of_site(site);
    const at::Tensor a = own(inputs);
    block.inputs.add(a, rounding_);
    block.input_sums.add_(a.sum(0));
    block.outputs.add(own(output_gradient), rounding_);
  }

  void embedding(const at::Tensor& /*x*/, const at::Tensor& gradient) override {
    const at::Tensor d = own(gradient);
    require_finite(d);
    KfacBlock* tokens = kfac_.block_of_site(Layout::embedding_site());
    KfacBlock* positions = kfac_.block_of_site(kfac_.layout.positions());
    if (tokens != nullptr) {
      tokens->outputs.add(d, rounding_);
      double* rows = tokens->scatter_rows.mutable_data_ptr<double>();
      for (int64_t row = 0; row < batch_.rows(); ++row) rows[batch_.tokens()[row]] += 1;
    }
    if (positions != nullptr) {
      positions->outputs.add(d, rounding_);
      double* rows = positions->scatter_rows.mutable_data_ptr<double>();
      for (int64_t b = 0; b < batch_.records(); ++b)
        for (int64_t t = 0; t < batch_.length(b); ++t) rows[t] += 1;
    }
  }

  void head(int64_t /*first_row*/, const at::Tensor& errors, const at::Tensor& hidden) override {
    KfacBlock& block = *kfac_.block_of_site(kfac_.layout.head_site());
    block.inputs.add(own(hidden), rounding_);
    add_column_squares(kfac_.path != nullptr, own_errors(errors), block.head_rows);
  }
};

}  // namespace

std::unique_ptr<KfacObserver> make_covariance_pass(Kfac& kfac, const Batch& batch, Rounding rounding) {
  return std::make_unique<CovariancePass>(kfac, batch, rounding);
}

}  // namespace lethe
