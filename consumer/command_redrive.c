/* command_redrive.c: upshot redrive, dead letters back onto their input topics. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/log.h"
#include "consumer/options.h"
#include "consumer/redrive.h"
#include "consumer/replay_topics.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 3 };

struct arguments {
    struct config config;
    struct redrive_options redrive;
    struct buffer filters; /* as they were given: what the redrive is called where it has no name */
    char name[OPTIONS_NAME_MAX + 1];
};

enum { KEY_REASON = 1, KEY_FROM, KEY_TO, KEY_SOURCE, KEY_MOST, KEY_TIMESTAMP, KEY_NAME, KEY_DRY };

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"reason", KEY_REASON, "R,...", 0, "letters with one of these reasons", 1},
    {"from", KEY_FROM, "TIME", 0,
     "written at or after TIME: RFC 3339, epoch ms, or a duration back from now (-36h)", 1},
    {"to", KEY_TO, "TIME", 0, "written before TIME", 1},
    {"source", KEY_SOURCE, "TOPIC[/PARTITION]", 0, "that came from there; may be given again", 1},
    {"dry-run", KEY_DRY, NULL, 0,
     "only show, a line each: what would become of it, reason, detail, source, time, key", 2},
    {"most", KEY_MOST, "N", 0, "refuse what was put back N times already (3)", 2},
    {"timestamp", KEY_TIMESTAMP, "original|now", 0, "how to date the records (original)", 2},
    {"name", KEY_NAME, "NAME", 0,
     "of this redrive, by which its position is kept; without one, its options are its name", 2},
    {0},
};

static void set_reasons(struct arguments *arguments, char *value, struct argp_state *state)
{
    char *rest = NULL, *word;

    for (word = strtok_r(value, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        bool found = false;
        for (int i = 0; i < REASON_COUNT; i++)
            if (strcmp(word, reason_words[i]) == 0)
                found = arguments->redrive.reasons[i] = true;
        if (!found)
            argp_error(state, "--reason: there is no reason \"%s\"", word);
    }
}

static void add_source(struct arguments *arguments, const char *value, struct argp_state *state)
{
    struct redrive_options *redrive = &arguments->redrive;
    struct redrive_source *source = &redrive->sources[redrive->source_count];
    const char *slash = strchr(value, '/');
    char *end = NULL;
    long partition = -1;

    if (redrive->source_count == REDRIVE_SOURCES_MAX)
        argp_error(state, "--source: more than %d", REDRIVE_SOURCES_MAX);
    if (slash != NULL) {
        partition = strtol(slash + 1, &end, 10);
        if (end == slash + 1 || *end != 0 || partition < 0 || partition > INT32_MAX)
            argp_error(state, "--source: \"%s\" is not TOPIC or TOPIC/PARTITION", value);
    }
    source->topic = value;
    source->topic_size = slash == NULL ? strlen(value) : (size_t)(slash - value);
    source->partition = (int32_t)partition;
    redrive->source_count++;
}

static int64_t time_of(const char *name, const char *value, struct argp_state *state)
{
    struct replay_position position;

    if (!replay_position_parse(value, clock_wall_ms(), &position) || position.kind != POSITION_TIME)
        argp_error(state, "--%s: \"%s\" is no time or duration", name, value);
    return position.value;
}

static void set_most(struct arguments *arguments, const char *value, struct argp_state *state)
{
    char *end;
    long most = strtol(value, &end, 10);

    if (end == value || *end != 0 || most < 1 || most > 1000)
        argp_error(state, "--most: \"%s\" is not a whole number from 1 to 1000", value);
    arguments->redrive.most = (uint32_t)most;
}

static void note_filter(struct arguments *arguments, char key, const char *value)
{
    buffer_put_byte(&arguments->filters, (uint8_t)key);
    buffer_put(&arguments->filters, value, strlen(value) + 1);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case KEY_REASON:
        note_filter(arguments, 'r', value);
        set_reasons(arguments, value, state);
        return 0;
    case KEY_FROM:
        note_filter(arguments, 'f', value);
        arguments->redrive.from_ms = time_of("from", value, state);
        return 0;
    case KEY_TO:
        note_filter(arguments, 't', value);
        arguments->redrive.to_ms = time_of("to", value, state);
        return 0;
    case KEY_SOURCE:
        note_filter(arguments, 's', value);
        add_source(arguments, value, state);
        return 0;
    case KEY_DRY:
        arguments->redrive.dry_run = true;
        return 0;
    case KEY_MOST:
        note_filter(arguments, 'm', value);
        set_most(arguments, value, state);
        return 0;
    case KEY_TIMESTAMP:
        note_filter(arguments, 'd', value);
        arguments->redrive.now = strcmp(value, "now") == 0;
        if (!arguments->redrive.now && strcmp(value, "original") != 0)
            argp_error(state, "--timestamp: \"%s\" is neither original nor now", value);
        return 0;
    case KEY_NAME:
        options_check_name(value, state);
        snprintf(arguments->name, sizeof(arguments->name), "%s", value);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is expected, but there is \"%s\"", value);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void tell_counts(const struct arguments *arguments, const struct redrive_counts *counts)
{
    uint64_t letters = 0;

    for (int i = 0; i < FATE_COUNT; i++)
        letters += counts->letters[i];
    log_line(LOG_INFO_LEVEL, arguments->redrive.dry_run ? "would_redrive" : "redriven",
             "name=%s letters=%" PRIu64
#define FATE(symbol, word, refused, meaning) " " word "=%" PRIu64
#include "consumer/redrive.def"
#undef FATE
             " undated=%" PRIu64,
             arguments->name, letters,
#define FATE(symbol, word, refused, meaning) counts->letters[FATE_##symbol],
#include "consumer/redrive.def"
#undef FATE
             counts->undated);
}

/* Says what became of them; 1 where something that was asked for could not be done. */
static int tell(const struct arguments *arguments, const struct redrive_counts *counts)
{
    uint64_t refused = 0;

    tell_counts(arguments, counts);
    for (int i = 0; i < FATE_COUNT; i++)
        refused += fate_refused[i] ? counts->letters[i] : 0;
    for (int i = 0; i < FATE_COUNT; i++)
        if (fate_refused[i] && counts->letters[i] > 0)
            log_warn("not_redriven", "fate=%s letters=%" PRIu64 " hint=\"each %s\"", fate_words[i],
                     counts->letters[i], fate_meanings[i]);
    if (counts->undated > 0)
        log_warn("undated",
                 "letters=%" PRIu64 " hint=\"written before upshot kept the records' timestamps: "
                 "dated as the letters are\"",
                 counts->undated);
    return refused > 0 ? EXIT_FOUND : EXIT_WELL;
}

const struct argp argp_of_redrive = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .doc = "Puts dead letters back onto the input topics and partitions that they came from: "
           "their bytes, key, headers and timestamp as they were, and a header upshot-redriven "
           "that counts how often. Exactly once, whenever it is killed; run again, it goes on.\v"
           "The letters are read from dead_letters.topic, as far as it goes at the start. The "
           "records and the position behind their letters are committed together, the position "
           "by the group APP.ID.redrive.NAME. So the same command again only takes what has come "
           "since, and whatever was passed or refused stays passed; another filter, --most or "
           "--timestamp, or another --name, begins at the first letter. So does any, when a week "
           "(the broker's offsets.retention.minutes) has passed since its last run. Where two "
           "redrives share letters, these are put back twice; the stage recognises that as "
           "repeated.\n\n"
           "A letter is refused, counted, and the exit code 1, where it was cut (upshot-cut: its "
           "value did not fit), was put back --most times, is still dated more than skew.max "
           "ahead, or came from no input. One of wrong_partition goes where its key belongs, "
           "`partitioner` being set.\n\n"
           "Records are dated as they were, so that deadlines and lives are as if they had been "
           "readable at first. But a topic deletes by these dates: where a record is older than "
           "its input's retention.ms, or what is wrong with it is its date, use --timestamp now. "
           "Its deadline then counts from now. What comes after its message was forgotten (the "
           "channel's retention) opens a new life, which readers do not take where another has "
           "seen the send: what is that old is put right by a replay.\n\n"
           "Examples:\n"
           "  upshot redrive -F upshot.conf --dry-run --reason unknown_status\n"
           "  upshot redrive -F upshot.conf --reason unknown_status --from -36h\n"
           "  upshot redrive -F upshot.conf --source message.receipts/3 --name ticket-812\n"
           "  upshot redrive -F upshot.conf --reason skewed_time --timestamp now\n\n" OPTIONS_HELP,
};

int command_redrive(int argc, char **argv)
{
    struct arguments arguments = {
        .redrive = {.from_ms = INT64_MIN, .to_ms = INT64_MAX, .most = MOST}};
    struct redrive_counts counts = {.undated = 0};
    int code;

    config_init(&arguments.config);
    argp_parse(&argp_of_redrive, argc, argv, 0, NULL, &arguments);
    if (arguments.name[0] == 0)
        snprintf(arguments.name, sizeof(arguments.name), "%016" PRIx64,
                 hash_bytes(arguments.filters.bytes, arguments.filters.size, 0));
    arguments.redrive.name = arguments.name;
    code = options_check_config(&arguments.config);
    if (code == EXIT_WELL)
        code = redrive(&arguments.config, &arguments.redrive, &counts);
    if (code == EXIT_WELL)
        code = tell(&arguments, &counts);
    buffer_release(&arguments.filters);
    config_release(&arguments.config);
    return code;
}
