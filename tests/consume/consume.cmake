# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs heliograd where a consumer wants it installed, then configures, builds and runs the consumer.
set(arguments -D "CMAKE_CXX_COMPILER=${CXX}" -D "CMAKE_EXE_LINKER_FLAGS=${LINK_FLAGS}" -D "Kokkos_DIR=${Kokkos_DIR}")
file(REMOVE_RECURSE "${WORK}")
if(WAY STREQUAL "find_package")
  execute_process(COMMAND ${CMAKE_COMMAND} --install "${HELIOGRAD_BUILD}" --prefix "${WORK}/prefix"
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND arguments -D "CMAKE_PREFIX_PATH=${WORK}/prefix")
else()
  list(APPEND arguments -D "HELIOGRAD_DIR=${HELIOGRAD_DIR}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S "${CMAKE_CURRENT_LIST_DIR}/${WAY}" -B "${WORK}/build" -G "${GENERATOR}" ${arguments}
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build "${WORK}/build" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${WORK}/build/consumer" COMMAND_ERROR_IS_FATAL ANY)
