/*
 * kafka.h: librdkafka handles as this stage needs them, and its log through our door.
 *
 * Every handle is the caller's, to be destroyed with rd_kafka_destroy(); NULL after an error that
 * was logged.
 */
#ifndef UPSHOT_CONSUMER_KAFKA_H
#define UPSHOT_CONSUMER_KAFKA_H

#include "consumer/config.h"
#include "consumer/lives.h"
#include "consumer/partitioning.h"
#include "schemas/event.h"
#include "statemachine/watermark.h"

/* bootstrap.servers as configured, for log lines. */
const char *kafka_brokers(const struct config *config);

/* After so long without an end the broker aborts a transaction. */
int64_t kafka_transaction_timeout_ms(const struct config *config);

/*
 * What the last broken connection said, of whichever handle; empty where there was none. For the
 * line of who waits: that a broker does not answer is less than why.
 */
void kafka_address_text(char *out, size_t room);

/* The topic that was last refused to a transaction; empty where its name is not known. */
void kafka_refused_topic(char *out, size_t room);

/*
 * True where the broker has told this producer that its id still has a transaction of a producer
 * before it to end. By then that one is fenced, and the end is under way; librdkafka asks again
 * after half a second, and only then.
 */
bool kafka_was_held_up(const rd_kafka_t *producer);

/* For questions only: metadata, admin, watermarks; read uncommitted (DESIGN 5, take-over). */
rd_kafka_t *kafka_client(const struct config *config);

/*
 * First and next offset of a partition, asked of its leader. Where that fails, who the leader is
 * is asked anew, for the next question: a handle that only asks is never told (seen with 2.0.2: a
 * leader that had lost the partition was asked in vain for minutes).
 */
rd_kafka_resp_err_t kafka_ask_ends(rd_kafka_t *client, const char *topic, int32_t partition,
                                   int64_t *low, int64_t *high, int timeout_ms);

/* A subscribing group member. `opaque` comes back in the rebalance callback. */
rd_kafka_t *kafka_member(const struct config *config, int worker, void *opaque,
                         void (*on_rebalance)(rd_kafka_t *, rd_kafka_resp_err_t,
                                              rd_kafka_topic_partition_list_t *, void *));

/* Reads the state topic: read committed, never a member of any group. */
rd_kafka_t *kafka_restorer(const struct config *config);

/* Reads ranges of topics (topic_range.h); where not `committed`, what was aborted, too. */
rd_kafka_t *kafka_range_reader(const struct config *config, bool committed);

/*
 * A broker thread of librdkafka before 2.2 that has queued.min.messages waiting sleeps for a
 * second, however soon they are taken. Any question to that broker wakes it, and then it fetches;
 * the answer comes behind what was fetched, and nobody waits for it. Later ones need no nudge.
 */
void kafka_nudge(rd_kafka_t *client, const char *topic, int32_t partition);

/* Reads a few records here and there, after an rd_kafka_assign(); never a member of any group. */
rd_kafka_t *kafka_sampler(const struct config *config, bool committed);

/*
 * Knows one address (host:port), and is asked whether somebody answers there. What librdkafka logs
 * of it comes back, from any thread: the versions of the broker's APIs (debug=feature).
 */
rd_kafka_t *kafka_probe(const struct config *config, const char *address, void *opaque,
                        void (*log)(const rd_kafka_t *, int, const char *, const char *),
                        void (*on_error)(rd_kafka_t *, int, const char *, void *));

/*
 * A transactional producer, whose batches keep within batch_bytes: a broker's limit holds for whole
 * batches, and librdkafka does not split one that was refused. `on_delivery` sees each record that
 * failed, and those that arrived where `all_deliveries` is set (it costs a call for each);
 * `on_error` each connection that broke.
 */
rd_kafka_t *kafka_producer(const struct config *config, const char *transactional_id,
                           int64_t batch_bytes, bool all_deliveries, void *opaque,
                           void (*on_delivery)(rd_kafka_t *, const rd_kafka_message_t *, void *),
                           void (*on_error)(rd_kafka_t *, int, const char *, void *));

/* An error callback that logs; what another one has to do beside its own. */
void kafka_tell_error(rd_kafka_t *client, int code, const char *text, void *opaque);

/*
 * A record's timestamp; one without has the greatest of its input before it, else 0. The same for
 * run and for replay, whose outcomes must agree (DESIGN 3).
 */
int64_t kafka_timestamp(const rd_kafka_message_t *message, const struct watermark *watermark,
                        size_t input);

/*
 * What event_decode() wants to know of a record; the same for run, replay and audit. `right` is
 * borrowed: where the key must lie, which is asked unless its partitioner is AUTO.
 */
struct envelope_facts kafka_facts(const rd_kafka_message_t *message, struct text topic,
                                  int64_t timestamp_ms, struct right_partition *right);

/* Events of kafka_load_event() that did not get there, as far as polls and flushes have told. */
struct kafka_losses {
    uint64_t count;
    rd_kafka_resp_err_t error; /* of the first */
    char topic[256];           /* likewise */
};

/*
 * A plain producer of events, keyed as Java does (murmur2): for gen and the demo. The losses are
 * counted, and logged now and then; they must live as long as the producer does.
 */
rd_kafka_t *kafka_load(const struct config *config, struct kafka_losses *losses);

/* Produces one event to the first (send) or last (receipt) input topic; waits for room. */
void kafka_load_event(rd_kafka_t *producer, const struct config *config,
                      const struct life_event *event);

#endif
