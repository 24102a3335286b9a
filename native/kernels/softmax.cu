// Softmax and cross-entropy over rows of logits: scores, and errors in place of the logits.
//
// A block a row. The first look keeps a running maximum and the
// sums of e, e d and e d^2 (d = logit - maximum, e = exp d), rescaled when the maximum rises (Milakov and Gimelshein
// 2018, arXiv 1805.02867); the second writes the errors and finds the row in the second-level cache. Bytes moved an
// element: scores sizeof(logit), errors 2 sizeof(logit). Rows may start anywhere: up to 15 bytes are taken singly at
// each end.
#include "device.h"

namespace lethe::kernels {
namespace {

constexpr int kThreads = 512;
template <class R>
constexpr R kNothing = -std::numeric_limits<R>::infinity();

template <class R>
struct Sums {
  R top, e, ed, edd;
};

// The same sums below a higher maximum.
template <class T>
LETHE_DEVICE Sums<Real<T>> below(const Sums<Real<T>>& s, Real<T> top) {
  if (s.e == 0) return {top, 0, 0, 0};
  const Real<T> d = s.top - top, w = exponential<T>(d);
  return {top, w * s.e, w * (s.ed + d * s.e), w * (s.edd + 2 * d * s.ed + d * d * s.e)};
}

template <class T>
LETHE_DEVICE Sums<Real<T>> merge(Sums<Real<T>> a, Sums<Real<T>> b) {
  if (a.top < b.top) {
    a = below<T>(a, b.top);
  } else {
    b = below<T>(b, a.top);
  }
  return {a.top, a.e + b.e, a.ed + b.ed, a.edd + b.edd};
}

// kMoments: ed and edd are wanted too.
template <class T, bool kMoments, int N>
LETHE_DEVICE void take(const Real<T> (&values)[N], Sums<Real<T>>& s) {
  Real<T> top = values[0];
#pragma unroll
  for (int i = 1; i < N; ++i) top = max(top, values[i]);
  if (top > s.top) s = below<T>(s, top);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const Real<T> d = values[i] - s.top, e = exponential<T>(d);
    s.e += e;
    if constexpr (kMoments) {
      s.ed += e * d;
      s.edd += e * d * d;
    }
  }
}

// body(first column, values) for all of a row, in whole 16-byte words where they are aligned; two words in flight.
template <class T, bool kStore, class Row, class Body>
LETHE_DEVICE void walk(Row* row, int64_t n, Body&& body) {
  constexpr int N = static_cast<int>(16 / sizeof(T)), kFlight = 2;
  const int64_t offset = static_cast<int64_t>(reinterpret_cast<uintptr_t>(row) % 16 / sizeof(T));
  const int64_t head = min(n, (N - offset) % N), end = head + (n - head) / N * N;
  const auto single = [&](int64_t j) {
    Real<T> value[1] = {widen(row[j])};
    body(j, value);
    if constexpr (kStore) row[j] = narrow<T>(value[0]);
  };
  if (threadIdx.x < head) single(threadIdx.x);
  if (end + threadIdx.x < n) single(end + threadIdx.x);
  for (int64_t j = head + int64_t{threadIdx.x} * N; j < end; j += kThreads * N * kFlight) {
    Real<T> values[kFlight][N];
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
      if (j + u * kThreads * N < end) load<N>(row + j + u * kThreads * N, values[u]);
#pragma unroll
    for (int u = 0; u < kFlight; ++u) {
      if (j + u * kThreads * N >= end) continue;
      body(j + u * kThreads * N, values[u]);
      if constexpr (kStore) store_narrow<T, N>(values[u], row + j + u * kThreads * N);
    }
  }
}

// Of the whole block, the same bits for every thread: lanes and warps are merged in a fixed order and shared.
template <class T>
LETHE_DEVICE Sums<Real<T>> block_merge(Sums<Real<T>> s) {
  __shared__ Sums<Real<T>> parts[kThreads / 32];
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const Sums<Real<T>> other{__shfl_down_sync(0xFFFFFFFFu, s.top, step), __shfl_down_sync(0xFFFFFFFFu, s.e, step),
                              __shfl_down_sync(0xFFFFFFFFu, s.ed, step), __shfl_down_sync(0xFFFFFFFFu, s.edd, step)};
    s = merge<T>(s, other);
  }
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = s;
  __syncthreads();
  s = parts[0];
  for (int w = 1; w < kThreads / 32; ++w) s = merge<T>(s, parts[w]);
  return s;
}

template <class T>
struct Rows {
  int64_t columns, stride;
  const int32_t* __restrict__ targets;
  const double* __restrict__ scales;
  DeviceScores scores;
};

template <class R>
LETHE_DEVICE void write_scores(const DeviceScores& scores, int64_t row, const Sums<R>& s, R at_target, bool beaten) {
  const double below_top = static_cast<double>(at_target) - static_cast<double>(s.top);
  const double log_total = log(static_cast<double>(s.e)), mean = static_cast<double>(s.ed) / static_cast<double>(s.e);
  if (scores.loss != nullptr) scores.loss[row] = log_total - below_top;
  if (scores.mean != nullptr) scores.mean[row] = mean - log_total;
  if (scores.deviation != nullptr) {
    const double variance = static_cast<double>(s.edd) / static_cast<double>(s.e) - mean * mean;
    scores.deviation[row] = variance < 0 ? 0.0 : sqrt(variance);
  }
  if (scores.mean_logit != nullptr) scores.mean_logit[row] = mean - below_top;
  if (scores.greedy_hit != nullptr) scores.greedy_hit[row] = at_target == s.top && !beaten;
}

template <class T, bool kErrors, bool kMoments>
__global__ void __launch_bounds__(kThreads, 2)
    softmax_row(std::conditional_t<kErrors, T, const T>* logits, Rows<T> rows) {
  using R = Real<T>;
  const int64_t row = blockIdx.x, target = rows.targets[row];
  auto* x = logits + row * rows.stride;
  const R at_target = widen(x[target]);
  Sums<R> s{kNothing<R>, 0, 0, 0};
  bool beaten = false;  // by an equal logit before the target
  walk<T, false>(x, rows.columns, [&](int64_t j, auto& values) {
    constexpr int kCount = static_cast<int>(sizeof(values) / sizeof(R));
    take<T, kMoments>(values, s);
#pragma unroll
    for (int i = 0; i < kCount; ++i) beaten |= values[i] == at_target && j + i < target;
  });
  s = block_merge<T>(s);
  beaten = __syncthreads_count(beaten) > 0;  // also: nobody writes before all have read the target's logit
  if (threadIdx.x == 0) write_scores(rows.scores, row, s, at_target, beaten);
  if constexpr (kErrors) {
    const R scale = static_cast<R>(rows.scales[row]);
    const R factor = static_cast<R>(rows.scales[row] / static_cast<double>(s.e));
    walk<T, true>(x, rows.columns, [&](int64_t j, auto& values) {
      constexpr int kCount = static_cast<int>(sizeof(values) / sizeof(R));
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        values[i] = exponential<T>(values[i] - s.top) * factor;
        if (j + i == target) values[i] -= scale;
      }
    });
    for (int64_t j = rows.columns + threadIdx.x; j < rows.stride; j += kThreads) x[j] = narrow<T>(R{0});
  }
}

template <bool kErrors>
Status run(const Logits& job, const double* scales, const DeviceScores& scores, Stream stream) {
  if (job.rows == 0) return 0;
  if (job.columns < 1 || job.stride < job.columns) return kInvalid;
  return with_type(job.type, [&](auto type) {
    using T = typename decltype(type)::type;
    const bool moments = scores.mean != nullptr || scores.deviation != nullptr || scores.mean_logit != nullptr;
    const auto kernel = moments ? softmax_row<T, kErrors, true> : softmax_row<T, kErrors, false>;
    return launch(kernel, dim3(static_cast<unsigned>(job.rows)), dim3(kThreads), stream,
                  static_cast<T*>(job.logits), Rows<T>{job.columns, job.stride, job.targets, scales, scores});
  });
}

}  // namespace

Status softmax_scores(const Logits& job, const DeviceScores& scores, Stream stream) {
  return run<false>(job, nullptr, scores, stream);
}

Status softmax_errors(const Logits& job, const double* scales, const DeviceScores& scores, Stream stream) {
  return run<true>(job, scales, scores, stream);
}

}  // namespace lethe::kernels
