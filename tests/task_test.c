/*
 * task_test.c: a partition's machine: the order in which deadlines fire, where firing may be cut,
 * and that what is undone was never there (DESIGN 3, 5; promises 3 and 5).
 *
 * Random histories print their seed; UPSHOT_SEED gives another. Two tasks have different hash seeds
 * on purpose: nothing that can be seen may depend on one. Not here: what a step decides
 * (step_test.c), how the store keeps records (store_test.c).
 */
#include "consumer/hash.h"
#include "schemas/channel_file.h"
#include "statemachine/task.h"
#include "tests/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define BASE_MS INT64_C(1795428000000)
#define HOUR_MS (INT64_C(3600) * 1000)

enum { INPUTS = 2, IDS = 40, HISTORY = 1500 };

/* ---- chance ----------------------------------------------------------------------------- */

static struct random random_numbers;

static size_t below(size_t bound)
{
    return random_below(&random_numbers, bound);
}

/* The same numbers every time, unless other ones are asked for: a red build stays red. */
static void start_chance(void)
{
    setenv("UPSHOT_SEED", "1", 0);
    random_numbers = random_start("task_test");
}

/* ---- a history -------------------------------------------------------------------------- */

static struct tables tables;

struct taken {
    size_t input;
    struct event event;
};

static struct taken history[HISTORY];

static struct event random_event(int64_t now_ms)
{
    static char ids[IDS][8];
    static const char *const texts[] = {"", "a", "b", "{\"campaign\":\"c9\"}"};
    size_t id = below(IDS);
    uint8_t channel = (uint8_t)below(tables.count);
    struct event event = {
        .channel = channel,
        .status = (uint8_t)below(tables.rows[channel]->count),
        .is_send = below(3) == 0,
        .at_ms = now_ms + (int64_t)below(5000),
        .timestamp_ms = now_ms - (below(4) == 0 ? (int64_t)below(8) * HOUR_MS : 0),
        .topic = text_of(below(2) == 0 ? "message.sends" : "message.receipts"),
        .offset = (int64_t)below(1 << 20),
    };

    snprintf(ids[id], sizeof(ids[id]), "m%zu", id * 7);
    event.id = text_of(ids[id]);
    if (event.is_send) {
        event.attributes = text_of(texts[below(COUNT(texts))]);
        if (below(3) > 0)
            event.status = STATUS_NONE;
    }
    if (event.status != STATUS_NONE)
        event.reason = text_of(texts[below(COUNT(texts))]);
    return event;
}

/* Whole hours often, so that deadlines meet; over some weeks, so that lives end. */
static void make_history(void)
{
    int64_t now_ms = BASE_MS;

    for (size_t i = 0; i < HISTORY; i++) {
        if (below(4) == 0)
            now_ms += (int64_t)below(4) * HOUR_MS;
        history[i] = (struct taken){.input = below(INPUTS), .event = random_event(now_ms)};
    }
}

/* ---- what can be seen of a task ----------------------------------------------------------- */

static void put_text(struct buffer *out, struct text text)
{
    buffer_put(out, text.bytes, text.size);
    buffer_put_byte(out, ' ');
}

static void put_record(struct buffer *out, const struct table *table, struct text id,
                       const struct record *record)
{
    const int64_t facts[] = {
        record->life_ms,
        record->first_ts_ms,
        record->state == STATUS_NONE ? 0 : record->state_ts_ms,
        record->send_seen ? record->sent_at_ms : 0,
        record->attributes.size > 0 ? record->attributes_at_ms : 0,
        record->reason.size > 0 ? record->reason_at_ms : 0,
        record->revision > 0 ? record->forget_ms : 0,
        record->offset,
        record->revision,
        record->revision > 0 ? record->emitted.outcome : 0,
        record->revision > 0 ? record->emitted.status : 0,
        record->revision > 0 && record->emitted.send_seen,
        record->revision > 0 && record->emitted.conflict,
        record->send_seen,
        record->conflict,
        record->state,
        step_wake_ms(table, record),
    };

    buffer_put_string(out, table->channel);
    buffer_put_byte(out, ' ');
    put_text(out, id);
    for (size_t i = 0; i < COUNT(facts); i++) {
        buffer_put_decimal(out, facts[i]);
        buffer_put_byte(out, ' ');
    }
    put_text(out, record->attributes);
    put_text(out, record->reason);
    put_text(out, record->topic);
    for (size_t i = 0; i < record->seen_count; i++) {
        buffer_put_decimal(out, record->seen[i].status);
        buffer_put_byte(out, '@');
        buffer_put_decimal(out, record->seen[i].at_ms);
        buffer_put_byte(out, ' ');
    }
    buffer_put_byte(out, '\n');
}

static void put_happening(struct buffer *out, const struct happening *happening, bool fired)
{
    const struct effects *effects = &happening->effects;
    const int64_t facts[] = {
        fired ? happening->deadline_ms : 0,
        effects->arrival,
        effects->emits,
        effects->emits ? effects->settled_by : 0,
        effects->emits ? effects->settled_at_ms : 0,
        effects->forgets,
    };

    for (size_t i = 0; i < COUNT(facts); i++) {
        buffer_put_decimal(out, facts[i]);
        buffer_put_byte(out, ' ');
    }
    put_record(out, happening->table, happening->id, &happening->record);
}

struct lines {
    struct buffer bytes;
    size_t starts[IDS * CHANNELS_MAX];
    size_t count;
};

static bool note_record(void *context, struct message_key key, const struct record *record)
{
    struct lines *lines = context;

    lines->starts[lines->count++] = lines->bytes.size;
    put_record(&lines->bytes, tables.rows[key.channel], key.id, record);
    buffer_put_byte(&lines->bytes, 0);
    return true;
}

static int by_content(const void *a, const void *b, void *bytes)
{
    const char *left = (const char *)bytes + *(const size_t *)a;
    const char *right = (const char *)bytes + *(const size_t *)b;

    return strcmp(left, right);
}

/* Everything that a task knows, its records in the order of their names. */
static void put_task(struct buffer *out, const struct task *task)
{
    static struct lines lines;

    buffer_clear(&lines.bytes);
    lines.count = 0;
    store_walk(task->store, note_record, &lines);
    qsort_r(lines.starts, lines.count, sizeof(*lines.starts), by_content, lines.bytes.bytes);
    for (size_t i = 0; i < lines.count; i++)
        buffer_put_string(out, (const char *)lines.bytes.bytes + lines.starts[i]);
    buffer_release(&lines.bytes);
    buffer_put_decimal(out, (int64_t)store_measure(task->store).records);
    buffer_put_byte(out, ' ');
    buffer_put_decimal(out, (int64_t)store_measure(task->store).texts);
    buffer_put_byte(out, ' ');
    buffer_put_decimal(out, store_next_deadline(task->store));
    buffer_put_byte(out, ' ');
    buffer_put_decimal(out, task->watermark.reached_ms);
    for (size_t i = 0; i < task->watermark.input_count; i++) {
        buffer_put_byte(out, task->watermark.inputs[i].resting ? '~' : ' ');
        buffer_put_decimal(out, task->watermark.inputs[i].greatest_ms);
    }
    for (size_t i = 0; i < ARRIVAL_COUNT; i++) {
        buffer_put_byte(out, ' ');
        buffer_put_decimal(out, (int64_t)task->counts.arrivals[i]);
    }
    buffer_put_byte(out, '\n');
}

/* Tells the first line that differs. */
static void expect_same(struct buffer *one, struct buffer *other, const char *what)
{
    const char *a, *b;

    buffer_put_byte(one, 0);
    buffer_put_byte(other, 0);
    a = (const char *)one->bytes;
    b = (const char *)other->bytes;
    while (*a != 0 && *b != 0) {
        size_t size_a = strcspn(a, "\n"), size_b = strcspn(b, "\n");
        if (size_a != size_b || memcmp(a, b, size_a) != 0)
            break;
        a += size_a + 1;
        b += size_b + 1;
    }
    if (*a != 0 || *b != 0)
        fail_msg("%s: \"%.*s\", not \"%.*s\"", what, (int)strcspn(b, "\n"), b,
                 (int)strcspn(a, "\n"), a);
    buffer_release(one);
    buffer_release(other);
}

static void expect_same_tasks(const struct task *one, const struct task *other, const char *what)
{
    struct buffer a = {0}, b = {0};

    put_task(&a, one);
    put_task(&b, other);
    expect_same(&a, &b, what);
}

/* ---- running a history ------------------------------------------------------------------- */

static void start(struct task *task, uint64_t seed)
{
    task_init(task, &tables, INPUTS, hash_bytes, seed);
}

/* Takes one record as the pump does; what happens goes into `log`. */
static void take(struct task *task, const struct taken *taken, struct buffer *log)
{
    static struct happening happening;
    int64_t until_ms =
        watermark_prospect(&task->watermark, taken->input, taken->event.timestamp_ms);

    while (task_fire(task, until_ms, &happening))
        put_happening(log, &happening, true);
    watermark_take(&task->watermark, taken->input, taken->event.timestamp_ms);
    task_apply(task, &taken->event, &happening);
    put_happening(log, &happening, false);
}

static void drain(struct task *task, struct buffer *log)
{
    static struct happening happening;

    while (task_fire(task, INT64_MAX, &happening))
        put_happening(log, &happening, true);
    assert_int_equal(store_measure(task->store).records, 0);
}

/* ---- the tests -------------------------------------------------------------------------- */

static void deadlines_fire_by_deadline_then_id_then_channel(void **state)
{
    static const char *const ids[] = {"b", "a", "ab", "B", "a\xc3\xa9", "aa", "c", "10", "9"};
    static struct happening happening, last;
    struct task task;
    size_t fired = 0, met = 0;

    (void)state;
    start(&task, 1);
    /* Sends without status: an hour on push, 72 hours on all others, so many deadlines meet. */
    for (size_t hour = 0; hour < 3; hour++)
        for (size_t id = 0; id < COUNT(ids); id++)
            for (size_t channel = tables.count; channel-- > 0;) {
                char name[16];
                struct event event = {
                    .channel = (uint8_t)channel,
                    .status = STATUS_NONE,
                    .is_send = true,
                    .timestamp_ms = BASE_MS - (int64_t)hour * 71 * HOUR_MS,
                };
                snprintf(name, sizeof(name), "%s%zu", ids[id], hour);
                event.id = text_of(name);
                task_apply(&task, &event, &happening);
            }
    while (task_fire(&task, INT64_MAX, &happening)) {
        int order = fired == 0 ? -1 : text_compare(last.id, happening.id);
        assert_true(fired == 0 || last.deadline_ms <= happening.deadline_ms);
        if (fired > 0 && last.deadline_ms == happening.deadline_ms) {
            assert_true(order < 0 || (order == 0 && last.table->index < happening.table->index));
            met++;
        }
        assert_true(task.watermark.reached_ms == happening.deadline_ms);
        last = happening;
        last.id.bytes = last.id_bytes;
        fired++;
    }
    assert_int_equal(fired, 2 * 3 * COUNT(ids) * tables.count); /* an outcome each, and its end */
    assert_true(met > fired / 2);
    task_release(&task);
}

static void firing_moves_the_watermark_to_the_deadline_and_in_the_end_to_until(void **state)
{
    static struct happening happening;
    struct task task;
    struct event event = {
        .id = text_of("m1"), .status = STATUS_NONE, .is_send = true, .timestamp_ms = BASE_MS};
    const struct table *push = tables_find(&tables, (const uint8_t *)"push", 4);

    (void)state;
    assert_non_null(push);
    event.channel = push->index;
    start(&task, 1);
    assert_false(task_fire(&task, TIME_NONE, &happening));
    assert_true(task.watermark.reached_ms == TIME_NONE);
    assert_false(task_fire(&task, BASE_MS, &happening));
    assert_true(task.watermark.reached_ms == BASE_MS);
    task_apply(&task, &event, &happening);
    assert_false(task_fire(&task, TIME_NONE, &happening));
    assert_false(task_fire(&task, BASE_MS + HOUR_MS - 1, &happening));
    assert_true(task.watermark.reached_ms == BASE_MS + HOUR_MS - 1);
    assert_true(task_fire(&task, BASE_MS + 2 * HOUR_MS, &happening));
    assert_true(happening.effects.emits && happening.deadline_ms == BASE_MS + HOUR_MS);
    assert_true(task.watermark.reached_ms == BASE_MS + HOUR_MS); /* cut here: not yet at until */
    assert_false(task_fire(&task, BASE_MS + 2 * HOUR_MS, &happening));
    assert_true(task.watermark.reached_ms == BASE_MS + 2 * HOUR_MS);
    assert_false(task_fire(&task, BASE_MS, &happening)); /* never back */
    assert_true(task.watermark.reached_ms == BASE_MS + 2 * HOUR_MS);
    task_release(&task);
}

/* Every event is in one class, and the classes of all of them are all events (promise 2). */
static void every_event_is_counted_in_one_class(void **state)
{
    struct buffer log = {0};
    struct task task;
    uint64_t sum = 0;

    (void)state;
    start_chance();
    make_history();
    start(&task, 1);
    for (size_t i = 0; i < HISTORY; i++)
        take(&task, &history[i], &log);
    for (size_t i = 0; i < ARRIVAL_COUNT; i++) {
        sum += task.counts.arrivals[i];
        if (task.counts.arrivals[i] == 0)
            fail_msg("no arrival was %s: the history is too tame", arrival_words[i]);
    }
    assert_int_equal(sum, HISTORY);
    buffer_release(&log);
    task_release(&task);
}

/* A cut: land in the middle of firing, the record not yet taken; then go on as after a start. */
static void take_with_cuts(struct task *task, const struct taken *taken, struct buffer *log)
{
    static struct happening happening;
    int64_t until_ms =
        watermark_prospect(&task->watermark, taken->input, taken->event.timestamp_ms);

    while (until_ms != TIME_NONE && task_fire(task, until_ms, &happening)) {
        put_happening(log, &happening, true);
        if (below(3) == 0)
            task_land(task);
        if (below(3) == 0) { /* and nothing is different when it is asked again for less */
            int64_t reached_ms = task->watermark.reached_ms;
            while (task_fire(task, reached_ms, &happening))
                put_happening(log, &happening, true);
            assert_true(task->watermark.reached_ms == reached_ms);
        }
        assert_true(watermark_prospect(&task->watermark, taken->input, taken->event.timestamp_ms) ==
                    until_ms);
    }
    watermark_take(&task->watermark, taken->input, taken->event.timestamp_ms);
    task_apply(task, &taken->event, &happening);
    put_happening(log, &happening, false);
}

static void firing_may_be_cut_at_any_deadline(void **state)
{
    struct buffer whole_log = {0}, cut_log = {0};
    struct task whole, cut;

    (void)state;
    start_chance();
    make_history();
    start(&whole, 1);
    start(&cut, 2);
    for (size_t i = 0; i < HISTORY; i++) {
        take(&whole, &history[i], &whole_log);
        take_with_cuts(&cut, &history[i], &cut_log);
    }
    expect_same_tasks(&whole, &cut, "afterwards");
    drain(&whole, &whole_log);
    drain(&cut, &cut_log);
    expect_same(&whole_log, &cut_log, "a happening");
    task_release(&whole);
    task_release(&cut);
}

/* Deadlines only, resting inputs, records: whatever a transaction can hold. */
static void do_something(struct task *task, struct buffer *log)
{
    static struct happening happening;
    struct taken taken;
    int64_t until_ms = task->watermark.reached_ms;

    switch (below(8)) {
    case 0:
        watermark_rest(&task->watermark, below(INPUTS), below(2) == 0);
        break;
    case 1:
        if (until_ms != TIME_NONE)
            until_ms += (int64_t)below(200) * HOUR_MS;
        for (size_t i = 1 + below(20); i > 0 && task_fire(task, until_ms, &happening); i--)
            put_happening(log, &happening, true);
        break;
    default:
        taken = (struct taken){
            .input = below(INPUTS),
            .event = random_event(until_ms == TIME_NONE ? BASE_MS : until_ms + HOUR_MS),
        };
        take(task, &taken, log);
    }
}

static void undoing_restores_everything(void **state)
{
    struct buffer log = {0}, twin_log = {0}, lost_log = {0};
    struct task task, twin;

    (void)state;
    start_chance();
    make_history();
    start(&task, 1);
    start(&twin, 2);
    for (size_t i = 0; i < HISTORY; i++) {
        take(&task, &history[i], &log);
        take(&twin, &history[i], &twin_log);
        if (i % 50 != 49)
            continue;
        task_land(&task); /* the twin lands once in a while only */
        assert_int_equal(store_touched(task.store), 0);
        for (size_t work = below(200); work > 0; work--)
            do_something(&task, &lost_log);
        task_undo(&task);
        buffer_clear(&lost_log);
        assert_int_equal(store_touched(task.store), 0);
        if (i % 150 == 149)
            task_land(&twin);
        expect_same_tasks(&twin, &task, "after undoing");
    }
    /* Deadlines too, in their order, though the heap was taken apart. */
    drain(&task, &log);
    drain(&twin, &twin_log);
    expect_same(&twin_log, &log, "a happening");
    buffer_release(&lost_log);
    task_release(&task);
    task_release(&twin);
}

static void undoing_a_task_that_never_landed_leaves_an_empty_one(void **state)
{
    struct buffer log = {0};
    struct task task, twin;

    (void)state;
    start_chance();
    start(&task, 1);
    start(&twin, 2);
    for (size_t work = 300; work > 0; work--)
        do_something(&task, &log);
    task_undo(&task);
    expect_same_tasks(&twin, &task, "after undoing all");
    task_undo(&task); /* nothing is pending, so nothing changes */
    task_land(&task);
    expect_same_tasks(&twin, &task, "after undoing nothing");
    buffer_release(&log);
    task_release(&task);
    task_release(&twin);
}

/* Transactions of any size, each either landed or undone and, mostly, tried again. */
static void a_history_with_undone_parts_equals_the_one_without(void **state)
{
    struct buffer log = {0}, twin_log = {0}, lost_log = {0};
    struct task task, twin;
    int undone = 0;

    (void)state;
    start_chance();
    for (int round = 0; round < 4; round++) {
        make_history();
        start(&task, 1);
        start(&twin, 2);
        for (size_t i = 0; i < HISTORY;) {
            size_t until = i + 1 + below(30);
            if (until > HISTORY)
                until = HISTORY;
            if (below(2) == 0) {
                for (size_t j = i; j < until; j++)
                    take(&task, &history[j], &lost_log);
                for (size_t work = below(10); work > 0; work--)
                    do_something(&task, &lost_log);
                task_undo(&task);
                buffer_clear(&lost_log);
                undone++;
                if (below(4) > 0)
                    continue;
                i = until; /* dropped for good: the twin never hears of it either */
                continue;
            }
            for (; i < until; i++) {
                take(&task, &history[i], &log);
                take(&twin, &history[i], &twin_log);
            }
            task_land(&task);
        }
        expect_same_tasks(&twin, &task, "at the end");
        drain(&task, &log);
        drain(&twin, &twin_log);
        expect_same(&twin_log, &log, "a happening");
        task_release(&task);
        task_release(&twin);
    }
    assert_true(undone > 50);
    buffer_release(&lost_log);
}

/* The keys that a transaction touched, folded into a second task, make it the first (promise 5). */
static void fold(const struct task *task, struct task *folded)
{
    for (size_t i = 0; i < store_touched(task->store); i++) {
        static struct record record;
        struct task_restoring one;
        struct message_key key;
        bool there = store_touched_at(task->store, i, &key, &record);
        record.attributes.ref = record.reason.ref = record.topic.ref = 0; /* of the other pool */
        one = (struct task_restoring){.table = tables.rows[key.channel], .id = key.id};
        task_restore_expect(folded, &one);
        task_restore_expect_more(folded, &one);
        if (there)
            task_restore(folded, &one, &record);
        else
            task_restore_gone(folded, &one);
    }
}

static void restore_gone(struct task *task, size_t channel, struct text id)
{
    struct task_restoring one = {.table = tables.rows[channel], .id = id};

    task_restore_expect(task, &one);
    task_restore_gone(task, &one);
}

static void what_was_touched_restored_elsewhere_is_the_same_task(void **state)
{
    struct buffer log = {0}, folded_log = {0};
    struct task task, folded;

    (void)state;
    start_chance();
    make_history();
    start(&task, 1);
    start(&folded, 2);
    for (size_t i = 0; i < HISTORY; i++) {
        take(&task, &history[i], &log);
        if (below(20) > 0 && i + 1 < HISTORY)
            continue;
        if (below(5) == 0 && i + 1 < HISTORY) {
            task_undo(&task);
            continue;
        }
        fold(&task, &folded);
        task_land(&task);
        folded.watermark = task.watermark; /* the control record's part */
        folded.counts = task.counts;
        expect_same_tasks(&task, &folded, "folded");
    }
    buffer_release(&log);
    drain(&task, &log);
    drain(&folded, &folded_log);
    expect_same(&log, &folded_log, "a happening");
    task_release(&task);
    task_release(&folded);
}

static void a_restored_record_that_is_gone_is_gone_and_a_missing_one_is_no_fault(void **state)
{
    struct event event = {
        .id = text_of("m1"), .status = STATUS_NONE, .is_send = true, .timestamp_ms = BASE_MS};
    static struct happening happening;
    struct task task;

    (void)state;
    start(&task, 1);
    restore_gone(&task, 0, event.id);
    task_apply(&task, &event, &happening);
    task_land(&task);
    restore_gone(&task, 1, event.id); /* another channel's, another message */
    assert_int_equal(store_measure(task.store).records, 1);
    restore_gone(&task, 0, event.id);
    assert_int_equal(store_measure(task.store).records, 0);
    assert_int_equal(store_touched(task.store), 0);
    assert_false(task_fire(&task, INT64_MAX, &happening));
    task_release(&task);
}

/* ---- running ---------------------------------------------------------------------------- */

static int load_tables(void **state)
{
    struct buffer complaints = {0};
    bool loaded = channel_files_load(NULL, &tables, &complaints);

    (void)state;
    buffer_release(&complaints);
    return loaded ? 0 : -1;
}

static int release_tables(void **state)
{
    (void)state;
    tables_release(&tables);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_fire_by_deadline_then_id_then_channel),
        cmocka_unit_test(firing_moves_the_watermark_to_the_deadline_and_in_the_end_to_until),
        cmocka_unit_test(every_event_is_counted_in_one_class),
        cmocka_unit_test(firing_may_be_cut_at_any_deadline),
        cmocka_unit_test(undoing_restores_everything),
        cmocka_unit_test(undoing_a_task_that_never_landed_leaves_an_empty_one),
        cmocka_unit_test(a_history_with_undone_parts_equals_the_one_without),
        cmocka_unit_test(what_was_touched_restored_elsewhere_is_the_same_task),
        cmocka_unit_test(a_restored_record_that_is_gone_is_gone_and_a_missing_one_is_no_fault),
    };

    return cmocka_run_group_tests(tests, load_tables, release_tables);
}
