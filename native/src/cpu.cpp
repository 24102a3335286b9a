// The walk's operations on the CPU: ops.h, attention.h and gemm.h put to a model's weights and a pass's observers.
#include "cpu.h"

#include "attention.h"
#include "gemm.h"
#include "ops_heads.h"

namespace lethe {

Cpu::Cpu(Model& model, const Batch& batch, Keep keep, const Cancel& cancel)
    : CpuRows(model, batch.rows(), keep == Keep::kForBackward ? 0 : model.shape().layers, turns_of(model, batch),
              cancel),
      batch_(batch),
      keeps_(keep == Keep::kForBackward) {}

Cpu::Cpu(Model& model, const Batch& batch, const Backward& options, const Cancel& cancel)
    : CpuRows(model, batch.rows(), 0, turns_of(model, batch), cancel), batch_(batch), keeps_(true), options_(options) {}

void Cpu::embed(const at::Tensor& x) {
  lethe::embed(model_.weight(Layout::embedding_site()), model_.weight(model_.layout.positions()), batch_, x);
}

void CpuRows::norm(const At& at, const at::Tensor& x, const at::Tensor& out) {
  layer_norm(architecture().norm, x, model_.weight(site(at)), model_.bias(site(at)), model_.shape().epsilon,
             note(at, x.size(0)), out);
}

void CpuRows::linear(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out) {
  const at::Tensor& bias = model_.bias(site(at));
  const bool starts = !at.step.bare && (add.defined() || bias.defined());
  if (starts) start_rows(add, bias, out);
  gemm(x, model_.weight(site(at)), out, starts || at.step.onto ? Into::kAdd : Into::kOverwrite, model_.rounding);
  if (at.step.scale != 1) out.mul_(at.step.scale);
}

void Cpu::attention(const At& at, const at::Tensor& qkv, const at::Tensor& out) {
  lethe::attention(architecture().attention(at.block), batch_, qkv, out, keeps_ ? note(at, qkv.size(0)) : at::Tensor(),
                   model_.workspace.partials);
}

void CpuRows::head_norm(const At& at, const at::Tensor& x, const at::Tensor& out) {
  lethe::head_norm({architecture().qkv, x, note(at, x.size(0)), model_.weight(site(at))}, model_.shape().epsilon, out);
}

void CpuRows::rotate(const At& /*at*/, const at::Tensor& x) const {
  turn(architecture().qkv, turns_, Direction::kForward, x);
}

void CpuRows::activation(const At& at, const at::Tensor& x, const at::Tensor& out) {
  activate(activating(), x, bias_of(at), out);
}

void Cpu::norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                        const at::Tensor& d_x) {
  const int64_t s = site(at);
  const at::Tensor statistics = note(at, x.size(0));
  observe(options_.observers, s, {out, {}, {}}, g);
  if (wanted(options_.observers, s)) {
    const at::Tensor both = model_.workspace.record_norms.get(model_.options(), 2 * batch_.records(), x.size(1));
    const at::Tensor weight = both.narrow(0, 0, batch_.records());
    const at::Tensor bias = both.narrow(0, batch_.records(), batch_.records());
    layer_norm_records(x, statistics, g, batch_, 1, weight, bias);
    tell(options_.observers, s, [&](GradientObserver& observer) { observer.norm(s, weight, bias); });
  }
  layer_norm_backward({.kind = architecture().norm,
                       .x = x,
                       .statistics = statistics,
                       .weight = model_.weight(s),
                       .output = g,
                       .stream = d_x,
                       .d_weight = model_.weight_gradient(s),
                       .d_bias = model_.bias_gradient(s),
                       .accumulate = options_.accumulate},
                      model_.workspace.partials);
}

void Cpu::linear_backward(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out,
                          const at::Tensor& g, const at::Tensor& d_x) {
  const int64_t s = site(at);
  const at::Tensor& d_weight = model_.weight_gradient(s);
  const Into into = options_.accumulate ? Into::kAdd : Into::kOverwrite;
  if (!at.step.onto) observe(options_.observers, s, {out, add, at.step.bare ? model_.bias(s) : at::Tensor()}, g);
  if (at.step.scale != 1) g.mul_(at.step.scale);
  tell(options_.observers, s, [&](GradientObserver& observer) { observer.linear(s, x, g.contiguous()); });
  if (options_.weights && d_weight.defined()) gemm(x.t(), g, d_weight, into, model_.rounding);
  if (model_.bias_gradient(s).defined()) column_sums(g, options_.accumulate, model_.bias_gradient(s));
  gemm(g, model_.weight(s).t(), d_x, at.step.adds ? Into::kAdd : Into::kOverwrite, model_.rounding);
  // What it adds is not at hand; <x W, G> = <x, G W^T> is.
  if (at.step.onto) observe(options_.observers, s, {x, {}, {}}, d_x);
}

void Cpu::head_norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                             const at::Tensor& d_x) {
  const int64_t s = site(at);
  const QkvView& view = architecture().qkv;
  const auto normed = [&](const at::Tensor& qkv) { return qkv.narrow(1, 0, view.value(0)).contiguous(); };
  if (!options_.observers.empty()) observe(options_.observers, s, {normed(out), {}, {}}, normed(g));
  const at::Tensor statistics = note(at, x.size(0));
  const HeadNorm norm{view, x, statistics, model_.weight(s)};
  if (wanted(options_.observers, s)) {
    const at::Tensor weight = model_.workspace.record_norms.get(model_.options(), batch_.records(), 2 * view.d);
    head_norm_records(norm, g, batch_, weight);
    tell(options_.observers, s, [&](GradientObserver& observer) { observer.norm(s, weight, {}); });
  }
  lethe::head_norm_backward(norm, {g, d_x, model_.weight_gradient(s), options_.accumulate}, model_.workspace.partials);
}

// x goes back to what the steps before made, as they and whoever observes them want it.
void Cpu::rotate_backward(const At& /*at*/, const at::Tensor& x, const at::Tensor& g) const {
  for (const at::Tensor& turned : {x, g}) turn(architecture().qkv, turns_, Direction::kBack, turned);
}

void Cpu::attention_backward(const At& at, const at::Tensor& qkv, const at::Tensor& out, const at::Tensor& g,
                             const at::Tensor& d_qkv) {
  const at::Tensor log_sum_exp = note(at, qkv.size(0));
  lethe::attention_backward(architecture().attention(at.block), batch_,
                            {.qkv = qkv, .out = out, .log_sum_exp = log_sum_exp, .d_out = g, .d_qkv = d_qkv},
                            model_.workspace.partials);
}

void Cpu::activation_backward(const At& at, const at::Tensor& x, const at::Tensor& g, const at::Tensor& d_x) {
  activate_backward(activating(), x, bias_of(at), g, d_x);
}

void Cpu::embed_backward(const at::Tensor& x, const at::Tensor& g) {
  begin_embedding(model_, options_, x, g);
  lethe::embed_backward(g, batch_, model_.weight_gradient(Layout::embedding_site()),
                        model_.weight_gradient(model_.layout.positions()));
}

}  // namespace lethe
