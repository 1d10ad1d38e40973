/* replay_progress.h: a line on a terminal: how much of a replay is done, how fast, how far. */
#ifndef UPSHOT_CONSUMER_REPLAY_PROGRESS_H
#define UPSHOT_CONSUMER_REPLAY_PROGRESS_H

#include "consumer/replay_files.h"

/* From here on rates are counted. */
void replay_progress_begin(void);
double replay_progress_seconds(void);

/* Draws the line anew, ten times a second at most. By one thread at a time. */
void replay_progress_show(const struct replay_progress *progress);

/* Takes the line away, where one was drawn. */
void replay_progress_clear(void);

#endif
