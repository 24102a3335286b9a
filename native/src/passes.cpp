// The passes over the trunk: what a walk on the CPU is asked for.
#include "passes.h"

#include "cpu.h"

namespace lethe {

at::Tensor stream_forward(Model& model, const Batch& batch, Keep keep, int64_t layers, const Cancel& cancel) {
  Cpu cpu(model, batch, keep, cancel);
  walk_forward(cpu, layers);
  return cpu.slot(layers, 0);
}

at::Tensor forward(Model& model, const Batch& batch, Keep keep, const Cancel& cancel) {
  Cpu cpu(model, batch, keep, cancel);
  walk_forward(cpu, cpu.architecture().blocks());
  return cpu.hidden();
}

void backward(Model& model, const Batch& batch, const Backward& options, const Cancel& cancel) {
  Cpu cpu(model, batch, options, cancel);
  cpu.gradient(0, 0).zero_();
  walk_backward(cpu, cpu.architecture().blocks(), 0);
}

void stream_backward(Model& model, const Batch& batch, int64_t layers, const Backward& options, const Cancel& cancel) {
  Cpu cpu(model, batch, options, cancel);
  walk_backward(cpu, layers, 0);
}

void begin_embedding(Model& model, const Backward& options, const at::Tensor& x, const at::Tensor& gradient) {
  const int64_t tokens = Layout::embedding_site(), positions = model.layout.positions();
  for (GradientObserver* observer : options.observers)
    if (observer->wants(tokens) || (positions >= 0 && observer->wants(positions))) observer->embedding(x, gradient);
  if (options.accumulate) return;
  for (const int64_t table : {positions, model.shape().tied ? -1 : tokens})
    if (model.weight_gradient(table).defined()) model.weight_gradient(table).zero_();
}

}  // namespace lethe
