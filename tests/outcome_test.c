/* outcome_test.c: outcomes, byte for byte, in the shapes that DESIGN 4 promises. */
#include "schemas/outcome.h"

#include "schemas/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NOW_MS 1795428000000 /* 2026-11-23T10:00:00.000Z */
#define DAY_MS 86400000LL

static struct table *table;

enum { SENT, UNDELIV, DELIVRD };

static int make_table(void **state)
{
    static const char *const then[] = {"UNDELIV", "DELIVRD"};
    static const struct draft_status statuses[] = {
        {"SENT", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 3 * DAY_MS, then, 2, ""},
        {"UNDELIV", PHASE_FINAL, OUTCOME_FAILED, 0, NULL, 0, ""},
        {"DELIVRD", PHASE_FINAL, OUTCOME_DELIVERED, 0, NULL, 0, ""},
    };
    static const struct draft draft = {
        .channel = "sms",
        .version = 4,
        .retention_ms = 2 * DAY_MS,
        .orphan_hold_ms = 600000,
        .initial_settle_after_ms = 3 * DAY_MS,
        .initial_outcome = OUTCOME_UNRESOLVED,
        .statuses = statuses,
        .count = 3,
        .digest = UINT64_C(0x09f2c00000000abc),
    };

    (void)state;
    table = table_new(&draft);
    return table == NULL ? -1 : 0;
}

static int drop_table(void **state)
{
    (void)state;
    table_free(&table);
    return 0;
}

/* The delivered message of DESIGN 4, from which the other cases differ. */
static struct record delivered(void)
{
    struct record record = {
        .life_ms = NOW_MS,
        .first_ts_ms = NOW_MS,
        .state_ts_ms = NOW_MS + 1300,
        .sent_at_ms = NOW_MS,
        .attributes_at_ms = NOW_MS,
        .reason_at_ms = NOW_MS + 1250,
        .forget_ms = NOW_MS + 2 * DAY_MS,
        .attributes = text_of("{\"campaign_id\":\"c9\"}"),
        .reason = text_of("err:000"),
        .topic = text_of("message.receipts"),
        .offset = 812,
        .revision = 1,
        .emitted = {OUTCOME_DELIVERED, DELIVRD, true, false},
        .send_seen = true,
        .state = DELIVRD,
        .seen_count = 2,
        .seen = {{NOW_MS + 100, SENT}, {NOW_MS + 1250, DELIVRD}},
    };

    return record;
}

struct shape {
    const char *reason;
    const char *id;
    struct record record;
    struct effects effects;
    const char *golden;
};

static const struct effects at_once = {
    .emits = true, .settled_by = SETTLED_BY_STATUS, .settled_at_ms = NOW_MS + 1300};

#define HEAD(id, revision)                                                                         \
    "{\"schema\":\"upshot.outcome/1\",\"outcome_id\":\"sms:" id ":1795428000000:" revision "\","   \
    "\"message_id\":\"" id "\",\"channel\":\"sms\",\"life\":1795428000000,"
#define TAIL                                                                                       \
    "\"source\":{\"topic\":\"message.receipts\",\"partition\":3,\"offset\":812},"                  \
    "\"table\":{\"version\":4,\"digest\":\"09f2c00000000abc\"}}"
#define TIMELINE                                                                                   \
    "\"timeline\":[{\"status\":\"SENT\",\"at\":\"2026-11-23T10:00:00.100Z\"},"                     \
    "{\"status\":\"DELIVRD\",\"at\":\"2026-11-23T10:00:01.250Z\"}],"

static void check(const struct shape *shape, bool one_line)
{
    struct buffer out = {0};
    struct json_object object;
    struct json_member member;

    outcome_encode(&out, table, text_of(shape->id), &shape->record, &shape->effects, 3, one_line);
    assert_false(out.failed);
    if (out.size != strlen(shape->golden) || memcmp(out.bytes, shape->golden, out.size) != 0)
        fail_msg("%s:\n  is     %.*s\n  not    %s", shape->reason, (int)out.size,
                 (const char *)out.bytes, shape->golden);
    for (json_begin(&object, out.bytes, out.size); json_next(&object, &member);)
        continue;
    if (object.error != NULL)
        fail_msg("%s: no JSON: %s", shape->reason, object.error);
    buffer_release(&out);
}

static void a_delivered_message(void **state)
{
    struct shape shape = {
        "delivered", "m-1", delivered(), at_once,
        HEAD("m-1", "1") "\"outcome\":\"delivered\",\"status\":\"DELIVRD\",\"phase\":\"final\","
        "\"revision\":1,\"settled_by\":\"status\",\"settled_at\":\"2026-11-23T10:00:01.300Z\","
        "\"send_seen\":true,\"conflict\":false,\"sent_at\":\"2026-11-23T10:00:00.000Z\","
        "\"status_at\":\"2026-11-23T10:00:01.250Z\",\"latency_ms\":1250,\"reason\":\"err:000\","
        TIMELINE "\"attributes\":{\"campaign_id\":\"c9\"}," TAIL,
    };

    (void)state;
    check(&shape, false);
    check(&shape, true);
}

static void a_message_without_any_status(void **state)
{
    struct shape shape = {
        "no status", "m-1",
        {.life_ms = NOW_MS, .sent_at_ms = NOW_MS - 1, .topic = text_of("message.receipts"),
         .offset = 812, .revision = 1, .emitted = {OUTCOME_UNRESOLVED, STATUS_NONE, true, false},
         .send_seen = true, .state = STATUS_NONE},
        {.emits = true, .settled_by = SETTLED_BY_DEADLINE, .settled_at_ms = NOW_MS + 3 * DAY_MS},
        HEAD("m-1", "1") "\"outcome\":\"unresolved\",\"status\":null,\"phase\":null,\"revision\":1,"
        "\"settled_by\":\"deadline\",\"settled_at\":\"2026-11-26T10:00:00.000Z\","
        "\"send_seen\":true,\"conflict\":false,\"sent_at\":\"2026-11-23T09:59:59.999Z\","
        "\"latency_ms\":null,\"timeline\":[]," TAIL,
    };

    (void)state;
    check(&shape, false);
}

static void an_orphan(void **state)
{
    struct shape shape = {
        "orphan", "m-1", delivered(),
        {.emits = true, .settled_by = SETTLED_BY_ORPHAN, .settled_at_ms = NOW_MS + 600000},
        HEAD("m-1", "1") "\"outcome\":\"delivered\",\"status\":\"DELIVRD\",\"phase\":\"final\","
        "\"revision\":1,\"settled_by\":\"orphan\",\"settled_at\":\"2026-11-23T10:10:00.000Z\","
        "\"send_seen\":false,\"conflict\":false,\"status_at\":\"2026-11-23T10:00:01.250Z\","
        "\"latency_ms\":null,\"reason\":\"err:000\"," TIMELINE TAIL,
    };

    (void)state;
    shape.record.send_seen = false;
    shape.record.attributes = (struct text){0};
    shape.record.emitted.send_seen = false;
    check(&shape, false);
}

static void a_correction_says_what_it_supersedes(void **state)
{
    struct shape shape = {
        "correction", "m-1", delivered(), at_once,
        HEAD("m-1", "10") "\"outcome\":\"delivered\",\"status\":\"DELIVRD\",\"phase\":\"final\","
        "\"revision\":10,\"supersedes\":\"sms:m-1:1795428000000:9\",\"settled_by\":\"status\","
        "\"settled_at\":\"2026-11-23T10:00:01.300Z\",\"send_seen\":true,\"conflict\":true,"
        "\"sent_at\":\"2026-11-23T10:00:00.000Z\",\"status_at\":\"2026-11-23T10:00:01.250Z\","
        "\"latency_ms\":1250,\"reason\":\"err:000\","
        "\"timeline\":[{\"status\":\"UNDELIV\",\"at\":\"2026-11-23T09:59:59.000Z\"},"
        "{\"status\":\"DELIVRD\",\"at\":\"2026-11-23T10:00:01.250Z\"}],"
        "\"attributes\":{\"campaign_id\":\"c9\"}," TAIL,
    };

    (void)state;
    shape.record.revision = 10;
    shape.record.conflict = shape.record.emitted.conflict = true;
    shape.record.seen[0] = (struct seen){.at_ms = NOW_MS - 1000, .status = UNDELIV};
    check(&shape, false);
}

static void a_latency_is_negative_where_clocks_disagree(void **state)
{
    struct shape shape = {
        "negative latency", "m-1", delivered(), at_once,
        HEAD("m-1", "1") "\"outcome\":\"delivered\",\"status\":\"DELIVRD\",\"phase\":\"final\","
        "\"revision\":1,\"settled_by\":\"status\",\"settled_at\":\"2026-11-23T10:00:01.300Z\","
        "\"send_seen\":true,\"conflict\":false,\"sent_at\":\"2026-11-23T10:00:05.000Z\","
        "\"status_at\":\"2026-11-23T10:00:01.250Z\",\"latency_ms\":-3750,"
        TIMELINE TAIL,
    };

    (void)state;
    shape.record.sent_at_ms = NOW_MS + 5000;
    shape.record.reason = shape.record.attributes = (struct text){0};
    check(&shape, false);
}

static void ids_and_reasons_are_escaped(void **state)
{
    struct shape shape = {
        "escapes", "q\"b\\n\n\x01\xc3\xa9", delivered(), at_once,
        HEAD("q\\\"b\\\\n\\n\\u0001\xc3\xa9", "2")
        "\"outcome\":\"delivered\",\"status\":\"DELIVRD\",\"phase\":\"final\",\"revision\":2,"
        "\"supersedes\":\"sms:q\\\"b\\\\n\\n\\u0001\xc3\xa9:1795428000000:1\","
        "\"settled_by\":\"status\",\"settled_at\":\"2026-11-23T10:00:01.300Z\",\"send_seen\":true,"
        "\"conflict\":false,\"sent_at\":\"2026-11-23T10:00:00.000Z\","
        "\"status_at\":\"2026-11-23T10:00:01.250Z\",\"latency_ms\":1250,"
        "\"reason\":\"\\ttab \\\"said\\\"\"," TIMELINE
        "\"source\":{\"topic\":\"a \\\"file\\\"\",\"partition\":3,\"offset\":812},"
        "\"table\":{\"version\":4,\"digest\":\"09f2c00000000abc\"}}",
    };

    (void)state;
    shape.record.revision = 2;
    shape.record.reason = text_of("\ttab \"said\"");
    shape.record.topic = text_of("a \"file\"");
    shape.record.attributes = (struct text){0};
    check(&shape, true);
}

/* Raw, but for line ends where a line is promised: they can only be white space between tokens. */
static void attributes_are_the_bytes_they_came_in(void **state)
{
    static const char raw[] = "{ \"n\": 1.10e+2 ,\r\n\t\"s\":\"\\n\\u00e9\" }";
    static const char line[] = "{ \"n\": 1.10e+2 ,  \t\"s\":\"\\n\\u00e9\" }";
    struct record record = delivered();
    struct buffer out = {0};

    (void)state;
    record.attributes = text_of(raw);
    outcome_encode(&out, table, text_of("m"), &record, &at_once, 0, false);
    assert_non_null(memmem(out.bytes, out.size, raw, strlen(raw)));
    buffer_clear(&out);
    buffer_put_string(&out, "before\n");
    outcome_encode(&out, table, text_of("m"), &record, &at_once, 0, true);
    assert_non_null(memmem(out.bytes, out.size, line, strlen(line)));
    assert_memory_equal(out.bytes, "before\n{", 8); /* appended, and what was there is left alone */
    assert_null(memchr(out.bytes + 8, '\n', out.size - 8));
    buffer_release(&out);
}

static void the_timeline_is_ordered_by_time_then_strength(void **state)
{
    static const struct {
        const char *reason;
        int64_t at_ms[3]; /* of SENT, UNDELIV, DELIVRD */
        const char *order;
    } cases[] = {
        {"as they came", {1, 2, 3}, "SENT UNDELIV DELIVRD"},
        {"all at once: by strength", {5, 5, 5}, "SENT UNDELIV DELIVRD"},
        {"backwards", {3, 2, 1}, "DELIVRD UNDELIV SENT"},
        {"a tie at the end", {9, 1, 9}, "UNDELIV SENT DELIVRD"},
        {"a tie at the start", {4, 4, 1}, "DELIVRD SENT UNDELIV"},
        {"before 1970", {-1, -3, 0}, "UNDELIV SENT DELIVRD"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct record record = delivered();
        struct buffer out = {0};
        char order[64] = "";
        const char *at;
        record.seen_count = 3;
        for (uint8_t status = SENT; status <= DELIVRD; status++)
            record.seen[status] = (struct seen){.at_ms = cases[i].at_ms[status], .status = status};
        outcome_encode(&out, table, text_of("m"), &record, &at_once, 0, false);
        buffer_put_byte(&out, 0);
        at = strstr((const char *)out.bytes, "\"timeline\"");
        while ((at = strstr(at, "{\"status\":\"")) != NULL) {
            at += strlen("{\"status\":\"");
            snprintf(order + strlen(order), sizeof(order) - strlen(order), "%s%.*s",
                     order[0] == 0 ? "" : " ", (int)strcspn(at, "\""), at);
        }
        if (strcmp(order, cases[i].order) != 0)
            fail_msg("%s: %s, not %s", cases[i].reason, order, cases[i].order);
        buffer_release(&out);
    }
}

/* A ghost (a name that the table lost) has no vote, but a place in the timeline. */
static void a_ghost_is_in_the_timeline(void **state)
{
    struct record record = delivered();
    struct buffer out = {0};

    (void)state;
    record.seen[record.seen_count++] = (struct seen){
        .at_ms = NOW_MS, .status = table_add_ghost(table, (const uint8_t *)"ENROUTE", 7)};
    outcome_encode(&out, table, text_of("m"), &record, &at_once, 0, false);
    buffer_put_byte(&out, 0);
    assert_non_null(strstr((const char *)out.bytes,
                           "\"timeline\":[{\"status\":\"ENROUTE\","
                           "\"at\":\"2026-11-23T10:00:00.000Z\"},{\"status\":\"SENT\""));
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivered_message),
        cmocka_unit_test(a_message_without_any_status),
        cmocka_unit_test(an_orphan),
        cmocka_unit_test(a_correction_says_what_it_supersedes),
        cmocka_unit_test(a_latency_is_negative_where_clocks_disagree),
        cmocka_unit_test(ids_and_reasons_are_escaped),
        cmocka_unit_test(attributes_are_the_bytes_they_came_in),
        cmocka_unit_test(the_timeline_is_ordered_by_time_then_strength),
        cmocka_unit_test(a_ghost_is_in_the_timeline),
    };

    return cmocka_run_group_tests(tests, make_table, drop_table);
}
