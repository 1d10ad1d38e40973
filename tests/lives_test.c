/* lives_test.c: made-up lives are believable: in order, repeatable, of every kind. */
#include "consumer/lives.h"

#include "consumer/hash.h"
#include "schemas/arena.h"
#include "schemas/channel_file.h"
#include "schemas/event.h"
#include "statemachine/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START_MS 1795428000000

static struct tables tables;

static int load_tables(void **state)
{
    struct buffer complaints = {0};
    bool good = channel_files_load(NULL, &tables, &complaints);

    (void)state;
    buffer_release(&complaints);
    return good ? 0 : -1;
}

static int drop_tables(void **state)
{
    (void)state;
    tables_release(&tables);
    arena_release();
    return 0;
}

static struct lives_options usual(uint64_t seed, uint64_t count)
{
    return (struct lives_options){
        .seed = seed,
        .count = count,
        .start_ms = START_MS,
        .per_second = 1000,
        .stretch_ms = 60000,
    };
}

static enum reason decode(const struct life_event *life, struct event_buffer *buffer,
                          struct event *event)
{
    struct envelope_facts facts = {
        .key = (const uint8_t *)life->key,
        .key_size = life->key_size,
        .timestamp_ms = life->timestamp_ms,
        .topic = text_of("t"),
    };

    return event_decode(&tables, (const uint8_t *)life->value, life->value_size, 65536, &facts,
                        buffer, event);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    struct lives_options options = usual(42, 5000);
    struct lives *left, *right;
    struct life_event a, b;
    size_t events = 0;

    (void)state;
    options.bad_per_mille = 20;
    left = lives_new(&options);
    right = lives_new(&options);
    while (lives_next(left, &a)) {
        lives_next_ms(right); /* a look ahead changes nothing */
        assert_true(lives_next(right, &b));
        assert_int_equal(a.is_send, b.is_send);
        assert_int_equal(a.timestamp_ms, b.timestamp_ms);
        assert_int_equal(a.key_size, b.key_size);
        assert_memory_equal(a.key, b.key, a.key_size);
        assert_int_equal(a.value_size, b.value_size);
        assert_memory_equal(a.value, b.value, a.value_size);
        events++;
    }
    assert_false(lives_next(right, &b));
    assert_true(events > 10000);
    lives_free(&left);
    lives_free(&right);
    assert_null(left);
    lives_free(&left);
}

static void another_seed_gives_other_lives(void **state)
{
    struct lives_options one = usual(1, 100), two = usual(2, 100);
    struct lives *left = lives_new(&one), *right = lives_new(&two);
    struct life_event a, b;

    (void)state;
    assert_true(lives_next(left, &a));
    assert_true(lives_next(right, &b));
    assert_string_not_equal(a.key, b.key);
    lives_free(&left);
    lives_free(&right);
}

static void timestamps_never_go_back(void **state)
{
    static const double rates[] = {0.5, 30, 1000, 250000};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct lives_options options = usual(7, 20000);
        struct lives *lives;
        struct life_event event;
        int64_t before_ms = START_MS;
        options.per_second = rates[i];
        lives = lives_new(&options);
        for (;;) {
            int64_t next_ms = lives_next_ms(lives);
            if (!lives_next(lives, &event)) {
                assert_int_equal(next_ms, INT64_MAX);
                break;
            }
            assert_int_equal(next_ms, event.timestamp_ms);
            if (event.timestamp_ms < before_ms)
                fail_msg("%lld after %lld at %f a second", (long long)event.timestamp_ms,
                         (long long)before_ms, rates[i]);
            before_ms = event.timestamp_ms;
        }
        lives_free(&lives);
    }
}

static void without_a_count_there_is_no_end(void **state)
{
    struct lives_options options = usual(3, 0);
    struct lives *lives = lives_new(&options);
    struct life_event event;

    (void)state;
    for (int i = 0; i < 50000; i++)
        assert_true(lives_next(lives, &event));
    lives_free(&lives);
}

static void every_value_is_an_event_and_every_status_occurs(void **state)
{
    struct lives_options options = usual(11, 300000);
    struct lives *lives = lives_new(&options);
    static uint64_t statuses[CHANNELS_MAX][STATUSES_MAX];
    static struct life_event life;
    size_t sends = 0;

    (void)state;
    while (lives_next(lives, &life)) {
        struct event_buffer buffer;
        struct event event;
        enum reason reason = decode(&life, &buffer, &event);
        if (reason != REASON_NONE)
            fail_msg("%s (%s): %.*s", reason_words[reason], buffer.detail, (int)life.value_size,
                     life.value);
        assert_int_equal(event.is_send, life.is_send);
        assert_int_equal(event.is_send, event.attributes.size > 0);
        sends += event.is_send;
        if (event.status != STATUS_NONE)
            statuses[event.channel][event.status]++;
    }
    assert_in_range(sends, 298000, 300000); /* some are lost */
    for (size_t i = 0; i < tables.count; i++)
        for (size_t s = 0; s < tables.rows[i]->count; s++)
            if (statuses[i][s] == 0)
                fail_msg("no %s on %s", tables.rows[i]->statuses[s].name, tables.rows[i]->channel);
    lives_free(&lives);
}

static void so_many_are_bad_as_were_asked_for(void **state)
{
    struct lives_options options = usual(5, 50000);
    size_t reasons[REASON_COUNT + 1] = {0}, receipts = 0, bad = 0;
    struct lives *lives;
    static struct life_event life;

    (void)state;
    options.bad_per_mille = 50;
    lives = lives_new(&options);
    while (lives_next(lives, &life)) {
        struct event_buffer buffer;
        struct event event;
        enum reason reason = decode(&life, &buffer, &event);
        reasons[reason]++;
        receipts += !life.is_send;
        bad += reason != REASON_NONE;
        assert_false(life.is_send && reason != REASON_NONE);
    }
    assert_in_range(bad, receipts * 40 / 1000, receipts * 60 / 1000);
    assert_true(reasons[REASON_NOT_JSON] > 0);
    assert_true(reasons[REASON_BAD_FIELD] > 0);
    assert_true(reasons[REASON_UNKNOWN_CHANNEL] > 0);
    assert_true(reasons[REASON_UNKNOWN_STATUS] > 0);
    lives_free(&lives);
}

/* ---- what the world does --------------------------------------------------------------- */

/* As `upshot gen` with the same options; the hash is of what it wrote before it had others. */
static void a_seed_gives_what_it_always_gave(void **state)
{
    static const struct {
        uint64_t seed, count;
        double per_second;
        unsigned bad;
        uint64_t hash;
    } cases[] = {
        {1, 1000, 100, 2, UINT64_C(0x89c5f418d14ac560)},
        {3, 20000, 3, 50, UINT64_C(0x68e9908403ec3762)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lives_options options = usual(cases[i].seed, cases[i].count);
        struct buffer lines = {0};
        struct lives *lives;
        static struct life_event life;
        options.per_second = cases[i].per_second;
        options.stretch_ms = 300000;
        options.bad_per_mille = cases[i].bad;
        lives = lives_new(&options);
        while (lives_next(lives, &life)) {
            buffer_put(&lines, life.value, life.value_size);
            buffer_put_byte(&lines, '\n');
        }
        assert_int_equal(hash_bytes(lines.bytes, lines.size, 0), cases[i].hash);
        buffer_release(&lines);
        lives_free(&lives);
    }
}

enum { LIVES = 20000 };

/* What came of LIVES lives, which are of two statuses each. */
struct sight {
    size_t sends, late_sends, receipts, late, swapped;
};

/* The last twelve digits of an id, which is 36 long. */
static size_t number_of(const void *id)
{
    char digits[13] = {0};

    memcpy(digits, (const char *)id + 24, 12);
    return (size_t)strtoull(digits, NULL, 16);
}

/* All lives are whatsapp's SENT, then DELIVERED, so that each event can be told from the others. */
static struct sight look(const struct lives_world *world)
{
    struct lives_options options = usual(17, LIVES);
    static bool delivered[LIVES];
    static struct life_event life;
    struct sight seen = {0};
    struct lives *lives;

    options.stretch_ms = 0; /* what takes time is late */
    options.world = world;
    lives = lives_new(&options);
    memset(delivered, 0, sizeof(delivered));
    while (lives_next(lives, &life)) {
        size_t number = number_of(life.key);
        int64_t after_ms = life.timestamp_ms - START_MS - (int64_t)number;
        assert_in_range(number, 0, LIVES - 1);
        seen.sends += life.is_send;
        seen.late_sends += life.is_send && after_ms > 0;
        seen.receipts += !life.is_send;
        seen.late += !life.is_send && after_ms > 0;
        seen.swapped += strstr(life.value, "\"SENT\"") != NULL && delivered[number];
        delivered[number] = delivered[number] || strstr(life.value, "\"DELIVERED\"") != NULL;
    }
    lives_free(&lives);
    return seen;
}

static struct lives_world quiet_world(void)
{
    struct lives_world world = {.late_by_ms = 1000000000};

    for (size_t i = 0; i < WAYS; i++)
        if (strcmp(ways[i].channel, "whatsapp") == 0 &&
            strcmp(ways[i].statuses, "SENT DELIVERED") == 0)
            world.weights.of[i] = world.weights.total = 1;
    return world;
}

/* Within six standard deviations, as if each of `all` were drawn for itself; a few more or less. */
static void assert_so_many(const char *what, unsigned per_mille, size_t count, size_t all)
{
    double p = per_mille / 1000.0, wanted = p * (double)all;
    double off = (double)count - wanted, variance = wanted * (1 - p);

    if (off * off > 36 * variance + 100)
        fail_msg("%u of 1000 %s: %zu of %zu", per_mille, what, count, all);
}

static void each_chance_comes_as_often_as_was_asked_for(void **state)
{
    static const unsigned chances[] = {0, 3, 10, 125, 333, 700, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(chances) / sizeof(*chances); i++) {
        for (int chance = 0; chance < CHANCE_COUNT; chance++) {
            struct lives_world world = quiet_world();
            struct sight seen, quiet = {.sends = LIVES, .receipts = 2 * LIVES};
            unsigned asked = chances[i];
            world.per_mille[chance] = asked;
            seen = look(&world);
            switch ((enum lives_chance)chance) {
            case CHANCE_LOST_SEND:
                assert_so_many("sends are lost", asked, LIVES - seen.sends, LIVES);
                quiet.sends = seen.sends;
                break;
            case CHANCE_LATE_SEND: /* of 5000, one is late by nothing */
                assert_so_many("sends are late", asked, seen.late_sends, LIVES);
                quiet.late_sends = seen.late_sends;
                break;
            case CHANCE_LOST:
                assert_so_many("receipts are lost", asked, 2 * LIVES - seen.receipts, 2 * LIVES);
                quiet.receipts = seen.receipts;
                break;
            case CHANCE_LATE: /* and often after the one that follows */
                assert_so_many("receipts are late", asked, seen.late, 2 * LIVES);
                quiet.late = seen.late;
                quiet.swapped = seen.swapped;
                break;
            case CHANCE_REPEAT:
                assert_so_many("receipts come twice", asked, seen.receipts - 2 * LIVES, 2 * LIVES);
                quiet.receipts = seen.receipts;
                break;
            case CHANCE_DISORDER:
                assert_so_many("receipts change places", asked, seen.swapped, LIVES);
                quiet.swapped = seen.swapped;
                break;
            case CHANCE_COUNT:
                break;
            }
            /* And nothing else has changed. */
            assert_memory_equal(&seen, &quiet, sizeof(seen));
        }
    }
}

static void a_late_receipt_is_late_by_so_much_at_most(void **state)
{
    struct lives_world world = quiet_world();
    struct lives_options options = usual(23, LIVES);
    int64_t latest_ms = 0;
    static struct life_event life;
    struct lives *lives;

    (void)state;
    options.stretch_ms = 0;
    options.world = &world;
    world.per_mille[CHANCE_LATE] = 1000;
    world.late_by_ms = 7200000;
    lives = lives_new(&options);
    while (lives_next(lives, &life)) {
        int64_t late_ms = life.timestamp_ms - START_MS - (int64_t)number_of(life.key);
        latest_ms = late_ms > latest_ms ? late_ms : latest_ms;
    }
    assert_in_range(latest_ms, 7100000, 7200000);
    lives_free(&lives);
}

static void channels_have_their_shares(void **state)
{
    struct lives_options options = usual(29, LIVES);
    size_t sms = 0, email = 0, sends = 0;
    struct lives_world world;
    struct buffer complaint = {0};
    static struct life_event life;
    struct lives *lives;

    (void)state;
    lives_usual_world(&world);
    assert_true(ways_weigh("sms=60,email=40", NULL, &world.weights, &complaint));
    options.world = &world;
    lives = lives_new(&options);
    while (lives_next(lives, &life)) {
        if (!life.is_send)
            continue;
        sends++;
        sms += strstr(life.value, "\"channel\":\"sms\"") != NULL;
        email += strstr(life.value, "\"channel\":\"email\"") != NULL;
    }
    assert_int_equal(sms + email, sends);
    assert_so_many("are sms", 600, sms, sends);
    lives_free(&lives);
}

/* Through the machine itself: the last outcome of each message. */
static void outcomes_have_their_shares(void **state)
{
    static struct life_event life;
    static uint8_t ends[LIVES];
    struct lives_options options = usual(31, LIVES);
    size_t counts[OUTCOME_COUNT + 1] = {0};
    struct buffer complaint = {0};
    struct happening happening;
    struct lives_world world;
    struct lives *lives;
    struct task task;

    (void)state;
    lives_usual_world(&world);
    memset(world.per_mille, 0, sizeof(world.per_mille));
    memset(ends, OUTCOME_COUNT, sizeof(ends));
    assert_true(ways_weigh("sms=50,rcs=30,email=20", "delivered=60,failed=20,read=12,unresolved=8",
                           &world.weights, &complaint));
    options.world = &world;
    lives = lives_new(&options);
    task_init(&task, &tables, 1, hash_bytes, 1);
    while (lives_next(lives, &life)) {
        struct event_buffer buffer;
        struct event event;
        assert_int_equal(decode(&life, &buffer, &event), REASON_NONE);
        watermark_take(&task.watermark, 0, event.timestamp_ms);
        task_apply(&task, &event, &happening);
        if (happening.effects.emits)
            ends[number_of(life.key)] = happening.record.emitted.outcome;
        task_land(&task);
    }
    while (task_fire(&task, INT64_MAX, &happening)) {
        if (happening.effects.emits)
            ends[number_of(happening.id.bytes)] = happening.record.emitted.outcome;
        task_land(&task);
    }
    for (size_t i = 0; i < LIVES; i++)
        counts[ends[i]]++;
    assert_int_equal(counts[OUTCOME_COUNT], 0);
    assert_so_many("are delivered", 600, counts[OUTCOME_DELIVERED], LIVES);
    assert_so_many("have failed", 200, counts[OUTCOME_FAILED], LIVES);
    assert_so_many("are read", 120, counts[OUTCOME_READ], LIVES);
    assert_so_many("are unresolved", 80, counts[OUTCOME_UNRESOLVED], LIVES);
    task_release(&task);
    lives_free(&lives);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(another_seed_gives_other_lives),
        cmocka_unit_test(timestamps_never_go_back),
        cmocka_unit_test(without_a_count_there_is_no_end),
        cmocka_unit_test(every_value_is_an_event_and_every_status_occurs),
        cmocka_unit_test(so_many_are_bad_as_were_asked_for),
        cmocka_unit_test(a_seed_gives_what_it_always_gave),
        cmocka_unit_test(each_chance_comes_as_often_as_was_asked_for),
        cmocka_unit_test(a_late_receipt_is_late_by_so_much_at_most),
        cmocka_unit_test(channels_have_their_shares),
        cmocka_unit_test(outcomes_have_their_shares),
    };

    arena_hook_cjson();
    return cmocka_run_group_tests(tests, load_tables, drop_tables);
}
