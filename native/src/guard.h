// The wall between C++ and C: every export's body is one `return guard(err, [&] { ... });`.
//
// guard() turns whatever is thrown into a lethe_status and a message, and sets inference mode so that no op records an
// autograd graph. Refusal is our own exception; refuse() is how code says no. Checks of what a caller hands over are
// here too: required pointers and struct sizes. No output, no abort, no thread-local state.
#pragma once

#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>

#include "lethe.h"

namespace lethe {

struct Refusal final : std::exception {
  Refusal(lethe_status status, std::string message) : status(status), message(std::move(message)) {}
  const char* what() const noexcept override { return message.c_str(); }
  lethe_status status;
  std::string message;
};

// Throws a Refusal whose message is the concatenation of `parts`.
template <class... Parts>
[[noreturn]] void refuse(lethe_status status, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Refusal(status, message.str());
}

template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]]
    refuse(LETHE_INVALID_ARGUMENT, parts...);
}

inline void require_pointer(const void* pointer, const char* name) { require(pointer != nullptr, name, " is NULL"); }

// A struct that crosses the boundary: not NULL and of the size this library was compiled with.
template <class Struct>
const Struct& checked(const Struct* value, const char* name) {
  require_pointer(value, name);
  require(value->struct_size == static_cast<int64_t>(sizeof(Struct)), name, ".struct_size is ", value->struct_size,
          ", this library expects ", sizeof(Struct));
  return *value;
}

template <class Struct>
Struct& checked(Struct* value, const char* name) {
  return const_cast<Struct&>(checked(static_cast<const Struct*>(value), name));
}

// Translates the exception in flight; only to be called inside a catch block.
lethe_status report_current_exception(lethe_error* err) noexcept;

template <class Body>
lethe_status guard(lethe_error* err, Body&& body) noexcept {
  try {
    c10::InferenceMode inference;
    body();
    return LETHE_OK;
  } catch (...) {
    return report_current_exception(err);
  }
}

// A caller's cancel flag; poll() throws LETHE_CANCELLED once another thread has set it. NULL never cancels.
class Cancel {
 public:
  explicit Cancel(const int32_t* flag = nullptr) : flag_(flag) {}
  void poll() const {
    if (flag_ != nullptr && __atomic_load_n(flag_, __ATOMIC_RELAXED) != 0) refuse(LETHE_CANCELLED, "cancelled");
  }

 private:
  const int32_t* flag_;
};

}  // namespace lethe
