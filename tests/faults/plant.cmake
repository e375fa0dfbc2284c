# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# cmake -DTABLE= -DNUMBER= -DROOT= -DFOLDER= -P plant.cmake: writes the header with the fault below FOLDER.
include(${CMAKE_CURRENT_LIST_DIR}/tables.cmake)
heliograd_read_faults(${TABLE})
heliograd_plant(${ROOT} ${NUMBER} text)
if(text_error)
  message(FATAL_ERROR "${TABLE}: ${text_error}")
endif()
file(WRITE "${FOLDER}/include/heliograd/${fault_header_${NUMBER}}" "${text}")
