// Moving rows: embedding and its scatter, gathers for the head, biases and sums over rows.
//
// Sums into shared rows are parallel over columns, never over rows, so that every number is added up in one fixed
// order.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/sum.h>

#include <algorithm>

#include "ops.h"

namespace lethe {
namespace {

constexpr int64_t kColumnBlock = 64;

// body(first, last) over blocks of columns, each wide enough for whole cache lines.
template <class Body>
void over_columns(int64_t columns, Body&& body) {
  const int64_t blocks = (columns + kColumnBlock - 1) / kColumnBlock;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    body(begin * kColumnBlock, std::min(columns, end * kColumnBlock));
  });
}

// A table's row; NULL where there is no table.
template <class T>
T* row_of(const at::Tensor& table, int64_t index) {
  return table.defined() ? data<T>(table) + index * table.size(1) : nullptr;
}

}  // namespace

void embed(const at::Tensor& token_table, const at::Tensor& position_table, const Batch& batch, const at::Tensor& out) {
  if (token_table.defined() && token_table.scalar_type() != out.scalar_type()) {  // a base's, as its file has it
    take_rows(token_table, std::vector<int64_t>(batch.tokens(), batch.tokens() + batch.rows()), out);
    for (int64_t b = 0; position_table.defined() && b < batch.records(); ++b)
      out.narrow(0, batch.offset(b), batch.length(b)).add_(position_table.narrow(0, 0, batch.length(b)));
    return;
  }
  with_element(out.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t c = out.size(1);
    at::parallel_for(0, batch.records(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        for (int64_t row = batch.offset(b); row < batch.offset(b + 1); ++row) {
          const T* token = row_of<T>(token_table, batch.tokens()[row]);
          const T* position = row_of<T>(position_table, row - batch.offset(b));
          T* x = data<T>(out) + row * c;
          if (token == nullptr || position == nullptr) {
            std::copy_n(token == nullptr ? position : token, c, x);
            continue;
          }
#pragma omp simd
          for (int64_t j = 0; j < c; ++j) x[j] = token[j] + position[j];
        }
      }
    });
  });
}

void embed_backward(const at::Tensor& gradient, const Batch& batch, const at::Tensor& d_tokens,
                    const at::Tensor& d_positions) {
  with_element(gradient.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t c = gradient.size(1);
    over_columns(c, [&](int64_t first, int64_t last) {
      for (int64_t b = 0; b < batch.records(); ++b) {
        for (int64_t row = batch.offset(b); row < batch.offset(b + 1); ++row) {
          const T* g = data<T>(gradient) + row * c;
          for (T* to : {row_of<T>(d_tokens, batch.tokens()[row]), row_of<T>(d_positions, row - batch.offset(b))}) {
            if (to == nullptr) continue;
#pragma omp simd
            for (int64_t j = first; j < last; ++j) to[j] += g[j];
          }
        }
      }
    });
  });
}

void start_rows(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) {
  if (x.defined() && bias.defined()) {
    add_bias(x, bias, out);
  } else if (x.defined()) {
    out.copy_(x);
  } else if (bias.defined()) {
    fill_bias(bias, out);
  } else {
    out.zero_();
  }
}

void add_bias(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& out) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1);
    at::parallel_for(0, x.size(0), 16, [&](int64_t begin, int64_t end) {
      const T* b = data<T>(bias);
      for (int64_t r = begin; r < end; ++r) {
        const T* in = data<T>(x) + r * n;
        T* to = data<T>(out) + r * n;
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) to[j] = in[j] + b[j];
      }
    });
  });
}

void fill_bias(const at::Tensor& bias, const at::Tensor& out) {
  const size_t bytes = static_cast<size_t>(bias.nbytes());
  const size_t stride = static_cast<size_t>(out.stride(0)) * out.element_size();
  at::parallel_for(0, out.size(0), 16, [&](int64_t begin, int64_t end) {
    char* to = static_cast<char*>(out.mutable_data_ptr());
    for (int64_t r = begin; r < end; ++r)
      std::memcpy(to + static_cast<size_t>(r) * stride, bias.const_data_ptr(), bytes);
  });
}

void column_sums(const at::Tensor& x, bool accumulate, const at::Tensor& out) {
  with_element(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0), n = x.size(1);
    over_columns(n, [&](int64_t first, int64_t last) {
      T* sums = data<T>(out);
      if (!accumulate) std::fill(sums + first, sums + last, T(0));
      for (int64_t r = 0; r < rows; ++r) {
        const T* in = data<T>(x) + r * n;
#pragma omp simd
        for (int64_t j = first; j < last; ++j) sums[j] += in[j];
      }
    });
  });
}

void take_rows(const at::Tensor& table, const std::vector<int64_t>& ids, const at::Tensor& out) {
  const at::Tensor index = at::from_blob(const_cast<int64_t*>(ids.data()), {static_cast<int64_t>(ids.size())}, at::kLong);
  at::Tensor rows = out;
  rows.copy_(table.index_select(0, index));
}

void gather_rows(const at::Tensor& x, const std::vector<int64_t>& rows, const at::Tensor& out) {
  const size_t bytes = static_cast<size_t>(x.size(1)) * x.element_size();
  const char* from = static_cast<const char*>(x.const_data_ptr());
  char* to = static_cast<char*>(out.mutable_data_ptr());
  for (size_t i = 0; i < rows.size(); ++i)
    std::memcpy(to + i * bytes, from + static_cast<size_t>(rows[i]) * bytes, bytes);
}

void scatter_rows(const at::Tensor& x, const std::vector<int64_t>& rows, const at::Tensor& out) {
  const size_t bytes = static_cast<size_t>(x.size(1)) * x.element_size();
  const char* from = static_cast<const char*>(x.const_data_ptr());
  char* to = static_cast<char*>(out.mutable_data_ptr());
  size_t next = 0;  // first row not written yet
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t row = static_cast<size_t>(rows[i]);
    std::memset(to + next * bytes, 0, (row - next) * bytes);
    std::memcpy(to + row * bytes, from + i * bytes, bytes);
    next = row + 1;
  }
  std::memset(to + next * bytes, 0, (static_cast<size_t>(out.size(0)) - next) * bytes);
}

void record_products(const at::Tensor& x, const at::Tensor& minus, const at::Tensor& y, const Batch& batch,
                     double* sums) {
  for (int64_t b = 0; b < batch.records(); ++b) {
    const int64_t first = batch.offset(b), count = batch.length(b);
    at::Tensor value = x.narrow(0, first, count).to(at::kDouble);
    if (minus.defined()) value = value - minus.narrow(0, first, count);
    sums[b] += at::sum(value * y.narrow(0, first, count)).item<double>();
  }
}

}  // namespace lethe
