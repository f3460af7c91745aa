# SPDX-License-Identifier: Apache-2.0
# redoubt_embed(TARGET FILE HEADER NAMESPACE NAME): makes HEADER, for the target's include path, with the text of FILE as
# the array NAME of string_views. In pieces, for compilers take string literals of 65,536 bytes and no more for granted.
function(redoubt_embed target file header namespace name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(LENGTH "${text}" length)
  set(pieces "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 16000 piece)
    string(APPEND pieces "    R\"embedded(${piece})embedded\",\n")
    math(EXPR at "${at} + 16000")
  endwhile()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded)
  file(CONFIGURE OUTPUT ${out}/${header} @ONLY CONTENT "// Made of a file of the sources by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace @namespace@ {

inline constexpr std::string_view @name@[] = {
@pieces@};

} // namespace @namespace@
")
  target_include_directories(${target} PRIVATE ${out})
endfunction()
