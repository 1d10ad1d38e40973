/* checks.h: what must hold (DESIGN 9), seen from outside and, at rest, from inside. */
#ifndef UPSHOT_TESTS_SIM_CHECKS_H
#define UPSHOT_TESTS_SIM_CHECKS_H

#include "tests/sim/load.h"
#include "tests/sim/world.h"

/* Promise 3: revisions of each life, as a read_committed reader gets them; fills the verdicts. */
void check_outcomes(struct lasts *lasts);

/* Promise 1 and 6: NULL where the verdicts are the oracle's, else what is missing or wrong. */
const char *check_verdicts(const struct lasts *expected, const struct lasts *found);

/* Promise 2: NULL where each input record is counted once, else what is not. */
const char *check_counts(void);

/* NULL where every input was read to its end, as the committed offsets say. */
const char *check_consumed(void);

/* Promise 7: at the end of a run, with all quiet, and after a process has ended well. */
void check_idle(void);
void check_left(const struct process *process);

extern unsigned long long checks_of_memory; /* how often promise 5 was looked at */

#endif
