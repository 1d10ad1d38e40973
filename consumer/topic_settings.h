/*
 * topic_settings.h: what a topic's settings must be for the stage to keep its promises, and what
 * they are.
 */
#ifndef UPSHOT_CONSUMER_TOPIC_SETTINGS_H
#define UPSHOT_CONSUMER_TOPIC_SETTINGS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TOPIC_ASK_MS = 8000,             /* a broker's time for an admin request */
    TOPIC_DEFAULT_MAX_BYTES = 1048588, /* message.max.bytes of a broker as it comes */
    TOPIC_LEAST_MAX_BYTES = 32768,   /* an outcome with 62 statuses and the longest names fits */
    /* A tombstone that is cleaned away while a restore is under way lets the message rise again. */
    TOPIC_LEAST_TOMBSTONES_MS = 3600000,
    TOPIC_DEFAULT_TOMBSTONES_MS = 86400000,
};

/* -1 and empty: it could not be read. */
struct topic_settings {
    rd_kafka_resp_err_t error;
    char cleanup_policy[64], timestamp_type[32];
    int64_t max_message_bytes, min_insync_replicas, delete_retention_ms;
    int64_t retention_ms; /* -1 also where nothing is ever deleted by age */
    bool unclean_election;
};

/* Hands out the event that comes into a queue; NULL where none is to be waited for any longer. */
typedef rd_kafka_event_t *topic_wait(void *context, rd_kafka_queue_t *queue);

/* Asks by DescribeConfigs, and waits by `wait`, who alone knows for how long. */
struct topic_settings topic_settings_ask(rd_kafka_t *client, const char *topic, topic_wait *wait,
                                         void *context);

#endif
