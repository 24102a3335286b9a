// The capture's kernels, emulated: rows cast and scattered to each record's place, and the largest errors of each row
// chosen exactly as sorting would, ties, targets, refused guesses and numbers that are not finite included.
#include <algorithm>
#include <numeric>

#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

const Element kF32 = Element::kF32, kF64 = Element::kF64, kBF16 = Element::kBF16;
constexpr int64_t kSite = 3, kSites = 7;

struct Types {
  Element x, out;
};
const std::vector<Types> kTypes{{kF32, kF32}, {kF32, kBF16}, {kBF16, kF32}, {kBF16, kBF16},
                                {kF64, kF64}, {kF64, kF32},  {kF64, kBF16}};

// Three records of unequal length in a buffer where each has a place, out of order, with untouched bytes between them.
struct Setup {
  explicit Setup(const std::vector<int64_t>& lengths, std::mt19937& random)
      : offsets(offsets_of(lengths)),
        rows(offsets.back()),
        factors(kF64, static_cast<int64_t>(lengths.size()), random) {
    std::vector<int32_t> records, positions;
    for (size_t b = 0; b < lengths.size(); ++b) {
      for (int64_t t = 0; t < lengths[b]; ++t) {
        records.push_back(static_cast<int32_t>(b));
        positions.push_back(static_cast<int32_t>(t));
      }
    }
    record = Table<int32_t>(records);
    position = Table<int32_t>(positions);
  }
  Staging staging(const Guarded& memory) const {
    return {record.data(), position.data(), static_cast<double*>(factors.data()), memory.data(), kSite,
            kSites,        first_bad.data()};
  }
  // Places of arrays of `bytes` a row, the last record first; returns the size of the buffer.
  int64_t place(int64_t bytes, int64_t begin, std::vector<int64_t>& places) const {
    places.assign(offsets.size() - 1, 0);
    for (size_t b = places.size(); b-- > 0;) {
      places[b] = begin;
      begin += ((offsets[b + 1] - offsets[b]) * bytes + 63) / 64 * 64 + 64;
    }
    return begin;
  }
  std::vector<int64_t> offsets;
  int64_t rows;
  Array factors;
  Table<int32_t> record{{}}, position{{}};
  Table<uint64_t> first_bad{{~uint64_t{0}}};
};

double stored(const Guarded& memory, int64_t at, Element type) {
  Array value(type, 1);
  std::memcpy(value.data(), memory.data() + at, static_cast<size_t>(size_of(type)));
  return value[0];
}

// What a kernel should store: the factor and the product in the precision of x, then one rounding.
double product(const Array& x, int64_t i, double factor, Element out) {
  Array value(out, 1);
  if (x.type() == kF64) {
    value.set(0, factor * x[i]);
  } else {
    value.set(0, static_cast<float>(factor) * static_cast<float>(x[i]));
  }
  return value[0];
}

void copies(Types t, int64_t columns, int64_t stride, std::mt19937& random) {
  const Setup s({5, 1, 11}, random);
  Array x(t.x, s.rows * stride, random);
  std::vector<int64_t> where;
  const int64_t bytes = s.place(columns * size_of(t.out), 0, where);
  const Guarded memory(bytes);
  const Table<int64_t> places(where);
  const CastScatter job{t.x, t.out, x.data(), s.rows, columns, stride, places.data()};
  run_twice({&memory, &s.first_bad.memory()}, [&] { return cast_scatter(job, s.staging(memory), nullptr); });
  CHECK(s.first_bad[0] == ~uint64_t{0});
  int64_t touched = 0;
  for (int64_t r = 0; r < s.rows; ++r) {
    const int64_t b = s.record[r], from = places[b] + s.position[r] * columns * size_of(t.out);
    for (int64_t j = 0; j < columns; ++j) {
      if (stored(memory, from + j * size_of(t.out), t.out) == product(x, r * stride + j, s.factors[b], t.out)) continue;
      CHECK(!"a number is not what it should be");
      return;
    }
    touched += columns * size_of(t.out);
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < bytes; ++i) kept += static_cast<unsigned char>(memory.data()[i]) == 0xA5;
  CHECK(kept >= bytes - touched);

  x.set(16 * stride + columns - 1, std::numeric_limits<double>::infinity());
  x.set(5 * stride, std::numeric_limits<double>::quiet_NaN());
  run_twice({&memory, &s.first_bad.memory()}, [&] { return cast_scatter(job, s.staging(memory), nullptr); });
  CHECK(s.first_bad[0] == 1 * kSites + kSite);
}

// k largest magnitudes with the target, by sorting.
std::vector<int32_t> sorted_choice(const Array& e, int64_t begin, int64_t columns, int64_t k, int32_t target) {
  std::vector<int32_t> order(static_cast<size_t>(columns));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    if ((a == target) != (b == target)) return a == target;
    return std::abs(e[begin + a]) > std::abs(e[begin + b]);
  });
  order.resize(static_cast<size_t>(k));
  std::sort(order.begin(), order.end());
  return order;
}

struct TopKCase {
  Types t;
  int64_t columns, stride, k;
  bool narrow;
};

void top_k(const TopKCase& c, const char* shape, std::mt19937& random) {
  const std::string kind = shape;
  const Setup s(c.columns > 10000 ? std::vector<int64_t>{1, 1} : std::vector<int64_t>{1, 2}, random);
  Array e(c.t.x, s.rows * c.stride, random);
  std::vector<int32_t> wanted;
  for (int64_t r = 0; r < s.rows; ++r) {
    wanted.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(c.columns)));
    for (int64_t j = 0; j < c.stride; ++j) {
      const double value = e[r * c.stride + j];
      if (j >= c.columns) e.set(r * c.stride + j, 1e9);  // padding is not looked at
      if (kind == "equal" && j < c.columns) e.set(r * c.stride + j, j % 2 ? 0.5 : -0.5);
      if (kind == "few" && j < c.columns) e.set(r * c.stride + j, std::round(value));  // many ties
      if (kind == "softmax" && j < c.columns) e.set(r * c.stride + j, std::exp(4 * value) * 1e-4);
    }
    if (r % 2 == 0) e.set(r * c.stride + wanted.back(), 0);  // a target that has to be forced in
  }
  const Table<int32_t> targets(wanted);
  std::vector<int64_t> at_index, at_value;
  const int64_t index_bytes = c.narrow ? 2 : 4;
  const int64_t bytes = s.place(c.k * size_of(c.t.out), s.place(c.k * index_bytes, 0, at_index), at_value);
  const Guarded memory(bytes);
  const Table<int64_t> index_places(at_index), value_places(at_value);
  const Array total(kF64, s.rows), kept(kF64, s.rows);
  const TopKScatter job{c.t.x,
                        c.t.out,
                        e.data(),
                        targets.data(),
                        s.rows,
                        c.columns,
                        c.stride,
                        c.k,
                        c.narrow,
                        index_places.data(),
                        value_places.data(),
                        static_cast<double*>(total.data()),
                        static_cast<double*>(kept.data())};
  run_twice({&memory, &total.memory(), &kept.memory(), &s.first_bad.memory()},
            [&] { return top_k_scatter(job, s.staging(memory), nullptr); });
  CHECK(s.first_bad[0] == ~uint64_t{0});
  for (int64_t r = 0; r < s.rows; ++r) {
    const int64_t b = s.record[r], row = s.position[r];
    const std::vector<int32_t> expected = sorted_choice(e, r * c.stride, c.columns, c.k, targets[r]);
    double all = 0, chosen = 0;
    for (int64_t j = 0; j < c.columns; ++j) all += std::pow(e[r * c.stride + j], 2);
    for (int64_t i = 0; i < c.k; ++i) {
      int32_t index = 0;
      std::memcpy(&index, memory.data() + index_places[b] + (row * c.k + i) * index_bytes,
                  static_cast<size_t>(index_bytes));
      const int32_t want = expected[static_cast<size_t>(i)];
      chosen += std::pow(e[r * c.stride + want], 2);
      if (index == want && stored(memory, value_places[b] + (row * c.k + i) * size_of(c.t.out), c.t.out) ==
                               product(e, r * c.stride + want, s.factors[b], c.t.out))
        continue;
      report(__FILE__, __LINE__,
             kind + ": V " + std::to_string(c.columns) + " k " + std::to_string(c.k) + " row " + std::to_string(r) +
                 " place " + std::to_string(i) + " is " + std::to_string(index) + ", expected " + std::to_string(want));
      return;
    }
    CHECK_CLOSE(total[r], all, 1e-5 * all);
    CHECK_CLOSE(kept[r], chosen, 1e-12 * chosen);
  }
}

void top_k_not_finite(std::mt19937& random) {
  const Setup s({1, 2}, random);
  Array e(kF32, 3 * 50, random);
  e.set(2 * 50 + 49, std::numeric_limits<double>::quiet_NaN());
  const Guarded memory(1024);
  const Table<int32_t> targets({1, 2, 3});
  const Table<int64_t> index_places({0, 128}), value_places({512, 640});
  const Array total(kF64, 3), kept(kF64, 3);
  const auto run = [&](int64_t k) {
    return top_k_scatter({kF32, kF32, e.data(), targets.data(), 3, 50, 50, k, true, index_places.data(),
                          value_places.data(), static_cast<double*>(total.data()), static_cast<double*>(kept.data())},
                         s.staging(memory), nullptr);
  };
  CHECK(run(4) == 0);
  CHECK(s.first_bad[0] == 1 * kSites + kSite);
  CHECK(std::isfinite(total[1]) && !std::isfinite(total[2]));
  CHECK(run(0) == 1 && run(51) == 1 && run(1025) == 1);
}

}  // namespace

int main() {
  std::mt19937 random(19);
  for (const Types t : kTypes) {
    copies(t, 1, 1, random);
    copies(t, 13, 13, random);
    copies(t, 64, 64, random);
    copies(t, 53, 56, random);
    top_k({t, 23, 23, 5, true}, "normal", random);
    top_k({t, 600, 600, 256, true}, "softmax", random);
  }
  for (const char* shape : {"normal", "equal", "few", "softmax"}) {
    top_k({{kF32, kF32}, 1, 1, 1, true}, shape, random);
    top_k({{kBF16, kBF16}, 23, 24, 23, false}, shape, random);
    top_k({{kF32, kF32}, 777, 777, 1, true}, shape, random);
    top_k({{kF32, kBF16}, 1024, 1024, 1024, false}, shape, random);
    top_k({{kBF16, kF32}, 2500, 2500, 64, true}, shape, random);
  }
  top_k({{kF32, kF32}, 50257, 50257, 256, true}, "softmax", random);
  top_k({{kBF16, kBF16}, 50257, 50264, 1024, true}, "normal", random);
  top_k({{kF32, kF32}, 4500, 4500, 300, true}, "equal", random);  // more candidates than room
  top_k_not_finite(random);
  return finish();
}
