/*
 * restore.h: a task's memory, read back from the state topic (DESIGN 5, take-over), or from a
 * snapshot and what the topic has since.
 *
 *   asking --> image --> topic --> done
 *      |         |         ^ |
 *      +---------+---------+ |  no good snapshot; one that turned out bad: all of the topic
 *                ^-----------+
 *
 * Order matters and is the caller's: committed offsets (stable) first, then restore_add(); the
 * partition's high watermark is asked for after that, with a read_uncommitted handle. The task is
 * whole when the restoring consumer's next offset has reached it: markers and aborted records
 * count. No call takes long: the worker has a group to answer, and other tasks to run.
 */
#ifndef UPSHOT_CONSUMER_RESTORE_H
#define UPSHOT_CONSUMER_RESTORE_H

#include "consumer/config.h"
#include "consumer/pump.h"
#include "consumer/snapshot_reader.h"
#include "schemas/state_record.h"

#include <stdatomic.h>

enum restore_phase { RESTORE_ASKING, RESTORE_IMAGE, RESTORE_TOPIC };

struct restore_job {
    struct lane *lane;      /* filled as records come */
    struct control control; /* the last control record seen; transaction 0: none */
    int64_t control_offset; /* where; -1: none */
    bool done;
    enum restore_phase phase;
    rd_kafka_t *client;      /* to ask with */
    uint64_t transaction;    /* what the committed offsets say */
    int64_t low, target;     /* of the topic: first offset, next offset at which it is whole */
    int64_t start, next;     /* first and next offset to read */
    bool bounded;            /* what comes from `target` on is not taken */
    uint64_t records, bytes; /* of the topic */
    uint64_t tombstones, tombstone_bytes; /* of these */
    uint64_t control_size;                /* bytes of the last control record; 0: none */
    struct intern gone; /* keys whose newest record has names that the tables lack */
    int64_t started_ms, asked_ms;
    /* The image it began with, if any. */
    struct snapshot_paths snapshots;
    size_t snapshot_next;
    struct snapshot_reader *image; /* open until the job is done, for it may still be found out */
    uint64_t image_records, image_bytes;
    uint64_t snapshot_transaction; /* done: of the image that was used; 0: none */
    int64_t snapshot_wall_ms;
};

/* How far the restores of a worker are, for whoever looks from another thread. */
struct restore_progress {
    atomic_llong tasks;          /* being restored */
    atomic_llong records, bytes; /* read since the start, images included */
    atomic_llong percent;        /* of what these tasks have to read, by offsets and by bytes */
    atomic_llong eta_s;          /* -1: not known yet */
};

/* Of several workers: the whole is as far as its slowest part. Begins with percent 100. */
struct restore_sum {
    long long tasks, records, bytes, percent, eta_s;
};
void restore_sum_add(struct restore_sum *sum, const struct restore_progress *progress);

struct restore {
    const struct config *config;
    struct tables *tables;
    const char *state_topic;
    bool allow_table_change;
    const struct snapshot_place *place; /* NULL: no snapshots */
    struct restore_progress *progress;  /* NULL: nobody looks */
    rd_kafka_t *reader;                 /* NULL while there is nothing to restore */
    rd_kafka_queue_t *queue;            /* of the reader */
    bool more;                          /* a task came that the reader does not read yet */
    bool failed;                        /* the state cannot be read at all, and why is told */
    struct restore_job **jobs;
    size_t job_count;
    int64_t said_ms, published_ms;
    uint64_t unpublished_records, unpublished_bytes;
    const struct table *last_table; /* of the last message; NULL: none yet */
    unsigned since_nudge;           /* records read since the broker's thread was last woken */
};

enum restore_result {
    RESTORE_GOING,
    RESTORE_REFUSED, /* a state record that cannot be trusted: logged with its offset */
    RESTORE_FAILED,  /* the world: logged */
};

void restore_init(struct restore *restore, const struct config *config, struct tables *tables,
                  const char *state_topic, bool allow_table_change);
void restore_release(struct restore *restore);

/* Both are borrowed, and optional. */
void restore_use_snapshots(struct restore *restore, const struct snapshot_place *place);
void restore_show_progress(struct restore *restore, struct restore_progress *progress);

/*
 * Begins one task. `client` reads uncommitted; `transaction` is the number in the committed
 * offsets. The job is the caller's, and must live until restore_drop().
 */
void restore_add(struct restore *restore, struct restore_job *job, struct lane *lane,
                 rd_kafka_t *client, uint64_t transaction);

/*
 * The same for who reads the topic as it was at one moment, and has asked for its ends: nobody is
 * asked, no snapshot is read, and nothing from high on is taken.
 */
void restore_add_range(struct restore *restore, struct restore_job *job, struct lane *lane,
                       int64_t low, int64_t high);

/* And from a snapshot that is a state by itself (snapshot_reader_open_exact), which it takes. */
void restore_add_image(struct restore *restore, struct restore_job *job, struct lane *lane,
                       struct snapshot_reader *image);

/* Ends a job, done or not; a job that is not there is ignored. */
void restore_drop(struct restore *restore, struct restore_job *job);

/* Reads for at most wait_ms or some ten, sets done where a task is whole. wall_ms is now. */
enum restore_result restore_poll(struct restore *restore, int wait_ms, int64_t wall_ms);

/* Warns of each table that is another one now than the record says. */
void restore_tell_tables(const struct control *control, const struct tables *tables,
                         int32_t partition);

/* True where messages of the state topic are not in memory, because their names are gone. */
bool restore_dropped_names(const struct restore_job *job);

#endif
