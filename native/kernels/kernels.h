// Launchers of Lethe's own CUDA kernels: raw device pointers, sizes and a stream; no torch header, no CUDA header.
//
// Every launcher enqueues on the stream and returns at once with the launch's own error (0 = enqueued; describe() gives
// its text; 1, invalid value, for a combination of types that does not exist). An error inside a kernel shows at the
// stream's next synchronisation, as CUDA's errors do. Nothing is thrown or allocated, nothing waits for the device, so
// all of it can be captured in a CUDA graph. A size of 0 is allowed and launches nothing. The caller sizes scratch.
//
// Matrices are row-major and contiguous unless a stride is given. "Real" is double where an Element is kF64 and float
// otherwise: parameters, statistics and gradients of parameters are Real, sums run in Real or in fp64. Pointers need the
// alignment of their element; 16-byte aligned pointers and row lengths that are multiples of 8 take the vector path,
// every other shape a slower one with the same results. Index arrays lie on the device and are trusted.
//
// Deterministic: no floating-point atomics; chunks depend on sizes alone and are added up in a fixed order, so the same
// input gives the same bytes on one architecture. Numerics are tested by emulation and, where there is one, on a GPU
// (native/test/kernels_*); bench/gpu/results has what they take in a training step.
#pragma once

#include <cstdint>

struct CUstream_st;

namespace lethe::kernels {

using Stream = CUstream_st*;
using Status = int;  // a cudaError_t

enum class Element : int32_t { kF32 = 0, kF64 = 1, kBF16 = 3 };  // LETHE_F32, LETHE_F64, LETHE_BF16

const char* describe(Status status);

// ---- embedding.cu

// out[r] = token_table[tokens[r]] + position_table[positions[r]], or the token's row alone. Types (out, table): F32
// F32, BF16 BF16, F32 BF16, BF16 F32, F64 F64.
struct Embed {
  Element out_type, table_type;
  const void* token_table;     // [V, columns] table_type
  const void* position_table;  // [context, columns] table_type, or NULL
  const int32_t* tokens;       // [rows]
  const int32_t* positions;    // [rows]
  int64_t rows, columns;
  void* out;  // [rows, columns] out_type
};
Status embed(const Embed& job, Stream stream);

// table[ids[u]] += sum over p in [starts[u], starts[u + 1]) of values[p] * x[rows[p]], for ids that are all different
// (tables.h groups them). Backward of both embeddings, and ascent along stored scatter and top-k rows.
struct AddRows {
  Element x_type;         // F32, BF16 or F64
  const void* x;          // [*, columns] x_type
  const int32_t* ids;     // [groups]
  const int32_t* starts;  // [groups + 1]
  const int32_t* rows;    // [starts[groups]]
  const void* values;     // [starts[groups]] Real; NULL = 1
  int64_t groups, columns;
  void* table;  // [*, columns] Real, inout; no row of it is x's
};
Status add_rows(const AddRows& job, Stream stream);

// ---- gather.cu

// out[r] = index[r] < 0 ? zeros : x[index[r]], rows of row_bytes bytes. Scatter is the gather of the inverse index.
Status gather_rows(const void* x, const int32_t* index, int64_t rows, int64_t row_bytes, void* out, Stream stream);
// out[i] = x[i] in another type: F32 <-> BF16, F64 <-> F32.
Status cast(Element x_type, const void* x, Element out_type, void* out, int64_t count, Stream stream);
// out[r] = factors[r] * x[r]; x_type and out_type F32 or BF16 in any combination, or both F64. factors [rows] fp64.
// In place when the types are equal.
struct ScaleRows {
  Element x_type, out_type;
  const void* x;          // [rows, columns]
  const double* factors;  // [rows]
  int64_t rows, columns;
  void* out;  // [rows, columns]
};
Status scale_rows(const ScaleRows& job, Stream stream);

// ---- layer_norm.cu

// What a norm looks at: in each row `each` stretches of `columns` numbers side by side, normed one by one (a whole row is
// one; or a row's heads). Rows of x, out, output and stream begin `stride` numbers apart.
struct NormRows {
  int64_t rows, each, columns, stride;
};

// out = (x - mean) * scale * weight + bias a stretch, scale = 1 / sqrt(variance + epsilon). RMS: the mean is 0, and x *
// scale is rounded to out_type before weight takes it. Types (x, out): F32 F32, F32 BF16, BF16 BF16, BF16 F32, F64 F64.
struct LayerNorm {
  Element x_type, out_type;
  bool rms;
  const void* x;       // x_type
  const void* weight;  // [columns] Real
  const void* bias;    // [columns] Real, or NULL
  double epsilon;
  NormRows rows;
  void* statistics;  // [2, rows, each] Real: mean, scale; written
  void* out;         // out_type
};
Status layer_norm(const LayerNorm& job, Stream stream);

// ---- layer_norm_backward.cu

// The rows of a ragged batch in chunks of at most kChunkRows that cross no record's border; tables.h makes them.
constexpr int64_t kChunkRows = 32;
struct RowChunks {
  const int32_t* starts;   // [count + 1] device; chunk i is rows starts[i] .. starts[i + 1)
  const int32_t* records;  // [record_count + 1] device; record b's chunks are records[b] .. records[b + 1)
  int64_t count, record_count;
};

// stream += gradient at x; d_weight, d_bias and, when wanted, the same sums record by record (not divided by weights).
// Types (stream, output): F32 F32, F32 BF16, BF16 BF16, F64 F64.
struct LayerNormBackward {
  Element stream_type;  // of x and stream
  Element output_type;
  bool rms;
  const void* x;           // the norm's input
  const void* statistics;  // [2, rows, each] Real
  const void* weight;      // [columns] Real
  const void* output;      // gradient at the norm's output
  RowChunks chunks;
  NormRows rows;
  bool overwrite_stream;  // stream = instead of +=
  void* stream;           // inout; may not be x or output
  void* partials;         // [chunks.count, each, 2 or, without d_bias, 1, columns] Real scratch
  bool accumulate;        // d_weight, d_bias += instead of =
  void* d_weight;         // [columns] Real
  void* d_bias;           // [columns] Real, or NULL
  void* record_weight;    // [record_count, columns] Real, rows record_stride apart, or NULL with record_bias
  void* record_bias;      // as record_weight; not written without d_bias
  int64_t record_stride;
};
Status layer_norm_backward(const LayerNormBackward& job, Stream stream);

// ---- activation.cu

enum class Activation : int32_t { kGeluTanh = 0, kGelu = 1, kRelu = 2, kSilu = 3, kTanh = 4 };  // as architecture.h's

// out = f(x + bias); gated: f(gate) * up of x [rows, 2 columns], without a bias. type F32, BF16 or F64 for x and out.
struct Activate {
  Activation kind;
  bool gated;
  Element type;
  const void* x;     // [rows, columns], without bias
  const void* bias;  // [columns] Real, or NULL
  int64_t rows, columns;
  void* out;  // [rows, columns]; may be x when not gated
};
Status activate(const Activate& job, Stream stream);

// Blocks of rows of two-stage column sums, and the Reals of scratch they take: row_blocks(rows) * columns.
constexpr int64_t kRowBlock = 32, kMostRowBlocks = 512;
constexpr int64_t rows_a_block(int64_t rows) {
  const int64_t least = (rows + kMostRowBlocks - 1) / kMostRowBlocks;
  return least <= kRowBlock ? kRowBlock : (least + kRowBlock - 1) / kRowBlock * kRowBlock;
}
constexpr int64_t row_blocks(int64_t rows) { return (rows + rows_a_block(rows) - 1) / rows_a_block(rows); }

// gradient *= f'(x + bias); with d_bias, also its column sums, from the numbers as stored.
struct ActivateBackward {
  Activation kind;
  Element type;
  const void* x;     // [rows, columns], without bias
  const void* bias;  // [columns] Real, or NULL
  int64_t rows, columns;
  void* gradient;   // [rows, columns] inout
  void* d_bias;     // [columns] Real or NULL
  bool accumulate;  // d_bias += instead of =
  void* partials;   // [row_blocks(rows), columns] Real scratch; NULL without d_bias
};
Status activate_backward(const ActivateBackward& job, Stream stream);

// d_x, the gradient at [gate, up], from the one at f(gate) * up.
struct GateBackward {
  Activation kind;
  Element type;
  const void* x;         // [rows, 2 columns]
  const void* gradient;  // [rows, columns]
  int64_t rows, columns;
  void* d_x;  // [rows, 2 columns]
};
Status gate_backward(const GateBackward& job, Stream stream);

// ---- rotary.cu

// Where a row's heads of queries and keys begin: `step` apart, queries from 0 on, keys from first_key on.
struct Heads {
  int64_t queries, keys, step, first_key, width;  // width: of a row
};
// Of each head's first `size` numbers the i-th and the (i + size / 2)-th, (a, b), become (a cos - b sin, b cos + a
// sin), cos and sin being those of the row's position and i. Back: by the angles' negatives. type F32, BF16 or F64.
struct Turn {
  Element type;
  void* x;  // [rows, width] inout
  int64_t rows;
  Heads heads;
  int64_t size;     // even, 0 = nothing turns
  const void* cos;  // [*, size / 2] Real
  const void* sin;
  const int32_t* positions;  // [rows]
  bool back;
};
Status turn(const Turn& job, Stream stream);

// ---- bias.cu

// out = x + y + bias a row; y and bias may be NULL. Types (x and out, y): F32 F32, F32 BF16, BF16 BF16, F64 F64.
struct AddBias {
  Element x_type, y_type;
  const void* x;     // [rows, columns] x_type: the residual stream
  const void* y;     // [rows, columns] y_type, or NULL
  const void* bias;  // [columns] Real, or NULL
  int64_t rows, columns;
  void* out;  // [rows, columns] x_type; may be x
};
Status add_bias(const AddBias& job, Stream stream);

// ---- column_sums.cu

// out [columns] Real = or += sums over rows of up to three matrices side by side; columns = the sum of their widths.
struct ColumnSums {
  Element type;
  const void* x[3];   // [rows, widths[i]] each
  int64_t widths[3];  // 0 where there is none
  int64_t rows;
  void* joined;    // [rows, columns] the matrices side by side, written; or NULL
  void* partials;  // [row_blocks(rows), columns] Real scratch
  bool accumulate;
  void* out;
};
Status column_sums(const ColumnSums& job, Stream stream);

// ---- softmax.cu

// As RowScores of ops.h, on the device: [rows] each, NULL = not wanted.
struct DeviceScores {
  double* loss;         // -log p(target)
  double* mean;         // E[log p] under p
  double* deviation;    // standard deviation of log p under p
  double* mean_logit;   // E[logit] under p minus the target's logit
  uint8_t* greedy_hit;  // 1 when the target is the first of the largest logits
};
struct Logits {
  Element type;  // F32, BF16 or F64
  void* logits;  // [rows, stride], columns of them in use; a stride that is a multiple of 8 is fastest (V 50257: 50264)
  int64_t rows, columns, stride;
  const int32_t* targets;  // [rows] in 0 .. columns
};
Status softmax_scores(const Logits& job, const DeviceScores& scores, Stream stream);  // logits are only read
// Scores, and logits become errors: scales[r] * (softmax - one-hot); columns .. stride become zero. scales [rows] fp64.
Status softmax_errors(const Logits& job, const double* scales, const DeviceScores& scores, Stream stream);

// ---- divergence.cu

// divergences[r] = KL(q || p), q the softmax of the reference's row and p that of the logits', in fp64; logits become
// scales[r] * (p - q), columns .. stride zero.
struct Divergence {
  Element type;
  void* logits;           // [rows, stride], columns of them in use
  const void* reference;  // likewise
  int64_t rows, columns, stride;
  const double* scales;  // [rows]
  double* divergences;   // [rows]
};
Status divergence_errors(const Divergence& job, Stream stream);

// ---- labels.cu

// Errors scales[r] * (softmax - one-hot of targets[r]): the one-hot moves to the first column up to and with which the
// softmax adds up to more than drawn[r], in fp64.
struct DrawLabels {
  Element type;
  void* errors;  // [rows, stride], columns of them in use; inout
  int64_t rows, columns, stride;
  const int32_t* targets;  // [rows]
  const double* scales;    // [rows]
  const double* drawn;     // [rows] in 0 .. 1
};
Status draw_labels(const DrawLabels& job, Stream stream);

// ---- flat.cu: whole flat buffers, over chunks of chosen segments

// A stretch of a flat buffer, at most kFlatChunk elements of one segment; tables.h cuts segments into these.
constexpr int64_t kFlatChunk = 8192;
struct FlatChunk {
  int64_t begin;    // a multiple of 16 takes the vector path
  int32_t count;    // 1 .. kFlatChunk
  int32_t decayed;  // weight decay applies: part of a 2-D tensor
};
struct FlatChunks {
  const FlatChunk* chunks;  // [count] device
  int64_t count;
};

// *out = <a, b> over the chunks, in fp64. real F32 or F64. partials: [chunks.count] scratch; out on the device.
Status flat_dot(Element real, const void* a, const void* b, FlatChunks chunks, double* partials, double* out, Stream stream);
// y += a x over the chunks, and shadow (bf16, whole buffer's indices; may be NULL) = y there.
struct FlatAxpy {
  Element real;  // F32 or F64 for x and y
  double a;
  const void* x;
  FlatChunks chunks;
  void* y;
  void* shadow;
};
Status flat_axpy(const FlatAxpy& job, Stream stream);

// ---- adamw.cu

// What changes from step to step lies on the device, so that a captured graph can be replayed with new numbers.
struct AdamWStep {
  double max_norm;        // 0 = no clipping
  double beta1, beta2, epsilon;
  double decay_factor;    // 1 - learning_rate * weight_decay
  double step_size;       // learning_rate / (1 - beta1^step)
  double inverse_root2;   // 1 / sqrt(1 - beta2^step)
};
struct GradientNorm {
  double norm;      // before clipping
  double clip;      // min(1, max_norm / (norm + 1e-6)), 1 without clipping
  int64_t finite;   // 0: the norm is not finite and the step that follows leaves everything as it was
  int64_t skipped;  // += 1 at each norm that is not finite; the host clears it
};
// Norm of the gradient over the chunks, summed in fp64. partials: [chunks.count] scratch; step and result on the device.
Status gradient_norm(Element real, const void* gradient, FlatChunks chunks, const AdamWStep* step, double* partials,
                     GradientNorm* result, Stream stream);
struct AdamW {
  Element real;  // F32 or F64, of gradient, parameter and moments
  const AdamWStep* step;     // device
  const GradientNorm* norm;  // device, as gradient_norm left it
  const void* gradient;      // not changed
  FlatChunks chunks;
  void* parameter;
  void* moment1;
  void* moment2;
  void* shadow;  // bf16 parameters, may be NULL
};
Status adamw(const AdamW& job, Stream stream);

// ---- capture.cu

// Rows of a batch or of a chunk of it, and where each record's rows go in a staging buffer.
struct Staging {
  const int32_t* record;    // [rows] which record a row is of
  const int32_t* position;  // [rows] which of its rows
  const double* factors;    // [B] 1 / weights[b]; NULL = 1
  void* staging;            // device memory, or pinned host memory that the device can write
  int64_t site, site_count;
  uint64_t* first_bad;  // device, inout: min over all numbers not finite of record * site_count + site; starts all ones
};
// staging + places[b] + position * columns * size(out_type) = factors[b] * x[row], rounded to nearest even.
// x_type and out_type F32 or BF16 in any combination, F64 to any. Test for not finite: the stored number.
struct CastScatter {
  Element x_type, out_type;
  const void* x;  // [rows, stride], columns of them in use
  int64_t rows, columns, stride;
  const int64_t* places;  // [B] bytes, multiples of the element's size
};
Status cast_scatter(const CastScatter& job, const Staging& staging, Stream stream);

// ---- topk.cu

// The k largest |errors| of each row, the target always among them, equal ones by the lower index, in rising order of
// index, exactly as topk.cpp chooses. V up to 2^17, 1 <= k <= min(V, 1024). Rows that are not finite get some k indices.
struct TopKScatter {
  Element x_type, out_type;  // as CastScatter
  const void* errors;        // [rows, stride], columns of them in use
  const int32_t* targets;    // [rows]
  int64_t rows, columns, stride, k;
  bool narrow;                    // indices uint16 instead of int32
  const int64_t* index_places;    // [B] bytes; row t of record b goes to + t * k * (2 or 4)
  const int64_t* value_places;    // [B] bytes; + t * k * size(out_type); factors[b] * errors
  double* total;                  // [rows] squares of the row, before factors
  double* kept;                   // [rows] squares of the chosen
};
Status top_k_scatter(const TopKScatter& job, const Staging& staging, Stream stream);

// ---- products.cu

// sums[b * stride] += <x + bias - minus, y> over record b's rows, in fp64; bias and minus may be NULL.
// Types (x and minus, y): F32 F32, F32 BF16, BF16 BF16, BF16 F32, F64 F64.
struct RecordProducts {
  Element x_type, y_type;
  const void* x;      // [rows, columns]
  const void* minus;  // [rows, columns] x_type, or NULL
  const void* bias;   // [columns] Real, or NULL
  const void* y;      // [rows, columns]
  RowChunks chunks;
  int64_t columns, row_stride;  // numbers from one row of x, minus and y to the next
  double* partials;  // [chunks.count] scratch
  int64_t stride;    // of sums
  double* sums;      // device
};
Status record_products(const RecordProducts& job, Stream stream);

}  // namespace lethe::kernels
