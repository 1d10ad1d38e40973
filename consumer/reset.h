/*
 * reset.h: a group and its state, back to a point of the inputs.
 *
 * Offsets alone can be set from outside, and the state then knows what is read again. To compute
 * anew, the state has to forget. A task's messages, books and watermark go and its offsets move in
 * one transaction, all tasks in the same one: there is no moment at which the two disagree. Each
 * task begins a new lineage, by which images of before are known for what they are, wherever they
 * lie (snapshot.h); those in state.dir are removed.
 *
 * What was emitted stays; what becomes of it is told by --help.
 */
#ifndef UPSHOT_CONSUMER_RESET_H
#define UPSHOT_CONSUMER_RESET_H

#include "consumer/config.h"

enum reset_kind { RESET_NOWHERE, RESET_EARLIEST, RESET_TIME, RESET_OFFSETS };

struct reset_offset {
    const char *topic;
    size_t topic_size;
    int32_t partition;
    int64_t offset;
};

enum { RESET_OFFSETS_MAX = 4096 };

struct reset_options {
    enum reset_kind kind;
    int64_t time_ms;              /* RESET_TIME: the first record at or after it */
    struct reset_offset *offsets; /* RESET_OFFSETS: of all inputs of each partition named */
    size_t offset_count;
    bool dry_run; /* only says what would change, on stdout */
};

/* Returns an exit code; EXIT_FOUND where the group is alive. */
int reset(const struct config *config, const struct reset_options *options);

#endif
