// Selection of the k largest magnitudes of each row of errors, the target always among them, written to the staging
// buffer in rising order of index; equal magnitudes go to the lower index, as topk.cpp has it.
//
// A block a row. With the target in, the rest are the k - 1
// largest of the others. A threshold guessed from a strided sample lets one look at the row note in a bit each which numbers
// reach it, without a barrier; those are the candidates, collected in shared memory in order of index, and the (k - 1)-th
// largest of them is found two bits at a time, by a warp that counts. A guess that
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
// What fits in 48 KB of shared memory beside a bit a column and the little else.
template <class R>
constexpr int kCandidates = sizeof(R) == 8 ? 2048 : 3072;
constexpr int kEach = 16;  // neighbours that a thread looks at
constexpr int kMostColumns = 1 << 17;

template <class X>
struct Row {
  using R = Real<X>;
  const X* __restrict__ x;
  int64_t columns, target;
  LETHE_DEVICE int size() const { return static_cast<int>(columns); }
  LETHE_DEVICE int index(int i) const { return i; }
  LETHE_DEVICE Bits<R> magnitude_at(int i) const { return magnitude(widen(x[i])); }
  LETHE_DEVICE Bits<R> bits(int i) const { return i == target ? 0 : magnitude_at(i); }
};

template <class X>
struct Shared {
  Bits<Real<X>> bits[kCandidates<Real<X>>];
  int32_t index[kCandidates<Real<X>>];
  uint16_t passes[kMostColumns / kEach];
  Bits<Real<X>> limit;
  int warps[2][kThreads / 32];
};

// Magnitudes in order of index, the target's taken for 0.
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

// The largest number that `rank` of the source's magnitudes reach, the target left out; 1 <= rank. By kWorkers threads,
// the first warp or the whole block, for which add(x) is the sum of x. Two bits a round: how many reach each of its three
// values is counted in 21 bits of one sum.
template <class X, int kWorkers, class Source, class Add>
LETHE_DEVICE Bits<Real<X>> ranked(const Source& source, int rank, Add&& add) {
  using B = Bits<Real<X>>;
  constexpr unsigned long long kField = (1ull << 21) - 1;
  B result = 0;
  for (int bit = static_cast<int>(sizeof(B)) * 8 - 2; bit >= kEmptyBits<X>; bit -= 2) {
    const B base = result >> bit;
    int one = 0, two = 0, three = 0;
#pragma unroll 4
    for (int i = static_cast<int>(threadIdx.x); i < source.size(); i += kWorkers) {
      const B above = source.bits(i) >> bit;
      one += above > base, two += above > base + 1, three += above > base + 2;
    }
    const unsigned long long reached = add(static_cast<unsigned long long>(one) |
                                           (static_cast<unsigned long long>(two) << 21) |
                                           (static_cast<unsigned long long>(three) << 42));
    const auto enough = [&](int field) { return static_cast<int>(reached >> (21 * field) & kField) >= rank; };
    result |= static_cast<B>(enough(2) ? 3 : enough(1) ? 2 : enough(0) ? 1 : 0) << bit;
  }
  return result;
}

template <class X>
LETHE_DEVICE Bits<Real<X>> limit_of(const Row<X>& row, int rank, Shared<X>& /*shared*/) {
  return ranked<X, kThreads>(row, rank, [](unsigned long long x) { return block_sum(x); });
}
// Few numbers: a warp's sums are cheaper than the block's barriers.
template <class X>
LETHE_DEVICE Bits<Real<X>> limit_of(const Found<X>& found, int rank, Shared<X>& shared) {
  if (threadIdx.x < 32) {
    const auto limit = ranked<X, 32>(found, rank, [](unsigned long long x) { return warp_sum(x); });
    if (threadIdx.x == 0) shared.limit = limit;
  }
  __syncthreads();
  return shared.limit;
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

// Every second bit of what its lower 8 bits were.
LETHE_DEVICE uint32_t spread(uint32_t x) {
  x = (x | x << 4) & 0x0F0Fu;
  x = (x | x << 2) & 0x3333u;
  return (x | x << 1) & 0x5555u;
}

// A bit each for those of these neighbours that reach the threshold.
template <class X>
LETHE_DEVICE uint32_t passing(const X (&values)[kEach], Bits<Real<X>> threshold) {
  uint32_t passes = 0;
  if constexpr (sizeof(X) == 2) {  // two in a word: a sum's top bit is set where a number of 15 bits reaches the other
    const uint32_t rest = (0x8000u - static_cast<uint32_t>(threshold >> 16)) * 0x10001u;
    uint32_t tops = 0;
#pragma unroll
    for (int i = 0; i < kEach; i += 2) {
      uint32_t word;
      memcpy(&word, values + i, sizeof word);
      tops = tops >> 1 | (((word & 0x7FFF7FFFu) + rest) & 0x80008000u);
    }
    passes = spread(tops >> 8 & 0xFFu) | spread(tops >> 24) << 1;
  } else {
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      passes |= static_cast<uint32_t>(magnitude(widen(values[i])) >= threshold) << i;
  }
  return passes;
}

// Collects the row's numbers that reach the threshold, which is not 0, and the target. Returns how many reach it without
// the target, and in `square` this thread's share of the row's squares. The first kCandidates are kept.
template <class X>
LETHE_DEVICE int collect(const Row<X>& row, Bits<Real<X>> threshold, Shared<X>& shared, Real<X>& square) {
  using R = Real<X>;
  constexpr int kWord = static_cast<int>(16 / sizeof(X));
  const int columns = row.size(), target = static_cast<int>(row.target);
  const bool wide = reinterpret_cast<uintptr_t>(row.x) % 16 == 0;
  const auto read = [&](int j, X(&to)[kEach]) {
#pragma unroll
    for (int w = 0; w < kEach; w += kWord) {
      if (wide && j + w + kWord <= columns) {
        const uint4 word = *reinterpret_cast<const uint4*>(row.x + j + w);
        memcpy(to + w, &word, sizeof word);
        continue;
      }
#pragma unroll
      for (int i = w; i < w + kWord; ++i) to[i] = j + i < columns ? row.x[j + i] : X{};
    }
  };
  const int thread = static_cast<int>(threadIdx.x);
  square = 0;
  X next[kEach];
  read(thread * kEach, next);  // always a step ahead
  for (int j = thread * kEach; j < columns; j += kThreads * kEach) {
    X values[kEach];
#pragma unroll
    for (int i = 0; i < kEach; ++i) values[i] = next[i];
    read(j + kThreads * kEach, next);
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const R value = widen(values[i]);
      square += value * value;
    }
    uint32_t passes = passing(values, threshold);
    if (target >= j && target < j + kEach) passes |= 1u << (target - j);
    shared.passes[j / kEach] = static_cast<uint16_t>(passes);
  }
  __syncthreads();
  const int words = (columns + kEach - 1) / kEach, each = (words + kThreads - 1) / kThreads;
  const int first = thread * each, last = min(first + each, words);
  int count = 0, total = 0;
  for (int w = first; w < last; ++w) count += __popc(shared.passes[w]);
  int at = place(count, shared.warps[0], total);
  for (int w = first; w < last; ++w) {
    for (unsigned left = shared.passes[w]; left != 0 && at < kCandidates<R>; left &= left - 1)
      shared.index[at++] = w * kEach + __popc((left & (0u - left)) - 1);
  }
  __syncthreads();
  for (int i = thread; i < min(total, kCandidates<R>); i += kThreads) shared.bits[i] = row.bits(shared.index[i]);
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
    shared.bits[i] = row.magnitude_at(i * stride);
  }
  __syncthreads();
  const float expected = static_cast<float>(k) * static_cast<float>(size) / static_cast<float>(row.columns);
  constexpr float kMargin = sizeof(Real<X>) == 8 ? 2 : 4;  // fp64 has room for fewer candidates
  const int rank = static_cast<int>(expected + kMargin * sqrt(expected) + kMargin);
  // 0 stands for what is beyond the row's end.
  constexpr Bits<Real<X>> kLeast = Bits<Real<X>>{1} << kEmptyBits<X>;
  return rank > size ? kLeast : max(kLeast, limit_of(Found<X>{shared, size}, rank, shared));
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
    limit = limit_of(source, k - 1, shared);
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
  if (job.k < 1 || job.k > 1024 || job.k > job.columns || job.columns > kMostColumns) return kInvalid;
  return with_capture_types(job.x_type, job.out_type, [&](auto x, auto out) {
    return launch(select_row<typename decltype(x)::type, typename decltype(out)::type>,
                  dim3(static_cast<unsigned>(job.rows)), dim3(kThreads), stream, job, staging);
  });
}

}  // namespace lethe::kernels
