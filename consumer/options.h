/* options.h: -F and -X, the same for every command that has a configuration; how it logs. */
#ifndef UPSHOT_CONSUMER_OPTIONS_H
#define UPSHOT_CONSUMER_OPTIONS_H

#include "consumer/config.h"
#include "statemachine/table.h"

#include <argp.h>
#include <errno.h>

#define OPTIONS_OF_CONFIG                                                                \
    {"config", 'F', "FILE", 0, "read properties from FILE, a line each: prop=value", 0}, \
    {                                                                                    \
        "property", 'X', "PROP=VALUE", 0, "set a property; the last one counts", 0       \
    }

/* The last words of such a command's --help. */
#define OPTIONS_HELP                                                                           \
    "`upshot check --properties` lists upshot's own properties; every property of librdkafka " \
    "passes through."

/* --log-format, --log-level, --verbose: children of a command's own options; they set log.h up. */
extern const struct argp_child options_log[];

/* Handles -F and -X; complains on stderr and exits with EXIT_USAGE where one is wrong. */
int options_parse_config(struct config *config, int key, const char *value);

/*
 * --name, which becomes a part of a group's name: at most OPTIONS_NAME_MAX letters, digits, dots,
 * _ and -; anything else is argp's error.
 */
enum { OPTIONS_NAME_MAX = 100 };
void options_check_name(const char *value, struct argp_state *state);

/* Checks the whole, but not the tables; complains on stderr. Returns an exit code. */
int options_check_properties(const struct config *config);

/*
 * The tables of channels.dir, the caller's; empty, with EXIT_USAGE, where they are not sound, which
 * is told on stderr.
 */
int options_load_tables(const struct config *config, struct tables *tables);

/* Checks the whole, and the tables of channels.dir; complains on stderr. Returns an exit code. */
int options_check_config(const struct config *config);

#endif
