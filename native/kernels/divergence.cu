// KL divergences of rows of predictions from a reference's, and their gradients in place of the logits.
//
// A block a row: two maxima, three sums, then the errors, which find both rows in the second-level cache. Bytes moved an
// element: 3 sizeof(logit).
#include "device.h"

namespace lethe::kernels {
namespace {

constexpr int kThreads = 512;

template <class T>
struct Job {
  T* logits;
  const T* __restrict__ reference;
  int64_t columns, stride;
  const double* __restrict__ scales;
  double* __restrict__ divergences;
};

// body(j) for a thread's columns of a row
template <class Body>
LETHE_DEVICE void over_row(int64_t n, Body&& body) {
  for (int64_t j = threadIdx.x; j < n; j += kThreads) body(j);
}

// With x and y below their maxima: KL(q || p) = sum of e^y (y - x) / sum of e^y - log(sum of e^y) + log(sum of e^x),
// without a difference of two large sums; equal rows give zeros.
template <class T>
__global__ void __launch_bounds__(kThreads, 1) divergence_row(Job<T> job) {
  using R = Real<T>;
  const int64_t n = job.columns;
  T* x = job.logits + blockIdx.x * job.stride;
  const T* y = job.reference + blockIdx.x * job.stride;
  R top_x = widen(x[0]), top_y = widen(y[0]);
  over_row(n, [&](int64_t j) { top_x = max(top_x, widen(x[j])), top_y = max(top_y, widen(y[j])); });
  top_x = block_max(top_x), top_y = block_max(top_y);
  R p = 0, q = 0, cross = 0;
  over_row(n, [&](int64_t j) {
    const R below_x = widen(x[j]) - top_x, below_y = widen(y[j]) - top_y, e = exponential<T>(below_y);
    p += exponential<T>(below_x);
    q += e;
    cross += e * (below_y - below_x);
  });
  const double all_p = block_sum(static_cast<double>(p)), all_q = block_sum(static_cast<double>(q));
  const double all_cross = block_sum(static_cast<double>(cross));
  if (threadIdx.x == 0) job.divergences[blockIdx.x] = all_cross / all_q + log(all_p / all_q);
  const R factor = static_cast<R>(job.scales[blockIdx.x] / all_p), ratio = static_cast<R>(all_p / all_q);
  over_row(n, [&](int64_t j) {
    const R e = exponential<T>(widen(x[j]) - top_x) - exponential<T>(widen(y[j]) - top_y) * ratio;
    x[j] = narrow<T>(e * factor);
  });
  for (int64_t j = n + threadIdx.x; j < job.stride; j += kThreads) x[j] = narrow<T>(R{0});
}

}  // namespace

Status divergence_errors(const Divergence& job, Stream stream) {
  if (job.rows == 0) return 0;
  if (job.columns < 1 || job.stride < job.columns) return kInvalid;
  return with_type(job.type, [&](auto type) {
    using T = typename decltype(type)::type;
    return launch(divergence_row<T>, dim3(static_cast<unsigned>(job.rows)), dim3(kThreads), stream,
                  Job<T>{static_cast<T*>(job.logits), static_cast<const T*>(job.reference), job.columns, job.stride,
                         job.scales, job.divergences});
  });
}

}  // namespace lethe::kernels
