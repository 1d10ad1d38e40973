/*
 * redrive.c: read a letter, decide its fate, put it back; the position in the same transaction.
 */
#include "consumer/redrive.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/errand.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/partitioning.h"
#include "consumer/scan.h"
#include "consumer/topics.h"
#include "schemas/dead_letter.h"
#include "schemas/instant.h"
#include "statemachine/text.h"

#include <stdio.h>
#include <string.h>

enum {
    BATCH_BYTES_MOST = 16 << 20, /* of one transaction */
    LOOKS = 20,                  /* at an input's partitions */
};

const char *const fate_words[FATE_COUNT] = {
#define FATE(symbol, word, refused, meaning) [FATE_##symbol] = word,
#include "consumer/redrive.def"
#undef FATE
};

const char *const fate_meanings[FATE_COUNT] = {
#define FATE(symbol, word, refused, meaning) [FATE_##symbol] = meaning,
#include "consumer/redrive.def"
#undef FATE
};

const bool fate_refused[FATE_COUNT] = {
#define FATE(symbol, word, refused, meaning) [FATE_##symbol] = refused,
#include "consumer/redrive.def"
#undef FATE
};

struct letter {
    const rd_kafka_message_t *message;
    rd_kafka_headers_t *headers; /* the message's; NULL: none */
    size_t original_count;       /* of headers: those before upshot's */
    enum reason reason;          /* REASON_NONE: this is no letter */
    struct text detail, source;
    struct text topic; /* of the source */
    int32_t partition;
    int64_t written_ms;   /* when it became a letter */
    int64_t timestamp_ms; /* of the original; TIME_NONE: not known */
    uint32_t redriven;    /* so often already */
    bool cut;
};

struct redrive {
    const struct config *config;
    const struct redrive_options *options;
    int32_t partitions[INPUTS_MAX]; /* of each input; 0: it is not there */
    struct scan scan;
    rd_kafka_consumer_group_metadata_t *generation; /* of no member: the id alone fences */
    struct buffer line;
};

/* ---- reading a letter --------------------------------------------------------------------- */

static bool header_at(const struct letter *letter, size_t i, const char **name, struct text *value)
{
    const void *bytes;
    size_t size;

    if (letter->headers == NULL || rd_kafka_header_get_all(letter->headers, i, name, &bytes,
                                                           &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *value = (struct text){.bytes = bytes, .size = (uint32_t)size};
    return true;
}

static bool read_number(struct text text, int64_t most, int64_t *number)
{
    *number = 0;
    for (uint32_t i = 0; i < text.size; i++) {
        int digit = text.bytes[i] - '0';
        if (digit < 0 || digit > 9 || *number > (most - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return text.size > 0;
}

static enum reason read_reason(struct text word)
{
    for (int i = 0; i < REASON_COUNT; i++)
        if (text_equal(word, text_of(reason_words[i])))
            return (enum reason)i;
    return REASON_NONE;
}

/* topic/partition/offset; a topic's name has no slash. */
static bool read_source(struct letter *letter)
{
    const char *text = (const char *)letter->source.bytes;
    const char *first = letter->source.size == 0 ? NULL : memchr(text, '/', letter->source.size);
    const char *second, *end = text + letter->source.size;
    int64_t partition, offset;

    if (first == NULL)
        return false;
    second = memchr(first + 1, '/', (size_t)(end - first - 1));
    if (second == NULL)
        return false;
    letter->topic =
        (struct text){.bytes = letter->source.bytes, .size = (uint32_t)(first - text)};
    if (!read_number((struct text){.bytes = (const uint8_t *)first + 1,
                                   .size = (uint32_t)(second - first - 1)},
                     INT32_MAX, &partition) ||
        !read_number((struct text){.bytes = (const uint8_t *)second + 1,
                                   .size = (uint32_t)(end - second - 1)},
                     INT64_MAX, &offset))
        return false;
    letter->partition = (int32_t)partition;
    return true;
}

/*
 * Upshot's headers are the last ones, and begin with the reason (emit.c). Those before are the
 * original's, whatever they are called: a letter of a letter has older ones among them.
 */
static void read_headers(struct letter *letter)
{
    const char *name;
    struct text value;
    int64_t number;
    size_t reason_at = SIZE_MAX;

    for (size_t i = 0; header_at(letter, i, &name, &value); i++)
        if (strcmp(name, HEADER_REASON) == 0)
            reason_at = i;
    for (size_t i = 0; i < reason_at && header_at(letter, i, &name, &value); i++)
        if (strcmp(name, HEADER_REDRIVEN) == 0 && read_number(value, UINT32_MAX, &number))
            letter->redriven = (uint32_t)number;
    if (reason_at == SIZE_MAX)
        return;
    letter->original_count = reason_at;
    for (size_t i = reason_at; header_at(letter, i, &name, &value); i++) {
        if (strcmp(name, HEADER_REASON) == 0)
            letter->reason = read_reason(value);
        else if (strcmp(name, HEADER_DETAIL) == 0)
            letter->detail = value;
        else if (strcmp(name, HEADER_SOURCE) == 0)
            letter->source = value;
        else if (strcmp(name, HEADER_TIMESTAMP) == 0 && read_number(value, TIME_MAX_MS, &number))
            letter->timestamp_ms = number;
        else if (strcmp(name, HEADER_CUT) == 0)
            letter->cut = true;
    }
    if (!read_source(letter))
        letter->reason = REASON_NONE;
}

static struct letter read_letter(const rd_kafka_message_t *message)
{
    struct letter letter = {
        .message = message, .reason = REASON_NONE, .timestamp_ms = TIME_NONE};
    rd_kafka_timestamp_type_t type;

    letter.written_ms = rd_kafka_message_timestamp(message, &type);
    if (rd_kafka_message_headers(message, &letter.headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        letter.headers = NULL;
    read_headers(&letter);
    return letter;
}

/* ---- its fate ----------------------------------------------------------------------------- */

static bool is_asked_for(const struct redrive_options *options, const struct letter *letter)
{
    bool any_reason = true, found = options->source_count == 0;

    for (int i = 0; i < REASON_COUNT; i++)
        any_reason = any_reason && !options->reasons[i];
    if (letter->written_ms < options->from_ms || letter->written_ms >= options->to_ms)
        return false;
    if (letter->reason == REASON_NONE)
        return any_reason && found; /* it has neither, and must be heard of */
    for (size_t i = 0; i < options->source_count; i++) {
        const struct redrive_source *source = &options->sources[i];
        found = found || (source->topic_size == letter->topic.size &&
                          memcmp(source->topic, letter->topic.bytes, source->topic_size) == 0 &&
                          (source->partition < 0 || source->partition == letter->partition));
    }
    return found && (any_reason || options->reasons[letter->reason]);
}

/* Which input it came from, and has now a partition for it; the count where there is none. */
static size_t home_of(const struct redrive *redrive, const struct letter *letter)
{
    const struct config_list *inputs = &redrive->config->input_topics;

    for (size_t i = 0; i < inputs->count; i++)
        if (text_equal(letter->topic, text_of(inputs->items[i])))
            return letter->partition < redrive->partitions[i] ? i : inputs->count;
    return inputs->count;
}

/* What it will be dated. */
static int64_t date_of(const struct redrive *redrive, const struct letter *letter)
{
    if (redrive->options->now)
        return clock_wall_ms();
    return letter->timestamp_ms == TIME_NONE ? letter->written_ms : letter->timestamp_ms;
}

static enum fate fate_of(const struct redrive *redrive, const struct letter *letter)
{
    if (!is_asked_for(redrive->options, letter))
        return FATE_PASS;
    if (letter->reason == REASON_NONE)
        return FATE_FOREIGN;
    if (letter->cut)
        return FATE_CUT;
    if (letter->redriven >= redrive->options->most)
        return FATE_CIRCLED;
    if (home_of(redrive, letter) == redrive->config->input_topics.count)
        return FATE_HOMELESS;
    if (date_of(redrive, letter) > clock_wall_ms() + redrive->config->skew_max_ms)
        return FATE_SKEWED;
    return FATE_MOVE;
}

/* ---- showing it, putting it back ---------------------------------------------------------- */

static void show(struct redrive *redrive, const struct letter *letter, enum fate fate)
{
    struct buffer *line = &redrive->line;
    const rd_kafka_message_t *message = letter->message;
    char written[INSTANT_SIZE];

    if (fate == FATE_PASS)
        return;
    instant_format(letter->written_ms, written);
    buffer_clear(line);
    buffer_put_string(line, fate_words[fate]);
    buffer_put_byte(line, '\t');
    buffer_put_string(line, letter->reason == REASON_NONE ? "-" : reason_words[letter->reason]);
    buffer_put_byte(line, '\t');
    buffer_put_json_string(line, letter->detail.bytes, letter->detail.size);
    buffer_put_byte(line, '\t');
    buffer_put(line, letter->source.bytes, letter->source.size);
    buffer_put_byte(line, '\t');
    buffer_put(line, written, sizeof(written));
    buffer_put_byte(line, '\t');
    if (message->key == NULL)
        buffer_put_string(line, "null");
    else
        buffer_put_json_string(line, message->key, message->key_len);
    buffer_put_byte(line, '\n');
    fwrite(line->bytes, 1, line->size, stdout);
}

/* The original's, less what counted before, and the count. */
static rd_kafka_headers_t *headers_of(const struct letter *letter)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(letter->original_count + 1);
    const char *name;
    struct text value;
    char count[16];

    for (size_t i = 0; i < letter->original_count && header_at(letter, i, &name, &value); i++)
        if (strcmp(name, HEADER_REDRIVEN) != 0)
            rd_kafka_header_add(headers, name, -1, value.bytes, (ssize_t)value.size);
    snprintf(count, sizeof(count), "%u", letter->redriven + 1);
    rd_kafka_header_add(headers, HEADER_REDRIVEN, -1, count, -1);
    return headers;
}

/* Where it was; or, having been in the wrong place, where its key belongs. */
static int32_t place_of(const struct redrive *redrive, const struct letter *letter, size_t home)
{
    enum partitioner partitioner = (enum partitioner)redrive->config->partitioner;

    if (letter->reason != REASON_WRONG_PARTITION || partitioner == PARTITIONER_AUTO)
        return letter->partition;
    return partition_of(partitioner, letter->message->key, letter->message->key_len,
                        redrive->partitions[home]);
}

static bool put_back(struct redrive *redrive, struct errand *errand, const struct letter *letter)
{
    const rd_kafka_message_t *message = letter->message;
    size_t home = home_of(redrive, letter);
    struct errand_record record = {
        .topic = redrive->config->input_topics.items[home],
        .partition = place_of(redrive, letter, home),
        .key = message->key,
        .key_size = message->key_len,
        .value = message->payload,
        .value_size = message->len,
        .timestamp_ms = date_of(redrive, letter),
        .headers = headers_of(letter),
    };

    return errand_put(errand, &record);
}

/* ---- batch by batch ----------------------------------------------------------------------- */

struct batch {
    struct redrive_counts counts;
    int64_t letters;
    size_t bytes;
};

static bool is_full(const struct redrive *redrive, const struct batch *batch)
{
    return batch->letters >= redrive->config->commit_records || batch->bytes >= BATCH_BYTES_MOST;
}

/* One letter. False: it could not be put back. */
static bool take(struct redrive *redrive, struct errand *errand, struct batch *batch,
                 const rd_kafka_message_t *message)
{
    struct letter letter = read_letter(message);
    enum fate fate = fate_of(redrive, &letter);

    batch->letters++;
    batch->counts.letters[fate]++;
    if (redrive->options->dry_run)
        show(redrive, &letter, fate);
    if (fate != FATE_MOVE)
        return true;
    batch->bytes += message->len + message->key_len;
    batch->counts.undated += !redrive->options->now && letter.timestamp_ms == TIME_NONE;
    return redrive->options->dry_run || put_back(redrive, errand, &letter);
}

static rd_kafka_topic_partition_list_t *position(const struct redrive *redrive)
{
    const struct scan *scan = &redrive->scan;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(scan->partitions);

    for (int32_t p = 0; p < scan->partitions; p++)
        rd_kafka_topic_partition_list_add(list, scan->topic, p)->offset = scan->ranges[p].next;
    return list;
}

static void add_counts(struct redrive_counts *counts, const struct redrive_counts *more)
{
    for (int i = 0; i < FATE_COUNT; i++)
        counts->letters[i] += more->letters[i];
    counts->undated += more->undated;
}

/* The records of a batch and the position behind it, or neither. */
static bool carry(struct redrive *redrive, struct errand *errand, struct redrive_counts *counts)
{
    struct batch batch = {.letters = 0};
    rd_kafka_topic_partition_list_t *offsets;
    bool good = true;

    while (good && !is_full(redrive, &batch)) {
        rd_kafka_message_t *message = scan_next(&redrive->scan);
        if (message == NULL)
            break;
        good = take(redrive, errand, &batch, message);
        rd_kafka_message_destroy(message);
    }
    if (!good || redrive->scan.failed)
        return false;
    if (!redrive->options->dry_run) {
        offsets = position(redrive);
        good = errand_commit(errand, offsets, redrive->generation);
        rd_kafka_topic_partition_list_destroy(offsets);
    }
    if (good)
        add_counts(counts, &batch.counts);
    return good;
}

static bool look_at_inputs(struct redrive *redrive)
{
    const struct config_list *inputs = &redrive->config->input_topics;
    rd_kafka_t *client = kafka_client(redrive->config);
    bool good = client != NULL;

    for (size_t i = 0; i < inputs->count && good; i++) {
        struct topic_look look = topics_look(client, inputs->items[i]);
        for (int tries = 1; look.error != RD_KAFKA_RESP_ERR_NO_ERROR && tries < LOOKS; tries++)
            look = topics_look(client, inputs->items[i]);
        good = look.error == RD_KAFKA_RESP_ERR_NO_ERROR;
        redrive->partitions[i] = look.partitions;
        if (!good)
            log_error("broker_unreachable", "topic=%s error=%s brokers=%s", inputs->items[i],
                      rd_kafka_err2name(look.error), kafka_brokers(redrive->config));
    }
    if (client != NULL)
        rd_kafka_destroy(client);
    return good;
}

/*
 * The position is asked for when the id is ours alone: the run before has then landed what it
 * committed, and will not land anything more. Between two batches the id is nobody's, and another
 * run can have gone on: it fences what is in a transaction, not who begins the next one.
 */
static bool run(struct redrive *redrive, const struct config *own, struct redrive_counts *counts)
{
    struct errand errand = {0};
    bool dry = redrive->options->dry_run;
    bool good = dry || errand_begin(&errand, redrive->config, own->app_id);

    good = good && look_at_inputs(redrive) &&
           scan_open(&redrive->scan, own, redrive->config->dead_letters_topic, SCAN_STABLE) &&
           scan_skip_committed(&redrive->scan) && scan_begin(&redrive->scan);
    while (good && redrive->scan.left > 0) {
        if (errand.producer == NULL && !dry)
            good = errand_begin(&errand, redrive->config, own->app_id) &&
                   scan_is_furthest(&redrive->scan);
        good = good && carry(redrive, &errand, counts);
        errand_end(&errand);
    }
    errand_end(&errand);
    return good;
}

int redrive(const struct config *config, const struct redrive_options *options,
            struct redrive_counts *counts)
{
    struct redrive redrive = {.config = config, .options = options};
    struct config own = *config; /* borrowed, but for the group that the position is kept by */
    char group[512];
    bool good;

    *counts = (struct redrive_counts){.undated = 0};
    snprintf(group, sizeof(group), "%s.redrive.%s", config->app_id, options->name);
    own.app_id = group;
    redrive.generation = rd_kafka_consumer_group_metadata_new(group);
    good = run(&redrive, &own, counts);
    scan_close(&redrive.scan);
    rd_kafka_consumer_group_metadata_destroy(redrive.generation);
    buffer_release(&redrive.line);
    return good ? EXIT_WELL : EXIT_WORLD;
}
