/* stage.h: the whole stage: topics, workers, signals, the end. */
#ifndef UPSHOT_CONSUMER_STAGE_H
#define UPSHOT_CONSUMER_STAGE_H

#include "consumer/config.h"

#include <stdatomic.h>

struct stage_options {
    bool no_wait;
    bool no_create;
    bool allow_table_change;
    bool trust_settings; /* see topics.h */
    /* Told once, at first: where HTTP is, NULL where it is not. NULL: nobody wants to know. */
    void (*on_listening)(void *context, const char *address);
    void *context;
};

/*
 * Runs until *stop, or until a worker cannot go on. Returns an exit code. Where the last
 * transaction cannot be finished, the process ends here and now with EXIT_WORLD.
 */
int stage_run(const struct config *config, const struct stage_options *options, atomic_bool *stop);

#endif
