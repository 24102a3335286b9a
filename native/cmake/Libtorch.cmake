# Finds libtorch and makes the target lethe::libtorch and LETHE_TORCH_LIB, its lib folder. Reads LETHE_LIBTORCH.
# Linux only; CPU and CUDA builds of 2.11 to 2.13.
if(NOT LETHE_LIBTORCH)
  execute_process(
    COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE LETHE_PYTHON_TORCH OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(LETHE_LIBTORCH "${LETHE_PYTHON_TORCH}" CACHE PATH "folder with libtorch's include/ and lib/" FORCE)
endif()
if(NOT EXISTS "${LETHE_LIBTORCH}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "No libtorch at '${LETHE_LIBTORCH}' (lib/libtorch_cpu.so is missing). "
    "Give -DLETHE_LIBTORCH=DIR, or build with ./lethe, which finds or installs one.")
endif()

foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(EXISTS "${LETHE_LIBTORCH}/include/${header}")
    file(STRINGS "${LETHE_LIBTORCH}/include/${header}" numbers REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    break()
  endif()
endforeach()
string(REGEX REPLACE "[^0-9;]" "" numbers "${numbers}")
string(REPLACE ";" "." LETHE_TORCH_VERSION "${numbers}")
set(LETHE_LIBTORCH_BELOW 2.14 CACHE STRING "first libtorch version that is refused; later ones are not tested")
if(LETHE_TORCH_VERSION VERSION_LESS 2.11 OR LETHE_TORCH_VERSION VERSION_GREATER_EQUAL LETHE_LIBTORCH_BELOW)
  message(FATAL_ERROR "libtorch ${LETHE_TORCH_VERSION} at ${LETHE_LIBTORCH} is not supported: 2.11 to 2.13 are. "
    "To try it all the same: -DLETHE_LIBTORCH_BELOW=VERSION.")
endif()

set(LETHE_TORCH_LIB "${LETHE_LIBTORCH}/lib")
add_library(lethe::libtorch INTERFACE IMPORTED)
target_include_directories(lethe::libtorch SYSTEM INTERFACE
  "${LETHE_LIBTORCH}/include" "${LETHE_LIBTORCH}/include/torch/csrc/api/include")
target_link_libraries(lethe::libtorch INTERFACE "${LETHE_TORCH_LIB}/libtorch_cpu.so" "${LETHE_TORCH_LIB}/libc10.so")

# Headers of single operators instead of all of them.
target_compile_definitions(lethe::libtorch INTERFACE AT_PER_OPERATOR_HEADERS)

# at::parallel_for is inlined into our code and needs OpenMP when it is compiled, but a process must hold one OpenMP
# runtime: the one beside libtorch, where it ships one.
target_compile_options(lethe::libtorch INTERFACE -fopenmp)
file(GLOB openmp "${LETHE_TORCH_LIB}/libgomp*.so*" "${LETHE_TORCH_LIB}/libiomp5.so")
if(openmp)
  list(GET openmp 0 openmp)
  target_link_libraries(lethe::libtorch INTERFACE "${openmp}")
else()
  target_link_options(lethe::libtorch INTERFACE -fopenmp)
endif()

# Nothing of ours calls into libtorch_cuda by name; loading it is what registers the CUDA kernels.
set(LETHE_WITH_CUDA OFF)
if(EXISTS "${LETHE_TORCH_LIB}/libtorch_cuda.so")
  set(LETHE_WITH_CUDA ON)
  target_compile_definitions(lethe::libtorch INTERFACE LETHE_WITH_CUDA)
  target_link_libraries(lethe::libtorch INTERFACE -Wl,--push-state,--no-as-needed
    "${LETHE_TORCH_LIB}/libtorch_cuda.so" "${LETHE_TORCH_LIB}/libc10_cuda.so" -Wl,--pop-state
    -Wl,--allow-shlib-undefined)
endif()
message(STATUS "libtorch ${LETHE_TORCH_VERSION} at ${LETHE_LIBTORCH}, CUDA ${LETHE_WITH_CUDA}")
