/* command_replay.c: upshot replay, files or a range of topics to outcomes, wherever these go. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/options.h"
#include "consumer/replay_files.h"
#include "consumer/replay_progress.h"
#include "consumer/replay_topics.h"
#include "consumer/summary.h"
#include "schemas/instant.h"
#include "schemas/outcome.h"
#include "statemachine/memory.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct arguments {
    struct config config;
    const char **paths;
    size_t path_count;
    const char *dead_letters;
    struct replay_topics_options topics;
    int64_t now_ms;
    struct buffer words; /* options that decide what comes out, as they were given */
    bool has_now, to_end_of_time, json, quiet;
    bool state_moves; /* --state-at is a duration */
};

enum {
    KEY_DEAD_LETTERS = 1,
    KEY_END_OF_TIME,
    KEY_NOW,
    KEY_JSON,
    KEY_TOPICS,
    KEY_FROM,
    KEY_TO,
    KEY_INTO,
    KEY_PARALLEL,
    KEY_TO_TOPIC,
    KEY_NAME,
    KEY_STATE_AT,
    KEY_PARTITIONS,
};

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"channels", 'C', "DIR", 0, "channel tables instead of the ones built in", 1},
    {"dead-letters", KEY_DEAD_LETTERS, "FILE", 0, "write dead letters to FILE, an envelope a line",
     1},
    {"to-end-of-time", KEY_END_OF_TIME, NULL, 0, "settle everything at the end", 1},
    {"now", KEY_NOW, "TIME", 0,
     "judge skew.max as of TIME (RFC 3339 or epoch ms); without it a replay asks no clock", 1},
    {"json", KEY_JSON, NULL, 0, "the summary as one JSON line", 1},
    {"quiet", 'q', NULL, 0, "no summary and no progress", 1},
    {"topics", KEY_TOPICS, "T,...", 0, "replay these topics instead of files", 2},
    {"partitions", KEY_PARTITIONS, "P,...", 0, "only these, such as 0,4-7; default: all", 2},
    {"from", KEY_FROM, "WHERE", 0,
     "offset, RFC 3339 time, epoch ms (from 10^11) or duration back from now (-36h); default: the "
     "beginning",
     2},
    {"to", KEY_TO, "WHERE", 0, "likewise, exclusive; default: the end as it is at the start", 2},
    {"state-at", KEY_STATE_AT, "WHERE", 0,
     "begin with what the application of app.id had kept: before this offset of its state topic, "
     "or before a time or duration, like --from; and where its inputs then stood",
     2},
    {"into", KEY_INTO, "DIR", 0,
     "a file of outcomes and one of dead letters for each partition, renamed when all are whole",
     2},
    {"parallel", KEY_PARALLEL, "N", 0, "partitions side by side (with --into); the same bytes", 2},
    {"to-topic", KEY_TO_TOPIC, "TOPIC", 0,
     "outcomes into TOPIC, in transactions, each once, however often it is killed", 2},
    {"name", KEY_NAME, "NAME", 0, "of the replay into TOPIC, by which it goes on when run again",
     2},
    {0},
};

static bool parse_time(const char *text, int64_t *ms)
{
    char *end;

    if (instant_parse(text, strlen(text), ms))
        return true;
    *ms = strtoll(text, &end, 10);
    return end != text && *end == 0 && *ms >= 0 && *ms <= TIME_MAX_MS;
}

/* An option that decides what comes out. */
static void note(struct arguments *arguments, char key, const char *value)
{
    buffer_put_byte(&arguments->words, (uint8_t)key);
    buffer_put(&arguments->words, value, strlen(value) + 1);
}

/* Of all that decides what comes out, but for the offsets that "now" and "the end" mean. */
static uint64_t take_fingerprint(struct arguments *arguments, const struct tables *tables)
{
    struct buffer *words = &arguments->words;

    buffer_put_string(words, OUTCOME_SCHEMA);
    buffer_put_decimal(words, arguments->config.event_max_bytes);
    buffer_put_byte(words, ' ');
    buffer_put_decimal(words, arguments->has_now ? arguments->config.skew_max_ms : 0);
    for (size_t i = 0; i < tables->count; i++)
        buffer_put(words, &tables->rows[i]->digest, sizeof(tables->rows[i]->digest));
    require(!words->failed);
    return hash_bytes(words->bytes, words->size, 0);
}

/* What only all of them can get wrong. */
static void check_together(struct arguments *arguments, struct argp_state *state)
{
    struct replay_topics_options *topics = &arguments->topics;

    if (topics->range.given && arguments->path_count > 0)
        argp_error(state, "files or --topics, not both");
    if (!topics->range.given &&
        (topics->range.from.kind != POSITION_DEFAULT || topics->range.to.kind != POSITION_DEFAULT))
        argp_error(state, "--from and --to go with --topics");
    if (!topics->range.given && topics->state_at.kind != POSITION_DEFAULT)
        argp_error(state, "--state-at goes with --topics");
    if (topics->range.from.kind != POSITION_DEFAULT && topics->state_at.kind != POSITION_DEFAULT)
        argp_error(state, "--from or --state-at, not both: the state knows where it ends");
    if (topics->to_topic != NULL && arguments->state_moves)
        argp_error(state, "--state-at: a duration back from now is another point the next time: "
                          "give an offset or a time with --to-topic");
    if (!topics->range.given && topics->partitions.count > 0)
        argp_error(state, "--partitions goes with --topics");
    if (!topics->range.given && topics->into != NULL)
        argp_error(state, "--into goes with --topics");
    if (!topics->range.given && topics->to_topic != NULL)
        argp_error(state, "--to-topic goes with --topics");
    if ((topics->to_topic == NULL) != (topics->name == NULL))
        argp_error(state, "--to-topic and --name go together");
    if (topics->into != NULL && topics->to_topic != NULL)
        argp_error(state, "--into or --to-topic, not both");
    if (topics->into == NULL && topics->parallel > 1)
        argp_error(state, "--parallel goes with --into: partitions side by side need files of "
                          "their own");
    if (topics->into != NULL && arguments->dead_letters != NULL)
        argp_error(state, "--into has files of its own for dead letters");
    if (!topics->range.given && arguments->path_count == 0 && isatty(STDIN_FILENO))
        argp_error(state, "name a FILE, or - for standard input");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case 'C': {
        struct buffer complaint = {0};
        config_set(&arguments->config, "channels.dir", value, &complaint);
        buffer_release(&complaint);
        return 0;
    }
    case KEY_DEAD_LETTERS:
        arguments->dead_letters = value;
        return 0;
    case KEY_END_OF_TIME:
        note(arguments, 'e', "");
        arguments->to_end_of_time = true;
        return 0;
    case KEY_NOW:
        note(arguments, 'n', value);
        arguments->has_now = parse_time(value, &arguments->now_ms);
        if (!arguments->has_now)
            argp_error(state, "--now: \"%s\" is not a time (RFC 3339, or epoch milliseconds)",
                       value);
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case 'q':
        arguments->quiet = true;
        return 0;
    case KEY_TOPICS: {
        struct buffer complaint = {0};
        note(arguments, 'i', value);
        if (!config_set(&arguments->config, "input.topics", value, &complaint))
            argp_error(state, "--topics: %.*s", (int)complaint.size, (const char *)complaint.bytes);
        arguments->topics.range.given = true;
        buffer_release(&complaint);
        return 0;
    }
    case KEY_FROM:
        note(arguments, 'f', value);
        if (!replay_position_parse(value, clock_wall_ms(), &arguments->topics.range.from))
            argp_error(state, "--from: \"%s\" is no offset, time or duration", value);
        return 0;
    case KEY_TO:
        note(arguments, 't', value);
        if (!replay_position_parse(value, clock_wall_ms(), &arguments->topics.range.to))
            argp_error(state, "--to: \"%s\" is no offset, time or duration", value);
        return 0;
    case KEY_PARTITIONS:
        note(arguments, 'p', value);
        if (!partition_set_parse(value, &arguments->topics.partitions))
            argp_error(state, "--partitions: \"%s\" is not like 0,4-7", value);
        return 0;
    case KEY_STATE_AT:
        note(arguments, 's', value);
        arguments->state_moves = value[0] == '-';
        if (!replay_position_parse(value, clock_wall_ms(), &arguments->topics.state_at))
            argp_error(state, "--state-at: \"%s\" is no offset, time or duration", value);
        return 0;
    case KEY_TO_TOPIC:
        arguments->topics.to_topic = value;
        return 0;
    case KEY_NAME:
        options_check_name(value, state);
        arguments->topics.name = value;
        return 0;
    case KEY_INTO:
        arguments->topics.into = value;
        return 0;
    case KEY_PARALLEL:
        arguments->topics.parallel = atoi(value);
        if (arguments->topics.parallel < 1 || arguments->topics.parallel > REPLAY_PARALLEL_MAX)
            argp_error(state, "--parallel: \"%s\" is not from 1 to %d", value, REPLAY_PARALLEL_MAX);
        return 0;
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < arguments->path_count; i++)
            if (strcmp(value, "-") == 0 && strcmp(arguments->paths[i], "-") == 0)
                argp_error(state, "standard input can be read only once");
        arguments->paths =
            memory_resize(arguments->paths, arguments->path_count + 1, sizeof(*arguments->paths));
        arguments->paths[arguments->path_count++] = value;
        if (arguments->path_count > INPUTS_MAX)
            argp_error(state, "more than %d files", INPUTS_MAX);
        return 0;
    case ARGP_KEY_END:
        check_together(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void summarise(const struct arguments *arguments, const struct tables *tables,
                      const struct tally *tally, const struct remains *remains)
{
    struct buffer out = {0};
    double seconds = replay_progress_seconds();

    tally_require_whole(tally);
    if (arguments->json) {
        summary_json(&out, tables, tally, remains, seconds);
        buffer_put_byte(&out, '\n');
    } else if (!arguments->quiet) {
        summary_text(&out, tables, tally, remains, seconds);
    }
    if (out.size > 0)
        fwrite(out.bytes, 1, out.size, stderr);
    buffer_release(&out);
}

static int replay(struct arguments *arguments, struct tables *tables, FILE *dead_letters)
{
    static const char *const standard_input[] = {"-"};
    bool bar = !arguments->quiet && isatty(STDERR_FILENO);
    struct replay_options how = {
        .tables = tables,
        .paths = arguments->path_count > 0 ? arguments->paths : standard_input,
        .path_count = arguments->path_count > 0 ? arguments->path_count : 1,
        .latest_ms =
            arguments->has_now ? arguments->now_ms + arguments->config.skew_max_ms : INT64_MAX,
        .event_max_bytes = (size_t)arguments->config.event_max_bytes,
        .to_end_of_time = arguments->to_end_of_time,
        .outcomes = stdout,
        .dead_letters = dead_letters,
        .progress = bar ? replay_progress_show : NULL,
    };
    struct tally tally = {0};
    struct remains remains = {0};
    int code;

    arguments->topics.fingerprint = take_fingerprint(arguments, tables);
    replay_progress_begin();
    code = arguments->topics.range.given
               ? replay_topics(&how, &arguments->config, &arguments->topics, &tally, &remains)
               : replay_files(&how, &tally, &remains);
    replay_progress_clear();
    if (fflush(stdout) != 0 && code == EXIT_WELL) {
        perror("upshot replay: stdout");
        code = EXIT_WORLD;
    }
    if (code == EXIT_WELL)
        summarise(arguments, tables, &tally, &remains);
    return code;
}

/* Before anything is truncated: is every input there, and is none of them the output? */
static int look_at_files(const struct arguments *arguments)
{
    struct stat letters, input;
    bool there = arguments->dead_letters != NULL && stat(arguments->dead_letters, &letters) == 0;

    for (size_t i = 0; i < arguments->path_count; i++) {
        const char *path = arguments->paths[i];
        if (strcmp(path, "-") == 0)
            continue;
        if (stat(path, &input) != 0 || access(path, R_OK) != 0) {
            fprintf(stderr, "upshot replay: %s: %s\n", path, strerror(errno));
            return EXIT_WORLD;
        }
        if (there && S_ISREG(input.st_mode) && input.st_dev == letters.st_dev &&
            input.st_ino == letters.st_ino) {
            fprintf(stderr, "upshot replay: %s is an input: dead letters would overwrite it\n",
                    path);
            return EXIT_USAGE;
        }
    }
    return EXIT_WELL;
}

const struct argp argp_of_replay = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .args_doc = "[FILE... | -]",
    .doc = "Events in, outcomes out: one JSON event a line, or kcat -J envelopes. Several "
           "files are several inputs, merged by timestamp. The same input gives the same "
           "bytes, always.\v"
           "A message whose send lies before the range is opened by a receipt, and its outcome "
           "says \"send_seen\":false. The summary counts as `unsent` the lives that never saw "
           "their send. Whether it lies before the range or never came, the range cannot tell; "
           "where it begins with the topics' first records, none lies before. With --state-at "
           "nothing is cut through: it goes on from what a stage had kept (docs/replay.md).\n\n"
           "--to-topic keeps, by the group APP.ID.replay.NAME, how many outcomes of each "
           "partition are there, and which offsets it began with, in the transactions of the "
           "outcomes. The same command again computes all from the beginning, within the same "
           "offsets, and puts only what is not there: nothing, where it had ended. It refuses "
           "topics that the stage reads or writes, and to go on when records of the range were "
           "deleted. Kafka forgets a group after offsets.retention.minutes (7 days): a name that "
           "is older begins anew, and puts all once more.\n\n"
           "Examples:\n"
           "  upshot replay events.jsonl | jq .outcome\n"
           "  upshot replay --to-end-of-time --dead-letters bad.jsonl sends.jsonl "
           "receipts.jsonl\n"
           "  kcat -b kafka -C -J -e -t message.receipts | upshot replay -\n"
           "  upshot replay -X bootstrap.servers=kafka:9092 "
           "--topics message.sends,message.receipts --from -36h\n"
           "  upshot replay -F upshot.conf --topics message.sends,message.receipts --into july "
           "--parallel 4 --from 2026-07-01T00:00:00Z --to 2026-08-01T00:00:00Z\n"
           "  upshot replay -F upshot.conf --topics message.sends,message.receipts --from -36h "
           "--to-topic message.outcomes.again --name table-7\n"
           "  upshot replay -F upshot.conf --topics message.sends,message.receipts "
           "--state-at 2026-07-01T00:00:00Z --to 2026-08-01T00:00:00Z\n\n" OPTIONS_HELP,
};

int command_replay(int argc, char **argv)
{
    struct arguments arguments = {.topics = {.parallel = 1}};
    struct tables tables = {0};
    FILE *dead_letters = NULL;
    int code;

    config_init(&arguments.config);
    argp_parse(&argp_of_replay, argc, argv, 0, NULL, &arguments);
    code = options_load_tables(&arguments.config, &tables);
    if (code == EXIT_WELL)
        code = look_at_files(&arguments);
    if (code == EXIT_WELL && arguments.dead_letters != NULL) {
        dead_letters = fopen(arguments.dead_letters, "we");
        if (dead_letters == NULL) {
            fprintf(stderr, "upshot replay: %s: %s\n", arguments.dead_letters, strerror(errno));
            code = EXIT_WORLD;
        }
    }
    if (code == EXIT_WELL)
        code = replay(&arguments, &tables, dead_letters);
    if (dead_letters != NULL && fclose(dead_letters) != 0 && code == EXIT_WELL) {
        fprintf(stderr, "upshot replay: %s: %s\n", arguments.dead_letters, strerror(errno));
        code = EXIT_WORLD;
    }
    tables_release(&tables);
    buffer_release(&arguments.words);
    config_release(&arguments.config);
    free(arguments.paths);
    return code;
}
