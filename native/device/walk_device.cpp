// The walk's operations on the device: ops.h, products.h and attention.h put to a model's weights and a pass's
// observers.
#include "walk_device.h"

#include "heads.h"
#include "ops.h"
#include "passes.h"
#include "products.h"

namespace lethe::device {

DeviceRows::DeviceRows(State& state, Model& model, int64_t rows, int64_t kept, const Cancel& cancel)
    : Slots(model, {state.work, state.options(model)}, rows, rows, kept),
      state_(state),
      cancel_(cancel),
      attended_(architecture().attended()) {}

void DeviceRows::norm(const At& at, const at::Tensor& x, const at::Tensor& out) {
  layer_norm(state_, architecture().norm, x, model_.weight(site(at)), model_.bias(site(at)), model_.shape().epsilon,
             note(at, x.size(0)), out);
}

void DeviceRows::linear(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out) {
  const int64_t s = site(at);
  if (at.step.onto) {
    product_plus(x, state_.weight(model_, s), out, out);
  } else if (add.defined()) {
    const at::Tensor branch = state_.work.branch.get(out.options(), out.size(0), out.size(1));
    product(x, state_.weight(model_, s), branch);
    add_bias(state_, add, branch, at.step.bare ? at::Tensor() : model_.bias(s), out);
  } else if (at.step.bare || !model_.bias(s).defined()) {
    product(x, state_.weight(model_, s), out);
  } else {
    product_plus(x, state_.weight(model_, s), state_.bias(model_, s), out);
  }
  if (at.step.scale != 1) out.mul_(at.step.scale);
}

void DeviceRows::head_norm(const At& at, const at::Tensor& x, const at::Tensor& out) {
  const QkvView& view = architecture().qkv;
  const at::Tensor statistics = note(at, x.size(0));
  values(view, out).copy_(values(view, x));
  queries_and_keys(view, [&](auto columns, auto share, auto notes) {
    layer_norm(state_, Norm::kRms, columns(x), share(model_.weight(site(at))), {}, model_.shape().epsilon,
               notes(statistics), columns(out));
  });
}

void DeviceRows::activation(const At& at, const at::Tensor& x, const at::Tensor& out) {
  activate(state_, activating(), x, bias_of(at), out);
}

Device::Device(State& state, Model& model, const Batch& batch, Keep keep, const Cancel& cancel)
    : DeviceRows(state, model, batch.rows(), keep == Keep::kForBackward ? 0 : model.shape().layers, cancel),
      batch_(batch),
      keeps_(keep == Keep::kForBackward) {}

Device::Device(State& state, Model& model, const Batch& batch, const Backward& options, const Cancel& cancel)
    : DeviceRows(state, model, batch.rows(), 0, cancel), batch_(batch), keeps_(true), options_(options) {}

void Device::enter(int64_t block) {
  own_slot_ = kNone;
  own_gradient_ = at::Tensor();
  DeviceRows::enter(block);
}

void Device::embed(const at::Tensor& x) {
  device::embed(state_, model_.weight(Layout::embedding_site()), model_.weight(model_.layout.positions()), x);
}

void Device::attention(const At& at, const at::Tensor& qkv, const at::Tensor& /*out*/) {
  slabs(at.block).attended = device::attention(architecture().attention(at.block), sequences(), qkv, keeps_);
}

void Device::rotate(const At& /*at*/, const at::Tensor& x) const {
  turn(state_, architecture().qkv, state_.tables.positions, Direction::kForward, x);
}

void Device::norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                           const at::Tensor& d_x) {
  const int64_t s = site(at);
  observe(options_.observers, s, {out, {}, {}}, g);
  // A frozen norm's own gradients are nobody's.
  const at::Tensor unwanted = trained(s) ? at::Tensor() : state_.work.unwanted.get(model_.options(), 2, x.size(1));
  at::Tensor record_weight, record_bias;
  if (wanted(options_.observers, s)) {
    const at::Tensor both = state_.work.record_norms.get(model_.options(), 2 * batch_.records(), x.size(1));
    record_weight = both.narrow(0, 0, batch_.records());
    record_bias = both.narrow(0, batch_.records(), batch_.records());
  }
  device::norm_backward(state_, {.kind = architecture().norm,
                                 .x = x,
                                 .statistics = note(at, x.size(0)),
                                 .weight = model_.weight(s),
                                 .output = g,
                                 .stream = d_x,
                                 .first = at.block == architecture().layers,
                                 .d_weight = trained(s) ? model_.weight_gradient(s) : unwanted[0],
                                 .d_bias = trained(s)                     ? model_.bias_gradient(s)
                                           : model_.bias(s).defined() ? unwanted[1]
                                                                      : at::Tensor(),
                                 .accumulate = options_.accumulate && trained(s),
                                 .record_weight = record_weight,
                                 .record_bias = record_bias});
  tell(options_.observers, s, [&](GradientObserver& observer) { observer.norm(s, record_weight, record_bias); });
}

void Device::linear_backward(const At& at, const at::Tensor& x, const at::Tensor& add, const at::Tensor& out,
                             const at::Tensor& g, const at::Tensor& d_x) {
  const int64_t s = site(at);
  const at::Tensor &d_weight = model_.weight_gradient(s), &d_bias = model_.bias_gradient(s);
  if (!at.step.onto)
    observe(options_.observers, s, {out, add, at.step.bare ? model_.bias(s) : at::Tensor()}, g);
  if (at.step.scale != 1) g.mul_(at.step.scale);
  if (d_bias.defined() && !bias_is_summed(at)) column_sums(state_, g, options_.accumulate, d_bias);
  tell(options_.observers, s, [&](GradientObserver& observer) { observer.linear(s, x, g.contiguous()); });
  if (options_.weights && d_weight.defined())
    gradient_product(x.t(), g, options_.accumulate, d_weight, state_.work.wide_sum);
  const at::Tensor back = state_.weight(model_, s).t();
  at.step.adds ? product_plus(g, back, d_x, d_x) : product(g, back, d_x);
  // As on the CPU (cpu.cpp).
  if (at.step.onto) observe(options_.observers, s, {x, {}, {}}, d_x);
}

// By the next step, which the way back came through first.
bool Device::bias_is_summed(const At& at) const {
  const std::vector<Step>& steps = architecture().steps_of(at.block);
  return at.index + 1 < steps.size() && steps[at.index + 1].site == at.step.site;
}

void Device::attention_backward(const At& at, const at::Tensor& qkv, const at::Tensor& /*out*/, const at::Tensor& g,
                                const at::Tensor& d_qkv) {
  own_gradient_ = device::attention_backward(
      state_, architecture().attention(at.block), sequences(), qkv, slabs(at.block).attended, g, d_qkv, options_.accumulate,
      bias_gradient_of(at));
  own_slot_ = at.step.in;
}

void Device::head_norm_backward(const At& at, const at::Tensor& x, const at::Tensor& out, const at::Tensor& g,
                                const at::Tensor& d_x) {
  const int64_t s = site(at);
  const QkvView& view = architecture().qkv;
  const auto normed = [&](const at::Tensor& qkv) { return qkv.narrow(1, 0, view.value(0)); };
  observe(options_.observers, s, {normed(out), {}, {}}, normed(g));
  const at::Tensor unwanted = trained(s) ? at::Tensor() : state_.work.unwanted.get(model_.options(), 2 * view.d);
  const at::Tensor statistics = note(at, x.size(0));
  at::Tensor record_weight;
  if (wanted(options_.observers, s))
    record_weight = state_.work.record_norms.get(model_.options(), batch_.records(), 2 * view.d);
  values(view, d_x).copy_(values(view, g));
  queries_and_keys(view, [&](auto columns, auto share, auto notes) {
    device::norm_backward(state_, {.kind = Norm::kRms,
                                   .x = columns(x),
                                   .statistics = notes(statistics),
                                   .weight = share(model_.weight(s)),
                                   .output = columns(g),
                                   .stream = columns(d_x),
                                   .first = true,
                                   .d_weight = share(trained(s) ? model_.weight_gradient(s) : unwanted),
                                   .d_bias = at::Tensor(),
                                   .accumulate = options_.accumulate && trained(s),
                                   .record_weight = share(record_weight),
                                   .record_bias = at::Tensor()});
  });
  tell(options_.observers, s, [&](GradientObserver& observer) { observer.norm(s, record_weight, {}); });
}

// x goes back to what the steps before made when somebody looks at it.
void Device::rotate_backward(const At& /*at*/, const at::Tensor& x, const at::Tensor& g) const {
  const QkvView& view = architecture().qkv;
  if (!options_.observers.empty()) turn(state_, view, state_.tables.positions, Direction::kBack, x);
  turn(state_, view, state_.tables.positions, Direction::kBack, g);
}

void Device::activation_backward(const At& at, const at::Tensor& x, const at::Tensor& g, const at::Tensor& d_x) {
  device::activate_backward(state_, activating(), x, bias_of(at), g, d_x, options_.accumulate, bias_gradient_of(at));
}

void Device::embed_backward(const at::Tensor& x, const at::Tensor& g) {
  begin_embedding(model_, options_, x, g);
  if (!trained(Layout::embedding_site())) return;
  device::embed_backward(state_, g, model_.weight_gradient(Layout::embedding_site()),
                         model_.weight_gradient(model_.layout.positions()));
}

at::Tensor forward(State& state, Model& model, const Batch& batch, Keep keep, const Cancel& cancel) {
  Device pass(state, model, batch, keep, cancel);
  walk_forward(pass, pass.architecture().blocks());
  return pass.hidden();
}

}  // namespace lethe::device
