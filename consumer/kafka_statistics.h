/*
 * kafka_statistics.h: librdkafka's own statistics, of each handle and broker.
 *
 * librdkafka makes a JSON text every few seconds and hands it over in a poll; it is kept as it is,
 * the last one of each handle, and read only when somebody asks.
 */
#ifndef UPSHOT_CONSUMER_KAFKA_STATISTICS_H
#define UPSHOT_CONSUMER_KAFKA_STATISTICS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KAFKA_STATISTICS_MS "5000"

/* One connection of one handle. */
struct kafka_broker {
    char client[32]; /* "producer-2": what it is, and which: of one that is gone, the next has it */
    char broker[128]; /* host:port/id, or host:port/bootstrap */
    bool up;
    int64_t rtt_mean_us, rtt_p99_us;
    int64_t outbuf, waitresp; /* requests */
    int64_t sent_bytes, received_bytes, send_errors, receive_errors, timeouts, retries;
    int64_t disconnects;
};

struct kafka_statistics {
    struct kafka_broker *brokers;
    size_t count;
};

/* Before any handle is made: somebody will look. Else none is asked for any. */
void kafka_statistics_want(void);
bool kafka_statistics_are_wanted(void);

/* For rd_kafka_conf_set_stats_cb(); keeps the text, which is then its own. */
int kafka_statistics_keep(rd_kafka_t *client, char *json, size_t size, void *opaque);

/* Before a handle is destroyed: what it has told is no longer so. */
void kafka_statistics_forget(const rd_kafka_t *client);

/*
 * What the handles have told within the last half minute; a zeroed one, or one used before. Safe
 * from any thread.
 */
void kafka_statistics_take(struct kafka_statistics *statistics);
void kafka_statistics_release(struct kafka_statistics *statistics);

/* Reads one text, appending its brokers; false where it is none of librdkafka's. */
bool kafka_statistics_read(struct kafka_statistics *statistics, size_t place, const char *json,
                           size_t size);

#endif
