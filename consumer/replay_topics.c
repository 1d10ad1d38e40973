/*
 * replay_topics.c: the same pump, fed from a range of topics.
 *
 * All bounds are found at the start. Then every partition is read on its own, from beginning to
 * end: that is the order in which a task sees its records, so no clock is needed, and it does not
 * matter which thread reads it, nor what the others do. Memory holds one task a thread. No group is
 * joined.
 */
#include "consumer/replay_topics.h"

#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/replay_into.h"
#include "consumer/replay_out.h"
#include "consumer/replay_target.h"
#include "consumer/state_point.h"
#include "consumer/summary.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { PROGRESS_EVERY = 16384, SERVE_EVERY = 1024 /* records */ };

struct hand;

struct replay {
    const struct replay_options *options;
    const struct replay_topics_options *topics;
    const struct config *config;
    size_t input_count;
    int32_t partitions;
    struct topic_bounds *bounds; /* of the inputs of partition 0, then those of 1 ... */
    struct state_points states;  /* with state_at */
    struct replay_target target; /* with to_topic */
    struct hand *hands;
    int hand_count;
    atomic_int next_partition; /* that no hand has taken yet */
    atomic_bool failed;        /* one has: the others leave, too */
    pthread_mutex_t showing;
    uint64_t total;
};

/* One thread. */
struct hand {
    struct replay *replay;
    pthread_t thread;
    struct topic_reader reader;
    struct pump pump;
    struct topic_range *ranges; /* of one partition, by input */
    struct replay_out out;
    struct remains remains;
    /* for whoever shows the progress */
    _Atomic uint64_t done, records;
    _Atomic int64_t watermark_ms; /* TIME_NONE: no partition in hand, or at its beginning */
};

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct hand *hand = context;

    if (hand->replay->topics->to_topic != NULL)
        replay_target_put(&hand->replay->target, lane, happening);
    else
        replay_out_outcome(&hand->out, lane, happening);
}

static void copy_headers(const rd_kafka_message_t *message, struct envelope *letter)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0;
         letter->header_count < HEADERS_MAX &&
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        letter->headers[letter->header_count++] =
            (struct header){(const uint8_t *)name, strlen(name), value, size};
}

static void on_dead_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                           enum reason reason, const char *detail)
{
    struct hand *hand = context;
    const rd_kafka_message_t *message = incoming->origin;
    const char *topic = rd_kafka_topic_name(message->rkt);
    struct envelope letter = {
        .topic = (const uint8_t *)topic,
        .topic_size = strlen(topic),
        .partition = lane->partition,
        .offset = message->offset,
        .timestamp_ms = incoming->timestamp_ms,
        .key = message->key,
        .key_size = message->key_len,
        .value = message->payload,
        .value_size = message->len,
    };

    copy_headers(message, &letter);
    replay_out_dead_letter(&hand->out, &letter, reason, detail, message->len);
}

/* ---- the range -------------------------------------------------------------------------- */

static struct topic_bounds *bounds_of(const struct replay *replay, int32_t partition)
{
    return &replay->bounds[(size_t)partition * replay->input_count];
}

/* Of the others the bounds are 0 and 0. */
static bool is_chosen(const struct replay *replay, int32_t partition)
{
    return partition_set_has(&replay->topics->partitions, partition);
}

/* What a partition begins with; NULL: with nothing, at the beginning of the range. */
static const struct state_point *state_of(const struct replay *replay, int32_t partition)
{
    const struct state_point *point = &replay->states.points[partition];

    return replay->states.points != NULL && point->control.transaction > 0 ? point : NULL;
}

static bool find_begin(struct replay *replay, struct topic_reader *reader, int32_t partition,
                       size_t input, const struct topic_bounds *all, int64_t *begin)
{
    const struct state_point *state = state_of(replay, partition);
    const char *topic = replay->config->input_topics.items[input];

    if (state == NULL)
        return topic_find_offset(reader, topic, partition, &replay->topics->range.from, all->begin,
                                 all->end, begin);
    *begin = state_point_next(state, topic);
    return (*begin >= all->begin && *begin <= all->end) ||
           topic_reader_fail(reader, topic, "cannot be replayed from that state",
                             *begin < all->begin ? "records behind it are gone"
                                                 : "it ends before it: was it made anew?");
}

static bool find_bounds(struct replay *replay, struct topic_reader *reader, int32_t partition,
                        size_t input)
{
    const char *topic = replay->config->input_topics.items[input];
    struct topic_bounds *bounds = &bounds_of(replay, partition)[input], all;

    if (!topic_find_ends(reader, topic, partition, &all.begin, &all.end))
        return false;
    *bounds = all;
    if (!find_begin(replay, reader, partition, input, &all, &bounds->begin) ||
        !topic_find_offset(reader, topic, partition, &replay->topics->range.to, all.begin, all.end,
                           &bounds->end))
        return false;
    if (bounds->end >= bounds->begin)
        return true;
    if (state_of(replay, partition) != NULL)
        return topic_reader_fail(reader, topic, "cannot be replayed to there",
                                 "--to lies before where the state's stage stood");
    bounds->end = bounds->begin;
    return true;
}

/* Asks for all that there is to read. */
static bool find_all(struct replay *replay, struct topic_reader *reader)
{
    for (int32_t p = 0; p < replay->partitions; p++)
        for (size_t i = 0; i < replay->input_count && is_chosen(replay, p); i++)
            if (!find_bounds(replay, reader, p, i))
                return false;
    return true;
}

/* As an earlier run has found it, and all of it must be there still. */
static bool recall_all(struct replay *replay, struct topic_reader *reader)
{
    for (int32_t p = 0; p < replay->partitions; p++) {
        struct topic_bounds *bounds = bounds_of(replay, p);
        if (!replay_target_recall(&replay->target, p, bounds, replay->input_count))
            return false;
        for (size_t i = 0; i < replay->input_count && is_chosen(replay, p); i++) {
            const char *topic = replay->config->input_topics.items[i];
            int64_t low, high;
            if (!topic_find_ends(reader, topic, p, &low, &high))
                return false;
            if (low > bounds[i].begin || high < bounds[i].end)
                return topic_reader_fail(reader, topic, "cannot be replayed to its end",
                                         "records of the range that it began with are gone");
        }
    }
    return true;
}

/* What was asked for, and the very states that this has come to. */
static uint64_t fingerprint(const struct replay *replay)
{
    uint64_t print = replay->topics->fingerprint;

    for (int32_t p = 0; p < replay->partitions && replay->states.points != NULL; p++) {
        const struct control *control = &replay->states.points[p].control;
        print = hash_bytes(&control->lineage, sizeof(control->lineage), print);
        print = hash_bytes(&control->transaction, sizeof(control->transaction), print);
    }
    return print;
}

/* Bounds: of the plan of an earlier run, or found now, and then the plan of later ones. */
static bool open_target(struct replay *replay, struct topic_reader *reader)
{
    const struct replay_topics_options *topics = replay->topics;
    struct replay_target *target = &replay->target;

    if (!replay_target_open(target, replay->config, topics->to_topic, topics->name,
                            fingerprint(replay), replay->partitions))
        return false;
    if (target->planned)
        return recall_all(replay, reader);
    return find_all(replay, reader) &&
           replay_target_plan(target, replay->bounds, replay->input_count);
}

static int find_range(struct replay *replay, struct topic_reader *reader)
{
    size_t count;

    replay->partitions = topic_count_input_partitions(reader);
    if (reader->error != EXIT_WELL)
        return reader->error;
    if (partition_set_highest(&replay->topics->partitions) >= replay->partitions) {
        fprintf(stderr, "upshot replay: --partitions: the topics have 0 to %d\n",
                replay->partitions - 1);
        return EXIT_USAGE;
    }
    if (replay->topics->state_at.kind != POSITION_DEFAULT &&
        !state_points_open(&replay->states, reader, replay->options->tables,
                           &replay->topics->state_at, replay->partitions,
                           &replay->topics->partitions))
        return reader->error;
    count = (size_t)replay->partitions * replay->input_count;
    replay->bounds = memory_get_clean(count * sizeof(*replay->bounds));
    if (!(replay->topics->to_topic != NULL ? open_target(replay, reader)
                                           : find_all(replay, reader)))
        return reader->error != EXIT_WELL ? reader->error : replay->target.error;
    for (size_t i = 0; i < count; i++)
        replay->total += (uint64_t)(replay->bounds[i].end - replay->bounds[i].begin);
    return EXIT_WELL;
}

/* ---- progress --------------------------------------------------------------------------- */

/* Where another thread is showing it just now, that will do. */
static void show_progress(struct replay *replay)
{
    struct replay_progress progress = {.total = replay->total, .watermark_ms = TIME_NONE};

    if (replay->options->progress == NULL || pthread_mutex_trylock(&replay->showing) != 0)
        return;
    for (int i = 0; i < replay->hand_count; i++) {
        struct hand *hand = &replay->hands[i];
        int64_t watermark_ms = atomic_load(&hand->watermark_ms);
        progress.done += atomic_load(&hand->done);
        progress.records += atomic_load(&hand->records);
        if (progress.watermark_ms == TIME_NONE ||
            (watermark_ms != TIME_NONE && watermark_ms < progress.watermark_ms))
            progress.watermark_ms = watermark_ms;
    }
    replay->options->progress(&progress);
    pthread_mutex_unlock(&replay->showing);
}

static void tell_progress(struct hand *hand, const struct lane *lane, uint64_t done)
{
    atomic_store(&hand->done, done);
    atomic_store(&hand->records, hand->pump.tally.records);
    atomic_store(&hand->watermark_ms, lane->task.watermark.reached_ms);
    show_progress(hand->replay);
}

/* ---- reading ---------------------------------------------------------------------------- */

static void take(struct hand *hand, struct lane *lane, size_t input, rd_kafka_message_t *message,
                 int64_t timestamp_ms)
{
    const struct replay_options *options = hand->replay->options;
    struct right_partition right = {
        .partitioner = (enum partitioner)hand->replay->config->partitioner,
        .partition = lane->partition,
        .partitions = hand->replay->partitions,
    };
    struct envelope_facts facts =
        kafka_facts(message, text_of(hand->ranges[input].topic), timestamp_ms, &right);
    struct event_buffer buffer;
    struct incoming incoming = {
        .input = input, .timestamp_ms = timestamp_ms, .origin = message, .detail = buffer.detail};

    incoming.reason = event_decode(options->tables, message->payload, message->len,
                                   options->event_max_bytes, &facts, &buffer, &incoming.event);
    replay_take(&hand->pump, lane, &incoming);
}

/* Nothing has gone wrong, here or elsewhere. */
static bool is_well(const struct hand *hand)
{
    const struct replay *replay = hand->replay;

    return hand->reader.error == EXIT_WELL && hand->out.error == 0 &&
           replay->target.error == EXIT_WELL && !atomic_load(&replay->failed);
}

static void pump_partition(struct hand *hand, struct lane *lane)
{
    const struct replay *replay = hand->replay;
    uint64_t done = atomic_load(&hand->done);

    while (is_well(hand)) {
        int64_t timestamp_ms = 0, before;
        size_t lowest = topic_ranges_lowest(&hand->reader, hand->ranges, replay->input_count,
                                            &lane->task.watermark, NULL, NULL, &timestamp_ms);
        rd_kafka_message_t *message;
        if (!is_well(hand))
            break; /* an input that could not be read has not ended */
        replay_fire(&hand->pump, lane,
                    watermark_target(&lane->task.watermark)); /* an input may have ended */
        if (lowest == replay->input_count)
            break;
        before = hand->ranges[lowest].next;
        message = topic_range_take(&hand->ranges[lowest]);
        take(hand, lane, lowest, message, timestamp_ms);
        done += (uint64_t)(message->offset + 1 - before);
        rd_kafka_message_destroy(message);
        if (replay->topics->to_topic != NULL && hand->pump.tally.records % SERVE_EVERY == 0)
            replay_target_serve(&hand->replay->target);
        if (hand->pump.tally.records % PROGRESS_EVERY == 0)
            tell_progress(hand, lane, done);
    }
    if (replay->options->to_end_of_time && is_well(hand))
        replay_fire(&hand->pump, lane, INT64_MAX);
    tell_progress(hand, lane, done);
    atomic_store(&hand->watermark_ms, TIME_NONE);
}

static void replay_partition(struct hand *hand, int32_t partition)
{
    const struct replay *replay = hand->replay;
    struct lane lane;

    for (size_t i = 0; i < replay->input_count; i++) {
        hand->ranges[i].next = bounds_of(replay, partition)[i].begin;
        hand->ranges[i].end = bounds_of(replay, partition)[i].end;
    }
    lane_init(&lane, partition, replay->options->tables, replay->input_count, hash_seed());
    if ((state_of(replay, partition) == NULL ||
         state_point_restore(&replay->states, &hand->reader, partition, &lane)) &&
        topic_ranges_open(&hand->reader, hand->ranges, replay->input_count, partition))
        pump_partition(hand, &lane);
    topic_ranges_close(&hand->reader, hand->ranges, replay->input_count);
    lane_require_whole(&lane);
    remains_add(&hand->remains, &lane);
    lane_release(&lane);
}

/* ---- many hands ------------------------------------------------------------------------- */

static void replay_into_files(struct hand *hand, int32_t partition)
{
    const char *into = hand->replay->topics->into;

    if (replay_into_open(into, partition, &hand->out))
        replay_partition(hand, partition);
    if (!replay_into_close(into, partition, &hand->out, is_well(hand)) &&
        hand->reader.error == EXIT_WELL)
        hand->reader.error = EXIT_WORLD;
}

/* Partition after partition, until none is left. */
static void *work(void *context)
{
    struct hand *hand = context;
    struct replay *replay = hand->replay;

    while (is_well(hand)) {
        int32_t partition = atomic_fetch_add(&replay->next_partition, 1);
        if (partition >= replay->partitions)
            break;
        if (!is_chosen(replay, partition))
            continue;
        if (replay->topics->into != NULL)
            replay_into_files(hand, partition);
        else
            replay_partition(hand, partition);
    }
    if (hand->out.error != 0) {
        fprintf(stderr, "upshot replay: cannot write: %s\n", strerror(hand->out.error));
        hand->reader.error = EXIT_WORLD;
    }
    if (hand->reader.error != EXIT_WELL)
        atomic_store(&replay->failed, true);
    return NULL;
}

static void hand_init(struct hand *hand, struct replay *replay)
{
    const struct replay_options *options = replay->options;

    hand->replay = replay;
    hand->reader = (struct topic_reader){.command = "replay",
                                         .config = replay->config,
                                         .client = kafka_range_reader(replay->config, true)};
    if (hand->reader.client == NULL)
        hand->reader.error = EXIT_USAGE;
    hand->pump.sink = (struct sink){on_outcome, on_dead_letter, hand};
    hand->pump.latest_ms = options->latest_ms;
    hand->out.outcomes = options->outcomes;
    hand->out.dead_letters = options->dead_letters;
    hand->ranges = memory_get_clean(replay->input_count * sizeof(*hand->ranges));
    for (size_t i = 0; i < replay->input_count; i++)
        hand->ranges[i].topic = replay->config->input_topics.items[i];
    atomic_store(&hand->watermark_ms, TIME_NONE);
}

static void hand_release(struct hand *hand)
{
    free(hand->ranges);
    if (hand->reader.client != NULL)
        rd_kafka_destroy(hand->reader.client);
    replay_out_release(&hand->out);
}

/* The first hand is the caller's thread. */
static int work_all(struct replay *replay)
{
    int started = 1, code = EXIT_WELL;

    while (started < replay->hand_count &&
           pthread_create(&replay->hands[started].thread, NULL, work, &replay->hands[started]) == 0)
        started++; /* those that there are do the work of those that there are not */
    work(&replay->hands[0]);
    for (int i = 1; i < started; i++)
        pthread_join(replay->hands[i].thread, NULL);
    for (int i = 0; i < started && code == EXIT_WELL; i++)
        code = replay->hands[i].reader.error;
    return code;
}

static int finish_target(struct replay *replay)
{
    struct replay_target *target = &replay->target;

    if (target->error == EXIT_WELL && replay_target_finish(target))
        log_info("replayed", "topic=%s name=%s outcomes=%" PRIu64 " there_already=%" PRIu64,
                 target->topic, replay->topics->name, target->landed, target->found);
    return target->error;
}

static int find_and_work(struct replay *replay)
{
    const char *into = replay->topics->into;
    struct topic_reader *reader = &replay->hands[0].reader;
    int code;

    for (int i = 0; i < replay->hand_count; i++)
        if (replay->hands[i].reader.error != EXIT_WELL)
            return replay->hands[i].reader.error;
    code = find_range(replay, reader);
    if (code == EXIT_WELL && into != NULL)
        code = replay_into_begin(into);
    if (code == EXIT_WELL)
        code = work_all(replay);
    if (code == EXIT_WELL && into != NULL &&
        !replay_into_finish(into, replay->partitions, &replay->topics->partitions))
        code = EXIT_WORLD;
    if (code == EXIT_WELL && replay->topics->to_topic != NULL)
        code = finish_target(replay);
    return code;
}

int replay_topics(const struct replay_options *options, const struct config *config,
                  const struct replay_topics_options *topics, struct tally *tally,
                  struct remains *remains)
{
    struct replay replay = {
        .options = options,
        .topics = topics,
        .config = config,
        .input_count = config->input_topics.count,
        .hand_count = topics->parallel,
        .showing = PTHREAD_MUTEX_INITIALIZER,
    };
    int code;

    *tally = (struct tally){0};
    *remains = (struct remains){0};
    replay.hands = memory_get_clean((size_t)replay.hand_count * sizeof(*replay.hands));
    for (int i = 0; i < replay.hand_count; i++)
        hand_init(&replay.hands[i], &replay);
    code = find_and_work(&replay);
    for (int i = 0; i < replay.hand_count; i++) {
        tally_add(tally, &replay.hands[i].pump.tally);
        remains->live += replay.hands[i].remains.live;
        remains->unsent += replay.hands[i].remains.unsent;
        hand_release(&replay.hands[i]);
    }
    if (topics->to_topic != NULL)
        replay_target_close(&replay.target);
    free(replay.hands);
    free(replay.bounds);
    state_points_close(&replay.states);
    return code;
}
