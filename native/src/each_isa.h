// Reads LETHE_FILE once for each instruction set (isa.h), inside it LETHE_ISA, the set's namespace within lethe, and
// LETHE_VECTOR_BYTES, a register's size. For a file with hot loops, which includes itself:
//
//   #ifndef LETHE_ISA
//   (headers)
//   #define LETHE_FILE "this file's name"
//   #include "each_isa.h"
//   namespace lethe { (what others call; LETHE_BY_ISA(f(x)) is f(x) of the set in force) }
//   #else
//   namespace lethe::LETHE_ISA { (the loops, lambdas and all) }
//   #endif
//
// Headers are read outside, so what they define is compiled for the baseline; a function of theirs runs in a set where
// it is inlined, which [[gnu::always_inline]] makes sure of. A header whose code depends on the set (tile.h) is included
// inside instead and has no guard.
#include "isa.h"

#define LETHE_ISA baseline
#define LETHE_VECTOR_BYTES 32
#include LETHE_FILE
#undef LETHE_ISA
#undef LETHE_VECTOR_BYTES

#ifdef __x86_64__
#pragma GCC push_options
// BF16's instructions come from intrinsics alone, behind kIsa == Isa::kAvx512Bf16.
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,prefer-vector-width=512")
#define LETHE_AVX512
#define LETHE_ISA avx512
#define LETHE_VECTOR_BYTES 64
#include LETHE_FILE
#undef LETHE_ISA
#undef LETHE_VECTOR_BYTES
#undef LETHE_AVX512
#pragma GCC pop_options
#define LETHE_BY_ISA(call) (kIsa == Isa::kBaseline ? baseline::call : avx512::call)
#else
#define LETHE_BY_ISA(call) baseline::call
#endif
#undef LETHE_FILE
