// Kernels over rows, emulated, against loops in double: embedding and its scatter, gather, cast, scaling, biases, GELU,
// column sums. Widths that are and are not whole 16-byte words, one row, no row.
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
      run_twice({&out.memory()}, [&] {
        return embed({t.a, t.b, tokens.data(), positions.data(), ids.data(), places.data(), rows, c, out.data()},
                     nullptr);
      });
      std::vector<double> expected;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < c; ++j) expected.push_back(tokens[ids[r] * c + j] + positions[places[r] * c + j]);
      CHECK_NEAR(out, expected, rounding(t.a));
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
      run_twice({&out.memory()}, [&] { return fill_bias(t.a, bias.data(), rows, c, out.data(), nullptr); });
      std::vector<double> expected;
      for (int64_t i = 0; i < rows * c; ++i) expected.push_back(bias[i % c]);
      CHECK_NEAR(out, expected, rounding(t.a));
    }
  }
}

double gelu_of(double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

void gelus(std::mt19937& random) {
  for (const Element type : {kF32, kBF16, kF64}) {
    for (const auto [rows, c] : kSizes) {
      const Array x(type, rows * c, random, 3), bias(real_of(type), c, random), out(type, rows * c);
      run_twice({&out.memory()}, [&] { return gelu({type, x.data(), bias.data(), rows, c, out.data()}, nullptr); });
      std::vector<double> expected, slopes;
      for (int64_t i = 0; i < rows * c; ++i) {
        const double at = x[i] + bias[i % c];
        expected.push_back(gelu_of(at));
        slopes.push_back((gelu_of(at + 1e-5) - gelu_of(at - 1e-5)) / 2e-5);
      }
      CHECK_NEAR(out, expected, 4 * rounding(type));
      for (const bool sums : {false, true}) {
        const Array gradient(type, rows * c, random), d_bias(real_of(type), c, random);
        const Array partials(real_of(type), row_blocks(rows) * c);
        std::vector<double> products, bias_sums = values(d_bias);
        for (int64_t i = 0; i < rows * c; ++i) products.push_back(gradient[i] * slopes[static_cast<size_t>(i)]);
        run_twice({&gradient.memory(), &d_bias.memory()}, [&] {
          return gelu_backward({type, x.data(), bias.data(), rows, c, gradient.data(), sums ? d_bias.data() : nullptr,
                                true, partials.data()},
                               nullptr);
        });
        CHECK_NEAR(gradient, products, std::max(40 * rounding(type), 1e-8));
        for (int64_t i = 0; sums && i < rows * c; ++i) bias_sums[static_cast<size_t>(i % c)] += gradient[i];
        CHECK_NEAR(d_bias, bias_sums, 40 * rounding(real_of(type)));
      }
    }
  }
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
  gelus(random);
  sums(random);
  joins(random);
  return finish();
}
