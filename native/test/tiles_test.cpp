// Our matrix products against ATen's, in fp64: every mix of transposes, sizes on both sides of every block border, and
// the same bits at one and two threads. Causal attention against plain math.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_dot_product_attention_math.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "attention.h"
#include "gemm_tiles.h"
#include "check.h"

namespace {

using namespace lethe;

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm().clamp_min(1e-30)).item<double>();
}

at::Tensor matrix(int64_t rows, int64_t columns, bool transposed) {
  return transposed ? at::randn({columns, rows}).t() : at::randn({rows, columns});
}

Operand operand(const at::Tensor& x) { return {x.const_data_ptr<float>(), x.stride(0), x.stride(1)}; }

void product(int64_t m, int64_t k, int64_t n, bool a_transposed, bool b_transposed, Into into) {
  const at::Tensor a = matrix(m, k, a_transposed), b = matrix(k, n, b_transposed), before = at::randn({m, n});
  at::Tensor wanted = at::mm(a.to(at::kDouble), b.to(at::kDouble));
  if (into == Into::kAdd) wanted += before;
  at::Tensor results[2];
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    at::Tensor& out = results[threads - 1];
    out = before.clone();
    tiled_gemm(operand(a), operand(b), m, k, n, out.mutable_data_ptr<float>(), n, into);
  }
  CHECK(relative(results[0].to(at::kDouble), wanted) < 1e-6);
  CHECK(results[0].equal(results[1]));
}

// Rounded operands give what fp64 gives of the rounded numbers, up to fp32 sums.
void rounded_product(int64_t m, int64_t k, int64_t n, bool a_transposed, bool b_transposed) {
  const at::Tensor a = matrix(m, k, a_transposed), b = matrix(k, n, b_transposed), out = at::empty({m, n});
  const auto rounded = [](const at::Tensor& x) { return x.to(at::kBFloat16).to(at::kDouble); };
  tiled_gemm(operand(a), operand(b), m, k, n, out.mutable_data_ptr<float>(), n, Into::kOverwrite, Rounding::kBf16);
  CHECK(relative(out.to(at::kDouble), at::mm(rounded(a), rounded(b))) < 1e-6);
}

// One record's head of x [sum T, parts * C] as [1, 1, T, size].
at::Tensor head_of(const at::Tensor& x, int64_t first, int64_t length, int64_t column, int64_t size) {
  return x.narrow(0, first, length).narrow(1, column, size).unsqueeze(0).unsqueeze(0);
}

// Outputs against ATen's math; the backward pass by its defining sum, <d_out, d out> = <d_qkv, d qkv>, for a small step.
void causal_attention(int64_t heads, int64_t size, const std::vector<int64_t>& lengths) {
  std::vector<int64_t> offsets{0};
  for (const int64_t length : lengths) offsets.push_back(offsets.back() + length);
  const int64_t rows = offsets.back(), c = heads * size;
  const std::vector<int32_t> tokens(static_cast<size_t>(rows), 0);
  lethe_batch raw = test::sized<lethe_batch>();
  raw.records = static_cast<int64_t>(lengths.size());
  raw.tokens_total = rows;
  raw.offsets = offsets.data();
  raw.tokens = raw.targets = tokens.data();
  const Shape shape{.vocabulary = 1, .context = 200, .channels = c, .heads = heads, .layers = 1, .inner = c};
  const Batch batch(raw, shape, Targets::kRequired);
  const QkvView view{.heads = heads, .kv_heads = heads, .d = size};
  Slab scratch;
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const auto run = [&](const at::Tensor& qkv, const at::Tensor& log_sum_exp) {
    const at::Tensor out = at::empty({rows, c}, options);
    attention(view, batch, qkv, out, log_sum_exp, scratch);
    return out;
  };

  const at::Tensor qkv = at::randn({rows, 3 * c}, options), log_sum_exp = at::empty({heads, rows}, options);
  const at::Tensor out = run(qkv, log_sum_exp);
  for (size_t b = 0; b < lengths.size(); ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      const auto part = [&](const at::Tensor& x, int64_t at) {
        return head_of(x, offsets[b], lengths[b], at * c + h * size, size);
      };
      const auto wanted = at::_scaled_dot_product_attention_math(part(qkv, 0), part(qkv, 1), part(qkv, 2), {}, 0.0, true);
      CHECK(relative(part(out, 0), std::get<0>(wanted)) < 1e-12);
    }
  }

  const at::Tensor d_out = at::randn({rows, c}, options), d_qkv = at::empty({rows, 3 * c}, options);
  attention_backward(view, batch, {qkv, out, log_sum_exp, d_out, d_qkv}, scratch);
  for (int64_t part = 0; part < 3; ++part) {
    at::Tensor step = at::zeros_like(qkv);
    step.narrow(1, part * c, c).normal_(0, 1e-5);
    const double change = (d_out * (run(qkv + step, {}) - run(qkv - step, {}))).sum().item<double>() / 2;
    const double predicted = (d_qkv * step).sum().item<double>();
    CHECK(std::abs(change - predicted) <= 1e-7 * (d_out * out).norm().item<double>() * 1e-2 + 1e-7 * std::abs(predicted));
  }
}

}  // namespace

int main() {
  at::manual_seed(1);
  for (const bool a : {false, true})
    for (const bool b : {false, true})
      for (const Into into : {Into::kOverwrite, Into::kAdd}) {
        product(1, 1, 1, a, b, into);
        product(5, 7, 63, a, b, into);
        product(6, 16, 64, a, b, into);
        product(193, 385, 1030, a, b, into);
        product(197, 800, 130, a, b, into);
      }
  for (const bool a : {false, true})
    for (const bool b : {false, true})
      for (const int64_t k : {1, 2, 7, 385, 801})
        if (bf16_tiles()) rounded_product(197, k, 130, a, b);
  for (const int64_t head : {8, 64, 72}) causal_attention(2, head, {1, 47, 48, 49, 130, 5});
  return test::finish();
}
