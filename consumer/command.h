/*
 * command.h: what is known of each command from outside.
 *
 * argv[0] is "upshot NAME". A command parses its own options with argp (-F FILE, -X prop=value,
 * --help), writes results to stdout and complaints to stderr, and returns an exit code. It gives
 * its argp away: the manual page and the shells' completions are made of the same options and
 * words as its --help.
 */
#ifndef UPSHOT_CONSUMER_COMMAND_H
#define UPSHOT_CONSUMER_COMMAND_H

#include <argp.h>
#include <stddef.h>

enum exit_code {
    EXIT_WELL = 0,
    EXIT_FOUND = 1, /* found something wrong */
    EXIT_USAGE = 2, /* usage or config */
    EXIT_WORLD = 3, /* the world failed: a broker, a disk */
};

#define COMMAND(symbol, word, summary)           \
    int command_##symbol(int argc, char **argv); \
    extern const struct argp argp_of_##symbol;
#include "consumer/command.def"
#undef COMMAND

struct command {
    const char *word;
    const char *summary;
    int (*run)(int argc, char **argv);
    const struct argp *argp;
};

/* In the order of command.def. */
extern const struct command commands[];
extern const size_t command_count;

#endif
