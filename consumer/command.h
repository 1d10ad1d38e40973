/*
 * command.h: what main.c knows of each command.
 *
 * argv[0] is "upshot NAME". A command parses its own options with argp (-F FILE, -X prop=value,
 * --help), writes results to stdout and complaints to stderr, and returns an exit code.
 */
#ifndef UPSHOT_CONSUMER_COMMAND_H
#define UPSHOT_CONSUMER_COMMAND_H

enum exit_code {
    EXIT_WELL = 0,
    EXIT_FOUND = 1, /* found something wrong */
    EXIT_USAGE = 2, /* usage or config */
    EXIT_WORLD = 3, /* the world failed: a broker, a disk */
};

#define COMMAND(symbol, word, summary) int command_##symbol(int argc, char **argv);
#include "consumer/command.def"
#undef COMMAND

#endif
