/* pack_test.c: what is packed comes out as it was, whatever the values. */
#include "statemachine/pack.h"

#include "consumer/hash.h"
#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct intern intern;

static int make_intern(void **state)
{
    (void)state;
    intern_init(&intern, hash_bytes, 1);
    return 0;
}

static int drop_intern(void **state)
{
    (void)state;
    intern_release(&intern);
    return 0;
}

/* Any time that the program can meet, its ends most of all. */
static int64_t some_time(struct random *random)
{
    switch (random_below(random, 5)) {
    case 0:
        return TIME_MIN_MS;
    case 1:
        return TIME_MAX_MS + DURATION_MAX_MS;
    case 2:
        return -random_between(random, 0, 1000);
    default:
        return random_between(random, TIME_MIN_MS, TIME_MAX_MS);
    }
}

static struct text some_text(struct random *random)
{
    char text[32];

    if (random_below(random, 4) == 0)
        return (struct text){0};
    snprintf(text, sizeof(text), "text %zu", random_below(random, 1000));
    return intern_hold(&intern, text_of(text));
}

static void some_record(struct random *random, struct record *record)
{
    memset(record, 0, sizeof(*record));
    record->life_ms = some_time(random);
    record->first_ts_ms = some_time(random);
    record->topic = some_text(random);
    record->attributes = some_text(random);
    record->reason = some_text(random);
    record->offset = random_below(random, 4) == 0 ? INT64_MAX : (int64_t)random_below(random, 1000);
    record->send_seen = random_below(random, 2) != 0;
    record->conflict = random_below(random, 2) != 0;
    record->state =
        random_below(random, 4) == 0 ? STATUS_NONE : (uint8_t)random_below(random, STATUSES_MAX);
    if (record->state != STATUS_NONE)
        record->state_ts_ms = some_time(random);
    if (record->send_seen)
        record->sent_at_ms = some_time(random);
    if (record->attributes.size > 0)
        record->attributes_at_ms = some_time(random);
    if (record->reason.size > 0)
        record->reason_at_ms = some_time(random);
    if (random_below(random, 2) != 0) {
        record->revision = random_below(random, 4) == 0 ? UINT32_MAX : 1;
        record->forget_ms = some_time(random);
        record->emitted = (struct verdict){
            .outcome = (uint8_t)random_below(random, OUTCOME_COUNT),
            .status = random_below(random, 3) == 0 ? STATUS_NONE
                                                   : (uint8_t)random_below(random, SEEN_MAX),
            .send_seen = random_below(random, 2) != 0,
            .conflict = random_below(random, 2) != 0,
        };
    }
    record->seen_count = random_below(random, 8) == 0 ? SEEN_MAX : (uint8_t)random_below(random, 6);
    for (uint8_t i = 0; i < record->seen_count; i++)
        record->seen[i] = (struct seen){.at_ms = some_time(random), .status = i};
}

static void check_same(const struct record *a, const struct record *b)
{
    assert_int_equal(a->life_ms, b->life_ms);
    assert_int_equal(a->first_ts_ms, b->first_ts_ms);
    assert_int_equal(a->state_ts_ms, b->state_ts_ms);
    assert_int_equal(a->sent_at_ms, b->sent_at_ms);
    assert_int_equal(a->attributes_at_ms, b->attributes_at_ms);
    assert_int_equal(a->reason_at_ms, b->reason_at_ms);
    assert_int_equal(a->forget_ms, b->forget_ms);
    assert_int_equal(a->attributes.ref, b->attributes.ref);
    assert_int_equal(a->reason.ref, b->reason.ref);
    assert_int_equal(a->topic.ref, b->topic.ref);
    assert_true(text_equal(a->attributes, b->attributes));
    assert_true(text_equal(a->reason, b->reason));
    assert_true(text_equal(a->topic, b->topic));
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->revision, b->revision);
    assert_true(verdict_equal(a->emitted, b->emitted));
    assert_int_equal(a->send_seen, b->send_seen);
    assert_int_equal(a->conflict, b->conflict);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->seen_count, b->seen_count);
    for (int i = 0; i < a->seen_count; i++) {
        assert_int_equal(a->seen[i].status, b->seen[i].status);
        assert_int_equal(a->seen[i].at_ms, b->seen[i].at_ms);
    }
}

static struct packed_refs refs_of(const struct record *record)
{
    return (struct packed_refs){
        .attributes = record->attributes.ref,
        .reason = record->reason.ref,
        .topic = record->topic.ref,
    };
}

static void any_record_comes_out_as_it_went_in(void **state)
{
    struct random random = random_start("pack");

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct record record, back;
        struct packed_refs refs;
        uint8_t packed[PACKED_MAX];
        size_t size;
        some_record(&random, &record);
        refs = refs_of(&record);
        size = record_pack(&record, refs, packed);
        assert_in_range(size, 1, PACKED_MAX);
        memset(packed + size, 0xff, sizeof(packed) - size); /* nothing behind it counts */
        memset(&back, 0x5a, sizeof(back));
        record_unpack(packed, &intern, &back);
        check_same(&record, &back);
        assert_int_equal(record_packed_refs(packed).attributes, refs.attributes);
        assert_int_equal(record_packed_refs(packed).reason, refs.reason);
        assert_int_equal(record_packed_refs(packed).topic, refs.topic);
    }
}

/* Every field at the end of its range: the bound holds, and not by luck. */
static void the_largest_record_fits(void **state)
{
    const int64_t far_ms = TIME_MAX_MS + DURATION_MAX_MS;
    struct record record, back;
    uint8_t packed[PACKED_MAX];

    (void)state;
    memset(&record, 0, sizeof(record));
    record.life_ms = TIME_MIN_MS;
    record.first_ts_ms = record.state_ts_ms = record.sent_at_ms = far_ms;
    record.attributes_at_ms = record.reason_at_ms = record.forget_ms = far_ms;
    record.attributes = intern_hold(&intern, text_of("attributes"));
    record.reason = intern_hold(&intern, text_of("reason"));
    record.topic = intern_hold(&intern, text_of("topic"));
    record.offset = INT64_MIN;
    record.revision = UINT32_MAX;
    record.emitted = (struct verdict){OUTCOME_COUNT - 1, STATUS_NONE, true, true};
    record.send_seen = record.conflict = true;
    record.state = STATUSES_MAX - 1;
    record.seen_count = SEEN_MAX;
    for (uint8_t i = 0; i < SEEN_MAX; i++)
        record.seen[i] = (struct seen){.at_ms = far_ms, .status = i};
    assert_in_range(record_pack(&record, refs_of(&record), packed), SEEN_MAX * 8, PACKED_MAX);
    record_unpack(packed, &intern, &back);
    check_same(&record, &back);
}

/* What the store's header says of its memory: about 45 bytes for a usual one. */
static void a_usual_record_is_small(void **state)
{
    const int64_t now_ms = 1795428000000;
    struct record record = {
        .life_ms = now_ms,
        .first_ts_ms = now_ms,
        .state_ts_ms = now_ms + 4000,
        .sent_at_ms = now_ms - 20,
        .attributes_at_ms = now_ms - 20,
        .reason_at_ms = now_ms + 3990,
        .forget_ms = now_ms + 48 * 3600000LL,
        .attributes = intern_hold(&intern, text_of("{\"campaign_id\":\"c9\"}")),
        .reason = intern_hold(&intern, text_of("err:000")),
        .topic = intern_hold(&intern, text_of("message.receipts")),
        .offset = 123456789,
        .revision = 1,
        .emitted = {OUTCOME_DELIVERED, 9, true, false},
        .send_seen = true,
        .state = 9,
        .seen_count = 2,
        .seen = {{now_ms + 10, 2}, {now_ms + 3990, 9}},
    };
    uint8_t packed[PACKED_MAX];

    (void)state;
    assert_in_range(record_pack(&record, refs_of(&record), packed), 1, 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_record_comes_out_as_it_went_in),
        cmocka_unit_test(the_largest_record_fits),
        cmocka_unit_test(a_usual_record_is_small),
    };

    return cmocka_run_group_tests(tests, make_intern, drop_intern);
}
