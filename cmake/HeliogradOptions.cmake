# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Options, the private flags of our own programs, and two helpers of the top CMakeLists.txt.

option(HELIOGRAD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(HELIOGRAD_EXAMPLES "Build the example programs" ${PROJECT_IS_TOP_LEVEL})
option(HELIOGRAD_BENCHMARKS "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(HELIOGRAD_NATIVE "Compile for this machine's instruction set (-march=native)" OFF)
option(HELIOGRAD_CHECKS "Bounds, lifetime and contract checks inside the library" OFF)
option(HELIOGRAD_WERROR "Warnings are errors in our own programs" OFF)
option(HELIOGRAD_QUICK "Compile with less optimisation what is judged neither by its numbers nor by its speed" OFF)
set(HELIOGRAD_SANITIZE "" CACHE STRING "Sanitizers for our own programs, as given to -fsanitize=")
set(HELIOGRAD_KOKKOS_ARCH "" CACHE STRING "Refuse a Kokkos that was not built for this architecture, e.g. HOPPER90")

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_EXTENSIONS OFF)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

# heliograd_flags: how tests, examples and benchmarks are compiled. Never installed or exported.
# One floating-point setting for everything: a*b+c may become one fused operation, nothing else is relaxed.
add_library(heliograd_flags INTERFACE)
target_compile_options(heliograd_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=fast)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A vector type with attributes as template argument, and the ABI note on wide vectors, say nothing about our code.
  target_compile_options(heliograd_flags INTERFACE -Wno-ignored-attributes -Wno-psabi)
endif()
if(HELIOGRAD_WERROR)
  target_compile_options(heliograd_flags INTERFACE -Werror)
endif()
if(HELIOGRAD_SANITIZE)
  target_compile_options(heliograd_flags INTERFACE -fsanitize=${HELIOGRAD_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(heliograd_flags INTERFACE -fsanitize=${HELIOGRAD_SANITIZE})
endif()

# Stops when the preset asks for an architecture the found Kokkos was not built for.
function(heliograd_require_kokkos_arch wanted)
  if(wanted AND NOT wanted IN_LIST Kokkos_ARCH)
    message(FATAL_ERROR "this preset wants a Kokkos built with -DKokkos_ARCH_${wanted}=ON, and the one found in "
                        "${Kokkos_DIR} was built for [${Kokkos_DEVICES}; ${Kokkos_ARCH}]; point Kokkos_ROOT at another")
  endif()
endfunction()

# heliograd_component(name [PACKAGE p TARGET t DEBIAN d]): the target heliograd::name, if its dependency is there.
# Names made are collected in HELIOGRAD_COMPONENTS, what is missing in HELIOGRAD_MISSING.
function(heliograd_component name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PACKAGE;TARGET;DEBIAN" "")
  if(arg_TARGET AND NOT TARGET ${arg_TARGET})
    find_package(${arg_PACKAGE} QUIET)
    if(NOT TARGET ${arg_TARGET})
      message(STATUS "heliograd::${name} is left out: ${arg_PACKAGE} was not found (Debian: ${arg_DEBIAN})")
      set(HELIOGRAD_MISSING ${HELIOGRAD_MISSING} "${arg_PACKAGE} (Debian: ${arg_DEBIAN})" PARENT_SCOPE)
      return()
    endif()
  endif()
  add_library(heliograd_${name} INTERFACE)
  add_library(heliograd::${name} ALIAS heliograd_${name})
  set_target_properties(heliograd_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(heliograd_${name} INTERFACE heliograd ${arg_TARGET})
  set(HELIOGRAD_COMPONENTS ${HELIOGRAD_COMPONENTS} ${name} PARENT_SCOPE)
  set(HELIOGRAD_PACKAGE_${name} "${arg_PACKAGE}" PARENT_SCOPE)
endfunction()
