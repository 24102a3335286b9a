// What carries numbers between ranks: a table of functions that a library of its own hands out (mpi.cpp is one), so that
// liblethe.so itself needs no MPI. One operation at a time, begun and then asked for until it is done: who waits can be
// cancelled. Every function returns 0, or anything else and why in `message` (UTF-8, kTransportMessage bytes).
#pragma once

#include <cstdint>

constexpr int32_t kTransportVersion = 1;
constexpr int64_t kTransportMessage = 512;

extern "C" {

struct lethe_transport {
  int32_t version;  // kTransportVersion of whoever compiled the library
  int (*open)(int32_t* rank, int32_t* size, char* message);
  // values [count], inout, becomes the sum over ranks in their own dtype, LETHE_F32 or LETHE_F64; count below 2^31
  int (*begin_sum)(void* values, int64_t count, int32_t dtype, char* message);
  // out [size, bytes]; bytes below 2^31
  int (*begin_gather)(const void* in, int64_t bytes, void* out, char* message);
  int (*progress)(int32_t* done, char* message);  // lets the operation go on; done: out, 1 when nothing is under way
  int (*close)(char* message);                    // waits for all ranks
};

// The one symbol of such a library.
__attribute__((visibility("default"))) const lethe_transport* lethe_transport_table();

}  // extern "C"
