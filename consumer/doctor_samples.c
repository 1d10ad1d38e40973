/*
 * doctor_samples.c: what the last records of each input say: by which hash their keys were spread,
 * which of them would be dead letters, and how far ahead of our clock they are dated.
 *
 * The state topic is read, too, a record of each partition: only to know whether it may be.
 */
#include "consumer/doctor_inside.h"

#include "consumer/clock.h"
#include "schemas/instant.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    LEAST_OF_PARTITION = 20, /* records; the sample of a topic is partitioning.h's otherwise */
    /* Clocks that are kept right differ by milliseconds. */
    CLOCK_TOLERANCE_MS = 5000,
};

/* ---- the samples ------------------------------------------------------------------------ */

struct sampling {
    struct doctor *doctor;
    const struct doctor_partition **rows; /* a range */
    int64_t now_ms;
};

static enum reason reason_of(const struct sampling *sampling, const rd_kafka_message_t *message,
                             int64_t timestamp_ms, struct event_buffer *buffer)
{
    const struct config *config = sampling->doctor->config;
    const char *topic = rd_kafka_topic_name(message->rkt);
    struct envelope_facts facts = {
        .key = message->key,
        .key_size = message->key_len,
        .timestamp_ms = timestamp_ms < 0 ? 0 : timestamp_ms,
        .topic = text_of(topic),
        .offset = message->offset,
    };
    struct event event;

    buffer->detail[0] = 0;
    if (timestamp_ms > sampling->now_ms + config->skew_max_ms)
        return REASON_SKEWED_TIME;
    return event_decode(&sampling->doctor->tables, message->payload, message->len,
                        (size_t)config->event_max_bytes, &facts, buffer, &event);
}

static void note_time(struct doctor_sample *sample, const struct sampling *sampling,
                      const rd_kafka_message_t *message, int64_t *timestamp_ms)
{
    rd_kafka_timestamp_type_t type;

    *timestamp_ms = rd_kafka_message_timestamp(message, &type);
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
        *timestamp_ms = -1;
    sample->ahead += *timestamp_ms > sampling->now_ms + sampling->doctor->config->skew_max_ms;
    if (*timestamp_ms > sample->newest_ms) {
        sample->newest_ms = *timestamp_ms;
        sample->broker_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    }
}

static void on_record(void *context, size_t range, const rd_kafka_message_t *message)
{
    struct sampling *sampling = context;
    const struct doctor_partition *row = sampling->rows[range];
    const struct doctor_topic *topic = &sampling->doctor->topics[row->topic];
    struct doctor_sample *sample = &sampling->doctor->samples[row->topic];
    struct event_buffer buffer;
    enum reason reason;
    int64_t timestamp_ms;

    sample->records++;
    if (topic->role != ROLE_INPUT)
        return;
    note_time(sample, sampling, message, &timestamp_ms);
    if (message->key != NULL)
        partitioning_sample(&sample->partitioning, message->key, message->key_len,
                            message->partition, topic->look.partitions);
    if (sampling->doctor->tables.count == 0)
        return; /* without a table every status is unknown */
    reason = reason_of(sampling, message, timestamp_ms, &buffer);
    if (reason != REASON_NONE && sample->dead[reason]++ == 0)
        snprintf(sample->details[reason], sizeof(sample->details[reason]),
                 "partition %d offset %" PRId64 "%s%s", message->partition, message->offset,
                 buffer.detail[0] == 0 ? "" : ": ", buffer.detail);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The last records of a partition, as many as its topic's sample has room for. */
static struct doctor_range range_at_end(const struct doctor *doctor,
                                        const struct doctor_partition *row)
{
    const struct doctor_topic *topic = &doctor->topics[row->topic];
    int64_t most = topic->role == ROLE_INPUT
                       ? larger(PARTITIONING_SAMPLES / topic->look.partitions, LEAST_OF_PARTITION)
                       : 1;

    return (struct doctor_range){
        .topic = topic->name,
        .partition = row->number,
        .next = larger(row->before.low, row->before.stable - most),
        .end = row->before.stable,
        .most = most,
    };
}

static bool is_sampled(const struct doctor *doctor, const struct doctor_partition *row)
{
    enum doctor_role role = doctor->topics[row->topic].role;

    return (role == ROLE_INPUT || role == ROLE_STATE) && row->error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void note_error(struct doctor_sample *sample, rd_kafka_resp_err_t error)
{
    if (sample->error == RD_KAFKA_RESP_ERR_NO_ERROR)
        sample->error = error;
}

const struct doctor_sample *doctor_samples(struct doctor *doctor)
{
    struct sampling sampling = {.doctor = doctor, .now_ms = clock_wall_ms()};
    struct doctor_range *ranges;
    size_t count = 0;

    if (doctor->samples != NULL)
        return doctor->samples;
    doctor_look_at_offsets(doctor);
    doctor->samples = memory_get_clean(doctor->topic_count * sizeof(*doctor->samples));
    for (size_t i = 0; i < doctor->topic_count; i++)
        doctor->samples[i].newest_ms = -1;
    ranges = memory_get((doctor->partition_count + 1) * sizeof(*ranges));
    sampling.rows = memory_get((doctor->partition_count + 1) * sizeof(*sampling.rows));
    for (size_t i = 0; i < doctor->partition_count; i++) {
        const struct doctor_partition *row = &doctor->partitions[i];
        note_error(&doctor->samples[row->topic], row->error);
        if (!is_sampled(doctor, row))
            continue;
        sampling.rows[count] = row;
        ranges[count++] = range_at_end(doctor, row);
    }
    doctor_read(doctor->config, true, ranges, count, on_record, &sampling);
    for (size_t i = 0; i < count; i++)
        note_error(&doctor->samples[sampling.rows[i]->topic], ranges[i].error);
    free(sampling.rows);
    free(ranges);
    return doctor->samples;
}

/* The sample of an input that has one, or NULL after a word about why it has none. */
static const struct doctor_sample *sample_of(struct doctor *doctor, size_t i)
{
    const struct doctor_topic *topic = &doctor->topics[i];
    const struct doctor_sample *sample;

    if (topic->role != ROLE_INPUT || !doctor_topic_is_there(topic))
        return NULL;
    sample = &doctor_samples(doctor)[i];
    if (sample->error != RD_KAFKA_RESP_ERR_NO_ERROR && sample->records == 0) {
        doctor_say(doctor, DOCTOR_WARN, topic->name, "see what the check `rights` says",
                   "nothing could be read: %s", rd_kafka_err2str(sample->error));
        return NULL;
    }
    if (sample->records == 0) {
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL, "not known: it has no records yet");
        return NULL;
    }
    return sample;
}

/* ---- what they say ---------------------------------------------------------------------- */

static void say_partitioner(struct doctor *doctor, const struct doctor_topic *topic,
                            const struct doctor_sample *sample, enum partitioner *known)
{
    enum partitioner wanted = (enum partitioner)doctor->config->partitioner;
    enum partitioner found = partitioning_verdict(&sample->partitioning);

    if (topic->look.partitions == 1)
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL, "one partition, where all keys meet");
    else if (sample->partitioning.samples < PARTITIONING_LEAST)
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL,
                   "not known: %u recent records with a key are too few to tell",
                   sample->partitioning.samples);
    else if (found == PARTITIONER_AUTO)
        doctor_say(doctor, DOCTOR_WARN, topic->name,
                   "see that all inputs' producers spread keys by one and the same hash, or a "
                   "message's send and receipts never meet",
                   "neither murmur2, crc32 nor fnv1a explains where %u recent keys are",
                   sample->partitioning.samples);
    else if (wanted != PARTITIONER_AUTO && found != wanted)
        doctor_say(doctor, DOCTOR_FAIL, topic->name,
                   "correct the property, or the producers: as it is, these records are dead "
                   "letters (wrong_partition)",
                   "spread by %s, but partitioner=%s", partitioner_words[found],
                   partitioner_words[wanted]);
    else if (wanted == PARTITIONER_AUTO && *known != PARTITIONER_AUTO && found != *known)
        doctor_say(doctor, DOCTOR_FAIL, topic->name,
                   "give all producers the same partitioner (librdkafka's is consistent_random, "
                   "Java's is murmur2_random): sends and receipts of a message lie in different "
                   "partitions and will never meet",
                   "spread by %s, but the inputs before by %s", partitioner_words[found],
                   partitioner_words[*known]);
    else
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL, "spread by %s, as %u recent keys tell",
                   partitioner_words[found], sample->partitioning.samples);
    if (*known == PARTITIONER_AUTO)
        *known = found;
}

void doctor_partitioner(struct doctor *doctor)
{
    enum partitioner known = PARTITIONER_AUTO;

    for (size_t i = 0; i < doctor->topic_count; i++) {
        const struct doctor_sample *sample = sample_of(doctor, i);
        if (sample != NULL)
            say_partitioner(doctor, &doctor->topics[i], sample, &known);
    }
}

static void say_events(struct doctor *doctor, const struct doctor_topic *topic,
                       const struct doctor_sample *sample)
{
    uint32_t dead = 0;

    for (int i = 0; i < REASON_COUNT; i++) {
        dead += sample->dead[i];
        if (sample->dead[i] > 0)
            doctor_say(doctor, DOCTOR_WARN, topic->name,
                       "correct who produces them; the stage makes them dead letters",
                       "%u of %u recent records: %s, the first at %s", sample->dead[i],
                       sample->records, reason_words[i], sample->details[i]);
    }
    if (doctor->tables.count == 0)
        doctor_say(doctor, DOCTOR_WARN, topic->name, "see what the check `tables` says",
                   "not examined, for there are no valid channel tables");
    else if (dead == 0)
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL, "%u recent records can be read",
                   sample->records);
}

void doctor_events(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->topic_count; i++) {
        const struct doctor_sample *sample = sample_of(doctor, i);
        if (sample != NULL)
            say_events(doctor, &doctor->topics[i], sample);
    }
}

static void say_clock(struct doctor *doctor, const struct doctor_topic *topic,
                      const struct doctor_sample *sample)
{
    int64_t ahead_ms = sample->newest_ms - clock_wall_ms();
    char newest[INSTANT_SIZE];

    instant_format(sample->newest_ms, newest);
    if (sample->newest_ms < 0)
        doctor_say(doctor, DOCTOR_WARN, topic->name, "use Kafka's message format 2",
                   "its records have no timestamps, which deadlines need");
    else if (ahead_ms > CLOCK_TOLERANCE_MS && sample->broker_time)
        doctor_say(doctor, ahead_ms > doctor->config->skew_max_ms ? DOCTOR_FAIL : DOCTOR_WARN,
                   topic->name, "set the clocks of this machine and of the brokers (NTP)",
                   "a broker dated a record %.*s, %" PRId64 " s ahead of our clock", INSTANT_SIZE,
                   newest, ahead_ms / 1000);
    else if (sample->ahead > 0)
        doctor_say(doctor, DOCTOR_WARN, topic->name,
                   "set the clocks of the producers, and of this machine (NTP); the stage makes "
                   "these records dead letters (skewed_time)",
                   "%u of %u recent records are dated beyond skew.max, up to %.*s", sample->ahead,
                   sample->records, INSTANT_SIZE, newest);
    else if (ahead_ms > CLOCK_TOLERANCE_MS)
        doctor_say(doctor, DOCTOR_WARN, topic->name,
                   "set the clocks of the producers, and of this machine (NTP): deadlines fall "
                   "due by these dates",
                   "the newest record is dated %.*s, %" PRId64 " s in the future", INSTANT_SIZE,
                   newest, ahead_ms / 1000);
    else
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL,
                   "the newest record is dated %.*s by %s, not in the future", INSTANT_SIZE,
                   newest, sample->broker_time ? "a broker" : "its producer");
}

void doctor_clock(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->topic_count; i++) {
        const struct doctor_sample *sample = sample_of(doctor, i);
        if (sample != NULL)
            say_clock(doctor, &doctor->topics[i], sample);
    }
}
