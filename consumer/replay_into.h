/*
 * replay_into.h: a directory with a file of outcomes and one of dead letters for each partition.
 *
 * Written under other names (.part), and renamed when all of them are whole and on the disk: what
 * has its name is a replay that ended well. A directory with such files in it is refused, so that
 * those of two replays never lie beside each other. Complains on stderr.
 */
#ifndef UPSHOT_CONSUMER_REPLAY_INTO_H
#define UPSHOT_CONSUMER_REPLAY_INTO_H

#include "consumer/partition_set.h"
#include "consumer/replay_out.h"

/* Makes the directory where it is missing. Returns an exit code. */
int replay_into_begin(const char *directory);

/* Opens a partition's files for `out`, whose own these must not be already. */
bool replay_into_open(const char *directory, int32_t partition, struct replay_out *out);

/* Closes them, `whole` on the disk; out->outcomes and out->dead_letters are NULL then. */
bool replay_into_close(const char *directory, int32_t partition, struct replay_out *out,
                       bool whole);

/* Gives those of `chosen` their names. */
bool replay_into_finish(const char *directory, int32_t partitions,
                        const struct partition_set *chosen);

#endif
