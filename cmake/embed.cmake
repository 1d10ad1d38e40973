# embed.cmake: channel files to one C file, as bytes.
#   cmake -DOUT=builtin_channels.c -DDIR=schemas/channels -P embed.cmake
file(GLOB channels "${DIR}/*.json")
list(SORT channels)
set(arrays "")
set(rows "")
set(count 0)
foreach(path IN LISTS channels)
  get_filename_component(name "${path}" NAME)
  file(READ "${path}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "((0x..,){16})" "\\1\n    " bytes "${bytes}")
  string(APPEND arrays "static const unsigned char channel_${count}[] = {\n    ${bytes}};\n\n")
  string(APPEND rows "    {\"${name}\", channel_${count}, sizeof(channel_${count})},\n")
  math(EXPR count "${count} + 1")
endforeach()
if(count EQUAL 0)
  message(FATAL_ERROR "no channel files in ${DIR}")
endif()
file(WRITE "${OUT}" "/* Made by cmake/embed.cmake from schemas/channels. */
#include \"schemas/channel_file.h\"

${arrays}const struct builtin_channel builtin_channels[] = {
${rows}};

const size_t builtin_channel_count = ${count};
")
