/* stage.c: starts the workers, watches over them, tells once a while how it goes. */
#include "consumer/stage.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/http.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/lookout.h"
#include "consumer/memory_limit.h"
#include "consumer/supervisor.h"
#include "consumer/worker.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    LOOK_MS = 50,
    TELL_EVERY_MS = 30000,
    MEMORY_EVERY_MS = 500,
    STOP_WITHIN_MS = 4500, /* DESIGN: exit 0 within 5 s */
    COMPARE_EVERY_MS = 1000,
    HTTP_TICK_MS = 1000,
};

/* Who hears how it goes. */
struct listeners {
    struct http *http;
    struct supervisor supervisor;
};

static struct restore_sum sum_restores(const struct worker *workers, size_t count)
{
    struct restore_sum sum = {.percent = 100};

    for (size_t i = 0; i < count; i++)
        restore_sum_add(&sum, &workers[i].restoring);
    return sum;
}

static void tell_restores(const struct worker *workers, size_t count)
{
    struct restore_sum sum = sum_restores(workers, count);

    if (sum.tasks > 0)
        log_info("restore_progress", "tasks=%lld records=%lld bytes=%lld percent=%lld eta_s=%lld",
                 sum.tasks, sum.records, sum.bytes, sum.percent, sum.eta_s);
}

static void tell_supervisor(struct supervisor *supervisor, const struct stage *stage,
                            const struct worker *workers, size_t count, int64_t now_ms)
{
    struct restore_sum restores = sum_restores(workers, count);
    struct supervisor_facts facts = {
        .consuming = true,
        .tasks = atomic_load(&stage->partitions),
        .live = atomic_load(&stage->live),
        .outcomes = atomic_load(&stage->outcomes),
        .restoring = restores.tasks,
        .percent = restores.percent,
        .eta_s = restores.eta_s,
    };

    for (size_t i = 0; i < count; i++) {
        facts.consuming = facts.consuming && atomic_load(&workers[i].consuming);
        if (workers[i].silent_ms > facts.silent_ms)
            facts.silent_ms = workers[i].silent_ms;
    }
    if (atomic_load(&stage->stop))
        supervisor_stops(supervisor);
    supervisor_look(supervisor, &facts, now_ms);
}

static void tell(const struct stage *stage)
{
    log_info("progress",
             "tasks=%lld records=%lld outcomes=%lld corrections=%lld dead_letters=%lld "
             "inputs_waited_out=%lld live=%lld",
             atomic_load(&stage->partitions), atomic_load(&stage->records),
             atomic_load(&stage->outcomes), atomic_load(&stage->corrections),
             atomic_load(&stage->dead_letters), atomic_load(&stage->inputs_waited_out),
             atomic_load(&stage->live));
}

static void tell_room(const struct stage *stage, bool *told)
{
    long long live = atomic_load(&stage->live);

    if (memory_is_short(live, stage->records_max, told))
        log_warn("records_nearly_full",
                 "live=%lld records.max=%lld resident_mib=%lld memory_mib=%lld hint=\"at "
                 "records.max this process stops: give it more memory, share the partitions among "
                 "more processes, or shorten the channels' retention\"",
                 live, (long long)stage->records_max, (long long)memory_resident("") >> 20,
                 (long long)stage->memory_max >> 20);
}

/*
 * Records are counted by a usual size; where they are larger (attributes that no two share), memory
 * itself is the measure.
 */
static void look_at_memory(struct stage *stage)
{
    int64_t resident = memory_resident("");
    int best = EXIT_WELL;

    if (!memory_is_full(resident, stage->memory_max) || atomic_load(&stage->stop))
        return;
    log_error("memory_full",
              "resident_mib=%lld memory_mib=%lld live=%lld records.max=%lld hint=\"give this "
              "process more memory, or memory.max more of it; or share the partitions among more "
              "processes; or shorten the channels' retention and waiting times. Nothing is lost, "
              "and a start as it is will end here again\"",
              (long long)resident >> 20, (long long)stage->memory_max >> 20,
              atomic_load(&stage->live), (long long)stage->records_max);
    atomic_compare_exchange_strong(&stage->code, &best, EXIT_WORLD);
    atomic_store(&stage->stop, true);
}

/* records.max, or what fits into the memory that there is. */
static void find_room(struct stage *stage)
{
    const struct config *config = stage->config;
    int64_t buffers;

    stage->memory_max = config->memory_max == 0 ? memory_limit("") : config->memory_max;
    buffers = memory_buffers(stage->memory_max, stage->facts.partitions,
                             (int64_t)config->input_topics.count, config->workers);
    stage->records_max = config->records_max;
    if (stage->records_max == 0)
        stage->records_max =
            stage->memory_max == 0 ? INT64_MAX : memory_records(stage->memory_max, buffers);
}

/* The wall clock was read once; a jump since then is told, not followed (DESIGN 3). */
static void compare_clocks(const struct stage *stage, int64_t *told_ahead_ms)
{
    int64_t ahead_ms = clock_wall_ms() - stage_now_ms(stage);

    if (clock_jumped(told_ahead_ms, ahead_ms))
        log_warn("clock_jumped",
                 "wall_clock_ahead_ms=%" PRId64 " hint=\"deadlines go on by the clock as it was "
                 "at start; restart to follow the wall clock where it is not about 0\"",
                 ahead_ms);
}

static bool all_finished(const struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!atomic_load(&workers[i].finished))
            return false;
    return true;
}

/*
 * Some calls of librdkafka do not come back: in 2.0.2 send_offsets_to_transaction() waits without
 * any bound for a group's coordinator that was unavailable thrice, and is not looked for any more
 * until a connection changes its state (rdkafka_coord.c). A thread cannot be got out of it, but a
 * process can always be started anew.
 */
static void look_for_stuck(const struct stage *stage, struct worker *workers, size_t count,
                           int64_t since_last_look_ms)
{
    int64_t most_ms = 4 * kafka_transaction_timeout_ms(stage->config);

    for (size_t i = 0; i < count; i++) {
        struct worker *worker = &workers[i];
        int64_t alive_ms = atomic_load(&worker->alive_ms);
        if (atomic_load(&worker->finished) || alive_ms != worker->seen_alive_ms)
            worker->silent_ms = 0;
        else /* a process that slept has not looked, either */
            worker->silent_ms += since_last_look_ms < 10 * LOOK_MS ? since_last_look_ms : LOOK_MS;
        worker->seen_alive_ms = alive_ms;
        if (worker->silent_ms < most_ms)
            continue;
        log_error("worker_stuck",
                  "worker=%d silent_ms=%" PRId64 " hint=\"a call of librdkafka does not return; "
                  "this process ends, nothing is lost, and the next start goes on\"",
                  worker->number, worker->silent_ms);
        _exit(EXIT_WORLD);
    }
}

static void watch(struct stage *stage, struct worker *workers, size_t count,
                  struct listeners *listeners, const atomic_bool *stop)
{
    int64_t told_ms = clock_monotonic_ms(), looked_ms = told_ms, compared_ms = told_ms;
    int64_t memory_ms = told_ms, ticked_ms = 0, stopping_ms = 0, told_ahead_ms = 0;
    bool room_told = false;

    while (!all_finished(workers, count)) {
        int64_t now_ms = clock_monotonic_ms();
        if (atomic_load(stop))
            atomic_store(&stage->stop, true);
        if (atomic_load(&stage->stop) && stopping_ms == 0) {
            stopping_ms = now_ms;
            log_info("stopping", "workers=%zu", count);
        }
        if (stopping_ms != 0 && now_ms - stopping_ms >= STOP_WITHIN_MS) {
            if (atomic_load(&stage->open_transactions) == 0 &&
                atomic_load(&stage->code) == EXIT_WELL) {
                log_info("left",
                         "hint=\"nothing was open; the broker was too slow to say goodbye\"");
                _exit(EXIT_WELL);
            }
            log_error("abandoned", "hint=\"the last transaction could not be finished in time; it "
                                   "is undone, and its records are read again at the next start\"");
            _exit(EXIT_WORLD);
        }
        look_for_stuck(stage, workers, count, now_ms - looked_ms);
        looked_ms = now_ms;
        tell_supervisor(&listeners->supervisor, stage, workers, count, now_ms);
        if (stopping_ms == 0)
            tell_room(stage, &room_told);
        if (now_ms - ticked_ms >= HTTP_TICK_MS) {
            http_tick(listeners->http);
            ticked_ms = now_ms;
        }
        if (now_ms - memory_ms >= MEMORY_EVERY_MS) {
            look_at_memory(stage);
            memory_ms = now_ms;
        }
        if (now_ms - told_ms >= TELL_EVERY_MS) {
            tell(stage);
            tell_restores(workers, count);
            told_ms = now_ms;
        }
        if (now_ms - compared_ms >= COMPARE_EVERY_MS) {
            compare_clocks(stage, &told_ahead_ms);
            compared_ms = now_ms;
        }
        clock_sleep_ms(LOOK_MS);
    }
}

static struct worker *make_workers(struct stage *stage, size_t count)
{
    struct worker *workers = memory_get(count * sizeof(*workers));

    for (size_t i = 0; i < count; i++)
        workers[i] = (struct worker){.stage = stage, .number = (int)i};
    return workers;
}

static void work(struct stage *stage, struct worker *workers, size_t count,
                 struct listeners *listeners, const atomic_bool *stop)
{
    struct lookout lookout;

    lookout_start(&lookout, stage);
    for (size_t i = 0; i < count; i++)
        require(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) == 0);
    watch(stage, workers, count, listeners, stop);
    for (size_t i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
    atomic_store(&stage->stop, true);
    lookout_end(&lookout);
    tell(stage);
}

/* Looks for the topics, which may take as long as a broker is away; then lets the workers work. */
static int prepare_and_work(struct stage *stage, struct worker *workers, size_t count,
                            struct listeners *listeners, const struct stage_options *options,
                            atomic_bool *stop)
{
    struct topics_options topics = {.no_wait = options->no_wait,
                                    .no_create = options->no_create,
                                    .trust_settings = options->trust_settings,
                                    .stop = stop};
    int code;

    supervisor_waits(&listeners->supervisor, kafka_brokers(stage->config));
    code = topics_prepare(stage->config, &topics, &stage->facts);
    if (code != EXIT_WELL)
        return atomic_load(stop) ? EXIT_WELL : code;
    find_room(stage);
    log_info("stage_started", "app=%s partitions=%d workers=%zu records.max=%lld memory_mib=%lld",
             stage->config->app_id, stage->facts.partitions, count, (long long)stage->records_max,
             (long long)stage->memory_max >> 20);
    work(stage, workers, count, listeners, stop);
    return atomic_load(&stage->code);
}

int stage_run(const struct config *config, const struct stage_options *options, atomic_bool *stop)
{
    struct stage stage = {
        .config = config,
        .allow_table_change = options->allow_table_change,
        .wall_base_ms = clock_wall_ms(),
        .monotonic_base_ms = clock_monotonic_ms(),
    };
    size_t count = (size_t)config->workers;
    struct worker *workers = make_workers(&stage, count);
    struct listeners listeners;
    int code = EXIT_WORLD;

    supervisor_open(&listeners.supervisor);
    snprintf(stage.random, sizeof(stage.random), "%016" PRIx64, hash_seed());
    stage.state_topic = topics_state_name(config);
    if (http_start(&listeners.http, &stage, workers, count)) {
        if (options->on_listening != NULL)
            options->on_listening(options->context, http_address(listeners.http));
        code = prepare_and_work(&stage, workers, count, &listeners, options, stop);
    }
    http_stop(&listeners.http);
    supervisor_close(&listeners.supervisor);
    free(workers);
    free(stage.state_topic);
    return code;
}
