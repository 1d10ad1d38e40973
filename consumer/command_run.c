/* command_run.c: upshot run, the stage. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/options.h"
#include "consumer/stage.h"
#include "schemas/channel_file.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct arguments {
    struct config config;
    struct stage_options options;
    bool dry_run;
};

static atomic_bool stop;

static void on_signal(int signal)
{
    (void)signal;
    atomic_store(&stop, true);
}

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"no-wait", 1, NULL, 0, "exit 3 after 10 s without a broker, rather than wait for one", 1},
    {"no-create", 2, NULL, 0, "refuse to start where an output topic is missing", 1},
    {"allow-table-change", 3, NULL, 0,
     "accept state with status names that the tables no longer have; they stay in the timeline, "
     "without a vote",
     1},
    {"dry-run", 4, NULL, 0, "check tables and configuration, and end", 1},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case 1:
        arguments->options.no_wait = true;
        return 0;
    case 2:
        arguments->options.no_create = true;
        return 0;
    case 3:
        arguments->options.allow_table_change = true;
        return 0;
    case 4:
        arguments->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is expected, but there is \"%s\"", value);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp argp_of_run = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .doc = "The stage: reads the input topics, writes outcomes, dead letters and state in "
           "transactions, until SIGTERM or SIGINT.\v"
           "Examples:\n"
           "  upshot run -X bootstrap.servers=kafka:9092 -X instance.id=pod-0\n"
           "  upshot run -F upshot.conf --dry-run\n"
           "  upshot run -F upshot.conf --no-create --log-format json\n\n" OPTIONS_HELP,
};

int command_run(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct sigaction action = {.sa_handler = on_signal};
    int code;

    sigaction(SIGTERM, &action, NULL); /* first of all: a stop may come at once */
    sigaction(SIGINT, &action, NULL);
    config_init(&arguments.config);
    argp_parse(&argp_of_run, argc, argv, 0, NULL, &arguments);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a snapshot that failed, no more */

    code = options_check_config(&arguments.config);
    if (code == EXIT_WELL && !arguments.dry_run)
        code = stage_run(&arguments.config, &arguments.options, &stop);
    config_release(&arguments.config);
    return code;
}
