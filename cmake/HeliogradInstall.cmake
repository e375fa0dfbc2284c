# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installing: headers, one export set for the library and one per component, a version file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(heliograd_cmake_dir "${CMAKE_INSTALL_DATADIR}/cmake/heliograd")

install(TARGETS heliograd EXPORT heliograd-heliograd FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
foreach(component IN LISTS HELIOGRAD_COMPONENTS)
  install(TARGETS heliograd_${component} EXPORT heliograd-${component})
endforeach()
foreach(component IN ITEMS heliograd LISTS HELIOGRAD_COMPONENTS)
  install(EXPORT heliograd-${component} NAMESPACE heliograd:: DESTINATION "${heliograd_cmake_dir}")
endforeach()

configure_package_config_file(cmake/heliogradConfig.cmake.in heliogradConfig.cmake
                              INSTALL_DESTINATION "${heliograd_cmake_dir}")
write_basic_package_version_file(heliogradConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_SOURCE_DIR}/cmake/FindFFTW3.cmake" "${CMAKE_CURRENT_BINARY_DIR}/heliogradConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/heliogradConfigVersion.cmake"
        DESTINATION "${heliograd_cmake_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/heliograd")
