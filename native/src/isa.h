// The instruction set of the hot loops: everything is compiled for x86-64-v3 (AVX2, FMA, BMI), the files that
// each_isa.h reads twice also for AVX-512. Elsewhere than on x86-64 there is one set, the compiler's default.
#pragma once

namespace lethe {

enum class Isa { kBaseline, kAvx512, kAvx512Bf16 };

// The best that this processor has, at most LETHE_ISA of the environment: avx2, avx512 or avx512_bf16. Chosen when the
// library is loaded.
extern const Isa kIsa;
const char* isa_name();  // as LETHE_ISA would say it, "default" elsewhere than on x86-64; refuses another value there

}  // namespace lethe
