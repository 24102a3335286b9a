#include "isa.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "guard.h"

namespace lethe {
namespace {

#ifdef __x86_64__
constexpr std::string_view kNames[] = {"avx2", "avx512", "avx512_bf16"};

// The set that LETHE_ISA names, or the best; behind the end of kNames when it names none.
int asked() {
  const char* most = std::getenv("LETHE_ISA");
  if (most == nullptr || *most == '\0') return static_cast<int>(Isa::kAvx512Bf16);
  return static_cast<int>(std::find(std::begin(kNames), std::end(kNames), most) - std::begin(kNames));
}

Isa choose() {
  __builtin_cpu_init();
  const bool whole = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512vl");
  const Isa best = !whole                                  ? Isa::kBaseline
                   : __builtin_cpu_supports("avx512bf16") ? Isa::kAvx512Bf16
                                                           : Isa::kAvx512;
  return static_cast<Isa>(std::min(static_cast<int>(best), asked()));
}
#else
constexpr std::string_view kNames[] = {"default"};

int asked() { return 0; }
Isa choose() { return Isa::kBaseline; }
#endif

}  // namespace

const Isa kIsa = choose();

const char* isa_name() {
  require(asked() < static_cast<int>(std::size(kNames)), "LETHE_ISA is ", std::getenv("LETHE_ISA"),
          ", allowed avx2, avx512 and avx512_bf16");
  return kNames[static_cast<int>(kIsa)].data();
}

}  // namespace lethe
