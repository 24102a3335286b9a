// Token and, where there is one, position embedding, and the sums of rows into table rows that are its backward pass.
//
// Bytes moved an element: embed reads two table rows and writes
// one, 3 sizeof(element); add_rows reads each row once and reads and writes each touched table row, sizeof(x) + 8 /
// (rows a group). A group's rows are dealt to eight warps and their sums added in order, so the result is always the
// same.
#include "device.h"

namespace lethe::kernels {
namespace {

// A warp a row.
template <class T, class Table, int N>
__global__ void __launch_bounds__(256)
    embed_rows(const Table* __restrict__ tokens_table, const Table* __restrict__ positions_table,
               const int32_t* __restrict__ tokens, const int32_t* __restrict__ positions, int64_t rows, int64_t columns,
               T* __restrict__ out) {
  const int64_t row = int64_t{blockIdx.x} * kGroups + threadIdx.y;
  if (row >= rows) return;
  const Table* token = tokens_table + tokens[row] * columns;
  const Table* position = positions_table == nullptr ? nullptr : positions_table + positions[row] * columns;
  for (int64_t j = threadIdx.x * N; j < columns; j += 32 * N) {
    Real<Table> a[N], b[N] = {};
    load<N>(token + j, a);
    if (position != nullptr) load<N>(position + j, b);
#pragma unroll
    for (int i = 0; i < N; ++i) a[i] += b[i];
    store_narrow<T, N>(a, out + row * columns + j);
  }
}

template <class X, int N>
struct Groups {
  const X* __restrict__ x;
  const int32_t* __restrict__ ids;
  const int32_t* __restrict__ starts;
  const int32_t* __restrict__ rows;
  const Real<X>* __restrict__ values;
  int64_t columns;
  Real<X>* __restrict__ table;
};

// blockIdx.x: group, blockIdx.y: tile of columns. Four rows of a warp are in flight at once.
template <class X, int N>
__global__ void __launch_bounds__(256) add_group(Groups<X, N> g) {
  constexpr int kFlight = 4;
  using R = Real<X>;
  const int64_t column = (int64_t{blockIdx.y} * 32 + threadIdx.x) * N;
  const bool inside = column < g.columns;
  const int32_t begin = g.starts[blockIdx.x], end = g.starts[blockIdx.x + 1];
  R sums[N] = {};
  for (int32_t p = begin + static_cast<int32_t>(threadIdx.y); inside && p < end; p += kGroups * kFlight) {
    R part[kFlight][N];
#pragma unroll
    for (int u = 0; u < kFlight; ++u) {
      const int32_t at = p + u * kGroups;
      if (at < end) load<N>(g.x + g.rows[at] * g.columns + column, part[u]);
    }
#pragma unroll
    for (int u = 0; u < kFlight; ++u) {
      const int32_t at = p + u * kGroups;
      if (at >= end) continue;
      const R value = g.values == nullptr ? R{1} : g.values[at];
#pragma unroll
      for (int i = 0; i < N; ++i) sums[i] += value * part[u][i];
    }
  }
  if (end - begin > 1) add_groups<N>(sums, min(end - begin, kGroups));
  if (threadIdx.y != 0 || !inside || begin == end) return;
  R* to = g.table + g.ids[blockIdx.x] * g.columns + column;
  R old[N];
  load<N>(to, old);
#pragma unroll
  for (int i = 0; i < N; ++i) old[i] += sums[i];
  store<N>(old, to);
}

template <class T, class Table>
Status embed_as(const Embed& job, Stream stream) {
  return with_width<kWide<T, Table>>(
      job.columns,
      [&](auto n) {
        return launch(embed_rows<T, Table, n()>, dim3(blocks(job.rows, kGroups)), tile_block(), stream,
                      static_cast<const Table*>(job.token_table), static_cast<const Table*>(job.position_table),
                      job.tokens, job.positions, job.rows, job.columns, static_cast<T*>(job.out));
      },
      job.token_table, job.position_table, job.out);
}

template <class X>
Status add_as(const AddRows& job, Stream stream) {
  return with_width<kWide<X, Real<X>>>(
      job.columns,
      [&](auto n) {
        const Groups<X, n()> groups{static_cast<const X*>(job.x),
                                    job.ids,
                                    job.starts,
                                    job.rows,
                                    static_cast<const Real<X>*>(job.values),
                                    job.columns,
                                    static_cast<Real<X>*>(job.table)};
        const dim3 grid(static_cast<unsigned>(job.groups), blocks(job.columns, 32 * n()));
        return launch(add_group<X, n()>, grid, tile_block(), stream, groups);
      },
      job.x, job.table);
}

}  // namespace

Status embed(const Embed& job, Stream stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  return with_types(job.out_type, job.table_type, [&](auto out, auto table) {
    return embed_as<typename decltype(out)::type, typename decltype(table)::type>(job, stream);
  });
}

Status add_rows(const AddRows& job, Stream stream) {
  if (job.groups == 0 || job.columns == 0) return 0;
  return with_type(job.x_type, [&](auto x) { return add_as<typename decltype(x)::type>(job, stream); });
}

}  // namespace lethe::kernels
