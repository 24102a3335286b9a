// Captures a batch's factors during the device's backward pass: kernels cast them, scale them from the batch's loss to each
// record's own, and scatter them into a staging area laid out as the entries.
#pragma once

#include "capture.h"
#include "entries_out.h"
#include "state.h"

namespace lethe::device {

class DeviceCapture final : public GradientObserver {
 public:
  // Prepares the area and uploads the tables of places; waits on the device until the area's last copy is done.
  DeviceCapture(State& state, const Model& model, const EntriesOut& out, StagingArea& area);

  bool wants(int64_t site) const override;
  void linear(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient) override;
  void norm(int64_t site, const at::Tensor& record_weight, const at::Tensor& record_bias) override;
  void embedding(const at::Tensor& x, const at::Tensor& gradient) override;
  void head(int64_t first_row, const at::Tensor& errors, const at::Tensor& hidden) override;

 private:
  enum Array { kFirst, kSecond, kIndex };
  struct Rows {
    const int32_t *record, *position;
  };
  const int64_t* places(int64_t site, Array which) const;  // [B] on the device
  void scatter(int64_t site, const at::Tensor& x, int64_t columns, const int64_t* places, bool scaled, Rows rows);
  void adapter(int64_t site, const at::Tensor& inputs, const at::Tensor& output_gradient);
  void upload_places();

  State& state_;
  const Layout& layout_;
  const EntriesOut& out_;
  StagingArea& area_;
  char* block_;
  char* report_;
  const int64_t* device_places_ = nullptr;  // [1 + 3 S, B]: D's, then each site's three arrays
};

}  // namespace lethe::device
