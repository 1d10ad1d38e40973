/*
 * worker_inside.h: what the files of one worker share, and nobody else sees.
 *
 *   worker.c    the loop: rebalance, restore, take, fire, commit, wait
 *   turn.c      one task's turn: read, merge, take, fire
 *   settle.c    the end of a transaction: land, undo, find out
 *   refusal.c   rights that are missing
 *   takeover.c  partitions come and go
 *   emit.c      outcomes, dead letters, state records, offsets into the transaction
 *   show.c      what others may see of it
 */
#ifndef UPSHOT_CONSUMER_WORKER_INSIDE_H
#define UPSHOT_CONSUMER_WORKER_INSIDE_H

#include "consumer/board.h"
#include "consumer/committer.h"
#include "consumer/holding.h"
#include "consumer/snapshot_writer.h"
#include "consumer/transaction.h"
#include "consumer/trouble.h"
#include "consumer/worker.h"

enum rebalance { REBALANCE_NONE, REBALANCE_ASSIGN, REBALANCE_REVOKE };

/*
 * A right that was refused, and not granted since. Brokers say so for a moment, too, while they
 * learn their rules; so it ends the worker when it lasts.
 */
struct refusal {
    const struct trouble *trouble; /* NULL: there is none */
    rd_kafka_resp_err_t error;
    enum refused { REFUSED_READ, REFUSED_WRITE, REFUSED_GROUP } what;
    char topic[250];
    int32_t partition;
    int64_t since_ms;
    bool looked_again;
};

enum { BATCH_BYTES_MOST = 32 << 20 }; /* of an outbox; two of them are in memory at once */

struct inside {
    struct worker *worker;
    struct stage *stage;
    const struct config *config;
    struct tables tables; /* its own: ghosts are added while it restores */
    uint64_t seed;
    char token[32]; /* this worker of this process, in the offsets' metadata */
    size_t turn;    /* which holding begins the next round */
    rd_kafka_t *consumer;
    rd_kafka_t *client; /* reads uncommitted: watermarks */
    rd_kafka_queue_t *events;
    struct transaction transaction; /* the committer's while it is away */
    struct committer *committer;
    struct outbox outboxes[2];
    struct outbox *outbox, *sent; /* of the open batch; of the one under way */
    bool batch_open;              /* something was taken, or fired */
    bool batch_closed;            /* its state records are in the outbox: nothing more comes in */
    rd_kafka_consumer_group_metadata_t *generation; /* in which the tasks were assigned */
    bool joined; /* it knows its share: from an assignment to the next revocation */
    struct restore restore;
    struct snapshot_place snapshot_place;
    struct snapshot_writer *snapshots; /* NULL: no state.dir */
    struct holding **holdings;
    size_t holding_count;
    struct pump pump;
    long long live;              /* this worker's part of stage->live */
    struct tally sealed, landed; /* the pump's tally at the last sealing, landing */
    enum rebalance rebalance;    /* noted by the callback, handled by the loop */
    bool rewind_owed; /* undone while one was noted: what stays is to be read again, too */
    rd_kafka_topic_partition_list_t *rebalanced;
    bool closing;
    bool locked_out;       /* the group keeps our name for the process before */
    int64_t locked_out_ms; /* monotonic: since when; 0: it does not */
    bool counted_open;     /* among the stage's open transactions */
    int wake[2];           /* librdkafka writes a byte when a queue gets something */
    int64_t ask_again_ms;  /* monotonic: a broker did not answer; no question before */
    int64_t opened_ms;     /* monotonic: when the open batch was opened */
    struct partitioning partitionings[INPUTS_MAX];
    bool partitioners_told;
    struct buffer header_store;
    struct showing {
        int64_t next_ms, sealed_ms; /* monotonic: the next page; the batch under way */
        int64_t looped_ms;          /* when it was last free to take records */
        struct board_letters open, sent, landed;
        uint64_t took[BOARD_TOOK + 1], took_ms;
        uint64_t landed_count, undone_count, resolved_count;
    } showing;
    struct refusal refusal;
    int too_large; /* transactions undone by it since one landed */
    int code;      /* EXIT_WELL while all is well; anything else ends the worker */
};

/* ---- worker.c ---- */

/*
 * Takes the group's events, and tells the stage that this worker is alive. A rebalance is only
 * noted, so this can be called wherever a wait is long: who does not ask for events within
 * max.poll.interval.ms is taken for dead.
 */
void worker_serve(struct inside *inside);

/* ---- refusal.c ---- */

/*
 * Notes an error that no patience cures (trouble.h). What cannot be read ends the worker at once,
 * told by one line; what is refused does when it lasts.
 */
void refusal_note(struct inside *inside, rd_kafka_resp_err_t error, enum refused what,
                  const char *topic, int32_t partition);

/* It was granted after all. */
void refusal_over(struct inside *inside, enum refused what, const char *topic, int32_t partition);

/* Ends the worker where one has lasted. */
void refusal_look(struct inside *inside);

/* ---- turn.c ---- */

/* Every task has its turn; where the budget ends, the next round begins. True: there was work. */
bool turn_round(struct inside *inside);

/* ---- settle.c ---- */

/*
 * Drives the transaction until nothing is open or unknown, and lets memory follow: land or undo.
 * The group is served in between. Not while the committer has it. False: the worker has to end.
 */
bool settle(struct inside *inside);

/* Where the committer has come back: settles what it brings. */
void settle_look(struct inside *inside);

/* Closes the open batch, and sends it off where nothing is under way; else later will do. */
void settle_send(struct inside *inside);

/* Waits for what is under way, and settles it. The group is served meanwhile. */
void settle_drain(struct inside *inside);

/* The same, then commits the open batch, whatever comes of it. */
void settle_commit(struct inside *inside);

/* The partitions are lost: what is under way is settled, and the open batch belongs to nobody. */
void settle_give_up(struct inside *inside);

/* For the watcher: does this worker leave anything behind if the process ends now? */
void settle_note_open(struct inside *inside);

/* ---- takeover.c ---- */

void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t event,
                  rd_kafka_topic_partition_list_t *partitions, void *opaque);

/* Gives up all partitions; their memory is kept until the next assignment is known. */
void takeover_revoke(struct inside *inside);

/*
 * Before a commit: is the generation the one in which the tasks are ours? Only where the protocol
 * is incremental can the answer be no.
 */
bool takeover_is_current(struct inside *inside);

/* Takes what was assigned: keeps, restores, drops. */
void takeover_assign(struct inside *inside);

/* Lets restored tasks run. */
void takeover_poll(struct inside *inside, int wait_ms);

/* Reads every holding's inputs again from where the last landed transaction ended. */
void takeover_rewind(struct inside *inside);

/* Committed offsets (stable) of all inputs of these holdings; NULL: not yet, ask again. */
rd_kafka_topic_partition_list_t *takeover_committed(struct inside *inside);

/* The transaction's number in an offset's metadata; 0: there is none. */
uint64_t takeover_number(const rd_kafka_topic_partition_t *offset);

/* True where this very worker of this very process wrote the offset. */
bool takeover_is_ours(const struct inside *inside, const rd_kafka_topic_partition_t *offset);

/* ---- emit.c ---- */

/* What happens goes into the outbox of the open batch. */
struct sink emit_sink(struct inside *inside);

/* Opens a batch where none is, and counts the holding in. */
void emit_touch(struct inside *inside, struct holding *holding);

/* Closes it: state records of all that it touched, and offsets. */
void emit_close(struct inside *inside);

/* ---- show.c ---- */

/* Where it is time: the page anew, and an answer to whoever has asked. Never waits. */
void show(struct inside *inside);

/* A dead letter of the open batch, told once that has landed. */
void show_letter(struct inside *inside, enum reason reason, const char *detail,
                 const rd_kafka_message_t *message);

/* What became of a batch; resolved: its answer had been lost; dropped: it is read again. */
void show_sealed(struct inside *inside);
void show_landed(struct inside *inside);
void show_undone(struct inside *inside);
void show_dropped(struct inside *inside);
void show_resolved(struct inside *inside);

#endif
