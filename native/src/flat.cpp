// Dot products, linear combinations and copies of flat buffers.
#ifndef LETHE_ISA
#include "flat.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "guard.h"
#include "ops.h"

#define LETHE_FILE "flat.cpp"
#include "each_isa.h"

namespace lethe {
namespace {

constexpr int64_t kBlock = 16384;  // elements, a multiple of the layout's alignment

std::vector<Segment> blocks_of(const std::vector<Segment>& over) {
  std::vector<Segment> blocks;
  for (const Segment& segment : over) {
    for (int64_t begin = segment.begin; begin < segment.end; begin += kBlock) {
      blocks.push_back({begin, std::min(segment.end, begin + kBlock), segment.matrix});
    }
  }
  return blocks;
}

// Unit and zero factors have loops of their own: they read less, and 0 must not multiply NaN.
template <class T>
void combine(T* y, T b, T a, const T* x, int64_t count) {
  if (a == 0 && b == 0) {
    std::fill(y, y + count, T{0});
  } else if (a == 0) {
    for (int64_t i = 0; i < count; ++i) y[i] *= b;
  } else if (b == 0) {
    for (int64_t i = 0; i < count; ++i) y[i] = a * x[i];
  } else if (b == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] += a * x[i];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = b * y[i] + a * x[i];
  }
}

// The gaps after parts whose size is no multiple of the alignment stay zero whatever a caller writes.
void clear_gaps(const Layout& layout, const at::Tensor& flat, int64_t begin, int64_t end) {
  for (const Part& part : layout.parts()) {
    if (part.frozen()) continue;
    const int64_t last = part.offset + part.count();
    const int64_t next = (last + Layout::kAlignment - 1) / Layout::kAlignment * Layout::kAlignment;
    if (last < next && last < end && next > begin) flat.narrow(0, last, next - last).zero_();
  }
}

}  // namespace

double flat_dot(const DevicePointer& path, const at::Tensor& a, const at::Tensor& b, const std::vector<Segment>& over) {
  if (path != nullptr) return path->dot(a, b, over);
  const std::vector<Segment> blocks = blocks_of(over);
  std::vector<double> sums(blocks.size());
  with_element(a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    at::parallel_for(0, static_cast<int64_t>(blocks.size()), 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Segment& s = blocks[static_cast<size_t>(i)];
        const T *x = data<T>(a) + s.begin, *y = data<T>(b) + s.begin;
        sums[static_cast<size_t>(i)] = LETHE_BY_ISA(block_dot(x, y, s.end - s.begin));
      }
    });
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

void flat_combine(const DevicePointer& path, const at::Tensor& y, double b, double a, const at::Tensor& x,
                  const std::vector<Segment>& over) {
  if (path != nullptr) return path->combine(y, b, a, x, over);
  with_element(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    T* to = data<T>(y);
    const T* from = a == 0 ? to : x.const_data_ptr<T>();
    for (const Segment& s : over) {
      at::parallel_for(s.begin, s.end, kBlock, [&](int64_t begin, int64_t end) {
        combine(to + begin, static_cast<T>(b), static_cast<T>(a), from + begin, end - begin);
      });
    }
  });
}

void flat_add_square(const DevicePointer& path, const at::Tensor& y, double b, double a, const at::Tensor& x) {
  if (path != nullptr) return path->add_square(y, b, a, x);
  with_element(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    T* to = data<T>(y);
    const T* from = x.const_data_ptr<T>();
    const T kept = static_cast<T>(b), added = static_cast<T>(a);
    at::parallel_for(0, y.numel(), kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = (b == 0 ? T{0} : kept * to[i]) + added * from[i] * from[i];
    });
  });
}

void flat_divide_root(const DevicePointer& path, const at::Tensor& y, const at::Tensor& v, double floor,
                      const std::vector<Segment>& over) {
  if (path != nullptr) return path->divide_root(y, v, floor, over);
  with_element(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    T* to = data<T>(y);
    const T* squares = v.const_data_ptr<T>();
    const T least = static_cast<T>(floor);
    for (const Segment& s : over) {
      at::parallel_for(s.begin, s.end, kBlock, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[i] /= std::sqrt(squares[i]) + least;
      });
    }
  });
}

void check_range(int64_t flat_size, int64_t offset, int64_t count, int32_t dtype, const void* memory, int64_t bytes) {
  const int64_t size = static_cast<int64_t>(c10::elementSize(scalar_type(dtype)));
  require(offset >= 0 && offset <= flat_size, "offset is ", offset, ", the flat buffer has ", flat_size, " elements");
  require(count >= 0 && count <= flat_size - offset, "count is ", count, " from offset ", offset,
          ", the flat buffer has ", flat_size, " elements");
  require(bytes >= count * size, "bytes is ", bytes, ", ", count, " elements need ", count * size);
  if (count > 0) require_pointer(memory, "the memory to copy");
}

void flat_read(const at::Tensor& flat, int64_t offset, int64_t count, int32_t dtype, void* out, int64_t bytes) {
  check_range(flat.numel(), offset, count, dtype, out, bytes);
  if (count == 0) return;
  at::from_blob(out, {count}, at::TensorOptions().dtype(scalar_type(dtype))).copy_(flat.narrow(0, offset, count));
}

void flat_write(const Layout& layout, const at::Tensor& flat, int64_t offset, int64_t count, int32_t dtype,
                const void* in, int64_t bytes) {
  check_range(flat.numel(), offset, count, dtype, in, bytes);
  if (count == 0) return;
  flat.narrow(0, offset, count)
      .copy_(at::from_blob(const_cast<void*>(in), {count}, at::TensorOptions().dtype(scalar_type(dtype))));
  clear_gaps(layout, flat, offset, offset + count);
}

}  // namespace lethe
#else

namespace lethe::LETHE_ISA {

template <class T>
double block_dot(const T* a, const T* b, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace lethe::LETHE_ISA
#endif
