// Entries' rows on their way up, and the kernels over tables and pairs of rows.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "../kernels/pairs.h"
#include "../kernels/tangents.h"
#include "path.h"

namespace lethe::device {

char* Path::staging(size_t bytes) {
  upward_last_ ^= 1;
  Upward& piece = upward_[upward_last_];
  piece.copied.wait();
  if (piece.memory.bytes() < bytes || piece.memory.bytes() == 0) piece.memory = Pinned(bytes + bytes / 4 + 64);
  return piece.memory.data();
}

at::Tensor Path::upload(size_t bytes) {
  Upward& piece = upward_[upward_last_];
  const at::Tensor to = at::empty({static_cast<int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte).device(device()));
  to_device(to.mutable_data_ptr(), piece.memory.data(), bytes, state_.runtime.work());
  piece.copied.record(state_.runtime.work());
  return to;
}

void Path::add_rows(const at::Tensor& x, const TableGroups& groups, const at::Tensor& table) {
  launched(kernels::add_rows({.x_type = element_of(x),
                              .x = x.const_data_ptr(),
                              .ids = groups.ids.const_data_ptr<int32_t>(),
                              .starts = groups.starts.const_data_ptr<int32_t>(),
                              .rows = groups.rows.const_data_ptr<int32_t>(),
                              .values = groups.values.const_data_ptr(),
                              .groups = groups.ids.size(0),
                              .columns = x.size(1),
                              .table = table.mutable_data_ptr()},
                             stream_of(state_)),
           "add_rows");
}

void Path::table_scatter(const SparseRows& rows, const at::Tensor& u) {
  const at::Tensor columns = at::arange(u.size(1), rows.index.options());
  launched(kernels::table_scatter({.value_type = element_of(rows.values),
                                   .index = rows.index.const_data_ptr<int32_t>(),
                                   .values = rows.values.const_data_ptr(),
                                   .column = columns.const_data_ptr<int32_t>(),
                                   .rows = rows.index.size(0),
                                   .k = rows.index.size(1),
                                   .columns = u.size(1),
                                   .u = u.mutable_data_ptr()},
                                  stream_of(state_)),
           "table_scatter");
}

void Path::table_products(const SparseRows& rows, const at::Tensor& u, const at::Tensor& out) {
  launched(kernels::table_products({.value_type = element_of(rows.values),
                                    .index = rows.index.const_data_ptr<int32_t>(),
                                    .values = rows.values.const_data_ptr(),
                                    .rows = rows.index.size(0),
                                    .k = rows.index.size(1),
                                    .columns = u.size(1),
                                    .u = u.const_data_ptr(),
                                    .out = out.mutable_data_ptr()},
                                   stream_of(state_)),
           "table_products");
}

void Path::pair_products(const PairProducts& job) {
  launched(kernels::gram_products({.real = element_of(job.p),
                                   .p = job.p.const_data_ptr(),
                                   .q = job.q.const_data_ptr(),
                                   .left = job.left.const_data_ptr<int32_t>(),
                                   .right = job.right.const_data_ptr<int32_t>(),
                                   .left_count = job.left.size(0) - 1,
                                   .right_count = job.right.size(0) - 1,
                                   .left_first = job.left_first,
                                   .right_first = job.right_first,
                                   .columns = job.p.size(1),
                                   .lower = job.lower,
                                   .ld = job.out.size(1),
                                   .out = job.out.mutable_data_ptr<double>()},
                                  stream_of(state_)),
           "gram_products");
}

at::Tensor Path::row_dots(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor left = y.contiguous(), right = x.contiguous();
  const at::Tensor out = at::zeros({right.size(0)}, right.options().dtype(at::kDouble));
  launched(kernels::row_products({.real = element_of(right),
                                  .factor = 1,
                                  .a = left.const_data_ptr(),
                                  .one_row = left.size(0) == 1,
                                  .minus = nullptr,
                                  .b = right.const_data_ptr(),
                                  .rows = right.size(0),
                                  .columns = right.size(1),
                                  .out = out.mutable_data_ptr<double>()},
                                 stream_of(state_)),
           "row_products");
  return out;
}

}  // namespace lethe::device
