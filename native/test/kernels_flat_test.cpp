// Kernels over flat buffers, emulated: inner products, axpy, norm and AdamW, against loops in double; gaps and segments
// that were not chosen stay as they are, and so does everything when the norm is not finite.
#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

struct Segment {
  int64_t begin, end;
  bool matrix;
};
const std::vector<Segment> kSegments{
    {0, 32, true}, {48, 48 + 20000, true}, {20064, 20077, false}, {20096, 20097, true}};
constexpr int64_t kSize = 20112;

bool chosen(int64_t i, bool& matrix) {
  for (const Segment& s : kSegments) {
    if (i < s.begin || i >= s.end) continue;
    matrix = s.matrix;
    return true;
  }
  return false;
}

struct Chunked {
  std::vector<FlatChunk> host = cut_flat(kSegments);
  Table<FlatChunk> table{host};
  FlatChunks view{table.data(), static_cast<int64_t>(host.size())};
  Array partials{Element::kF64, static_cast<int64_t>(host.size())};
  double* scratch() const { return static_cast<double*>(partials.data()); }
};

void dots(Element real, const Chunked& chunks, std::mt19937& random) {
  const Array a(real, kSize, random), b(real, kSize, random), out(Element::kF64, 1);
  double expected = 0, matrix_sum = 0;
  for (int64_t i = 0; i < kSize; ++i) {
    bool matrix = false;
    if (chosen(i, matrix)) expected += a[i] * b[i];
    matrix_sum += matrix;
  }
  run_twice({&out.memory()}, [&] {
    return flat_dot(real, a.data(), b.data(), chunks.view, chunks.scratch(), static_cast<double*>(out.data()), nullptr);
  });
  CHECK_CLOSE(out[0], expected, 1e-9);
  CHECK(matrix_sum == 32 + 20000 + 1);
  CHECK(flat_dot(real, a.data(), b.data(), {nullptr, 0}, nullptr, static_cast<double*>(out.data()), nullptr) == 0);
  CHECK(out[0] == 0);
}

void axpys(Element real, const Chunked& chunks, std::mt19937& random) {
  const Array x(real, kSize, random), y(real, kSize, random), shadow(Element::kBF16, kSize, random);
  std::vector<double> expected = values(y);
  Array rounded(Element::kBF16, kSize);
  std::memcpy(rounded.data(), shadow.data(), static_cast<size_t>(shadow.memory().bytes()));
  bool matrix;
  for (int64_t i = 0; i < kSize; ++i)
    if (chosen(i, matrix)) expected[static_cast<size_t>(i)] -= 0.25 * x[i];
  run_twice({&y.memory(), &shadow.memory()},
            [&] { return flat_axpy({real, -0.25, x.data(), chunks.view, y.data(), shadow.data()}, nullptr); });
  CHECK_NEAR(y, expected, rounding(real));
  for (int64_t i = 0; i < kSize; ++i)
    if (chosen(i, matrix)) rounded.set(i, y[i]);
  CHECK(std::memcmp(rounded.data(), shadow.data(), static_cast<size_t>(shadow.memory().bytes())) == 0);
}

struct Optimizer {
  Optimizer(Element real_, std::mt19937& random)
      : real(real_),
        gradient(real, kSize, random),
        parameter(real, kSize, random),
        m(real, kSize, random),
        v(real, kSize, random),
        shadow(Element::kBF16, kSize, random) {
    for (int64_t i = 0; i < kSize; ++i) v.set(i, v[i] * v[i]);
  }
  Status step(const Chunked& chunks, const Table<AdamWStep>& scalars, const Table<GradientNorm>& norm) const {
    const Status status =
        gradient_norm(real, gradient.data(), chunks.view, scalars.data(), chunks.scratch(), norm.data(), nullptr);
    return status != 0 ? status
                       : adamw({real, scalars.data(), norm.data(), gradient.data(), chunks.view, parameter.data(),
                                m.data(), v.data(), shadow.data()},
                               nullptr);
  }
  Element real;
  Array gradient, parameter, m, v, shadow;
};

void steps(Element real, const Chunked& chunks, std::mt19937& random) {
  for (const double max_norm : {0.0, 1.0}) {
    Optimizer o(real, random);
    const double rate = 0.01, decay = 0.1;
    const Table<AdamWStep> scalars({{max_norm, 0.9, 0.999, 1e-8, 1 - rate * decay, rate / (1 - std::pow(0.9, 3)),
                                     1 / std::sqrt(1 - std::pow(0.999, 3))}});
    const Table<GradientNorm> norm({{0, 0, 0, 0}});
    double squares = 0;
    bool matrix;
    for (int64_t i = 0; i < kSize; ++i) squares += chosen(i, matrix) ? o.gradient[i] * o.gradient[i] : 0;
    const double clip = max_norm > 0 ? std::min(1.0, max_norm / (std::sqrt(squares) + 1e-6)) : 1.0;
    std::vector<double> p = values(o.parameter), m = values(o.m), v = values(o.v);
    for (int64_t i = 0; i < kSize; ++i) {
      if (!chosen(i, matrix)) continue;
      const auto at = static_cast<size_t>(i);
      const double g = o.gradient[i] * clip;
      m[at] = 0.9 * m[at] + 0.1 * g;
      v[at] = 0.999 * v[at] + 0.001 * g * g;
      p[at] = p[at] * (matrix ? 1 - rate * decay : 1) -
              rate * (m[at] / (1 - std::pow(0.9, 3))) / (std::sqrt(v[at] / (1 - std::pow(0.999, 3))) + 1e-8);
    }
    run_twice({&o.parameter.memory(), &o.m.memory(), &o.v.memory(), &o.shadow.memory(), &norm.memory()},
              [&] { return o.step(chunks, scalars, norm); });
    CHECK_NEAR(o.parameter, p, 20 * rounding(real));
    CHECK_NEAR(o.m, m, 4 * rounding(real));
    CHECK_NEAR(o.v, v, 4 * rounding(real));
    for (int64_t i = 0; i < kSize; ++i)
      if (chosen(i, matrix)) CHECK_CLOSE(o.shadow[i], o.parameter[i], 4e-3 * std::abs(o.parameter[i]));
    CHECK_CLOSE(norm[0].norm, std::sqrt(squares), 1e-9);
    CHECK_CLOSE(norm[0].clip, clip, 1e-12);
    CHECK(norm[0].finite == 1 && norm[0].skipped == 0);

    // Not finite: nothing moves, and the step is counted.
    o.gradient.set(kSegments[1].begin + 17, std::numeric_limits<double>::quiet_NaN());
    const std::vector<double> before = values(o.parameter), moments = values(o.v), shadow = values(o.shadow);
    CHECK(o.step(chunks, scalars, norm) == 0);
    CHECK(norm[0].finite == 0 && norm[0].skipped == 1 && !std::isfinite(norm[0].norm));
    CHECK(before == values(o.parameter) && moments == values(o.v) && shadow == values(o.shadow));
  }
}

}  // namespace

int main() {
  std::mt19937 random(17);
  const Chunked chunks;
  for (const Element real : {Element::kF32, Element::kF64}) {
    dots(real, chunks, random);
    axpys(real, chunks, random);
    steps(real, chunks, random);
  }
  return finish();
}
