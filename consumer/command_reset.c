/* command_reset.c: upshot reset, a group and its state back to a point. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/options.h"
#include "consumer/replay_topics.h"
#include "consumer/reset.h"
#include "statemachine/memory.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct config config;
    struct reset_options reset;
};

enum { KEY_TO = 1, KEY_DRY };

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"to", KEY_TO, "WHERE", 0,
     "earliest; the first records at or after a time (RFC 3339, epoch ms, or a duration back from "
     "now: -36h); or TOPIC/PARTITION=OFFSET,... for all inputs of the partitions named",
     1},
    {"dry-run", KEY_DRY, NULL, 0, "only say what would change", 1},
    {0},
};

/* TOPIC/PARTITION=OFFSET; a topic's name has neither a slash nor an equals sign. */
static bool read_offset(const char *word, struct reset_offset *row)
{
    const char *slash = strchr(word, '/');
    char *end;
    long partition;

    if (slash == NULL || slash == word)
        return false;
    partition = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || *end != '=' || partition < 0 || partition > INT32_MAX)
        return false;
    row->topic = word;
    row->topic_size = (size_t)(slash - word);
    row->partition = (int32_t)partition;
    word = end + 1;
    row->offset = strtoll(word, &end, 10);
    return end != word && *end == 0 && row->offset >= 0;
}

static void set_offsets(struct reset_options *reset, char *value, struct argp_state *state)
{
    char *rest = NULL, *word;

    reset->kind = RESET_OFFSETS;
    reset->offsets = memory_resize(reset->offsets, RESET_OFFSETS_MAX, sizeof(*reset->offsets));
    reset->offset_count = 0;
    for (word = strtok_r(value, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        if (reset->offset_count == RESET_OFFSETS_MAX)
            argp_error(state, "--to: more than %d offsets", RESET_OFFSETS_MAX);
        if (!read_offset(word, &reset->offsets[reset->offset_count++]))
            argp_error(state, "--to: \"%s\" is not TOPIC/PARTITION=OFFSET", word);
    }
}

static void set_to(struct reset_options *reset, char *value, struct argp_state *state)
{
    struct replay_position position;

    if (strcmp(value, "earliest") == 0) {
        reset->kind = RESET_EARLIEST;
    } else if (strchr(value, '=') != NULL) {
        set_offsets(reset, value, state);
    } else if (replay_position_parse(value, clock_wall_ms(), &position) &&
               position.kind == POSITION_TIME) {
        reset->kind = RESET_TIME;
        reset->time_ms = position.value;
    } else {
        argp_error(state, "--to: \"%s\" is neither earliest, nor a time, nor offsets", value);
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case KEY_TO:
        set_to(&arguments->reset, value, state);
        return 0;
    case KEY_DRY:
        arguments->reset.dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is expected, but there is \"%s\"", value);
        return EINVAL;
    case ARGP_KEY_END:
        if (arguments->reset.kind == RESET_NOWHERE)
            argp_error(state, "--to says where");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp argp_of_reset = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .doc =
        "Sets the group's offsets to a point of the inputs and empties the state, in one "
        "transaction: the stage then computes anew from there. Refused (exit code 1) while "
        "the group has members.\v"
        "All of it happens, or nothing; killed at work, it is run again. Images of the state "
        "(state.dir) are recognised as out of date on every machine; those of this "
        "configuration are removed. It prints, for each partition, where each input was and "
        "will be, of which offsets, and how many messages are forgotten.\n\n"
        "What was emitted stays in the outcomes topic, and what follows from the records "
        "behind the point is emitted again. A message whose first record lies there has the "
        "life that it had, and revisions from 1, so the same outcome_id: who upserts by that "
        "sees no difference, who counts lines counts twice. With other tables, or where "
        "several inputs were merged in another order, the new revisions can be fewer, and a "
        "reader who takes the highest keeps an old one: then empty the outcomes topic, or "
        "name another (outcomes.topic). Dead letters are written again, too.\n\n"
        "A message that was open at the point is forgotten, and a later receipt opens another "
        "life without its send, which readers do not take: it stays as it was emitted last. "
        "So go back further than the oldest message that counts, by the longest settle_after "
        "and retention of its channel; earliest, where the inputs keep so much. Where only "
        "single records are to be read again, move the offsets alone, with Kafka's own tools: "
        "the state then recognises them as repeated.\n\n"
        "Examples:\n"
        "  upshot reset -F upshot.conf --to earliest --dry-run\n"
        "  upshot reset -F upshot.conf --to 2026-11-23T00:00:00Z\n"
        "  upshot reset -F upshot.conf --to -14d\n"
        "  upshot reset -F upshot.conf --to message.sends/3=0,message.receipts/3=120\n\n"
        OPTIONS_HELP,
};

int command_reset(int argc, char **argv)
{
    struct arguments arguments = {.reset = {.kind = RESET_NOWHERE}};
    int code;

    config_init(&arguments.config);
    argp_parse(&argp_of_reset, argc, argv, 0, NULL, &arguments);
    code = options_check_config(&arguments.config);
    if (code == EXIT_WELL)
        code = reset(&arguments.config, &arguments.reset);
    free(arguments.reset.offsets);
    config_release(&arguments.config);
    return code;
}
