/*
 * restore.h: a task's memory, read back from the state topic (DESIGN 5, take-over).
 *
 * Order matters and is the caller's: committed offsets (stable) first, then restore_add(), which
 * asks for the partition's high watermark with a read_uncommitted handle. The task is whole when
 * the restoring consumer's next offset has reached it: markers and aborted records count.
 */
#ifndef UPSHOT_CONSUMER_RESTORE_H
#define UPSHOT_CONSUMER_RESTORE_H

#include "consumer/config.h"
#include "consumer/pump.h"
#include "schemas/state_record.h"

struct restore_job {
    struct lane *lane;      /* filled as records come */
    struct control control; /* the last control record seen; transaction 0: none */
    bool done;
    int64_t target; /* next offset at which it is whole */
    int64_t next;   /* next offset to read */
    uint64_t records, bytes;
    struct intern gone; /* keys whose newest record has names that the tables lack */
    int64_t started_ms;
};

struct restore {
    const struct config *config;
    struct tables *tables;
    const char *state_topic;
    bool allow_table_change;
    rd_kafka_t *reader; /* NULL while there is nothing to restore */
    bool more;          /* a task came that the reader does not read yet */
    bool failed;        /* the state cannot be read at all, and why is told */
    struct restore_job **jobs;
    size_t job_count;
    int64_t said_ms;
};

enum restore_result {
    RESTORE_GOING,
    RESTORE_REFUSED, /* a state record that cannot be trusted: logged with its offset */
    RESTORE_FAILED,  /* the world: logged */
};

void restore_init(struct restore *restore, const struct config *config, struct tables *tables,
                  const char *state_topic, bool allow_table_change);
void restore_release(struct restore *restore);

/*
 * Begins one task. `client` reads uncommitted. The job is the caller's, and must live until
 * restore_drop().
 */
bool restore_add(struct restore *restore, struct restore_job *job, struct lane *lane,
                 rd_kafka_t *client);

/* Ends a job, done or not; a job that is not there is ignored. */
void restore_drop(struct restore *restore, struct restore_job *job);

/* Reads for at most wait_ms, sets done where a task is whole. */
enum restore_result restore_poll(struct restore *restore, int wait_ms);

#endif
