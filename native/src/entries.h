// Arithmetic over captured entries that never makes a record's gradient dense: weighted sums, inner products with a
// vector, and all inner products of each other. Entries are checked by EntrySet; errors are Refusals.
#pragma once

#include <cstdint>

#include "entry_set.h"
#include "guard.h"

namespace lethe {

// vector += sum_i coefficients[i] * g_i on the chosen sites.
void accumulate(const EntrySet& set, const double* coefficients, lethe_vector& vector, const Cancel& cancel);

// out [M, N, S]: <g_i, vectors[m]> site by site, 0 where not chosen.
void dot(const EntrySet& set, const std::vector<const lethe_vector*>& vectors, double* out, const Cancel& cancel);

// out [M, N, S]: <g_i, q_m>, both factored; every held site of the queries counts where it shares a tensor.
void cross(const EntrySet& set, const EntrySet& queries, double* out, const Cancel& cancel);

// out [N, S]: <g_i, g_i>.
void squared_norms(const EntrySet& set, double* out, const Cancel& cancel);

// How an inner product of two gradients at a matrix is computed. kFactored: <A_i A_jᵀ, G_i G_jᵀ>, good for short records.
// kDense: the gradients themselves, a bounded chunk of the matrix at a time, good for long ones.
enum class GramForm { kCheapest, kFactored, kDense };

// out [N, N]: <g_i, g_j> summed over the chosen sites.
void gram(const EntrySet& set, int64_t scratch_bytes, GramForm form, double* out, const Cancel& cancel);

}  // namespace lethe
