// Export of the curvature products.
#include <vector>

#include "guard.h"
#include "joint.h"
#include "model.h"
#include "passes.h"
#include "serial.h"

namespace {

using namespace lethe;

void run_curvature(Model& model, const Batch& batch, const lethe_curvature& options, TangentOps& ops, double* losses,
                   const Cancel& cancel) {
  const Curvature curvature(model, batch, options);
  std::vector<double> row_losses;
  curvature.clear_products(batch.target_count() == 0);
  if (batch.target_count() > 0) {
    Joint joint(model, batch, curvature, ops, cancel);
    const int64_t blocks = joint.architecture().blocks();
    walk_forward(joint, blocks);
    row_losses = tangent_head(model, batch, curvature, ops, joint.joint_hidden(), joint.hidden_gradient(), cancel);
    // Gauss-Newton's quadratic forms are complete at the head.
    if (curvature.trunk() && (curvature.hessian() || curvature.wants_products())) {
      joint.gradient(0, 0).zero_();
      walk_backward(joint, blocks, curvature.first_layer());
    }
  }
  record_losses(batch, row_losses.data(), losses);
  if (options.quadratic != nullptr) curvature.record_quadratics(batch, options.quadratic);
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
    const auto body = [&](TangentOps& ops) {
      run_curvature(*model, checked_batch, asked, ops, losses, Cancel(cancel));
    };
    if (model->path != nullptr)
      return run_on(model->path, [&] { model->path->tangents(*model, checked_batch, body); });
    const SerialIfSmall serial((1 + asked.count) * checked_batch.rows() * model->layout.numbers());
    body(*make_tangent_ops(*model, checked_batch));
  });
}
