// Over libtorch's global context.
#include "switches.h"

#include <ATen/Context.h>

namespace lethe {
namespace {

thread_local bool tf32_allowed = false;
std::mutex one_at_a_time;

}  // namespace

AllowTf32::AllowTf32(bool allow) : before_(tf32_allowed) { tf32_allowed = allow; }

AllowTf32::~AllowTf32() { tf32_allowed = before_; }

Switches::Switches(bool ordered)
    : lock_(one_at_a_time), orders_(ordered), tf32_(at::globalContext().allowTF32CuBLAS()),
      ordered_(at::globalContext().deterministicAlgorithms()),
      only_warn_(at::globalContext().deterministicAlgorithmsWarnOnly()),
      filled_(at::globalContext().deterministicFillUninitializedMemory()) {
  at::Context& context = at::globalContext();
  if (tf32_ != tf32_allowed) context.setAllowTF32CuBLAS(tf32_allowed);
  if (!ordered) return;
  context.setDeterministicFillUninitializedMemory(false);  // before: otherwise other threads' new memory is filled too
  context.setDeterministicAlgorithms(true, false);
}

Switches::~Switches() {
  at::Context& context = at::globalContext();
  if (tf32_ != tf32_allowed) context.setAllowTF32CuBLAS(tf32_);
  if (!orders_) return;
  context.setDeterministicAlgorithms(ordered_, only_warn_);
  context.setDeterministicFillUninitializedMemory(filled_);
}

}  // namespace lethe
