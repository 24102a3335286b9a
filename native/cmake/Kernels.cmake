# The CUDA kernels of native/kernels. Makes lethe_kernels (LETHE_KERNELS is ON), compiled by nvcc, where libtorch is a
# CUDA build and nvcc is found, and always lethe_kernels_emulated: the same sources run on the CPU, for tests.
#
# nvcc is called by hand, for CMake's CUDA language would take over linking and has its own ideas on architectures.
set(LETHE_CUDA AUTO CACHE STRING
  "AUTO: kernels when libtorch is a CUDA build and nvcc is found; ON: insist; OFF: never")
set_property(CACHE LETHE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(LETHE_CUDA_ARCHITECTURES "80;90;100" CACHE STRING "GPU architectures; those nvcc does not know are dropped")
option(LETHE_SANITIZE "address and undefined-behaviour sanitizers in the kernels' emulation and its tests" OFF)

file(GLOB LETHE_KERNEL_SOURCES CONFIGURE_DEPENDS native/kernels/*.cu)
add_library(lethe_kernels_emulated STATIC EXCLUDE_FROM_ALL ${LETHE_KERNEL_SOURCES})
set_source_files_properties(${LETHE_KERNEL_SOURCES} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
target_include_directories(lethe_kernels_emulated PUBLIC native/kernels)
target_compile_definitions(lethe_kernels_emulated PUBLIC LETHE_EMULATED)
target_compile_options(lethe_kernels_emulated PUBLIC -O2 ${LETHE_WARNINGS} -Wno-unknown-pragmas)
if(LETHE_SANITIZE)
  target_compile_options(lethe_kernels_emulated PUBLIC -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  target_link_options(lethe_kernels_emulated PUBLIC -fsanitize=address,undefined)
endif()

set(LETHE_KERNELS OFF)
if(LETHE_CUDA STREQUAL "OFF" OR (LETHE_CUDA STREQUAL "AUTO" AND NOT LETHE_WITH_CUDA))
  return()
endif()
find_program(LETHE_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(NOT LETHE_NVCC)
  if(LETHE_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA kernels: none, nvcc was not found")
    return()
  endif()
  message(FATAL_ERROR "LETHE_CUDA is ON, but there is no nvcc on PATH, in CUDA_HOME or in /usr/local/cuda")
endif()

# The nvcc on PATH may be a script or a link: it says itself where its toolkit lies.
execute_process(COMMAND ${LETHE_NVCC} --dryrun -E -x cu /dev/null ERROR_VARIABLE steps OUTPUT_QUIET
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "#\\$ TOP=([^\n]*)" toolkit "${steps}")
file(REAL_PATH "${CMAKE_MATCH_1}" toolkit)
find_library(LETHE_CUDART cudart_static HINTS ${toolkit} PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib
  targets/sbsa-linux/lib NO_DEFAULT_PATH)
if(NOT LETHE_CUDART)
  message(FATAL_ERROR "There is an nvcc at ${LETHE_NVCC}, but no libcudart_static.a in its toolkit ${toolkit}; "
    "-DLETHE_CUDA=OFF builds without kernels")
endif()

execute_process(COMMAND ${LETHE_NVCC} --list-gpu-arch OUTPUT_VARIABLE known COMMAND_ERROR_IS_FATAL ANY)
set(LETHE_CUDA_TARGETS)
set(generate)
foreach(architecture IN LISTS LETHE_CUDA_ARCHITECTURES)
  if(known MATCHES "compute_${architecture}\n")
    list(APPEND LETHE_CUDA_TARGETS ${architecture})
    list(APPEND generate -gencode arch=compute_${architecture},code=sm_${architecture})
    set(newest ${architecture})
  endif()
endforeach()
if(NOT LETHE_CUDA_TARGETS)
  message(FATAL_ERROR "${LETHE_NVCC} knows none of LETHE_CUDA_ARCHITECTURES (${LETHE_CUDA_ARCHITECTURES})")
endif()
# Code that newer GPUs' drivers can compile.
list(APPEND generate -gencode arch=compute_${newest},code=compute_${newest})

set(objects)
foreach(source IN LISTS LETHE_KERNEL_SOURCES)
  get_filename_component(name ${source} NAME_WE)
  set(object ${CMAKE_BINARY_DIR}/kernels/${name}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${LETHE_NVCC} -std=c++20 -O3 ${generate} -ccbin ${CMAKE_CXX_COMPILER} $<$<BOOL:${LETHE_WERROR}>:-Werror=all-warnings>
      -Xcompiler -fPIC,-fvisibility=hidden -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d COMMENT "nvcc ${name}.cu" VERBATIM COMMAND_EXPAND_LISTS)
  list(APPEND objects ${object})
endforeach()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/kernels)
add_custom_target(kernels_objects DEPENDS ${objects})
set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
add_library(lethe_kernels STATIC ${objects})
set_target_properties(lethe_kernels PROPERTIES LINKER_LANGUAGE CXX)
add_dependencies(lethe_kernels kernels_objects)
target_include_directories(lethe_kernels INTERFACE native/kernels)
target_include_directories(lethe_kernels SYSTEM INTERFACE ${toolkit}/include)
target_compile_definitions(lethe_kernels INTERFACE LETHE_KERNELS)
# The runtime is linked in and its symbols kept inside; it shares the process's CUDA context with libtorch's.
target_link_libraries(lethe_kernels INTERFACE ${LETHE_CUDART} -Wl,--exclude-libs,libcudart_static.a dl rt pthread)
set(LETHE_KERNELS ON)
message(STATUS "CUDA kernels for sm_${LETHE_CUDA_TARGETS} by ${LETHE_NVCC}")
