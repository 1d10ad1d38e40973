/* state_point.c: look for a control record, and fold what lies before it. */
#include "consumer/state_point.h"

#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/log.h"
#include "consumer/state_topic.h"
#include "consumer/topics.h"
#include "schemas/instant.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(const struct state_points *points, struct topic_reader *reader, int32_t partition,
                 int code, const char *why)
{
    fprintf(stderr, "upshot %s: --state-at: %s partition %" PRId32 ": %s\n", reader->command,
            points->topic, partition, why);
    reader->error = code;
    return false;
}

/* ---- the control record ----------------------------------------------------------------- */

struct search {
    struct state_points *points;
    struct state_point *point;
    int64_t before;         /* an offset */
    struct control control; /* the last one before it; transaction 0: none */
    int64_t written_ms;
    struct control later; /* the first one behind it, likewise */
    int64_t later_offset, later_ms;
};

/* False: it is the one behind the point, so all is known; or it cannot be read. */
static bool note_control(struct search *search, const rd_kafka_message_t *message)
{
    bool before = message->offset < search->before;
    struct control *control = before ? &search->control : &search->later;
    rd_kafka_timestamp_type_t type;

    if (message->payload == NULL ||
        control_decode(message->payload, message->len, control) != STATE_GOOD)
        return fail(search->points, search->points->reader, search->point->partition, EXIT_WORLD,
                    "a control record that this program cannot read");
    if (before) {
        search->point->end = message->offset + 1;
        search->written_ms = rd_kafka_message_timestamp(message, &type);
    } else {
        search->later_offset = message->offset;
        search->later_ms = rd_kafka_message_timestamp(message, &type);
    }
    return before;
}

/* From the first record to the first transaction that comes too late. */
static void look_through(struct search *search, int64_t high)
{
    struct topic_reader *reader = search->points->reader;
    struct topic_range *range = memory_get_clean(sizeof(*range));
    const rd_kafka_message_t *message;
    struct text channel, id;
    bool more;

    range->topic = search->points->topic;
    range->next = search->point->low;
    range->end = high;
    more = topic_ranges_open(reader, range, 1, search->point->partition);
    while (more && (message = topic_range_head(reader, range)) != NULL) {
        more = state_key_decode(message->key, message->key_len, &channel, &id) != STATE_CONTROL ||
               note_control(search, message);
        rd_kafka_message_destroy(topic_range_take(range));
    }
    topic_ranges_close(reader, range, 1);
    free(range);
}

/* No transaction before the point: is that the truth, or what compaction has left of it? */
static bool is_beginning(const struct search *search)
{
    char why[256], when[INSTANT_SIZE + 1] = {0};

    if (search->later.transaction <= 1)
        return true;
    instant_format(search->later_ms, when);
    snprintf(why, sizeof(why),
             "the transactions before that are compacted away; the first one left is at offset "
             "%" PRId64 ", of %s",
             search->later_offset, when);
    return fail(search->points, search->points->reader, search->point->partition, EXIT_WORLD, why);
}

static bool take_places(const struct search *search)
{
    const struct config_list *inputs = &search->points->reader->config->input_topics;
    const struct control *control = &search->control;
    struct state_point *point = search->point;

    for (size_t i = 0; i < inputs->count; i++) {
        const struct control_input *input = control_find_input(control, inputs->items[i]);
        const char *why = NULL;
        if (input == NULL || control->input_count != inputs->count)
            why = "its stage reads other topics than those of --topics";
        else if (input->next < 0)
            why = "written by an upshot that did not note its places in the inputs";
        if (why != NULL)
            return fail(search->points, search->points->reader, point->partition, EXIT_USAGE, why);
        point->next[i] = input->next;
    }
    return true;
}

/* ---- one partition ---------------------------------------------------------------------- */

/* As DESIGN 5 has it for a take-over: watermark, and what each input had said. */
static void take_time(const struct config_list *inputs, const struct control *control,
                      struct watermark *watermark)
{
    watermark_reach(watermark, control->watermark_ms);
    for (size_t i = 0; i < inputs->count; i++)
        watermark->inputs[i].greatest_ms =
            control_find_input(control, inputs->items[i])->greatest_ms;
}

/* Into the lane, and into the point what was read. */
static bool fold(const struct state_points *points, struct topic_reader *reader,
                 struct state_point *point, struct lane *lane)
{
    static const char hint[] =
        "are no longer there: give a later point, or let the topic keep more (docs/replay.md)";
    struct restore_job job;
    struct restore restore;
    char why[256];
    uint64_t here;
    bool whole;

    restore_init(&restore, reader->config, points->tables, points->topic, true);
    restore_add_range(&restore, &job, lane, point->low, point->end);
    whole = state_topic_await(&restore, &job);
    if (!whole)
        reader->error = EXIT_WORLD; /* and told */
    point->records = job.records;
    point->bytes = job.bytes;
    here = store_count(lane->task.store) + intern_count(&job.gone);
    if (whole && job.control.live != here) {
        snprintf(why, sizeof(why),
                 "of the %" PRIu64 " messages that transaction %" PRIu64 " left, %" PRId64 " %s",
                 job.control.live, job.control.transaction, (int64_t)(job.control.live - here),
                 hint);
        whole = fail(points, reader, point->partition, EXIT_WORLD, why);
    }
    if (whole)
        take_time(&reader->config->input_topics, &job.control, &lane->task.watermark);
    lane_land(lane);
    restore_drop(&restore, &job);
    restore_release(&restore);
    return whole;
}

static void tell(const struct search *search, size_t live)
{
    const struct state_point *point = search->point;
    char written[INSTANT_SIZE + 1] = {0}, watermark[INSTANT_SIZE + 1] = "none";

    instant_format(search->written_ms, written);
    if (search->control.watermark_ms != TIME_NONE)
        instant_format(search->control.watermark_ms, watermark);
    log_info("state_found",
             "topic=%s partition=%" PRId32 " offset=%" PRId64 " transaction=%" PRIu64
             " written=%s watermark=%s messages=%zu",
             search->points->topic, point->partition, point->end - 1, point->transaction, written,
             watermark, live);
}

/* Once on trial: what is wrong with it shall be known before anything is made of it. */
static bool try_fold(const struct search *search)
{
    const struct state_points *points = search->points;
    size_t inputs = points->reader->config->input_topics.count;
    struct lane lane;
    bool good;

    lane_init(&lane, search->point->partition, points->tables, inputs, hash_seed());
    good = fold(points, points->reader, search->point, &lane);
    if (good)
        tell(search, store_count(lane.task.store));
    lane_release(&lane);
    return good;
}

static bool find(struct search *search, const struct replay_position *wanted)
{
    const struct state_points *points = search->points;
    struct topic_reader *reader = points->reader;
    struct state_point *point = search->point;
    int64_t high;

    search->control.transaction = search->later.transaction = 0;
    point->end = -1;
    if (!topic_find_ends(reader, points->topic, point->partition, &point->low, &high) ||
        !topic_find_offset(reader, points->topic, point->partition, wanted, point->low, high,
                           &search->before))
        return false;
    look_through(search, high);
    if (reader->error != EXIT_WELL)
        return false;
    point->transaction = search->control.transaction;
    if (point->transaction == 0)
        return is_beginning(search);
    return take_places(search) && try_fold(search);
}

/* ---- all of them ------------------------------------------------------------------------ */

bool state_points_open(struct state_points *points, struct topic_reader *reader,
                       struct tables *tables, const struct replay_position *wanted,
                       int32_t partitions)
{
    struct search *search;
    int32_t there;

    *points = (struct state_points){
        .reader = reader,
        .topic = topics_state_name(reader->config),
        .tables = tables,
    };
    there = topic_count_partitions(reader, points->topic);
    if (there != partitions && reader->error == EXIT_WELL) {
        fprintf(stderr,
                "upshot %s: --state-at: %s has %" PRId32 " partitions, the topics have %" PRId32
                ": is app.id right?\n",
                reader->command, points->topic, there, partitions);
        reader->error = EXIT_USAGE;
    }
    if (reader->error != EXIT_WELL)
        return false;
    points->points = memory_get_clean((size_t)partitions * sizeof(*points->points));
    search = memory_get_clean(sizeof(*search)); /* 40 KiB */
    search->points = points;
    for (int32_t p = 0; p < partitions && reader->error == EXIT_WELL; p++) {
        search->point = &points->points[p];
        search->point->partition = p;
        find(search, wanted);
    }
    free(search);
    return reader->error == EXIT_WELL;
}

void state_points_close(struct state_points *points)
{
    free(points->topic);
    free(points->points);
    *points = (struct state_points){0};
}

bool state_point_restore(const struct state_points *points, struct topic_reader *reader,
                         int32_t partition, struct lane *lane)
{
    const struct state_point *found = &points->points[partition];
    struct state_point again = *found;

    if (!fold(points, reader, &again, lane))
        return false;
    return (again.records == found->records && again.bytes == found->bytes) ||
           fail(points, reader, partition, EXIT_WORLD,
                "it was compacted just now: run this again");
}
