# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# heliograd::compiled: the library, with the host's convolutions compiled once, for programs of many files
# (docs/guide/compile-time.md). It is built when something links it. On a GPU's Kokkos it is the library alone.
if(Kokkos_DEVICES MATCHES "CUDA|HIP")
  add_library(heliograd_compiled INTERFACE)
  target_link_libraries(heliograd_compiled INTERFACE heliograd)
else()
  set(sources "")
  foreach(scalar float double)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/compiled/${scalar}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#define HELIOGRAD_COMPILED\n#define HELIOGRAD_COMPILED_SCALAR ${scalar}\n\
#include <heliograd/kernel/conv2d.hpp>\n")
    list(APPEND sources ${source})
  endforeach()
  add_library(heliograd_compiled STATIC EXCLUDE_FROM_ALL ${sources})
  target_link_libraries(heliograd_compiled PUBLIC heliograd PRIVATE heliograd_flags)
  target_compile_definitions(heliograd_compiled INTERFACE HELIOGRAD_COMPILED=extern)
endif()
add_library(heliograd::compiled ALIAS heliograd_compiled)
