# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# CFITSIO has no CMake package of its own in most distributions: the target CFITSIO::CFITSIO from pkg-config or by search.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_CFITSIO QUIET cfitsio)
endif()
find_path(CFITSIO_INCLUDE_DIR fitsio.h HINTS ${PC_CFITSIO_INCLUDE_DIRS} PATH_SUFFIXES cfitsio)
find_library(CFITSIO_LIBRARY cfitsio HINTS ${PC_CFITSIO_LIBRARY_DIRS})
mark_as_advanced(CFITSIO_INCLUDE_DIR CFITSIO_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CFITSIO REQUIRED_VARS CFITSIO_LIBRARY CFITSIO_INCLUDE_DIR
                                  VERSION_VAR PC_CFITSIO_VERSION)
if(CFITSIO_FOUND AND NOT TARGET CFITSIO::CFITSIO)
  add_library(CFITSIO::CFITSIO UNKNOWN IMPORTED)
  set_target_properties(CFITSIO::CFITSIO PROPERTIES
    IMPORTED_LOCATION "${CFITSIO_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${CFITSIO_INCLUDE_DIR}")
endif()
