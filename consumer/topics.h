/*
 * topics.h: what must be there before the stage can start: inputs with equal partition counts,
 * outputs and a compacted state topic with the same count, created where they are missing.
 */
#ifndef UPSHOT_CONSUMER_TOPICS_H
#define UPSHOT_CONSUMER_TOPICS_H

#include "consumer/config.h"

#include <stdatomic.h>

struct topics_options {
    bool no_wait;        /* an unreachable broker or a missing input ends the try after 10 s */
    bool no_create;      /* missing outputs are refused */
    bool trust_settings; /* do not ask for topics' settings: the mock cluster cannot answer */
    const atomic_bool *stop;
};

struct topics_facts {
    int32_t partitions;
    int64_t dead_letter_max_bytes; /* max.message.bytes of the dead-letter topic */
    int64_t output_max_bytes;      /* the least of all outputs and the state topic */
    int64_t tombstones_ms;         /* delete.retention.ms of the state topic, or its default */
    char cluster[128];             /* its id; empty: unknown */
};

/* A topic as metadata tells it. */
struct topic_look {
    rd_kafka_resp_err_t error; /* anything else is then unknown */
    int32_t partitions;        /* 0: there is no such topic */
    int replicas;              /* of the partition that has the fewest */
    int in_sync;               /* of the partition that has the fewest */
    int leaderless;            /* partitions that nobody can read or write now */
};

/* Asks a broker, for at most a second. */
struct topic_look topics_look(rd_kafka_t *client, const char *topic);

/* One line: keys have moved between partitions, and how to get out of it. */
void topics_tell_added(const char *topic, int32_t partitions, int32_t known);

/* app.id + ".state"; the caller's. */
char *topics_state_name(const struct config *config);

/*
 * Looks, waits, creates. Returns an exit code, EXIT_WELL with *facts filled; what is in the way is
 * logged, at least every 10 s.
 */
int topics_prepare(const struct config *config, const struct topics_options *options,
                   struct topics_facts *facts);

#endif
