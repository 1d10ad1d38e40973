/* repartition.c: look at both, see that the old is drained, copy, begin. */
#include "consumer/repartition.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/errand.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/partitioning.h"
#include "consumer/scan.h"
#include "consumer/sole.h"
#include "consumer/topics.h"
#include "schemas/state_record.h"
#include "statemachine/intern.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SERVE_EVERY = 1000 }; /* records */

static const char commit_mark[] = "1/repartition"; /* metadata of the offsets */

struct side {
    const struct config *config;
    char *state_topic;
    int32_t partitions;
    struct sole sole;
};

struct repartition {
    struct side from, to;
    bool dry_run;
    enum partitioner partitioner; /* AUTO until it is known */
    struct scan scan;             /* of the old state */
    struct errand errand;
    struct errand_time time;
    char id[300];
    struct control control; /* the old ones' sum */
    struct intern live;     /* keys of messages that there are */
    int32_t *homes;         /* by their refs: the old partition of each */
    uint32_t home_room;
    struct intern split;   /* partition and key of what is in another one, too, and not copied */
    uint64_t *live_counts; /* of them, by new partition */
    uint64_t records;
};

/* ---- both sides --------------------------------------------------------------------------- */

/* What must not be shared, or the one would write where the other reads. */
static int compare(const struct config *from, const struct config *to)
{
    for (size_t i = 0; i < from->input_topics.count; i++)
        for (size_t j = 0; j < to->input_topics.count; j++)
            if (strcmp(from->input_topics.items[i], to->input_topics.items[j]) == 0) {
                log_error("input_shared",
                          "topic=%s hint=\"the new configuration needs inputs of its own: where "
                          "partitions were added, keys have moved\"",
                          from->input_topics.items[i]);
                return EXIT_USAGE;
            }
    if (strcmp(from->app_id, to->app_id) == 0) {
        log_error("app_shared", "app.id=%s hint=\"the new configuration needs one of its own\"",
                  to->app_id);
        return EXIT_USAGE;
    }
    return EXIT_WELL;
}

/* Makes what is missing, as a start of the stage would, and sees that the counts are right. */
static int prepare(const struct config *config, int32_t *partitions)
{
    static const atomic_bool never;
    struct topics_options options = {.no_wait = true, .stop = &never};
    struct topics_facts facts = {0};
    int code = topics_prepare(config, &options, &facts);

    *partitions = facts.partitions;
    return code;
}

/* Without making anything: of the first input, which the others must be like. */
static int count_partitions(const struct config *config, int32_t *partitions)
{
    struct scan scan;
    bool good = scan_open(&scan, config, config->input_topics.items[0], SCAN_STABLE);

    *partitions = scan.partitions;
    scan_close(&scan);
    return good ? EXIT_WELL : EXIT_WORLD;
}

/* Is there nothing in this range? */
static bool is_empty(struct scan *scan)
{
    rd_kafka_message_t *message = scan_begin(scan) ? scan_next(scan) : NULL;

    if (message == NULL)
        return true;
    rd_kafka_message_destroy(message);
    return false;
}

static int tell_counts(const struct side *side, const char *topic, int32_t partitions)
{
    log_error("partitions_differ",
              "topic=%s partitions=%d input=%s input_partitions=%d hint=\"all inputs of an "
              "application and its state have the same count: has one been changed?\"",
              topic, partitions, side->config->input_topics.items[0], side->partitions);
    return EXIT_USAGE;
}

/*
 * Has the old application read all of an input? Its offsets may end before markers, so what
 * counts is that no record comes after them.
 */
static int look_drained(const struct side *from, const char *topic)
{
    const struct config *config = from->config;
    struct scan scan;
    bool good = scan_open(&scan, config, topic, SCAN_WHOLE) && scan_skip_committed(&scan);
    bool empty = good && is_empty(&scan);
    int32_t partitions = scan.partitions;

    good = good && !scan.failed;
    scan_close(&scan);
    if (good && partitions != from->partitions)
        return tell_counts(from, topic, partitions);
    if (good && !empty)
        log_error("not_drained",
                  "topic=%s group=%s hint=\"let the old application read all of it, with no "
                  "producer writing there any more, and stop it\"",
                  topic, config->app_id);
    return !good ? EXIT_WORLD : empty ? EXIT_WELL : EXIT_FOUND;
}

/* Does what the new group has committed come from here? No stage has gone on from it then. */
static bool is_moved(const struct side *to, rd_kafka_t *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    const rd_kafka_topic_partition_t *row =
        rd_kafka_topic_partition_list_add(list, to->config->input_topics.items[0], 0);
    bool moved = scan_ask_committed(reader, list) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                 row->metadata_size == strlen(commit_mark) &&
                 memcmp(row->metadata, commit_mark, row->metadata_size) == 0;

    rd_kafka_topic_partition_list_destroy(list);
    return moved;
}

static int look_new(const struct side *to)
{
    struct scan scan;
    bool good = scan_open(&scan, to->config, to->state_topic, SCAN_WHOLE);
    bool empty = good && is_empty(&scan);
    bool moved = good && !empty && is_moved(to, scan.reader);

    good = good && !scan.failed;
    scan_close(&scan);
    if (good && moved)
        log_error("moved_already",
                  "topic=%s hint=\"a run of this command has done it, and no stage has run since: "
                  "start the new application\"",
                  to->state_topic);
    else if (good && !empty)
        log_error("state_not_empty",
                  "topic=%s hint=\"an application has run with this app.id: choose another\"",
                  to->state_topic);
    return !good ? EXIT_WORLD : empty ? EXIT_WELL : EXIT_FOUND;
}

/* ---- the copy ----------------------------------------------------------------------------- */

static bool refuse(const struct repartition *this, const rd_kafka_message_t *message,
                   const char *why)
{
    log_error("state_record_refused", "topic=%s partition=%d offset=%" PRId64 " fault=\"%s\"",
              this->from.state_topic, message->partition, message->offset, why);
    return false;
}

/* Only the newest of a partition counts, and it is the last; sums are made when all are known. */
static bool note_control(struct control *controls, const struct repartition *this,
                         const rd_kafka_message_t *message)
{
    if (message->payload == NULL || control_decode(message->payload, message->len,
                                                   &controls[message->partition]) != STATE_GOOD)
        return refuse(this, message, "a control record that this program cannot read");
    return true;
}

static void add_up(struct repartition *this, const struct control *controls)
{
    struct control *sum = &this->control;
    bool any = false;

    sum->watermark_ms = TIME_NONE; /* which is less than any, and where a task can be */
    for (int32_t p = 0; p < this->from.partitions; p++) {
        const struct control *one = &controls[p];
        if (one->transaction == 0)
            continue; /* nothing ever came there */
        if (!any || one->watermark_ms < sum->watermark_ms)
            sum->watermark_ms = one->watermark_ms;
        any = true;
        for (int i = 0; i < ARRIVAL_COUNT; i++)
            sum->arrivals[i] += one->arrivals[i];
        for (int i = 0; i < REASON_COUNT; i++)
            sum->dead_letters[i] += one->dead_letters[i];
        sum->table_count = one->table_count;
        memcpy(sum->tables, one->tables, sizeof(sum->tables));
    }
}

/* In a set each text has one use. Its ref; 0: it is not in the set. */
static uint32_t look_up(struct intern *set, struct text text)
{
    size_t before = intern_count(set);
    uint32_t ref = intern_hold(set, text).ref;
    bool was = intern_count(set) == before;

    intern_drop(set, ref); /* the use that was only a question */
    return was ? ref : 0;
}

static void note_home(struct repartition *this, struct text key, int32_t home)
{
    uint32_t ref = intern_hold(&this->live, key).ref;

    if (ref >= this->home_room) {
        this->home_room = ref < 64 ? 128 : ref * 2;
        this->homes = memory_resize(this->homes, this->home_room, sizeof(*this->homes));
    }
    this->homes[ref] = home;
}

static void count_live(struct repartition *this, const rd_kafka_message_t *message, struct text key,
                       int32_t partition)
{
    uint32_t ref = look_up(&this->live, key);
    bool there = message->payload != NULL;

    if (there && ref == 0)
        note_home(this, key, message->partition);
    else if (!there && ref != 0)
        intern_drop(&this->live, ref);
    if (there != (ref != 0))
        this->live_counts[partition] += there ? 1 : UINT64_MAX;
}

/*
 * A message can be in two old partitions, where one of its events went astray, and only one state
 * of it can go to its new one. Whose home is another partition is left out, and noted while it is
 * there: its tombstone would be the other one's end.
 */
static bool is_elsewhere(struct repartition *this, const rd_kafka_message_t *message,
                         struct text key)
{
    uint32_t ref = look_up(&this->live, key);
    struct buffer place = {0};
    struct text text;

    if (ref == 0 || this->homes[ref] == message->partition)
        return false;
    buffer_put(&place, &message->partition, sizeof(message->partition));
    buffer_put(&place, key.bytes, key.size);
    text = (struct text){.bytes = place.bytes, .size = (uint32_t)place.size};
    ref = look_up(&this->split, text);
    if (message->payload != NULL && ref == 0)
        intern_hold(&this->split, text);
    else if (message->payload == NULL && ref != 0)
        intern_drop(&this->split, ref);
    buffer_release(&place);
    return true;
}

static int look_whole(const struct repartition *this)
{
    size_t split = intern_count(&this->split);

    if (split == 0)
        return EXIT_WELL;
    log_error("messages_split",
              "topic=%s messages=%zu hint=\"so many have a state in two partitions, by producers "
              "that hash keys in different ways, and one would be lost: run the old application "
              "with its partitioner set, until these are settled and forgotten\"",
              this->from.state_topic, split);
    return EXIT_FOUND;
}

static bool move(struct repartition *this, const rd_kafka_message_t *message, struct text id)
{
    struct text key = {.bytes = message->key, .size = (uint32_t)message->key_len};
    struct errand_record record = {
        .topic = this->to.state_topic,
        .partition = partition_of(this->partitioner, id.bytes, id.size, this->to.partitions),
        .key = message->key,
        .key_size = message->key_len,
        .value = message->payload,
        .value_size = message->len,
    };

    if (is_elsewhere(this, message, key))
        return true;
    this->records++;
    count_live(this, message, key, record.partition);
    return this->dry_run || errand_put(&this->errand, &record);
}

static bool serve(struct repartition *this)
{
    return this->dry_run || (sole_serve(&this->from.sole) && sole_serve(&this->to.sole));
}

static bool copy_records(struct repartition *this, struct control *controls)
{
    rd_kafka_message_t *message;
    struct text channel, id;
    bool good = scan_begin(&this->scan);
    unsigned count = 0;

    while (good && (message = scan_next(&this->scan)) != NULL) {
        switch (state_key_decode(message->key, message->key_len, &channel, &id)) {
        case STATE_MESSAGE:
            good = move(this, message, id);
            break;
        case STATE_CONTROL:
            good = note_control(controls, this, message);
            break;
        case STATE_BAD_KEY:
            good = refuse(this, message, "unknown kind of key");
            break;
        }
        rd_kafka_message_destroy(message);
        if (++count % SERVE_EVERY == 0)
            good = good && serve(this);
    }
    return good && !this->scan.failed;
}

/* One for each new task; the first has the books of all before. */
static bool put_control(struct repartition *this, int32_t partition,
                        rd_kafka_topic_partition_list_t *offsets)
{
    const struct config_list *inputs = &this->to.config->input_topics;
    struct control *control = &this->control;
    struct buffer key = {0}, value = {0};
    bool good;

    control->transaction = 1;
    control->input_count = inputs->count;
    for (size_t i = 0; i < inputs->count; i++) {
        snprintf(control->inputs[i].topic, sizeof(control->inputs[i].topic), "%s",
                 inputs->items[i]);
        control->inputs[i].greatest_ms = TIME_NONE;
        control->inputs[i].next =
            rd_kafka_topic_partition_list_find(offsets, inputs->items[i], partition)->offset;
    }
    do {
        control->lineage = hash_seed();
    } while (control->lineage == 0);
    control->live = this->live_counts[partition];
    state_key_control(&key);
    control_encode(&value, control);
    good = errand_put(&this->errand, &(struct errand_record){.topic = this->to.state_topic,
                                                             .partition = partition,
                                                             .key = key.bytes,
                                                             .key_size = key.size,
                                                             .value = value.bytes,
                                                             .value_size = value.size});
    memset(control->arrivals, 0, sizeof(control->arrivals));
    memset(control->dead_letters, 0, sizeof(control->dead_letters));
    buffer_release(&key);
    buffer_release(&value);
    return good;
}

/* The new inputs from their beginnings. */
static rd_kafka_topic_partition_list_t *list_beginnings(const struct repartition *this)
{
    const struct config_list *inputs = &this->to.config->input_topics;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(this->to.partitions * (int)inputs->count);

    for (size_t i = 0; i < inputs->count; i++) {
        struct scan scan;
        bool good = scan_open(&scan, this->to.config, inputs->items[i], SCAN_WHOLE);
        for (int32_t p = 0; good && p < this->to.partitions; p++) {
            rd_kafka_topic_partition_t *row =
                rd_kafka_topic_partition_list_add(list, inputs->items[i], p);
            row->offset = scan.ranges[p].low;
            row->metadata = strdup(commit_mark); /* freed with the list */
            row->metadata_size = strlen(commit_mark);
        }
        scan_close(&scan);
    }
    return list;
}

static bool finish(struct repartition *this)
{
    rd_kafka_topic_partition_list_t *offsets = list_beginnings(this);
    bool good = offsets->cnt == this->to.partitions * (int)this->to.config->input_topics.count;

    for (int32_t p = 0; p < this->to.partitions && good; p++)
        good = put_control(this, p, offsets);
    good = good && serve(this) &&
           errand_commit(&this->errand, offsets, this->to.sole.generation);
    rd_kafka_topic_partition_list_destroy(offsets);
    return good;
}

/* ---- which partitioner -------------------------------------------------------------------- */

/* Where the configuration does not say it, the old state's keys may: they lie where it put them. */
static int find_partitioner(struct repartition *this)
{
    struct partitioning partitioning = {0};
    rd_kafka_message_t *message;
    struct text channel, id;
    struct scan scan;
    bool good;

    this->partitioner = (enum partitioner)this->to.config->partitioner;
    if (this->partitioner != PARTITIONER_AUTO)
        return EXIT_WELL;
    good = scan_open(&scan, this->from.config, this->from.state_topic, SCAN_WHOLE) &&
           scan_begin(&scan);
    while (good && partitioning.samples < PARTITIONING_SAMPLES &&
           (message = scan_next(&scan)) != NULL) {
        if (state_key_decode(message->key, message->key_len, &channel, &id) == STATE_MESSAGE)
            partitioning_sample(&partitioning, id.bytes, id.size, message->partition,
                                scan.partitions);
        rd_kafka_message_destroy(message);
    }
    good = good && !scan.failed;
    scan_close(&scan);
    this->partitioner = partitioning_verdict(&partitioning);
    if (good && this->partitioner == PARTITIONER_AUTO)
        log_error("partitioner_unknown",
                  "keys=%u hint=\"what the state holds does not tell how keys are hashed: say it "
                  "in the new configuration (partitioner=murmur2 for Java's producers)\"",
                  partitioning.samples);
    if (!good)
        return EXIT_WORLD;
    return this->partitioner == PARTITIONER_AUTO ? EXIT_FOUND : EXIT_WELL;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int look(struct repartition *this)
{
    const struct config_list *inputs = &this->from.config->input_topics;
    int code = compare(this->from.config, this->to.config);

    if (code == EXIT_WELL)
        code = sole_look(this->from.config);
    if (code == EXIT_WELL)
        code = sole_look(this->to.config);
    if (code == EXIT_WELL)
        code = count_partitions(this->from.config, &this->from.partitions);
    for (size_t i = 0; i < inputs->count && code == EXIT_WELL; i++)
        code = look_drained(&this->from, inputs->items[i]);
    if (code == EXIT_WELL && this->dry_run)
        code = count_partitions(this->to.config, &this->to.partitions);
    else if (code == EXIT_WELL)
        code = prepare(this->to.config, &this->to.partitions);
    return code == EXIT_WELL ? find_partitioner(this) : code;
}

static int open_state(struct repartition *this)
{
    const struct side *from = &this->from;

    if (!scan_open(&this->scan, from->config, from->state_topic, SCAN_WHOLE))
        return EXIT_WORLD;
    return this->scan.partitions == from->partitions
               ? EXIT_WELL
               : tell_counts(from, from->state_topic, this->scan.partitions);
}

/*
 * The transaction begins before the new state is looked at: what a run that was killed has left
 * open there has then come to its end.
 */
static int begin(struct repartition *this)
{
    errand_time_set(&this->time, this->to.config, scan_left(&this->scan));
    snprintf(this->id, sizeof(this->id), "%s.repartition", this->to.config->app_id);
    if (!errand_begin(&this->errand, &this->time.config, this->id))
        return EXIT_WORLD;
    return look_new(&this->to);
}

/* Not the world's fault where somebody has come into one of the groups. */
static int failure_of(const struct repartition *this)
{
    return this->from.sole.lost || this->to.sole.lost || this->errand.overtaken ? EXIT_FOUND
                                                                                : EXIT_WORLD;
}

static int copy(struct repartition *this)
{
    struct control *controls =
        memory_get_clean((size_t)this->from.partitions * sizeof(*controls));
    bool good;
    int code;

    this->live_counts = memory_get_clean((size_t)this->to.partitions * sizeof(uint64_t));
    good = copy_records(this, controls);
    add_up(this, controls);
    free(controls);
    code = good ? look_whole(this) : failure_of(this);
    if (code != EXIT_WELL || this->dry_run || finish(this))
        return code;
    return failure_of(this);
}

static void tell(const struct repartition *this)
{
    printf("partitioner\t%s\n", partitioner_words[this->partitioner]);
    for (int32_t p = 0; p < this->to.partitions; p++)
        printf("%s\t%d\t%" PRIu64 " messages\n", this->to.state_topic, p, this->live_counts[p]);
}

static int run(struct repartition *this)
{
    int code = look(this);

    if (code == EXIT_WELL && !this->dry_run)
        code = sole_join(&this->from.sole, this->from.config, this->from.partitions);
    if (code == EXIT_WELL && !this->dry_run)
        code = sole_join(&this->to.sole, this->to.config, this->to.partitions);
    if (code == EXIT_WELL)
        code = open_state(this);
    if (code == EXIT_WELL && !this->dry_run)
        code = begin(this);
    if (code == EXIT_WELL)
        code = copy(this);
    if (code == EXIT_WELL)
        tell(this);
    return code;
}

int repartition(const struct config *from, const struct config *to, bool dry_run)
{
    struct repartition *this = memory_get_clean(sizeof(*this));
    int code;

    this->from.config = from;
    this->from.state_topic = topics_state_name(from);
    this->to.config = to;
    this->to.state_topic = topics_state_name(to);
    this->dry_run = dry_run;
    intern_init(&this->live, hash_bytes, hash_seed());
    intern_init(&this->split, hash_bytes, hash_seed());
    code = run(this);
    errand_end(&this->errand);
    errand_time_release(&this->time);
    sole_leave(&this->from.sole);
    sole_leave(&this->to.sole);
    scan_close(&this->scan);
    intern_release(&this->live);
    intern_release(&this->split);
    free(this->homes);
    free(this->live_counts);
    free(this->from.state_topic);
    free(this->to.state_topic);
    free(this);
    return code;
}
