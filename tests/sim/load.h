/* load.h: what is written into the inputs, and what must therefore come out. */
#ifndef UPSHOT_TESTS_SIM_LOAD_H
#define UPSHOT_TESTS_SIM_LOAD_H

#include "tests/sim/broker.h"

#define SENDS "in.sends"
#define RECEIPTS "in.receipts"
#define OUTCOMES "out.outcomes"
#define LETTERS "out.dead_letters"
#define STATE "sim.state"

extern int32_t load_partitions;

/* Lets lives happen from now on, over so long. */
void load_begin(int lives, int64_t over_us);
/* True once all has been written, and no transaction of a sender is open. */
bool load_is_over(void);

/* The last verdict of a message: of the life that has seen the send, else of the first. */
struct last {
    char name[96]; /* channel:id */
    int32_t partition;
    int64_t life;
    uint32_t revision;
    char outcome[16], status[16];
    bool send_seen, conflict;
};

struct lasts {
    struct last *rows;
    size_t count;
};

/* Finds the row of a name, or makes it (revision 0). */
struct last *lasts_of(struct lasts *lasts, const char *name);

/* What the inputs come to, without any fault: the same pump, fed as a replay feeds it. */
void oracle(struct lasts *lasts);

/* Records that a read_committed reader of this input sees in the end. */
uint64_t load_visible(const char *topic, int32_t partition);

#endif
