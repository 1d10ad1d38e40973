/*
 * null_stage.c: the limit. A loop that consumes both inputs and writes, in the same transactions,
 * as many records of the same sizes as upshot does, and knows nothing.
 *
 * It parses nothing, keeps nothing and decides nothing; it assigns its partitions itself, so it has
 * no group to join. It is no straw man: batches, explicit partitions, no delivery reports, and of
 * librdkafka's properties the best that were found: -X tries others. What upshot writes for a load
 * is found by counting (ruler count), and comes in as options.
 *
 * Prints at the end where a transaction's time goes, then waits to be stopped, so that whoever
 * watches can read its figures at leisure.
 */
#include "benchmarks/tool.h"

#include <argp.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, BATCH_MAX = 10000, VALUE_MAX = 65536, KEY_MAX = 512 };

struct options {
    const char *bootstrap, *group, *outcomes, *state, *inputs[2];
    uint64_t workers, records, interval_ms, batch, wait_ms;
    uint64_t outcomes_per_1000, outcome_bytes, outcome_noise;
    uint64_t state_per_1000, state_bytes, state_noise, state_key_bytes;
    struct properties more;
};

/* Where the time goes, in microseconds. */
enum part { CONSUME, PRODUCE, SEND_OFFSETS, FLUSH, COMMIT, PARTS };

static const char *const part_words[] = {
    [CONSUME] = "consume", [PRODUCE] = "produce", [SEND_OFFSETS] = "send_offsets",
    [FLUSH] = "flush",     [COMMIT] = "commit",
};

static struct options options = {
    .bootstrap = "127.0.0.1:9092",
    .group = "null",
    .outcomes = "null.outcomes",
    .state = "null.state",
    .inputs = {"message.sends", "message.receipts"},
    .workers = 1,
    .records = 10000,
    .interval_ms = 100,
    .batch = 1000,
    .wait_ms = 5,
    .outcomes_per_1000 = 333,
    .outcome_bytes = 600,
    .outcome_noise = 100,
    .state_per_1000 = 1000,
    .state_bytes = 80,
    .state_noise = 40,
    .state_key_bytes = 43,
};

static atomic_uint_least64_t transactions, records, spent_us[PARTS];

/* ---- one worker ------------------------------------------------------------------------- */

struct worker {
    uint64_t number;
    rd_kafka_t *consumer, *producer;
    rd_kafka_topic_t *outcomes, *state;
    rd_kafka_headers_t *headers;
    rd_kafka_topic_partition_list_t *rows; /* of all inputs; the offset is the next one */
    int64_t ends[2][TOOL_PARTITIONS_MAX];
    int *row_of[2]; /* by partition */
    int left;       /* rows that are not at their end */
    uint64_t outcomes_due, state_due, in_transaction;
    bool open;
    int64_t opened_us;
    uint64_t noise; /* xorshift64 */
    char outcome[VALUE_MAX], state_value[VALUE_MAX], state_key[KEY_MAX];
};

static void connect_consumer(struct worker *worker)
{
    struct properties set = {0};

    tool_set(&set, "bootstrap.servers", options.bootstrap);
    tool_set(&set, "group.id", options.group);
    tool_set(&set, "socket.nagle.disable", "true");
    tool_set(&set, "enable.auto.commit", "false");
    tool_set(&set, "enable.auto.offset.store", "false");
    tool_set(&set, "isolation.level", "read_committed");
    tool_set(&set, "auto.offset.reset", "error");
    tool_set(&set, "fetch.wait.max.ms", "50");
    tool_set(&set, "fetch.message.max.bytes", "4194304");
    /* A queue that has reached either is not filled for a whole second (librdkafka before 2.2). */
    tool_set(&set, "queued.min.messages", "200000");
    tool_set(&set, "queued.max.messages.kbytes", "131072");
    for (int i = 0; i < options.more.count; i++)
        tool_set(&set, options.more.names[i], options.more.values[i]);
    worker->consumer = tool_client(RD_KAFKA_CONSUMER, &set);
    rd_kafka_poll_set_consumer(worker->consumer);
}

static void connect_producer(struct worker *worker)
{
    struct properties set = {0};
    char id[256];

    snprintf(id, sizeof(id), "%s-%" PRIu64, options.group, worker->number);
    tool_set(&set, "bootstrap.servers", options.bootstrap);
    tool_set(&set, "transactional.id", id);
    tool_set(&set, "transaction.timeout.ms", "15000");
    tool_set(&set, "socket.nagle.disable", "true");
    tool_set(&set, "batch.size", "1000000");
    tool_set(&set, "linger.ms", "5");
    tool_set(&set, "queue.buffering.max.messages", "2000000");
    tool_set(&set, "queue.buffering.max.kbytes", "1048576");
    tool_set(&set, "compression.type", "lz4");
    tool_set(&set, "retry.backoff.ms", "2");
    for (int i = 0; i < options.more.count; i++)
        tool_set(&set, options.more.names[i], options.more.values[i]);
    worker->producer = tool_client(RD_KAFKA_PRODUCER, &set);
    tool_check_error("init_transactions", rd_kafka_init_transactions(worker->producer, 30000));
    worker->outcomes = rd_kafka_topic_new(worker->producer, options.outcomes, NULL);
    worker->state = rd_kafka_topic_new(worker->producer, options.state, NULL);
    worker->headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(worker->headers, "upshot-schema", -1, "upshot.outcome/1", -1);
    rd_kafka_header_add(worker->headers, "content-type", -1, "application/json", -1);
}

static void assign(struct worker *worker)
{
    worker->rows = rd_kafka_topic_partition_list_new(8);
    for (int t = 0; t < 2; t++) {
        int32_t count = tool_partitions(worker->consumer, options.inputs[t]);
        worker->row_of[t] = calloc((size_t)count, sizeof(int));
        for (int32_t p = 0; p < count; p++)
            if ((uint64_t)p % options.workers == worker->number)
                rd_kafka_topic_partition_list_add(worker->rows, options.inputs[t], p);
    }
    tool_check("committed", rd_kafka_committed(worker->consumer, worker->rows, 30000));
    for (int i = 0; i < worker->rows->cnt; i++) {
        rd_kafka_topic_partition_t *row = &worker->rows->elems[i];
        int t = strcmp(row->topic, options.inputs[0]) != 0;
        int64_t low, high;
        tool_check(row->topic,
                   rd_kafka_query_watermark_offsets(worker->consumer, row->topic, row->partition,
                                                    &low, &high, 30000));
        if (row->offset < 0)
            row->offset = low;
        worker->row_of[t][row->partition] = i;
        worker->ends[t][row->partition] = high;
        worker->left += row->offset < high;
    }
    tool_check("assign", rd_kafka_assign(worker->consumer, worker->rows));
}

static void prepare_values(struct worker *worker)
{
    static const char words[] =
        "{\"schema\":\"upshot.outcome/1\",\"outcome\":\"delivered\",\"status\":\"DELIVRD\","
        "\"phase\":\"final\",\"revision\":1,\"settled_by\":\"status\",\"send_seen\":true,"
        "\"conflict\":false,\"timeline\":[{\"status\":\"SENT\","
        "\"at\":\"2026-11-23T10:00:00.000Z\"},";

    for (size_t i = 0; i < VALUE_MAX; i++) {
        worker->outcome[i] = words[i % (sizeof(words) - 1)];
        worker->state_value[i] = words[i % (sizeof(words) - 1)];
    }
    memset(worker->state_key, 'k', sizeof(worker->state_key));
    worker->noise = worker->number + 1;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * What never is the same in a record: numbers, times, ids. The rest of it is, so this is how
 * compressible it is, and compare sets it so that as many bytes arrive on the broker's disk.
 */
static void make_noise(struct worker *worker, char *at, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(worker->noise)) {
        worker->noise ^= worker->noise << 13;
        worker->noise ^= worker->noise >> 7;
        worker->noise ^= worker->noise << 17;
        memcpy(at + i, &worker->noise, least(sizeof(worker->noise), size - i));
    }
}

static void write_outcome(struct worker *worker, const rd_kafka_message_t *message)
{
    size_t size = options.outcome_bytes;
    rd_kafka_error_t *refusal;

    make_noise(worker, worker->outcome, least(options.outcome_noise, size));
    for (;;) {
        rd_kafka_vu_t arguments[] = {
            {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = worker->outcomes},
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = message->partition},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {message->key, message->key_len}},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {worker->outcome, size}},
            {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = rd_kafka_headers_copy(worker->headers)},
        };
        refusal =
            rd_kafka_produceva(worker->producer, arguments, sizeof(arguments) / sizeof(*arguments));
        if (refusal == NULL)
            return;
        if (rd_kafka_error_code(refusal) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            tool_check_error("produce", refusal);
        rd_kafka_error_destroy(refusal);
        rd_kafka_headers_destroy(arguments[5].u.headers);
        rd_kafka_poll(worker->producer, 10);
    }
}

static void write_state(struct worker *worker, const rd_kafka_message_t *message)
{
    size_t id_size = least(message->key_len, options.state_key_bytes);

    memcpy(worker->state_key + options.state_key_bytes - id_size, message->key, id_size);
    make_noise(worker, worker->state_value, least(options.state_noise, options.state_bytes));
    while (rd_kafka_produce(worker->state, message->partition, RD_KAFKA_MSG_F_COPY,
                            worker->state_value, options.state_bytes, worker->state_key,
                            options.state_key_bytes, NULL) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            tool_check("produce", rd_kafka_last_error());
        rd_kafka_poll(worker->producer, 10);
    }
}

/* How many are due is carried on, so that the mean is met whatever the transaction. */
static void take(struct worker *worker, const rd_kafka_message_t *message)
{
    int t = strcmp(rd_kafka_topic_name(message->rkt), options.inputs[0]) != 0;
    rd_kafka_topic_partition_t *row = &worker->rows->elems[worker->row_of[t][message->partition]];
    int64_t end = worker->ends[t][message->partition];

    if (row->offset < end && message->offset + 1 >= end)
        worker->left--;
    row->offset = message->offset + 1;
    worker->in_transaction++;
    worker->outcomes_due += options.outcomes_per_1000;
    worker->state_due += options.state_per_1000;
    for (; worker->outcomes_due >= 1000; worker->outcomes_due -= 1000)
        write_outcome(worker, message);
    for (; worker->state_due >= 1000; worker->state_due -= 1000)
        write_state(worker, message);
}

/* Adds the time since then to a part; returns now. */
static int64_t spend(enum part part, int64_t since_us)
{
    int64_t now_us = tool_monotonic_us();

    atomic_fetch_add(&spent_us[part], (uint64_t)(now_us - since_us));
    return now_us;
}

static void commit(struct worker *worker)
{
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(worker->consumer);
    int64_t now_us = tool_monotonic_us();

    tool_check_error("send_offsets", rd_kafka_send_offsets_to_transaction(
                                         worker->producer, worker->rows, group, 30000));
    now_us = spend(SEND_OFFSETS, now_us);
    tool_check("flush", rd_kafka_flush(worker->producer, 30000));
    now_us = spend(FLUSH, now_us);
    tool_check_error("commit", rd_kafka_commit_transaction(worker->producer, 30000));
    spend(COMMIT, now_us);
    rd_kafka_consumer_group_metadata_destroy(group);
    atomic_fetch_add(&transactions, 1);
    atomic_fetch_add(&records, worker->in_transaction);
    worker->in_transaction = 0;
    worker->open = false;
}

static void say_first(const struct worker *worker)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;

    (void)worker;
    if (!atomic_flag_test_and_set(&said)) {
        printf("first_record_ms=%" PRId64 "\n", tool_wall_ms());
        fflush(stdout);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    rd_kafka_message_t **batch = calloc(options.batch, sizeof(*batch));
    rd_kafka_queue_t *queue;

    connect_consumer(worker);
    connect_producer(worker);
    assign(worker);
    prepare_values(worker);
    queue = rd_kafka_queue_get_consumer(worker->consumer);
    while (worker->left > 0) {
        size_t room = least(options.batch, options.records - worker->in_transaction);
        int64_t now_us = tool_monotonic_us();
        ssize_t count = rd_kafka_consume_batch_queue(queue, (int)options.wait_ms, batch, room);
        now_us = spend(CONSUME, now_us);
        for (ssize_t i = 0; i < count; i++) {
            tool_check("consume", batch[i]->err);
            if (!worker->open) {
                tool_check_error("begin", rd_kafka_begin_transaction(worker->producer));
                worker->open = true;
                worker->opened_us = now_us;
                say_first(worker);
            }
            take(worker, batch[i]);
            rd_kafka_message_destroy(batch[i]);
        }
        rd_kafka_poll(worker->producer, 0);
        now_us = spend(PRODUCE, now_us);
        if (worker->open && (worker->in_transaction >= options.records || worker->left == 0 ||
                             now_us - worker->opened_us >= (int64_t)options.interval_ms * 1000))
            commit(worker);
    }
    return NULL; /* nothing is closed: the process ends soon, and a slow goodbye is not timed */
}

/* ---- the process ------------------------------------------------------------------------ */

enum {
    KEY_OUTCOMES = 1,
    KEY_STATE,
    KEY_INPUTS,
    KEY_RECORDS,
    KEY_INTERVAL,
    KEY_BATCH,
    KEY_WAIT,
    KEY_OUTCOMES_PER_1000,
    KEY_OUTCOME_BYTES,
    KEY_STATE_PER_1000,
    KEY_STATE_BYTES,
    KEY_STATE_KEY_BYTES,
    KEY_OUTCOME_NOISE,
    KEY_STATE_NOISE,
};

static const struct argp_option argp_options[] = {
    {"bootstrap", 'b', "HOST:PORT", 0, "where Kafka is (127.0.0.1:9092)", 1},
    {"group", 'g', "NAME", 0, "consumer group, and first part of the transactional ids (null)", 1},
    {"workers", 'w', "N", 0, "threads, each with a consumer and a producer (1)", 1},
    {"inputs", KEY_INPUTS, "A,B", 0, "topics to read (message.sends,message.receipts)", 1},
    {"outcomes", KEY_OUTCOMES, "TOPIC", 0, "where records with headers go (null.outcomes)", 1},
    {"state", KEY_STATE, "TOPIC", 0, "where the others go (null.state)", 1},
    {NULL, 'X', "PROPERTY=VALUE", 0, "for librdkafka, consumer and producer", 1},
    {"records", KEY_RECORDS, "N", 0, "records of a transaction (10000)", 2},
    {"interval-ms", KEY_INTERVAL, "N", 0, "or after so long, whichever is first (100)", 2},
    {"batch", KEY_BATCH, "N", 0, "records asked for at once (1000)", 2},
    {"wait-ms", KEY_WAIT, "N", 0, "how long to wait for them (5)", 2},
    {"outcomes-per-1000", KEY_OUTCOMES_PER_1000, "N", 0, "records with headers a 1000 read", 3},
    {"outcome-bytes", KEY_OUTCOME_BYTES, "N", 0, "bytes of their values", 3},
    {"state-per-1000", KEY_STATE_PER_1000, "N", 0, "records without headers a 1000 read", 3},
    {"state-bytes", KEY_STATE_BYTES, "N", 0, "bytes of their values", 3},
    {"outcome-noise", KEY_OUTCOME_NOISE, "N", 0, "so many of those that differ in each", 3},
    {"state-noise", KEY_STATE_NOISE, "N", 0, "so many of those that differ in each", 3},
    {"state-key-bytes", KEY_STATE_KEY_BYTES, "N", 0, "bytes of their keys", 3},
    {0},
};

static void set_number(struct argp_state *state, uint64_t *number, const char *value,
                       uint64_t lowest, uint64_t highest)
{
    char *end;
    unsigned long long parsed = strtoull(value, &end, 10);

    if (end == value || *end != 0 || *value == '-' || parsed < lowest || parsed > highest)
        argp_error(state, "\"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, value,
                   lowest, highest);
    *number = parsed;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case 'b':
        options.bootstrap = value;
        return 0;
    case 'g':
        options.group = value;
        return 0;
    case 'w':
        set_number(state, &options.workers, value, 1, WORKERS_MAX);
        return 0;
    case 'X':
        if (strchr(value, '=') == NULL)
            argp_error(state, "\"%s\" is not PROPERTY=VALUE", value);
        tool_set_pair(&options.more, value);
        return 0;
    case KEY_INPUTS:
        if (!tool_two_topics(value, options.inputs))
            argp_error(state, "--inputs takes two topics");
        return 0;
    case KEY_OUTCOMES:
        options.outcomes = value;
        return 0;
    case KEY_STATE:
        options.state = value;
        return 0;
    case KEY_RECORDS:
        set_number(state, &options.records, value, 1, 10000000);
        return 0;
    case KEY_INTERVAL:
        set_number(state, &options.interval_ms, value, 1, 10000);
        return 0;
    case KEY_BATCH:
        set_number(state, &options.batch, value, 1, BATCH_MAX);
        return 0;
    case KEY_WAIT:
        set_number(state, &options.wait_ms, value, 0, 1000);
        return 0;
    case KEY_OUTCOMES_PER_1000:
        set_number(state, &options.outcomes_per_1000, value, 0, 10000);
        return 0;
    case KEY_OUTCOME_BYTES:
        set_number(state, &options.outcome_bytes, value, 0, VALUE_MAX);
        return 0;
    case KEY_STATE_PER_1000:
        set_number(state, &options.state_per_1000, value, 0, 10000);
        return 0;
    case KEY_STATE_BYTES:
        set_number(state, &options.state_bytes, value, 0, VALUE_MAX);
        return 0;
    case KEY_OUTCOME_NOISE:
        set_number(state, &options.outcome_noise, value, 0, VALUE_MAX);
        return 0;
    case KEY_STATE_NOISE:
        set_number(state, &options.state_noise, value, 0, VALUE_MAX);
        return 0;
    case KEY_STATE_KEY_BYTES:
        set_number(state, &options.state_key_bytes, value, 1, KEY_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .doc = "Consumes both inputs to their ends and writes as much as upshot would, by "
               "transactions of the same size, without any logic: the limit.",
    };
    static struct worker workers[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    int64_t began_us = tool_monotonic_us();
    double seconds, per_transaction;

    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    for (uint64_t i = 0; i < options.workers; i++) {
        workers[i].number = i;
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            tool_die("pthread_create", "no thread");
    }
    for (uint64_t i = 0; i < options.workers; i++)
        pthread_join(threads[i], NULL);
    seconds = (double)(tool_monotonic_us() - began_us) / 1e6;
    printf("records=%" PRIuLEAST64 " transactions=%" PRIuLEAST64 " seconds=%.2f\n", records,
           transactions, seconds);
    per_transaction = transactions == 0 ? 1 : (double)transactions * 1000;
    printf("ms_per_transaction");
    for (int i = 0; i < PARTS; i++)
        printf(" %s=%.2f", part_words[i], (double)spent_us[i] / per_transaction);
    printf("\n");
    fflush(stdout);
    pause();
    return 0;
}
