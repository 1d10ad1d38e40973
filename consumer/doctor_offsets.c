/*
 * doctor_offsets.c: what moves, and what stands still.
 *
 * Offsets of all partitions are looked at twice. What stands between the two looks is a finding,
 * what moves is not: a stage at work commits every commit.interval, and each of its transactions
 * holds the last stable offset back for as long. A transaction whose producer is gone holds it back
 * until the broker gives it up, and with it everyone who reads what is committed.
 */
#include "consumer/doctor_inside.h"

#include "consumer/clock.h"
#include "consumer/kafka.h"
#include "schemas/instant.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <string.h>

enum { LEAST_PAUSE_MS = 3000, AGAIN_MS = 200 };

/* ---- looking ---------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *list_of(const struct doctor *doctor, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)doctor->partition_count);

    for (size_t i = 0; i < doctor->partition_count; i++) {
        const struct doctor_partition *row = &doctor->partitions[i];
        rd_kafka_topic_partition_list_add(list, doctor->topics[row->topic].name, row->number)
            ->offset = offset;
    }
    return list;
}

/* Of one kind for all partitions: -1 where it is not known, and why. */
static void ask_ends(struct doctor *doctor, rd_kafka_t *client, int64_t which, bool again,
                     size_t field)
{
    rd_kafka_topic_partition_list_t *list = list_of(doctor, which);
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, list, DOCTOR_ASK_MS);

    for (size_t i = 0; i < doctor->partition_count; i++) {
        struct doctor_partition *row = &doctor->partitions[i];
        struct doctor_offsets *offsets = again ? &row->after : &row->before;
        const rd_kafka_topic_partition_t *found = rd_kafka_topic_partition_list_find(
            list, doctor->topics[row->topic].name, row->number);
        rd_kafka_resp_err_t own = error;
        if (own == RD_KAFKA_RESP_ERR_NO_ERROR && found != NULL)
            own = found->err;
        *(int64_t *)((char *)offsets + field) =
            own == RD_KAFKA_RESP_ERR_NO_ERROR && found != NULL && found->offset >= 0
                ? found->offset
                : -1;
        if (row->error == RD_KAFKA_RESP_ERR_NO_ERROR)
            row->error = own;
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void keep_committed(struct doctor *doctor, bool again,
                           const rd_kafka_topic_partition_list_t *list)
{
    for (size_t i = 0; i < doctor->partition_count; i++) {
        struct doctor_partition *row = &doctor->partitions[i];
        const rd_kafka_topic_partition_t *found = NULL;
        int64_t *committed = again ? &row->after.committed : &row->before.committed;
        for (int j = 0; list != NULL && j < list->cnt && found == NULL; j++)
            if (list->elems[j].partition == row->number &&
                strcmp(list->elems[j].topic, doctor->topics[row->topic].name) == 0)
                found = &list->elems[j];
        *committed = found != NULL && found->offset >= 0 ? found->offset : -1;
    }
}

/* Of the one group that was asked about; NULL where that failed, and why. */
static const rd_kafka_topic_partition_list_t *group_answer(rd_kafka_event_t *event,
                                                           rd_kafka_resp_err_t *error)
{
    const rd_kafka_group_result_t **groups;
    size_t count = 0;

    *error = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    if (*error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
    if (count != 1) {
        *error = RD_KAFKA_RESP_ERR__FAIL;
        return NULL;
    }
    if (rd_kafka_group_result_error(groups[0]) != NULL)
        *error = rd_kafka_error_code(rd_kafka_group_result_error(groups[0]));
    return rd_kafka_group_result_partitions(groups[0]);
}

/* A coordinator that has just been chosen: asked again, as any client does. */
static bool passes_soon(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
           error == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           error == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

/* Not by rd_kafka_committed(): where the group may not be looked at, that only times out. */
static rd_kafka_resp_err_t try_committed(struct doctor *doctor, bool again)
{
    rd_kafka_topic_partition_list_t *list = list_of(doctor, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd_kafka_ListConsumerGroupOffsets_new(doctor->config->app_id, list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(doctor->client);
    rd_kafka_event_t *event;
    rd_kafka_resp_err_t error;

    rd_kafka_ListConsumerGroupOffsets(doctor->client, &request, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, TOPIC_ASK_MS);
    keep_committed(doctor, again, group_answer(event, &error));
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

static void ask_committed(struct doctor *doctor, bool again)
{
    int64_t deadline_ms = clock_monotonic_ms() + DOCTOR_ASK_MS;

    do {
        doctor->group_error = try_committed(doctor, again);
    } while (passes_soon(doctor->group_error) && clock_monotonic_ms() < deadline_ms &&
             rd_kafka_poll(doctor->client, AGAIN_MS) >= 0);
}

static void look(struct doctor *doctor, bool again)
{
    rd_kafka_t *committed =
        doctor->partition_count == 0 ? NULL : kafka_sampler(doctor->config, true);

    if (committed == NULL)
        return;
    /* The last stable offset before the end: a transaction that ends between them is no finding. */
    ask_committed(doctor, again);
    ask_ends(doctor, doctor->client, RD_KAFKA_OFFSET_BEGINNING, again,
             offsetof(struct doctor_offsets, low));
    ask_ends(doctor, committed, RD_KAFKA_OFFSET_END, again,
             offsetof(struct doctor_offsets, stable));
    ask_ends(doctor, doctor->client, RD_KAFKA_OFFSET_END, again,
             offsetof(struct doctor_offsets, high));
    rd_kafka_destroy_flags(committed, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void doctor_look_at_offsets(struct doctor *doctor)
{
    size_t count = 0;

    if (doctor->partitions != NULL)
        return;
    for (size_t i = 0; i < doctor->topic_count; i++)
        if (doctor_topic_is_there(&doctor->topics[i]))
            count += (size_t)doctor->topics[i].look.partitions;
    doctor->partitions = memory_get_clean((count + 1) * sizeof(*doctor->partitions));
    for (size_t i = 0; i < doctor->topic_count; i++)
        for (int32_t p = 0;
             doctor_topic_is_there(&doctor->topics[i]) && p < doctor->topics[i].look.partitions;
             p++)
            doctor->partitions[doctor->partition_count++] =
                (struct doctor_partition){.topic = i, .number = p};
    look(doctor, false);
    doctor->looked_ms = clock_monotonic_ms();
}

static int64_t pause_ms(const struct doctor *doctor)
{
    int64_t pause = 2 * doctor->config->commit_interval_ms;

    return pause < LEAST_PAUSE_MS ? LEAST_PAUSE_MS : pause;
}

static void look_again(struct doctor *doctor)
{
    int64_t left_ms;

    doctor_look_at_offsets(doctor);
    if (doctor->looked_again)
        return;
    left_ms = doctor->looked_ms + pause_ms(doctor) - clock_monotonic_ms();
    if (left_ms > 0 && doctor->partition_count > 0)
        clock_sleep_ms(left_ms);
    look(doctor, true);
    doctor->looked_again = true;
}

/* ---- reading at places ------------------------------------------------------------------ */

/* What lies at an offset of each partition, if anything. */
struct found {
    bool record;
    int64_t timestamp_ms;
};

static void on_found(void *context, size_t range, const rd_kafka_message_t *message)
{
    struct found *found = context;
    rd_kafka_timestamp_type_t type;

    found[range].record = true;
    found[range].timestamp_ms = rd_kafka_message_timestamp(message, &type);
}

/* The first record of each partition from `from` on; the caller's, as many as partitions. */
static struct found *find_records(struct doctor *doctor, bool committed,
                                  int64_t (*from)(const struct doctor_partition *row))
{
    struct found *found = memory_get_clean((doctor->partition_count + 1) * sizeof(*found));
    struct doctor_range *ranges = memory_get((doctor->partition_count + 1) * sizeof(*ranges));
    struct found *read = memory_get_clean((doctor->partition_count + 1) * sizeof(*read));
    size_t *rows = memory_get((doctor->partition_count + 1) * sizeof(*rows));
    size_t count = 0;

    for (size_t i = 0; i < doctor->partition_count; i++) {
        const struct doctor_partition *row = &doctor->partitions[i];
        int64_t at = from(row);
        if (at < 0)
            continue;
        rows[count] = i;
        ranges[count++] = (struct doctor_range){
            .topic = doctor->topics[row->topic].name,
            .partition = row->number,
            .next = at,
            .end = INT64_MAX,
            .most = 1,
        };
    }
    doctor_read(doctor->config, committed, ranges, count, on_found, read);
    for (size_t i = 0; i < count; i++)
        found[rows[i]] = read[i];
    free(rows);
    free(read);
    free(ranges);
    return found;
}

/* ---- transactions ----------------------------------------------------------------------- */

static bool hangs(const struct doctor_partition *row)
{
    return row->error == RD_KAFKA_RESP_ERR_NO_ERROR && row->before.stable < row->before.high &&
           row->after.stable == row->before.stable;
}

static int64_t hanging_at(const struct doctor_partition *row)
{
    return hangs(row) ? row->after.stable : -1;
}

static void say_hanging(struct doctor *doctor, const struct doctor_topic *topic,
                        const struct doctor_partition *row, const struct found *first)
{
    char since[INSTANT_SIZE];

    instant_format(first->timestamp_ms, since);
    doctor_say(doctor, DOCTOR_WARN, topic->name,
               "its producer hangs or is gone; the broker ends it at the transaction.timeout.ms "
               "it asked for. Not then, or not in time: kafka-transactions.sh find-hanging, and "
               "abort",
               "partition %d: a transaction%s%.*s holds committed reads back: the last stable "
               "offset stands at %" PRId64 ", %" PRId64 " before the end",
               row->number, first->record ? " whose first record is dated " : "",
               first->record ? INSTANT_SIZE : 0, since, row->after.stable,
               row->after.high - row->after.stable);
}

static size_t count_unknown(const struct doctor *doctor, size_t topic)
{
    size_t unknown = 0;

    for (size_t i = 0; i < doctor->partition_count; i++)
        unknown += doctor->partitions[i].topic == topic &&
                   doctor->partitions[i].error != RD_KAFKA_RESP_ERR_NO_ERROR;
    return unknown;
}

/* False, and why, where some partition would not tell its offsets. */
static bool offsets_known(struct doctor *doctor, size_t topic)
{
    size_t unknown = count_unknown(doctor, topic);

    for (size_t i = 0; i < doctor->partition_count && unknown > 0; i++)
        if (doctor->partitions[i].topic == topic &&
            doctor->partitions[i].error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            doctor_say(doctor, DOCTOR_WARN, doctor->topics[topic].name,
                       "see what `topics` and `rights` say",
                       "offsets of %zu partitions are not known: %s", unknown,
                       rd_kafka_err2str(doctor->partitions[i].error));
            break;
        }
    return unknown == 0;
}

void doctor_transactions(struct doctor *doctor)
{
    struct found *first;

    look_again(doctor);
    first = find_records(doctor, false, hanging_at);
    for (size_t t = 0; t < doctor->topic_count; t++) {
        bool well = true;
        if (!doctor_topic_is_there(&doctor->topics[t]) || !offsets_known(doctor, t))
            continue;
        for (size_t i = 0; i < doctor->partition_count; i++)
            if (doctor->partitions[i].topic == t && hangs(&doctor->partitions[i])) {
                say_hanging(doctor, &doctor->topics[t], &doctor->partitions[i], &first[i]);
                well = false;
            }
        if (well)
            doctor_say(doctor, DOCTOR_OK, doctor->topics[t].name, NULL, "none stands open");
    }
    free(first);
}

/* ---- lag -------------------------------------------------------------------------------- */

static int64_t lag_of(const struct doctor_offsets *offsets)
{
    int64_t committed = offsets->committed < 0 ? offsets->low : offsets->committed;

    return offsets->stable > committed ? offsets->stable - committed : 0;
}

/* Nothing was taken between the two looks, of what was there to take. */
static bool stands(const struct doctor_partition *row)
{
    return row->error == RD_KAFKA_RESP_ERR_NO_ERROR && row->before.committed >= 0 &&
           row->before.committed >= row->before.low &&
           row->after.committed == row->before.committed && lag_of(&row->before) > 0;
}

static int64_t standing_at(const struct doctor_partition *row)
{
    return stands(row) ? row->after.committed : -1;
}

/* An offset that the stage would refuse to go on from. */
static bool say_lost(struct doctor *doctor, const struct doctor_topic *topic,
                     const struct doctor_partition *row)
{
    const struct doctor_offsets *offsets = &row->after;

    if (offsets->committed < 0)
        return false;
    if (offsets->committed < offsets->low)
        doctor_say(doctor, DOCTOR_FAIL, topic->name,
                   "raise the topic's retention; to go on without them, set the group's offset to "
                   "the first that is there",
                   "partition %d: %" PRId64 " records are gone that were not read: the group is "
                   "at %" PRId64 ", the first is %" PRId64,
                   row->number, offsets->low - offsets->committed, offsets->committed,
                   offsets->low);
    else if (offsets->committed > offsets->high)
        doctor_say(doctor, DOCTOR_FAIL, topic->name,
                   "the topic was made anew, or lost records: start with a new app.id, or set the "
                   "group's offset",
                   "partition %d: the group is at %" PRId64 ", beyond the end at %" PRId64,
                   row->number, offsets->committed, offsets->high);
    return offsets->committed < offsets->low || offsets->committed > offsets->high;
}

struct lag {
    int64_t before, after;
    int committed, standing; /* partitions */
    bool lost;
};

static struct lag add_up(struct doctor *doctor, size_t topic, const struct found *next)
{
    struct lag lag = {.before = 0};

    for (size_t i = 0; i < doctor->partition_count; i++) {
        const struct doctor_partition *row = &doctor->partitions[i];
        if (row->topic != topic)
            continue;
        lag.before += lag_of(&row->before);
        lag.after += lag_of(&row->after);
        lag.committed += row->after.committed >= 0;
        /* Markers of transactions are offsets, too, but nothing to take. */
        lag.standing += stands(row) && next[i].record;
        lag.lost = say_lost(doctor, &doctor->topics[topic], row) || lag.lost;
    }
    return lag;
}

static void say_lag(struct doctor *doctor, const struct doctor_topic *topic,
                    const struct lag *lag)
{
    double seconds = (double)pause_ms(doctor) / 1000;

    if (lag->committed == 0)
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL,
                   "the group has no offsets yet: a first start reads all, %" PRId64 " offsets",
                   lag->after);
    else if (lag->standing > 0)
        doctor_say(doctor, DOCTOR_WARN, topic->name,
                   "start the stage; where it runs, look at its log: what it waits for, it says",
                   "behind by %" PRId64 " offsets, and in %.0f s none was taken in %d of %d "
                   "partitions",
                   lag->after, seconds, lag->standing, topic->look.partitions);
    else if (!lag->lost)
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL,
                   "behind by %" PRId64 " offsets, %.0f s before by %" PRId64, lag->after, seconds,
                   lag->before);
}

void doctor_lag(struct doctor *doctor)
{
    struct found *next;

    look_again(doctor);
    if (doctor->group_error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        doctor_say(doctor, DOCTOR_WARN, doctor->config->app_id, "see what the check `rights` says",
                   "the group's offsets are not known: %s",
                   rd_kafka_err2str(doctor->group_error));
        return;
    }
    next = find_records(doctor, true, standing_at);
    for (size_t t = 0; t < doctor->topic_count; t++)
        if (doctor->topics[t].role == ROLE_INPUT && doctor_topic_is_there(&doctor->topics[t]) &&
            offsets_known(doctor, t)) {
            struct lag lag = add_up(doctor, t, next);
            say_lag(doctor, &doctor->topics[t], &lag);
        }
    free(next);
}
