# SPDX-License-Identifier: Apache-2.0
# The target secp256k1, and SECP256K1_VERSION: the libsecp256k1 that cmake/secp256k1.lock pins, where
# tools/secp256k1.sh has unpacked it, else the system's. Headers and library are always of one version: the structures
# that both know must agree.
find_library(SECP256K1_SYSTEM libsecp256k1.a REQUIRED)
find_path(SECP256K1_SYSTEM_HEADERS secp256k1_recovery.h REQUIRED)
find_file(SECP256K1_SYSTEM_PC libsecp256k1.pc PATHS /usr/lib PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig pkgconfig NO_DEFAULT_PATH REQUIRED)

set(lock ${CMAKE_CURRENT_LIST_DIR}/secp256k1.lock)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${lock})
set(architecture amd64)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(architecture arm64)
endif()
file(STRINGS ${lock} pinned REGEX "_${architecture}\\.deb$")
string(REGEX MATCH "^[0-9a-f]+" hash "${pinned}")
string(REGEX REPLACE ".*-dev_([0-9.]+).*" "\\1" wanted "${pinned}")
# Asked for again by each build, so that one that was unpacked since is taken.
file(GLOB unpacked CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/build/secp256k1/${hash}/libsecp256k1.a)

if(unpacked)
  set(library ${unpacked})
  get_filename_component(folder ${unpacked} DIRECTORY)
  set(headers ${folder}/include)
  set(pc ${folder}/libsecp256k1.pc)
else()
  set(library ${SECP256K1_SYSTEM})
  set(headers ${SECP256K1_SYSTEM_HEADERS})
  set(pc ${SECP256K1_SYSTEM_PC})
endif()
file(STRINGS ${pc} SECP256K1_VERSION REGEX "^Version: ")
string(REPLACE "Version: " "" SECP256K1_VERSION "${SECP256K1_VERSION}")
message(STATUS "libsecp256k1 ${SECP256K1_VERSION}: ${library}")
if(SECP256K1_VERSION VERSION_LESS wanted)
  message(WARNING "libsecp256k1 ${SECP256K1_VERSION} is linked, which signs more slowly than ${wanted}; tools/secp256k1.sh unpacks that one")
endif()

add_library(secp256k1 INTERFACE)
target_include_directories(secp256k1 SYSTEM INTERFACE ${headers})
target_link_libraries(secp256k1 INTERFACE ${library})
