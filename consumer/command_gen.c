/* command_gen.c: upshot gen, believable lives to stdout or to Kafka. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/lives.h"
#include "consumer/log.h"
#include "consumer/options.h"
#include "consumer/pace.h"
#include "consumer/partitioning.h"
#include "schemas/envelope.h"
#include "schemas/instant.h"

#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct config config;
    struct lives_options lives;
    struct lives_world world;
    const char *channels, *outcomes; /* shares; NULL: as usual */
    struct pace pace;
    long partitions; /* of envelopes; 0: bare lines */
    bool paced, to_kafka;
};

enum {
    POLL_MS = 200, /* so long at a time, for a signal ends no poll */
    /* Longer than librdkafka waits for a topic to appear, so that it can say that it did not. */
    FLUSH_MS = 40000,
};

static atomic_bool stop;

static void on_signal(int signal)
{
    (void)signal;
    atomic_store(&stop, true);
}

enum {
    KEY_SEED = 1,
    KEY_LIVES,
    KEY_START,
    KEY_RATE,
    KEY_STRETCH,
    KEY_BAD,
    KEY_ENVELOPES,
    KEY_KAFKA,
    KEY_PACE,
    KEY_CHANNELS,
    KEY_OUTCOMES,
    KEY_LATE_BY,
    KEY_CHANCE = 1000, /* and the chance; no letter, so there is no short option */
};

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"lives", KEY_LIVES, "N", 0, "messages in all (1000); 0: without end", 1},
    {"seed", KEY_SEED, "N", 0, "the same seed gives the same events (1)", 1},
    {"start", KEY_START, "TIME", 0,
     "timestamp of the first send, or `now` (2026-11-23T10:00:00Z)", 1},
    {"rate", KEY_RATE, "N", 0, "sends a second of record time (100)", 1},
    {"stretch", KEY_STRETCH, "DURATION", 0, "typical time from a send to its last receipt (5m)", 1},
    {"envelopes", KEY_ENVELOPES, "N", 0,
     "kcat -J envelopes, keys spread by murmur2 over N "
     "partitions, instead of bare lines",
     1},
    {"to-kafka", KEY_KAFKA, NULL, 0,
     "produce to input.topics: sends to the first, receipts to "
     "the last",
     1},
    {"pace", KEY_PACE, "N|real", 0,
     "events a second by the wall clock, or real: as their timestamps go (as fast as can be)", 1},
    {NULL, 0, NULL, 0, "What the messages are; any sum, and who is not named has no share:", 2},
    {"channels", KEY_CHANNELS, "C=N,...", 0, "shares of channels, such as sms=60,email=40", 2},
    {"outcomes", KEY_OUTCOMES, "O=N,...", 0,
     "shares of what they end as where nothing is lost, such as delivered=90,failed=8", 2},
    {NULL, 0, NULL, 0, "What happens to events, so many of 1000:", 3},
    {"bad", KEY_BAD, "N", 0, "receipts cannot be read (2)", 3},
#define CHANCE(symbol, option, usual, meaning) \
    {option, KEY_CHANCE + CHANCE_##symbol, "N", 0, meaning " (" #usual ")", 3},
#include "consumer/lives_chance.def"
#undef CHANCE
    {"late-by", KEY_LATE_BY, "DURATION", 0,
     "how late a late receipt is, at most (twice the stretch)", 3},
    {0},
};

static const char *const chance_options[CHANCE_COUNT] = {
#define CHANCE(symbol, option, usual, meaning) [CHANCE_##symbol] = option,
#include "consumer/lives_chance.def"
#undef CHANCE
};

static uint64_t number(struct argp_state *state, const char *name, const char *value)
{
    char *end;
    unsigned long long parsed = strtoull(value, &end, 10);

    if (end == value || *end != 0 || value[0] == '-')
        argp_error(state, "--%s: \"%s\" is not a whole number", name, value);
    return parsed;
}

static unsigned per_mille(struct argp_state *state, const char *name, const char *value)
{
    uint64_t parsed = number(state, name, value);

    if (parsed > 1000)
        argp_error(state, "--%s: of 1000 at most 1000", name);
    return (unsigned)parsed;
}

static int64_t parse_duration(struct argp_state *state, const char *name, const char *value)
{
    const char *why;
    int64_t ms = 0;

    if (!duration_parse(value, &ms, &why))
        argp_error(state, "--%s: \"%s\": %s", name, value, why);
    return ms;
}

static void parse_start(struct argp_state *state, const char *value, int64_t *start_ms)
{
    if (strcmp(value, "now") == 0)
        *start_ms = clock_wall_ms();
    else if (!instant_parse(value, strlen(value), start_ms))
        argp_error(state, "--start: \"%s\" is not a time (RFC 3339), nor now", value);
}

/* Both lists of shares at once, for each limits what the other can have. */
static void weigh(struct argp_state *state, struct arguments *arguments)
{
    struct buffer complaint = {0};

    if (!ways_weigh(arguments->channels, arguments->outcomes, &arguments->world.weights,
                    &complaint))
        argp_error(state, "%.*s", (int)complaint.size, (const char *)complaint.bytes);
    buffer_release(&complaint);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    if (key >= KEY_CHANCE && key < KEY_CHANCE + CHANCE_COUNT) {
        int chance = key - KEY_CHANCE;
        arguments->world.per_mille[chance] = per_mille(state, chance_options[chance], value);
        return 0;
    }
    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case KEY_LIVES:
        arguments->lives.count = number(state, "lives", value);
        return 0;
    case KEY_SEED:
        arguments->lives.seed = number(state, "seed", value);
        return 0;
    case KEY_RATE:
        if (!pace_parse_rate(value, &arguments->lives.per_second))
            argp_error(state, "--rate: \"%s\" is not a number of at least 0.00001", value);
        return 0;
    case KEY_BAD:
        arguments->lives.bad_per_mille = per_mille(state, "bad", value);
        return 0;
    case KEY_START:
        parse_start(state, value, &arguments->lives.start_ms);
        return 0;
    case KEY_STRETCH:
        arguments->lives.stretch_ms = parse_duration(state, "stretch", value);
        return 0;
    case KEY_LATE_BY:
        arguments->world.late_by_ms = parse_duration(state, "late-by", value);
        if (arguments->world.late_by_ms == 0)
            argp_error(state, "--late-by: late by nothing is not late (--late 0: none is)");
        return 0;
    case KEY_CHANNELS:
        arguments->channels = value;
        return 0;
    case KEY_OUTCOMES:
        arguments->outcomes = value;
        return 0;
    case KEY_PACE:
        arguments->paced = true;
        if (!pace_parse(value, &arguments->pace))
            argp_error(state, "--pace: \"%s\" is neither real nor a number of at least 0.00001",
                       value);
        return 0;
    case KEY_ENVELOPES:
        arguments->partitions = (long)number(state, "envelopes", value);
        if (arguments->partitions < 1 || arguments->partitions > 10000)
            argp_error(state, "--envelopes: 1 to 10000 partitions");
        return 0;
    case KEY_KAFKA:
        arguments->to_kafka = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is expected, but there is \"%s\"", value);
        return EINVAL;
    case ARGP_KEY_END:
        weigh(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_envelope(const struct life_event *event, const struct arguments *arguments,
                           int64_t offset, struct buffer *out)
{
    const struct config_list *topics = &arguments->config.input_topics;
    const char *topic = topics->items[event->is_send ? 0 : topics->count - 1];
    struct envelope envelope = {
        .topic = (const uint8_t *)topic,
        .topic_size = strlen(topic),
        .partition = partition_of(PARTITIONER_MURMUR2, (const uint8_t *)event->key, event->key_size,
                                  (int32_t)arguments->partitions),
        .offset = offset,
        .timestamp_ms = event->timestamp_ms,
        .key = (const uint8_t *)event->key,
        .key_size = event->key_size,
        .value = (const uint8_t *)event->value,
        .value_size = event->value_size,
    };

    buffer_clear(out);
    envelope_encode(out, &envelope);
    fwrite(out->bytes, 1, out->size, stdout);
    putchar('\n');
}

/* What is known so far is seen by whoever reads while this waits. */
static void wait_at_stdout(struct pace *pace, int64_t timestamp_ms)
{
    int64_t wait_ms = pace_wait_ms(pace, clock_monotonic_ms(), timestamp_ms);

    if (wait_ms > 0) {
        fflush(stdout);
        clock_sleep_ms(wait_ms);
    }
    pace_take(pace);
}

static int to_stdout(struct lives *lives, struct arguments *arguments)
{
    struct buffer out = {0};
    struct life_event event;

    for (int64_t offset = 0; lives_next(lives, &event); offset++) {
        if (arguments->paced)
            wait_at_stdout(&arguments->pace, event.timestamp_ms);
        if (arguments->partitions > 0)
            print_envelope(&event, arguments, offset, &out);
        else
            printf("%.*s\n", (int)event.value_size, event.value);
        if (ferror(stdout))
            break;
    }
    buffer_release(&out);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_WELL : EXIT_WORLD;
}

/* ---- to Kafka --------------------------------------------------------------------------- */

/* False: the producer, or whoever started this, is at its end. */
static bool goes_on(rd_kafka_t *producer)
{
    return !atomic_load(&stop) &&
           rd_kafka_fatal_error(producer, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool wait_at_kafka(rd_kafka_t *producer, struct pace *pace, int64_t timestamp_ms)
{
    int64_t wait_ms;

    while ((wait_ms = pace_wait_ms(pace, clock_monotonic_ms(), timestamp_ms)) > 0) {
        if (!goes_on(producer))
            return false;
        rd_kafka_poll(producer, (int)(wait_ms < POLL_MS ? wait_ms : POLL_MS));
    }
    pace_take(pace);
    return true;
}

static uint64_t produce(rd_kafka_t *producer, struct lives *lives, struct arguments *arguments)
{
    struct life_event event;
    uint64_t produced = 0;

    while (goes_on(producer) && lives_next(lives, &event)) {
        if (arguments->paced && !wait_at_kafka(producer, &arguments->pace, event.timestamp_ms))
            break;
        kafka_load_event(producer, &arguments->config, &event);
        produced++;
    }
    return produced;
}

/* Waits for the last of them, and says what became of all. Returns an exit code. */
static int account(rd_kafka_t *producer, const struct config *config, uint64_t produced,
                   const struct kafka_losses *losses)
{
    bool flushed = rd_kafka_flush(producer, FLUSH_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;

    if (flushed && losses->count == 0) {
        log_info("generated", "events=%" PRIu64, produced);
        return EXIT_WELL;
    }
    if (losses->count > 0)
        log_error("gen_not_delivered",
                  "events=%" PRIu64 " lost=%" PRIu64 " topic=%s error=%s text=\"%s\" brokers=%s",
                  produced, losses->count, losses->topic, rd_kafka_err2name(losses->error),
                  rd_kafka_err2str(losses->error), kafka_brokers(config));
    if (!flushed)
        log_error("gen_not_flushed", "events=%" PRIu64 " left=%d brokers=%s", produced,
                  rd_kafka_outq_len(producer), kafka_brokers(config));
    return EXIT_WORLD;
}

static int to_kafka(struct lives *lives, struct arguments *arguments)
{
    /* The second one ends it at once. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct kafka_losses losses = {0};
    rd_kafka_t *producer = kafka_load(&arguments->config, &losses);
    uint64_t produced;
    int code;

    if (producer == NULL)
        return EXIT_USAGE;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    produced = produce(producer, lives, arguments);
    code = account(producer, &arguments->config, produced, &losses);
    rd_kafka_destroy(producer);
    return code;
}

const struct argp argp_of_gen = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .doc = "Believable messages' lives: sends, and receipts that come late, twice, out of "
           "order, or never. The same seed and options give the same events.\v"
           "Examples:\n"
           "  upshot gen --lives 100 | upshot replay -\n"
           "  upshot gen --lives 200000 --to-kafka -X bootstrap.servers=localhost:9092\n\n"
           "Live load until Ctrl-C, 40 messages a second as they would really come:\n"
           "  upshot gen --lives 0 --start now --rate 40 --pace real --to-kafka\n\n"
           "A steady 5,000 events a second, of two channels:\n"
           "  upshot gen --lives 0 --pace 5000 --channels sms=60,email=40 --to-kafka\n\n"
           "A bad day: few arrive, half of the receipts come twice, many are days late:\n"
           "  upshot gen --outcomes delivered=60,failed=30,unresolved=10 \\\n"
           "      --repeats 500 --late 200 --late-by 72h | upshot replay -\n\n" OPTIONS_HELP,
};

int command_gen(int argc, char **argv)
{
    struct arguments arguments = {
        .lives = {.seed = 1,
                  .count = 1000,
                  .per_second = 100,
                  .stretch_ms = 300000,
                  .bad_per_mille = 2,
                  .start_ms = 1795428000000},
    };
    struct lives *lives;
    int code;

    config_init(&arguments.config);
    lives_usual_world(&arguments.world);
    argp_parse(&argp_of_gen, argc, argv, 0, NULL, &arguments);
    arguments.lives.world = &arguments.world;
    lives = lives_new(&arguments.lives);
    code = arguments.to_kafka ? to_kafka(lives, &arguments) : to_stdout(lives, &arguments);
    lives_free(&lives);
    config_release(&arguments.config);
    return code;
}
