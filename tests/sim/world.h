/*
 * world.h: time, chance, processes and their threads, all made up (tests/sim/README.md).
 *
 * One event queue on virtual time drives everything. A worker's thread is a fiber that gives the
 * turn back wherever a real one would wait for the network or sleep: at a seam. What happens next
 * is drawn from the seed, so a seed replays the same steps.
 */
#ifndef UPSHOT_TESTS_SIM_WORLD_H
#define UPSHOT_TESTS_SIM_WORLD_H

#include "consumer/config.h"
#include "consumer/worker.h"
#include "tests/random.h"

#include <stdbool.h>
#include <stdint.h>

enum { MS = 1000, SECOND = 1000 * MS, PROCESSES_MAX = 4, WORKERS_MAX = 2, NODES = 3 };

struct fiber;
struct inside;

/* One process of `upshot run`; it may die and come back as its next incarnation. */
struct process {
    int number;
    bool alive, exited; /* exited: all its workers have ended by themselves */
    uint32_t incarnation;
    int64_t paused_until; /* SIGSTOP; 0: runs */
    struct config config;
    struct stage *stage;
    struct worker workers[WORKERS_MAX];
    int worker_count;
    bool wanted;  /* the supervisor starts it again */
    bool is_twin; /* has the instance.id of process 0, by somebody's mistake */
    int64_t cut_until[NODES];
    long objects; /* of librdkafka: handles, messages, lists, headers; 0 when it has ended well */
    long clients; /* handles alone */
    long seams;
    long transactions; /* begun */
};

/* Which of them are broken. */
struct rules {
#define RULE(name) bool name;
#include "tests/sim/rules.def"
#undef RULE
};

/* How likely something goes wrong, in thousandths of requests. */
struct chances {
    int lost, answer_lost, late, slow;
};

/* What a run has been through. */
enum sight {
#define SEEN(field, event, words) SEEN_##field,
#include "tests/sim/seen.def"
#undef SEEN
    SEEN_COUNT
};

struct world {
    uint64_t seed;
    struct random random;
    int64_t now_us;
    uint64_t trace; /* hash of all that happened */
    uint64_t steps, steps_max;
    unsigned seen[SEEN_COUNT];
    bool tell;  /* print the trace */
    bool logs;  /* print what the stage logs */
    bool calm;  /* no more faults */
    struct chances chances;
    struct rules rules;
    int64_t node_down_until[NODES];
    struct topics_facts facts; /* what topics_prepare() would have found */
    char *state_topic;
    struct process processes[PROCESSES_MAX];
    int process_count;
    /* Asked at every seam of a fiber; true: the process dies here. */
    bool (*at_seam)(struct process *process, const char *what);
    /* Asked for every request as it is sent; true: *fate was set. */
    bool (*at_request)(struct process *process, const char *what, int *fate);
};

extern struct world world;

void world_init(uint64_t seed);
/* Before any run: lets AddressSanitizer say once what it thinks of fibers. */
void world_prepare(void);

int64_t world_wall_ms(void);
bool world_chance(int thousandths);
int64_t world_between(int64_t least, int64_t most);

/* One line of the trace; hashed always, printed on demand. */
__attribute__((format(printf, 1, 2))) void world_trace(const char *format, ...);

/* A broken promise: prints why and ends this run, red. */
__attribute__((format(printf, 1, 2))) _Noreturn void world_red(const char *format, ...);
/* Which of the checks it was that went red; for the summary. */
__attribute__((format(printf, 2, 3))) _Noreturn void world_red_check(const char *check,
                                                                     const char *format, ...);

/* Calls back at a time; an event of a process waits while that sleeps, and dies with it. */
typedef void world_event(void *context, int64_t number);
void world_at(int64_t at_us, struct process *owner, world_event *event, void *context,
              int64_t number);
void world_after(int64_t delay_us, struct process *owner, world_event *event, void *context,
                 int64_t number);

/* Runs until nothing is left, or `until_us`, or `done` says so. */
void world_run(int64_t until_us, bool (*done)(void));

/* ---- processes ---- */

void process_start(struct process *process);
/* SIGKILL. Does not return where the process is the one that runs. */
void process_kill(struct process *process);
void process_pause(struct process *process, int64_t for_us);
/* SIGTERM. */
void process_stop(struct process *process);

/* The process whose fiber runs now, NULL: none. */
struct process *process_now(void);

/* ---- fibers ---- */

struct fiber *fiber_now(void);
/* One more thread of the process whose fiber runs now. */
struct fiber *fiber_start(void (*body)(void *argument), void *argument);
/* Gives the turn back until then, or until somebody wakes it. */
void fiber_wait(int64_t until_us);
void fiber_wake(struct fiber *fiber);

/* A place where a thread may lose its turn, or its life. */
void seam(const char *what);
/* One where it may only lose its life. */
void seam_short(const char *what);

/* Something was written into the pipe of which this is the reading end. */
void world_signal(int pipe_fd);

#endif
