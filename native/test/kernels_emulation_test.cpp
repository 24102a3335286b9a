// The emulation itself: it must notice what a GPU would punish with a hang or a wrong number, and round as CUDA does.
#include "../kernels/device.h"
#include "kernels.h"

namespace {

using namespace lethe::kernels;
using namespace test;

template <class Body>
bool throws(Body&& body) {
  try {
    body();
  } catch (const std::logic_error&) {
    return true;
  }
  return false;
}

void half_a_barrier(int* out) {
  if (threadIdx.x < 40) __syncthreads();
  out[threadIdx.x] = 1;
}

void two_barriers(int* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}

void half_a_shuffle(int* out) {
  int value = 1;
  if (threadIdx.x % 2 == 0) value = __shfl_xor_sync(0xFFFFFFFFu, value, 1);
  out[threadIdx.x] = value;
}

// A missing barrier: what a thread reads depends on who ran first.
void race(int* out) {
  __shared__ int shared[64];
  shared[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = shared[63 - threadIdx.x];
  shared[threadIdx.x] = -1;
}

void collectives(int* out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int sum = warp_sum(lane), down = __shfl_down_sync(0xFFFFFFFFu, lane, 3),
            up = __shfl_up_sync(0xFFFFFFFFu, lane, 3);
  const unsigned odd = __ballot_sync(0xFFFFFFFFu, lane % 2);
  const int count = __syncthreads_count(threadIdx.x < 40);
  const bool good = sum == 496 && down == (lane < 29 ? lane + 3 : lane) && up == (lane < 3 ? lane : lane - 3) &&
                    odd == 0xAAAAAAAAu && __popc(odd) == 16 && count == 40 && block_sum(1) == 64;
  out[threadIdx.x] = good;
}

}  // namespace

int main() {
  const Table<int> out(std::vector<int>(64, 0));
  for (const auto kernel : {half_a_barrier, two_barriers, half_a_shuffle})
    CHECK(throws([&] { launch(kernel, dim3(1), dim3(64), nullptr, out.data()); }));
  CHECK(throws([&] { launch(collectives, dim3(1), dim3(40), nullptr, out.data()); }));

  CHECK(launch(collectives, dim3(3), dim3(64), nullptr, out.data()) == 0);
  for (int i = 0; i < 64; ++i) CHECK(out[i] == 1);

  emulation::backwards = true;
  launch(race, dim3(1), dim3(64), nullptr, out.data());
  const std::vector<int> first(out.data(), out.data() + 64);
  emulation::backwards = false;
  launch(race, dim3(1), dim3(64), nullptr, out.data());
  CHECK(first != std::vector<int>(out.data(), out.data() + 64));

  // Round to nearest even: ties, a carry into the exponent, overflow to infinity, the canonical NaN, subnormals kept.
  const auto bits = [](uint32_t from) { return bf16_bits(std::bit_cast<float>(from)); };
  CHECK(bits(0x3F808000u) == 0x3F80 && bits(0x3F818000u) == 0x3F82 && bits(0x3F808001u) == 0x3F81);
  CHECK(bits(0x3FFFFFFFu) == 0x4000 && bits(0x7F7FFFFFu) == 0x7F80 && bits(0xFFC12345u) == 0x7FFF);
  CHECK(bits(0x00018000u) == 0x0002 && bits(0x80000000u) == 0x8000);
  CHECK(std::string(describe(0)) == "no error");
  return finish();
}
