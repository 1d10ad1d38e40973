/* command.c: command.def as a table. */
#include "consumer/command.h"

const struct command commands[] = {
#define COMMAND(symbol, word, summary) {word, summary, command_##symbol, &argp_of_##symbol},
#include "consumer/command.def"
#undef COMMAND
};

const size_t command_count = sizeof(commands) / sizeof(*commands);
