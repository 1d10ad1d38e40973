/*
 * state_save.h: a point of an application's state, put aside as files (upshot state save).
 *
 * One file a partition, of the kind that a stage writes into state.dir, but exact: nothing is under
 * way when it is taken, so it is a state by itself, whatever becomes of the topic. replay
 * --state-at reads it, wherever state.dir says it is; a stage only where it is young enough.
 */
#ifndef UPSHOT_CONSUMER_STATE_SAVE_H
#define UPSHOT_CONSUMER_STATE_SAVE_H

#include "consumer/state_point.h"

/*
 * Saves the point of each partition into dir, which must be there, and prints a line a file.
 * Returns an exit code.
 */
int state_save(const struct config *config, struct tables *tables,
               const struct replay_position *wanted, const char *dir);

#endif
