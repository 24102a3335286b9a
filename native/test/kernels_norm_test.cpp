// Layer norm's kernels, emulated, against loops in double: forward, x-hat, backward, parameter gradients of the batch
// and of each record, activation times gradient. Records of unequal length, some longer than a chunk.
#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

const Element kF32 = Element::kF32, kF64 = Element::kF64, kBF16 = Element::kBF16;
constexpr double kEpsilon = 1e-5;

struct Types {
  Element stream, output;
};

struct Case {
  Case(Types types, int64_t c_, std::mt19937& random)
      : t(types),
        c(c_),
        offsets(offsets_of({3, 1, 40, 65, 32})),
        rows(offsets.back()),
        x(t.stream, rows * c, random, 2),
        weight(real_of(t.stream), c, random),
        bias(real_of(t.stream), c, random),
        statistics(real_of(t.stream), 2 * rows),
        hats(static_cast<size_t>(rows * c)),
        scales(static_cast<size_t>(rows)) {
    for (int64_t r = 0; r < rows; ++r) {
      double mean = 0, variance = 0;
      for (int64_t j = 0; j < c; ++j) mean += x[r * c + j] / static_cast<double>(c);
      for (int64_t j = 0; j < c; ++j) variance += std::pow(x[r * c + j] - mean, 2) / static_cast<double>(c);
      const double scale = 1 / std::sqrt(variance + kEpsilon);
      scales[static_cast<size_t>(r)] = scale;
      for (int64_t j = 0; j < c; ++j) hats[static_cast<size_t>(r * c + j)] = (x[r * c + j] - mean) * scale;
    }
  }
  Types t;
  int64_t c;
  std::vector<int64_t> offsets;
  int64_t rows;
  Array x, weight, bias, statistics;
  std::vector<double> hats, scales;
};

double loose(Element type) { return type == kF64 ? 1e-12 : 2e-5; }  // sums of a few hundred numbers

void forward(const Case& k) {
  const Array out(k.t.output, k.rows * k.c), hat(k.t.output, k.rows * k.c);
  run_twice({&out.memory(), &k.statistics.memory()}, [&] {
    return layer_norm({k.t.stream, k.t.output, k.x.data(), k.weight.data(), k.bias.data(), kEpsilon, k.rows, k.c,
                       k.statistics.data(), out.data()},
                      nullptr);
  });
  run_twice({&hat.memory()}, [&] {
    return normalize(
        {k.t.stream, k.t.output, k.x.data(), nullptr, nullptr, 0, k.rows, k.c, k.statistics.data(), hat.data()},
        nullptr);
  });
  std::vector<double> expected;
  for (int64_t i = 0; i < k.rows * k.c; ++i)
    expected.push_back(k.hats[static_cast<size_t>(i)] * k.weight[i % k.c] + k.bias[i % k.c]);
  const double tolerance = loose(k.t.stream) + rounding(k.t.output);
  // One column: x-hat is 0, and what rounding leaves of x - mean is blown up by 1 / sqrt(epsilon).
  CHECK_NEAR(out, expected, tolerance, k.c == 1 ? 300 : 1);
  CHECK_NEAR(hat, k.hats, tolerance, k.c == 1 ? 300 : 1);
}

void backward(const Case& k, bool overwrite, std::mt19937& random) {
  const Element real = real_of(k.t.stream);
  const auto records = static_cast<int64_t>(k.offsets.size()) - 1;
  const Chunks chunks(k.offsets);
  const Array output(k.t.output, k.rows * k.c, random), stream(k.t.stream, k.rows * k.c, random);
  const Array partials(real, chunks.view.count * 2 * k.c), d_weight(real, k.c, random), d_bias(real, k.c, random);
  const Array record_weight(real, records * k.c), record_bias(real, records * k.c);

  std::vector<double> dx, dw = values(d_weight), db = values(d_bias);
  std::vector<double> rw(static_cast<size_t>(records * k.c)), rb(rw.size());
  for (int64_t b = 0; b < records; ++b) {
    for (int64_t r = k.offsets[static_cast<size_t>(b)]; r < k.offsets[static_cast<size_t>(b) + 1]; ++r) {
      double total = 0, dot = 0;
      for (int64_t j = 0; j < k.c; ++j) {
        const double y = output[r * k.c + j], hat = k.hats[static_cast<size_t>(r * k.c + j)];
        total += y * k.weight[j] / static_cast<double>(k.c);
        dot += y * k.weight[j] * hat / static_cast<double>(k.c);
        for (auto* sums : {&dw[static_cast<size_t>(j)], &rw[static_cast<size_t>(b * k.c + j)]}) *sums += y * hat;
        for (auto* sums : {&db[static_cast<size_t>(j)], &rb[static_cast<size_t>(b * k.c + j)]}) *sums += y;
      }
      for (int64_t j = 0; j < k.c; ++j) {
        const double hat = k.hats[static_cast<size_t>(r * k.c + j)];
        dx.push_back((overwrite ? 0 : stream[r * k.c + j]) +
                     k.scales[static_cast<size_t>(r)] * (output[r * k.c + j] * k.weight[j] - total - hat * dot));
      }
    }
  }
  run_twice(
      {&stream.memory(), &d_weight.memory(), &d_bias.memory(), &record_weight.memory(), &record_bias.memory()}, [&] {
        return layer_norm_backward({k.t.stream, k.t.output, k.x.data(), k.statistics.data(), k.weight.data(),
                                    output.data(), chunks.view, k.rows, k.c, overwrite, stream.data(), partials.data(),
                                    true, d_weight.data(), d_bias.data(), record_weight.data(), record_bias.data()},
                                   nullptr);
      });
  const double tolerance = loose(k.t.stream);
  CHECK_NEAR(stream, dx, 3 * tolerance + rounding(k.t.stream), k.c == 1 ? 1e5 : 1);
  CHECK_NEAR(d_weight, dw, tolerance, k.c == 1 ? 1e5 : 1);
  CHECK_NEAR(d_bias, db, tolerance);
  CHECK_NEAR(record_weight, rw, tolerance, k.c == 1 ? 1e5 : 1);
  CHECK_NEAR(record_bias, rb, tolerance);
}

void products(Types t, int64_t c, std::mt19937& random) {
  const std::vector<int64_t> offsets = offsets_of({1, 70, 5});
  const int64_t rows = offsets.back();
  const Chunks chunks(offsets);
  const Array x(t.stream, rows * c, random), minus(t.stream, rows * c, random), y(t.output, rows * c, random);
  const Array bias(real_of(t.stream), c, random), partials(kF64, chunks.view.count), sums(kF64, 3 * 4, random);
  for (const int which : {0, 1, 2, 3}) {
    const bool with_minus = which & 1, with_bias = which & 2;
    std::vector<double> expected = values(sums);
    for (int64_t b = 0; b < 3; ++b)
      for (int64_t i = offsets[static_cast<size_t>(b)] * c; i < offsets[static_cast<size_t>(b) + 1] * c; ++i)
        expected[static_cast<size_t>(b * 4)] += (x[i] + with_bias * bias[i % c] - with_minus * minus[i]) * y[i];
    run_twice({&sums.memory()}, [&] {
      return record_products(
          {t.stream, t.output, x.data(), with_minus ? minus.data() : nullptr, with_bias ? bias.data() : nullptr,
           y.data(), chunks.view, c, static_cast<double*>(partials.data()), 4, static_cast<double*>(sums.data())},
          nullptr);
    });
    CHECK_NEAR(sums, expected, t.stream == kF64 ? 1e-12 : 1e-5, 10);
  }
}

}  // namespace

int main() {
  std::mt19937 random(11);
  for (const Types t : {Types{kF32, kF32}, {kF32, kBF16}, {kBF16, kBF16}, {kF64, kF64}}) {
    for (const int64_t c : {1, 13, 256, 768}) {
      const Case k(t, c, random);
      forward(k);
      if (c == 13 || c == 256) backward(k, false, random);
      if (c == 1 || c == 13) backward(k, true, random);
      if (c != 256) products(t, c, random);
    }
  }
  const LayerNormBackward wrong{.stream_type = kBF16,
                                .output_type = kF32,
                                .x = nullptr,
                                .statistics = nullptr,
                                .weight = nullptr,
                                .output = nullptr,
                                .chunks = {},
                                .rows = 0,
                                .columns = 1,
                                .overwrite_stream = false,
                                .stream = nullptr,
                                .partials = nullptr,
                                .accumulate = false,
                                .d_weight = nullptr,
                                .d_bias = nullptr,
                                .record_weight = nullptr,
                                .record_bias = nullptr};
  CHECK(layer_norm_backward(wrong, nullptr) == 1);
  return finish();
}
