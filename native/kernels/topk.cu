// Selection of the k largest magnitudes of each row of errors, the target always among them, written to the staging
// buffer in rising order of index; equal magnitudes go to the lower index, as topk.cpp has it.
//
// A block a row. With the target in, the rest are the k - 1
// largest of the others. A threshold guessed from a strided sample lets one look at the row collect a few candidates in
// shared memory, in order of index; the (k - 1)-th largest of them is found two bits at a time, by counting. A guess that
// lets through too few or too many (many equal numbers) falls back to counting over the row itself, up to 16 more looks
// out of the second-level cache. Bytes moved an element: sizeof(error).
#include "capture.h"

namespace lethe::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kSample = 1024;  // evenly spaced: neighbouring token ids are alike

// A magnitude as an integer of the same order.
LETHE_DEVICE uint32_t magnitude(float x) { return __float_as_uint(x) & 0x7FFFFFFFu; }
LETHE_DEVICE uint64_t magnitude(double x) {
  return static_cast<uint64_t>(__double_as_longlong(x)) & ~(uint64_t{1} << 63);
}
template <class R>
using Bits = std::conditional_t<sizeof(R) == 8, uint64_t, uint32_t>;
// What fits in 48 KB of shared memory beside the little else.
template <class R>
constexpr int kCandidates = sizeof(R) == 8 ? 2048 : 4096;

template <class X>
struct Row {
  using R = Real<X>;
  const X* __restrict__ x;
  int64_t columns, target;
  LETHE_DEVICE int size() const { return static_cast<int>(columns); }
  LETHE_DEVICE int index(int i) const { return i; }
  LETHE_DEVICE Bits<R> bits(int i) const { return magnitude(widen(x[i])); }
};

template <class X>
struct Shared {
  Bits<Real<X>> bits[kCandidates<Real<X>>];
  int32_t index[kCandidates<Real<X>>];
  int warps[2][kThreads / 32];
};

template <class X>
struct Found {
  const Shared<X>& shared;
  int count;
  LETHE_DEVICE int size() const { return count; }
  LETHE_DEVICE int index(int i) const { return shared.index[i]; }
  LETHE_DEVICE Bits<Real<X>> bits(int i) const { return shared.bits[i]; }
};

// Bits that no magnitude of the type has set: a bf16 number is the upper half of an fp32 one.
template <class X>
constexpr int kEmptyBits = sizeof(X) == 2 ? 16 : 0;

// The largest number that `rank` of the source's magnitudes reach, the target left out; 1 <= rank. Whole block. Two bits a
// round: how many reach each of its three values is counted in 21 bits of one sum.
template <class X, class Source>
LETHE_DEVICE Bits<Real<X>> ranked(const Source& source, int rank, int target) {
  using B = Bits<Real<X>>;
  constexpr unsigned long long kField = (1ull << 21) - 1;
  B result = 0;
  for (int bit = static_cast<int>(sizeof(B)) * 8 - 2; bit >= kEmptyBits<X>; bit -= 2) {
    const B base = result >> bit;
    unsigned long long reached = 0;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < source.size(); i += kThreads) {
      const B above = source.index(i) == target ? 0 : source.bits(i) >> bit;
      reached += (above > base) | (static_cast<unsigned long long>(above > base + 1) << 21) |
                 (static_cast<unsigned long long>(above > base + 2) << 42);
    }
    reached = block_sum(reached);
    const auto enough = [&](int field) { return static_cast<int>(reached >> (21 * field) & kField) >= rank; };
    result |= static_cast<B>(enough(2) ? 3 : enough(1) ? 2 : enough(0) ? 1 : 0) << bit;
  }
  return result;
}

// This thread's first place when each thread of the block adds `count` to what `total` holds, which grows by all.
LETHE_DEVICE int place(int count, int (&warps)[kThreads / 32], int& total) {
  int before = count;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const int other = __shfl_up_sync(0xFFFFFFFFu, before, step);
    if (static_cast<int>(threadIdx.x % 32) >= step) before += other;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 31) warps[threadIdx.x / 32] = before;
  __syncthreads();
  int start = total;
  for (int w = 0; w < kThreads / 32; ++w) {
    if (w < static_cast<int>(threadIdx.x / 32)) start += warps[w];
    total += warps[w];
  }
  return start + before - count;
}

// Collects the row's numbers that reach the threshold, and the target. Returns how many reach it without the target,
// and in `square` this thread's share of the row's squares. The first kCandidates are kept.
template <class X>
LETHE_DEVICE int collect(const Row<X>& row, Bits<Real<X>> threshold, Shared<X>& shared, Real<X>& square) {
  using R = Real<X>;
  constexpr int kWords = 2, kWord = static_cast<int>(16 / sizeof(X)), N = kWords * kWord;  // neighbours, a thread
  const int columns = row.size(), target = static_cast<int>(row.target);
  const bool wide = reinterpret_cast<uintptr_t>(row.x) % 16 == 0;
  const auto read = [&](int j, X(&to)[N]) {
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      if (wide && j + (w + 1) * kWord <= columns) {
        const uint4 word = *reinterpret_cast<const uint4*>(row.x + j + w * kWord);
        memcpy(to + w * kWord, &word, sizeof word);
        continue;
      }
#pragma unroll
      for (int i = w * kWord; i < (w + 1) * kWord; ++i) to[i] = j + i < columns ? row.x[j + i] : X{};
    }
  };
  int total = 0;
  square = 0;
  X next[N];
  read(static_cast<int>(threadIdx.x) * N, next);  // always a step ahead: the counting waits for the whole block
  for (int first = 0; first < columns; first += kThreads * N) {
    const int j = first + static_cast<int>(threadIdx.x) * N;
    X values[N];
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = next[i];
    read(j + kThreads * N, next);
    unsigned passes = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const R value = widen(values[i]);
      square += value * value;
      const bool pass = j + i < columns && (magnitude(value) >= threshold || j + i == target);
      passes |= static_cast<unsigned>(pass) << i;
    }
    int at = place(__popc(passes), shared.warps[0], total);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if ((passes >> i & 1) == 0 || at >= kCandidates<R>) continue;
      shared.bits[at] = magnitude(widen(values[i]));
      shared.index[at++] = j + i;
    }
  }
  __syncthreads();
  return total - 1;
}

// A threshold that about as many numbers reach as the chosen rank of the sample says, with some deviations of it as margin:
// at four one row in 100,000 has to fall back, at two it was one in 50, and each of those looks at its row nine times.
template <class X>
LETHE_DEVICE Bits<Real<X>> guess(const Row<X>& row, int k, Shared<X>& shared) {
  const int stride = max(1, static_cast<int>(row.columns) / kSample);
  const int size = min((static_cast<int>(row.columns) + stride - 1) / stride, kCandidates<Real<X>>);
  for (int i = static_cast<int>(threadIdx.x); i < size; i += kThreads) {
    shared.bits[i] = row.bits(i * stride);
    shared.index[i] = i;
  }
  __syncthreads();
  const float expected = static_cast<float>(k) * static_cast<float>(size) / static_cast<float>(row.columns);
  constexpr float kMargin = sizeof(Real<X>) == 8 ? 2 : 4;  // fp64 has room for fewer candidates
  const int rank = static_cast<int>(expected + kMargin * sqrt(expected) + kMargin);
  return rank > size ? Bits<Real<X>>{0} : ranked<X>(Found<X>{shared, size}, rank, -1);
}

template <class X, class T>
struct Output {
  bool narrow;
  void* index;
  T* values;
  Real<X> factor;
};

// Writes the target and the k - 1 largest of the others in the source's order. Returns this thread's share of the
// chosen squares; bad: a stored number is not finite.
template <class X, class T, class Source>
LETHE_DEVICE double emit(const Row<X>& row, const Source& source, int k, Shared<X>& shared, const Output<X, T>& out,
                         bool& bad) {
  using B = Bits<Real<X>>;
  const int target = static_cast<int>(row.target);
  B limit = ~B{0};
  int equal = 0;  // how many of those at the limit are chosen
  if (k > 1) {
    limit = ranked<X>(source, k - 1, target);
    int larger = 0;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < source.size(); i += kThreads)
      larger += source.bits(i) > limit && source.index(i) != target;
    equal = k - 1 - block_sum(larger);
  }
  double squares = 0;
  int equals_seen = 0, written = 0;
#pragma unroll 1
  for (int first = 0; first < source.size(); first += kThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    const bool inside = i < source.size();
    const int index = inside ? source.index(i) : -1;
    const bool ties = inside && index != target && source.bits(i) == limit;
    const int rank = place(ties, shared.warps[0], equals_seen);
    const bool chosen = inside && (index == target || (ties ? rank < equal : source.bits(i) > limit));
    const int at = place(chosen, shared.warps[1], written);
    if (!chosen) continue;
    const auto value = widen(row.x[index]);
    const T stored = narrow<T>(out.factor * value);
    squares += static_cast<double>(value) * static_cast<double>(value);
    bad |= not_finite(stored);
    out.values[at] = stored;
    if (out.narrow) {
      static_cast<uint16_t*>(out.index)[at] = static_cast<uint16_t>(index);
    } else {
      static_cast<int32_t*>(out.index)[at] = index;
    }
  }
  return squares;
}

template <class X, class T>
__global__ void __launch_bounds__(kThreads, sizeof(Real<X>) == 8 ? 2 : 4) select_row(TopKScatter job, Staging staging) {
  __shared__ Shared<X> shared;
  const int64_t which = blockIdx.x;
  const int k = static_cast<int>(job.k);
  const Row<X> row{static_cast<const X*>(job.errors) + which * job.stride, job.columns, job.targets[which]};
  Real<X> square;
  const int found = collect(row, guess(row, k, shared), shared, square);
  const double total = block_sum(static_cast<double>(square));
  if (threadIdx.x == 0) job.total[which] = total;
  bool bad = !(total - total == 0);

  const int32_t record = staging.record[which];
  const int64_t first = staging.position[which] * job.k;
  auto* base = static_cast<char*>(staging.staging);
  const Output<X, T> out{job.narrow, base + job.index_places[record] + first * (job.narrow ? 2 : 4),
                         reinterpret_cast<T*>(base + job.value_places[record]) + first,
                         factor_of<Real<X>>(staging, record)};
  double kept;
  if (found >= k - 1 && found < kCandidates<Real<X>>) {
    kept = emit(row, Found<X>{shared, found + 1}, k, shared, out, bad);
  } else {
    kept = emit(row, row, k, shared, out, bad);
  }
  kept = block_sum(kept);
  if (__syncthreads_count(bad) > 0 && threadIdx.x == 0) report(staging, record);
  if (threadIdx.x == 0) job.kept[which] = kept;
}

}  // namespace

Status top_k_scatter(const TopKScatter& job, const Staging& staging, Stream stream) {
  if (job.rows == 0) return 0;
  if (job.k < 1 || job.k > 1024 || job.k > job.columns || job.columns > 1 << 17) return kInvalid;
  return with_capture_types(job.x_type, job.out_type, [&](auto x, auto out) {
    return launch(select_row<typename decltype(x)::type, typename decltype(out)::type>,
                  dim3(static_cast<unsigned>(job.rows)), dim3(kThreads), stream, job, staging);
  });
}

}  // namespace lethe::kernels
