# The device path, native/device. Makes lethe_device: over CUDA where libtorch has it and nvcc compiled the kernels
# (LETHE_KERNELS), else one that says that there is none. And lethe_device_emulated: the same path on the CPU over the
# emulated kernels, for native/test/device_*.cpp and Java's EmulatedDeviceTest.
function(lethe_device_library name)
  add_library(${name} OBJECT ${ARGN})
  lethe_reads_with_objects(${name})
  target_link_libraries(${name} PUBLIC lethe_flags)
endfunction()

# Precompiled headers are taken over by what is compiled in the same way.
function(lethe_reads_with_objects name)
  set_target_properties(${name} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${name} REUSE_FROM lethe_objects)
endfunction()

file(GLOB path_sources CONFIGURE_DEPENDS native/device/*.cpp)
list(FILTER path_sources EXCLUDE REGEX "(no_device|_cuda|_emulated)\\.cpp$")
if(LETHE_KERNELS AND LETHE_WITH_CUDA)
  lethe_device_library(lethe_device ${path_sources} native/device/runtime_cuda.cpp)
  list(JOIN LETHE_CUDA_TARGETS "," architectures)
  target_compile_definitions(lethe_device PRIVATE "LETHE_CUDA_ARCHITECTURES=${architectures}")
  target_link_libraries(lethe_device PUBLIC lethe_kernels)
else()
  lethe_device_library(lethe_device native/device/no_device.cpp)
endif()

if(BUILD_TESTING)
  lethe_device_library(lethe_device_emulated ${path_sources} native/device/runtime_emulated.cpp)
  target_link_libraries(lethe_device_emulated PUBLIC lethe_kernels_emulated)
  # The whole library with that device in it, for the Java tests of what runs on one.
  add_library(lethe_emulated SHARED)
  target_link_libraries(lethe_emulated PRIVATE lethe_objects lethe_device_emulated)
  set_target_properties(lethe_emulated PROPERTIES BUILD_RPATH "${LETHE_TORCH_LIB}" LIBRARY_OUTPUT_DIRECTORY test
    LINK_OPTIONS "-Wl,--no-undefined")
endif()
