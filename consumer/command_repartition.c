/* command_repartition.c: upshot repartition, the state for another number of partitions. */
#include "consumer/command.h"
#include "consumer/options.h"
#include "consumer/repartition.h"

#include <argp.h>

struct arguments {
    struct config from, to;
    bool has_to, dry_run;
};

enum { KEY_TO = 1, KEY_DRY };

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"to", KEY_TO, "FILE", 0,
     "the new configuration, whole: app.id, input.topics and outputs of its own", 1},
    {"dry-run", KEY_DRY, NULL, 0, "only say what would be written; creates nothing", 1},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->from, key, value);
    case KEY_TO:
        arguments->has_to = true;
        return options_parse_config(&arguments->to, 'F', value);
    case KEY_DRY:
        arguments->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is expected, but there is \"%s\"", value);
        return EINVAL;
    case ARGP_KEY_END:
        if (!arguments->has_to)
            argp_error(state, "--to FILE says what the new application is");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp argp_of_repartition = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .doc =
        "Copies an application's state for another one, whose inputs have another number of "
        "partitions: each message to where its key now goes, in one transaction. The old one "
        "is only read, and can be started again.\v"
        "-F and -X describe the old application, --to the new one, which has new inputs, an "
        "app.id of its own and outputs of the new count. Nothing is changed where it is: in a "
        "topic that grows, a message's events lie in two places. In order:\n\n"
        "  1. create the new inputs, and turn all producers to them;\n"
        "  2. let the old application read its inputs to their ends, and stop it;\n"
        "  3. this, which refuses (exit code 1) where a record is unread, somebody is in "
        "either group, or the new application has run before;\n"
        "  4. start the new application.\n\n"
        "Messages go on as they were: lives, revisions and deadlines. How keys are hashed is "
        "told by the new configuration's partitioner, or by where they lie in the old state. "
        "docs/moving.md says more.\n\n"
        "Examples:\n"
        "  upshot repartition -F upshot.conf --to upshot-24.conf --dry-run\n"
        "  upshot repartition -F upshot.conf --to upshot-24.conf\n\n" OPTIONS_HELP,
};

int command_repartition(int argc, char **argv)
{
    struct arguments arguments = {.has_to = false};
    int code;

    config_init(&arguments.from);
    config_init(&arguments.to);
    argp_parse(&argp_of_repartition, argc, argv, 0, NULL, &arguments);
    code = options_check_config(&arguments.from);
    if (code == EXIT_WELL)
        code = options_check_config(&arguments.to);
    if (code == EXIT_WELL)
        code = repartition(&arguments.from, &arguments.to, arguments.dry_run);
    config_release(&arguments.from);
    config_release(&arguments.to);
    return code;
}
