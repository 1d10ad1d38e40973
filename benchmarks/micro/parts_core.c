/*
 * parts_core.c: step, store, timers and texts, each by itself, in a store of many messages.
 *
 * A hit looks at three places, each of which the one before names: directory, slots, block. The
 * floor of one dependent miss is thus a third of what a find could do that overlaps nothing.
 */
#include "benchmarks/micro/floors.h"
#include "benchmarks/micro/parts.h"
#include "benchmarks/micro/sample.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"
#include "statemachine/timers.h"

#include <stdio.h>

enum { TIMES = 20000 };

/* ---- step ------------------------------------------------------------------------------- */

static struct record record;
static struct event events[4];
static uint8_t ids[4][SAMPLE_ID_SIZE];

static void step(size_t i)
{
    const struct table *table = sample_tables.rows[events[0].channel];
    struct effects effects;

    if (i % 4 == 0)
        record_open(&record, &events[0]);
    step_event(table, &record, i % 4 == 0, &events[i % 4], events[i % 4].timestamp_ms, &effects);
    measure_use(&effects);
}

void parts_step(const struct ruler *ruler, uint64_t most)
{
    struct figure figure = {.name = "step of one event", .floor = "copy of the record's fields"};

    (void)most;
    for (unsigned i = 0; i < 4; i++)
        events[i] = sample_event(SAMPLE_SETTLED, 1, i, ids[i]);
    figure.bytes = offsetof(struct record, seen) + 3 * sizeof(struct seen);
    figure.ns = measure_each(ruler, TIMES * 10, step, NULL);
    figure.floor_ns = floor_copy(ruler, (size_t)figure.bytes);
    measure_print(ruler, &figure);
}

/* ---- store ------------------------------------------------------------------------------ */

static struct store *store;
static uint64_t live, turn;
static struct message_key keys[TIMES];
static uint8_t key_ids[TIMES][SAMPLE_ID_SIZE];
static struct record usual;

static struct record some_record(void)
{
    struct record some;

    memset(&some, 0, sizeof(some));
    some.life_ms = some.first_ts_ms = some.state_ts_ms = some.sent_at_ms = 1795428000000;
    some.send_seen = true;
    some.topic = text_of("message.receipts");
    some.attributes = text_of("{\"campaign_id\":\"c-001\",\"tenant\":\"t-01\"}");
    some.attributes_at_ms = some.sent_at_ms;
    some.offset = 3000000;
    some.state = 4;
    some.seen_count = 2;
    some.seen[0] = (struct seen){.at_ms = some.life_ms + 300, .status = 2};
    some.seen[1] = (struct seen){.at_ms = some.life_ms + 1250, .status = 4};
    return some;
}

static void make_keys(uint64_t first, bool by_chance)
{
    for (uint64_t i = 0; i < TIMES; i++) {
        uint64_t message = by_chance ? sample_mix(turn * TIMES + i) % live : first + i;
        sample_id(message, key_ids[i]);
        keys[i] = (struct message_key){.id = {.bytes = key_ids[i], .size = SAMPLE_ID_SIZE}};
    }
    turn++;
}

static void some_that_live(void)
{
    make_keys(0, true);
}

static void some_that_do_not(void)
{
    make_keys(live + turn * TIMES, false);
}

static void find(size_t i)
{
    struct place place;
    struct record found;

    measure_use(store_find(store, keys[i], &place, &found) ? &found : NULL);
}

static void put(size_t i)
{
    struct place place;
    struct record found;

    store_find(store, keys[i], &place, &found);
    store_put(store, keys[i], place, &usual, usual.life_ms + (int64_t)turn);
    if (i + 1 == TIMES)
        store_land(store);
}

static void forget(size_t i)
{
    struct place place;
    struct record found;

    require(store_find(store, keys[i], &place, &found));
    store_forget(store, keys[i], place);
    if (i + 1 == TIMES)
        store_land(store);
}

/* Those that are forgotten next come first, and are not timed. */
static void put_others(void)
{
    some_that_do_not();
    for (size_t i = 0; i < TIMES; i++)
        put(i);
}

static void forget_them(void)
{
    static bool begun;

    if (begun)
        for (size_t i = 0; i < TIMES; i++)
            forget(i);
    begun = true;
    some_that_do_not();
}

static void grow_to(uint64_t count)
{
    while (live < count) {
        make_keys(live, false);
        for (size_t i = 0; i < TIMES; i++)
            put(i);
        live += TIMES;
    }
}

static struct samples grow(const struct ruler *ruler, uint64_t most)
{
    struct samples samples = {0};

    for (unsigned repeat = 0; repeat < ruler->repeats; repeat++) {
        uint64_t from = live;
        int64_t ns = 0;

        while (live < from + most / ruler->repeats) {
            make_keys(live, false);
            int64_t start_ns = measure_cpu_ns();
            for (size_t i = 0; i < TIMES; i++)
                put(i);
            ns += measure_cpu_ns() - start_ns;
            live += TIMES;
        }
        samples_add(&samples, (double)ns / (double)(live - from));
    }
    return samples;
}

void parts_store(const struct ruler *ruler, uint64_t most)
{
    struct figure hit = {.name = "store, hit"}, miss = {.name = "store, miss"};
    struct figure insert = {.name = "store, insert and land"};
    struct figure update = {.name = "store, change and land"};
    struct figure delete = {.name = "store, forget and land"};
    struct figure growth = {.name = "store, insert while it doubles"};
    struct figure *all[] = {&hit, &miss, &update, &insert, &delete, &growth};
    struct store_size size;

    usual = some_record();
    store = store_new(sample_hash, 7);
    grow_to(most);
    hit.ns = measure_each(ruler, TIMES, find, some_that_live);
    miss.ns = measure_each(ruler, TIMES, find, some_that_do_not);
    update.ns = measure_each(ruler, TIMES, put, some_that_live);
    insert.ns = measure_each(ruler, TIMES, put, forget_them);
    for (size_t i = 0; i < TIMES; i++)
        forget(i);
    delete.ns = measure_each(ruler, TIMES, forget, put_others);
    size = store_measure(store);
    growth.ns = grow(ruler, most);
    store_free(&store);

    miss.floor = insert.floor = growth.floor = "one miss into the index";
    miss.floor_ns = insert.floor_ns = growth.floor_ns = floor_miss(ruler, size.index_bytes);
    hit.floor = update.floor = delete.floor = "one miss into the records";
    hit.floor_ns = update.floor_ns = delete.floor_ns = floor_miss(ruler, size.records_bytes);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        measure_print(ruler, all[i]);
}

/* ---- timers ----------------------------------------------------------------------------- */

static struct timers timers;
static uint32_t *places; /* by handle */
static uint32_t timer_count;
static int64_t now_ms;

static void on_moved(void *owner, uint32_t handle, uint32_t place)
{
    (void)owner;
    places[handle] = place;
}

static int in_order(void *owner, uint32_t a, uint32_t b)
{
    (void)owner;
    return (a > b) - (a < b);
}

static void add_latest(size_t i)
{
    timers_add(&timers, ++now_ms, timer_count + (uint32_t)i);
}

static void cancel_added(void)
{
    for (uint32_t i = 0; i < TIMES; i++)
        if (places[timer_count + i] != 0)
            timers_cancel(&timers, places[timer_count + i]);
}

/* What a message's second status does: later than all others. */
static void move_to_the_end(size_t i)
{
    uint32_t handle = (uint32_t)(sample_mix(++turn) % timer_count);

    (void)i;
    timers_move(&timers, places[handle], ++now_ms);
}

/* What settling does: from somewhere to somewhere before it. */
static void move_ahead(size_t i)
{
    uint32_t handle = (uint32_t)(sample_mix(++turn) % timer_count);

    (void)i;
    timers_move(&timers, places[handle],
                timers_deadline(&timers, places[handle]) - timer_count / 3);
}

static void fire_and_wait_again(size_t i)
{
    int64_t deadline_ms;
    uint32_t handle;

    (void)i;
    require(timers_first(&timers, &deadline_ms, &handle));
    timers_move(&timers, places[handle], ++now_ms);
}

void parts_timers(const struct ruler *ruler, uint64_t most)
{
    static const struct {
        const char *name;
        measure_one *one;
        void (*before)(void);
    } rows[] = {
        {"timers, add the latest", add_latest, cancel_added},
        {"timers, move to the end", move_to_the_end, cancel_added},
        {"timers, move ahead", move_ahead, NULL},
        {"timers, fire and wait again", fire_and_wait_again, NULL},
    };
    struct samples miss;

    timer_count = (uint32_t)most;
    places = memory_get((most + TIMES) * sizeof(*places));
    memset(places, 0, (most + TIMES) * sizeof(*places));
    timers_init(&timers, NULL, on_moved, in_order);
    for (uint32_t i = 0; i < timer_count; i++)
        timers_add(&timers, ++now_ms, i);
    miss = floor_miss(ruler, timers_memory(&timers));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct figure figure = {.name = rows[i].name, .floor = "one miss into the heap"};
        figure.bytes = (double)timers_memory(&timers) / timers.count;
        figure.ns = measure_each(ruler, TIMES, rows[i].one, rows[i].before);
        figure.floor_ns = miss;
        measure_print(ruler, &figure);
    }
    timers_release(&timers);
    free(places);
}

/* ---- texts ------------------------------------------------------------------------------ */

enum { TEXTS = 500 };

static struct intern pool;
static char attributes[TEXTS][64];
static struct text known[TEXTS];

static void hold_bytes(size_t i)
{
    struct text text = text_of(attributes[i % TEXTS]);

    intern_drop(&pool, intern_hold(&pool, text).ref);
}

static void hold_known(size_t i)
{
    intern_drop(&pool, intern_hold(&pool, known[i % TEXTS]).ref);
}

static void hold_new(size_t i)
{
    char text[64];
    int size = snprintf(text, sizeof(text), "{\"campaign_id\":\"n-%zu\",\"tenant\":\"t\"}", i);

    intern_drop(&pool, intern_hold(&pool, (struct text){(uint8_t *)text, (uint32_t)size, 0}).ref);
}

void parts_intern(const struct ruler *ruler, uint64_t most)
{
    static const struct {
        const char *name;
        measure_one *one;
    } rows[] = {
        {"intern, hold and drop a text by bytes", hold_bytes},
        {"intern, hold and drop one by number", hold_known},
        {"intern, hold and drop a new one", hold_new},
    };

    (void)most;
    intern_init(&pool, sample_hash, 7);
    for (int i = 0; i < TEXTS; i++) {
        snprintf(attributes[i], sizeof(attributes[i]),
                 "{\"campaign_id\":\"c-%03d\",\"tenant\":\"t\"}", i);
        known[i] = intern_hold(&pool, text_of(attributes[i]));
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct figure figure = {.name = rows[i].name, .floor = "hash of the text"};
        figure.bytes = known[0].size;
        figure.ns = measure_each(ruler, TIMES * 10, rows[i].one, NULL);
        figure.floor_ns = floor_hash(ruler, known[0].size);
        measure_print(ruler, &figure);
    }
    intern_release(&pool);
}
