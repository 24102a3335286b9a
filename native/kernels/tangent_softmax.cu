// Softmax and cross-entropy of rows of logits with tangents, and inner products of rows; formulas in src/ops_tangent.h.
//
// A block a row of logits: its maximum, its total, then two looks at each tangent, of which the second finds both rows in
// the second-level cache. Bytes moved an element, sizeof(real) each: logits 2 (4 with_value) and 5 a tangent; row products
// 2 or 3, a warp a row.
#include "tangents.h"

#include "device.h"

namespace lethe::kernels {
namespace {

constexpr int kThreads = 512;

// The sum of body(j) over a row of n numbers: a thread's in R, the threads' in fp64.
template <class R, class Body>
LETHE_DEVICE double row_sum(int64_t n, Body&& body) {
  R sum = 0;
  for (int64_t j = threadIdx.x; j < n; j += kThreads) sum += body(j);
  return block_sum(static_cast<double>(sum));
}

template <class R>
struct Job {
  R* logits;
  int64_t rows, columns, count;
  const int32_t* __restrict__ targets;
  const double* __restrict__ scales;
  bool with_value;
  double* __restrict__ losses;
  double* __restrict__ sums;
};

template <class R>
__global__ void __launch_bounds__(kThreads, 1) tangent_row(Job<R> job) {
  const int64_t row = blockIdx.x, n = job.columns, stride = job.rows * n;
  R* z = job.logits + job.count * stride + row * n;
  R top = z[0];
  for (int64_t j = threadIdx.x; j < n; j += kThreads) top = max(top, z[j]);
  top = block_max(top);
  const int32_t target = job.targets[row];
  const R at_target = z[target] - top;
  const double total = row_sum<R>(n, [&](int64_t j) { return exponential<R>(z[j] - top); });
  if (threadIdx.x == 0) job.losses[row] = log(total) - static_cast<double>(at_target);
  const R factor = static_cast<R>(job.scales[row] / total);
  for (int64_t k = 0; k < job.count; ++k) {
    R* d = job.logits + k * stride + row * n;
    const R mean = static_cast<R>(row_sum<R>(n, [&](int64_t j) { return exponential<R>(z[j] - top) * d[j]; }) / total);
    // The errors' sum is 0, so <z', e'> is <z' - mean, e'>, a sum of squares.
    const double sum = row_sum<R>(n, [&](int64_t j) {
      const R centred = d[j] - mean, error = factor * exponential<R>(z[j] - top) * centred;
      d[j] = error;
      return error * centred;
    });
    if (job.sums != nullptr && threadIdx.x == 0) job.sums[k * job.rows + row] = sum;
  }
  if (!job.with_value) return;
  __syncthreads();  // all have read the target's logit
  for (int64_t j = threadIdx.x; j < n; j += kThreads) {
    const R p = factor * exponential<R>(z[j] - top);
    z[j] = j == target ? p - static_cast<R>(job.scales[row]) : p;
  }
}

template <class R>
__global__ void __launch_bounds__(256, 4)
    product_rows(const R* __restrict__ a, int64_t a_row, const R* __restrict__ minus, const R* __restrict__ b, int64_t rows,
                 int64_t columns, double factor, double* __restrict__ out) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= rows) return;  // whole warps leave
  a += row * a_row;
  b += row * columns;
  double sum = 0;
  if (minus == nullptr) {
#pragma unroll 2
    for (int64_t j = threadIdx.x; j < columns; j += 32) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  } else {
    minus += row * columns;
#pragma unroll 2
    for (int64_t j = threadIdx.x; j < columns; j += 32)
      sum += static_cast<double>(a[j] - minus[j]) * static_cast<double>(b[j]);
  }
  sum = warp_sum(sum);
  if (threadIdx.x == 0) out[row] += factor * sum;
}

}  // namespace

Status softmax_tangent(const SoftmaxTangent& job, Stream stream) {
  if (job.rows == 0) return 0;
  if (job.columns < 1) return kInvalid;
  return with_real(job.real, [&](auto real) {
    using R = typename decltype(real)::type;
    return launch(tangent_row<R>, dim3(static_cast<unsigned>(job.rows)), dim3(kThreads), stream,
                  Job<R>{static_cast<R*>(job.logits), job.rows, job.columns, job.count, job.targets, job.scales,
                         job.with_value, job.losses, job.sums});
  });
}

Status row_products(const RowProducts& job, Stream stream) {
  if (job.rows == 0) return 0;
  return with_real(job.real, [&](auto real) {
    using R = typename decltype(real)::type;
    return launch(product_rows<R>, dim3(blocks(job.rows, kGroups)), tile_block(), stream, static_cast<const R*>(job.a),
                  job.one_row ? int64_t{0} : job.columns, static_cast<const R*>(job.minus),
                  static_cast<const R*>(job.b), job.rows, job.columns, job.factor, job.out);
  });
}

}  // namespace lethe::kernels
