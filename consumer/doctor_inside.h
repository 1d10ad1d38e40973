/*
 * doctor_inside.h: what the checks of `upshot doctor` share, and nobody else sees.
 *
 * What several checks need is asked for once: topics at the beginning; brokers, samples and offsets
 * by whichever check comes first (doctor_brokers.c, doctor_samples.c, doctor_offsets.c), who keep
 * what they found until the end.
 */
#ifndef UPSHOT_CONSUMER_DOCTOR_INSIDE_H
#define UPSHOT_CONSUMER_DOCTOR_INSIDE_H

#include "consumer/doctor.h"
#include "consumer/partitioning.h"
#include "consumer/topic_settings.h"
#include "consumer/topics.h"
#include "schemas/event.h"

enum {
    DOCTOR_ASK_MS = 5000, /* a broker's time for an answer; a slow one is a finding, too */
    DOCTOR_TOPICS = INPUTS_MAX + 3,
};

enum doctor_role { ROLE_INPUT, ROLE_OUTCOMES, ROLE_DEAD_LETTERS, ROLE_STATE };

struct doctor_topic {
    const char *name;
    enum doctor_role role;
    struct topic_look look;
    struct topic_settings settings;
    bool settings_asked;
};

struct doctor_brokers; /* doctor_brokers.c */

/* What recent records of a topic say. */
struct doctor_sample {
    rd_kafka_resp_err_t error; /* of the first partition that could not be read */
    uint32_t records;
    struct partitioning partitioning;
    uint32_t dead[REASON_COUNT];
    char details[REASON_COUNT][DETAIL_MAX + 64]; /* of the first of each: where, what */
    uint32_t ahead;                              /* dated beyond skew.max */
    int64_t newest_ms;                           /* -1: no record has a timestamp */
    bool broker_time;                            /* the newest is by a broker's clock */
};

/* A partition's offsets at one moment; -1: not known, or none. */
struct doctor_offsets {
    int64_t low, high, stable, committed;
};

struct doctor_partition {
    size_t topic; /* which of the topics */
    int32_t number;
    rd_kafka_resp_err_t error;
    struct doctor_offsets before, after; /* two looks */
};

struct doctor {
    const struct config *config;
    const struct doctor_listener *listener;
    enum doctor_check check; /* the one that runs */
    enum doctor_level worst;

    struct tables tables; /* none where they are not valid */
    char *state_topic;
    rd_kafka_t *client;
    bool answered; /* some broker did */
    struct doctor_topic topics[DOCTOR_TOPICS]; /* inputs first */
    size_t topic_count;

    struct doctor_brokers *brokers;
    struct doctor_sample *samples; /* a topic */
    struct doctor_partition *partitions; /* of all topics that are there */
    size_t partition_count;
    int64_t looked_ms; /* at their offsets, by the monotonic clock */
    bool looked_again;
    rd_kafka_resp_err_t group_error; /* why no committed offset is known */
};

#define CHECK(symbol, word, needs, summary) void doctor_##symbol(struct doctor *doctor);
#include "consumer/doctor.def"
#undef CHECK

/* A finding of the check that runs; hint NULL where all is well. */
__attribute__((format(printf, 5, 6))) void doctor_say(struct doctor *doctor,
                                                      enum doctor_level level, const char *target,
                                                      const char *hint, const char *format, ...);

/* Of a topic's look: whether it can be asked for more. */
bool doctor_topic_is_there(const struct doctor_topic *topic);

/* Asked for at the first call. */
const struct topic_settings *doctor_settings_of(struct doctor *doctor, struct doctor_topic *topic);
const struct doctor_sample *doctor_samples(struct doctor *doctor);
void doctor_look_at_offsets(struct doctor *doctor); /* the first look */

void doctor_brokers_release(struct doctor_brokers **brokers);

/* ---- reading (doctor_reading.c) --------------------------------------------------------- */

/* Offsets [next, end) of a partition; less where it ends before. */
struct doctor_range {
    const char *topic;
    int32_t partition;
    int64_t next, end;
    int64_t most; /* records; then it is done as well */
    rd_kafka_resp_err_t error;
    bool done;
};

typedef void doctor_reader(void *context, size_t range, const rd_kafka_message_t *message);

/* Reads all ranges beside each other, as long as it takes, at most 15 s. */
void doctor_read(const struct config *config, bool committed, struct doctor_range *ranges,
                 size_t count, doctor_reader *reader, void *context);

#endif
