/*
 * sim_test.c: the stage against a fake Kafka, by seed (tests/sim/README.md).
 *
 *   sim_test                     every seam of a transaction; seeds 1 to 400, after which all of
 *                                seen.def must have happened; some of them twice, to see that a
 *                                seed replays; then new seeds for 30 s
 *   sim_test --plans             the first alone
 *   sim_test --seconds S         random seeds alone, so long
 *   sim_test --seeds N           random seeds alone, so many; --seed says which is the first
 *   sim_test --seed N [--tell]   one run, with its trace
 */
#include "consumer/config.h"
#include "statemachine/memory.h"
#include "tests/sim/checks.h"
#include "tests/sim/fake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CALM_BOUND_US = 240 * SECOND,
    STOP_WITHIN_US = 4500 * MS,
    SEAMS_AFTER = 8, /* until its end is taken back, and the next is on its way */
};

struct options {
    uint64_t seed;
    bool one;
    int64_t seconds; /* 0: until `seeds` are done */
    uint64_t seeds;
    uint64_t steps;
    bool tell, logs, twice;
    struct rules rules;
};

/* ---- the machines that run the stage ---- */

static void set(struct config *config, const char *name, const char *value)
{
    struct buffer complaint = {0};

    require(config_set(config, name, value, &complaint));
    buffer_release(&complaint);
}

static void make_process(int number, int instance, bool is_static, int workers)
{
    struct process *process = &world.processes[number];
    struct config *config = &process->config;
    char name[32];

    process->number = number;
    process->worker_count = workers;
    config_init(config);
    set(config, "app.id", "sim");
    snprintf(name, sizeof(name), "p%d", instance);
    set(config, "instance.id", is_static ? name : "");
    set(config, "input.topics", SENDS "," RECEIPTS);
    set(config, "outcomes.topic", OUTCOMES);
    set(config, "dead_letters.topic", LETTERS);
    set(config, "channels.dir", UPSHOT_SOURCE_DIR "/tests/sim/channels");
    set(config, "workers", workers == 1 ? "1" : "2");
    set(config, "commit.interval", "200ms");
    set(config, "commit.records", world_chance(300) ? "5" : "200");
    set(config, "idle.after", "2s");
    set(config, "input.wait.max", "90s");
    set(config, "session.timeout.ms", "6000");
    set(config, "heartbeat.interval.ms", "1000");
}

static void supervise(void *context, int64_t number)
{
    for (int i = 0; i < world.process_count; i++) {
        struct process *process = &world.processes[i];
        if (process->exited && atomic_load(&process->stage->code) == 0) {
            check_left(process);
            process->exited = false;
        }
        if (process->wanted && !process->alive)
            process_start(process);
    }
    world_after(world_between(300 * MS, 700 * MS), NULL, supervise, context, number);
}

static void start_again(void *context, int64_t number)
{
    struct process *process = context;

    (void)number;
    if (!world.calm)
        process->wanted = true;
}

static void stop_at_last(void *context, int64_t number)
{
    struct process *process = context;

    if (process->alive && process->incarnation == (uint32_t)number)
        process_kill(process);
}

static void terminate(struct process *process)
{
    if (!process->alive)
        return;
    process_stop(process);
    world_after(STOP_WITHIN_US, NULL, stop_at_last, process, process->incarnation);
}

/* ---- faults ---- */

static void fault(void *context, int64_t number)
{
    struct process *process = &world.processes[world_between(0, world.process_count - 1)];
    int node = (int)world_between(0, NODES - 1);

    if (world.calm)
        return;
    if (process->is_twin && !process->wanted) {
        process->wanted = true;
        world_after(world_between(50 * MS, number), NULL, fault, context, number);
        return;
    }
    switch (world_between(0, 9)) {
    case 0:
    case 1:
        process_kill(process);
        if (world_chance(300)) {
            process->wanted = false;
            world_after(world_between(SECOND, 15 * SECOND), NULL, start_again, process, 0);
        }
        break;
    case 2:
        process_pause(process, world_between(100 * MS, 3 * SECOND));
        break;
    case 3:
        process_pause(process, world_between(6 * SECOND, 25 * SECOND));
        break;
    case 4:
        process->cut_until[node] = world.now_us + world_between(SECOND, 20 * SECOND);
        break;
    case 5:
        for (int i = 0; i < NODES; i++)
            process->cut_until[i] = world.now_us + world_between(SECOND, 20 * SECOND);
        break;
    case 6:
        world.node_down_until[node] = world.now_us + world_between(500 * MS, 20 * SECOND);
        break;
    case 7:
        terminate(process);
        if (world_chance(400)) {
            process->wanted = false;
            world_after(world_between(SECOND, 20 * SECOND), NULL, start_again, process, 0);
        }
        break;
    default:
        log_compact(broker_log(STATE, (int32_t)world_between(0, load_partitions - 1)));
    }
    world_after(world_between(50 * MS, number), NULL, fault, context, number);
}

static void calm_down(void)
{
    world.calm = true;
    world_trace("calm");
    for (int i = 0; i < world.process_count; i++) {
        struct process *process = &world.processes[i];
        process->wanted = !process->is_twin;
        if (process->is_twin)
            process_kill(process);
        memset(process->cut_until, 0, sizeof(process->cut_until));
    }
    memset(world.node_down_until, 0, sizeof(world.node_down_until));
}

/* ---- one run ---- */

static void prepare_world(const struct options *options, uint64_t seed)
{
    world_init(seed);
    world.tell = options->tell;
    world.logs = options->logs;
    world.rules = options->rules;
    if (options->steps > 0)
        world.steps_max = options->steps;
}

static void make_world(int32_t partitions, int processes, bool is_static, int workers, bool twin)
{
    static const char *const inputs[] = {SENDS, RECEIPTS};

    load_partitions = partitions;
    broker_init();
    broker_topic(SENDS, load_partitions, false);
    broker_topic(RECEIPTS, load_partitions, false);
    broker_topic(OUTCOMES, load_partitions, false);
    broker_topic(LETTERS, load_partitions, false);
    broker_topic(STATE, load_partitions, true);
    group_subscribe(inputs, 2);
    world.facts = (struct topics_facts){.partitions = load_partitions,
                                        .dead_letter_max_bytes = 1 << 20,
                                        .output_max_bytes = 1 << 20};
    world.state_topic = strdup(STATE);
    world.process_count = processes;
    for (int i = 0; i < processes; i++) {
        make_process(i, i, is_static, workers);
        world.processes[i].wanted = true;
    }
    if (twin) {
        make_process(processes, 0, is_static, workers);
        world.processes[world.process_count++].is_twin = true;
    }
    world_after(0, NULL, supervise, NULL, 0);
}

/* All is well again: what must hold now, and soon. */
static void heal_and_check(void)
{
    struct lasts expected = {0};
    int64_t end_us = world.now_us + CALM_BOUND_US;
    const char *why = "it was never asked";

    calm_down();
    while (why != NULL) {
        struct lasts found = {0};
        if (world.now_us > end_us)
            world_red_check("alive", "%lld s after the last fault: %s",
                            (long long)(CALM_BOUND_US / SECOND), why);
        world_run(world.now_us + 2 * SECOND, NULL);
        check_outcomes(&found);
        if (!load_is_over()) {
            why = "the load is not over";
        } else {
            if (expected.count == 0)
                oracle(&expected);
            why = check_consumed();
            if (why == NULL)
                why = check_counts();
            if (why == NULL)
                why = check_verdicts(&expected, &found);
        }
        free(found.rows);
    }
    /* Some more, in which nothing may change; who slept till now finds all done. */
    for (int i = 0; i < world.process_count; i++)
        if (world.processes[i].alive && world.processes[i].paused_until > world.now_us)
            world_run(world.processes[i].paused_until, NULL);
    world_run(world.now_us + 8 * SECOND, NULL);
    {
        struct lasts found = {0};
        check_outcomes(&found);
        if ((why = check_verdicts(&expected, &found)) != NULL)
            world_red_check("verdicts", "%s", why);
        if ((why = check_counts()) != NULL)
            world_red_check("counts", "%s", why);
        free(found.rows);
    }
    free(expected.rows);
    check_idle();
    for (int i = 0; i < world.process_count; i++) {
        world.processes[i].wanted = false;
        process_stop(&world.processes[i]);
    }
    world_run(world.now_us + 6 * SECOND, NULL);
    for (int i = 0; i < world.process_count; i++) {
        if (world.processes[i].alive)
            world_red_check("alive", "P%d does not stop", i);
        if (world.processes[i].exited)
            check_left(&world.processes[i]);
    }
}

static void run_random(const struct options *options, uint64_t seed)
{
    static const int chances[] = {0, 2, 10, 40};
    int64_t length_us, every_us;
    bool is_static;

    prepare_world(options, seed);
    is_static = world_chance(500);
    make_world((int32_t)world_between(1, 3), (int)world_between(1, 3), is_static,
               world_chance(700) ? 1 : 2,
               is_static && world_chance(150));
    world.chances = (struct chances){.lost = chances[world_between(0, 3)],
                                     .answer_lost = chances[world_between(0, 3)],
                                     .late = chances[world_between(0, 3)],
                                     .slow = chances[world_between(0, 3)]};
    length_us = world_between(5 * SECOND, 40 * SECOND);
    every_us = world_between(200 * MS, 8 * SECOND);
    load_begin((int)world_between(5, 60), length_us);
    world_after(world_between(0, every_us), NULL, fault, NULL, every_us);
    world_run(length_us, NULL);
    heal_and_check();
}

/* ---- every seam of one transaction ---- */

enum deed { DEED_NONE, DEED_CRASH, DEED_CRASH_LONG, DEED_SLEEP, DEED_SLEEP_LONG, DEED_COUNT };
enum other {
    OTHER_ABSENT,
    OTHER_RUNS,
    OTHER_IN_TRANSACTION, /* sleeps within one of its own, past its session */
    OTHER_RESTORES,       /* has just started */
    OTHER_ZOMBIE,         /* sleeps, and wakes after its transaction was aborted for it */
    OTHER_COUNT,
};

static const char *const deed_words[] = {"nothing", "crash", "crash, back late", "sleep",
                                         "long sleep"};
static const char *const other_words[] = {"absent", "running", "in a transaction", "restoring",
                                          "a zombie"};

/* What happens to process 0 in one of its transactions, and what process 1 does meanwhile. */
struct plan {
    enum deed deed;
    int seam;    /* at which the deed is done */
    int request; /* or: which request of it has another fate, -1: none */
    enum wire_fate fate;
    enum other other;
    bool is_static;
    bool late; /* not the third one, but one of deadlines alone, when the inputs are silent */
};

static struct plan plan;
static bool in_window, window_over, other_sleeps;
static int window_seams, window_requests, seams_after;

static void open_window(void)
{
    struct process *other = &world.processes[1];

    in_window = true;
    if (plan.other == OTHER_RESTORES) {
        process_kill(other);
        process_start(other);
    }
}

static bool plan_at_seam(struct process *process, const char *what)
{
    if (process->number == 1 && plan.other == OTHER_IN_TRANSACTION && in_window &&
        !other_sleeps && strcmp(what, "offsets added") == 0) {
        other_sleeps = true;
        process_pause(process, 9 * SECOND);
    }
    if (process->number != 0 || window_over)
        return false;
    if (!in_window && strcmp(what, "begin_transaction") == 0 &&
        (plan.late ? load_is_over() : process->transactions == 2))
        open_window();
    if (!in_window)
        return false;
    if (strcmp(what, "commit_transaction returns") == 0 || seams_after > 0)
        window_over = ++seams_after > SEAMS_AFTER;
    if (window_seams++ != plan.seam)
        return false;
    switch (plan.deed) {
    case DEED_NONE:
    case DEED_COUNT:
        break;
    case DEED_CRASH:
        return true;
    case DEED_CRASH_LONG:
        process->wanted = false;
        world_after(9 * SECOND, NULL, start_again, process, 0);
        return true;
    case DEED_SLEEP:
        process_pause(process, 9 * SECOND);
        break;
    case DEED_SLEEP_LONG:
        process_pause(process, 25 * SECOND);
        break;
    }
    return false;
}

static bool plan_at_request(struct process *process, const char *what, int *fate)
{
    if (process->number != 0 || !in_window || window_over || strcmp(what, "Fetch") == 0)
        return false;
    if (window_requests++ != plan.request)
        return false;
    *fate = plan.fate;
    return true;
}

static void run_plan(const struct options *options)
{
    prepare_world(options, 7);
    make_world(2, plan.other == OTHER_ABSENT ? 1 : 2, plan.is_static, 1, false); /* one for each */
    world.at_seam = plan_at_seam;
    world.at_request = plan_at_request;
    load_begin(20, 12 * SECOND);
    if (plan.other == OTHER_ZOMBIE) {
        world_run(3 * SECOND, NULL);
        process_pause(&world.processes[1], 30 * SECOND);
    }
    world_run(plan.other == OTHER_ZOMBIE || plan.deed == DEED_SLEEP_LONG || plan.late
                  ? 40 * SECOND
                  : 26 * SECOND,
              NULL);
    heal_and_check();
}

/* ---- many runs, each in a process of its own ---- */

struct result {
    uint64_t trace, steps;
    unsigned long long memory;
    int seams, requests;
    unsigned seen[SEEN_COUNT];
};

/* What all runs of this process came to. */
static struct totals {
    unsigned long long runs, steps, memory, seen[SEEN_COUNT];
} totals;

/* Runs are shared out among so many processes: a run is mine where its number says so. */
static unsigned shard, shards = 1;

static bool mine(uint64_t number)
{
    return number % shards == shard;
}

/* False: red. */
static bool run_apart(const struct options *options, const struct plan *planned, uint64_t seed,
                      struct result *result)
{
    int fds[2], status = 0;
    pid_t child;

    require(pipe(fds) == 0);
    fflush(stdout);
    child = fork();
    require(child >= 0);
    if (child == 0) {
        close(fds[0]);
        if (planned != NULL) {
            plan = *planned;
            run_plan(options);
        } else {
            run_random(options, seed);
        }
        *result = (struct result){.trace = world.trace,
                                  .steps = world.steps,
                                  .memory = checks_of_memory,
                                  .seams = window_seams,
                                  .requests = window_requests};
        memcpy(result->seen, world.seen, sizeof(result->seen));
        require(write(fds[1], result, sizeof(*result)) == (ssize_t)sizeof(*result));
        fflush(stdout);
        _exit(0);
    }
    close(fds[1]);
    if (read(fds[0], result, sizeof(*result)) != (ssize_t)sizeof(*result))
        *result = (struct result){0};
    close(fds[0]);
    totals.runs++;
    totals.steps += result->steps;
    totals.memory += result->memory;
    for (size_t i = 0; i < SEEN_COUNT; i++)
        totals.seen[i] += result->seen[i];
    require(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (planned != NULL)
        fprintf(stderr,
                "red: replay it with --plan %d,%d,%d,%d,%d,%d,%d --tell   (%s at seam %d, or "
                "request %d has fate %d; the other is %s; %s)\n",
                planned->deed, planned->seam, planned->request, planned->fate, planned->other,
                planned->is_static, planned->late,
                deed_words[planned->deed], planned->seam, planned->request, planned->fate,
                other_words[planned->other], planned->is_static ? "static" : "dynamic");
    else
        fprintf(stderr, "red: replay it with --seed %" PRIu64 " --tell\n", seed);
    return false;
}

/* Every seam x what happens there, every request x its fate; x the other's state, x membership. */
static int run_plans(const struct options *options)
{
    struct result result, total = {0};
    uint64_t runs = 0;

    for (int i = 0; i < OTHER_COUNT * 4; i++) {
        struct plan base = {.seam = -1,
                            .request = -1,
                            .other = (enum other)(i / 4),
                            .is_static = i % 2 != 0,
                            .late = i % 4 >= 2};
        struct plan next = base;
        if (base.late && base.other != OTHER_RUNS && base.other != OTHER_ZOMBIE)
            continue; /* alone, a transaction is like another; and who sleeps or starts does so */
        if (!run_apart(options, &base, 0, &result))
            return 1;
        total = result;
        for (int j = 0; j < total.seams * (DEED_COUNT - 1); j++, runs++) {
            next = base;
            next.seam = j / (DEED_COUNT - 1);
            next.deed = (enum deed)(1 + j % (DEED_COUNT - 1));
            if (mine(runs) && !run_apart(options, &next, 0, &result))
                return 1;
        }
        for (int j = 0; j < total.requests * 3; j++, runs++) {
            next = base;
            next.request = j / 3;
            next.fate = (enum wire_fate)(WIRE_LOST + j % 3);
            if (mine(runs) && !run_apart(options, &next, 0, &result))
                return 1;
        }
        /* A sleeper that has lost its partitions, and whose last requests come late. */
        for (int j = 0; j < total.seams * total.requests; j++, runs++) {
            if (base.other != OTHER_RUNS || base.late)
                break;
            next = base;
            next.deed = DEED_SLEEP;
            next.seam = j / total.requests;
            next.request = j % total.requests;
            next.fate = WIRE_LATE;
            if (mine(runs) && !run_apart(options, &next, 0, &result))
                return 1;
        }
        if (shard == 0)
            printf("exhaustive: the other %s, %s%s: %d seams, %d requests\n",
                   other_words[base.other], base.is_static ? "static" : "dynamic",
                   base.late ? ", deadlines alone" : "", total.seams, total.requests);
        if (total.seams < 12 || total.requests < 5) {
            fprintf(stderr, "red: there was no such transaction\n");
            return 1;
        }
        fflush(stdout);
    }
    return 0;
}

static int run_seeds(const struct options *options)
{
    struct timespec now;
    int64_t end_s, first_s;
    uint64_t seed = options->seed, runs = 0;
    struct result result;

    clock_gettime(CLOCK_MONOTONIC, &now);
    first_s = now.tv_sec;
    end_s = first_s + options->seconds;
    while (options->seconds > 0 ? now.tv_sec < end_s : runs < options->seeds) {
        if (mine(runs) && !run_apart(options, NULL, seed, &result))
            return 1;
        seed++;
        runs++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return 0;
}

/* Does a part of the work in several processes, and adds up what they have seen. */
static int share_out(const char *what, int (*work)(const struct options *),
                     const struct options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = processors > 1 ? processors < 16 ? (unsigned)processors : 16 : 1;
    pid_t children[16];
    int fds[2], code = 0;
    struct totals part;

    require(pipe(fds) == 0);
    fflush(stdout);
    for (unsigned i = 0; i < count; i++) {
        children[i] = fork();
        require(children[i] >= 0);
        if (children[i] > 0)
            continue;
        shard = i;
        shards = count;
        totals = (struct totals){0};
        code = work(options);
        require(write(fds[1], &totals, sizeof(totals)) == (ssize_t)sizeof(totals));
        fflush(stdout);
        _exit(code);
    }
    totals = (struct totals){0};
    for (unsigned i = 0; i < count; i++) {
        int status;
        require(waitpid(children[i], &status, 0) == children[i]);
        code = code != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        if (read(fds[0], &part, sizeof(part)) != (ssize_t)sizeof(part))
            continue;
        totals.runs += part.runs;
        totals.steps += part.steps;
        totals.memory += part.memory;
        for (size_t j = 0; j < SEEN_COUNT; j++)
            totals.seen[j] += part.seen[j];
    }
    close(fds[0]);
    close(fds[1]);
    printf("%s: %llu runs, %llu steps, memory compared %llu times, %s\n", what, totals.runs,
           totals.steps, totals.memory, code == 0 ? "all green" : "RED");
    fflush(stdout);
    return code;
}

/* A run in which nothing happens proves nothing. False: something is missing. */
static bool tell_seen(void)
{
    static const char *const words[] = {
#define SEEN(field, event, text) #field,
#include "tests/sim/seen.def"
#undef SEEN
    };
    bool all = true;

    printf("seen:");
    for (size_t i = 0; i < SEEN_COUNT; i++) {
        printf(" %s %llu%s", words[i], totals.seen[i], i + 1 < SEEN_COUNT ? "," : "\n");
        all = all && totals.seen[i] > 0;
    }
    return all;
}

/* The same seed gives the same steps, or a red one could not be looked at. */
static bool seeds_replay(const struct options *options)
{
    struct result first, second;

    for (uint64_t seed = 1; seed <= 20; seed++)
        if (!run_apart(options, NULL, seed, &first) || !run_apart(options, NULL, seed, &second) ||
            first.trace != second.trace || first.steps != second.steps) {
            fprintf(stderr, "red: seed %" PRIu64 " is not the same twice\n", seed);
            return false;
        }
    return true;
}

/* The part of a whole run that is the same each time. */
static int run_always(struct options *options)
{
    struct options fixed = *options;
    struct timespec now;

    fixed.seconds = 0;
    fixed.seeds = 400;
    if (!seeds_replay(&fixed) || share_out("seeds 1 to 400", run_seeds, &fixed) != 0)
        return 1;
    if (!tell_seen()) {
        fprintf(stderr, "red: something has never happened\n");
        return 1;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    options->seed = (uint64_t)now.tv_sec * 1000;
    return 0;
}

/* ---- words ---- */

static const struct {
    const char *name;
    size_t at;
} rule_names[] = {
#define RULE(name) {#name, offsetof(struct rules, name)},
#include "tests/sim/rules.def"
#undef RULE
};

static bool break_rule(struct rules *rules, const char *name)
{
    for (size_t i = 0; i < sizeof(rule_names) / sizeof(*rule_names); i++)
        if (strcmp(rule_names[i].name, name) == 0) {
            *(bool *)((char *)rules + rule_names[i].at) = true;
            return true;
        }
    return false;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim_test [--plans | --seconds S | --seeds N | --plan P] [--seed N]\n"
                    "                [--steps N] [--tell] [--logs] [--break RULE]...   RULE:\n");
    for (size_t i = 0; i < sizeof(rule_names) / sizeof(*rule_names); i++)
        fprintf(stderr, "  %s\n", rule_names[i].name);
    return 2;
}

int main(int count, char **words)
{
    struct options options = {.seconds = 30, .seed = 1};
    struct plan planned = {0};
    struct result result;
    bool one_plan = false, seeds_only = false, plans_only = false;

    world_prepare();
    for (int i = 1; i < count; i++) {
        const char *next = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--tell") == 0) {
            options.tell = options.logs = true;
        } else if (strcmp(words[i], "--logs") == 0) {
            options.logs = true;
        } else if (strcmp(words[i], "--plans") == 0) {
            plans_only = true;
        } else if (next == NULL) {
            return usage();
        } else if (strcmp(words[i], "--seed") == 0) {
            options.seed = strtoull(next, NULL, 10);
            options.one = true;
            i++;
        } else if (strcmp(words[i], "--seconds") == 0) {
            options.seconds = atoll(next);
            seeds_only = true;
            i++;
        } else if (strcmp(words[i], "--seeds") == 0) {
            options.seeds = strtoull(next, NULL, 10);
            options.seconds = 0;
            seeds_only = true;
            i++;
        } else if (strcmp(words[i], "--plan") == 0) {
            int deed, fate, other, is_static, late;
            if (sscanf(next, "%d,%d,%d,%d,%d,%d,%d", &deed, &planned.seam, &planned.request, &fate,
                       &other, &is_static, &late) != 7)
                return usage();
            planned.deed = (enum deed)deed;
            planned.fate = (enum wire_fate)fate;
            planned.other = (enum other)other;
            planned.is_static = is_static != 0;
            planned.late = late != 0;
            one_plan = true;
            i++;
        } else if (strcmp(words[i], "--steps") == 0) {
            options.steps = strtoull(next, NULL, 10);
            i++;
        } else if (strcmp(words[i], "--break") == 0 && break_rule(&options.rules, next)) {
            i++;
        } else {
            return usage();
        }
    }
    if (one_plan || (options.one && !seeds_only)) {
        if (!run_apart(&options, one_plan ? &planned : NULL, options.seed, &result))
            return 1;
        printf("seed %" PRIu64 ": trace %016" PRIx64 ", %" PRIu64 " steps, green\n", options.seed,
               result.trace, result.steps);
        return 0;
    }
    if (!seeds_only && share_out("exhaustive", run_plans, &options) != 0)
        return 1;
    if (plans_only)
        return 0;
    if (!seeds_only && run_always(&options) != 0)
        return 1;
    printf("new seeds from %" PRIu64 "\n", options.seed);
    if (share_out("new seeds", run_seeds, &options) != 0)
        return 1;
    tell_seen();
    return 0;
}
