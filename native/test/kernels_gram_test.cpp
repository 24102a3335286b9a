// The Gram matrix's kernels, emulated, against loops in double: products of blocks with entries of unequal length, and
// the table's sparse rows with the cross terms between scatter and head.
#include "../kernels/pairs.h"
#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

void pairs(Element real, bool lower, std::mt19937& random) {
  const std::vector<int64_t> lengths{3, 40, 1, 129};
  const std::vector<int64_t> offsets = offsets_of(lengths);
  // The left block is entries 1 .. 4 of four, the right one entries 0 .. 3: with `lower` pairs above the diagonal stay untouched.
  std::vector<int32_t> left{0}, right{0};
  for (size_t i = 1; i < 4; ++i) left.push_back(left.back() + static_cast<int32_t>(lengths[i]));
  for (size_t j = 0; j < 3; ++j) right.push_back(right.back() + static_cast<int32_t>(lengths[j]));
  const int64_t rows = left.back(), columns = right.back(), ld = 5;
  const Array p(real, rows * columns, random), q(real, rows * columns, random), out(Element::kF64, 4 * ld, random);
  std::vector<double> expected = values(out);
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 3 && (!lower || j <= i + 1); ++j)
      for (int64_t r = left[i]; r < left[i + 1]; ++r)
        for (int64_t c = right[j]; c < right[j + 1]; ++c)
          expected[(i + 1) * 5 + j] += p[r * columns + c] * q[r * columns + c];
  const Table<int32_t> lefts(left), rights(right);
  run_twice({&out.memory()}, [&] {
    return gram_products({real, p.data(), q.data(), lefts.data(), rights.data(), 3, 3, 1, 0, columns, lower, ld,
                          static_cast<double*>(out.data())},
                         nullptr);
  });
  CHECK_NEAR(out, expected, real == Element::kF64 ? 1e-12 : 1e-5, 10);
}

void tables(Element type, int64_t columns, std::mt19937& random) {
  constexpr int64_t kTable = 31, kRows = 11, kTop = 5;
  const Element real = real_of(type);
  std::vector<int32_t> index, column;
  for (int64_t r = 0; r < kRows; ++r) {
    const auto first = static_cast<int32_t>(random() % 20);
    for (int32_t i = 0; i < kTop; ++i) index.push_back(r % 4 == 3 && i > 0 ? -1 : first + 2 * i);  // some one-hot
    column.push_back(static_cast<int32_t>((r * 7) % kRows));
  }
  const Table<int32_t> indices(index), places(column);
  const Array weights(type, kRows * kTop, random);

  const int64_t wide = std::max(columns, kRows);
  const Array u(real, kTable * wide);
  for (const bool weighted : {false, true}) {
    Array zero = Array(real, kTable * wide);
    zero.fill(0);
    std::memcpy(u.data(), zero.data(), static_cast<size_t>(u.memory().bytes()));
    std::vector<double> expected(static_cast<size_t>(kTable * wide));
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t i = r * kTop; i < (r + 1) * kTop; ++i)
        if (indices[i] >= 0) expected[static_cast<size_t>(indices[i] * wide + places[r])] = weighted ? weights[i] : 1.0;
    run_twice({&u.memory()}, [&] {
      return table_scatter(
          {type, indices.data(), weighted ? weights.data() : nullptr, places.data(), kRows, kTop, wide, u.data()},
          nullptr);
    });
    CHECK_NEAR(u, expected, rounding(type));

    const Array dense(real, kTable * columns, random), out(real, kRows * columns);
    std::vector<double> products(static_cast<size_t>(kRows * columns));
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t i = r * kTop; i < (r + 1) * kTop; ++i)
        for (int64_t c = 0; c < columns && indices[i] >= 0; ++c)
          products[static_cast<size_t>(r * columns + c)] +=
              (weighted ? weights[i] : 1.0) * dense[indices[i] * columns + c];
    run_twice({&out.memory()}, [&] {
      return table_products(
          {type, indices.data(), weighted ? weights.data() : nullptr, kRows, kTop, columns, dense.data(), out.data()},
          nullptr);
    });
    CHECK_NEAR(out, products, 10 * rounding(real));
  }
}

}  // namespace

int main() {
  std::mt19937 random(23);
  for (const Element real : {Element::kF32, Element::kF64}) {
    pairs(real, false, random);
    pairs(real, true, random);
  }
  for (const Element type : {Element::kF32, Element::kBF16, Element::kF64}) {
    tables(type, 13, random);
    tables(type, 264, random);
  }
  return finish();
}
