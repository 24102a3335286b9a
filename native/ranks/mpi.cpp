// liblethe_mpi.so: ranks through MPI. Its non-blocking collectives, asked for from time to time; nothing of it is Lethe's but the
// table. A program that has begun MPI itself keeps it, and ends it.
#include <dlfcn.h>
#include <mpi.h>

#include <cstdio>

#include "lethe.h"
#include "transport.h"

namespace {

MPI_Comm group = MPI_COMM_NULL;
MPI_Request request = MPI_REQUEST_NULL;
bool ours = false;  // MPI was begun here

int told(int code, const char* what, char* message) {
  if (code == MPI_SUCCESS) return 0;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
  std::snprintf(message, kTransportMessage, "%s: %.*s", what, length, text);
  return 1;
}

int refused(char* message, const char* why) {
  std::snprintf(message, kTransportMessage, "%s", why);
  return 1;
}

int begin_group(int32_t* rank, int32_t* size, char* message) {
  // Open MPI's parts are loaded by it and look for its own symbols, which a library loaded by the JVM does not show them.
  Dl_info mpi;
  if (dladdr(reinterpret_cast<void*>(&MPI_Init_thread), &mpi) != 0 && mpi.dli_fname != nullptr) {
    dlopen(mpi.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  }
  int begun = 0, ended = 0, threads = MPI_THREAD_SINGLE;
  MPI_Initialized(&begun);
  MPI_Finalized(&ended);
  if (ended) return refused(message, "MPI was begun and ended in this process before, and begins only once");
  if (begun) {
    MPI_Query_thread(&threads);
  } else {
    if (told(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &threads), "MPI_Init_thread", message)) return 1;
    ours = true;
  }
  if (threads < MPI_THREAD_SERIALIZED) {
    return refused(message, "this MPI takes calls from one thread alone (MPI_THREAD_SERIALIZED is needed)");
  }
  if (told(MPI_Comm_dup(MPI_COMM_WORLD, &group), "MPI_Comm_dup", message)) return 1;
  MPI_Comm_set_errhandler(group, MPI_ERRORS_RETURN);
  int own = 0, all = 0;
  MPI_Comm_rank(group, &own);
  MPI_Comm_size(group, &all);
  *rank = own;
  *size = all;
  return 0;
}

int begin_sum(void* values, int64_t count, int32_t dtype, char* message) {
  return told(MPI_Iallreduce(MPI_IN_PLACE, values, static_cast<int>(count), dtype == LETHE_F64 ? MPI_DOUBLE : MPI_FLOAT, MPI_SUM,
                             group, &request), "the sum over ranks", message);
}

int begin_gather(const void* in, int64_t bytes, void* out, char* message) {
  const int count = static_cast<int>(bytes);
  return told(MPI_Iallgather(in, count, MPI_BYTE, out, count, MPI_BYTE, group, &request), "gathering from ranks", message);
}

int progress(int32_t* done, char* message) {
  int flag = 0;
  if (told(MPI_Test(&request, &flag, MPI_STATUS_IGNORE), "waiting for the other ranks", message)) return 1;
  *done = flag;
  return 0;
}

int end_group(char* message) {
  if (told(MPI_Comm_free(&group), "MPI_Comm_free", message)) return 1;
  return ours ? told(MPI_Finalize(), "MPI_Finalize", message) : 0;
}

const lethe_transport table{kTransportVersion, begin_group, begin_sum, begin_gather, progress, end_group};

}  // namespace

const lethe_transport* lethe_transport_table() { return &table; }
