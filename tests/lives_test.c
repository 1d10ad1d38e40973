/* lives_test.c: made-up lives are believable: in order, repeatable, of every kind. */
#include "consumer/lives.h"

#include "schemas/arena.h"
#include "schemas/channel_file.h"
#include "schemas/event.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(another_seed_gives_other_lives),
        cmocka_unit_test(timestamps_never_go_back),
        cmocka_unit_test(without_a_count_there_is_no_end),
        cmocka_unit_test(every_value_is_an_event_and_every_status_occurs),
        cmocka_unit_test(so_many_are_bad_as_were_asked_for),
    };

    arena_hook_cjson();
    return cmocka_run_group_tests(tests, load_tables, drop_tables);
}
