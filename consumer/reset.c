/* reset.c: look, find the point, join as the only one, forget and move in one transaction. */
#include "consumer/reset.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/errand.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/patience.h"
#include "consumer/scan.h"
#include "consumer/snapshot.h"
#include "consumer/sole.h"
#include "consumer/topics.h"
#include "consumer/trouble.h"
#include "schemas/state_record.h"
#include "statemachine/memory.h"
#include "statemachine/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    ASK_MS = 5000,
    SERVE_EVERY = 1000, /* records */
};

/* One partition of all inputs. */
struct plan {
    bool wanted;
    int64_t now[INPUTS_MAX]; /* committed; < 0: nothing */
    int64_t to[INPUTS_MAX];
    int64_t low[INPUTS_MAX], high[INPUTS_MAX];
    uint64_t transaction; /* the last one's number */
    uint64_t live;        /* messages in the state */
};

struct reset {
    const struct config *config;
    const struct reset_options *options;
    struct errand_time time;
    rd_kafka_t *client; /* reads uncommitted: ends */
    char *state_topic;
    int32_t partitions;
    struct plan *plans;
    struct scan scan;
    struct sole sole;
    struct errand errand;
    char id[300];
};

static int fail(const struct reset *reset, const char *operation, const char *topic,
                rd_kafka_resp_err_t error)
{
    const struct trouble *trouble = trouble_of(error);

    log_error(trouble == NULL ? "reset_failed" : trouble->event,
              "operation=%s topic=%s error=%s brokers=%s hint=\"%s\"", operation, topic,
              rd_kafka_err2name(error), kafka_brokers(reset->config),
              trouble == NULL ? "nothing was changed: run it again" : trouble->hint);
    return EXIT_WORLD;
}

/* ---- the point ---------------------------------------------------------------------------- */

static int count_partitions(struct reset *reset)
{
    const struct config_list *inputs = &reset->config->input_topics;

    for (size_t i = 0; i < inputs->count; i++) {
        int64_t start_ms = clock_monotonic_ms();
        struct topic_look look;
        do {
            look = topics_look(reset->client, inputs->items[i]);
        } while (patience_again(look.error, start_ms));
        if (look.error == RD_KAFKA_RESP_ERR_NO_ERROR && look.partitions == 0)
            look.error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        if (look.error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return fail(reset, "Describe", inputs->items[i], look.error);
        if (i > 0 && look.partitions != reset->partitions) {
            log_error("inputs_differ", "topic=%s partitions=%d other=%s other_partitions=%d",
                      inputs->items[i], look.partitions, inputs->items[0], reset->partitions);
            return EXIT_USAGE;
        }
        reset->partitions = look.partitions;
    }
    reset->plans = memory_get_clean((size_t)reset->partitions * sizeof(*reset->plans));
    return EXIT_WELL;
}

static int ask_ends(struct reset *reset, size_t input, int32_t partition)
{
    struct plan *plan = &reset->plans[partition];
    const char *topic = reset->config->input_topics.items[input];
    int64_t start_ms = clock_monotonic_ms();
    rd_kafka_resp_err_t error;

    do {
        error = kafka_ask_ends(reset->client, topic, partition, &plan->low[input],
                               &plan->high[input], ASK_MS);
    } while (patience_again(error, start_ms));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? EXIT_WELL
                                               : fail(reset, "ListOffsets", topic, error);
}

/* The first record at or after a time; the end where there is none. */
static int ask_time(struct reset *reset, size_t input, int32_t partition)
{
    struct plan *plan = &reset->plans[partition];
    const char *topic = reset->config->input_topics.items[input];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t error;

    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = reset->options->time_ms;
    error = rd_kafka_offsets_for_times(reset->client, list, ASK_MS);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = list->elems[0].err;
    plan->to[input] = list->elems[0].offset < 0 ? plan->high[input] : list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? EXIT_WELL
                                               : fail(reset, "OffsetsForTimes", topic, error);
}

static int find_points(struct reset *reset)
{
    size_t inputs = reset->config->input_topics.count;
    int code = EXIT_WELL;

    for (int32_t p = 0; p < reset->partitions; p++) {
        struct plan *plan = &reset->plans[p];
        plan->wanted = reset->options->kind != RESET_OFFSETS;
        for (size_t i = 0; i < inputs && code == EXIT_WELL; i++) {
            code = ask_ends(reset, i, p);
            plan->to[i] = reset->options->kind == RESET_OFFSETS ? -1 : plan->low[i];
            if (reset->options->kind == RESET_TIME && code == EXIT_WELL)
                code = ask_time(reset, i, p);
        }
    }
    return code;
}

static bool set_offset(struct reset *reset, const struct reset_offset *row)
{
    const struct config_list *inputs = &reset->config->input_topics;

    for (size_t i = 0; i < inputs->count && row->partition < reset->partitions; i++) {
        struct plan *plan = &reset->plans[row->partition];
        if (strlen(inputs->items[i]) != row->topic_size ||
            memcmp(inputs->items[i], row->topic, row->topic_size) != 0)
            continue;
        plan->wanted = true;
        plan->to[i] = row->offset;
        if (row->offset >= plan->low[i] && row->offset <= plan->high[i])
            return true;
        log_error("offset_out_of_range",
                  "topic=%s partition=%d offset=%" PRId64 " first=%" PRId64 " next=%" PRId64,
                  inputs->items[i], row->partition, row->offset, plan->low[i], plan->high[i]);
        return false;
    }
    log_error("no_such_input", "topic=%.*s partition=%d hint=\"input.topics has none like it\"",
              (int)row->topic_size, row->topic, row->partition);
    return false;
}

/* A task's inputs move together: what one alone would mean for its messages nobody could say. */
static int set_offsets(struct reset *reset)
{
    const struct config_list *inputs = &reset->config->input_topics;

    for (size_t i = 0; i < reset->options->offset_count; i++)
        if (!set_offset(reset, &reset->options->offsets[i]))
            return EXIT_USAGE;
    for (int32_t p = 0; p < reset->partitions; p++)
        for (size_t i = 0; i < inputs->count && reset->plans[p].wanted; i++)
            if (reset->plans[p].to[i] < 0) {
                log_error("offset_missing",
                          "topic=%s partition=%d hint=\"give an offset for each input of a "
                          "partition\"",
                          inputs->items[i], p);
                return EXIT_USAGE;
            }
    return EXIT_WELL;
}

/* ---- what there is ------------------------------------------------------------------------ */

static rd_kafka_topic_partition_list_t *list_inputs(const struct reset *reset)
{
    const struct config_list *inputs = &reset->config->input_topics;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(reset->partitions * (int)inputs->count);

    for (int32_t p = 0; p < reset->partitions; p++)
        for (size_t i = 0; i < inputs->count && reset->plans[p].wanted; i++)
            rd_kafka_topic_partition_list_add(list, inputs->items[i], p)->offset =
                reset->plans[p].to[i];
    return list;
}

static int ask_committed(struct reset *reset)
{
    const struct config_list *inputs = &reset->config->input_topics;
    rd_kafka_topic_partition_list_t *list = list_inputs(reset);
    rd_kafka_resp_err_t error = scan_ask_committed(reset->scan.reader, list);

    for (int i = 0; i < list->cnt; i++)
        for (size_t j = 0; j < inputs->count; j++)
            if (strcmp(list->elems[i].topic, inputs->items[j]) == 0)
                reset->plans[list->elems[i].partition].now[j] = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? EXIT_WELL : fail(reset, "OffsetFetch", "-", error);
}

/* What the state holds is read behind all transactions, those of a stage that was killed, too. */
static int open_state(struct reset *reset)
{
    if (!scan_open(&reset->scan, reset->config, reset->state_topic, SCAN_WHOLE))
        return EXIT_WORLD;
    if (reset->scan.partitions != reset->partitions) {
        log_error("output_differs", "topic=%s partitions=%d input_partitions=%d",
                  reset->state_topic, reset->scan.partitions, reset->partitions);
        return EXIT_USAGE;
    }
    for (int32_t p = 0; p < reset->partitions; p++) {
        struct scan_range *range = &reset->scan.ranges[p];
        if (!reset->plans[p].wanted)
            range->next = range->end;
    }
    return EXIT_WELL;
}

static bool refuse(const struct reset *reset, const rd_kafka_message_t *message, const char *why)
{
    log_error("state_record_refused", "topic=%s partition=%d offset=%" PRId64 " fault=\"%s\"",
              reset->state_topic, message->partition, message->offset, why);
    return false;
}

static bool note_control(struct reset *reset, const rd_kafka_message_t *message)
{
    static struct control control; /* 20 KiB: not for the stack */
    struct plan *plan = &reset->plans[message->partition];

    if (message->payload == NULL ||
        control_decode(message->payload, message->len, &control) != STATE_GOOD)
        return refuse(reset, message, "a control record that this program cannot read");
    plan->transaction = control.transaction;
    plan->live = control.live;
    return true;
}

static bool forget(struct reset *reset, const rd_kafka_message_t *message)
{
    struct errand_record tombstone = {
        .topic = reset->state_topic,
        .partition = message->partition,
        .key = message->key,
        .key_size = message->key_len,
    };

    return reset->options->dry_run || message->payload == NULL ||
           errand_put(&reset->errand, &tombstone);
}

static bool take(struct reset *reset, const rd_kafka_message_t *message)
{
    struct text channel, id;

    switch (state_key_decode(message->key, message->key_len, &channel, &id)) {
    case STATE_MESSAGE:
        return forget(reset, message);
    case STATE_CONTROL:
        return note_control(reset, message);
    case STATE_BAD_KEY:
        break;
    }
    return refuse(reset, message, "unknown kind of key");
}

/* Reads the state, and writes a tombstone for each record of a message. */
static bool read_state(struct reset *reset)
{
    rd_kafka_message_t *message;
    bool good = scan_begin(&reset->scan);
    unsigned count = 0;

    while (good && (message = scan_next(&reset->scan)) != NULL) {
        good = take(reset, message);
        rd_kafka_message_destroy(message);
        if (reset->sole.member != NULL && ++count % SERVE_EVERY == 0)
            good = good && sole_serve(&reset->sole);
    }
    return good && !reset->scan.failed;
}

/* ---- the change --------------------------------------------------------------------------- */

static bool put_control(struct reset *reset, int32_t partition)
{
    static struct control control;
    const struct config_list *inputs = &reset->config->input_topics;
    struct buffer key = {0}, value = {0};
    bool good;

    memset(&control, 0, sizeof(control));
    control.transaction = reset->plans[partition].transaction + 1;
    control.watermark_ms = TIME_NONE;
    control.input_count = inputs->count;
    for (size_t i = 0; i < inputs->count; i++) {
        snprintf(control.inputs[i].topic, sizeof(control.inputs[i].topic), "%s", inputs->items[i]);
        control.inputs[i].greatest_ms = TIME_NONE;
        control.inputs[i].next = reset->plans[partition].to[i];
    }
    while (control.lineage == 0)
        control.lineage = hash_seed();
    state_key_control(&key);
    control_encode(&value, &control);
    good = errand_put(&reset->errand, &(struct errand_record){.topic = reset->state_topic,
                                                              .partition = partition,
                                                              .key = key.bytes,
                                                              .key_size = key.size,
                                                              .value = value.bytes,
                                                              .value_size = value.size});
    buffer_release(&key);
    buffer_release(&value);
    return good;
}

static bool put_offsets(struct reset *reset)
{
    rd_kafka_topic_partition_list_t *list = list_inputs(reset);
    bool good;

    for (int i = 0; i < list->cnt; i++) {
        char number[64];
        int size = snprintf(number, sizeof(number), "%" PRIu64 "/reset",
                            reset->plans[list->elems[i].partition].transaction + 1);
        list->elems[i].metadata = strdup(number); /* freed with the list */
        list->elems[i].metadata_size = (size_t)size;
    }
    good = errand_commit(&reset->errand, list, reset->sole.generation);
    rd_kafka_topic_partition_list_destroy(list);
    return good;
}

/*
 * From the begin to the commit. What was committed is asked for when the transaction has begun:
 * there is no answer while one of a run that was killed is open, and this is its end.
 */
static bool replace(struct reset *reset)
{
    errand_time_set(&reset->time, reset->config, scan_left(&reset->scan));
    snprintf(reset->id, sizeof(reset->id), "%s.reset", reset->config->app_id);
    if (!errand_begin(&reset->errand, &reset->time.config, reset->id) ||
        ask_committed(reset) != EXIT_WELL || !read_state(reset))
        return false;
    for (int32_t p = 0; p < reset->partitions; p++)
        if (reset->plans[p].wanted && !put_control(reset, p))
            return false;
    return sole_serve(&reset->sole) && put_offsets(reset);
}

/* As the only member, from the look at the state to the commit. */
static int change(struct reset *reset)
{
    int code = sole_join(&reset->sole, reset->config, reset->partitions);

    if (code == EXIT_WELL)
        code = open_state(reset);
    if (code != EXIT_WELL || replace(reset))
        return code;
    return reset->sole.lost || reset->errand.overtaken ? EXIT_FOUND : EXIT_WORLD;
}

static int look_only(struct reset *reset)
{
    int code = open_state(reset);

    if (code == EXIT_WELL)
        code = ask_committed(reset);
    return code == EXIT_WELL && !read_state(reset) ? EXIT_WORLD : code;
}

static void remove_snapshots(const struct reset *reset)
{
    struct snapshot_place place = {.dir = reset->config->state_dir,
                                   .state_topic = reset->state_topic};
    struct snapshot_paths paths;

    for (int32_t p = 0; p < reset->partitions && place.dir[0] != 0; p++) {
        if (!reset->plans[p].wanted)
            continue;
        if (!snapshot_list(&place, p, &paths)) {
            log_warn("state_dir_unreadable", "dir=%s error=\"%s\"", place.dir, strerror(errno));
            return;
        }
        for (size_t i = 0; i < paths.count; i++)
            unlink(paths.items[i]);
        snapshot_paths_release(&paths);
    }
}

static void tell(const struct reset *reset)
{
    const struct config_list *inputs = &reset->config->input_topics;
    bool dry = reset->options->dry_run;

    for (int32_t p = 0; p < reset->partitions; p++) {
        const struct plan *plan = &reset->plans[p];
        for (size_t i = 0; i < inputs->count && plan->wanted; i++)
            printf("%s\t%d\tfrom %" PRId64 "\tto %" PRId64 "\tof %" PRId64 " to %" PRId64 "\n",
                   inputs->items[i], p, plan->now[i], plan->to[i], plan->low[i], plan->high[i]);
        if (plan->wanted)
            printf("%s\t%d\t%" PRIu64 " messages %s\n", reset->state_topic, p, plan->live,
                   dry ? "would be forgotten" : "forgotten");
    }
}

static int run(struct reset *reset)
{
    int code = sole_look(reset->config);

    reset->client = kafka_client(reset->config);
    if (reset->client == NULL)
        return EXIT_USAGE;
    if (code == EXIT_WELL)
        code = count_partitions(reset);
    if (code == EXIT_WELL)
        code = find_points(reset);
    if (code == EXIT_WELL)
        code = set_offsets(reset);
    if (code == EXIT_WELL && !reset->options->dry_run)
        code = change(reset);
    else if (code == EXIT_WELL)
        code = look_only(reset);
    if (code == EXIT_WELL)
        tell(reset);
    if (code == EXIT_WELL && !reset->options->dry_run)
        remove_snapshots(reset);
    return code;
}

int reset(const struct config *config, const struct reset_options *options)
{
    struct reset reset = {.config = config, .options = options};
    int code;

    reset.state_topic = topics_state_name(config);
    code = run(&reset);
    errand_end(&reset.errand);
    sole_leave(&reset.sole);
    scan_close(&reset.scan);
    if (reset.client != NULL)
        rd_kafka_destroy(reset.client);
    errand_time_release(&reset.time);
    free(reset.plans);
    free(reset.state_topic);
    return code;
}
