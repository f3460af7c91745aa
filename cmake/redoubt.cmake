# SPDX-License-Identifier: Apache-2.0
# Compiler settings and the one function that makes a floor of the house (docs/architecture.md).

add_library(redoubt_settings INTERFACE)
target_compile_options(redoubt_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Wcast-qual -Wformat=2 -Werror
  -fstack-protector-strong -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside its own <string>, <vector>, <optional> and <expected> when it inlines them.
  target_compile_options(redoubt_settings INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-maybe-uninitialized)
  if(REDOUBT_SANITIZE)
    target_compile_options(redoubt_settings INTERFACE -Wno-array-bounds) # in texts that are put together
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # clang 19 finds deprecated parts of libstdc++ 12 inside its own <algorithm>.
  target_compile_options(redoubt_settings INTERFACE -Wno-deprecated-declarations)
endif()
target_compile_definitions(redoubt_settings INTERFACE
  $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
target_include_directories(redoubt_settings INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(REDOUBT_SANITIZE)
  target_compile_options(redoubt_settings INTERFACE -fsanitize=${REDOUBT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(redoubt_settings INTERFACE -fsanitize=${REDOUBT_SANITIZE})
endif()

if(REDOUBT_FUZZ)
  # Coverage of the floors themselves: without it libFuzzer sees only its own target file.
  target_compile_options(redoubt_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Builds for tests alone read the headers that most files include once, which is a quarter of their time. The release build does
# not, so that each file includes what it uses.
if(REDOUBT_SANITIZE)
  add_library(redoubt_precompiled STATIC ${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp)
  target_link_libraries(redoubt_precompiled PRIVATE redoubt_settings)
  target_precompile_headers(redoubt_precompiled PRIVATE <algorithm> <chrono> <expected> <functional> <map> <memory> <optional> <set> <string>
    <string_view> <unordered_map> <vector> ${CMAKE_SOURCE_DIR}/src/base/json.h)
endif()

# redoubt_floor(NAME [FLOORS f…] [LIBS l…] [EXCLUDE file…]): a static library of src/NAME/*.cpp. FLOORS are the floors it stands
# on; nothing else of the project may be included from it (tests/lint/floors.sh checks that).
function(redoubt_floor name)
  cmake_parse_arguments(F "" "" "FLOORS;LIBS;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  foreach(file ${F_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/src/${name}/${file})
  endforeach()
  if(NOT sources)
    add_library(redoubt_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(redoubt_${name} STATIC ${sources})
    set(scope PUBLIC)
  endif()
  if(REDOUBT_SANITIZE AND sources AND NOT name STREQUAL "devcloud") # which has one of its own
    target_precompile_headers(redoubt_${name} REUSE_FROM redoubt_precompiled)
  endif()
  target_link_libraries(redoubt_${name} ${scope} redoubt_settings ${F_LIBS})
  foreach(floor ${F_FLOORS})
    target_link_libraries(redoubt_${name} ${scope} redoubt_${floor})
  endforeach()
endfunction()
