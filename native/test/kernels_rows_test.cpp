// Kernels over rows, emulated, against loops in double: embedding and its scatter, gather, cast, scaling, biases,
// turns, activations, column sums. Widths that are and are not whole 16-byte words, one row, no row.
#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

const Element kF32 = Element::kF32, kF64 = Element::kF64, kBF16 = Element::kBF16;
struct Pair {
  Element a, b;
};
struct Size {
  int64_t rows, columns;
};
const std::vector<Size> kSizes{{1, 1}, {5, 8}, {3, 13}, {67, 264}, {9, 768}, {130, 37}};

std::vector<int32_t> draw(std::mt19937& random, int64_t count, int64_t below) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(below)));
  return ids;
}

void embedding(std::mt19937& random) {
  for (const Pair t : {Pair{kF32, kF32}, {kBF16, kBF16}, {kF32, kBF16}, {kBF16, kF32}, {kF64, kF64}}) {
    for (const auto [rows, c] : kSizes) {
      const Array tokens(t.b, 11 * c, random), positions(t.b, 7 * c, random);
      const Table<int32_t> ids(draw(random, rows, 11)), places(draw(random, rows, 7));
      const Array out(t.a, rows * c);
      for (const bool learned : {false, true}) {
        run_twice({&out.memory()}, [&] {
          return embed({t.a, t.b, tokens.data(), learned ? positions.data() : nullptr, ids.data(), places.data(), rows,
                        c, out.data()},
                       nullptr);
        });
        std::vector<double> expected;
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t j = 0; j < c; ++j)
            expected.push_back(tokens[ids[r] * c + j] + (learned ? positions[places[r] * c + j] : 0));
        CHECK_NEAR(out, expected, rounding(t.a));
      }
    }
  }
}

void adding_rows(std::mt19937& random) {
  for (const Element type : {kF32, kBF16, kF64}) {
    for (const bool weighted : {false, true}) {
      for (const auto [rows, c] : kSizes) {
        const std::vector<int32_t> ids = draw(random, rows, rows > 100 ? 3 : 11);  // many rows a group once
        const RowGroups groups = group_rows(ids.data(), rows);
        const Table<int32_t> unique(groups.ids), starts(groups.starts), members(groups.rows);
        const Array x(type, rows * c, random), weights(real_of(type), rows, random),
            table(real_of(type), 11 * c, random);
        std::vector<double> expected = values(table);
        for (int64_t p = 0; p < rows; ++p) {
          const int64_t r = members[p];
          for (int64_t j = 0; j < c; ++j)
            expected[static_cast<size_t>(ids[static_cast<size_t>(r)] * c + j)] +=
                (weighted ? weights[p] : 1.0) * x[r * c + j];
        }
        run_twice({&table.memory()}, [&] {
          return add_rows(
              {type, x.data(), unique.data(), starts.data(), members.data(), weighted ? weights.data() : nullptr,
               static_cast<int64_t>(groups.ids.size()), c, table.data()},
              nullptr);
        });
        CHECK_NEAR(table, expected, 20 * rounding(real_of(type)));
      }
    }
  }
}

void gathering(std::mt19937& random) {
  for (const int64_t bytes : {1, 2, 6, 12, 64, 1040}) {
    const Guarded x(7 * bytes), out(5 * bytes);
    for (int64_t i = 0; i < x.bytes(); ++i) x.data()[i] = static_cast<char>(random());
    const Table<int32_t> index({3, -1, 0, 6, 3});
    run_twice({&out}, [&] { return gather_rows(x.data(), index.data(), 5, bytes, out.data(), nullptr); });
    for (int64_t r = 0; r < 5; ++r)
      for (int64_t j = 0; j < bytes; ++j)
        CHECK(out.data()[r * bytes + j] == (index[r] < 0 ? 0 : x.data()[index[r] * bytes + j]));
  }
}

void casting(std::mt19937& random) {
  for (const Pair t : {Pair{kF32, kBF16}, {kBF16, kF32}, {kF64, kF32}, {kF32, kF64}}) {
    for (const int64_t count : {1, 7, 4096, 100003}) {
      const Array x(t.a, count, random), out(t.b, count);
      run_twice({&out.memory()}, [&] { return cast(t.a, x.data(), t.b, out.data(), count, nullptr); });
      Array expected(t.b, count);
      for (int64_t i = 0; i < count; ++i) expected.set(i, x[i]);
      CHECK(std::memcmp(expected.data(), out.data(), static_cast<size_t>(out.memory().bytes())) == 0);
    }
  }
  CHECK(cast(kBF16, nullptr, kF64, nullptr, 1, nullptr) == 1);
}

void scaling(std::mt19937& random) {
  for (const Pair t : {Pair{kF32, kF32}, {kF32, kBF16}, {kBF16, kF32}, {kBF16, kBF16}, {kF64, kF64}}) {
    for (const auto [rows, c] : kSizes) {
      const Array x(t.a, rows * c, random), factors(kF64, rows, random), out(t.b, rows * c);
      run_twice({&out.memory()}, [&] {
        return scale_rows({t.a, t.b, x.data(), static_cast<double*>(factors.data()), rows, c, out.data()}, nullptr);
      });
      std::vector<double> expected;
      for (int64_t i = 0; i < rows * c; ++i) expected.push_back(factors[i / c] * x[i]);
      CHECK_NEAR(out, expected, 2 * rounding(t.b), 1e-6);
    }
  }
}

void biases(std::mt19937& random) {
  for (const Pair t : {Pair{kF32, kF32}, {kF32, kBF16}, {kBF16, kBF16}, {kF64, kF64}}) {
    for (const auto [rows, c] : kSizes) {
      const Array x(t.a, rows * c, random), y(t.b, rows * c, random), bias(real_of(t.a), c, random), out(t.a, rows * c);
      for (const int which : {1, 2, 3}) {
        const bool with_y = which & 1, with_bias = which & 2;
        run_twice({&out.memory()}, [&] {
          return add_bias(
              {t.a, t.b, x.data(), with_y ? y.data() : nullptr, with_bias ? bias.data() : nullptr, rows, c, out.data()},
              nullptr);
        });
        std::vector<double> expected;
        for (int64_t i = 0; i < rows * c; ++i) expected.push_back(x[i] + with_y * y[i] + with_bias * bias[i % c]);
        CHECK_NEAR(out, expected, 3 * rounding(t.a));
      }
    }
  }
}

// Heads of `d` numbers, in thirds or one head after the other, of which the first `size` turn; and back again.
void turns(Element type, const Heads& h, int64_t size, std::mt19937& random) {
  const int64_t rows = 19, half = size / 2, positions = 6;
  const Array x(type, rows * h.width, random);
  Array cos(real_of(type), positions * half), sin(real_of(type), positions * half);
  const Table<int32_t> places(draw(random, rows, positions));
  std::vector<double> expected = values(x);
  const std::vector<double> before = expected;
  std::uniform_real_distribution<double> angles(-4, 4);
  for (int64_t i = 0; i < positions * half; ++i) {
    const double angle = angles(random);
    cos.set(i, std::cos(angle)), sin.set(i, std::sin(angle));
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t head = 0; head < h.queries + h.keys; ++head) {
      const int64_t at = r * h.width + (head < h.queries ? head * h.step
                                                         : h.first_key + (head - h.queries) * h.step);
      for (int64_t i = 0; i < half; ++i) {
        const double a = x[at + i], b = x[at + i + half], c = cos[places[r] * half + i], s = sin[places[r] * half + i];
        expected[static_cast<size_t>(at + i)] = a * c - b * s;
        expected[static_cast<size_t>(at + i + half)] = b * c + a * s;
      }
    }
  }
  const auto run = [&](bool back) {
    run_twice({&x.memory()}, [&] {
      return turn({type, x.data(), rows, h, size, cos.data(), sin.data(), places.data(), back}, nullptr);
    });
  };
  run(false);
  CHECK_NEAR(x, expected, 4 * rounding(type));
  run(true);
  CHECK_NEAR(x, before, 8 * rounding(type));
}

void turns(std::mt19937& random) {
  for (const Element type : {kF32, kBF16, kF64}) {
    turns(type, {4, 2, 16, 64, 128}, 16, random);  // grouped heads, everything turns
    turns(type, {3, 1, 6, 18, 30}, 4, random);
    turns(type, {4, 4, 192, 64, 768}, 16, random);  // by head, a quarter of it
    turns(type, {2, 2, 15, 5, 30}, 2, random);
    turns(type, {2, 2, 3, 6, 18}, 0, random);  // nothing
  }
}

double value_of(Activation kind, double x) {
  switch (kind) {
    case Activation::kGeluTanh: return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kGelu: return x / 2 * (1 + std::erf(x / std::sqrt(2)));
    case Activation::kRelu: return std::max(x, 0.0);
    case Activation::kSilu: return x / (1 + std::exp(-x));
    default: return std::tanh(x);
  }
}
double slope_of(Activation kind, double x) {
  return (value_of(kind, x + 1e-5) - value_of(kind, x - 1e-5)) / 2e-5;
}
const std::vector<Activation> kActivations{Activation::kGeluTanh, Activation::kGelu, Activation::kRelu,
                                           Activation::kSilu, Activation::kTanh};

void activations(Activation kind, Element type, Size size, bool biased, std::mt19937& random) {
  const auto [rows, c] = size;
  const Array x(type, rows * c, random, 3), bias(real_of(type), c, random), out(type, rows * c);
  const void* const shift = biased ? bias.data() : nullptr;
  run_twice({&out.memory()},
            [&] { return activate({kind, false, type, x.data(), shift, rows, c, out.data()}, nullptr); });
  std::vector<double> expected, slopes;
  for (int64_t i = 0; i < rows * c; ++i) {
    const double at = x[i] + (biased ? bias[i % c] : 0);
    expected.push_back(value_of(kind, at));
    slopes.push_back(slope_of(kind, at));
  }
  CHECK_NEAR(out, expected, 4 * rounding(type));
  for (const bool sums : {false, true}) {
    const Array gradient(type, rows * c, random), d_bias(real_of(type), c, random);
    const Array partials(real_of(type), row_blocks(rows) * c);
    std::vector<double> products, bias_sums = values(d_bias);
    for (int64_t i = 0; i < rows * c; ++i) products.push_back(gradient[i] * slopes[static_cast<size_t>(i)]);
    run_twice({&gradient.memory(), &d_bias.memory()}, [&] {
      return activate_backward({kind, type, x.data(), shift, rows, c, gradient.data(), sums ? d_bias.data() : nullptr,
                                true, partials.data()},
                               nullptr);
    });
    CHECK_NEAR(gradient, products, std::max(40 * rounding(type), 1e-8));
    for (int64_t i = 0; sums && i < rows * c; ++i) bias_sums[static_cast<size_t>(i % c)] += gradient[i];
    CHECK_NEAR(d_bias, bias_sums, 40 * rounding(real_of(type)));
  }
}

void gates(Activation kind, Element type, Size size, std::mt19937& random) {
  const auto [rows, c] = size;
  const Array x(type, 2 * rows * c, random, 2), out(type, rows * c), gradient(type, rows * c, random);
  const Array d_x(type, 2 * rows * c);
  run_twice({&out.memory()},
            [&] { return activate({kind, true, type, x.data(), nullptr, rows, c, out.data()}, nullptr); });
  run_twice({&d_x.memory()}, [&] {
    return gate_backward({kind, type, x.data(), gradient.data(), rows, c, d_x.data()}, nullptr);
  });
  std::vector<double> expected, slopes(static_cast<size_t>(2 * rows * c));
  for (int64_t i = 0; i < rows * c; ++i) {
    const int64_t at = i / c * 2 * c + i % c;
    expected.push_back(value_of(kind, x[at]) * x[at + c]);
    slopes[static_cast<size_t>(at)] = gradient[i] * slope_of(kind, x[at]) * x[at + c];
    slopes[static_cast<size_t>(at + c)] = gradient[i] * value_of(kind, x[at]);
  }
  CHECK_NEAR(out, expected, 8 * rounding(type));
  CHECK_NEAR(d_x, slopes, std::max(40 * rounding(type), 1e-8));
}

void activations(std::mt19937& random) {
  for (const Activation kind : kActivations) {
    for (const Element type : {kF32, kBF16, kF64}) {
      for (const Size size : {Size{1, 1}, {3, 13}, {67, 264}, {130, 37}}) {
        activations(kind, type, size, size.rows != 3, random);
        gates(kind, type, size, random);
      }
    }
  }
  CHECK(activate({Activation::kSilu, true, kF32, nullptr, &random, 1, 1, nullptr}, nullptr) == 1);
}

void sums(std::mt19937& random) {
  for (const Element type : {kF32, kBF16, kF64}) {
    for (const Size size : {Size{0, 5}, {1, 1}, {3, 13}, {64, 768}, {1500, 24}, {17000, 3}}) {
      const Array x(type, size.rows * size.columns, random), out(real_of(type), size.columns, random);
      const Array partials(real_of(type), std::max<int64_t>(1, row_blocks(size.rows)) * size.columns);
      for (const bool accumulate : {false, true}) {
        std::vector<double> expected =
            accumulate ? values(out) : std::vector<double>(static_cast<size_t>(size.columns));
        for (int64_t i = 0; i < x.count(); ++i) expected[static_cast<size_t>(i % size.columns)] += x[i];
        run_twice({&out.memory()}, [&] {
          return column_sums({type, {x.data()}, {size.columns}, size.rows, nullptr, partials.data(), accumulate, out.data()},
                             nullptr);
        });
        CHECK_NEAR(out, expected, 100 * rounding(real_of(type)));
      }
    }
  }
}

// Three matrices of unequal widths: their sums, and themselves side by side.
void joins(std::mt19937& random) {
  for (const Element type : {kF32, kBF16, kF64}) {
    for (const int64_t rows : {1, 70, 1500}) {
      for (const auto& widths : std::vector<std::vector<int64_t>>{{768, 768, 768}, {64, 16, 16}, {5, 3, 1}, {8, 12, 0}}) {
        const int64_t columns = widths[0] + widths[1] + widths[2];
        const Array x(type, rows * widths[0], random), y(type, rows * widths[1], random), z(type, rows * widths[2], random);
        const Array joined(type, rows * columns), out(real_of(type), columns);
        const Array partials(real_of(type), row_blocks(rows) * columns);
        run_twice({&out.memory(), &joined.memory()}, [&] {
          return column_sums({type, {x.data(), y.data(), z.data()}, {widths[0], widths[1], widths[2]}, rows, joined.data(),
                              partials.data(), false, out.data()},
                             nullptr);
        });
        std::vector<double> sums(static_cast<size_t>(columns)), side_by_side;
        for (int64_t r = 0; r < rows; ++r) {
          for (const auto& [part, width] : {std::pair{&x, widths[0]}, {&y, widths[1]}, {&z, widths[2]}})
            for (int64_t j = 0; j < width; ++j) side_by_side.push_back((*part)[r * width + j]);
          for (int64_t j = 0; j < columns; ++j) sums[static_cast<size_t>(j)] += side_by_side[static_cast<size_t>(r * columns + j)];
        }
        CHECK(values(joined) == side_by_side);
        CHECK_NEAR(out, sums, 400 * rounding(real_of(type)));
      }
    }
  }
}

}  // namespace

int main() {
  std::mt19937 random(7);
  embedding(random);
  adding_rows(random);
  gathering(random);
  casting(random);
  scaling(random);
  biases(random);
  turns(random);
  activations(random);
  sums(random);
  joins(random);
  return finish();
}
