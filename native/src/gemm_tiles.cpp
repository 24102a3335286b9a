// Blocked as Goto and van de Geijn (2008) do it: a slice of B is packed into panels, a block of A's rows stays in the
// second-level cache while the panels pass by. A is packed only where its columns are the contiguous ones, or to round it.
//
// Threads divide the output into a grid and pack what they need by themselves: there is nothing to wait for.
#ifndef LETHE_ISA
#include "gemm_tiles.h"

#include <ATen/Parallel.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <new>


#define LETHE_FILE "gemm_tiles.cpp"
#include "each_isa.h"

namespace lethe {

bool bf16_tiles() { return kIsa == Isa::kAvx512Bf16; }

void tiled_gemm(const Operand& a, const Operand& b, int64_t m, int64_t k, int64_t n, float* out, int64_t stride, Into into,
                Rounding rounding) {
  LETHE_BY_ISA(tiled_gemm(a, b, m, k, n, out, stride, into, rounding));
}

}  // namespace lethe
#else
#include "tile.h"

namespace lethe::LETHE_ISA {
namespace {

constexpr int64_t kDepth = 384;                  // k at once, at most
constexpr int64_t kRows = 32 * kTileRows;        // rows of A at once
constexpr int64_t kColumns = 16 * kVectorBytes;  // columns of B packed at once
constexpr int64_t kThreadWork = 1 << 19;         // multiply-adds that pay for waking a thread

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Packing space of a thread, for as long as the thread lives: made once, or every product would fault its pages in.
struct Scratch {
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(float* block) const { ::operator delete(block, kLine); }
  };
  using Block = std::unique_ptr<float, Free>;
  static Block make(int64_t count) {
    return Block(static_cast<float*>(::operator new(static_cast<size_t>(count) * sizeof(float), kLine)));
  }
  Block a = make(kRows * kDepth);
  Block b = make(kColumns * kDepth);
  Block edge = make(kRows * kTile<float>);
  Block wide = make(kDepth * kTile<float>);  // of B before it is packed, where it is narrow
};

struct Product {
  Operand a, b;
  int64_t m, k, n;
  float* out;
  int64_t stride;
  Into into;
  Rounding rounding;
};

struct Range {
  int64_t begin, end;
};

// Part `index` of `parts` of `count`, borders at multiples of `unit`.
Range part(int64_t count, int64_t unit, int64_t index, int64_t parts) {
  const int64_t units = ceil_div(count, unit);
  return {std::min(count, units * index / parts * unit), std::min(count, units * (index + 1) / parts * unit)};
}

// Two numbers rounded to bf16, the first in the low half of the word. NaN stays NaN as long as its payload is not all ones.
uint32_t bf16_pair(float first, float second) {
  const auto rounded = [](float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    return bits + 0x7FFF + ((bits >> 16) & 1);
  };
  return rounded(first) >> 16 | (rounded(second) & 0xFFFF0000u);
}

// Rows of a panel, or of a transposed A, become pairs of rows in place: word i of pair p comes from rows 2p and 2p + 1.
void pair_rows(float* rows, int64_t count, int64_t width) {
  for (int64_t p = 0; p < (count + 1) / 2; ++p) {
    const float *first = rows + 2 * p * width, *second = first + width;
    const bool alone = 2 * p + 1 == count;
    uint32_t words[kRows];  // the two rows may be where the words go
    for (int64_t i = 0; i < width; ++i) words[i] = bf16_pair(first[i], alone ? 0.0f : second[i]);
    std::memcpy(rows + p * width, words, static_cast<size_t>(width) * sizeof(uint32_t));
  }
}

void widen(const uint16_t* from, Number type, int64_t count, float* to) {
  if (type == Number::kBf16) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) to[i] = std::bit_cast<float>(static_cast<uint32_t>(from[i]) << 16);
    return;
  }
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#endif
  for (; i < count; ++i) to[i] = c10::detail::fp16_ieee_to_fp32_value(from[i]);
}

// Panel by panel, so that what is widened stays near.
void pack_narrow(const Product& p, Range columns, Range depth, float* wide, float* to) {
  const auto* all = static_cast<const uint16_t*>(p.b.data) + depth.begin * p.b.row;
  const int64_t k = depth.end - depth.begin;
  const bool rows = p.b.column == 1;  // else columns are the contiguous ones
  for (int64_t j = columns.begin; j < columns.end; j += kTile<float>, to += k * kTile<float>) {
    const int64_t width = std::min(kTile<float>, columns.end - j), lines = rows ? k : width, length = rows ? width : k;
    const uint16_t* from = all + j * p.b.column;
    for (int64_t i = 0; i < lines; ++i)
      widen(from + i * (rows ? p.b.row : p.b.column), p.b.type, length, wide + i * length);
    rows ? pack_rows(wide, width, k, width, to) : pack_transposed(wide, k, width, k, to);
  }
}

void pack_columns(const Product& p, Range columns, Range depth, Scratch& scratch) {
  const int64_t k = depth.end - depth.begin;
  float* to = scratch.b.get();
  if (p.b.type != Number::kFloat) {
    pack_narrow(p, columns, depth, scratch.wide.get(), to);
  } else {
    const float* from = static_cast<const float*>(p.b.data) + depth.begin * p.b.row + columns.begin * p.b.column;
    p.b.column == 1 ? pack_rows(from, p.b.row, k, columns.end - columns.begin, to)
                    : pack_transposed(from, p.b.column, columns.end - columns.begin, k, to);
  }
  if (p.rounding == Rounding::kNone) return;
  for (int64_t j = columns.begin; j < columns.end; j += kTile<float>, to += k * kTile<float>)
    pair_rows(to, k, kTile<float>);
}

// The block of A as the tiles want it: as it lies, or its contiguous columns copied next to each other; rounded, as words
// of two numbers each, and then `column` steps from pair to pair.
Operand rows_of(const Product& p, Range rows, Range depth, float* to) {
  const float* from = static_cast<const float*>(p.a.data) + rows.begin * p.a.row + depth.begin * p.a.column;
  const int64_t count = rows.end - rows.begin, k = depth.end - depth.begin;
  if (p.a.row == 1) {
    for (int64_t i = 0; i < k; ++i)
      std::memcpy(to + i * kRows, from + i * p.a.column, static_cast<size_t>(count) * sizeof(float));
    if (p.rounding == Rounding::kBf16) pair_rows(to, k, kRows);
    return {to, 1, kRows};
  }
  if (p.rounding == Rounding::kNone) return {from, p.a.row, p.a.column};
  for (int64_t r = 0; r < count; ++r) {
    auto* words = reinterpret_cast<uint32_t*>(to + r * kDepth);
    const float* row = from + r * p.a.row;
    for (int64_t i = 0; i < k / 2; ++i) words[i] = bf16_pair(row[2 * i], row[2 * i + 1]);
    if (k % 2 == 1) words[k / 2] = bf16_pair(row[k - 1], 0.0f);
  }
  return {to, kDepth, 1};
}

// One panel's product, in the numbers the block is packed in.
void multiply_panel(const Product& p, const Operand& a, const float* panel, int64_t k, int64_t rows, float* out,
                    int64_t stride, TileInto into) {
#ifdef LETHE_AVX512
  if (p.rounding == Rounding::kBf16) {
    tile_steps<Bf16Pairs>(static_cast<const uint32_t*>(a.data), a.row, a.column,
                          reinterpret_cast<const uint32_t*>(panel), (k + 1) / 2, rows, out, stride, into);
    return;
  }
#else
  static_cast<void>(p);
#endif
  tile_product(static_cast<const float*>(a.data), a.row, a.column, panel, k, rows, out, stride, into);
}

void multiply_block(const Product& p, Range rows, Range columns, Range depth, Scratch& scratch) {
  const Operand a = rows_of(p, rows, depth, scratch.a.get());
  const int64_t count = rows.end - rows.begin, k = depth.end - depth.begin;
  const TileInto into = depth.begin > 0 || p.into == Into::kAdd ? TileInto::kAdd : TileInto::kOverwrite;
  for (int64_t j = columns.begin; j < columns.end; j += kTile<float>) {
    const float* panel = scratch.b.get() + (j - columns.begin) * k;
    float* out = p.out + rows.begin * p.stride + j;
    const int64_t width = std::min(kTile<float>, columns.end - j);
    if (width == kTile<float>) {
      multiply_panel(p, a, panel, k, count, out, p.stride, into);
      continue;
    }
    multiply_panel(p, a, panel, k, count, scratch.edge.get(), kTile<float>, TileInto::kOverwrite);
    for (int64_t r = 0; r < count; ++r) {
      const float* sums = scratch.edge.get() + r * kTile<float>;
      float* row = out + r * p.stride;
      for (int64_t i = 0; i < width; ++i) row[i] = into == TileInto::kAdd ? row[i] + sums[i] : sums[i];
    }
  }
}

void multiply(const Product& p, Range rows, Range columns) {
  static thread_local Scratch scratch;
  const int64_t slices = ceil_div(p.k, kDepth);
  for (int64_t j = columns.begin; j < columns.end; j += kColumns) {
    const Range here{j, std::min(columns.end, j + kColumns)};
    for (int64_t s = 0; s < slices; ++s) {
      const Range depth = part(p.k, 1, s, slices);
      pack_columns(p, here, depth, scratch);
      for (int64_t i = rows.begin; i < rows.end; i += kRows)
        multiply_block(p, {i, std::min(rows.end, i + kRows)}, here, depth, scratch);
    }
  }
}

// How many parts the rows are cut into, of `threads`: the cut whose largest part has the least to multiply and pack.
int64_t row_parts(const Product& p, int64_t threads) {
  constexpr int64_t kPacking = 64;  // an element packed takes the time of about so many multiply-adds
  int64_t best = 1, least = std::numeric_limits<int64_t>::max();
  for (int64_t parts = 1; parts <= threads; ++parts) {
    if (threads % parts != 0) continue;
    const int64_t rows = ceil_div(ceil_div(p.m, kTileRows), parts) * kTileRows;
    const int64_t columns = ceil_div(ceil_div(p.n, kTile<float>), threads / parts) * kTile<float>;
    const int64_t cost = rows * columns + kPacking * (columns + (p.a.row == 1 ? rows : 0));
    if (cost < least) least = cost, best = parts;
  }
  return best;
}

}  // namespace

void tiled_gemm(const Operand& a, const Operand& b, int64_t m, int64_t k, int64_t n, float* out, int64_t stride, Into into,
                Rounding rounding) {
  const Product p{a, b, m, k, n, out, stride, into, rounding};
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), std::max<int64_t>(1, m * n * k / kThreadWork));
  const int64_t down = row_parts(p, threads), across = threads / down;
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      multiply(p, part(m, kTileRows, t / across, down), part(n, kTile<float>, t % across, across));
  });
}

}  // namespace lethe::LETHE_ISA
#endif
