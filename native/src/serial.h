// Small work stays on the calling thread.
//
// Waking threads for every loop and matrix product of a pass over a tiny model costs more than the arithmetic, and on a
// busy machine many times more: each ends by waiting for a thread that may not be running. The choice depends on sizes
// alone, so a run repeats itself to the bit.
#pragma once

#include <ATen/Parallel.h>
#include <omp.h>

#include <cstdint>

// Exported by a libtorch with MKL, absent from others. Returns the count before; 0 = the process-wide one.
extern "C" __attribute__((weak)) int MKL_Set_Num_Threads_Local(int threads);

namespace lethe {

constexpr int64_t kSmallWork = int64_t{1} << 22;  // multiply-adds of a forward pass: about 0.1 ms of one core

// While it lives, loops and matrix products that start on this thread stay on it if the work is small.
class SerialIfSmall {
 public:
  explicit SerialIfSmall(int64_t multiply_adds) {
    if (multiply_adds >= kSmallWork) return;
    threads_ = at::get_num_threads();
    omp_set_num_threads(1);  // of this thread's regions only: ours, ATen's and oneDNN's; MKL goes by its own count
    if (MKL_Set_Num_Threads_Local != nullptr) mkl_threads_ = MKL_Set_Num_Threads_Local(1);
  }
  ~SerialIfSmall() {
    if (threads_ == 0) return;
    omp_set_num_threads(threads_);
    if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(mkl_threads_);
  }
  SerialIfSmall(const SerialIfSmall&) = delete;
  SerialIfSmall& operator=(const SerialIfSmall&) = delete;

 private:
  int threads_ = 0;  // to restore; 0 = nothing changed
  int mkl_threads_ = 0;
};

}  // namespace lethe
