// Export of the curvature products.
#include <vector>

#include "guard.h"
#include "joint.h"
#include "model.h"
#include "passes.h"
#include "serial.h"

namespace {

using namespace lethe;

void run_curvature(Model& model, const Batch& batch, const Curvature& curvature, double* quadratic, double* losses,
                   const Cancel& cancel) {
  std::vector<double> row_losses(static_cast<size_t>(batch.target_count()));
  curvature.clear_products(row_losses.empty());
  if (!row_losses.empty()) {
    Joint joint(model, batch, curvature, cancel);
    const int64_t blocks = joint.architecture().blocks();
    walk_forward(joint, blocks);
    tangent_head(model, batch, curvature, joint.joint_hidden(), row_losses.data(), cancel);
    // Gauss-Newton's quadratic forms are complete at the head.
    if (curvature.trunk() && (curvature.hessian() || curvature.wants_products())) {
      joint.gradient(0, 0).zero_();
      walk_backward(joint, blocks, curvature.first_layer());
    }
  }
  record_losses(batch, row_losses.data(), losses);
  if (quadratic != nullptr) curvature.record_quadratics(batch, quadratic);
}

}  // namespace

extern "C" lethe_status lethe_model_curvature(lethe_model* model, const lethe_batch* batch,
                                              const lethe_curvature* options, double* losses, const int32_t* cancel,
                                              lethe_error* err) {
  return guard(err, [&] {
    require_pointer(model, "model");
    require_pointer(losses, "losses");
    const lethe_curvature& asked = checked(options, "curvature");
    const Batch checked_batch(checked(batch, "batch"), model->shape(), Targets::kRequired);
    if (!model->on_cpu()) refuse(LETHE_UNSUPPORTED, "curvature products are computed on the CPU only");
    const Curvature curvature(*model, checked_batch, asked);
    const SerialIfSmall serial((1 + asked.count) * checked_batch.rows() * model->layout.numbers());
    run_curvature(*model, checked_batch, curvature, asked.quadratic, losses, Cancel(cancel));
  });
}
