/*
 * step_test.c: one record under events in any order (DESIGN 9, promises 1 and 3).
 *
 * What a record must know is computed anew from the set of its events, by plain minima and maxima,
 * and compared with what step made of one order of them. Random parts print their seed; UPSHOT_SEED
 * gives another. Not here: many messages, their deadlines' order, undoing (task_test.c).
 */
#include "schemas/channel_file.h"
#include "statemachine/step.h"
#include "tests/random.h"

#include <cjson/cJSON.h>
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

enum { EVENTS_MAX = 64 };

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
    random_numbers = random_start("step_test");
}

/* ---- what must be known of a set of events ----------------------------------------------- */

static struct tables tables;

/* At least one event. The record that comes back has the joined facts only. */
static void facts_of(const struct table *table, const struct event *events, size_t count,
                     struct record *facts)
{
    int64_t earliest[STATUSES_MAX];
    bool seen[STATUSES_MAX] = {false};

    *facts = (struct record){.state = STATUS_NONE, .first_ts_ms = INT64_MAX};
    facts->state_ts_ms = INT64_MAX;
    facts->sent_at_ms = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct event *event = &events[i];
        if (event->timestamp_ms < facts->first_ts_ms)
            facts->first_ts_ms = event->timestamp_ms;
        if (event->is_send) {
            facts->send_seen = true;
            if (event->at_ms < facts->sent_at_ms)
                facts->sent_at_ms = event->at_ms;
        }
        if (event->status == STATUS_NONE)
            continue;
        if (!seen[event->status] || event->at_ms < earliest[event->status])
            earliest[event->status] = event->at_ms;
        seen[event->status] = true;
        if (facts->state == STATUS_NONE || event->status > facts->state)
            facts->state = event->status;
    }
    for (uint8_t a = 0; a < table->count; a++) {
        if (!seen[a])
            continue;
        facts->seen[facts->seen_count++] = (struct seen){.at_ms = earliest[a], .status = a};
        for (uint8_t b = 0; b < a; b++)
            if (seen[b] && table->statuses[a].phase == PHASE_FINAL &&
                table->statuses[b].phase == PHASE_FINAL &&
                table->statuses[a].outcome != table->statuses[b].outcome &&
                (table->statuses[b].then >> a & 1) == 0)
                facts->conflict = true;
    }
}

/* Of the texts with a time each, the one with the least (time, bytes). */
static bool better(struct text kept, int64_t kept_at_ms, struct text text, int64_t at_ms)
{
    if (text.size == 0)
        return false;
    if (kept.size == 0 || at_ms != kept_at_ms)
        return kept.size == 0 || at_ms < kept_at_ms;
    return text_compare(text, kept) < 0;
}

/* What belongs to the state, once the state is known. */
static void state_facts_of(const struct event *events, size_t count, struct record *facts)
{
    for (size_t i = 0; i < count; i++) {
        const struct event *event = &events[i];
        if (event->is_send && better(facts->attributes, facts->attributes_at_ms,
                                     event->attributes, event->at_ms)) {
            facts->attributes = event->attributes;
            facts->attributes_at_ms = event->at_ms;
        }
        if (event->status == STATUS_NONE || event->status != facts->state)
            continue;
        if (event->timestamp_ms < facts->state_ts_ms)
            facts->state_ts_ms = event->timestamp_ms;
        if (better(facts->reason, facts->reason_at_ms, event->reason, event->at_ms)) {
            facts->reason = event->reason;
            facts->reason_at_ms = event->at_ms;
        }
    }
}

static const char *difference(const struct table *table, const struct record *got,
                              const struct record *facts)
{
    if (!verdict_equal(record_verdict(table, got), record_verdict(table, facts)))
        return "verdict";
    if (got->first_ts_ms != facts->first_ts_ms)
        return "least timestamp";
    if (facts->send_seen && got->sent_at_ms != facts->sent_at_ms)
        return "sent_at";
    if (facts->state != STATUS_NONE && got->state_ts_ms != facts->state_ts_ms)
        return "least timestamp of the state";
    if (!text_equal(got->attributes, facts->attributes))
        return "attributes";
    if (!text_equal(got->reason, facts->reason))
        return "reason";
    if (got->seen_count != facts->seen_count)
        return "length of the timeline";
    for (size_t i = 0; i < facts->seen_count; i++)
        if (got->seen[i].status != facts->seen[i].status ||
            got->seen[i].at_ms != facts->seen[i].at_ms)
            return "timeline";
    return NULL;
}

static void print_events(const struct table *table, const struct event *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        print_error("  %s %s%s at %+" PRId64 " ts %+" PRId64 " reason \"%.*s\" attributes %.*s\n",
                    table->channel, events[i].is_send ? "send " : "",
                    events[i].status == STATUS_NONE ? "-"
                                                    : table_status_name(table, events[i].status),
                    events[i].at_ms - BASE_MS, events[i].timestamp_ms - BASE_MS,
                    (int)events[i].reason.size,
                    events[i].reason.size == 0 ? "" : (const char *)events[i].reason.bytes,
                    (int)events[i].attributes.size,
                    events[i].attributes.size == 0 ? "" : (const char *)events[i].attributes.bytes);
}

/* ---- orders ----------------------------------------------------------------------------- */

/* Takes the events in this order, the watermark at the greatest timestamp so far. */
static void take_in_order(const struct table *table, const struct event *events, size_t count,
                          struct record *record)
{
    int64_t watermark_ms = TIME_NONE;
    struct effects effects;

    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            record_open(record, &events[0]);
        if (events[i].timestamp_ms > watermark_ms)
            watermark_ms = events[i].timestamp_ms;
        step_event(table, record, i == 0, &events[i], watermark_ms, &effects);
    }
}

static void expect_facts(const struct table *table, const struct event *events, size_t count,
                         const struct record *facts)
{
    static struct record record;
    const char *differs;

    take_in_order(table, events, count, &record);
    differs = difference(table, &record, facts);
    if (differs == NULL)
        return;
    print_events(table, events, count);
    fail_msg("in this order the %s is another", differs);
}

static void swap(struct event *a, struct event *b)
{
    struct event kept = *a;

    *a = *b;
    *b = kept;
}

/* Every order of events[fixed] and what follows. */
static void expect_facts_permuted(const struct table *table, struct event *events, size_t count,
                                  size_t fixed, const struct record *facts)
{
    if (fixed + 1 >= count) {
        expect_facts(table, events, count, facts);
        return;
    }
    for (size_t i = fixed; i < count; i++) {
        swap(&events[fixed], &events[i]);
        expect_facts_permuted(table, events, count, fixed + 1, facts);
        swap(&events[fixed], &events[i]);
    }
}

static void expect_facts_in_every_order(const struct table *table, struct event *events,
                                        size_t count)
{
    static struct record facts;

    facts_of(table, events, count, &facts);
    state_facts_of(events, count, &facts);
    expect_facts_permuted(table, events, count, 0, &facts);
}

static void shuffle(struct event *events, size_t count)
{
    for (size_t i = count; i > 1; i--)
        swap(&events[i - 1], &events[below(i)]);
}

/* ---- events ----------------------------------------------------------------------------- */

static struct event receipt(uint8_t status, int64_t after_ms)
{
    return (struct event){
        .id = text_of("m1"),
        .status = status,
        .at_ms = BASE_MS + after_ms,
        .timestamp_ms = BASE_MS + after_ms,
        .topic = text_of("t"),
    };
}

static struct event send(uint8_t status, int64_t after_ms)
{
    struct event event = receipt(status, after_ms);

    event.is_send = true;
    return event;
}

/* Few values each, so that they meet; texts of which one begins another. */
static struct event random_event(const struct table *table)
{
    static const char *const texts[] = {"", "", "a", "ab", "b", "{}", "{\"c\":1}"};
    uint8_t status = (uint8_t)below(table->count);
    struct event event = receipt(status, 0);

    event.at_ms += (int64_t)below(4) * 1000;
    event.timestamp_ms += (int64_t)below(4) * HOUR_MS;
    if (below(3) == 0) {
        event.is_send = true;
        event.attributes = text_of(texts[below(COUNT(texts))]);
        if (below(2) == 0)
            event.status = STATUS_NONE;
    }
    if (event.status != STATUS_NONE)
        event.reason = text_of(texts[below(COUNT(texts))]);
    return event;
}

/* ---- promise 1 -------------------------------------------------------------------------- */

/* The same status twice or thrice among them, too. */
static void pairs_and_triples_of_statuses_agree_in_every_order(void **state)
{
    (void)state;
    for (size_t channel = 0; channel < tables.count; channel++) {
        const struct table *table = tables.rows[channel];
        for (uint8_t a = 0; a < table->count; a++)
            for (uint8_t b = a; b < table->count; b++) {
                struct event pair[] = {receipt(a, 1000), receipt(b, 2000), send(STATUS_NONE, 0)};
                expect_facts_in_every_order(table, pair, 2);
                expect_facts_in_every_order(table, pair, 3);
                for (uint8_t c = b; c < table->count; c++) {
                    struct event triple[] = {receipt(a, 1000), receipt(b, 2000), receipt(c, 3000),
                                             send(STATUS_NONE, 0)};
                    expect_facts_in_every_order(table, triple, 3);
                    expect_facts_in_every_order(table, triple, 4);
                }
            }
    }
}

static void random_sets_agree_in_every_permutation(void **state)
{
    struct event events[6];

    (void)state;
    start_chance();
    for (size_t channel = 0; channel < tables.count; channel++)
        for (int set = 0; set < 60; set++) {
            size_t count = 4 + below(3);
            for (size_t i = 0; i < count; i++)
                events[i] = random_event(tables.rows[channel]);
            expect_facts_in_every_order(tables.rows[channel], events, count);
        }
}

static void large_sets_agree_however_they_are_shuffled_and_repeated(void **state)
{
    static struct record facts;
    struct event distinct[32], events[EVENTS_MAX];

    (void)state;
    start_chance();
    for (int set = 0; set < 20; set++) {
        const struct table *table = tables.rows[below(tables.count)];
        size_t distinct_count = 7 + below(COUNT(distinct) - 7);
        for (size_t i = 0; i < distinct_count; i++)
            distinct[i] = random_event(table);
        facts_of(table, distinct, distinct_count, &facts);
        state_facts_of(distinct, distinct_count, &facts);
        for (int order = 0; order < 200; order++) {
            size_t count = distinct_count;
            memcpy(events, distinct, sizeof(distinct));
            while (count < EVENTS_MAX && below(8) > 0)
                events[count++] = distinct[below(distinct_count)];
            shuffle(events, count);
            expect_facts(table, events, count, &facts);
        }
    }
}

/* ---- conflict, from the channel's file itself --------------------------------------------- */

static const char *member(const cJSON *status, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(status, name));
}

static bool lists(const cJSON *status, const char *name)
{
    const cJSON *next;

    cJSON_ArrayForEach(next, cJSON_GetObjectItemCaseSensitive(status, "then"))
        if (strcmp(cJSON_GetStringValue(next), name) == 0)
            return true;
    return false;
}

static bool contradict(const cJSON *a, const cJSON *b)
{
    return strcmp(member(a, "phase"), "final") == 0 && strcmp(member(b, "phase"), "final") == 0 &&
           strcmp(member(a, "outcome"), member(b, "outcome")) != 0 &&
           !lists(a, member(b, "status")) && !lists(b, member(a, "status"));
}

static uint8_t status_of(const struct table *table, const char *name)
{
    return table_find_status(table, (const uint8_t *)name, strlen(name));
}

static void expect_conflict(const struct table *table, const cJSON *a, const cJSON *b,
                            const cJSON *c)
{
    static struct record record;
    bool expected = contradict(a, b) || contradict(a, c) || contradict(b, c);
    struct event events[] = {
        receipt(status_of(table, member(a, "status")), 0),
        receipt(status_of(table, member(b, "status")), 0),
        receipt(status_of(table, member(c, "status")), 0),
    };

    take_in_order(table, events, COUNT(events), &record);
    if (record.conflict != expected)
        fail_msg("%s, %s, %s of %s: expected %sconflict", member(a, "status"), member(b, "status"),
                 member(c, "status"), table->channel, expected ? "" : "no ");
}

static void conflict_is_two_finals_that_differ_and_do_not_list_each_other(void **state)
{
    int conflicts = 0;

    (void)state;
    for (size_t i = 0; i < builtin_channel_count; i++) {
        cJSON *file = cJSON_ParseWithLength((const char *)builtin_channels[i].bytes,
                                            builtin_channels[i].size);
        const char *channel = member(file, "channel");
        const cJSON *statuses = cJSON_GetObjectItemCaseSensitive(file, "statuses");
        const struct table *table;
        const cJSON *a, *b, *c;
        assert_non_null(channel);
        table = tables_find(&tables, (const uint8_t *)channel, strlen(channel));
        assert_non_null(table);
        cJSON_ArrayForEach(a, statuses) cJSON_ArrayForEach(b, statuses) {
            conflicts += contradict(a, b);
            cJSON_ArrayForEach(c, statuses)
                expect_conflict(table, a, b, c);
        }
        cJSON_Delete(file);
    }
    assert_true(conflicts > 0);
}

/* ---- a table of our own ------------------------------------------------------------------- */

/* Weakest first: WAIT -> TRY -> {LOST, READ}; READ -> ANGRY. LOST and READ contradict. */
enum { WAIT, TRY, LOST, GONE, READ, ANGRY };

static struct table *small_table(int64_t hold_ms, int64_t try_ms, int64_t initial_ms)
{
    static const char *const after_wait[] = {"TRY"};
    static const char *const after_try[] = {"LOST", "GONE", "READ"};
    static const char *const after_read[] = {"ANGRY"};
    const struct draft_status statuses[] = {
        [WAIT] = {"WAIT", PHASE_QUEUED, OUTCOME_UNRESOLVED, 500, after_wait, 1, NULL},
        [TRY] = {"TRY", PHASE_PROVISIONAL, OUTCOME_FAILED, try_ms, after_try, 3, NULL},
        [LOST] = {"LOST", PHASE_FINAL, OUTCOME_FAILED, 0, NULL, 0, NULL},
        [GONE] = {"GONE", PHASE_FINAL, OUTCOME_FAILED, 0, NULL, 0, NULL},
        [READ] = {"READ", PHASE_FINAL, OUTCOME_READ, 0, after_read, 1, NULL},
        [ANGRY] = {"ANGRY", PHASE_FINAL, OUTCOME_COMPLAINED, 0, NULL, 0, NULL},
    };
    const struct draft draft = {
        .channel = "pigeon",
        .version = 1,
        .retention_ms = 1000,
        .orphan_hold_ms = hold_ms,
        .initial_settle_after_ms = initial_ms,
        .initial_outcome = OUTCOME_UNRESOLVED,
        .statuses = statuses,
        .count = COUNT(statuses),
    };

    return table_new(&draft);
}

/* ---- classes ---------------------------------------------------------------------------- */

static void each_arrival_gets_the_first_class_that_fits(void **state)
{
    enum { NONE = STATUS_NONE, SEND = 0x100 };
    static const struct {
        int before[4]; /* statuses, SEND + status, SEND + NONE; -1 ends them */
        int event;
        enum arrival arrival;
        const char *why;
    } cases[] = {
        {{-1}, SEND + NONE, ARRIVAL_OPENED, "the first event, a send"},
        {{-1}, READ, ARRIVAL_OPENED, "the first event, a receipt"},
        {{-1}, SEND + READ, ARRIVAL_OPENED, "opened comes before joined and advanced"},
        {{READ, -1}, SEND + NONE, ARRIVAL_JOINED, "the first send after a receipt"},
        {{READ, -1}, SEND + READ, ARRIVAL_JOINED, "joined comes before repeated"},
        {{READ, -1}, SEND + LOST, ARRIVAL_JOINED, "joined comes before conflicting"},
        {{WAIT, -1}, SEND + TRY, ARRIVAL_JOINED, "joined comes before advanced"},
        {{WAIT, -1}, SEND + READ, ARRIVAL_JOINED, "joined comes before jumped"},
        {{READ, -1}, SEND + WAIT, ARRIVAL_JOINED, "joined comes before stale"},
        {{SEND + NONE, -1}, SEND + NONE, ARRIVAL_REPEATED, "another send, no status at all"},
        {{SEND + READ, -1}, SEND + NONE, ARRIVAL_REPEATED, "another send without a status"},
        {{SEND + READ, -1}, SEND + READ, ARRIVAL_REPEATED, "another send without a new status"},
        {{READ, -1}, READ, ARRIVAL_REPEATED, "the state again"},
        {{WAIT, TRY, -1}, WAIT, ARRIVAL_REPEATED, "a weaker status again"},
        {{LOST, READ, -1}, LOST, ARRIVAL_REPEATED, "repeated comes before conflicting"},
        {{LOST, -1}, READ, ARRIVAL_CONFLICTING, "a stronger final that contradicts"},
        {{READ, -1}, LOST, ARRIVAL_CONFLICTING, "conflicting comes before stale"},
        {{LOST, READ, -1}, ANGRY, ARRIVAL_CONFLICTING, "listed by the state, not by what was seen"},
        {{READ, LOST, -1}, GONE, ARRIVAL_CONFLICTING, "in conflict with the state, not with LOST"},
        {{LOST, -1}, SEND + READ, ARRIVAL_JOINED, "joined comes first, with a conflict too"},
        {{SEND + LOST, -1}, SEND + READ, ARRIVAL_CONFLICTING, "another send with a new status"},
        {{SEND + NONE, -1}, READ, ARRIVAL_ADVANCED, "there was no status yet"},
        {{SEND + NONE, -1}, SEND + READ, ARRIVAL_ADVANCED, "no status yet, a send again"},
        {{WAIT, -1}, TRY, ARRIVAL_ADVANCED, "stronger and listed"},
        {{SEND + WAIT, -1}, SEND + TRY, ARRIVAL_ADVANCED, "stronger and listed, in a send"},
        {{READ, -1}, ANGRY, ARRIVAL_ADVANCED, "a final after a final that lists it"},
        {{WAIT, -1}, READ, ARRIVAL_JUMPED, "stronger, listed by what lies between only"},
        {{LOST, -1}, GONE, ARRIVAL_JUMPED, "a stronger final with the same outcome"},
        {{TRY, LOST, -1}, GONE, ARRIVAL_JUMPED, "listed by what was seen, not by the state"},
        {{READ, -1}, TRY, ARRIVAL_STALE, "weaker, though it lists the state"},
        {{GONE, -1}, LOST, ARRIVAL_STALE, "a weaker final with the same outcome"},
        {{ANGRY, -1}, READ, ARRIVAL_STALE, "a weaker final that lists the state"},
        {{SEND + READ, -1}, SEND + WAIT, ARRIVAL_STALE, "a send again, with a weaker status"},
    };
    struct table *table = small_table(20, 50, 300);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct record record;
        struct effects effects;
        size_t count = 0;
        int words[5];
        while (cases[i].before[count] >= 0) {
            words[count] = cases[i].before[count];
            count++;
        }
        words[count] = cases[i].event;
        for (size_t j = 0; j <= count; j++) {
            struct event event = receipt((uint8_t)(words[j] & 0xff), 0);
            event.is_send = (words[j] & SEND) != 0;
            if (j == 0)
                record_open(&record, &event);
            step_event(table, &record, j == 0, &event, BASE_MS, &effects);
        }
        if (effects.arrival != cases[i].arrival)
            fail_msg("%s: got %s", cases[i].why, arrival_words[effects.arrival]);
    }
    table_free(&table);
}

/* ---- settling --------------------------------------------------------------------------- */

static void an_outcome_falls_due_by_status_deadline_or_hold(void **state)
{
    enum { NONE = STATUS_NONE, NO_MARK = -1 };
    static const struct {
        int64_t hold_ms, try_ms, initial_ms;
        bool send_seen;
        int status;
        int64_t first_ts_ms, state_ts_ms; /* after BASE_MS */
        int64_t watermark_ms;             /* after BASE_MS; NO_MARK: none yet */
        bool emits;
        int64_t due_ms; /* when it is emitted, or else the wake */
        enum settled_by by;
        int64_t settled_ms;
        const char *why;
    } cases[] = {
        /* the send is there */
        {20, 50, 300, true, READ, 0, 7, 7, true, 0, SETTLED_BY_STATUS, 7, "final: at once"},
        {20, 50, 300, true, READ, 0, 7, 0, true, 0, SETTLED_BY_STATUS, 7, "whatever the watermark"},
        {20, 50, 300, true, READ, 0, 7, NO_MARK, true, 0, SETTLED_BY_STATUS, 7, "even none"},
        {20, 50, 300, true, READ, 0, 7, 99, true, 0, SETTLED_BY_STATUS, 7, "or one far ahead"},
        {20, 50, 300, true, TRY, 0, 7, 7, false, 57, SETTLED_BY_DEADLINE, 57, "its own time"},
        {20, 50, 300, true, TRY, 0, 7, NO_MARK, false, 57, SETTLED_BY_DEADLINE, 57, "no mark yet"},
        {20, 50, 300, true, TRY, 0, 7, 56, false, 57, SETTLED_BY_DEADLINE, 57, "one short of it"},
        {20, 50, 300, true, TRY, 0, 7, 57, true, 0, SETTLED_BY_DEADLINE, 57, "reached"},
        {20, 50, 300, true, TRY, 0, 7, 90, true, 0, SETTLED_BY_DEADLINE, 57, "past: at once"},
        {20, 0, 300, true, TRY, 0, 7, 7, true, 0, SETTLED_BY_STATUS, 7, "0 is 0 in any phase"},
        {20, 50, 300, true, NONE, 3, 0, 9, false, 303, SETTLED_BY_DEADLINE, 303, "no status"},
        {20, 50, 300, true, NONE, 3, 0, 303, true, 0, SETTLED_BY_DEADLINE, 303, "its deadline"},
        {20, 50, 0, true, NONE, 3, 0, NO_MARK, true, 0, SETTLED_BY_STATUS, 3, "initial 0"},
        /* an orphan, final */
        {20, 50, 300, false, READ, 0, 0, 0, false, 20, SETTLED_BY_ORPHAN, 20, "held"},
        {20, 50, 300, false, READ, 0, 0, 19, false, 20, SETTLED_BY_ORPHAN, 20, "one short"},
        {20, 50, 300, false, READ, 0, 0, 20, true, 0, SETTLED_BY_ORPHAN, 20, "the hold ended"},
        {20, 50, 300, false, READ, 0, 7, 30, true, 0, SETTLED_BY_ORPHAN, 20, "later than that"},
        {20, 50, 300, false, READ, 0, 20, 20, true, 0, SETTLED_BY_STATUS, 20, "no later: H == D"},
        {20, 50, 300, false, READ, 0, 25, 25, true, 0, SETTLED_BY_STATUS, 25, "hold over: H < D"},
        {20, 50, 300, false, READ, 0, 25, 19, false, 20, SETTLED_BY_STATUS, 25,
         "H < D, the watermark below H: held until then"},
        {20, 50, 300, false, READ, 0, 25, 22, true, 0, SETTLED_BY_STATUS, 25,
         "H < D, the watermark between: settle_after 0 asks for none"},
        {20, 50, 300, false, READ, 0, 25, NO_MARK, false, 20, SETTLED_BY_STATUS, 25, "no mark yet"},
        {0, 50, 300, false, READ, 0, 0, 0, true, 0, SETTLED_BY_STATUS, 0, "no hold: H == D"},
        {0, 50, 300, false, READ, 0, 0, NO_MARK, false, 0, SETTLED_BY_STATUS, 0,
         "no hold and no mark: not known to have ended"},
        /* an orphan with a time of its own */
        {20, 50, 300, false, TRY, 0, 0, 20, false, 50, SETTLED_BY_DEADLINE, 50, "D later than H"},
        {20, 50, 300, false, TRY, 0, 0, 50, true, 0, SETTLED_BY_DEADLINE, 50, "D reached"},
        {20, 20, 300, false, TRY, 0, 0, 20, true, 0, SETTLED_BY_DEADLINE, 20, "H == D"},
        {20, 20, 300, false, TRY, 0, 0, 19, false, 20, SETTLED_BY_DEADLINE, 20, "H == D, short"},
        {20, 10, 300, false, TRY, 0, 0, 10, false, 20, SETTLED_BY_ORPHAN, 20, "D over, H not"},
        {20, 10, 300, false, TRY, 0, 0, 20, true, 0, SETTLED_BY_ORPHAN, 20, "H later than D"},
        {20, 10, 300, false, TRY, 0, 0, 99, true, 0, SETTLED_BY_ORPHAN, 20, "both long past"},
        {20, 10, 300, false, TRY, 0, 15, 20, false, 25, SETTLED_BY_DEADLINE, 25, "state came late"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct table *table = small_table(cases[i].hold_ms, cases[i].try_ms, cases[i].initial_ms);
        struct event event = receipt((uint8_t)cases[i].status, cases[i].first_ts_ms);
        static struct record record;
        struct effects effects;
        int64_t mark_ms = cases[i].watermark_ms == NO_MARK ? TIME_NONE
                                                           : BASE_MS + cases[i].watermark_ms;
        record_open(&record, &event);
        /* A weaker word opens it, where the state has a later timestamp; it changes no rule. */
        if (cases[i].state_ts_ms > cases[i].first_ts_ms && cases[i].status != NONE)
            event.status = WAIT;
        event.is_send = cases[i].send_seen;
        if (event.status != cases[i].status) {
            step_event(table, &record, true, &event, TIME_NONE, &effects);
            event = receipt((uint8_t)cases[i].status, cases[i].state_ts_ms);
            step_event(table, &record, false, &event, mark_ms, &effects);
        } else {
            step_event(table, &record, true, &event, mark_ms, &effects);
        }
        if (effects.emits != cases[i].emits)
            fail_msg("case %zu, %s: emits %d", i, cases[i].why, effects.emits);
        if (!effects.emits) {
            if (effects.wake_ms != BASE_MS + cases[i].due_ms)
                fail_msg("case %zu, %s: wakes at %+" PRId64, i, cases[i].why,
                         effects.wake_ms - BASE_MS);
            step_deadline(table, &record, effects.wake_ms, &effects);
        }
        if (!effects.emits || effects.settled_by != cases[i].by ||
            effects.settled_at_ms != BASE_MS + cases[i].settled_ms || record.revision != 1)
            fail_msg("case %zu, %s: by %s, settled_at %+" PRId64, i, cases[i].why,
                     settled_by_words[effects.settled_by], effects.settled_at_ms - BASE_MS);
        table_free(&table);
    }
}

static void retention_counts_from_the_later_of_settled_at_and_watermark(void **state)
{
    static const struct {
        int64_t ts_ms, watermark_ms, forget_ms;
    } cases[] = {
        {10, 10, 1010}, {10, 500, 1500}, {500, 10, 1500}, {10, -1, 1010},
    };
    struct table *table = small_table(20, 50, 300);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct event event = send(READ, cases[i].ts_ms);
        static struct record record;
        struct effects effects;
        int64_t mark_ms = cases[i].watermark_ms < 0 ? TIME_NONE : BASE_MS + cases[i].watermark_ms;
        record_open(&record, &event);
        step_event(table, &record, true, &event, mark_ms, &effects);
        assert_true(effects.emits);
        assert_true(effects.wake_ms == BASE_MS + cases[i].forget_ms);
        step_deadline(table, &record, effects.wake_ms - 1, &effects);
        assert_false(effects.forgets);
        step_deadline(table, &record, effects.wake_ms, &effects);
        assert_true(effects.forgets);
        assert_false(effects.emits);
    }
    table_free(&table);
}

static void an_orphan_that_was_told_is_held_no_more(void **state)
{
    struct table *table = small_table(20, 50, 300);
    struct event event = receipt(LOST, 0);
    static struct record record;
    struct effects effects;

    (void)state;
    record_open(&record, &event);
    step_event(table, &record, true, &event, BASE_MS, &effects);
    step_deadline(table, &record, BASE_MS + 20, &effects);
    assert_true(effects.emits && effects.settled_by == SETTLED_BY_ORPHAN);
    event = receipt(READ, 5); /* within the hold, by its timestamp */
    step_event(table, &record, false, &event, BASE_MS + 20, &effects);
    assert_true(effects.emits && effects.settled_by == SETTLED_BY_STATUS);
    assert_true(effects.settled_at_ms == BASE_MS + 5);
    event = send(STATUS_NONE, 30);
    step_event(table, &record, false, &event, BASE_MS + 30, &effects);
    assert_true(effects.emits && record.revision == 3 && record.emitted.send_seen);
    table_free(&table);
}

static void verdicts_are_equal_in_all_four_parts_or_not_at_all(void **state)
{
    const struct verdict one = {OUTCOME_FAILED, LOST, true, false};
    const struct verdict others[] = {
        {OUTCOME_READ, LOST, true, false},
        {OUTCOME_FAILED, GONE, true, false},
        {OUTCOME_FAILED, LOST, false, false},
        {OUTCOME_FAILED, LOST, true, true},
    };

    (void)state;
    assert_true(verdict_equal(one, one));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(verdict_equal(one, others[i]));
}

/* ---- promise 3 -------------------------------------------------------------------------- */

struct history {
    const struct table *table;
    struct record record;
    int64_t watermark_ms;
    uint32_t revision;
    struct verdict told; /* with revision > 0 */
};

/* What every step owes, whatever came before it. */
static void expect_good_step(struct history *history, const struct effects *effects, bool arrived)
{
    const struct record *record = &history->record;
    struct verdict verdict = record_verdict(history->table, record);

    assert_false(effects->emits && effects->forgets);
    assert_false(arrived && effects->forgets);
    if (effects->emits) {
        assert_int_equal(record->revision, history->revision + 1);
        assert_true(history->revision == 0 || !verdict_equal(verdict, history->told));
        assert_true(verdict_equal(verdict, record->emitted));
        history->revision = record->revision;
        history->told = verdict;
    }
    assert_int_equal(record->revision, history->revision);
    if (effects->forgets)
        return;
    assert_true(effects->wake_ms == step_wake_ms(history->table, record));
    /*
     * A deadline in the past is retention that ended while somebody still spoke of the message, and
     * nothing else; it fires next.
     */
    if (effects->wake_ms <= history->watermark_ms) {
        assert_true(record->revision > 0 && verdict_equal(verdict, history->told));
        assert_true(effects->wake_ms == record->forget_ms && arrived);
    }
}

/* Fires what is due by then; true where that was the end of the message. */
static bool pass_time(struct history *history, int64_t to_ms)
{
    struct effects effects = {0};

    while (step_wake_ms(history->table, &history->record) <= to_ms) {
        int64_t wake_ms = step_wake_ms(history->table, &history->record);
        if (wake_ms > history->watermark_ms)
            history->watermark_ms = wake_ms;
        step_deadline(history->table, &history->record, history->watermark_ms, &effects);
        assert_true(effects.emits || effects.forgets); /* no deadline is for nothing */
        expect_good_step(history, &effects, false);
        if (effects.forgets)
            return true;
    }
    if (to_ms > history->watermark_ms)
        history->watermark_ms = to_ms;
    return false;
}

/* Whether the deadlines fire in time or the watermark leaps over them: TIME_NONE to begin with. */
static void live(const struct table *table)
{
    static struct history history;
    int64_t now_ms = 0;
    bool fresh = true;

    history = (struct history){.table = table, .watermark_ms = TIME_NONE};
    for (size_t i = 2 + below(20); i > 0; i--) {
        struct event event = random_event(table);
        struct effects effects;
        now_ms += (int64_t)below(5) * (int64_t)below(1000) * 60 * 1000;
        event.timestamp_ms = BASE_MS + now_ms - (below(3) == 0 ? (int64_t)below(10) * HOUR_MS : 0);
        if (!fresh && below(3) > 0 && pass_time(&history, event.timestamp_ms))
            return;
        if (below(3) > 0 && event.timestamp_ms > history.watermark_ms)
            history.watermark_ms = event.timestamp_ms; /* leaps over what is due, or starts */
        if (fresh)
            record_open(&history.record, &event);
        step_event(table, &history.record, fresh, &event, history.watermark_ms, &effects);
        expect_good_step(&history, &effects, true);
        fresh = false;
    }
    assert_true(pass_time(&history, INT64_MAX));
    assert_true(history.revision > 0);
    assert_true(verdict_equal(history.told, record_verdict(table, &history.record)));
}

static void revisions_have_no_gap_and_every_message_has_an_outcome(void **state)
{
    (void)state;
    start_chance();
    for (size_t channel = 0; channel < tables.count; channel++)
        for (int i = 0; i < 3000; i++)
            live(tables.rows[channel]);
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
        cmocka_unit_test(pairs_and_triples_of_statuses_agree_in_every_order),
        cmocka_unit_test(random_sets_agree_in_every_permutation),
        cmocka_unit_test(large_sets_agree_however_they_are_shuffled_and_repeated),
        cmocka_unit_test(conflict_is_two_finals_that_differ_and_do_not_list_each_other),
        cmocka_unit_test(each_arrival_gets_the_first_class_that_fits),
        cmocka_unit_test(an_outcome_falls_due_by_status_deadline_or_hold),
        cmocka_unit_test(retention_counts_from_the_later_of_settled_at_and_watermark),
        cmocka_unit_test(an_orphan_that_was_told_is_held_no_more),
        cmocka_unit_test(verdicts_are_equal_in_all_four_parts_or_not_at_all),
        cmocka_unit_test(revisions_have_no_gap_and_every_message_has_an_outcome),
    };

    return cmocka_run_group_tests(tests, load_tables, release_tables);
}
