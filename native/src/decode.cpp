// Decoding: the cache, and attention of single query rows as plain loops a record and head.
#include "decode.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "vector_math.h"

namespace lethe {
namespace {

// One query row of one head against `length` cached rows.
template <class T>
void attend_head(const T* query, const T* cache, int64_t length, int64_t c, int64_t d, T* scores, T* out) {
  const T scale = 1 / std::sqrt(static_cast<T>(d));
  T top = -std::numeric_limits<T>::infinity(), total = 0;
  for (int64_t t = 0; t < length; ++t) {
    const T* key = cache + t * 2 * c;
    T dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < d; ++j) dot += query[j] * key[j];
    scores[t] = dot * scale;
    top = std::max(top, scores[t]);
  }
#pragma omp simd reduction(+ : total)
  for (int64_t t = 0; t < length; ++t) {
    scores[t] = fast_exp(scores[t] - top);
    total += scores[t];
  }
  std::fill(out, out + d, T(0));
  for (int64_t t = 0; t < length; ++t) {
    const T* value = cache + t * 2 * c + c;
    const T share = scores[t] / total;
#pragma omp simd
    for (int64_t j = 0; j < d; ++j) out[j] += share * value[j];
  }
}

}  // namespace

Cache::Cache(const Model& model, const Batch& prompts, int64_t capacity)
    : prompts(prompts), channels(model.shape().channels) {
  for (int64_t l = 0; l < model.shape().layers; ++l) {
    layers.push_back(at::empty({prompts.records(), capacity, 2 * channels}, model.options()));
  }
}

void Cache::qkv(int64_t layer, const at::Tensor& qkv) {
  for (int64_t b = 0; b < prompts.records(); ++b) {
    const at::Tensor rows = qkv.narrow(0, prompts.offset(b), prompts.length(b));
    layers[static_cast<size_t>(layer)][b].narrow(0, 0, prompts.length(b)).copy_(rows.narrow(1, channels, 2 * channels));
  }
}

void attend_step(const Shape& shape, const std::vector<Active>& active, const at::Tensor& qkv, const at::Tensor& cache,
                 const at::Tensor& out) {
  const int64_t c = shape.channels, d = shape.head_size(), rows = static_cast<int64_t>(active.size());
  for (int64_t i = 0; i < rows; ++i) {
    const Active& a = active[static_cast<size_t>(i)];
    cache[a.record][a.length - 1].copy_(qkv[i].narrow(0, c, 2 * c));
  }
  with_element(qkv.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, rows * shape.heads, 1, [&](int64_t begin, int64_t end) {
      std::vector<T> scores(static_cast<size_t>(cache.size(1)));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / shape.heads, head = i % shape.heads;
        const Active& a = active[static_cast<size_t>(row)];
        attend_head(data<T>(qkv) + row * 3 * c + head * d, data<T>(cache) + a.record * cache.size(1) * 2 * c + head * d,
                    a.length, c, d, scores.data(), data<T>(out) + row * c + head * d);
      }
    });
  });
}

}  // namespace lethe
