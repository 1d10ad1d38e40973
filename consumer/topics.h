/*
 * topics.h: what must be there before the stage can start: inputs with equal partition counts,
 * outputs and a compacted state topic with the same count, created where they are missing.
 */
#ifndef UPSHOT_CONSUMER_TOPICS_H
#define UPSHOT_CONSUMER_TOPICS_H

#include "consumer/config.h"

#include <stdatomic.h>

struct topics_options {
    bool no_wait;        /* an unreachable broker or a missing input ends the try after 10 s */
    bool no_create;      /* missing outputs are refused */
    bool trust_settings; /* do not ask for topics' settings: the mock cluster cannot answer */
    const atomic_bool *stop;
};

struct topics_facts {
    int32_t partitions;
    int64_t dead_letter_max_bytes; /* max.message.bytes of the dead-letter topic */
    int64_t output_max_bytes;      /* the least of all outputs and the state topic */
};

/* app.id + ".state"; the caller's. */
char *topics_state_name(const struct config *config);

/*
 * Looks, waits, creates. Returns an exit code, EXIT_WELL with *facts filled; what is in the way is
 * logged, at least every 10 s.
 */
int topics_prepare(const struct config *config, const struct topics_options *options,
                   struct topics_facts *facts);

#endif
