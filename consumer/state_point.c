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
    fprintf(stderr, "upshot %s: %s partition %" PRId32 ": %s\n", reader->command, points->topic,
            partition, why);
    reader->error = code;
    return false;
}

/* ---- the control record ----------------------------------------------------------------- */

struct search {
    const struct state_points *points;
    const struct replay_position *wanted;
    struct state_point *point;
    int64_t before;       /* an offset */
    struct control later; /* the first one behind the point; transaction 0: none */
    int64_t later_offset, later_ms;
};

static bool refuse(const struct search *search, int code, const char *why)
{
    return fail(search->points, search->points->reader, search->point->partition, code, why);
}

/* False: it is the one behind the point, so all is known; or it cannot be read. */
static bool note_control(struct search *search, const rd_kafka_message_t *message)
{
    struct state_point *point = search->point;
    bool before = message->offset < search->before;
    struct control *control = before ? &point->control : &search->later;
    rd_kafka_timestamp_type_t type;
    int64_t written_ms = rd_kafka_message_timestamp(message, &type);

    if (message->payload == NULL ||
        control_decode(message->payload, message->len, control) != STATE_GOOD) {
        char why[128];
        snprintf(why, sizeof(why),
                 "the control record at offset %" PRId64 " is damaged, or of a newer upshot",
                 message->offset);
        return refuse(search, EXIT_WORLD, why);
    }
    if (before) {
        point->end = message->offset + 1;
        point->written_ms = written_ms;
    } else {
        search->later_offset = message->offset;
        search->later_ms = written_ms;
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

/*
 * `reset` and `repartition` begin a state, too, with what they know: no input has said anything.
 * What there was before is not in this topic.
 */
static bool is_first_of_stage(const struct control *control)
{
    for (size_t i = 0; i < control->input_count; i++)
        if (control->inputs[i].greatest_ms != TIME_NONE)
            return control->transaction == 1;
    return false;
}

/* No transaction before the point: is that the truth, or what is left of it? */
static bool is_beginning(const struct search *search)
{
    const struct state_point *point = search->point;
    char why[256], when[INSTANT_SIZE + 1] = {0};

    if (search->later.transaction == 0 ? point->low == 0 : is_first_of_stage(&search->later)) {
        log_warn("state_empty",
                 "topic=%s partition=%d hint=\"no transaction had landed there yet: its inputs are "
                 "replayed from the first records that they still have\"",
                 search->points->topic, point->partition);
        return true;
    }
    if (search->later.transaction == 0)
        return refuse(search, EXIT_WORLD, "its records are gone, deleted with all their segments");
    instant_format(search->later_ms, when);
    snprintf(why, sizeof(why),
             "the transactions before that are compacted away, or before a reset or repartition; "
             "the first one left is at offset %" PRId64 ", of %s (docs/replay.md)",
             search->later_offset, when);
    return refuse(search, EXIT_WORLD, why);
}

/* NULL: it says of each input where it stood. */
static const char *what_it_lacks(const struct search *search)
{
    const struct config_list *inputs = &search->points->reader->config->input_topics;
    const struct control *control = &search->point->control;

    for (size_t i = 0; i < inputs->count; i++) {
        const struct control_input *input = control_find_input(control, inputs->items[i]);
        if (input == NULL || control->input_count != inputs->count)
            return "its stage reads other topics than those that are named here";
        if (input->next < 0)
            return "written by an upshot that did not note its places in the inputs: name a later "
                   "point";
    }
    return NULL;
}

int64_t state_point_next(const struct state_point *point, const char *input)
{
    return control_find_input(&point->control, input)->next;
}

/* ---- a snapshot that has it ------------------------------------------------------------- */

static struct snapshot_place place_of(const struct state_points *points)
{
    const struct config *config = points->reader->config;

    return (struct snapshot_place){
        .dir = config->state_dir,
        .app_id = config->app_id,
        .state_topic = points->topic,
        .cluster = "", /* a state that was put aside may have moved with its topics */
        .partitions = points->partitions,
        .tables = points->tables,
    };
}

static bool is_before(const struct search *search, const struct snapshot_reader *image)
{
    switch (search->wanted->kind) {
    case POSITION_TIME:
        return snapshot_reader_created_ms(image) < search->wanted->value;
    case POSITION_OFFSET:
        return snapshot_reader_offset(image) < search->wanted->value;
    case POSITION_DEFAULT:
        break;
    }
    return false;
}

static void take_image(struct state_point *point, const struct snapshot_reader *image,
                       const char *path)
{
    point->written_ms = snapshot_reader_created_ms(image);
    point->control = *snapshot_reader_control(image);
    point->end = snapshot_reader_offset(image) + 1;
    free(point->image);
    point->image = memory_get(strlen(path) + 1);
    strcpy(point->image, path);
}

/* The latest one before the point becomes the point. False: there is none. */
static bool find_image(struct search *search)
{
    struct snapshot_place place = place_of(search->points);
    struct state_point *point = search->point;
    struct snapshot_paths paths = {0};
    uint64_t lineage =
        point->control.transaction > 0 ? point->control.lineage : search->later.lineage;
    int64_t latest = -1;

    if (place.dir[0] == 0 || !snapshot_list(&place, point->partition, &paths))
        return false;
    for (size_t i = 0; i < paths.count; i++) {
        struct snapshot_reader *image =
            snapshot_reader_open_exact(&place, point->partition, paths.items[i]);
        if (image != NULL && snapshot_reader_lineage(image) == lineage &&
            is_before(search, image) && snapshot_reader_offset(image) > latest) {
            latest = snapshot_reader_offset(image);
            take_image(point, image, paths.items[i]);
        }
        snapshot_reader_close(&image);
    }
    snapshot_paths_release(&paths);
    return point->image != NULL;
}

/* ---- one partition ---------------------------------------------------------------------- */

static bool add_job(const struct state_points *points, const struct state_point *point,
                    struct restore *restore, struct restore_job *job, struct lane *lane)
{
    struct snapshot_place place = place_of(points);
    struct snapshot_reader *image;

    if (point->image == NULL) {
        restore_add_range(restore, job, lane, point->low, point->end);
        return true;
    }
    image = snapshot_reader_open_exact(&place, point->partition, point->image);
    if (image != NULL)
        restore_add_image(restore, job, lane, image);
    return image != NULL;
}

/* Into the lane, and into the point what was read. *missing: of the messages that it had. */
static bool fold(const struct state_points *points, struct topic_reader *reader,
                 struct state_point *point, struct lane *lane, int64_t *missing)
{
    struct restore_job job;
    struct restore restore;
    bool whole;

    restore_init(&restore, reader->config, points->tables, points->topic, true);
    if (!add_job(points, point, &restore, &job, lane))
        return fail(points, reader, point->partition, EXIT_WORLD,
                    "its snapshot has gone meanwhile: put states aside (upshot state save)");
    whole = state_topic_await(&restore, &job);
    if (whole) {
        point->records = job.records;
        point->bytes = job.bytes;
        point->gone = intern_count(&job.gone);
        *missing = (int64_t)(point->control.live - store_count(lane->task.store));
        control_tell_time(&point->control, reader->config->input_topics.items,
                          &lane->task.watermark);
        lane_land(lane);
    } else {
        fail(points, reader, point->partition, EXIT_WORLD,
             point->image == NULL ? "its state cannot be read" : "its snapshot cannot be read");
    }
    restore_drop(&restore, &job);
    restore_release(&restore);
    return whole;
}

static void tell(const struct search *search, size_t live)
{
    const struct state_point *point = search->point;
    char written[INSTANT_SIZE + 1] = {0}, watermark[INSTANT_SIZE + 1] = "none";

    instant_format(point->written_ms, written);
    if (point->control.watermark_ms != TIME_NONE)
        instant_format(point->control.watermark_ms, watermark);
    log_info("state_found",
             "topic=%s partition=%d offset=%" PRId64 " transaction=%" PRIu64
             " written=%s watermark=%s messages=%zu from=%s",
             search->points->topic, point->partition, point->end - 1, point->control.transaction,
             written, watermark, live, point->image == NULL ? "topic" : point->image);
    restore_tell_tables(&point->control, search->points->tables, point->partition);
}

/* What is wrong with it shall be known before anything is made of it. */
static bool try_fold(const struct search *search, int64_t *missing)
{
    const struct state_points *points = search->points;
    size_t inputs = points->reader->config->input_topics.count;
    struct lane lane;
    bool good;

    lane_init(&lane, search->point->partition, points->tables, inputs, hash_seed());
    good = fold(points, points->reader, search->point, &lane, missing);
    if (good && *missing == 0)
        tell(search, store_count(lane.task.store));
    lane_release(&lane);
    return good;
}

static bool tell_missing(const struct search *search, int64_t missing)
{
    const struct control *control = &search->point->control;
    char why[256];

    if (missing < 0 || search->point->gone >= (uint64_t)missing)
        return refuse(search, EXIT_FOUND,
                      "it has messages of channels or statuses that these tables lack, or that its "
                      "stage's lacked: replay with the stage's own (--channels)");
    snprintf(why, sizeof(why),
             "of the %" PRIu64 " messages that transaction %" PRIu64 " left, %" PRId64
             " are no longer there: name a later point, or let the topic keep more "
             "(docs/replay.md)",
             control->live, control->transaction, missing);
    return refuse(search, EXIT_WORLD, why);
}

/* True where the point is one to begin with; *missing else, or an error. */
static bool is_good(const struct search *search, int64_t *missing)
{
    return what_it_lacks(search) == NULL && try_fold(search, missing) && *missing == 0;
}

static bool choose(struct search *search)
{
    const struct topic_reader *reader = search->points->reader;
    int64_t missing = 0;

    if (search->point->control.transaction == 0 && is_first_of_stage(&search->later))
        return is_beginning(search);
    if (search->point->control.transaction == 0 && !find_image(search))
        return is_beginning(search);
    if (is_good(search, &missing) || reader->error != EXIT_WELL)
        return reader->error == EXIT_WELL;
    if (search->point->image == NULL && find_image(search) && is_good(search, &missing))
        return true;
    if (reader->error != EXIT_WELL)
        return false;
    if (what_it_lacks(search) != NULL)
        return refuse(search, EXIT_USAGE, what_it_lacks(search));
    return tell_missing(search, missing);
}

/* The topic first; where it has lost the point, a snapshot. */
static bool find(struct search *search)
{
    const struct state_points *points = search->points;
    struct topic_reader *reader = points->reader;
    struct state_point *point = search->point;
    int64_t high;

    if (!topic_find_ends(reader, points->topic, point->partition, &point->low, &high))
        return false;
    search->before = high;
    if (!topic_find_offset(reader, points->topic, point->partition, search->wanted, point->low,
                           high, &search->before))
        return false;
    look_through(search, high);
    return reader->error == EXIT_WELL && choose(search);
}

/* ---- all of them ------------------------------------------------------------------------ */

bool state_points_open(struct state_points *points, struct topic_reader *reader,
                       struct tables *tables, const struct replay_position *wanted,
                       int32_t partitions, const struct partition_set *chosen)
{
    struct search *search;
    int32_t there;

    *points = (struct state_points){
        .reader = reader,
        .topic = topics_state_name(reader->config),
        .partitions = partitions,
        .tables = tables,
    };
    there = topic_count_partitions(reader, points->topic);
    if (there != partitions && reader->error == EXIT_WELL) {
        fprintf(stderr,
                "upshot %s: %s has %" PRId32 " partitions, the topics have %" PRId32
                ": is app.id right?\n",
                reader->command, points->topic, there, partitions);
        reader->error = EXIT_USAGE;
    }
    if (reader->error != EXIT_WELL)
        return false;
    points->points = memory_get_clean((size_t)partitions * sizeof(*points->points));
    search = memory_get_clean(sizeof(*search)); /* 20 KiB */
    for (int32_t p = 0; p < partitions && reader->error == EXIT_WELL; p++) {
        memset(search, 0, sizeof(*search));
        search->points = points;
        search->wanted = wanted;
        search->point = &points->points[p];
        search->point->partition = p;
        if (partition_set_has(chosen, p))
            find(search);
    }
    free(search);
    return reader->error == EXIT_WELL;
}

void state_points_close(struct state_points *points)
{
    for (int32_t p = 0; p < points->partitions && points->points != NULL; p++)
        free(points->points[p].image);
    free(points->topic);
    free(points->points);
    *points = (struct state_points){0};
}

bool state_point_restore(const struct state_points *points, struct topic_reader *reader,
                         int32_t partition, struct lane *lane)
{
    const struct state_point *found = &points->points[partition];
    struct state_point *again = memory_get(sizeof(*again)); /* 20 KiB */
    int64_t missing = 0;
    bool good;

    *again = *found;
    good =
        fold(points, reader, again, lane, &missing) &&
        ((again->records == found->records && again->bytes == found->bytes && missing == 0) ||
         fail(points, reader, partition, EXIT_WORLD, "it was compacted just now: run this again"));
    free(again);
    return good;
}
