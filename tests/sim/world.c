/* world.c: the event queue, the fibers, and the clocks that the stage is given. */
#include "tests/sim/world.h"

#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/log.h"
#include "consumer/topics.h"
#include "schemas/instant.h"
#include "statemachine/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <xxhash.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBERS_ARE_TOLD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS_ARE_TOLD 1
#endif
#endif
#if defined(FIBERS_ARE_TOLD)
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_SIZE = 1 << 20, PIPES_MAX = 1 << 16 };

#define WALL_BASE_MS 1795428000000 /* 2026-11-23T10:00:00Z */

struct world world;

struct due {
    int64_t at;
    uint64_t order;
    struct process *owner;
    uint32_t incarnation;
    world_event *call;
    void *context;
    int64_t number;
};

static struct {
    struct due *rows;
    size_t count, room;
    uint64_t order;
} queue;

struct fiber {
    ucontext_t context;
    struct process *process;
    uint32_t incarnation;
    void (*body)(void *argument);
    void *argument;
    void *stack;
    void *fake_stack; /* AddressSanitizer's */
    uint64_t turn;    /* of waiting: older wake-ups are void */
    bool waiting;
    bool started;
};

static struct fiber *running;
static ucontext_t scheduler;
#if defined(FIBERS_ARE_TOLD)
static void *scheduler_fake_stack;
static const void *scheduler_stack;
static size_t scheduler_stack_size;
#endif
static struct fiber *pipe_waits[PIPES_MAX]; /* by descriptor */
static bool pipe_full[PIPES_MAX];

void world_init(uint64_t seed)
{
    world = (struct world){.seed = seed, .steps_max = UINT64_MAX};
    world.random.seed = seed;
    world.random.state = random_mix(seed + 1);
    world.trace = seed;
}

int64_t world_wall_ms(void)
{
    return WALL_BASE_MS + world.now_us / MS;
}

bool world_chance(int thousandths)
{
    return (int)random_below(&world.random, 1000) < thousandths;
}

int64_t world_between(int64_t least, int64_t most)
{
    return random_between(&world.random, least, most);
}

static void note_seen(const char *event, const char *line)
{
    static const struct {
        const char *event, *words;
    } rows[] = {
#define SEEN(field, event_word, words_text) {event_word, words_text},
#include "tests/sim/seen.def"
#undef SEEN
    };

    for (size_t i = 0; i < SEEN_COUNT; i++)
        if (strcmp(rows[i].event, event) == 0 && strstr(line, rows[i].words) != NULL)
            world.seen[i]++;
}

void world_trace(const char *format, ...)
{
    char line[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (size >= (int)sizeof(line))
        size = sizeof(line) - 1;
    world.trace = XXH3_64bits_withSeed(line, (size_t)size, world.trace ^ (uint64_t)world.now_us);
    world.steps++;
    note_seen("", line);
    if (world.tell)
        printf("%10.3f %s\n", (double)world.now_us / 1000.0, line);
    if (world.steps > world.steps_max)
        world_red_check("steps", "stopped after %llu steps", (unsigned long long)world.steps);
}

static _Noreturn void end_red(const char *check, const char *words)
{
    fflush(stdout);
    fprintf(stderr, "red seed=%llu check=%s at=%.3f s: %s\n", (unsigned long long)world.seed,
            check, (double)world.now_us / SECOND, words);
    fflush(stderr);
    _exit(1);
}

void world_red(const char *format, ...)
{
    char words[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    end_red("world", words);
}

void world_red_check(const char *check, const char *format, ...)
{
    char words[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    end_red(check, words);
}

/* A broken promise of the stage's own is a red run, too. */
_Noreturn void require_failed(const char *claim, const char *file, int line)
{
    world_red_check("require", "%s at %s:%d", claim, file, line);
}

/* ---- the queue: a binary heap by time, then by arrival ---- */

static bool before(const struct due *a, const struct due *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct due event)
{
    size_t i;

    if (queue.count == queue.room) {
        queue.room = queue.room == 0 ? 1024 : queue.room * 2;
        queue.rows = memory_resize(queue.rows, queue.room, sizeof(*queue.rows));
    }
    for (i = queue.count++; i > 0 && before(&event, &queue.rows[(i - 1) / 2]); i = (i - 1) / 2)
        queue.rows[i] = queue.rows[(i - 1) / 2];
    queue.rows[i] = event;
}

static struct due pop(void)
{
    struct due top = queue.rows[0], last = queue.rows[--queue.count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= queue.count)
            break;
        if (child + 1 < queue.count && before(&queue.rows[child + 1], &queue.rows[child]))
            child++;
        if (!before(&queue.rows[child], &last))
            break;
        queue.rows[i] = queue.rows[child];
        i = child;
    }
    queue.rows[i] = last;
    return top;
}

void world_at(int64_t at_us, struct process *owner, world_event *event, void *context,
              int64_t number)
{
    push((struct due){.at = at_us < world.now_us ? world.now_us : at_us,
                        .order = queue.order++,
                        .owner = owner,
                        .incarnation = owner == NULL ? 0 : owner->incarnation,
                        .call = event,
                        .context = context,
                        .number = number});
}

void world_after(int64_t delay_us, struct process *owner, world_event *event, void *context,
                 int64_t number)
{
    world_at(world.now_us + delay_us, owner, event, context, number);
}

void world_run(int64_t until_us, bool (*done)(void))
{
    while (queue.count > 0 && queue.rows[0].at <= until_us) {
        struct due event = pop();
        struct process *owner = event.owner;

        world.now_us = event.at;
        if (owner != NULL) {
            if (!owner->alive || owner->incarnation != event.incarnation)
                continue;
            if (owner->paused_until > world.now_us) {
                event.at = owner->paused_until;
                push(event); /* its order among the others stays */
                continue;
            }
        }
        event.call(event.context, event.number);
        if (done != NULL && done())
            return;
    }
    if (world.now_us < until_us)
        world.now_us = until_us;
}

/* ---- fibers ---- */

struct fiber *fiber_now(void)
{
    return running;
}

struct process *process_now(void)
{
    return running == NULL ? NULL : running->process;
}

static void switch_to(struct fiber *fiber)
{
    running = fiber;
#if defined(FIBERS_ARE_TOLD)
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber->stack, STACK_SIZE);
#endif
    swapcontext(&scheduler, &fiber->context);
#if defined(FIBERS_ARE_TOLD)
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, NULL, NULL);
#endif
    running = NULL;
}

/* Back to the scheduler; where `forever`, nobody comes back here. */
static void switch_back(bool forever)
{
    struct fiber *fiber = running;
#if defined(FIBERS_ARE_TOLD)
    __sanitizer_start_switch_fiber(forever ? NULL : &fiber->fake_stack, scheduler_stack,
                                   scheduler_stack_size);
#else
    (void)forever;
#endif
    swapcontext(&fiber->context, &scheduler);
#if defined(FIBERS_ARE_TOLD)
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &scheduler_stack, &scheduler_stack_size);
#endif
}

static void resume(void *context, int64_t number)
{
    struct fiber *fiber = context;

    if (!fiber->waiting || fiber->turn != (uint64_t)number)
        return;
    fiber->waiting = false;
    switch_to(fiber);
}

void fiber_wait(int64_t until_us)
{
    struct fiber *fiber = running;

    require(fiber != NULL);
    fiber->turn++;
    fiber->waiting = true;
    world_at(until_us, fiber->process, resume, fiber, (int64_t)fiber->turn);
    switch_back(false);
}

void fiber_wake(struct fiber *fiber)
{
    if (fiber != NULL && fiber->waiting && fiber->process->alive &&
        fiber->incarnation == fiber->process->incarnation)
        world_after(world_between(0, 200), fiber->process, resume, fiber, (int64_t)fiber->turn);
}

static void body(void)
{
#if defined(FIBERS_ARE_TOLD)
    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_stack_size);
#endif
    running->body(running->argument);
    switch_back(true);
    abort();
}

static void run_worker(void *worker)
{
    struct process *process = running->process;
    bool all = true;

    worker_main(worker);
    for (int i = 0; i < process->worker_count; i++)
        all = all && atomic_load(&process->workers[i].finished);
    if (all) {
        world_trace("P%d exits code=%d", process->number, atomic_load(&process->stage->code));
        process->exited = true;
        process->alive = false;
    }
}

static void nothing(void)
{
}

void world_prepare(void)
{
    static char stack[64 * 1024];
    ucontext_t context, here;

    require(getcontext(&context) == 0);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = sizeof(stack);
    context.uc_link = &here;
    makecontext(&context, nothing, 0);
    require(swapcontext(&here, &context) == 0);
}

static struct fiber *fiber_new(struct process *process, void (*what)(void *), void *argument)
{
    struct fiber *fiber = memory_get(sizeof(*fiber));

    memset(fiber, 0, sizeof(*fiber));
    fiber->process = process;
    fiber->incarnation = process->incarnation;
    fiber->body = what;
    fiber->argument = argument;
    fiber->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(fiber->stack != MAP_FAILED);
    require(getcontext(&fiber->context) == 0);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_SIZE;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, body, 0);
    fiber->turn = 1;
    fiber->waiting = true;
    world_after(world_between(0, MS), process, resume, fiber, 1);
    return fiber;
}

struct fiber *fiber_start(void (*what)(void *), void *argument)
{
    return fiber_new(running->process, what, argument);
}

/* ---- processes ---- */

void process_start(struct process *process)
{
    struct stage *stage = memory_get(sizeof(*stage));
    uint64_t name = random_bits(&world.random);

    require(!process->alive);
    memset(stage, 0, sizeof(*stage));
    process->incarnation++;
    process->alive = true;
    process->exited = false;
    process->paused_until = 0;
    process->objects = process->clients = 0;
    process->stage = stage;
    stage->config = &process->config;
    stage->facts = world.facts;
    stage->state_topic = world.state_topic;
    stage->wall_base_ms = clock_wall_ms();
    stage->monotonic_base_ms = clock_monotonic_ms();
    snprintf(stage->random, sizeof(stage->random), "%016llx", (unsigned long long)name);
    world_trace("P%d starts", process->number);
    for (int i = 0; i < process->worker_count; i++) {
        process->workers[i] = (struct worker){.stage = process->stage, .number = i};
        fiber_new(process, run_worker, &process->workers[i]);
    }
}

void process_kill(struct process *process)
{
    if (!process->alive)
        return;
    world_trace("P%d killed", process->number);
    process->alive = false;
    if (running != NULL && running->process == process)
        switch_back(true);
}

void process_pause(struct process *process, int64_t for_us)
{
    if (!process->alive)
        return;
    world_trace("P%d sleeps %lld ms", process->number, (long long)(for_us / MS));
    if (process->paused_until < world.now_us + for_us) /* a sleeper is not woken by another sleep */
        process->paused_until = world.now_us + for_us;
    if (running != NULL && running->process == process)
        fiber_wait(process->paused_until);
}

void process_stop(struct process *process)
{
    if (!process->alive)
        return;
    world_trace("P%d told to stop", process->number);
    atomic_store(&process->stage->stop, true);
}

void seam_short(const char *what)
{
    struct process *process = process_now();

    process->seams++;
    if (world.at_seam != NULL && world.at_seam(process, what))
        process_kill(process);
}

void seam(const char *what)
{
    struct process *process = process_now();

    world_trace("P%d %s", process->number, what);
    seam_short(what);
    if (world_chance(500))
        fiber_wait(world.now_us + world_between(1, 500));
}

/* ---- what the stage takes for the machine ---- */

int64_t clock_wall_ms(void)
{
    return world_wall_ms();
}

int64_t clock_monotonic_ms(void)
{
    return 1000000 + world.now_us / MS;
}

void clock_sleep_ms(int64_t ms)
{
    seam("sleep");
    fiber_wait(world.now_us + ms * MS);
}

void clock_wait(int pipe_fd, int64_t at_most_ms)
{
    seam_short("rest");
    require(pipe_fd >= 0 && pipe_fd < PIPES_MAX);
    if (!pipe_full[pipe_fd]) {
        pipe_waits[pipe_fd] = running;
        fiber_wait(world.now_us + at_most_ms * MS + world_between(0, MS));
        pipe_waits[pipe_fd] = NULL;
    }
    pipe_full[pipe_fd] = false;
}

void world_signal(int pipe_fd)
{
    require(pipe_fd > 0 && pipe_fd < PIPES_MAX);
    pipe_full[pipe_fd] = true;
    fiber_wake(pipe_waits[pipe_fd]);
}

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}

uint64_t hash_seed(void)
{
    return random_bits(&world.random);
}

void log_set_level(enum log_level level)
{
    (void)level;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    char line[1024];
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    world.trace = XXH3_64bits_withSeed(event, strlen(event), world.trace);
    note_seen(event, line);
    if (world.logs)
        printf("%10.3f     P%d: %s %s\n", (double)world.now_us / 1000.0,
               running == NULL ? -1 : running->process->number, event, line);
}

/* Here every line counts: none is left out for being the same. */
void log_seldom(enum log_level level, const char *event, const char *subject, const char *format,
                ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    (void)subject;
    log_line(level, event, "%s", line);
}

/* Of topics.c, which asks brokers what the simulation takes as given. */
void topics_tell_added(const char *topic, int32_t partitions, int32_t known)
{
    world_red("%s has %d partitions, not %d", topic, partitions, known);
}
