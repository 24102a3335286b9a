// The innermost loop of the products we make ourselves: a few rows of C held in registers while k runs.
//
// B comes packed in panels of kTile<T> columns, [k][kTile], zero-padded; A is read where it lies, by two strides, so that
// it may be transposed. A tile takes 6 x 4 of AVX-512's 32 registers, 6 x 2 of AVX2's 16. Read once for each
// instruction set: no guard, see each_isa.h.
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace lethe::LETHE_ISA {

inline constexpr int kVectorBytes = LETHE_VECTOR_BYTES, kTileVectors = kVectorBytes == 64 ? 4 : 2;
inline constexpr int kTileRows = 6;

template <class T>
inline constexpr int64_t kVector = kVectorBytes / static_cast<int64_t>(sizeof(T));
template <class T>
inline constexpr int64_t kTile = kTileVectors * kVector<T>;  // columns of a panel

template <class T>
inline constexpr int64_t padded(int64_t columns) { return (columns + kTile<T> - 1) / kTile<T> * kTile<T>; }

// A register's worth of elements: to compute with, and anywhere in memory. Sums of the second kind would be stored.
template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
  typedef T stored __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};

enum class TileInto { kOverwrite, kAdd };

// sums + left * right, fused: what a compiler that tunes for some processors would make two instructions of.
#if defined LETHE_AVX512
inline __m512 fused(__m512 sums, float left, __m512 right) {
  return _mm512_fmadd_ps(_mm512_set1_ps(left), right, sums);
}
inline __m512d fused(__m512d sums, double left, __m512d right) {
  return _mm512_fmadd_pd(_mm512_set1_pd(left), right, sums);
}
#elif defined __x86_64__
inline __m256 fused(__m256 sums, float left, __m256 right) {
  return _mm256_fmadd_ps(_mm256_set1_ps(left), right, sums);
}
inline __m256d fused(__m256d sums, double left, __m256d right) {
  return _mm256_fmadd_pd(_mm256_set1_pd(left), right, sums);
}
#else
template <class Vector, class T>
Vector fused(Vector sums, T left, Vector right) { return sums + left * right; }
#endif

// One step of a product of Ts: T itself from A, a vector of T from B.
template <class T>
struct Numbers {
  using Element = T;
  using Sum = T;
  using Vector = typename VectorOf<T>::type;
  static Vector add(Vector sums, T left, const T* right) {
    return fused(sums, left, *reinterpret_cast<const typename VectorOf<T>::stored*>(right));
  }
};

#ifdef LETHE_AVX512
// Two steps of a product of bf16 numbers at once: pairs of neighbours along k in one word, summed in fp32.
struct Bf16Pairs {
  using Element = uint32_t;
  using Sum = float;
  using Vector = __m512;
  static Vector add(Vector sums, uint32_t left, const uint32_t* right) {
    return _mm512_dpbf16_ps(sums, (__m512bh)_mm512_set1_epi32(static_cast<int32_t>(left)),
                            (__m512bh)_mm512_loadu_si512(right));
  }
};
#endif

// Every loop over registers is unrolled, else the compiler keeps the sums in memory.
template <class Step, int kRows>
inline void tile_rows(const typename Step::Element* a, int64_t row, int64_t step, const typename Step::Element* b,
                      int64_t k, typename Step::Sum* c, int64_t stride, TileInto into) {
  using Vector = typename Step::Vector;
  constexpr int64_t kWide = kVector<typename Step::Sum>;
  Vector sums[kRows][kTileVectors] = {};
  for (int64_t i = 0; i < k; ++i, a += step, b += kTileVectors * kWide) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) sums[r][v] = Step::add(sums[r][v], a[r * row], b + v * kWide);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    auto* out = reinterpret_cast<typename VectorOf<typename Step::Sum>::stored*>(c + r * stride);
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) out[v] = into == TileInto::kAdd ? out[v] + sums[r][v] : sums[r][v];
  }
}

// c[r * stride + j] = or += sum_i a[r * row + i * step] b[i * kTile + j] for r < rows, j < kTile.
template <class Step>
inline void tile_steps(const typename Step::Element* a, int64_t row, int64_t step, const typename Step::Element* b,
                       int64_t k, int64_t rows, typename Step::Sum* c, int64_t stride, TileInto into) {
  for (; rows >= kTileRows; rows -= kTileRows, a += kTileRows * row, c += kTileRows * stride)
    tile_rows<Step, kTileRows>(a, row, step, b, k, c, stride, into);
  switch (rows) {
    case 5: return tile_rows<Step, 5>(a, row, step, b, k, c, stride, into);
    case 4: return tile_rows<Step, 4>(a, row, step, b, k, c, stride, into);
    case 3: return tile_rows<Step, 3>(a, row, step, b, k, c, stride, into);
    case 2: return tile_rows<Step, 2>(a, row, step, b, k, c, stride, into);
    case 1: return tile_rows<Step, 1>(a, row, step, b, k, c, stride, into);
    default: return;
  }
}

template <class T>
inline void tile_product(const T* a, int64_t row, int64_t step, const T* b, int64_t k, int64_t rows, T* c,
                         int64_t stride, TileInto into) {
  tile_steps<Numbers<T>>(a, row, step, b, k, rows, c, stride, into);
}

// Rows [rows, columns] as panels of columns, [panel][rows][kTile].
template <class T>
inline void pack_rows(const T* from, int64_t stride, int64_t rows, int64_t columns, T* to) {
  for (int64_t first = 0; first < columns; first += kTile<T>) {
    const int64_t width = columns - first < kTile<T> ? columns - first : kTile<T>;
    for (int64_t r = 0; r < rows; ++r, to += kTile<T>) {
      if (width == kTile<T>) {
        using Stored = typename VectorOf<T>::stored;
        for (int v = 0; v < kTileVectors; ++v)
          reinterpret_cast<Stored*>(to)[v] = reinterpret_cast<const Stored*>(from + r * stride + first)[v];
        continue;
      }
      std::memcpy(to, from + r * stride + first, static_cast<size_t>(width) * sizeof(T));
      std::memset(to + width, 0, static_cast<size_t>(kTile<T> - width) * sizeof(T));
    }
  }
}

// A square of kVector rows and columns transposed in registers: log2(kVector) rounds of pairwise exchanges.
template <class T>
inline void transpose_square(const T* from, int64_t stride, T* to, int64_t to_stride) {
  using Vector = typename VectorOf<T>::type;
  using Stored = typename VectorOf<T>::stored;
  typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Index __attribute__((vector_size(kVectorBytes)));
  constexpr int n = static_cast<int>(kVector<T>);
  Vector rows[n];
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) rows[i] = *reinterpret_cast<const Stored*>(from + i * stride);
#pragma GCC unroll 4
  for (int w = n / 2; w >= 1; w /= 2) {
    Index low, high;
    for (int j = 0; j < n; ++j) {
      low[j] = (j & w) == 0 ? j : n + j - w;
      high[j] = (j & w) == 0 ? j + w : n + j;
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      if ((i & w) != 0) continue;
      const Vector a = rows[i], b = rows[i + w];
      rows[i] = __builtin_shuffle(a, b, low);
      rows[i + w] = __builtin_shuffle(a, b, high);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) *reinterpret_cast<Stored*>(to + i * to_stride) = rows[i];
}

// The transpose of rows [rows, columns] as panels of `rows`, [panel][columns][kTile].
template <class T>
inline void pack_transposed(const T* from, int64_t stride, int64_t rows, int64_t columns, T* to) {
  for (int64_t first = 0; first < rows; first += kTile<T>, to += columns * kTile<T>, from += kTile<T> * stride) {
    const int64_t width = rows - first < kTile<T> ? rows - first : kTile<T>;
    if (width < kTile<T>) std::memset(to, 0, static_cast<size_t>(columns * kTile<T>) * sizeof(T));
    for (int64_t r = 0; r < width; r += kVector<T>) {
      int64_t c = 0;
      if (r + kVector<T> <= width)
        for (; c + kVector<T> <= columns; c += kVector<T>)
          transpose_square(from + r * stride + c, stride, to + c * kTile<T> + r, kTile<T>);
      for (; c < columns; ++c)
        for (int64_t i = r; i < width && i < r + kVector<T>; ++i) to[c * kTile<T> + i] = from[i * stride + c];
    }
  }
}

}  // namespace lethe::LETHE_ISA
