// What the kernels' tests share: typed arrays that end at an unreadable page, and a run that must give the same bytes
// whatever the order of threads and blocks.
//
// With LETHE_ON_GPU the very same tests run the compiled kernels: arrays lie in pinned host memory, which a GPU reads and
// writes where it lies, and every launch is done when it returns. compute-sanitizer then watches over the ends of arrays.
#pragma once

#include <sys/mman.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "../kernels/emulation.h"
#include "../kernels/tables.h"
#include "check.h"

#ifdef LETHE_ON_GPU
// Of the CUDA runtime, whose headers do not go with the emulation's names.
extern "C" int cudaHostAlloc(void** memory, size_t bytes, unsigned flags);
extern "C" int cudaFreeHost(void* memory);
#endif

namespace test {

using lethe::kernels::Element;

#ifdef LETHE_ON_GPU
inline const int launches_wait = setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
#endif

inline int64_t size_of(Element type) { return type == Element::kF64 ? 8 : type == Element::kF32 ? 4 : 2; }
inline Element real_of(Element type) { return type == Element::kF64 ? Element::kF64 : Element::kF32; }
// Relative rounding of one stored number.
inline double rounding(Element type) { return type == Element::kF64 ? 1e-15 : type == Element::kF32 ? 6e-8 : 4e-3; }

// Bytes that end exactly at a page nobody may touch: one number too far is a crash.
class Guarded {
 public:
  explicit Guarded(int64_t bytes) : bytes_(bytes) {
    const int64_t pages = (bytes + kPage - 1) / kPage * kPage;
    mapped_ = pages + kPage;
#ifdef LETHE_ON_GPU
    mapped_ = std::max(pages, kPage);
    void* memory = nullptr;
    if (cudaHostAlloc(&memory, static_cast<size_t>(mapped_), 0) != 0) std::abort();
    base_ = static_cast<char*>(memory);
#else
    base_ = static_cast<char*>(
        mmap(nullptr, static_cast<size_t>(mapped_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + pages, kPage, PROT_NONE);
#endif
    data_ = base_ + pages - bytes;
    std::memset(data_, 0xA5, static_cast<size_t>(bytes));  // nobody may count on zeros
  }
  Guarded(Guarded&& other) noexcept { *this = std::move(other); }
  Guarded& operator=(Guarded&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~Guarded() {
    if (base_ == nullptr) return;
#ifdef LETHE_ON_GPU
    cudaFreeHost(base_);
#else
    munmap(base_, static_cast<size_t>(mapped_));
#endif
  }
  char* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  static constexpr int64_t kPage = 4096;
  char* base_ = nullptr;
  char* data_ = nullptr;
  int64_t bytes_ = 0, mapped_ = 0;
};

// Numbers of one type, read and written as doubles.
class Array {
 public:
  Array(Element type, int64_t count) : type_(type), count_(count), memory_(count * size_of(type)) {}
  // Normal numbers of a standard deviation.
  Array(Element type, int64_t count, std::mt19937& random, double deviation = 1.0) : Array(type, count) {
    std::normal_distribution<double> normal(0, deviation);
    for (int64_t i = 0; i < count; ++i) set(i, normal(random));
  }
  void* data() const { return memory_.data(); }
  Element type() const { return type_; }
  int64_t count() const { return count_; }
  const Guarded& memory() const { return memory_; }
  double operator[](int64_t i) const {
    if (type_ == Element::kF64) return at<double>(i);
    if (type_ == Element::kF32) return at<float>(i);
    return std::bit_cast<float>(static_cast<uint32_t>(at<uint16_t>(i)) << 16);
  }
  void set(int64_t i, double value) {
    if (type_ == Element::kF64) {
      put(i, value);
    } else if (type_ == Element::kF32) {
      put(i, static_cast<float>(value));
    } else {
      put(i, lethe::kernels::bf16_bits(static_cast<float>(value)));
    }
  }
  void fill(double value) {
    for (int64_t i = 0; i < count_; ++i) set(i, value);
  }

 private:
  template <class T>
  T at(int64_t i) const {
    T value;
    std::memcpy(&value, memory_.data() + i * static_cast<int64_t>(sizeof(T)), sizeof value);
    return value;
  }
  template <class T>
  void put(int64_t i, T value) {
    std::memcpy(memory_.data() + i * static_cast<int64_t>(sizeof(T)), &value, sizeof value);
  }

  Element type_;
  int64_t count_;
  Guarded memory_;
};

// Plain structs and integers on a guarded place of their own.
template <class T>
class Table {
 public:
  explicit Table(const std::vector<T>& values) : memory_(static_cast<int64_t>(values.size() * sizeof(T))) {
    if (!values.empty()) std::memcpy(memory_.data(), values.data(), values.size() * sizeof(T));
  }
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  T& operator[](int64_t i) const { return data()[i]; }
  const Guarded& memory() const { return memory_; }

 private:
  Guarded memory_;
};

// Runs a launch twice from the same memory, once with threads and blocks in reverse order, and compares bytes.
template <class Body>
void run_twice(std::vector<const Guarded*> written, Body&& body) {
  const auto copy = [&] {
    std::vector<std::vector<char>> bytes;
    for (const Guarded* g : written) bytes.emplace_back(g->data(), g->data() + g->bytes());
    return bytes;
  };
  const auto before = copy();
  lethe::kernels::emulation::backwards = true;
  CHECK(body() == 0);
  const auto first = copy();
  for (size_t i = 0; i < written.size(); ++i) std::memcpy(written[i]->data(), before[i].data(), before[i].size());
  lethe::kernels::emulation::backwards = false;
  CHECK(body() == 0);
  const auto second = copy();
  for (size_t i = 0; i < written.size(); ++i) CHECK(first[i] == second[i]);
}

// |got - expected| <= relative * (|expected| + scale), the first failure of many reported.
inline void check_near(const char* file, int line, const Array& got, const std::vector<double>& expected,
                       double relative, double scale = 1.0) {
  for (int64_t i = 0; i < static_cast<int64_t>(expected.size()); ++i) {
    const double want = expected[static_cast<size_t>(i)];
    if (std::abs(got[i] - want) <= relative * (std::abs(want) + scale)) continue;
    report(file, line,
           "element " + std::to_string(i) + " is " + std::to_string(got[i]) + ", expected " + std::to_string(want));
    return;
  }
}
#define CHECK_NEAR(...) test::check_near(__FILE__, __LINE__, __VA_ARGS__)

inline std::vector<double> values(const Array& array) {
  std::vector<double> result;
  for (int64_t i = 0; i < array.count(); ++i) result.push_back(array[i]);
  return result;
}

// Offsets of records of unequal length; rows 0 allowed at the end only.
inline std::vector<int64_t> offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> offsets{0};
  for (const int64_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

// RowChunks with the memory they point into.
struct Chunks {
  explicit Chunks(const std::vector<int64_t>& offsets)
      : cut(lethe::kernels::cut_rows(offsets.data(), static_cast<int64_t>(offsets.size()) - 1)),
        starts(cut.starts),
        records(cut.records),
        view{starts.data(), records.data(), static_cast<int64_t>(cut.starts.size()) - 1,
             static_cast<int64_t>(cut.records.size()) - 1} {}
  lethe::kernels::RowCut cut;
  Table<int32_t> starts, records;
  lethe::kernels::RowChunks view;
};

}  // namespace test
