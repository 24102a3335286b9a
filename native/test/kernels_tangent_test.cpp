// The tangent passes' kernels, emulated, against the plain formulas in dual numbers, which carry a derivative through any
// of them: norms, activations, attention's softmax, the loss, row products. fp64 and fp32, on the vector path and off it.
#include <functional>

#include "../kernels/tangents.h"
#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

const Element kF32 = Element::kF32, kF64 = Element::kF64;

// A number and its derivative.
struct Dual {
  double v = 0, d = 0;
};
Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
Dual operator/(Dual a, Dual b) { return {a.v / b.v, (a.d - a.v / b.v * b.d) / b.v}; }
Dual exp(Dual a) { return {std::exp(a.v), std::exp(a.v) * a.d}; }
Dual sqrt(Dual a) { return {std::sqrt(a.v), a.d / (2 * std::sqrt(a.v))}; }
Dual tanh(Dual a) { return {std::tanh(a.v), (1 - std::tanh(a.v) * std::tanh(a.v)) * a.d}; }
Dual erfc(Dual a) { return {std::erfc(a.v), -2 / std::sqrt(M_PI) * std::exp(-a.v * a.v) * a.d}; }
Dual real(double v) { return {v, 0}; }

double loose(Element type) { return type == kF64 ? 1e-11 : 5e-5; }

Dual of(const Array& value, const Array& tangent, int64_t i) { return {value[i], tangent[i]}; }

// ---- norms

struct Look {
  bool rms;
  int64_t c, each, first, width;
};

void norms(Element real_type, const Look& look, bool bias, bool chosen, std::mt19937& random) {
  const std::vector<int64_t> offsets = offsets_of({3, 1, 40, 33});
  const Chunks chunks(offsets);
  const int64_t rows = offsets.back(), all = rows * look.width, c = look.c;
  const Array x(real_type, all, random, 2), dx(real_type, all, random), w(real_type, c, random), b(real_type, c, random);
  const Array dw(real_type, c, random), db(real_type, c, random);
  const Array g(real_type, all, random), dg(real_type, all, random), stream(real_type, all, random);
  const Array statistics(real_type, 2 * rows * look.each), plain(real_type, all), out(real_type, all);
  const auto from = [&](const Array& array) { return static_cast<char*>(array.data()) + look.first * size_of(real_type); };
  const NormRows shape{rows, look.each, c, look.width};
  CHECK(layer_norm({real_type, real_type, look.rms, from(x), w.data(), bias ? b.data() : nullptr, 1e-5, shape,
                    statistics.data(), from(plain)},
                   nullptr) == 0);
  const NormTangent job{real_type, look.rms, from(x), from(dx), statistics.data(), w.data(),
                        chosen ? dw.data() : nullptr, chosen && bias ? db.data() : nullptr, shape, from(out)};

  std::vector<double> expected = values(out), ds = values(stream), shares(static_cast<size_t>(rows * look.each));
  const Array pw(real_type, c, random), pb(real_type, c, random);
  std::vector<double> sum_w = values(pw), sum_b = values(pb);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t e = 0; e < look.each; ++e) {
      const int64_t at = r * look.width + look.first + e * c;
      const Dual count = real(static_cast<double>(c));
      Dual mean, variance, h_mean, dot;
      for (int64_t j = 0; !look.rms && j < c; ++j) mean = mean + of(x, dx, at + j) / count;
      for (int64_t j = 0; j < c; ++j) {
        const Dual away = of(x, dx, at + j) - mean;
        variance = variance + away * away / count;
      }
      const Dual scale = real(1) / sqrt(variance + real(1e-5));
      const auto weight = [&](int64_t j) { return Dual{w[j], chosen ? dw[j] : 0}; };
      const auto hat = [&](int64_t j) { return (of(x, dx, at + j) - mean) * scale; };
      for (int64_t j = 0; j < c; ++j) {
        const Dual shift{0, chosen && bias ? db[j] : 0};
        expected[static_cast<size_t>(at + j)] = (hat(j) * weight(j) + shift).d;
        const Dual h = of(g, dg, at + j) * weight(j);
        if (!look.rms) h_mean = h_mean + h / count;
        dot = dot + h * hat(j) / count;
      }
      double& share = shares[static_cast<size_t>(r * look.each + e)];
      for (int64_t j = 0; j < c; ++j) {
        const Dual gradient = of(g, dg, at + j), product = gradient * hat(j);
        ds[static_cast<size_t>(at + j)] += (scale * (gradient * weight(j) - h_mean - hat(j) * dot)).d;
        sum_w[static_cast<size_t>(j)] += product.d;
        sum_b[static_cast<size_t>(j)] += gradient.d;
        if (chosen) share += dw[j] * product.d + (bias ? db[j] * gradient.d : 0);
      }
    }
  run_twice({&out.memory()}, [&] { return norm_tangent(job, nullptr); });
  CHECK_NEAR(out, expected, loose(real_type), 10);

  const Array partials(real_type, chunks.view.count * look.each * (bias ? 2 : 1) * c), row_shares(kF64, rows * look.each);
  NormTangentBackward back{job, from(g), from(dg), chunks.view, false, from(stream), partials.data(), true, pw.data(),
                           bias ? pb.data() : nullptr, static_cast<double*>(row_shares.data())};
  back.forward.out = nullptr;
  run_twice({&stream.memory(), &pw.memory(), &pb.memory(), &row_shares.memory(), &partials.memory()},
            [&] { return norm_tangent_backward(back, nullptr); });
  CHECK_NEAR(stream, ds, loose(real_type), 100);
  CHECK_NEAR(pw, sum_w, loose(real_type), 100);
  if (bias) CHECK_NEAR(pb, sum_b, loose(real_type), 100);
  CHECK_NEAR(row_shares, shares, loose(real_type), 100);
  // No products and no shares, and a stream with nothing in it.
  std::vector<double> again = values(stream);
  back.overwrite_stream = true, back.weight_product = back.bias_product = back.partials = nullptr, back.shares = nullptr;
  run_twice({&stream.memory()}, [&] { return norm_tangent_backward(back, nullptr); });
  back.overwrite_stream = false;
  Array start(real_type, all);
  start.fill(0);
  back.stream = from(start);
  CHECK(norm_tangent_backward(back, nullptr) == 0);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < look.each * c; ++j) {
      const int64_t at = r * look.width + look.first + j;
      again[static_cast<size_t>(at)] = start[at];
    }
  CHECK_NEAR(stream, again, 1e-14);
}

// ---- activations

Dual activation(Activation kind, Dual u) {
  switch (kind) {
    case Activation::kGeluTanh:
      return real(0.5) * u * (real(1) + tanh(real(std::sqrt(2 / M_PI)) * (u + real(0.044715) * u * u * u)));
    case Activation::kGelu: return real(0.5) * u * erfc(real(-std::sqrt(0.5)) * u);
    case Activation::kRelu: return u.v > 0 ? u : Dual{};
    case Activation::kSilu: return u / (real(1) + exp(real(0) - u));
    default: return tanh(u);
  }
}
// f' as a dual number, by a difference of duals: its own derivative is f''.
Dual slope(Activation kind, Dual u) {
  constexpr double h = 1e-5;
  const auto first = [&](double at) { return activation(kind, {at, 1}).d; };
  return {first(u.v), (first(u.v + h) - first(u.v - h)) / (2 * h) * u.d};
}

void activations(Element type, Activation kind, bool gated, bool biased, int64_t columns, std::mt19937& random) {
  constexpr int64_t kRows = 19;
  const int64_t width = gated ? 2 * columns : columns;
  const Array x(type, kRows * width, random, 1.5), dx(type, kRows * width, random);
  const Array b(type, columns, random), db(type, columns, random), out(type, kRows * columns);
  const Array g(type, kRows * columns, random), dg(type, kRows * columns, random), to(type, kRows * width);
  const ActivationTangent job{kind, gated, type, x.data(), dx.data(), biased ? b.data() : nullptr,
                              biased ? db.data() : nullptr, kRows, columns, out.data()};
  std::vector<double> forward(static_cast<size_t>(out.count())), back(static_cast<size_t>(to.count()));
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t at = r * width + j, result = r * columns + j;
      const Dual shift = biased ? of(b, db, j) : Dual{}, u = of(x, dx, at) + shift, gradient = of(g, dg, result);
      const Dual up = gated ? of(x, dx, at + columns) : real(1);
      forward[static_cast<size_t>(result)] = (activation(kind, u) * up).d;
      back[static_cast<size_t>(at)] = (gradient * slope(kind, u) * up).d;
      if (gated) back[static_cast<size_t>(at + columns)] = (gradient * activation(kind, u)).d;
    }
  run_twice({&out.memory()}, [&] { return activation_tangent(job, nullptr); });
  CHECK_NEAR(out, forward, loose(type));
  const ActivationTangentBackward way_back{job, g.data(), dg.data(), to.data()};
  run_twice({&to.memory()}, [&] { return activation_tangent_backward(way_back, nullptr); });
  CHECK_NEAR(to, back, type == kF64 ? 1e-8 : 5e-5);  // of the difference
  if (gated) {
    ActivationTangent bad = job;
    bad.bias = b.data();
    CHECK(activation_tangent(bad, nullptr) != 0);
    return;
  }
  const ActivationTangentBackward in_place{job, g.data(), dg.data(), dg.data()};  // reads the tangent it overwrites
  run_twice({&dg.memory()}, [&] { return activation_tangent_backward(in_place, nullptr); });
  CHECK_NEAR(dg, values(to), 1e-14);
}

// ---- attention's softmax and the loss's

// body(which row of all, value and k-th tangent of it) over K tangents
void past(Element type, int64_t matrices, int64_t keys, int64_t count, std::mt19937& random) {
  const int64_t rows = matrices * keys, block = rows * keys;
  const double scale = 0.4;
  const Array p(type, (count + 1) * block, random, 2), d_p(type, (count + 1) * block, random);
  const ScoreTangents job{type, rows, keys, count, scale, p.data()};
  std::vector<double> forward(static_cast<size_t>(p.count())), back(forward.size());
  for (int64_t k = 0; k < std::max<int64_t>(1, count); ++k)
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = r * keys, seen = r % keys + 1, tangent = count == 0 ? 0 : (1 + k) * block;
      std::vector<Dual> e(static_cast<size_t>(seen));
      Dual total, mean;
      const auto pair = [&](const Array& from, int64_t j) { return Dual{from[at + j], count == 0 ? 0 : from[tangent + at + j]}; };
      for (int64_t j = 0; j < seen; ++j) total = total + (e[static_cast<size_t>(j)] = exp(real(scale) * pair(p, j)));
      for (Dual& one : e) one = one / total;
      for (int64_t j = 0; j < seen; ++j) mean = mean + e[static_cast<size_t>(j)] * pair(d_p, j);
      for (int64_t j = 0; j < seen; ++j) {
        const Dual s = real(scale) * e[static_cast<size_t>(j)] * (pair(d_p, j) - mean);
        const auto here = static_cast<size_t>(at + j), there = static_cast<size_t>(tangent + at + j);
        if (count > 0) forward[there] = e[static_cast<size_t>(j)].d, back[there] = s.d;
        forward[here] = e[static_cast<size_t>(j)].v, back[here] = s.v;
      }
    }
  run_twice({&p.memory()}, [&] { return softmax_past_tangent(job, nullptr); });
  CHECK_NEAR(p, forward, loose(type));
  run_twice({&d_p.memory()}, [&] { return softmax_past_tangent_backward(job, d_p.data(), nullptr); });
  CHECK_NEAR(d_p, back, loose(type));
}

void loss(Element type, int64_t rows, int64_t columns, int64_t count, bool with_value, std::mt19937& random) {
  const int64_t block = rows * columns;
  const Array logits(type, (count + 1) * block, random, 2);
  std::vector<int32_t> targets;
  std::vector<double> scales;
  for (int64_t r = 0; r < rows; ++r) {
    targets.push_back(static_cast<int32_t>((7 * r + 3) % columns));
    scales.push_back(0.25 + 0.1 * static_cast<double>(r));
  }
  const Table<int32_t> target_table(targets);
  const Table<double> scale_table(scales);
  const Array losses(kF64, rows), sums(kF64, count * rows);
  std::vector<double> errors = values(logits), lost, products(static_cast<size_t>(count * rows));
  for (int64_t r = 0; r < rows; ++r) {
    const auto at = static_cast<size_t>(r);
    for (int64_t k = 0; k < count; ++k) {
      Dual total;
      const auto z = [&](int64_t j) { return Dual{logits[count * block + r * columns + j], logits[k * block + r * columns + j]}; };
      for (int64_t j = 0; j < columns; ++j) total = total + exp(z(j));
      for (int64_t j = 0; j < columns; ++j) {
        const Dual error = real(scales[at]) * (exp(z(j)) / total - real(j == targets[at]));
        errors[static_cast<size_t>(k * block + r * columns + j)] = error.d;
        if (with_value) errors[static_cast<size_t>(count * block + r * columns + j)] = error.v;
        products[static_cast<size_t>(k * rows + r)] += z(j).d * error.d;
      }
      if (k == 0) lost.push_back(std::log(total.v) - z(targets[at]).v);
    }
  }
  const SoftmaxTangent job{type, logits.data(), rows, columns, count, target_table.data(), scale_table.data(), with_value,
                           static_cast<double*>(losses.data()), static_cast<double*>(sums.data())};
  run_twice({&logits.memory(), &losses.memory(), &sums.memory()}, [&] { return softmax_tangent(job, nullptr); });
  CHECK_NEAR(logits, errors, loose(type));
  CHECK_NEAR(losses, lost, loose(type));
  CHECK_NEAR(sums, products, loose(type));
}

void rows(Element type, bool one_row, bool minus, std::mt19937& random) {
  constexpr int64_t kRows = 21, kColumns = 37;
  const Array a(type, (one_row ? 1 : kRows) * kColumns, random), less(type, kRows * kColumns, random);
  const Array b(type, kRows * kColumns, random), out(kF64, kRows, random);
  std::vector<double> expected = values(out);
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t j = 0; j < kColumns; ++j)
      expected[static_cast<size_t>(r)] +=
          -2 * (a[(one_row ? 0 : r * kColumns) + j] - (minus ? less[r * kColumns + j] : 0)) * b[r * kColumns + j];
  run_twice({&out.memory()}, [&] {
    return row_products({type, -2, a.data(), one_row, minus ? less.data() : nullptr, b.data(), kRows, kColumns,
                         static_cast<double*>(out.data())},
                        nullptr);
  });
  CHECK_NEAR(out, expected, type == kF64 ? 1e-13 : 1e-6, 10);
}

}  // namespace

int main() {
  std::mt19937 random(5);
  for (const Element type : {kF64, kF32}) {
    for (const bool rms : {false, true})
      for (const Look& look : {Look{rms, 64, 1, 0, 64}, Look{rms, 33, 1, 0, 33}, Look{rms, 8, 3, 8, 40}, Look{rms, 5, 2, 3, 17}})
        for (const bool chosen : {true, false}) norms(type, look, !rms, chosen, random);
    for (const Activation kind : {Activation::kGeluTanh, Activation::kGelu, Activation::kRelu, Activation::kSilu, Activation::kTanh})
      for (const int64_t columns : {64, 13}) {
        activations(type, kind, false, true, columns, random);
        activations(type, kind, false, false, columns, random);
        activations(type, kind, true, false, columns, random);
      }
    for (const int64_t count : {0, 1, 3})
      for (const int64_t keys : {1, 7, 40}) past(type, 3, keys, count, random);
    for (const bool with_value : {true, false}) {
      loss(type, 4, 51, 2, with_value, random);
      loss(type, 2, 1300, 1, with_value, random);
    }
    for (const bool one_row : {false, true}) rows(type, one_row, !one_row, random);
  }
  return finish();
}
