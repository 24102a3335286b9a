// Arguments of the kernels from tensors.
#include "ops.h"

namespace lethe::device {
namespace {

const void* pointer(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }
void* room(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr() : nullptr; }

void* partials(State& state, const at::Tensor& like, int64_t count) {
  return state.work.partials.get(like.options(), count).mutable_data_ptr();
}

kernels::NormRows norm_rows(const at::Tensor& x, const at::Tensor& weight) {
  return {x.size(0), x.size(1) / weight.size(0), weight.size(0), x.stride(0)};
}

kernels::Activation kind_of(const Activating& how) { return static_cast<kernels::Activation>(how.kind); }

DeviceScores at_row(const DeviceScores& scores, int64_t row) {
  const auto shift = [row](auto* pointer) { return pointer == nullptr ? nullptr : pointer + row; };
  return {shift(scores.loss), shift(scores.mean), shift(scores.deviation), shift(scores.mean_logit),
          shift(scores.greedy_hit)};
}

kernels::Logits logits_of(State& state, const at::Tensor& logits, int64_t vocabulary, int64_t first) {
  return {element_of(logits), logits.mutable_data_ptr(), logits.size(0), vocabulary, logits.size(1),
          state.tables.target_tokens + first};
}

}  // namespace

kernels::Element element_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kDouble: return kernels::Element::kF64;
    case at::kBFloat16: return kernels::Element::kBF16;
    default: return kernels::Element::kF32;
  }
}

kernels::Stream stream_of(const State& state) { return static_cast<kernels::Stream>(state.runtime.work()); }

void launched(kernels::Status status, const char* kernel) {
  if (status != 0) [[unlikely]]
    refuse(LETHE_INTERNAL, "cannot start kernel ", kernel, ": ", kernels::describe(status));
}

void embed(State& state, const at::Tensor& tokens, const at::Tensor& positions, const at::Tensor& out) {
  if (!tokens.defined()) return gather_rows(state, positions, state.tables.positions, out);
  launched(kernels::embed({.out_type = element_of(out),
                           .table_type = element_of(tokens),
                           .token_table = pointer(tokens),
                           .position_table = pointer(positions),
                           .tokens = state.tables.tokens,
                           .positions = state.tables.positions,
                           .rows = out.size(0),
                           .columns = out.size(1),
                           .out = room(out)},
                          stream_of(state)),
           "embed");
}

void embed_backward(State& state, const at::Tensor& gradient, const at::Tensor& d_tokens, const at::Tensor& d_positions) {
  const auto add = [&](const Tables::Groups& groups, const at::Tensor& table) {
    launched(kernels::add_rows({.x_type = element_of(gradient),
                                .x = pointer(gradient),
                                .ids = groups.ids,
                                .starts = groups.starts,
                                .rows = groups.rows,
                                .values = nullptr,
                                .groups = groups.count,
                                .columns = gradient.size(1),
                                .table = room(table)},
                               stream_of(state)),
             "add_rows");
  };
  if (d_tokens.defined()) add(state.tables.by_token, d_tokens);
  if (d_positions.defined()) add(state.tables.by_position, d_positions);
}

void layer_norm(State& state, Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                double epsilon, const at::Tensor& statistics, const at::Tensor& out) {
  launched(kernels::layer_norm({.x_type = element_of(x),
                                .out_type = element_of(out),
                                .rms = kind == Norm::kRms,
                                .x = pointer(x),
                                .weight = pointer(weight),
                                .bias = pointer(bias),
                                .epsilon = epsilon,
                                .rows = norm_rows(x, weight),
                                .statistics = room(statistics),
                                .out = room(out)},
                               stream_of(state)),
           "layer_norm");
}

void norm_backward(State& state, const NormGradient& g) {
  const kernels::NormRows rows = norm_rows(g.x, g.weight);
  const int64_t parts = g.d_bias.defined() ? 2 : 1;
  launched(kernels::layer_norm_backward(
               {.stream_type = element_of(g.stream),
                .output_type = element_of(g.output),
                .rms = g.kind == Norm::kRms,
                .x = pointer(g.x),
                .statistics = pointer(g.statistics),
                .weight = pointer(g.weight),
                .output = pointer(g.output),
                .chunks = state.tables.chunks,
                .rows = rows,
                .overwrite_stream = g.first,
                .stream = room(g.stream),
                .partials = partials(state, g.d_weight, state.tables.chunks.count * rows.each * parts * rows.columns),
                .accumulate = g.accumulate,
                .d_weight = room(g.d_weight),
                .d_bias = room(g.d_bias),
                .record_weight = room(g.record_weight),
                .record_bias = room(g.record_bias),
                .record_stride = g.record_weight.defined() ? g.record_weight.stride(0) : 0},
               stream_of(state)),
           "layer_norm_backward");
}

void activate(State& state, const Activating& how, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) {
  launched(kernels::activate({.kind = kind_of(how),
                              .gated = how.gated,
                              .type = element_of(x),
                              .x = pointer(x),
                              .bias = pointer(bias),
                              .rows = x.size(0),
                              .columns = out.size(1),
                              .out = room(out)},
                             stream_of(state)),
           "activate");
}

void activate_backward(State& state, const Activating& how, const at::Tensor& x, const at::Tensor& bias,
                       const at::Tensor& gradient, const at::Tensor& d_x, bool accumulate, const at::Tensor& d_bias) {
  const int64_t rows = gradient.size(0), columns = gradient.size(1);
  if (how.gated)
    return launched(kernels::gate_backward({.kind = kind_of(how),
                                            .type = element_of(x),
                                            .x = pointer(x),
                                            .gradient = pointer(gradient),
                                            .rows = rows,
                                            .columns = columns,
                                            .d_x = room(d_x)},
                                           stream_of(state)),
                    "gate_backward");
  launched(kernels::activate_backward(
               {.kind = kind_of(how),
                .type = element_of(x),
                .x = pointer(x),
                .bias = pointer(bias),
                .rows = rows,
                .columns = columns,
                .gradient = room(d_x),
                .d_bias = room(d_bias),
                .accumulate = accumulate,
                .partials = d_bias.defined() ? partials(state, d_bias, kernels::row_blocks(rows) * columns) : nullptr},
               stream_of(state)),
           "activate_backward");
}

void turn(State& state, const QkvView& view, const int32_t* positions, Direction direction, const at::Tensor& x) {
  launched(kernels::turn({.type = element_of(x),
                          .x = room(x),
                          .rows = x.size(0),
                          .heads = {view.heads, view.kv_heads, view.step(), view.key(0), view.width()},
                          .size = 2 * state.turns.cos.size(1),
                          .cos = pointer(state.turns.cos),
                          .sin = pointer(state.turns.sin),
                          .positions = positions,
                          .back = direction == Direction::kBack},
                         stream_of(state)),
           "turn");
}

void add_bias(State& state, const at::Tensor& x, const at::Tensor& y, const at::Tensor& bias, const at::Tensor& out) {
  launched(kernels::add_bias({.x_type = element_of(x),
                              .y_type = element_of(y),
                              .x = pointer(x),
                              .y = pointer(y),
                              .bias = pointer(bias),
                              .rows = x.size(0),
                              .columns = x.size(1),
                              .out = room(out)},
                             stream_of(state)),
           "add_bias");
}

void column_sums(State& state, const at::Tensor& x, bool accumulate, const at::Tensor& out) {
  column_sums(state, {x, at::Tensor(), at::Tensor()}, at::Tensor(), accumulate, out);
}

void column_sums(State& state, const at::Tensor (&parts)[3], const at::Tensor& joined, bool accumulate,
                 const at::Tensor& out) {
  const int64_t rows = parts[0].size(0);
  const auto width = [&](int i) { return parts[i].defined() ? parts[i].size(1) : 0; };
  launched(kernels::column_sums({.type = element_of(parts[0]),
                                 .x = {pointer(parts[0]), pointer(parts[1]), pointer(parts[2])},
                                 .widths = {width(0), width(1), width(2)},
                                 .rows = rows,
                                 .joined = room(joined),
                                 .partials = partials(state, out, kernels::row_blocks(rows) * out.numel()),
                                 .accumulate = accumulate,
                                 .out = room(out)},
                                stream_of(state)),
           "column_sums");
}

void gather_rows(State& state, const at::Tensor& x, const int32_t* index, const at::Tensor& out) {
  launched(kernels::gather_rows(pointer(x), index, out.size(0), x.size(1) * x.element_size(), room(out), stream_of(state)),
           "gather_rows");
}

void cast(State& state, const at::Tensor& x, const at::Tensor& out) {
  launched(kernels::cast(element_of(x), pointer(x), element_of(out), room(out), x.numel(), stream_of(state)), "cast");
}

void softmax_scores(State& state, const at::Tensor& logits, int64_t vocabulary, int64_t first, const DeviceScores& scores) {
  launched(kernels::softmax_scores(logits_of(state, logits, vocabulary, first), at_row(scores, first), stream_of(state)),
           "softmax_scores");
}

void softmax_errors(State& state, const at::Tensor& logits, int64_t vocabulary, int64_t first, const DeviceScores& scores) {
  launched(kernels::softmax_errors(logits_of(state, logits, vocabulary, first), state.tables.target_scales + first,
                                   at_row(scores, first), stream_of(state)),
           "softmax_errors");
}

void divergence_errors(State& state, const at::Tensor& logits, const at::Tensor& reference, int64_t vocabulary,
                       int64_t first, double* divergences) {
  launched(kernels::divergence_errors({.type = element_of(logits),
                                       .logits = room(logits),
                                       .reference = pointer(reference),
                                       .rows = logits.size(0),
                                       .columns = vocabulary,
                                       .stride = logits.size(1),
                                       .scales = state.tables.target_scales + first,
                                       .divergences = divergences + first},
                                      stream_of(state)),
           "divergence_errors");
}

void scale_rows(State& state, const at::Tensor& x, const at::Tensor& factors) {
  launched(kernels::scale_rows({.x_type = element_of(x),
                                .out_type = element_of(x),
                                .x = pointer(x),
                                .factors = factors.const_data_ptr<double>(),
                                .rows = x.size(0),
                                .columns = x.size(1),
                                .out = room(x)},
                               stream_of(state)),
           "scale_rows");
}

void record_products(State& state, const at::Tensor& x, const at::Tensor& minus, const at::Tensor& bias, const at::Tensor& y,
                     double* sums, int64_t stride) {
  const at::TensorOptions wide = x.options().dtype(at::kDouble);
  double* scratch = state.work.wide_partials.get(wide, state.tables.chunks.count).mutable_data_ptr<double>();
  launched(kernels::record_products({.x_type = element_of(x),
                                     .y_type = element_of(y),
                                     .x = pointer(x),
                                     .minus = pointer(minus),
                                     .bias = pointer(bias),
                                     .y = pointer(y),
                                     .chunks = state.tables.chunks,
                                     .columns = x.size(1),
                                     .row_stride = x.stride(0),
                                     .partials = scratch,
                                     .stride = stride,
                                     .sums = sums},
                                    stream_of(state)),
           "record_products");
}

}  // namespace lethe::device
