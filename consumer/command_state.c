/* command_state.c: upshot state, what an application keeps in its state topic. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/log.h"
#include "consumer/message_view.h"
#include "consumer/options.h"
#include "consumer/state_save.h"
#include "consumer/state_stat.h"
#include "consumer/state_topic.h"
#include "consumer/view.h"
#include "schemas/arena.h"
#include "statemachine/memory.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verb { VERB_NONE, VERB_DUMP, VERB_STAT, VERB_SAVE };

enum { PHASE_ANY = -1 }; /* PHASE_COUNT: no status yet */

struct arguments {
    struct config config;
    enum verb verb;
    const char *channel; /* NULL: all */
    int phase;
    int32_t partition; /* -1: all */
    uint64_t limit;
    bool limited, control, json;
    const char *dir; /* of save */
    struct replay_position at;
};

enum { KEY_CHANNEL = 1, KEY_PARTITION, KEY_PHASE, KEY_LIMIT, KEY_CONTROL, KEY_JSON, KEY_AT };

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"partition", KEY_PARTITION, "P", 0, "only this partition", 1},
    {NULL, 0, NULL, 0, "For dump:", 2},
    {"channel", KEY_CHANNEL, "NAME", 0, "only messages of this channel", 2},
    {"phase", KEY_PHASE, "queued|transit|provisional|final|none", 0,
     "only messages in this phase; none: no status yet", 2},
    {"limit", KEY_LIMIT, "N", 0, "end after N lines", 2},
    {"control", KEY_CONTROL, NULL, 0,
     "each partition's control record instead of its messages: watermark, counts, tables", 2},
    {NULL, 0, NULL, 0, "For stat:", 3},
    {"json", KEY_JSON, NULL, 0, "one JSON object", 3},
    {NULL, 0, NULL, 0, "For save:", 4},
    {"at", KEY_AT, "WHERE", 0,
     "not the last state but that before an offset of the state topic, a time or a duration back "
     "from now (-36h)",
     4},
    {0},
};

static uint64_t number(struct argp_state *state, const char *name, const char *value, uint64_t most)
{
    char *end;
    unsigned long long parsed = strtoull(value, &end, 10);

    if (end == value || *end != 0 || value[0] == '-' || parsed > most)
        argp_error(state, "--%s: \"%s\" is not a whole number up to %" PRIu64, name, value, most);
    return parsed;
}

static void parse_phase(struct argp_state *state, const char *value, int *phase)
{
    enum phase found;

    if (strcmp(value, "none") == 0)
        *phase = PHASE_COUNT;
    else if (phase_find(value, &found))
        *phase = (int)found;
    else
        argp_error(state, "--phase: \"%s\" is none of queued, transit, provisional, final, none",
                   value);
}

static void parse_verb(struct argp_state *state, const char *value, enum verb *verb)
{
    if (*verb != VERB_NONE)
        argp_error(state, "one of dump, stat and save, and no more: \"%s\"", value);
    else if (strcmp(value, "dump") == 0)
        *verb = VERB_DUMP;
    else if (strcmp(value, "stat") == 0)
        *verb = VERB_STAT;
    else if (strcmp(value, "save") == 0)
        *verb = VERB_SAVE;
    else
        argp_error(state, "there is no \"%s\", only dump, stat and save", value);
}

static void check_options(struct argp_state *state, const struct arguments *arguments)
{
    bool filtered = arguments->channel != NULL || arguments->phase != PHASE_ANY;

    if (arguments->verb == VERB_NONE)
        argp_error(state, "say dump, stat or save DIR");
    if (arguments->verb != VERB_DUMP && (filtered || arguments->limited || arguments->control))
        argp_error(state, "--channel, --phase, --limit and --control go with dump");
    if (arguments->verb != VERB_STAT && arguments->json)
        argp_error(state, "--json goes with stat; dump writes nothing else");
    if (arguments->verb != VERB_SAVE && arguments->at.kind != POSITION_DEFAULT)
        argp_error(state, "--at goes with save");
    if (arguments->verb == VERB_SAVE && arguments->dir == NULL)
        argp_error(state, "save into which directory?");
    if (arguments->verb == VERB_SAVE && arguments->partition >= 0)
        argp_error(state, "--partition goes with dump and stat; save has all of them");
    if (arguments->control && filtered)
        argp_error(state, "--control is of partitions, not of a channel or a phase");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case KEY_CHANNEL:
        arguments->channel = value;
        return 0;
    case KEY_PARTITION:
        arguments->partition = (int32_t)number(state, "partition", value, INT32_MAX);
        return 0;
    case KEY_PHASE:
        parse_phase(state, value, &arguments->phase);
        return 0;
    case KEY_LIMIT:
        arguments->limited = true;
        arguments->limit = number(state, "limit", value, UINT64_MAX);
        return 0;
    case KEY_CONTROL:
        arguments->control = true;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case KEY_AT:
        if (!replay_position_parse(value, clock_wall_ms(), &arguments->at))
            argp_error(state, "--at: \"%s\" is no offset, time or duration", value);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->verb == VERB_SAVE && arguments->dir == NULL)
            arguments->dir = value;
        else
            parse_verb(state, value, &arguments->verb);
        return 0;
    case ARGP_KEY_END:
        check_options(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- dump ------------------------------------------------------------------------------- */

struct dump {
    const struct arguments *arguments;
    const struct tables *tables;
    const struct table *channel; /* NULL: all */
    uint64_t printed;
    struct buffer line;
    /* Those of the partition that are wanted; nothing is listed in the order of a hash. */
    struct message_key *keys;
    size_t count, room;
};

/* False: no more is wanted, or can be written. */
static bool print_line(struct dump *dump)
{
    for (size_t i = 0; i < dump->line.size; i++) /* between an attribute's tokens */
        if (dump->line.bytes[i] == '\n')
            dump->line.bytes[i] = ' ';
    buffer_put_byte(&dump->line, '\n');
    require(!dump->line.failed);
    fwrite(dump->line.bytes, 1, dump->line.size, stdout);
    buffer_clear(&dump->line);
    dump->printed++;
    return !ferror(stdout);
}

static bool wants_more(const struct dump *dump)
{
    return !dump->arguments->limited || dump->printed < dump->arguments->limit;
}

static bool keep_key(void *context, struct message_key key, const struct record *record)
{
    struct dump *dump = context;
    const struct table *table = dump->tables->rows[key.channel];
    int phase =
        record->state == STATUS_NONE ? PHASE_COUNT : (int)table->statuses[record->state].phase;

    if ((dump->channel != NULL && dump->channel != table) ||
        (dump->arguments->phase != PHASE_ANY && dump->arguments->phase != phase))
        return true;
    if (dump->count == dump->room) {
        dump->room = dump->room == 0 ? 1024 : dump->room * 2;
        dump->keys = memory_resize(dump->keys, dump->room, sizeof(*dump->keys));
    }
    dump->keys[dump->count++] = key;
    return true;
}

static int compare_keys(const void *left, const void *right)
{
    const struct message_key *a = left, *b = right;

    return a->channel != b->channel ? a->channel - b->channel : text_compare(a->id, b->id);
}

static bool dump_messages(void *context, const struct restore_job *job, const struct lane *lane)
{
    struct dump *dump = context;

    (void)job;
    dump->count = 0;
    store_walk(lane->task.store, keep_key, dump);
    if (dump->count > 0)
        qsort(dump->keys, dump->count, sizeof(*dump->keys), compare_keys);
    for (size_t i = 0; i < dump->count && wants_more(dump); i++) {
        const struct message_key *key = &dump->keys[i];
        struct record record;
        struct place place;
        require(store_find(lane->task.store, *key, &place, &record));
        arena_open();
        message_view(&dump->line, dump->tables->rows[key->channel], key->id, &record,
                     lane->partition, -1);
        arena_close();
        if (!print_line(dump))
            return false;
    }
    return wants_more(dump);
}

static void add_counts(cJSON *object, const char *name, const char *const *words,
                       const uint64_t *counts, int count)
{
    cJSON *one = cJSON_AddObjectToObject(object, name);

    for (int i = 0; i < count; i++)
        view_number(one, words[i], (int64_t)counts[i]);
}

static void control_view(struct buffer *out, const struct restore_job *job)
{
    const struct control *control = &job->control;
    cJSON *object = cJSON_CreateObject(), *list, *one;

    view_number(object, "partition", job->lane->partition);
    view_number(object, "offset", job->control_offset);
    view_number(object, "transaction", (int64_t)control->transaction);
    view_time(object, "watermark", control->watermark_ms);
    list = cJSON_AddArrayToObject(object, "inputs");
    for (size_t i = 0; i < control->input_count; i++) {
        cJSON_AddItemToArray(list, one = cJSON_CreateObject());
        cJSON_AddStringToObject(one, "topic", control->inputs[i].topic);
        view_time(one, "greatest", control->inputs[i].greatest_ms);
        if (control->inputs[i].next >= 0)
            view_number(one, "next", control->inputs[i].next);
    }
    add_counts(object, "arrivals", arrival_words, control->arrivals, ARRIVAL_COUNT);
    add_counts(object, "dead_letters", reason_words, control->dead_letters, REASON_COUNT);
    list = cJSON_AddArrayToObject(object, "tables");
    for (size_t i = 0; i < control->table_count; i++) {
        cJSON_AddItemToArray(list, one = cJSON_CreateObject());
        cJSON_AddStringToObject(one, "channel", control->tables[i].channel);
        view_digest(one, "digest", control->tables[i].digest);
    }
    view_digest(object, "lineage", control->lineage);
    view_number(object, "live", (int64_t)control->live);
    view_print(out, object);
}

static bool dump_control(void *context, const struct restore_job *job, const struct lane *lane)
{
    struct dump *dump = context;

    (void)lane;
    if (job->control_offset < 0)
        return true; /* no transaction has landed there yet */
    if (!wants_more(dump))
        return false;
    control_view(&dump->line, job);
    return print_line(dump);
}

static int run_dump(struct state_topic *topic, const struct arguments *arguments)
{
    struct dump dump = {.arguments = arguments, .tables = topic->tables};
    int code;

    if (arguments->channel != NULL)
        dump.channel = tables_find(topic->tables, (const uint8_t *)arguments->channel,
                                   strlen(arguments->channel));
    code = state_topic_walk(topic, arguments->partition,
                            arguments->control ? dump_control : dump_messages, &dump);
    buffer_release(&dump.line);
    free(dump.keys);
    arena_release();
    return code;
}

/* ---- stat ------------------------------------------------------------------------------- */

static bool stat_partition(void *context, const struct restore_job *job, const struct lane *lane)
{
    state_stat_add(context, job, lane);
    return true;
}

static int run_stat(struct state_topic *topic, const struct arguments *arguments)
{
    struct buffer out = {0};
    struct state_stat stat;
    int code;

    state_stat_init(&stat, topic->tables);
    code = state_topic_walk(topic, arguments->partition, stat_partition, &stat);
    if (code != EXIT_WORLD) {
        if (arguments->json)
            state_stat_json(&out, topic->name, &stat);
        else
            state_stat_text(&out, topic->name, &stat);
        if (arguments->json)
            buffer_put_byte(&out, '\n');
        fwrite(out.bytes, 1, out.size, stdout);
    }
    buffer_release(&out);
    state_stat_release(&stat);
    return code;
}

/* ---- both ------------------------------------------------------------------------------- */

static bool load_tables(const struct arguments *arguments, struct tables *tables)
{
    bool good = options_load_tables(&arguments->config, tables) == EXIT_WELL;

    if (good && arguments->channel != NULL &&
        tables_find(tables, (const uint8_t *)arguments->channel, strlen(arguments->channel)) ==
            NULL) {
        fprintf(stderr, "upshot state: there is no channel \"%s\" in the tables\n",
                arguments->channel);
        good = false;
    }
    return good;
}

static int run(const struct arguments *arguments, struct tables *tables)
{
    struct state_topic topic;
    int code;

    if (arguments->verb == VERB_SAVE)
        return state_save(&arguments->config, tables, &arguments->at, arguments->dir);
    code = state_topic_open(&topic, &arguments->config, tables);
    if (code == EXIT_WELL && arguments->partition >= topic.partitions) {
        fprintf(stderr, "upshot state: %s has the partitions 0 to %" PRId32 ", not %" PRId32 "\n",
                topic.name, topic.partitions - 1, arguments->partition);
        code = EXIT_USAGE;
    }
    if (code == EXIT_WELL)
        code = arguments->verb == VERB_DUMP ? run_dump(&topic, arguments)
                                            : run_stat(&topic, arguments);
    state_topic_close(&topic);
    return code;
}

const struct argp argp_of_state = {
    .options = options,
    .parser = parse,
    .args_doc = "dump|stat|save DIR",
    .children = options_log,
    .doc =
        "Reads the state topic of the application that app.id names, as it is now, while a "
        "stage may be running: only what is committed, and nothing is changed. dump writes "
        "each message that is kept as a line of JSON, by partition, channel and id; stat "
        "counts them, and says what the topic is made of; save puts it aside as files, from which "
        "`replay --state-at` can begin when the topic has long forgotten it (docs/replay.md).\v"
        "Examples:\n"
        "  upshot state stat -X bootstrap.servers=kafka:9092\n"
        "  upshot state dump -F upshot.conf --phase transit | jq .deadline\n"
        "  upshot state dump -F upshot.conf | jq -r 'select(.conflict) | .message_id'\n"
        "  upshot state dump -F upshot.conf --control | jq '.arrivals, .dead_letters'\n"
        "  upshot state save states -F upshot.conf\n\n"
        "One partition is in memory at a time, at about 140 bytes a message beside what "
        "librdkafka reads ahead. Where a partition has more or fewer messages than its stage "
        "counted, or messages of a channel that the tables no longer have, that is told, and "
        "the exit code is 1. A record that is damaged ends it with 3 and its offset.\n\n"
        OPTIONS_HELP,
};

int command_state(int argc, char **argv)
{
    struct arguments arguments = {.phase = PHASE_ANY, .partition = -1};
    struct tables tables = {0};
    int code = EXIT_USAGE;

    config_init(&arguments.config);
    log_set_level(LOG_WARN_LEVEL); /* unless more is asked for: the answer is on stdout */
    argp_parse(&argp_of_state, argc, argv, 0, NULL, &arguments);
    if (load_tables(&arguments, &tables))
        code = run(&arguments, &tables);
    tables_release(&tables);
    config_release(&arguments.config);
    return code;
}
