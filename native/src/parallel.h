// A parallel loop for uneven work: threads take the next index when they are done with one. The result must not depend
// on which thread takes what.
#pragma once

#include <ATen/Parallel.h>

#include <atomic>
#include <cstdint>

namespace lethe {

// worker() is called once on each thread and returns what handles an index, so that scratch lives as long as the thread.
template <class Worker>
void dynamic_for(int64_t count, Worker&& worker) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t begin, int64_t end) {
    auto handle = worker();
    for (int64_t thread = begin; thread < end; ++thread)
      for (int64_t i = next++; i < count; i = next++) handle(i);
  });
}

}  // namespace lethe
