/*
 * growth.c: one task, filled and then worked on, as a transaction of `run` would.
 *
 * Events are made up before the clock starts. Those that are measured go to messages chosen by
 * chance among all that live, which is the worst for a cache: real receipts are about messages that
 * were sent not long ago.
 */
#include "benchmarks/micro/growth.h"

#include "benchmarks/micro/sample.h"
#include "consumer/hash.h"
#include "statemachine/memory.h"

#include <stdio.h>

enum { A_TRANSACTION = 10000, TRANSACTIONS = 3, BATCH = 100 };

struct made {
    struct event events[A_TRANSACTION];
    uint8_t ids[A_TRANSACTION][SAMPLE_ID_SIZE];
};

static struct made *made;
static struct task task;

static void begin(void)
{
    made = memory_get(sizeof(*made));
    memset(made, 0, sizeof(*made));
    task_init(&task, &sample_tables, 1, hash_bytes, 7);
    for (int i = 0; i < 2; i++) {
        const char *topic = i == 0 ? "message.sends" : "message.receipts";
        store_keep_text(task.store, text_of(topic));
    }
}

static void end(void)
{
    task_release(&task);
    free(made);
}

/* Fills from `from` messages to `to`, and says how many events that took. */
static void fill(enum sample_life life, uint64_t from, uint64_t to)
{
    struct happening happening;
    uint8_t id[SAMPLE_ID_SIZE];

    for (uint64_t message = from; message < to; message++) {
        for (unsigned step = 0; step < sample_steps(life, message); step++) {
            struct event event = sample_event(life, message, step, id);
            sample_apply(&task, &event, &happening);
        }
        if (store_touched(task.store) >= A_TRANSACTION)
            task_land(&task);
    }
    task_land(&task);
}

/* ---- cost ------------------------------------------------------------------------------- */

/* A third are sends of new messages, the rest is news of any that live: ACCEPTD or DELIVRD. */
static uint64_t make_up(uint64_t live, uint64_t seed)
{
    int64_t now_ms = 0;

    for (int i = 0; i < A_TRANSACTION; i++) {
        struct event *event = &made->events[i];
        uint64_t message = sample_mix(seed ^ sample_mix((uint64_t)i)) % live;

        if (i % 3 == 0) {
            *event = sample_event(SAMPLE_IN_FLIGHT, live++, 0, made->ids[i]);
            now_ms = event->timestamp_ms;
            continue;
        }
        *event = i % 3 == 1 ? sample_event(SAMPLE_IN_FLIGHT, message | 1, 3, made->ids[i])
                            : sample_event(SAMPLE_SETTLED, message & ~UINT64_C(1), 2, made->ids[i]);
        event->timestamp_ms = now_ms;
    }
    return live;
}

static void work(bool expecting)
{
    struct message_key keys[BATCH];
    struct happening happening;

    for (int i = 0; i < A_TRANSACTION; i++) {
        if (expecting && i % BATCH == 0) {
            for (int k = 0; k < BATCH; k++)
                keys[k] = (struct message_key){.id = made->events[i + k].id,
                                               .channel = made->events[i + k].channel};
            task_expect(&task, keys, BATCH);
        }
        sample_apply(&task, &made->events[i], &happening);
    }
    task_land(&task);
}

void growth_cost(const struct ruler *ruler, uint64_t most)
{
    static const uint64_t sizes[] = {100000, 1000000, 5000000, 20000000};
    char name[2][64];
    uint64_t live = 0;
    double least[2] = {0};

    begin();
    for (size_t size = 0; size < sizeof(sizes) / sizeof(*sizes) && sizes[size] <= most; size++) {
        struct figure figures[2] = {{.name = name[0]}, {.name = name[1]}};
        /* What is measured adds messages: the size told is the one in the middle. */
        uint64_t added = ruler->repeats * (uint64_t)TRANSACTIONS * A_TRANSACTION / 3 * 2;
        uint64_t start = sizes[size] - (added < sizes[size] ? added / 2 : sizes[size] / 2);

        fill(SAMPLE_IN_FLIGHT, live, start);
        live = start;
        for (unsigned repeat = 0; repeat < ruler->repeats * 2; repeat++) {
            int64_t ns = 0;

            for (int i = 0; i < TRANSACTIONS; i++) {
                live = make_up(live, sample_mix(live + repeat));
                int64_t start_ns = measure_cpu_ns();
                work(repeat % 2 == 1);
                ns += measure_cpu_ns() - start_ns;
            }
            samples_add(&figures[repeat % 2].ns, (double)ns / (TRANSACTIONS * A_TRANSACTION));
        }
        for (int i = 0; i < 2; i++) {
            snprintf(name[i], sizeof(name[i]), "event, %.1f M live, %s", (double)sizes[size] / 1e6,
                     i == 0 ? "unexpected" : "expected");
            if (least[i] == 0)
                least[i] = samples_median(&figures[i].ns);
            figures[i].floor = "the same with the fewest";
            samples_add(&figures[i].floor_ns, least[i]);
            measure_print(ruler, &figures[i]);
        }
    }
    end();
}

/* ---- bytes ------------------------------------------------------------------------------ */

static double mean_bytes(enum sample_life life, uint64_t most)
{
    enum { POINTS = 16 };
    uint64_t live = most / 2;
    size_t before;
    double sum = 0;

    begin();
    before = measure_resident();
    fill(life, 0, live);
    for (int i = 1; i <= POINTS; i++) {
        uint64_t next = most / 2 + most / 2 * (uint64_t)i / POINTS;
        fill(life, live, next);
        live = next;
        sum += (double)(measure_resident() - before) / (double)live;
    }
    end();
    return sum / POINTS;
}

void growth_bytes(const struct ruler *ruler, uint64_t most)
{
    struct figure flight = {.name = "resident, in flight", .bytes = mean_bytes(0, most)};
    struct figure settled = {.name = "resident, settled", .bytes = mean_bytes(1, most)};

    measure_print(ruler, &flight);
    measure_print(ruler, &settled);
}

/* ---- stops ------------------------------------------------------------------------------ */

void growth_stops(const struct ruler *ruler, uint64_t most)
{
    struct figure apply = {.name = "longest task_apply"}, land = {.name = "longest task_land"};
    int64_t longest_apply_ns = 0, longest_land_ns = 0, last_ns;
    struct happening happening;
    uint8_t id[SAMPLE_ID_SIZE];

    begin();
    fill(SAMPLE_IN_FLIGHT, 0, most / 20);
    for (uint64_t message = most / 20; message < most; message++) {
        for (unsigned step = 0; step < sample_steps(SAMPLE_IN_FLIGHT, message); step++) {
            struct event event = sample_event(SAMPLE_IN_FLIGHT, message, step, id);
            last_ns = measure_cpu_ns();
            sample_apply(&task, &event, &happening);
            last_ns = measure_cpu_ns() - last_ns;
            if (last_ns > longest_apply_ns)
                longest_apply_ns = last_ns;
        }
        if (store_touched(task.store) < A_TRANSACTION)
            continue;
        last_ns = measure_cpu_ns();
        task_land(&task);
        last_ns = measure_cpu_ns() - last_ns;
        if (last_ns > longest_land_ns)
            longest_land_ns = last_ns;
    }
    samples_add(&apply.ns, (double)longest_apply_ns);
    samples_add(&land.ns, (double)longest_land_ns);
    measure_print(ruler, &apply);
    measure_print(ruler, &land);
    end();
}
