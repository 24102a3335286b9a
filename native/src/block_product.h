// Products of small dense blocks on one thread, for the tangents of attention: inside a parallel loop over heads a call
// into a GEMM library costs more than the arithmetic.
//
// A tile of 4 rows by kTileVectors vectors of C stays in registers while k runs. B and C are row-major and their widths
// multiples of the vector; A is read element by element and may have any strides, so it serves transposed too. After
// tile.h, once for each instruction set.
namespace lethe::LETHE_ISA {

// n rounded up to whole vectors.
template <class T>
constexpr int64_t whole_vectors(int64_t n) {
  return (n + kVector<T> - 1) / kVector<T> * kVector<T>;
}

// A block's left factor: element (i, p) at data[i * row + p * column].
template <class T>
struct Left {
  const T* data;
  int64_t row, column;
};

template <class T, int kRows, int kVectors>
inline void tile_product(int64_t k, Left<T> a, const T* b, int64_t b_row, T* c, int64_t c_row, bool add) {
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
  Vector sums[kRows][kVectors];
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j) {
      if (add) {
        std::memcpy(&sums[i][j], c + i * c_row + j * kVector<T>, kVectorBytes);
      } else {
        sums[i][j] = Vector{};
      }
    }
  for (int64_t p = 0; p < k; ++p) {
    Vector row[kVectors];
    for (int j = 0; j < kVectors; ++j) std::memcpy(&row[j], b + p * b_row + j * kVector<T>, kVectorBytes);
    for (int i = 0; i < kRows; ++i) {
      const T factor = a.data[i * a.row + p * a.column];
      for (int j = 0; j < kVectors; ++j) sums[i][j] = fused(sums[i][j], factor, row[j]);
    }
  }
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j) std::memcpy(c + i * c_row + j * kVector<T>, &sums[i][j], kVectorBytes);
}

template <class T, int kVectors>
inline void column_product(int64_t m, int64_t k, Left<T> a, const T* b, int64_t b_row, T* c, int64_t c_row, bool add) {
  int64_t i = 0;
  for (; i + 4 <= m; i += 4)
    tile_product<T, 4, kVectors>(k, {a.data + i * a.row, a.row, a.column}, b, b_row, c + i * c_row, c_row, add);
  for (; i < m; ++i)
    tile_product<T, 1, kVectors>(k, {a.data + i * a.row, a.row, a.column}, b, b_row, c + i * c_row, c_row, add);
}

// C [m, n] = A [m, k] B [k, n], or += with add.
template <class T>
void block_product(int64_t m, int64_t n, int64_t k, Left<T> a, const T* b, int64_t b_row, T* c, int64_t c_row,
                   bool add) {
  constexpr int64_t kWide = kTileVectors * kVector<T>;
  int64_t j = 0;
  for (; j + kWide <= n; j += kWide) column_product<T, kTileVectors>(m, k, a, b + j, b_row, c + j, c_row, add);
  for (; j < n; j += kVector<T>) column_product<T, 1>(m, k, a, b + j, b_row, c + j, c_row, add);
}

}  // namespace lethe::LETHE_ISA
