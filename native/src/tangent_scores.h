// Attention probabilities and their tangents for a block of queries of one head, and the scratch they live in.
//
// Rows of Q, K, V are packed into whole vectors, K and V also transposed, so that every product is a block_product of
// contiguous rows. All of a thread's scratch comes from one slab. For tangent_attention.cpp, which has the formulas;
// after block_product.h, once for each instruction set.
namespace lethe::LETHE_ISA {

inline constexpr int64_t kQueries = 64;  // of a block

// Hands out one thread's scratch in matrices of whole vectors; without memory it only counts.
template <class T>
class Room {
 public:
  explicit Room(T* base) : base_(base) {}
  T* take(int64_t rows, int64_t width) {
    const int64_t at = used_;
    used_ += rows * width;
    return base_ == nullptr ? nullptr : base_ + at;
  }
  int64_t used() const { return used_; }

 private:
  T* base_;
  int64_t used_ = 0;
};

// One record's rows of one head inside joint matrices.
struct Place {
  int64_t first_row, length, head;
};

// to [rows, width] = factor * x [rows, d], zero beyond d
template <class T>
inline void pack_rows(const T* x, int64_t x_row, int64_t rows, int64_t d, int64_t width, T factor, T* to) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t j = 0; j < d; ++j) to[t * width + j] = factor * x[t * x_row + j];
    std::fill(to + t * width + d, to + (t + 1) * width, T(0));
  }
}

// to [d, width] = factor * x^T, zero beyond the rows
template <class T>
inline void pack_columns(const T* x, int64_t x_row, int64_t rows, int64_t d, int64_t width, T factor, T* to) {
  for (int64_t j = 0; j < d; ++j) std::fill(to + j * width + rows, to + (j + 1) * width, T(0));
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t j = 0; j < d; ++j) to[j * width + t] = factor * x[t * x_row + j];
}

// Row i of P from scores: softmax over the first `past`, zero up to width.
template <class T>
inline void softmax_past(T* row, int64_t past, int64_t width) {
  T top = row[0], total = 0;
#pragma omp simd reduction(max : top)
  for (int64_t j = 0; j < past; ++j) top = row[j] > top ? row[j] : top;
#pragma omp simd reduction(+ : total)
  for (int64_t j = 0; j < past; ++j) {
    row[j] = fast_exp(row[j] - top);
    total += row[j];
  }
  const T factor = 1 / total;
#pragma omp simd
  for (int64_t j = 0; j < past; ++j) row[j] *= factor;
  std::fill(row + past, row + width, T(0));
}

template <class T>
inline T dot_past(const T* a, const T* b, int64_t past) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < past; ++j) sum += a[j] * b[j];
  return sum;
}

// x becomes p (x - sum of p x): the tangent of P from that of S, and dS from dP. Beyond the past p is zero.
template <class T>
inline void through_softmax(const T* p, T* x, int64_t past, int64_t width) {
  const T mean = dot_past(p, x, past);
#pragma omp simd
  for (int64_t j = 0; j < width; ++j) x[j] = p[j] * (x[j] - mean);
}

// What all heads of a batch share.
template <class T>
struct Geometry {
  Geometry(const QkvView& view, const Batch& batch, const Blocks& blocks)
      : view(view),
        d(view.d),
        width(whole_vectors<T>(d)),
        blocks(blocks),
        factor(static_cast<T>(view.scale())) {
    for (int64_t b = 0; b < batch.records(); ++b)
      for (int64_t head = 0; head < view.heads; ++head) places.push_back({batch.offset(b), batch.length(b), head});
    for (const Run& run : batch.runs()) longest = std::max(longest, run.length);
  }

  // A head's part in block `block` of a joint qkv; rows are view.width() apart.
  enum Part { kQuery, kKey, kValue };
  T* part(const at::Tensor& qkv, const Place& at, int64_t block, Part which) const {
    T* row = data<T>(qkv) + (block * blocks.rows + at.first_row) * view.width();
    return row + (which == kQuery ? view.query(at.head) : which == kKey ? view.key(at.head) : view.value(at.head));
  }
  // Its columns of a joint out; rows are view.out() apart.
  T* head(const at::Tensor& x, const Place& at, int64_t block) const {
    return data<T>(x) + (block * blocks.rows + at.first_row) * view.out() + at.head * d;
  }

  const QkvView view;
  int64_t d, width;  // width: d in whole vectors
  Blocks blocks;
  T factor;  // of scores
  int64_t longest = 0;
  std::vector<Place> places;
};

// Value and tangents of one head, one after the other; index 0 is the value's.
template <class T>
struct Packs {
  Packs(Room<T>& room, int64_t copies, int64_t rows, int64_t width)
      : stride(rows * width), data(room.take(copies * rows, width)) {}
  T* operator[](int64_t i) const { return data + i * stride; }
  int64_t stride;
  T* data;
};

// What both directions need of a head: queries of a block, keys transposed and scaled, P and its tangents.
template <class T>
class Scores {
 public:
  Scores(const Geometry<T>& g, Room<T>& room)
      : g_(g),
        keys_width_(whole_vectors<T>(g.longest)),
        keys_(room, 1 + g.blocks.tangents, g.d, keys_width_),
        queries(room, 1 + g.blocks.tangents, kQueries, g.width),
        p(room, 1 + g.blocks.tangents, kQueries, keys_width_) {}

  void begin(const at::Tensor& qkv, const Place& at) {
    for (int64_t i = 0; i <= g_.blocks.tangents; ++i)
      pack_columns(g_.part(qkv, at, i, g_.kKey), g_.view.width(), at.length, g_.d, keys_width_, g_.factor, keys_[i]);
  }

  // Queries first .. first + count against the keys before first + count: p[0] = P, p[1 + k] = P'_k.
  void block(const at::Tensor& qkv, const Place& at, int64_t first, int64_t count, bool tangents) {
    const int64_t row = g_.view.width();
    for (int64_t i = 0; i <= g_.blocks.tangents; ++i)
      pack_rows(g_.part(qkv, at, i, g_.kQuery) + first * row, row, count, g_.d, g_.width, T(1), queries[i]);
    width = whole_vectors<T>(first + count);
    product(count, queries[0], keys_[0], p[0], false);
    for (int64_t i = 0; i < count; ++i) softmax_past(p[0] + i * keys_width_, first + i + 1, width);
    for (int64_t k = 1; tangents && k <= g_.blocks.tangents; ++k) {
      product(count, queries[k], keys_[0], p[k], false);
      product(count, queries[0], keys_[k], p[k], true);
      for (int64_t i = 0; i < count; ++i)
        through_softmax(p[0] + i * keys_width_, p[k] + i * keys_width_, first + i + 1, width);
    }
  }

  // to [count, keys] (+)= x [count, d] columns [d, keys], for anything packed as the keys are.
  void product(int64_t count, const T* x, const T* columns, T* to, bool add) const {
    block_product<T>(count, width, g_.d, {x, g_.width, 1}, columns, keys_width_, to, keys_width_, add);
  }

 private:
  const Geometry<T>& g_;
  const int64_t keys_width_;
  const Packs<T> keys_;  // [d, T] each, times 1 / sqrt(d)

 public:
  const Packs<T> queries;  // [block, width] each
  const Packs<T> p;        // [block, T] each
  int64_t width = 0;       // of the present block, in keys
  int64_t row() const { return keys_width_; }
};

}  // namespace lethe::LETHE_ISA
