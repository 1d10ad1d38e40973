/* audit.c: one partition after another: letters, inputs, outcomes, and what is left over. */
#include "consumer/audit.h"

#include "consumer/audit_book.h"
#include "consumer/audit_letters.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/partitioning.h"
#include "consumer/replay_out.h"
#include "consumer/scan.h"
#include "schemas/outcome.h"
#include "statemachine/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

/*
 * Timestamps of one input's neighbours differ by less, where producers date their records; so lives
 * that begin so soon after the range's beginning may have begun before.
 */
enum { BORDER_MS = 3600000, PROGRESS_EVERY = 16384 };

/*
 * From this size on memory is pages of its own: the book's arrays grow without a copy, and are gone
 * when they are freed. By itself the C library raises that bound to what was freed last (librdkafka
 * frees what it fetched), and then growing arrays leave holes.
 */
enum { ARRAY_SIZE = 1048576 };

/* Where one partition begins and ends, as it was when the audit began. */
struct bounds {
    int64_t begins[INPUTS_MAX], cuts[INPUTS_MAX], ends[INPUTS_MAX];
    int64_t outcomes_low, outcomes_end;
    int64_t letters_low, letters_end;
    bool from_the_start; /* nothing is known to lie before the range */
    bool has_offsets;    /* the group's are the cuts */
};

struct audit {
    const struct audit_options *options;
    const struct config *config;
    struct audit_findings *findings;
    struct topic_reader reader;
    rd_kafka_t *onlooker; /* made when it is needed */
    size_t input_count;
    int32_t partitions;
    struct bounds *bounds;
    struct topic_range *inputs;
    struct pump pump;
    struct buffer line;
    uint64_t total; /* offsets of all inputs, for the progress bar */

    /* Of the partition that is being audited. */
    int32_t partition;
    struct audit_letters letters;
    struct audit_book book;
    bool beyond_now;                 /* the inputs have ended, and time goes on */
    enum reason reason;              /* what became of the record that was taken last */
    bool in_order;                   /* one input, whose broker dates its records, never back */
    int64_t greatest_ms[INPUTS_MAX]; /* of records before the cut */
    int64_t first_ms[INPUTS_MAX];
    int64_t oldest_outcome_ms; /* when the first that is still there was written */
};

/* ---- the ends --------------------------------------------------------------------------- */

/* Where the stage's group stands: all inputs of a task at once, for it commits them together. */
static bool ask_group(struct audit *audit, int32_t partition, int64_t *offsets)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)audit->input_count);
    rd_kafka_resp_err_t error;
    bool any = false;

    for (size_t i = 0; i < audit->input_count; i++)
        rd_kafka_topic_partition_list_add(list, audit->inputs[i].topic, partition);
    error = scan_ask_committed(audit->reader.client, list);
    for (size_t i = 0; i < audit->input_count; i++) {
        offsets[i] = list->elems[i].offset;
        any = any || offsets[i] >= 0;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        topic_reader_fail(&audit->reader, audit->config->app_id, "the group's offsets",
                          rd_kafka_err2str(error));
    return any;
}

/* The outputs are to be read up to what was written when the group was asked: their high watermark,
 * which a transaction that is just ending may still hold readers back from. */
static void ask_output(struct audit *audit, rd_kafka_t *client, const char *topic,
                       int32_t partition, int64_t *low, int64_t *end)
{
    struct topic_reader reader = audit->reader;

    reader.client = client;
    topic_find_ends(&reader, topic, partition, low, end);
    audit->reader.error = reader.error;
}

static void find_outputs(struct audit *audit, rd_kafka_t *client, int32_t partition,
                         struct bounds *bounds)
{
    ask_output(audit, client, audit->config->outcomes_topic, partition, &bounds->outcomes_low,
               &bounds->outcomes_end);
    if (audit->reader.error == EXIT_WELL)
        ask_output(audit, client, audit->config->dead_letters_topic, partition,
                   &bounds->letters_low, &bounds->letters_end);
}

/* The cut, and then the ends of the outputs. */
static void find_cut(struct audit *audit, rd_kafka_t *client, int32_t partition,
                     struct bounds *bounds)
{
    bounds->has_offsets = ask_group(audit, partition, bounds->cuts);
    for (size_t i = 0; i < audit->input_count && !bounds->has_offsets; i++)
        bounds->cuts[i] = INT64_MAX;
    find_outputs(audit, client, partition, bounds);
}

static void find_inputs(struct audit *audit, int32_t partition, struct bounds *bounds)
{
    const struct replay_range *range = &audit->options->range;

    bounds->from_the_start = true;
    for (size_t i = 0; i < audit->input_count && audit->reader.error == EXIT_WELL; i++) {
        const char *topic = audit->inputs[i].topic;
        int64_t low, high, to;
        if (!topic_find_ends(&audit->reader, topic, partition, &low, &high))
            return;
        bounds->begins[i] = low;
        bounds->ends[i] = to = high;
        if (!topic_find_offset(&audit->reader, topic, partition, &range->from, low, high,
                               &bounds->begins[i]) ||
            !topic_find_offset(&audit->reader, topic, partition, &range->to, low, high, &to))
            return;
        bounds->cuts[i] = bounds->cuts[i] < to ? bounds->cuts[i] : to;
        bounds->from_the_start = bounds->from_the_start && bounds->begins[i] == 0;
        audit->total += (uint64_t)(high - bounds->begins[i]);
    }
}

static void find_bounds(struct audit *audit)
{
    rd_kafka_t *client = kafka_client(audit->config);

    if (client == NULL) {
        audit->reader.error = EXIT_USAGE;
        return;
    }
    for (int32_t p = 0; p < audit->partitions && audit->reader.error == EXIT_WELL; p++)
        find_cut(audit, client, p, &audit->bounds[p]);
    for (int32_t p = 0; p < audit->partitions && audit->reader.error == EXIT_WELL; p++)
        find_inputs(audit, p, &audit->bounds[p]);
    rd_kafka_destroy(client);
}

/* ---- the inputs ------------------------------------------------------------------------- */

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct audit *audit = context;
    struct outcome_facts facts;

    buffer_clear(&audit->line);
    outcome_encode(&audit->line, happening->table, happening->id, &happening->record,
                   &happening->effects, lane->partition, false);
    require(!audit->line.failed);
    require(outcome_facts_read(audit->line.bytes, audit->line.size, hash_bytes, &facts));
    if (audit->beyond_now)
        audit_book_pend(&audit->book, &facts);
    else
        audit_book_expect(&audit->book, &facts, happening->record.state);
}

static void on_dead_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                           enum reason reason, const char *detail)
{
    struct audit *audit = context;

    (void)lane;
    (void)incoming;
    (void)detail;
    audit->reason = reason;
}

static bool is_certain(const struct audit *audit, size_t input, int64_t offset)
{
    return offset < audit->bounds[audit->partition].cuts[input];
}

/*
 * Whether the stage's clock found a record to be dated too far ahead, its letter tells. Without
 * one: what is too far ahead even now was it then.
 */
static bool is_skewed(void *context, size_t input, const rd_kafka_message_t *message,
                      int64_t timestamp_ms)
{
    const struct audit *audit = context;
    const struct audit_letter *letter = audit_letters_of(&audit->letters, input, message->offset);

    return (letter != NULL && letter->reason == REASON_SKEWED_TIME) ||
           timestamp_ms > audit->options->now_ms + audit->config->skew_max_ms;
}

static void note_order(struct audit *audit, size_t input, const rd_kafka_message_t *message,
                       int64_t timestamp_ms)
{
    rd_kafka_timestamp_type_t type;

    rd_kafka_message_timestamp(message, &type);
    if (type != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME || timestamp_ms < audit->greatest_ms[input])
        audit->in_order = false;
    if (is_certain(audit, input, message->offset) && timestamp_ms > audit->greatest_ms[input])
        audit->greatest_ms[input] = timestamp_ms;
    if (audit->first_ms[input] == TIME_NONE)
        audit->first_ms[input] = timestamp_ms;
}

static void take(struct audit *audit, struct lane *lane, size_t input, rd_kafka_message_t *message,
                 int64_t timestamp_ms)
{
    struct right_partition right = {
        .partitioner = (enum partitioner)audit->config->partitioner,
        .partition = audit->partition,
        .partitions = audit->partitions,
    };
    struct envelope_facts facts =
        kafka_facts(message, text_of(audit->inputs[input].topic), timestamp_ms, &right);
    struct event_buffer buffer;
    struct incoming incoming = {
        .input = input, .timestamp_ms = timestamp_ms, .origin = message, .detail = buffer.detail};
    bool certain = is_certain(audit, input, message->offset);
    bool skewed = is_skewed(audit, input, message, timestamp_ms);

    incoming.reason =
        event_decode(audit->options->tables, message->payload, message->len,
                     (size_t)audit->config->event_max_bytes, &facts, &buffer, &incoming.event);
    if (!skewed)
        note_order(audit, input, message, timestamp_ms);
    if (!skewed && incoming.reason == REASON_NONE) {
        const struct table *table = audit->options->tables->rows[incoming.event.channel];
        struct text channel = {.bytes = (const uint8_t *)table->channel,
                               .size = table->channel_size};
        audit_book_event(&audit->book, channel, incoming.event.id, incoming.event.is_send,
                         incoming.event.status, certain);
    }
    audit->reason = REASON_NONE;
    audit->pump.latest_ms = skewed ? timestamp_ms - 1 : INT64_MAX;
    replay_take(&audit->pump, lane, &incoming);
    audit_letters_judge(&audit->letters, input, message, audit->reason, certain, audit->findings);
}

static void read_inputs(struct audit *audit)
{
    const struct bounds *bounds = &audit->bounds[audit->partition];
    struct lane lane;

    for (size_t i = 0; i < audit->input_count; i++) {
        audit->inputs[i].next = bounds->begins[i];
        audit->inputs[i].end = bounds->ends[i];
        audit->greatest_ms[i] = audit->first_ms[i] = TIME_NONE;
    }
    lane_init(&lane, audit->partition, audit->options->tables, audit->input_count, hash_seed());
    topic_ranges_open(&audit->reader, audit->inputs, audit->input_count, audit->partition);
    while (audit->reader.error == EXIT_WELL) {
        int64_t timestamp_ms = 0;
        size_t lowest = topic_ranges_lowest(&audit->reader, audit->inputs, audit->input_count,
                                            &lane.task.watermark, is_skewed, audit, &timestamp_ms);
        rd_kafka_message_t *message;
        replay_fire(&audit->pump, &lane, watermark_target(&lane.task.watermark));
        if (lowest == audit->input_count)
            break;
        message = topic_range_take(&audit->inputs[lowest]);
        take(audit, &lane, lowest, message, timestamp_ms);
        rd_kafka_message_destroy(message);
        if (++audit->findings->records % PROGRESS_EVERY == 0 && audit->options->progress != NULL)
            audit->options->progress(audit->findings->records, audit->total);
    }
    replay_fire(&audit->pump, &lane, audit->options->now_ms);
    audit->beyond_now = true;
    replay_fire(&audit->pump, &lane, INT64_MAX);
    audit->beyond_now = false;
    topic_ranges_close(&audit->reader, audit->inputs, audit->input_count);
    lane_release(&lane);
    malloc_trim(0); /* the live messages, many small pieces: nobody asks for as many again */
}

/* ---- the outputs ------------------------------------------------------------------------ */

typedef void on_record(struct audit *audit, const rd_kafka_message_t *message);

/* Hands out all records of a topic's partition between two offsets. */
static void read_topic(struct audit *audit, struct topic_reader *reader, const char *topic,
                       int64_t low, int64_t end, on_record *see)
{
    struct topic_range *range = memory_get_clean(sizeof(*range));

    range->topic = topic;
    range->next = low;
    range->end = end;
    topic_ranges_open(reader, range, 1, audit->partition);
    while (topic_range_head(reader, range) != NULL) {
        rd_kafka_message_t *message = topic_range_take(range);
        see(audit, message);
        rd_kafka_message_destroy(message);
    }
    topic_ranges_close(reader, range, 1);
    free(range);
}

static int64_t written_ms(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;

    return rd_kafka_message_timestamp(message, &type);
}

static void see_letter(struct audit *audit, const rd_kafka_message_t *message)
{
    audit->findings->letters++;
    if (audit->letters.oldest_ms == INT64_MAX)
        audit->letters.oldest_ms = written_ms(message);
    audit_letters_find(&audit->letters, message, audit->findings);
}

static struct audit_example example_of_message(const struct audit *audit,
                                               const rd_kafka_message_t *message)
{
    struct audit_example example = {.partition = audit->partition, .offset = message->offset};

    snprintf(example.message, sizeof(example.message), "key %.*s",
             message->key == NULL ? 0 : (int)message->key_len, (const char *)message->key);
    return example;
}

static void see_outcome(struct audit *audit, const rd_kafka_message_t *message)
{
    struct audit_example example = example_of_message(audit, message);
    struct outcome_facts facts;

    audit->findings->outcomes++;
    if (audit->oldest_outcome_ms == INT64_MAX)
        audit->oldest_outcome_ms = written_ms(message);
    if (!outcome_facts_read(message->payload, message->len, hash_bytes, &facts)) {
        audit_fault(audit->findings, AUDIT_UNREADABLE, &example);
    } else if (facts.partition != audit->partition) {
        example.life_ms = facts.life_ms;
        example.revision = facts.revision;
        snprintf(example.message, sizeof(example.message), "%.*s:%.*s", (int)facts.channel.size,
                 (const char *)facts.channel.bytes, (int)facts.message_id.size,
                 (const char *)facts.message_id.bytes);
        snprintf(example.detail, sizeof(example.detail), "its source is in partition %d",
                 facts.partition);
        audit_fault(audit->findings, AUDIT_WRONG_PARTITION, &example);
    } else {
        audit_book_find(&audit->book, &facts, audit->partition, message->offset, audit->findings);
    }
}

static void see_uncommitted(struct audit *audit, const rd_kafka_message_t *message)
{
    struct outcome_facts facts;

    if (outcome_facts_read(message->payload, message->len, hash_bytes, &facts))
        audit_book_uncommitted(&audit->book, &facts, message->offset);
}

/* The same topic as somebody sees it who does not ask for committed records. */
static void look_on(struct audit *audit)
{
    const struct bounds *bounds = &audit->bounds[audit->partition];
    struct topic_reader reader = audit->reader;

    if (audit->onlooker == NULL)
        audit->onlooker = kafka_range_reader(audit->config, false);
    if (audit->onlooker == NULL) {
        audit->reader.error = EXIT_USAGE;
        return;
    }
    reader.client = audit->onlooker;
    read_topic(audit, &reader, audit->config->outcomes_topic, bounds->outcomes_low,
               bounds->outcomes_end, see_uncommitted);
    audit->reader.error = reader.error;
}

/*
 * A group without offsets and without an output has not begun, so nothing is certain; what a first
 * transaction wrote that was aborted is no output. With outputs, and still without offsets, it is
 * not the one that wrote them: all of the inputs is taken for certain.
 */
static void judge_group(struct audit *audit, struct bounds *bounds)
{
    struct topic_range *range = memory_get_clean(sizeof(*range));
    int64_t offsets[INPUTS_MAX];
    bool begun;

    audit->findings->partitions_without_offsets++;
    range->topic = audit->config->outcomes_topic;
    range->next = bounds->outcomes_low;
    range->end = bounds->outcomes_end;
    topic_ranges_open(&audit->reader, range, 1, audit->partition);
    begun = topic_range_head(&audit->reader, range) != NULL || audit->letters.count > 0;
    topic_ranges_close(&audit->reader, range, 1);
    free(range);
    if (!begun || ask_group(audit, audit->partition, offsets))
        for (size_t i = 0; i < audit->input_count; i++)
            bounds->cuts[i] = 0;
}

/* ---- one partition ---------------------------------------------------------------------- */

/* What had been taken of every input before the cut; one that said nothing holds time back. */
static int64_t sure_ms(const struct audit *audit)
{
    int64_t least_ms = INT64_MAX;

    for (size_t i = 0; i < audit->input_count; i++)
        if (audit->greatest_ms[i] < least_ms)
            least_ms = audit->greatest_ms[i];
    return least_ms;
}

/* Lives that are older began before the range, or may have. */
static int64_t begin_ms(const struct audit *audit)
{
    int64_t latest_ms = TIME_NONE;

    if (audit->bounds[audit->partition].from_the_start)
        return TIME_NONE;
    for (size_t i = 0; i < audit->input_count; i++)
        if (audit->first_ms[i] > latest_ms)
            latest_ms = audit->first_ms[i];
    return latest_ms == TIME_NONE ? INT64_MAX : latest_ms + BORDER_MS;
}

static bool every_revision(const struct audit *audit)
{
    switch (audit->options->revisions) {
    case AUDIT_REVISIONS_ALL:
        return true;
    case AUDIT_REVISIONS_LAST:
        return false;
    case AUDIT_REVISIONS_AUTO:
        break;
    }
    return audit->input_count == 1 && audit->in_order;
}

static void audit_partition(struct audit *audit, int32_t partition)
{
    struct bounds *bounds = &audit->bounds[partition];
    const struct config *config = audit->config;
    struct audit_judge judge = {.tables = audit->options->tables, .partition = partition};

    audit->partition = partition;
    audit->in_order = true;
    audit->oldest_outcome_ms = INT64_MAX;
    audit_letters_init(&audit->letters, &config->input_topics, partition);
    audit_book_init(&audit->book, hash_seed());
    audit->book.outcomes_expired = bounds->outcomes_low > 0;

    read_topic(audit, &audit->reader, config->dead_letters_topic, bounds->letters_low,
               bounds->letters_end, see_letter);
    if (bounds->letters_low == 0)
        audit->letters.oldest_ms = TIME_NONE;
    audit_letters_sort(&audit->letters, audit->findings);
    if (!bounds->has_offsets)
        judge_group(audit, bounds);
    read_inputs(audit);
    audit_letters_compare(&audit->letters, bounds->begins, bounds->ends, audit->findings);
    audit->book.begin_ms = begin_ms(audit);
    read_topic(audit, &audit->reader, config->outcomes_topic, bounds->outcomes_low,
               bounds->outcomes_end, see_outcome);

    judge.every_revision = every_revision(audit);
    judge.sure_ms = sure_ms(audit);
    judge.expired_before_ms = bounds->outcomes_low == 0 ? TIME_NONE : audit->oldest_outcome_ms;
    if (audit->reader.error == EXIT_WELL && !audit->findings->what_if &&
        audit_book_misses(&audit->book, &judge))
        look_on(audit);
    if (audit->reader.error == EXIT_WELL) {
        audit_book_compare(&audit->book, &judge, audit->findings);
        audit->findings->partitions++;
        audit->findings->strict_partitions += judge.every_revision;
    }
    audit_book_release(&audit->book);
    audit_letters_release(&audit->letters);
}

static void check_output(struct audit *audit, const char *topic)
{
    int32_t count = topic_count_partitions(&audit->reader, topic);

    if (audit->reader.error == EXIT_WELL && count != audit->partitions) {
        fprintf(stderr, "upshot audit: %s has %d partitions, the inputs have %d\n", topic, count,
                audit->partitions);
        audit->reader.error = EXIT_USAGE;
    }
}

int audit(const struct audit_options *options, struct audit_findings *findings)
{
    const struct config *config = options->config;
    struct audit audit = {
        .options = options,
        .config = config,
        .findings = findings,
        .reader = {.command = "audit",
                   .config = config,
                   .client = kafka_range_reader(config, true)},
        .input_count = config->input_topics.count,
    };

    if (audit.reader.client == NULL)
        return EXIT_USAGE;
    mallopt(M_MMAP_THRESHOLD, ARRAY_SIZE);
    audit.pump.sink = (struct sink){on_outcome, on_dead_letter, &audit};
    audit.inputs = memory_get_clean(audit.input_count * sizeof(*audit.inputs));
    for (size_t i = 0; i < audit.input_count; i++)
        audit.inputs[i].topic = config->input_topics.items[i];
    audit.partitions = topic_count_input_partitions(&audit.reader);
    audit.bounds = memory_get_clean((size_t)(audit.partitions + 1) * sizeof(*audit.bounds));
    check_output(&audit, config->outcomes_topic);
    check_output(&audit, config->dead_letters_topic);
    if (audit.reader.error == EXIT_WELL)
        find_bounds(&audit);
    for (int32_t p = 0; p < audit.partitions && audit.reader.error == EXIT_WELL; p++)
        audit_partition(&audit, p);
    free(audit.inputs);
    free(audit.bounds);
    buffer_release(&audit.line);
    if (audit.onlooker != NULL)
        rd_kafka_destroy(audit.onlooker);
    rd_kafka_destroy(audit.reader.client);
    return audit.reader.error;
}
