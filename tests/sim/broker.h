/*
 * broker.h: Kafka as it behaves, on virtual time: logs with transactions, their coordinator, a
 * group with its offsets. No network here: who calls has decided when a request arrives.
 *
 * What is like Kafka (4.x, with transaction.version 0 as librdkafka speaks it) is listed in
 * README.md, as is what is left out.
 */
#ifndef UPSHOT_TESTS_SIM_BROKER_H
#define UPSHOT_TESTS_SIM_BROKER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data; /* NULL: null, not empty */
    size_t size;
};

struct bytes bytes_copy(const void *data, size_t size);

struct tag {
    char *name;
    struct bytes value;
};

enum fate { FATE_PLAIN, FATE_OPEN, FATE_COMMITTED, FATE_ABORTED };

/* A record of a log, or a marker. */
struct entry {
    int64_t offset;
    bool marker;
    enum fate fate; /* of a marker: what it says */
    int64_t producer;
    int16_t epoch;
    int64_t timestamp_ms;
    struct bytes key, value;
    struct tag *tags;
    size_t tag_count;
};

/* What a partition knows of a producer. */
struct log_producer {
    int64_t id;
    int16_t epoch;
    int32_t last_sequence;
    int64_t open_from; /* first offset of its open transaction, -1: none */
};

struct log {
    const char *topic;
    int32_t partition;
    int node;
    bool compacted;
    struct entry *entries; /* by offset; compaction leaves gaps */
    size_t count, room;
    int64_t next;
    struct log_producer *producers;
    size_t producer_count;
    uint64_t version; /* grows whenever a reader might see more */
};

void broker_init(void);
struct log *broker_topic(const char *topic, int32_t partitions, bool compacted);
struct log *broker_log(const char *topic, int32_t partition); /* NULL: there is none */
int32_t broker_partitions(const char *topic);

int64_t log_stable(const struct log *log); /* last stable offset */
/* May a reader see it, whose isolation is this? */
bool log_visible(const struct log *log, const struct entry *entry, bool committed);
/* Appends outside of any transaction: the load's. */
void log_append_plain(struct log *log, struct bytes key, struct bytes value, int64_t timestamp_ms);

/* Records of one produce request: one partition, one batch. */
struct batch {
    struct entry *records;
    size_t count;
    int32_t sequence;
};

rd_kafka_resp_err_t broker_produce(struct log *log, const char *transactional_id, int64_t producer,
                                   int16_t epoch, const struct batch *batch);

/* A cleaner's run over a compacted log. */
void log_compact(struct log *log);

/* ---- transactions ---- */

int broker_node_of(const char *name);

/* producer -1: a new one asks; else it asks for a higher epoch of its own. */
rd_kafka_resp_err_t broker_init_producer(const char *transactional_id, int64_t timeout_us,
                                         int64_t *producer, int16_t *epoch);
rd_kafka_resp_err_t broker_add_partition(const char *transactional_id, int64_t producer,
                                         int16_t epoch, struct log *log);
rd_kafka_resp_err_t broker_add_offsets(const char *transactional_id, int64_t producer,
                                       int16_t epoch);
rd_kafka_resp_err_t broker_end(const char *transactional_id, int64_t producer, int16_t epoch,
                               bool commit);

/* ---- the group: there is one ---- */

struct spot {
    char topic[64];
    int32_t partition;
    int64_t offset; /* RD_KAFKA_OFFSET_INVALID: none */
    char metadata[128];
    rd_kafka_resp_err_t error;
};

struct membership {
    int32_t generation; /* -1: none */
    char member[48];    /* "": none */
    char instance[96];  /* "": dynamic */
};

rd_kafka_resp_err_t broker_commit_offsets(const char *transactional_id, int64_t producer,
                                          int16_t epoch, const struct membership *who,
                                          const struct spot *places, size_t count);
/* Fills offset, metadata and error of each. */
void broker_fetch_offsets(struct spot *places, size_t count, bool stable);

struct assignment {
    struct {
        char topic[64];
        int32_t partition;
    } rows[64];
    size_t count;
};

struct joining {
    struct membership who; /* in and out */
    int64_t session_us;
    rd_kafka_resp_err_t error;
    struct assignment assignment;
    void (*answer)(struct joining *joining); /* when the group is whole, or at once */
    void *context;
};

void group_subscribe(const char *const *topics, size_t count);
void group_join(struct joining *joining);
rd_kafka_resp_err_t group_heartbeat(const struct membership *who);
void group_leave(const struct membership *who);

/* For the checks: is this member the owner of the partition, as the group sees it now? */
bool group_owns(const struct membership *who);
/* The last committed place, as decided by the coordinator, whether its markers are written. */
bool broker_decided(const char *topic, int32_t partition, struct spot *place);

/* Has the coordinator decided for the transaction that this entry belongs to? */
enum fate broker_fate(const struct entry *entry);

#endif
