// Exceptions to statuses. libtorch's messages are cut before their backtrace.
#include "guard.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

namespace lethe {
namespace {

lethe_status fill(lethe_error* err, lethe_status status, std::string_view message) noexcept {
  if (err == nullptr || err->struct_size < static_cast<int64_t>(sizeof(lethe_error))) return status;
  err->status = status;
  err->reserved = 0;
  size_t length = std::min(message.size(), sizeof(err->message) - 1);
  // Never cut a UTF-8 sequence in two.
  while (length > 0 && length < message.size() && (static_cast<unsigned char>(message[length]) & 0xC0) == 0x80)
    --length;
  std::memcpy(err->message, message.data(), length);
  err->message[length] = '\0';
  return status;
}

}  // namespace

lethe_status report_current_exception(lethe_error* err) noexcept {
  try {
    throw;
  } catch (const Refusal& refusal) {
    return fill(err, refusal.status, refusal.message);
  } catch (const c10::OutOfMemoryError& error) {
    return fill(err, LETHE_OUT_OF_MEMORY, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string_view message = error.what_without_backtrace();
    // The CPU allocator reports exhaustion as a plain error.
    const bool memory = message.find("not enough memory") != std::string_view::npos ||
                        message.find("can't allocate memory") != std::string_view::npos;
    return fill(err, memory ? LETHE_OUT_OF_MEMORY : LETHE_INTERNAL, message);
  } catch (const std::bad_alloc&) {
    return fill(err, LETHE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return fill(err, LETHE_INTERNAL, error.what());
  } catch (...) {
    return fill(err, LETHE_INTERNAL, "an unknown exception");
  }
}

}  // namespace lethe
