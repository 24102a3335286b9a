// The norms' kernels, emulated, against loops in double: layer norm and RMS norm, of whole rows and of stretches of
// wider ones, forward, backward, parameter gradients of the batch and of each record; activation times gradient.
// Records of unequal length, some longer than a chunk.
#include <algorithm>

#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

const Element kF32 = Element::kF32, kF64 = Element::kF64, kBF16 = Element::kBF16;
constexpr double kEpsilon = 1e-5;

struct Types {
  Element stream, output;
};

// How a norm looks at rows of `width` numbers: at `each` stretches of `c` from the `first` on.
struct Look {
  bool rms;
  int64_t c, each = 1, first = 0, width = 0;
};

struct Case {
  Case(Types types, const Look& how, std::mt19937& random)
      : t(types),
        look(how),
        c(how.c),
        width(how.width > 0 ? how.width : c),
        offsets(offsets_of({3, 1, 40, 65, 32})),
        rows{offsets.back(), how.each, c, width},
        x(t.stream, rows.rows * width, random, 2),
        weight(real_of(t.stream), c, random),
        bias(real_of(t.stream), c, random),
        statistics(real_of(t.stream), 2 * rows.rows * how.each),
        hats(static_cast<size_t>(x.count())),
        scales(hats.size()) {
    every([&](int64_t at, int64_t) {
      double mean = 0, variance = 0;
      for (int64_t j = 0; !look.rms && j < c; ++j) mean += x[at + j] / static_cast<double>(c);
      for (int64_t j = 0; j < c; ++j) variance += std::pow(x[at + j] - mean, 2) / static_cast<double>(c);
      const double scale = 1 / std::sqrt(variance + kEpsilon);
      for (int64_t j = 0; j < c; ++j) scales[index(at + j)] = scale, hats[index(at + j)] = (x[at + j] - mean) * scale;
    });
  }
  static size_t index(int64_t i) { return static_cast<size_t>(i); }
  // body(where it begins in x, its row) for every stretch
  template <class Body>
  void every(Body&& body) const {
    for (int64_t r = 0; r < rows.rows; ++r)
      for (int64_t e = 0; e < look.each; ++e) body(r * width + look.first + e * c, r);
  }
  char* from(const Array& array) const { return static_cast<char*>(array.data()) + look.first * size_of(array.type()); }
  bool blown() const { return c == 1 && !look.rms; }

  Types t;
  Look look;
  int64_t c, width;
  std::vector<int64_t> offsets;
  NormRows rows;
  Array x, weight, bias, statistics;
  std::vector<double> hats, scales;
};

double loose(Element type) { return type == kF64 ? 1e-12 : 2e-5; }  // sums of a few hundred numbers

void forward(const Case& k, bool bias) {
  const Array out(k.t.output, k.x.count());
  std::vector<double> expected = values(out);
  run_twice({&out.memory(), &k.statistics.memory()}, [&] {
    return layer_norm({k.t.stream, k.t.output, k.look.rms, k.from(k.x), k.weight.data(), bias ? k.bias.data() : nullptr,
                       kEpsilon, k.rows, k.statistics.data(), k.from(out)},
                      nullptr);
  });
  k.every([&](int64_t at, int64_t) {
    for (int64_t j = 0; j < k.c; ++j)
      expected[k.index(at + j)] = k.hats[k.index(at + j)] * k.weight[j] + (bias ? k.bias[j] : 0.0);
  });
  // One column: x-hat is 0, and what rounding leaves of x - mean is blown up by 1 / sqrt(epsilon). An RMS norm rounds
  // twice.
  CHECK_NEAR(out, expected, loose(k.t.stream) + (k.look.rms ? 2 : 1) * rounding(k.t.output), k.blown() ? 300 : 1);
}

void backward(const Case& k, bool overwrite, bool bias, std::mt19937& random) {
  const Element real = real_of(k.t.stream);
  const auto records = static_cast<int64_t>(k.offsets.size()) - 1;
  const Chunks chunks(k.offsets);
  const Array output(k.t.output, k.x.count(), random), stream(k.t.stream, k.x.count(), random);
  const Array partials(real, chunks.view.count * k.look.each * (bias ? 2 : 1) * k.c);
  const Array d_weight(real, k.c, random), d_bias(real, k.c, random);
  const int64_t stride = k.c + 3;  // records' rows may lie apart
  const Array record_weight(real, records * stride, random), record_bias(real, records * stride, random);

  std::vector<double> dx = values(stream), dw = values(d_weight), db = values(d_bias);
  std::vector<double> rw = values(record_weight), rb = values(record_bias);
  for (int64_t i = 0; i < records * stride; ++i)
    if (i % stride < k.c) rw[k.index(i)] = 0, rb[k.index(i)] = bias ? 0 : rb[k.index(i)];
  k.every([&](int64_t at, int64_t row) {
    const int64_t b = std::upper_bound(k.offsets.begin(), k.offsets.end(), row) - k.offsets.begin() - 1;
    double total = 0, dot = 0;
    for (int64_t j = 0; j < k.c; ++j) {
      const double y = output[at + j], hat = k.hats[k.index(at + j)];
      if (!k.look.rms) total += y * k.weight[j] / static_cast<double>(k.c);
      dot += y * k.weight[j] * hat / static_cast<double>(k.c);
      for (auto* sum : {&dw[k.index(j)], &rw[k.index(b * stride + j)]}) *sum += y * hat;
      for (auto* sum : {&db[k.index(j)], &rb[k.index(b * stride + j)]}) *sum += bias ? y : 0;
    }
    for (int64_t j = 0; j < k.c; ++j) {
      const double part = output[at + j] * k.weight[j] - total - k.hats[k.index(at + j)] * dot;
      double& to = dx[k.index(at + j)];
      to = (overwrite ? 0 : to) + k.scales[k.index(at)] * part;
    }
  });
  run_twice(
      {&stream.memory(), &d_weight.memory(), &d_bias.memory(), &record_weight.memory(), &record_bias.memory()}, [&] {
        return layer_norm_backward({k.t.stream, k.t.output, k.look.rms, k.from(k.x), k.statistics.data(),
                                    k.weight.data(), k.from(output), chunks.view, k.rows, overwrite, k.from(stream),
                                    partials.data(), true, d_weight.data(), bias ? d_bias.data() : nullptr,
                                    record_weight.data(), record_bias.data(), stride},
                                   nullptr);
      });
  const double tolerance = loose(k.t.stream), scale = k.blown() ? 1e5 : 1;
  CHECK_NEAR(stream, dx, 3 * tolerance + rounding(k.t.stream), scale);
  CHECK_NEAR(d_weight, dw, tolerance, scale);
  CHECK_NEAR(d_bias, db, tolerance);
  CHECK_NEAR(record_weight, rw, tolerance, scale);
  CHECK_NEAR(record_bias, rb, tolerance);
}

void products(Types t, int64_t c, std::mt19937& random) {
  const std::vector<int64_t> offsets = offsets_of({1, 70, 5});
  const int64_t rows = offsets.back(), width = c == 13 ? 20 : c;
  const Chunks chunks(offsets);
  const Array x(t.stream, rows * width, random), minus(t.stream, rows * width, random);
  const Array y(t.output, rows * width, random);
  const Array bias(real_of(t.stream), c, random), partials(kF64, chunks.view.count), sums(kF64, 3 * 4, random);
  for (const int which : {0, 1, 2, 3}) {
    const bool with_minus = which & 1, with_bias = which & 2;
    std::vector<double> expected = values(sums);
    for (int64_t b = 0; b < 3; ++b)
      for (int64_t i = offsets[static_cast<size_t>(b)] * width; i < offsets[static_cast<size_t>(b) + 1] * width; ++i)
        if (i % width < c)
          expected[static_cast<size_t>(b * 4)] += (x[i] + with_bias * bias[i % width] - with_minus * minus[i]) * y[i];
    run_twice({&sums.memory()}, [&] {
      return record_products(
          {t.stream, t.output, x.data(), with_minus ? minus.data() : nullptr, with_bias ? bias.data() : nullptr,
           y.data(), chunks.view, c, width, static_cast<double*>(partials.data()), 4,
           static_cast<double*>(sums.data())},
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
      for (const bool rms : {false, true}) {
        const Case k(t, {rms, c}, random);
        forward(k, !rms);
        if (c == 13 || c == 256) backward(k, false, !rms, random);
        if (c == 1 || c == 13) backward(k, true, !rms, random);
      }
      if (c != 256) products(t, c, random);
    }
    // Heads of wider rows, on the vector path and beside it; a layer norm without a bias and an RMS norm with one.
    for (const Look& look :
         {Look{true, 64, 3, 64, 320}, {true, 6, 2, 18, 31}, {false, 5, 1, 1, 7}, {true, 1, 4, 0, 5}}) {
      const Case k(t, look, random);
      forward(k, look.c == 6);
      backward(k, look.c != 6, look.c == 6, random);
    }
  }
  LayerNormBackward wrong{};
  wrong.stream_type = kBF16, wrong.output_type = kF32, wrong.rows = {0, 1, 1, 1};
  CHECK(layer_norm_backward(wrong, nullptr) == 1);
  return finish();
}
