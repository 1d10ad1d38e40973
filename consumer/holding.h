/*
 * holding.h: one partition that a worker holds: its lane, and where each of its inputs stands.
 *
 * Offsets are our own book-keeping, never librdkafka's position (DESIGN 5, known traps). Each
 * input has a queue of its own, and one that is ahead is simply left unread.
 */
#ifndef UPSHOT_CONSUMER_HOLDING_H
#define UPSHOT_CONSUMER_HOLDING_H

#include "consumer/config.h"
#include "consumer/merge.h"
#include "consumer/partitioning.h"
#include "consumer/restore.h"

enum {
    INLET_BATCH = 1024,
    INLET_AHEAD =
        32, /* records that are decoded at once, so that what they need is fetched early */
};

/* A record that was decoded before its turn; it borrows from the message. */
struct decoded {
    struct incoming incoming;
    struct event_buffer buffer;
};

struct inlet {
    const char *topic;
    struct text topic_text; /* kept in the lane's store */
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *batch[INLET_BATCH];
    size_t at, count;
    struct decoded *decoded; /* INLET_AHEAD of them: batch[decoded_from] and on, to decoded_to */
    size_t decoded_from, decoded_to;
    bool assigned; /* by the group, where its protocol is incremental */
    bool fetched;  /* and librdkafka was told so */
    int64_t next;  /* offset behind the last record taken */
    int64_t sealed_next, landed_next;
    uint64_t taken;         /* records of the open batch: what `next` went past */
    bool at_end;            /* all up to the last stable offset was taken */
    int64_t quiet_since_ms; /* monotonic: first known end since the last record; 0: none yet */
    int64_t end_asked_ms;   /* monotonic: when the end was last asked for; 0: not since */
    bool end_was_real;      /* and nothing lay beyond it */
    int64_t wait_since_ms;  /* monotonic: since when others wait for it; 0: they do not */
};

struct holding {
    struct lane lane;
    struct restore_job restoring;
    bool running;           /* restored: takes records */
    bool touched;           /* by the open batch */
    bool sealed;            /* in the batch that its transaction carries now */
    bool fenced_off;        /* revoked: kept in case it comes back */
    uint64_t transaction;   /* number of the last transaction that landed */
    uint64_t lineage;       /* of its control records; 0: none yet */
    int64_t control_offset; /* of the last one that landed; -1: not known */
    bool names_dropped;     /* the state topic has messages that memory lacks: no images of it */
    int64_t snapshot_ms;    /* monotonic: when the last image was begun, or it began to run */
    uint64_t snapshot_transaction; /* with which the last good image begins; 0: none */
    int64_t snapshot_wall_ms;      /* wall clock: when that was */
    size_t inlet_count;
    struct inlet inlets[]; /* in the order of input.topics */
};

/* `next` of each inlet is unknown (-1) at first. */
struct holding *holding_new(const struct config *config, const struct tables *tables,
                            int32_t partition, uint64_t seed);
void holding_free(struct holding **holding);

/* Gives every inlet the queue of its partition, cut off from the consumer's own. */
void holding_connect(struct holding *holding, rd_kafka_t *consumer, int wake_fd);

/* Throws away what was fetched and the queues. */
void holding_disconnect(struct holding *holding);

/* Throws away what was fetched, and goes back to where the last landed transaction ended. */
void holding_rewind(struct holding *holding);

/*
 * The open batch is sealed, to land with its transaction; the next begins on top of it. Landing,
 * the sealed one stays (or, where none is, the open one); `control_offset` is where its control
 * record lies, -1 where that is not known. Undoing, both go, the places in the inputs included.
 */
void holding_seal(struct holding *holding);
void holding_land(struct holding *holding, int64_t control_offset);
void holding_undo(struct holding *holding);

/* The number of the transaction that will carry the open batch. */
uint64_t holding_next_transaction(const struct holding *holding);

/*
 * What was taken from the inputs for the open batch is what the lane accounts for, in classes and
 * dead letters (promise 2), or the process stops: asked before each commit.
 */
void holding_require_whole(const struct holding *holding);

/* The facts of a restored control record become the lane's. */
void holding_take_control(struct holding *holding, const struct config_list *inputs,
                          const struct control *control);
void holding_give_control(const struct holding *holding, const struct tables *tables,
                          struct control *control);

#endif
