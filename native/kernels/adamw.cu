// AdamW (Loshchilov and Hutter 2019) over flat buffers as optimizer.cpp computes it, with the gradient's norm and the
// clipping factor on the device, so that a step never waits for the host.
//
// Bytes moved an element of fp32: norm 4; step 28 (gradient,
// parameter and two moments read, the last three written), 2 more for the bf16 shadow.
#include "flat_sums.h"

namespace lethe::kernels {
namespace {

__global__ void __launch_bounds__(1024)
    finish_norm(const double* __restrict__ partials, int64_t count, const AdamWStep* __restrict__ step,
                GradientNorm* __restrict__ result) {
  const double norm = sqrt(sum_partials(partials, count));
  if (threadIdx.x != 0) return;
  const bool finite = norm - norm == 0;
  result->norm = norm;
  result->clip = step->max_norm > 0 ? min(1.0, step->max_norm / (norm + 1e-6)) : 1.0;
  result->finite = finite;
  if (!finite) result->skipped += 1;
}

template <class R>
struct Buffers {
  const R* __restrict__ gradient;
  R* __restrict__ parameter;
  R* __restrict__ moment1;
  R* __restrict__ moment2;
  BF16* __restrict__ shadow;
  bool wide;
};

template <class R>
__global__ void __launch_bounds__(256, 4)
    adamw_chunk(const AdamWStep* __restrict__ step_, const GradientNorm* __restrict__ norm,
                const FlatChunk* __restrict__ chunks, Buffers<R> b) {
  if (norm->finite == 0) return;
  const AdamWStep step = *step_;
  const FlatChunk chunk = chunks[blockIdx.x];
  const R clip = static_cast<R>(norm->clip), epsilon = static_cast<R>(step.epsilon), beta2 = static_cast<R>(step.beta2);
  const R rest1 = static_cast<R>(1 - step.beta1), rest2 = static_cast<R>(1 - step.beta2);
  const R keep = chunk.decayed != 0 ? static_cast<R>(step.decay_factor) : R{1};
  const R size = static_cast<R>(step.step_size), root = static_cast<R>(step.inverse_root2);
  over_chunk<R>(chunk, b.wide, [&](int64_t at, auto n) {
    constexpr int N = decltype(n)::value;
    R g[N], p[N], m[N], v[N];
    load<N>(b.gradient + at, g);
    load<N>(b.parameter + at, p);
    load<N>(b.moment1 + at, m);
    load<N>(b.moment2 + at, v);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const R gradient = g[i] * clip;
      m[i] += rest1 * (gradient - m[i]);
      v[i] = v[i] * beta2 + rest2 * gradient * gradient;
      p[i] = p[i] * keep - size * m[i] / (sqrt(v[i]) * root + epsilon);
    }
    store<N>(p, b.parameter + at);
    store<N>(m, b.moment1 + at);
    store<N>(v, b.moment2 + at);
    if (b.shadow != nullptr) store_narrow<BF16, N>(p, b.shadow + at);
  });
}

}  // namespace

Status gradient_norm(Element real, const void* gradient, FlatChunks chunks, const AdamWStep* step, double* partials,
                     GradientNorm* result, Stream stream) {
  const Status status = launch_dots(real, gradient, gradient, chunks, partials, stream);
  if (status != 0) return status;
  return launch(finish_norm, dim3(1), dim3(1024), stream, partials, chunks.count, step, result);
}

Status adamw(const AdamW& job, Stream stream) {
  return with_real(job.real, [&](auto type) {
    using R = typename decltype(type)::type;
    if (job.chunks.count == 0) return 0;
    const bool wide = aligned(job.gradient) && aligned(job.parameter) && aligned(job.moment1) && aligned(job.moment2) &&
                      aligned(job.shadow);
    const Buffers<R> buffers{static_cast<const R*>(job.gradient), static_cast<R*>(job.parameter),
                             static_cast<R*>(job.moment1),        static_cast<R*>(job.moment2),
                             static_cast<BF16*>(job.shadow),      wide};
    return launch(adamw_chunk<R>, dim3(static_cast<unsigned>(job.chunks.count)), dim3(256), stream, job.step, job.norm,
                  job.chunks.chunks, buffers);
  });
}

}  // namespace lethe::kernels
