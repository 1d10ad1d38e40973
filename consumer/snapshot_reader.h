/*
 * snapshot_reader.h: reads a task's snapshot, if there is one that may be used; see snapshot.h for
 * when that is.
 */
#ifndef UPSHOT_CONSUMER_SNAPSHOT_READER_H
#define UPSHOT_CONSUMER_SNAPSHOT_READER_H

#include "consumer/snapshot.h"
#include "schemas/state_record.h"

struct snapshot_reader;

/*
 * Opens the newest good one of `paths` from `*next` on, and moves *next behind it; NULL where there
 * is none left. low and high are the state partition's; wall_ms is now. Each one that is passed
 * over costs one warning that says why.
 */
struct snapshot_reader *snapshot_reader_open(const struct snapshot_place *place, int32_t partition,
                                             const struct snapshot_paths *paths, size_t *next,
                                             int64_t low, int64_t high, int64_t wall_ms);
void snapshot_reader_close(struct snapshot_reader **reader);

/*
 * Opens one that shows its task at one moment, when nothing was under way, and so is a state by
 * itself, however old it is and whatever became of the topic. NULL where it is no such one, without
 * a word, or no good one, with the usual warning.
 */
struct snapshot_reader *snapshot_reader_open_exact(const struct snapshot_place *place,
                                                   int32_t partition, const char *path);

/* The warning of one that was found out later. */
void snapshot_ignored(const char *path, const char *reason, const char *hint);

enum snapshot_step {
    SNAPSHOT_MORE,
    SNAPSHOT_DONE,
    SNAPSHOT_BAD, /* what was taken from it must be thrown away; snapshot_reader_why() */
};

/* Reads one frame, about a thousand pairs; they borrow from the reader until the next step. */
enum snapshot_step snapshot_reader_step(struct snapshot_reader *reader, struct text *pairs);

const char *snapshot_reader_why(const struct snapshot_reader *reader);
const char *snapshot_reader_path(const struct snapshot_reader *reader);

/* Where reading the topic goes on, and what the control records there must agree with. */
int64_t snapshot_reader_offset(const struct snapshot_reader *reader);
uint64_t snapshot_reader_lineage(const struct snapshot_reader *reader);
uint64_t snapshot_reader_transaction(const struct snapshot_reader *reader);
int64_t snapshot_reader_created_ms(const struct snapshot_reader *reader);

/* The last control record before its first part. */
const struct control *snapshot_reader_control(const struct snapshot_reader *reader);

/* Seed of the index that gave the pairs their order; 0: not known. */
uint64_t snapshot_reader_seed(const struct snapshot_reader *reader);

/* For whoever waits: bytes read, and how many there are. */
int64_t snapshot_reader_read(const struct snapshot_reader *reader);
int64_t snapshot_reader_size(const struct snapshot_reader *reader);

#endif
