/*
 * load.c: the traffic that contenders are measured with, the same for the same seed.
 *
 * Unlike `upshot gen`, whose lives are as odd as the world's, this is what a busy platform sends on
 * a good day: three events a message, 190 to 260 bytes each, so that a rate means the same for all.
 * Two ways to send it: `fill` as fast as Kafka takes it, `pace` at a rate, and then each message's
 * outcome is awaited by a read_committed reader in this process, on this clock: its latency.
 *
 * A tick is one message made by `fill` (a tenth of a millisecond of record time) or one millisecond
 * of `pace`; events to come stand in a wheel of ticks.
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
#include <time.h>

enum {
    WHEEL = 65536,             /* ticks; no event is further away */
    LAST_RECEIPT_MOST = 50000, /* ticks from a send to its last receipt */
    MESSAGES_A_MS = 10,        /* of record time, when filling */
    ID_SIZE = 36,
    VALUE_ROOM = 512,
};

static struct {
    const char *bootstrap, *inputs[2], *outcomes;
    bool pace;
    uint64_t messages, seed, finals, laps, rate, seconds, warm_up;
    int64_t base_ms;
    struct properties more;
} options = {
    .bootstrap = "127.0.0.1:9092",
    .inputs = {"message.sends", "message.receipts"},
    .outcomes = NULL,
    .messages = 1000000,
    .seed = 1,
    .finals = 90,
    .laps = 1,
    .rate = 20000,
    .seconds = 30,
    .warm_up = 10,
    .base_ms = 0,
};

/* ---- a message ---------------------------------------------------------------------------- */

enum kind { SEND, FIRST, LAST };

static const struct {
    const char *channel;
    unsigned percent;
    const char *first;
    const char *last[4]; /* each settles at once */
} channels[] = {
    {"sms", 60, "SENT", {"DELIVRD", "DELIVRD", "DELIVRD", "UNDELIV"}},
    {"email", 20, "SENT", {"OPEN", "OPEN", "CLICK", "BOUNCED_PERMANENT"}},
    {"push", 10, "DEQUEUED", {"SENT", "SENT", "SENT", "UNREGISTERED"}},
    {"rcs", 5, "SENT", {"DELIVERED", "DELIVERED", "READ", "FALLBACK"}},
    {"whatsapp", 5, "SENT", {"DELIVERED", "DELIVERED", "DELIVERED", "READ"}},
};

/* splitmix64, as a property of a message: the same whenever it is asked for. */
static uint64_t trait(uint64_t message, uint64_t what)
{
    uint64_t x = (message + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (options.seed << 8 | what);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

enum trait {
    CHANNEL,
    ID_HIGH,
    ID_LOW,
    DETAILS,
    LAST_STATUS,
    ORDER,
    TWICE,
    FIRST_DELAY,
    LAST_DELAY,
    HAS_LAST
};

/*
 * The last twelve digits of an id are the message's number, times an odd number modulo 2^48: they
 * look like any, and the number comes back by the inverse.
 */
#define TAIL_MASK UINT64_C(0xffffffffffff)
#define TAIL_TIMES UINT64_C(0x5deece66d)
#define TAIL_BACK UINT64_C(0xdfe05bcb1365)

static void put_id(char *id, uint64_t message)
{
    uint64_t high = trait(message, ID_HIGH), low = trait(message, ID_LOW);

    snprintf(id, ID_SIZE + 1,
             "%08" PRIx32 "-%04" PRIx32 "-4%03" PRIx32 "-%04" PRIx32 "-%012" PRIx64,
             (uint32_t)(high >> 32), (uint32_t)(high >> 16) & 0xffff, (uint32_t)high & 0xfff,
             0x8000 | ((uint32_t)low & 0x3fff), (message + options.seed) * TAIL_TIMES & TAIL_MASK);
}

/* The number of the message with this id; any number where the id is not one of ours. */
static uint64_t number_of(const char *id)
{
    char tail[13] = {0};

    memcpy(tail, id + ID_SIZE - 12, 12);
    return (strtoull(tail, NULL, 16) * TAIL_BACK - options.seed) & TAIL_MASK;
}

static size_t channel_of(uint64_t message)
{
    uint64_t percent = trait(message, CHANNEL) % 100;
    size_t i = 0;

    for (; percent >= channels[i].percent; i++)
        percent -= channels[i].percent;
    return i;
}

static void put_time(char *text, size_t room, int64_t ms)
{
    static time_t second = -1;
    static char until_second[32];
    time_t now = (time_t)(ms / 1000);

    if (now != second) {
        struct tm parts;
        gmtime_r(&now, &parts);
        strftime(until_second, sizeof(until_second), "%Y-%m-%dT%H:%M:%S", &parts);
        second = now;
    }
    snprintf(text, room, "%s.%03dZ", until_second, (int)(ms % 1000));
}

static int put_value(char *value, const char *id, uint64_t message, enum kind kind, int64_t at_ms)
{
    size_t i = channel_of(message);
    uint64_t details = trait(message, DETAILS);
    char at[40];

    put_time(at, sizeof(at), at_ms);
    if (kind == SEND)
        return snprintf(value, VALUE_ROOM,
                        "{\"type\":\"send\",\"message_id\":\"%s\",\"channel\":\"%s\",\"at\":\"%s\","
                        "\"recipient\":\"+3460%07u\",\"attributes\":{\"campaign_id\":\"c-%05u\","
                        "\"tenant\":\"t-%03u\",\"template\":\"welcome\"}}",
                        id, channels[i].channel, at, (unsigned)(details % 10000000),
                        (unsigned)(details >> 32) % 20000, (unsigned)(details >> 32) % 200);
    return snprintf(
        value, VALUE_ROOM,
        "{\"type\":\"receipt\",\"message_id\":\"%s\",\"channel\":\"%s\","
        "\"status\":\"%s\",\"at\":\"%s\",\"reason\":\"err:%03u\","
        "\"provider\":\"carrier-%02u\",\"provider_ref\":\"%016" PRIx64 "\"}",
        id, channels[i].channel,
        kind == FIRST ? channels[i].first : channels[i].last[trait(message, LAST_STATUS) % 4], at,
        kind == FIRST ? 0 : (unsigned)(details % 5), (unsigned)(details >> 40) % 30, details);
}

/* ---- the wheel ---------------------------------------------------------------------------- */

struct planned {
    struct planned *next;
    uint64_t message;
    enum kind kind;
};

static struct planned *wheel[WHEEL], *spare;

static void plan(uint64_t tick, uint64_t message, enum kind kind)
{
    struct planned *planned = spare;

    if (planned != NULL)
        spare = planned->next;
    else if ((planned = malloc(sizeof(*planned))) == NULL)
        tool_die("malloc", "no memory");
    *planned = (struct planned){wheel[tick % WHEEL], message, kind};
    wheel[tick % WHEEL] = planned;
}

/*
 * A good day: 5 % of the receipts come twice, 3 % of the messages have their last receipt before
 * the first, 2 % the first before the send; a tenth has no last one yet.
 */
static void plan_message(uint64_t tick, uint64_t message)
{
    uint64_t order = trait(message, ORDER) % 100, twice = trait(message, TWICE) % 100;
    uint64_t first = 50 + trait(message, FIRST_DELAY) % 200;
    uint64_t last = 300 + trait(message, LAST_DELAY) % (LAST_RECEIPT_MOST - 300);

    plan(tick + (order < 2 ? 290 : 0), message, SEND);
    plan(tick + (order >= 95 && order < 98 ? last : first), message, FIRST);
    if (twice < 5)
        plan(tick + first + 37, message, FIRST);
    if (trait(message, HAS_LAST) % 100 >= options.finals)
        return;
    plan(tick + (order >= 95 && order < 98 ? first : last), message, LAST);
    if (twice >= 95)
        plan(tick + last + 91, message, LAST);
}

/* ---- producing ---------------------------------------------------------------------------- */

static rd_kafka_t *producer;
static rd_kafka_topic_t *topics[2];
static uint64_t produced, produced_bytes;

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    tool_check("delivery", message->err);
}

static void connect_producer(void)
{
    struct properties set = {0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    tool_set(&set, "bootstrap.servers", options.bootstrap);
    tool_set(&set, "partitioner", "murmur2_random");
    tool_set(&set, "enable.idempotence", "true");
    tool_set(&set, "compression.type", "lz4");
    tool_set(&set, "batch.size", "1000000");
    tool_set(&set, "linger.ms", options.pace ? "2" : "20");
    tool_set(&set, "queue.buffering.max.messages", "500000");
    tool_set(&set, "queue.buffering.max.kbytes", "1048576");
    tool_set(&set, "socket.nagle.disable", "true");
    for (int i = 0; i < options.more.count; i++)
        tool_set(&set, options.more.names[i], options.more.values[i]);
    for (int i = 0; i < set.count; i++)
        if (rd_kafka_conf_set(conf, set.names[i], set.values[i], why, sizeof(why)) !=
            RD_KAFKA_CONF_OK)
            tool_die(set.names[i], why);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (producer == NULL)
        tool_die("rd_kafka_new", why);
    for (int i = 0; i < 2; i++)
        topics[i] = rd_kafka_topic_new(producer, options.inputs[i], NULL);
}

static void produce(uint64_t message, enum kind kind, int64_t timestamp_ms)
{
    char id[ID_SIZE + 1], value[VALUE_ROOM];
    size_t size;

    put_id(id, message);
    size = (size_t)put_value(value, id, message, kind, timestamp_ms);
    for (;;) {
        rd_kafka_vu_t arguments[] = {
            {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topics[kind == SEND ? 0 : 1]},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {id, ID_SIZE}},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, size}},
            {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_ms},
        };
        rd_kafka_error_t *refusal =
            rd_kafka_produceva(producer, arguments, sizeof(arguments) / sizeof(*arguments));
        if (refusal == NULL)
            break;
        if (rd_kafka_error_code(refusal) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            tool_check_error("produce", refusal);
        rd_kafka_error_destroy(refusal);
        rd_kafka_poll(producer, 20);
    }
    produced++;
    produced_bytes += size;
}

static void flush_all(void)
{
    tool_check("flush", rd_kafka_flush(producer, 60000));
}

/* ---- fill --------------------------------------------------------------------------------- */

static void produce_tick(uint64_t tick, int64_t timestamp_ms)
{
    struct planned *next;

    for (struct planned *planned = wheel[tick % WHEEL]; planned != NULL; planned = next) {
        next = planned->next;
        produce(planned->message, planned->kind, timestamp_ms);
        planned->next = spare;
        spare = planned;
    }
    wheel[tick % WHEEL] = NULL;
}

/* Laps have the same messages again: then all is repetition, and no state grows. */
static void fill(void)
{
    uint64_t all = options.messages * options.laps;
    int64_t began_us = tool_monotonic_us();
    double seconds;

    for (uint64_t tick = 0; tick < all + WHEEL; tick++) {
        if (tick < all)
            plan_message(tick, tick % options.messages);
        produce_tick(tick, options.base_ms + (int64_t)(tick / MESSAGES_A_MS));
        if (tick % 256 == 0)
            rd_kafka_poll(producer, 0);
    }
    flush_all();
    seconds = (double)(tool_monotonic_us() - began_us) / 1e6;
    printf("events=%" PRIu64 " bytes=%" PRIu64 " seconds=%.2f events_per_s=%.0f\n", produced,
           produced_bytes, seconds, (double)produced / seconds);
}

/* ---- pace --------------------------------------------------------------------------------- */

static atomic_int_least64_t
    *told_us; /* when a message's last receipt was produced; 0: not, or met */
static uint64_t messages_made;
static uint32_t *latencies_us[2]; /* whole, and after the warm-up */
static atomic_uint_least64_t latencies[2];
static atomic_bool reading, over;
static int64_t warm_us;

static void met(uint64_t message)
{
    int64_t now_us = tool_monotonic_us(), since_us;

    if (message >= messages_made)
        return;
    since_us = atomic_exchange(&told_us[message], 0);
    if (since_us == 0)
        return;
    latencies_us[0][atomic_fetch_add(&latencies[0], 1)] = (uint32_t)(now_us - since_us);
    if (since_us >= warm_us)
        latencies_us[1][atomic_fetch_add(&latencies[1], 1)] = (uint32_t)(now_us - since_us);
}

static void *read_outcomes(void *argument)
{
    struct properties set = {0};
    rd_kafka_t *consumer;
    rd_kafka_topic_partition_list_t *rows = rd_kafka_topic_partition_list_new(8);
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *batch[1000];

    (void)argument;
    tool_set(&set, "bootstrap.servers", options.bootstrap);
    tool_set(&set, "group.id", "load");
    tool_set(&set, "enable.auto.commit", "false");
    tool_set(&set, "isolation.level", "read_committed");
    tool_set(&set, "fetch.wait.max.ms", "10");
    tool_set(&set, "socket.nagle.disable", "true");
    consumer = tool_client(RD_KAFKA_CONSUMER, &set);
    for (int32_t p = 0, count = tool_partitions(consumer, options.outcomes); p < count; p++)
        rd_kafka_topic_partition_list_add(rows, options.outcomes, p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    tool_check("assign", rd_kafka_assign(consumer, rows));
    queue = rd_kafka_queue_get_consumer(consumer);
    atomic_store(&reading, true);
    while (!atomic_load(&over)) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 1, batch, 1000);
        for (ssize_t i = 0; i < count; i++) {
            if (batch[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR && batch[i]->key_len == ID_SIZE)
                met(number_of(batch[i]->key));
            rd_kafka_message_destroy(batch[i]);
        }
    }
    return NULL;
}

static void wait_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static void tell_latencies(const char *name, int which)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}, {"max", 1}};
    uint64_t count = latencies[which];

    qsort(latencies_us[which], count, sizeof(**latencies_us), by_size);
    printf("%s outcomes=%" PRIu64, name, count);
    for (size_t i = 0; i < sizeof(points) / sizeof(*points) && count > 0; i++)
        printf(" %s=%.1f", points[i].name,
               latencies_us[which][(uint64_t)((double)(count - 1) * points[i].share)] / 1000.0);
    printf("\n");
}

/* Regular: all in order, and each message with its last receipt, or the wait would not end. */
static void pace(void)
{
    uint64_t all = options.rate * options.seconds / 3, made = 0, sent_ms = 0;
    int64_t began_us, late_us = 0;
    pthread_t reader;

    messages_made = all;
    told_us = calloc(all, sizeof(*told_us));
    for (int i = 0; i < 2; i++)
        latencies_us[i] = calloc(all, sizeof(**latencies_us));
    if (told_us == NULL || latencies_us[0] == NULL || latencies_us[1] == NULL)
        tool_die("calloc", "no memory");
    if (pthread_create(&reader, NULL, read_outcomes, NULL) != 0)
        tool_die("pthread_create", "no thread");
    while (!atomic_load(&reading))
        wait_ms(1);
    began_us = tool_monotonic_us();
    warm_us = began_us + (int64_t)options.warm_up * 1000000;
    for (uint64_t tick = 0; tick < options.seconds * 1000 + 400; tick++) {
        int64_t now_us = tool_monotonic_us(), due_us = began_us + (int64_t)tick * 1000;
        if (due_us > now_us)
            wait_ms((due_us - now_us) / 1000 + 1);
        else if (now_us - due_us > late_us)
            late_us = now_us - due_us;
        for (; made < all && made * 3 <= tick * options.rate / 1000; made++) {
            plan(tick, made, SEND);
            plan(tick + 100, made, FIRST);
            plan(tick + 300, made, LAST);
        }
        for (struct planned *planned = wheel[tick % WHEEL]; planned; planned = planned->next)
            if (planned->kind == LAST)
                atomic_store(&told_us[planned->message], tool_monotonic_us());
        produce_tick(tick, tool_wall_ms());
        rd_kafka_poll(producer, 0);
        sent_ms = tick;
    }
    flush_all();
    for (int i = 0; i < 100 && latencies[0] < made; i++)
        wait_ms(100);
    atomic_store(&over, true);
    pthread_join(reader, NULL);
    printf("events=%" PRIu64 " seconds=%.1f missing=%" PRIu64 " latest_ms=%.1f\n", produced,
           (double)sent_ms / 1000, made - latencies[0], (double)late_us / 1000);
    tell_latencies("whole", 0);
    tell_latencies("warm", 1);
}

/* ---- the process -------------------------------------------------------------------------- */

enum { KEY_INPUTS = 1, KEY_SEED, KEY_FINALS, KEY_LAPS, KEY_BASE, KEY_SECONDS, KEY_WARM };

static const struct argp_option argp_options[] = {
    {"bootstrap", 'b', "HOST:PORT", 0, "where Kafka is (127.0.0.1:9092)", 1},
    {"inputs", KEY_INPUTS, "A,B", 0, "topic of the sends, topic of the receipts", 1},
    {"seed", KEY_SEED, "N", 0, "the same seed gives the same events (1)", 1},
    {NULL, 'X', "PROPERTY=VALUE", 0, "for librdkafka's producer", 1},
    {"messages", 'm', "N", 0, "fill: messages, three events each (1000000)", 2},
    {"finals", KEY_FINALS, "PERCENT", 0, "fill: so many have their last receipt (90)", 2},
    {"laps", KEY_LAPS, "N", 0, "fill: the same messages so often (1)", 2},
    {"base-ms", KEY_BASE, "MS", 0, "fill: timestamp of the first (ten minutes ago)", 2},
    {"rate", 'r', "N", 0, "pace: events a second (20000)", 3},
    {"seconds", KEY_SECONDS, "N", 0, "pace: for so long (30)", 3},
    {"warm-up", KEY_WARM, "N", 0, "pace: seconds that count as the contender's warm-up (10)", 3},
    {"outcomes", 'o', "TOPIC", 0, "pace: where the outcomes come", 3},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case 'b':
        options.bootstrap = value;
        return 0;
    case 'X':
        tool_set_pair(&options.more, value);
        return 0;
    case KEY_INPUTS:
        if (!tool_two_topics(value, options.inputs))
            argp_error(state, "--inputs takes two topics");
        return 0;
    case KEY_SEED:
        options.seed = tool_number("--seed", value);
        return 0;
    case 'm':
        options.messages = tool_number("--messages", value);
        return 0;
    case KEY_FINALS:
        options.finals = tool_number("--finals", value);
        return 0;
    case KEY_LAPS:
        options.laps = tool_number("--laps", value);
        return 0;
    case KEY_BASE:
        options.base_ms = (int64_t)tool_number("--base-ms", value);
        return 0;
    case 'r':
        options.rate = tool_number("--rate", value);
        return 0;
    case KEY_SECONDS:
        options.seconds = tool_number("--seconds", value);
        return 0;
    case KEY_WARM:
        options.warm_up = tool_number("--warm-up", value);
        return 0;
    case 'o':
        options.outcomes = value;
        return 0;
    case ARGP_KEY_ARG:
        options.pace = strcmp(value, "pace") == 0;
        if (!options.pace && strcmp(value, "fill") != 0)
            argp_error(state, "there is no \"%s\": fill or pace", value);
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num != 1)
            argp_error(state, "fill or pace?");
        if (options.messages == 0 || options.rate < 3 || options.seconds == 0)
            argp_error(state, "no messages, no load");
        if (options.pace && options.outcomes == NULL)
            argp_error(state, "pace waits for outcomes: --outcomes TOPIC");
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
        .args_doc = "fill|pace",
        .doc = "Events of a good day into the two input topics: as fast as Kafka takes them, or at "
               "a rate and waiting for each outcome.",
    };

    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (options.base_ms == 0)
        options.base_ms = tool_wall_ms() - 600000;
    connect_producer();
    if (options.pace)
        pace();
    else
        fill();
    return 0;
}
