# cmake --install: the program, the library, its headers, and the package that find_package(kmemlab) reads.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kmemlab)

install(TARGETS kmemlab EXPORT kmemlab-targets)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/allocators DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kmemlab
        FILES_MATCHING PATTERN "*.hpp")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT kmemlab-targets NAMESPACE kmemlab:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/kmemlab-config.cmake.in
                              ${PROJECT_BINARY_DIR}/package/kmemlab-config.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/kmemlab-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/kmemlab-config.cmake
              ${PROJECT_BINARY_DIR}/package/kmemlab-config-version.cmake DESTINATION ${package_dir})
