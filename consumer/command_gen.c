/* command_gen.c: upshot gen, believable lives to stdout or to Kafka. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/lives.h"
#include "consumer/log.h"
#include "consumer/options.h"
#include "consumer/partitioning.h"
#include "schemas/envelope.h"
#include "schemas/instant.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct config config;
    struct lives_options lives;
    long partitions; /* of envelopes; 0: bare lines */
    bool to_kafka;
};

enum {
    KEY_SEED = 1,
    KEY_LIVES,
    KEY_START,
    KEY_RATE,
    KEY_STRETCH,
    KEY_BAD,
    KEY_ENVELOPES,
    KEY_KAFKA
};

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"lives", KEY_LIVES, "N", 0, "messages in all (1000); 0: without end", 1},
    {"seed", KEY_SEED, "N", 0, "the same seed gives the same events (1)", 1},
    {"start", KEY_START, "TIME", 0, "timestamp of the first send (2026-11-23T10:00:00Z)", 1},
    {"rate", KEY_RATE, "N", 0, "sends a second of record time (100)", 1},
    {"stretch", KEY_STRETCH, "DURATION", 0, "typical time from a send to its last receipt (5m)", 1},
    {"bad", KEY_BAD, "N", 0, "of 1000 receipts, so many cannot be read (2)", 1},
    {"envelopes", KEY_ENVELOPES, "N", 0,
     "kcat -J envelopes, keys spread by murmur2 over N "
     "partitions, instead of bare lines",
     1},
    {"to-kafka", KEY_KAFKA, NULL, 0,
     "produce to input.topics: sends to the first, receipts to "
     "the last",
     1},
    {0},
};

static uint64_t number(struct argp_state *state, const char *name, const char *value)
{
    char *end;
    unsigned long long parsed = strtoull(value, &end, 10);

    if (end == value || *end != 0 || value[0] == '-')
        argp_error(state, "--%s: \"%s\" is not a whole number", name, value);
    return parsed;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    const char *why;

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
        arguments->lives.per_second = strtod(value, NULL);
        if (!(arguments->lives.per_second > 0))
            argp_error(state, "--rate: \"%s\" is not a number above 0", value);
        return 0;
    case KEY_BAD:
        arguments->lives.bad_per_mille = (unsigned)number(state, "bad", value);
        if (arguments->lives.bad_per_mille > 1000)
            argp_error(state, "--bad: of 1000 receipts at most 1000");
        return 0;
    case KEY_START:
        if (!instant_parse(value, strlen(value), &arguments->lives.start_ms))
            argp_error(state, "--start: \"%s\" is not a time (RFC 3339)", value);
        return 0;
    case KEY_STRETCH:
        if (!duration_parse(value, &arguments->lives.stretch_ms, &why))
            argp_error(state, "--stretch: \"%s\": %s", value, why);
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

static int to_stdout(struct lives *lives, const struct arguments *arguments)
{
    struct buffer out = {0};
    struct life_event event;

    for (int64_t offset = 0; lives_next(lives, &event); offset++) {
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

static int to_kafka(struct lives *lives, const struct config *config)
{
    rd_kafka_t *producer = kafka_load(config);
    uint64_t produced = 0;
    struct life_event event;

    if (producer == NULL)
        return EXIT_USAGE;
    while (lives_next(lives, &event)) {
        kafka_load_event(producer, config, &event);
        produced++;
    }
    if (rd_kafka_flush(producer, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_error("gen_not_flushed", "left=%d brokers=%s", rd_kafka_outq_len(producer),
                  kafka_brokers(config));
        rd_kafka_destroy(producer);
        return EXIT_WORLD;
    }
    rd_kafka_destroy(producer);
    log_info("generated", "events=%llu", (unsigned long long)produced);
    return EXIT_WELL;
}

const struct argp argp_of_gen = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .doc = "Believable messages' lives: sends, and receipts that come late, twice, out of "
           "order, or never.\v"
           "Examples:\n"
           "  upshot gen --lives 100 | upshot replay -\n"
           "  upshot gen --lives 200000 --to-kafka -X bootstrap.servers=localhost:9092",
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
    argp_parse(&argp_of_gen, argc, argv, 0, NULL, &arguments);
    lives = lives_new(&arguments.lives);
    code = arguments.to_kafka ? to_kafka(lives, &arguments.config) : to_stdout(lives, &arguments);
    lives_free(&lives);
    config_release(&arguments.config);
    return code;
}
