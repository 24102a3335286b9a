// Labels drawn from rows of predictions: the minus one of a row of errors moves from its target to the drawn label.
//
// A block a row: threads add up a stretch of neighbouring columns each, one thread finds the stretch in which the running
// sum passes the drawn number, and goes through it. Bytes moved an element: sizeof(error).
#include "device.h"

namespace lethe::kernels {
namespace {

constexpr int kThreads = 256;

template <class T>
struct Job {
  T* errors;
  int64_t columns, stride;
  const int32_t* __restrict__ targets;
  const double* __restrict__ scales;
  const double* __restrict__ drawn;
};

template <class T>
__global__ void __launch_bounds__(kThreads) draw_row(Job<T> job) {
  __shared__ double sums[kThreads];
  T* e = job.errors + blockIdx.x * job.stride;
  const int32_t target = job.targets[blockIdx.x];
  const Real<T> scale = static_cast<Real<T>>(job.scales[blockIdx.x]);
  if (threadIdx.x == 0) e[target] = narrow<T>(widen(e[target]) + scale);
  __syncthreads();
  const int64_t each = (job.columns + kThreads - 1) / kThreads;
  const int64_t begin = min(threadIdx.x * each, job.columns), end = min(begin + each, job.columns);
  double sum = 0;
  for (int64_t j = begin; j < end; ++j) sum += static_cast<double>(widen(e[j]));
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  const double wanted = job.drawn[blockIdx.x] * job.scales[blockIdx.x];
  int stretch = 0;
  double before = 0;
  for (; stretch + 1 < kThreads && before + sums[stretch] <= wanted; ++stretch) before += sums[stretch];
  int64_t label = min(stretch * each, job.columns - 1);
  for (; label + 1 < job.columns; ++label) {
    before += static_cast<double>(widen(e[label]));
    if (before > wanted) break;
  }
  e[label] = narrow<T>(widen(e[label]) - scale);
}

}  // namespace

Status draw_labels(const DrawLabels& job, Stream stream) {
  if (job.rows == 0) return 0;
  if (job.columns < 1 || job.stride < job.columns) return kInvalid;
  return with_type(job.type, [&](auto type) {
    using T = typename decltype(type)::type;
    return launch(draw_row<T>, dim3(static_cast<unsigned>(job.rows)), dim3(kThreads), stream,
                  Job<T>{static_cast<T*>(job.errors), job.columns, job.stride, job.targets, job.scales, job.drawn});
  });
}

}  // namespace lethe::kernels
