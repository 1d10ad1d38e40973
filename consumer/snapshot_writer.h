/*
 * snapshot_writer.h: writes images of a worker's tasks, one at a time, a few milliseconds between
 * two transactions each.
 *
 * The worker's thread encodes and checksums; a thread of the writer's own writes, syncs and
 * renames, so that a slow or full disk holds nobody up: where it does not follow, the next part
 * waits. A file appears whole or not at all: written beside, synced, renamed, the directory synced.
 */
#ifndef UPSHOT_CONSUMER_SNAPSHOT_WRITER_H
#define UPSHOT_CONSUMER_SNAPSHOT_WRITER_H

#include "consumer/holding.h"
#include "consumer/snapshot.h"

struct snapshot_writer;

/* Borrows place and token, which must outlive it. */
struct snapshot_writer *snapshot_writer_new(const struct snapshot_place *place, const char *token,
                                            int64_t interval_ms);

/* Waits a second at most for a disk that does not answer; what is not finished goes. */
void snapshot_writer_free(struct snapshot_writer **writer);

/* True while an image is taken or due: changes should land before others are made. */
bool snapshot_writer_wants_rest(struct snapshot_writer *writer, struct holding *const *holdings,
                                size_t count, int64_t wall_ms);

/*
 * Between two transactions: goes on with the image that is under way, or begins the next one that
 * is due. now_ms and wall_ms are the stage's clocks. `holdings` are those that the worker has; none
 * of them may have changes pending.
 */
void snapshot_writer_turn(struct snapshot_writer *writer, struct holding **holdings, size_t count,
                          int64_t wall_ms);

/* The holding goes away, or runs no more: no image of it is finished. */
void snapshot_writer_forget(struct snapshot_writer *writer, const struct holding *holding);

#endif
