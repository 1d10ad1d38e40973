/*
 * bounds.h: every bound of the core in one place, each with its reason.
 *
 * A list without a bound is a queue that somebody's bad night will fill.
 */
#ifndef UPSHOT_STATEMACHINE_BOUNDS_H
#define UPSHOT_STATEMACHINE_BOUNDS_H

#include <stdint.h>

enum {
    /* One bit per status in a 64-bit mask, two values kept free for sentinels (DESIGN 2). */
    STATUSES_MAX = 62,
    /* Names that a table lost stay in the timeline without a vote (DESIGN 5, table change). */
    SEEN_MAX = 126,
    /* A channel's index travels in one byte; nobody has seen more than a dozen. */
    CHANNELS_MAX = 64,
    CHANNEL_NAME_MAX = 32,
    STATUS_NAME_MAX = 64,
    /* An id of 36 bytes is usual; 128 leaves room for two of them and a prefix (DESIGN 4). */
    MESSAGE_ID_MAX = 128,
    REASON_MAX = 256,
    ATTRIBUTES_MAX = 1024,
    /* Topic names are at most 249 bytes in Kafka; a file's path stands for one in a replay. */
    TOPIC_MAX = 4096,
    /* Inputs of one task: topics of `run`, files of `replay`. */
    INPUTS_MAX = 64,
};

/* 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: what RFC 3339 can write. */
#define TIME_MIN_MS (-62167219200000)
#define TIME_MAX_MS 253402300799999
/* Ten years: longer than any receipt was ever late, short enough that sums never overflow. */
#define DURATION_MAX_MS (3650LL * 24 * 60 * 60 * 1000)
/* No watermark yet: less than every time there is. */
#define TIME_NONE INT64_MIN

#endif
