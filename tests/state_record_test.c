/* state_record_test.c: what goes to the state topic comes back by name, or is refused. */
#include "schemas/state_record.h"

#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NOW_MS 1795428000000

/* One channel, whose statuses later versions shuffle and lose. C contradicts D. */
static const char *const c_then[] = {"C", "D"};
#define ROW_A {"A", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, c_then, 2, ""}
#define ROW_B {"B", PHASE_TRANSIT, OUTCOME_ACCEPTED, 1000, c_then, 2, ""}
#define ROW_C {"C", PHASE_FINAL, OUTCOME_FAILED, 0, NULL, 0, ""}
#define ROW_D {"D", PHASE_FINAL, OUTCOME_DELIVERED, 0, NULL, 0, ""}

static const char *const b_then[] = {"B", "C", "D"};
static const char *const a_then[] = {"A", "C", "D"};
static const struct draft_status today[] = {
    {"A", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, b_then, 3, ""}, ROW_B, ROW_C, ROW_D};
static const struct draft_status reordered[] = {
    {"B", PHASE_TRANSIT, OUTCOME_ACCEPTED, 1000, a_then, 3, ""}, ROW_A, ROW_D, ROW_C};
static const struct draft_status without_c[] = {
    {"A", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, (const char *const[]){"B", "D"}, 2, ""},
    {"B", PHASE_TRANSIT, OUTCOME_ACCEPTED, 1000, (const char *const[]){"D"}, 1, ""}, ROW_D};
static const struct draft_status without_d[] = {
    {"A", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, (const char *const[]){"B", "C"}, 2, ""},
    {"B", PHASE_TRANSIT, OUTCOME_ACCEPTED, 1000, (const char *const[]){"C"}, 1, ""}, ROW_C};

enum { A, B, C, D };

static struct table *make_table(const struct draft_status *statuses, size_t count)
{
    struct draft draft = {
        .channel = "pigeon",
        .version = 1,
        .retention_ms = 1000,
        .orphan_hold_ms = 10,
        .initial_settle_after_ms = 1000,
        .initial_outcome = OUTCOME_UNRESOLVED,
        .statuses = statuses,
        .count = count,
        .digest = 7,
    };

    return table_new(&draft);
}

static struct table *table;

static int make_today(void **state)
{
    (void)state;
    table = make_table(today, COUNT(today));
    return table == NULL ? -1 : 0;
}

static int drop_today(void **state)
{
    (void)state;
    table_free(&table);
    return 0;
}

/* ---- records ---------------------------------------------------------------------------- */

static struct record known_record(void)
{
    struct record record = {
        .life_ms = NOW_MS,
        .first_ts_ms = NOW_MS - 7,
        .state_ts_ms = NOW_MS + 1250,
        .sent_at_ms = NOW_MS - 20,
        .attributes_at_ms = NOW_MS - 20,
        .reason_at_ms = NOW_MS + 1200,
        .forget_ms = NOW_MS + 172800000,
        .attributes = text_of("{\"campaign_id\":\"c9\"}"),
        .reason = text_of("err:000"),
        .topic = text_of("message.receipts"),
        .offset = 812,
        .revision = 2,
        .emitted = {OUTCOME_FAILED, C, true, false},
        .send_seen = true,
        .conflict = true,
        .state = D,
        .seen_count = 3,
        .seen = {{NOW_MS + 5, A}, {NOW_MS - 3, C}, {NOW_MS + 1200, D}},
    };

    return record;
}

static int64_t some_time(struct random *random)
{
    switch (random_below(random, 6)) {
    case 0:
        return TIME_MIN_MS;
    case 1:
        return TIME_MAX_MS + DURATION_MAX_MS;
    default:
        return random_between(random, TIME_MIN_MS, TIME_MAX_MS);
    }
}

static struct text some_text(struct random *random, uint8_t *room, size_t most)
{
    size_t size = random_below(random, 3) == 0 ? random_below(random, most + 1)
                                               : random_below(random, 20);

    for (size_t i = 0; i < size; i++)
        room[i] = (uint8_t)random_bits(random);
    return (struct text){.bytes = room, .size = (uint32_t)size};
}

struct rooms {
    uint8_t topic[TOPIC_MAX], attributes[ATTRIBUTES_MAX], reason[REASON_MAX];
};

/* Any record that steps can have left behind: state and conflict follow from what was seen. */
static void some_record(struct random *random, struct record *record, struct rooms *rooms)
{
    memset(record, 0, sizeof(*record));
    record->life_ms = some_time(random);
    record->first_ts_ms = some_time(random);
    record->offset = random_below(random, 9) == 0 ? INT64_MAX : (int64_t)random_below(random, 999);
    record->topic = some_text(random, rooms->topic, TOPIC_MAX);
    for (uint8_t status = A; status <= D; status++)
        if (random_below(random, 2) != 0)
            record->seen[record->seen_count++] =
                (struct seen){.at_ms = some_time(random), .status = status};
    record_recompute(table, record);
    record->state_ts_ms = record->state == STATUS_NONE ? record->first_ts_ms : some_time(random);
    record->send_seen = random_below(random, 2) != 0;
    if (record->send_seen) {
        record->sent_at_ms = some_time(random);
        record->attributes = some_text(random, rooms->attributes, ATTRIBUTES_MAX);
        record->attributes_at_ms = some_time(random);
    }
    if (record->state != STATUS_NONE) {
        record->reason = some_text(random, rooms->reason, REASON_MAX);
        record->reason_at_ms = some_time(random);
    }
    if (random_below(random, 2) != 0) {
        record->revision = random_below(random, 9) == 0 ? UINT32_MAX : 1;
        record->forget_ms = some_time(random);
        record->emitted.outcome = (uint8_t)random_below(random, OUTCOME_COUNT);
        record->emitted.status = (uint8_t)random_below(random, D + 2);
        if (record->emitted.status > D)
            record->emitted.status = STATUS_NONE;
        record->emitted.send_seen = random_below(random, 2) != 0;
        record->emitted.conflict = random_below(random, 2) != 0;
    }
}

static void check_same(const struct record *a, const struct record *b)
{
    assert_int_equal(a->life_ms, b->life_ms);
    assert_int_equal(a->first_ts_ms, b->first_ts_ms);
    assert_int_equal(a->state_ts_ms, b->state_ts_ms);
    assert_int_equal(a->offset, b->offset);
    assert_true(text_equal(a->topic, b->topic));
    assert_int_equal(a->send_seen, b->send_seen);
    assert_int_equal(a->sent_at_ms, b->sent_at_ms);
    assert_true(text_equal(a->attributes, b->attributes));
    if (a->attributes.size > 0)
        assert_int_equal(a->attributes_at_ms, b->attributes_at_ms);
    assert_true(text_equal(a->reason, b->reason));
    if (a->reason.size > 0)
        assert_int_equal(a->reason_at_ms, b->reason_at_ms);
    assert_int_equal(a->revision, b->revision);
    assert_int_equal(a->forget_ms, b->forget_ms);
    assert_true(verdict_equal(a->emitted, b->emitted));
    assert_int_equal(a->conflict, b->conflict);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->seen_count, b->seen_count);
    for (int i = 0; i < a->seen_count; i++) {
        assert_int_equal(a->seen[i].status, b->seen[i].status);
        assert_int_equal(a->seen[i].at_ms, b->seen[i].at_ms);
    }
}

static void any_record_comes_back_as_it_was(void **state)
{
    struct random random = random_start("state_record");
    struct buffer out = {0};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        static struct rooms rooms;
        struct record record, back;
        some_record(&random, &record, &rooms);
        buffer_clear(&out);
        state_record_encode(&out, table, &record);
        assert_false(out.failed);
        memset(&back, 0x5a, sizeof(back));
        assert_int_equal(state_record_decode(out.bytes, out.size, table, false, &back),
                         STATE_GOOD);
        check_same(&record, &back);
    }
    buffer_release(&out);
}

/* ---- what falls from a disk ------------------------------------------------------------- */

static struct control known_control(void)
{
    struct control control = {
        .transaction = UINT64_MAX,
        .watermark_ms = TIME_NONE,
        .input_count = 2,
        .inputs = {{"message.sends", TIME_NONE, -1}, {"message.receipts", NOW_MS, 20}},
        .table_count = 2,
        .tables = {{"pigeon", UINT64_C(0xfedcba9876543210)}, {"sms", 1}},
        .lineage = UINT64_C(0x8123456789abcdef),
        .live = 5000000,
    };

    for (uint64_t i = 0; i < ARRIVAL_COUNT; i++)
        control.arrivals[i] = i * i * 1000000007;
    for (uint64_t i = 0; i < REASON_COUNT; i++)
        control.dead_letters[i] = UINT64_MAX - i;
    return control;
}

static void known_value(bool is_control, struct buffer *out)
{
    struct record record = known_record();
    static struct control control;

    buffer_clear(out);
    if (is_control) {
        control = known_control();
        control_encode(out, &control);
    } else {
        state_record_encode(out, table, &record);
    }
}

/* At the end of memory of its own, so that the sanitizer sees a byte too many. */
static enum state_fault decode(bool is_control, const uint8_t *value, size_t size)
{
    static struct control control;
    uint8_t *copy = malloc(size > 0 ? size : 1);
    enum state_fault fault;
    struct record record;

    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, value, size);
    fault = is_control ? control_decode(copy, size, &control)
                       : state_record_decode(copy, size, table, true, &record);
    free(copy);
    return fault;
}

static void any_corrupted_byte_is_seen(void **state)
{
    struct buffer out = {0};

    (void)state;
    for (int is_control = 0; is_control < 2; is_control++) {
        known_value(is_control, &out);
        assert_int_equal(decode(is_control, out.bytes, out.size), STATE_GOOD);
        for (size_t at = 0; at < out.size; at++) {
            for (unsigned change = 1; change < 256; change++) {
                enum state_fault fault;
                out.bytes[at] ^= (uint8_t)change;
                fault = decode(is_control, out.bytes, out.size);
                out.bytes[at] ^= (uint8_t)change;
                if (fault != STATE_CORRUPT)
                    fail_msg("byte %zu changed by %02x: fault %d", at, change, (int)fault);
            }
        }
    }
    assert_int_equal(table->ghost_count, 0);
    buffer_release(&out);
}

static void any_truncation_is_seen(void **state)
{
    struct buffer out = {0};

    (void)state;
    for (int is_control = 0; is_control < 2; is_control++) {
        known_value(is_control, &out);
        for (size_t size = 0; size < out.size; size++)
            if (decode(is_control, out.bytes, size) != STATE_CORRUPT)
                fail_msg("%zu of %zu bytes are enough", size, out.size);
    }
    buffer_release(&out);
}

static void sign(uint8_t *value, size_t size)
{
    uint32_t sum = (uint32_t)XXH3_64bits(value, size - 4);

    for (int i = 0; i < 4; i++)
        value[size - 4 + (size_t)i] = (uint8_t)(sum >> (8 * i));
}

/* A good checksum over any body: it may be accepted or not, but never believed blindly. */
static void a_good_checksum_over_nonsense_is_no_danger(void **state)
{
    struct random random = random_start("state_record, nonsense");
    struct buffer out = {0};
    size_t good = 0;

    (void)state;
    for (int round = 0; round < 60000; round++) {
        bool is_control = round % 2 != 0;
        size_t size, changes = random_below(&random, 4) + 1;
        known_value(is_control, &out);
        size = random_below(&random, 3) != 0 ? out.size : 6 + random_below(&random, out.size - 5);
        for (size_t i = 0; i < changes; i++)
            out.bytes[1 + random_below(&random, size - 5)] = (uint8_t)random_bits(&random);
        sign(out.bytes, size);
        good += decode(is_control, out.bytes, size) == STATE_GOOD;
        if (table->ghost_count > 0) {
            table_free(&table);
            make_today(NULL);
        }
    }
    assert_in_range(good, 100, 59900); /* both ways were tried */
    buffer_release(&out);
}

static void a_body_cut_short_under_a_good_checksum_is_corrupt(void **state)
{
    struct buffer out = {0};

    (void)state;
    for (int is_control = 0; is_control < 2; is_control++) {
        known_value(is_control, &out);
        for (size_t size = 5; size < out.size; size++) {
            known_value(is_control, &out);
            sign(out.bytes, size);
            if (decode(is_control, out.bytes, size) != STATE_CORRUPT)
                fail_msg("%zu of %zu bytes are enough", size, out.size);
        }
        known_value(is_control, &out);
        buffer_put_byte(&out, 0);
        sign(out.bytes, out.size);
        assert_int_equal(decode(is_control, out.bytes, out.size), STATE_CORRUPT);
    }
    buffer_release(&out);
}

static void another_version_is_too_new_not_corrupt(void **state)
{
    struct buffer out = {0};

    (void)state;
    for (int is_control = 0; is_control < 2; is_control++) {
        known_value(is_control, &out);
        out.bytes[0] = (is_control ? CONTROL_VERSION : STATE_RECORD_VERSION) + 1;
        sign(out.bytes, out.size);
        assert_int_equal(decode(is_control, out.bytes, out.size), STATE_TOO_NEW);
    }
    buffer_release(&out);
}

/* A ghost's name is kept as a string: two that differ behind a NUL would become one. */
static void a_status_name_with_a_nul_is_corrupt(void **state)
{
    struct record record = known_record();
    struct buffer out = {0};
    uint8_t *name;

    (void)state;
    record.seen_count = 1; /* A */
    state_record_encode(&out, table, &record);
    name = memmem(out.bytes, out.size, "\1A", 2);
    assert_non_null(name);
    name[1] = 0;
    sign(out.bytes, out.size);
    assert_int_equal(decode(false, out.bytes, out.size), STATE_CORRUPT);
    assert_int_equal(table->ghost_count, 0);
    buffer_release(&out);
}

/* ---- another table ---------------------------------------------------------------------- */

static void a_lost_name_is_refused_without_ghosts(void **state)
{
    struct table *later = make_table(without_d, COUNT(without_d));
    struct record record = known_record(), back;
    struct buffer out = {0};

    (void)state;
    state_record_encode(&out, table, &record);
    assert_int_equal(state_record_decode(out.bytes, out.size, later, false, &back),
                     STATE_NAMES_GONE);
    assert_int_equal(later->ghost_count, 0);
    buffer_release(&out);
    table_free(&later);
}

static void a_lost_name_stays_in_the_timeline_without_a_vote(void **state)
{
    struct table *later = make_table(without_d, COUNT(without_d));
    struct record record = known_record(), back;
    struct buffer out = {0}, again = {0};

    (void)state;
    state_record_encode(&out, table, &record);
    assert_int_equal(state_record_decode(out.bytes, out.size, later, true, &back), STATE_GOOD);
    assert_int_equal(back.seen_count, 3);
    assert_string_equal(table_status_name(later, back.seen[2].status), "D");
    assert_int_equal(back.seen[2].at_ms, NOW_MS + 1200);
    assert_false(table_has_vote(later, back.seen[2].status));
    assert_string_equal(table_status_name(later, back.state), "C");
    assert_false(back.conflict); /* nobody is left to contradict C */
    assert_int_equal(back.reason.size, 0); /* it was D's */
    assert_string_equal(table_status_name(later, back.emitted.status), "C");

    /* Once written by the new program it is read again, ghost and all, under the old table too. */
    state_record_encode(&again, later, &back);
    assert_int_equal(state_record_decode(again.bytes, again.size, table, false, &record),
                     STATE_GOOD);
    assert_int_equal(record.state, D);
    assert_true(record.conflict);
    buffer_release(&again);
    buffer_release(&out);
    table_free(&later);
}

static void a_verdict_upon_a_lost_name_is_still_the_one_emitted(void **state)
{
    struct table *later = make_table(without_c, COUNT(without_c));
    struct record record = known_record(), back;
    struct buffer out = {0};

    (void)state;
    state_record_encode(&out, table, &record);
    assert_int_equal(state_record_decode(out.bytes, out.size, later, true, &back), STATE_GOOD);
    assert_string_equal(table_status_name(later, back.emitted.status), "C");
    assert_int_equal(back.emitted.outcome, OUTCOME_FAILED);
    assert_string_equal(table_status_name(later, back.state), "D");
    assert_true(text_equal(back.reason, text_of("err:000"))); /* still D's */
    assert_false(back.conflict);
    buffer_release(&out);
    table_free(&later);
}

static void a_record_of_ghosts_alone_has_no_state(void **state)
{
    struct table *later = make_table(without_c, COUNT(without_c));
    struct record record = known_record(), back;
    struct buffer out = {0};

    (void)state;
    record.seen[0] = record.seen[1]; /* C alone */
    record.seen_count = 1;
    record.conflict = false;
    record.state = C;
    state_record_encode(&out, table, &record);
    assert_int_equal(state_record_decode(out.bytes, out.size, later, true, &back), STATE_GOOD);
    assert_int_equal(back.state, STATUS_NONE);
    assert_int_equal(back.seen_count, 1);
    assert_int_equal(back.reason.size, 0);
    assert_int_equal(record_verdict(later, &back).outcome, OUTCOME_UNRESOLVED);
    buffer_release(&out);
    table_free(&later);
}

static void a_reordered_table_decides_anew(void **state)
{
    struct table *later = make_table(reordered, COUNT(reordered));
    struct record record = known_record(), back;
    struct buffer out = {0};

    (void)state;
    state_record_encode(&out, table, &record);
    assert_int_equal(state_record_decode(out.bytes, out.size, later, false, &back), STATE_GOOD);
    assert_string_equal(table_status_name(later, back.state), "C");
    assert_int_equal(back.reason.size, 0);
    assert_true(back.conflict);
    assert_int_equal(back.seen_count, 3);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"A", "D", "C"};
        static const int64_t at_ms[] = {NOW_MS + 5, NOW_MS + 1200, NOW_MS - 3};
        assert_string_equal(table_status_name(later, back.seen[i].status), names[i]);
        assert_int_equal(back.seen[i].at_ms, at_ms[i]);
    }
    assert_string_equal(table_status_name(later, back.emitted.status), "C");
    buffer_release(&out);
    table_free(&later);
}

/* ---- control records, keys -------------------------------------------------------------- */

static void check_same_control(const struct control *a, const struct control *b)
{
    assert_true(a->transaction == b->transaction);
    assert_int_equal(a->watermark_ms, b->watermark_ms);
    assert_int_equal(a->input_count, b->input_count);
    for (size_t i = 0; i < a->input_count; i++) {
        assert_string_equal(a->inputs[i].topic, b->inputs[i].topic);
        assert_int_equal(a->inputs[i].greatest_ms, b->inputs[i].greatest_ms);
        assert_int_equal(a->inputs[i].next, b->inputs[i].next);
    }
    assert_memory_equal(a->arrivals, b->arrivals, sizeof(a->arrivals));
    assert_memory_equal(a->dead_letters, b->dead_letters, sizeof(a->dead_letters));
    assert_int_equal(a->table_count, b->table_count);
    for (size_t i = 0; i < a->table_count; i++) {
        assert_string_equal(a->tables[i].channel, b->tables[i].channel);
        assert_true(a->tables[i].digest == b->tables[i].digest);
    }
    assert_true(a->lineage == b->lineage);
    assert_true(a->live == b->live);
}

/* Each version has its facts behind those of the one before. */
static void control_records_of_older_versions_are_read(void **state)
{
    static const size_t tails[] = {[1] = 8 + 1 + 2, [2] = 2}; /* lineage, live, two places */
    static struct control control, back;
    struct buffer out = {0};

    (void)state;
    for (uint8_t version = 2; version > 0; version--) {
        buffer_clear(&out);
        control = known_control();
        control.live = 1;
        control_encode(&out, &control);
        out.bytes[0] = version;
        sign(out.bytes, out.size - tails[version]);
        assert_int_equal(control_decode(out.bytes, out.size - tails[version], &back), STATE_GOOD);
        control.inputs[0].next = control.inputs[1].next = -1;
        if (version < 2)
            control.lineage = control.live = 0;
        check_same_control(&control, &back);
    }
    buffer_release(&out);
}

static void any_control_record_comes_back_as_it_was(void **state)
{
    struct random random = random_start("state_record, control");
    static struct control control, back;
    struct buffer out = {0};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        control = known_control();
        if (round > 0) {
            control.transaction = random_bits(&random);
            control.lineage = random_bits(&random);
            control.live = random_bits(&random) >> random_below(&random, 64);
            control.watermark_ms = random_below(&random, 5) == 0 ? TIME_NONE : some_time(&random);
            control.input_count = random_below(&random, INPUTS_MAX + 1);
            control.table_count = random_below(&random, CHANNELS_MAX + 1);
        }
        for (size_t i = 0; i < control.input_count && round > 0; i++) {
            memset(control.inputs[i].topic, 't', sizeof(control.inputs[i].topic));
            control.inputs[i].topic[random_below(&random, sizeof(control.inputs[i].topic))] = 0;
            control.inputs[i].greatest_ms =
                random_below(&random, 5) == 0 ? TIME_NONE : some_time(&random);
            control.inputs[i].next =
                random_below(&random, 5) == 0 ? -1 : (int64_t)(random_bits(&random) >> 1);
        }
        for (size_t i = 0; i < control.table_count && round > 0; i++) {
            memset(control.tables[i].channel, 'c', CHANNEL_NAME_MAX);
            control.tables[i].channel[1 + random_below(&random, CHANNEL_NAME_MAX)] = 0;
            control.tables[i].digest = random_bits(&random);
        }
        buffer_clear(&out);
        control_encode(&out, &control);
        memset(&back, 0x5a, sizeof(back));
        assert_int_equal(control_decode(out.bytes, out.size, &back), STATE_GOOD);
        check_same_control(&control, &back);
    }
    buffer_release(&out);
}

static void a_key_is_read_as_it_was_written(void **state)
{
    struct text channel, id, odd = {.bytes = (const uint8_t *)"m\0\n\xff", .size = 4};
    struct buffer out = {0};

    (void)state;
    state_key_message(&out, table, odd);
    assert_int_equal(out.size, 1 + strlen("pigeon") + 1 + 4);
    assert_memory_equal(out.bytes, "mpigeon\0m\0\n\xff", out.size);
    assert_int_equal(state_key_decode(out.bytes, out.size, &channel, &id), STATE_MESSAGE);
    assert_true(text_equal(channel, text_of("pigeon")));
    assert_true(text_equal(id, odd));

    buffer_clear(&out);
    state_key_control(&out);
    assert_int_equal(state_key_decode(out.bytes, out.size, &channel, &id), STATE_CONTROL);
    buffer_release(&out);
}

static void a_key_of_somebody_else_is_refused(void **state)
{
    static const struct {
        const char *reason;
        const char *key;
        size_t size;
    } cases[] = {
        {"nothing", "", 0},
        {"a kind alone", "m", 1},
        {"no NUL", "msms", 4},
        {"no channel", "m\0id", 4},
        {"no id", "msms\0", 5},
        {"an unknown kind", "xsms\0id", 7},
        {"no kind", "\0sms\0id", 8},
        {"a control record with a channel", "csms\0", 5},
        {"a control record with an id", "c\0id", 4},
        {"a control record without its NUL", "c", 1},
    };
    struct text channel, id;
    uint8_t key[5 + MESSAGE_ID_MAX + 1] = "msms";

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (state_key_decode((const uint8_t *)cases[i].key, cases[i].size, &channel, &id) !=
            STATE_BAD_KEY)
            fail_msg("%s: accepted", cases[i].reason);
    memset(key + 5, 'i', MESSAGE_ID_MAX + 1);
    assert_int_equal(state_key_decode(key, 5 + MESSAGE_ID_MAX, &channel, &id), STATE_MESSAGE);
    assert_int_equal(state_key_decode(key, 5 + MESSAGE_ID_MAX + 1, &channel, &id), STATE_BAD_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_record_comes_back_as_it_was),
        cmocka_unit_test(any_corrupted_byte_is_seen),
        cmocka_unit_test(any_truncation_is_seen),
        cmocka_unit_test(a_good_checksum_over_nonsense_is_no_danger),
        cmocka_unit_test(a_body_cut_short_under_a_good_checksum_is_corrupt),
        cmocka_unit_test(another_version_is_too_new_not_corrupt),
        cmocka_unit_test(a_status_name_with_a_nul_is_corrupt),
        cmocka_unit_test(a_lost_name_is_refused_without_ghosts),
        cmocka_unit_test(a_lost_name_stays_in_the_timeline_without_a_vote),
        cmocka_unit_test(a_verdict_upon_a_lost_name_is_still_the_one_emitted),
        cmocka_unit_test(a_record_of_ghosts_alone_has_no_state),
        cmocka_unit_test(a_reordered_table_decides_anew),
        cmocka_unit_test(any_control_record_comes_back_as_it_was),
        cmocka_unit_test(control_records_of_older_versions_are_read),
        cmocka_unit_test(a_key_is_read_as_it_was_written),
        cmocka_unit_test(a_key_of_somebody_else_is_refused),
    };

    return cmocka_run_group_tests(tests, make_today, drop_today);
}
