# embed_file.cmake: one file to one C file, as bytes with a NUL behind them.
#   cmake -DIN=consumer/page.html -DOUT=page.c -DNAME=page -DHEADER=consumer/page.h -P embed_file.cmake
file(READ "${IN}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x..,){16})" "\\1\n    " bytes "${bytes}")
file(WRITE "${OUT}" "/* Made by cmake/embed_file.cmake. */
#include \"${HEADER}\"

const unsigned char ${NAME}[] = {
    ${bytes}0};

const size_t ${NAME}_size = sizeof(${NAME}) - 1;
")
