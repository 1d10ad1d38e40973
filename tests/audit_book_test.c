/*
 * audit_book_test.c: what is a fault, and what is none, told as little stories.
 *
 * Each line is an event of the inputs, an outcome that a replay expects, or one that was found;
 * what an audit has to say of them is one line of counts.
 */
#include "consumer/audit_book.h"

#include "consumer/hash.h"
#include "schemas/channel_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define HOUR 3600000LL

enum { LINES_MAX = 8 };

enum how { LAST, EVERY, WHAT_IF };

enum kind { NOTHING, SEND, RECEIPT, SEND_BEHIND_CUT, EXPECTED, FOUND, ABORTED, PENDING };

struct line {
    enum kind kind;
    long long life;
    unsigned revision;
    const char *outcome, *status;
    const char *by;   /* NULL: its status */
    long long due;    /* settled_at */
    const char *what; /* another member, as JSON */
    bool unsent;
    bool other; /* about another message */
};

struct story {
    const char *why;
    enum how how;
    long long sure;
    struct line lines[LINES_MAX];
    const char *verdict;
};

static const struct story stories[] = {
    {"what is as expected agrees", EVERY, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD"}},
     "agreed 1"},
    {"what its status settled must be there", EVERY, 0,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"}},
     "missing 1"},
    {"what waits for a time that has not come need not be there", EVERY, 99,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 100}},
     "waiting 1"},
    {"what waits for a time that has come must", EVERY, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 100}},
     "missing 1"},
    {"a later deadline that has fired shows that time has come", EVERY, 0,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 100},
      {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 200, NULL, false, true},
      {.kind = FOUND, 1, 1, "accepted", "SENT", "deadline", 200, NULL, false, true}},
     "missing 1 agreed 1"},
    {"a life that began anew behind what is sure may not have done so", EVERY, 99,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = EXPECTED, 100, 1, "delivered", "DELIVRD"}},
     "open 1"},
    {"one that is not as expected shows nothing", LAST, 0,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 100},
      {.kind = FOUND, 1, 1, "failed", "UNDELIV", "deadline", 100}},
     "undetermined 1"},
    {"a receipt without its send is held, whatever its status", EVERY, 99,
     {{.kind = RECEIPT}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD", NULL, 100, NULL, true}},
     "waiting 1"},
    {"and so is what comes after it, where the hold need not have ended", LAST, 99,
     {{.kind = RECEIPT}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "orphan", 100, NULL, true},
      {.kind = EXPECTED, 1, 2, "delivered", "DELIVRD", NULL, 50, NULL, true}},
     "waiting 1"},
    {"until the send comes", LAST, 99,
     {{.kind = RECEIPT}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "orphan", 100, NULL, true},
      {.kind = EXPECTED, 1, 2, "delivered", "DELIVRD"}},
     "missing 1"},
    {"a message with a record behind the cut may have anything", EVERY, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"}, {.kind = SEND_BEHIND_CUT},
      {.kind = FOUND, 1, 1, "failed", "UNDELIV"}},
     "open 1"},
    {"but not a revision twice", EVERY, 100,
     {{.kind = SEND_BEHIND_CUT}, {.kind = FOUND, 1, 1, "failed", "UNDELIV"},
      {.kind = FOUND, 1, 1, "failed", "UNDELIV"}},
     "repeated 1 open 1"},
    {"what no record calls for is extra", LAST, 100,
     {{.kind = FOUND, 1, 1, "failed", "UNDELIV"}},
     "extra 1"},
    {"a revision too many is extra", EVERY, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD"}, {.kind = FOUND, 1, 2, "failed", "UNDELIV"}},
     "extra 1 agreed 1"},
    {"other revisions on the way to the same verdict are another order", LAST, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT"},
      {.kind = EXPECTED, 1, 2, "delivered", "DELIVRD"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD"}},
     "agreed 1"},
    {"another order gives no other last verdict", LAST, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT"},
      {.kind = EXPECTED, 1, 2, "delivered", "DELIVRD"}, {.kind = FOUND, 1, 1, "accepted", "SENT"}},
     "different 1: outcome, status"},
    {"an earlier verdict is right where the last one need not be there", LAST, 99,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT"},
      {.kind = EXPECTED, 1, 2, "failed", "UNDELIV", "deadline", 100},
      {.kind = FOUND, 1, 1, "accepted", "SENT"}},
     "waiting 1"},
    {"where it is not there either, another order may have given none so far", LAST, 99,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 50},
      {.kind = EXPECTED, 1, 2, "failed", "UNDELIV", "deadline", 100}},
     "undetermined 1"},
    {"nor where the last one is due later than now", LAST, 99,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 50},
      {.kind = PENDING, 1, 2, "failed", "UNDELIV", "deadline", 100}},
     "undetermined 1"},
    {"or one before it", LAST, 99,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "unresolved", "NEW", "deadline", 50},
      {.kind = EXPECTED, 1, 2, "accepted", "SENT", "deadline", 70},
      {.kind = PENDING, 1, 3, "failed", "UNDELIV", "deadline", 100},
      {.kind = FOUND, 1, 1, "unresolved", "NEW", "deadline", 50}},
     "waiting 1"},
    {"but not where the order is known", EVERY, 99,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 50},
      {.kind = EXPECTED, 1, 2, "failed", "UNDELIV", "deadline", 100}},
     "missing 1 waiting 1"},
    {"what was known at emission hangs on the order", LAST, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"timeline\":[]"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"timeline\":[1]"}},
     "agreed 1"},
    {"and is the same in the same order", EVERY, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"timeline\":[]"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"timeline\":[1]"}},
     "different 1: timeline"},
    {"a time that was told once does not hang on the order", LAST, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"sent_at\":1"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"sent_at\":2"}},
     "different 1: sent_at"},
    {"one that was told twice does", LAST, 100,
     {{.kind = SEND}, {.kind = SEND},
      {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"sent_at\":1"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"sent_at\":2"}},
     "agreed 1"},
    {"so does the state's, by its own reports", LAST, 100,
     {{.kind = RECEIPT, .status = "DELIVRD"}, {.kind = RECEIPT, .status = "DELIVRD"},
      {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"status_at\":1"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"status_at\":2"}},
     "agreed 1"},
    {"and not by those of another state", LAST, 100,
     {{.kind = RECEIPT, .status = "SENT"}, {.kind = RECEIPT, .status = "SENT"},
      {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"status_at\":1"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD", NULL, 0, "\"status_at\":2"}},
     "different 1: status_at"},
    {"lives that lie a retention apart may be other lives in another order", LAST, 100 * HOUR,
     {{.kind = SEND}, {.kind = EXPECTED, 0, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 48 * HOUR, 1, "failed", "UNDELIV"}},
     "undetermined 1"},
    {"nearer ones may not", LAST, 100 * HOUR,
     {{.kind = SEND}, {.kind = EXPECTED, 0, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 47 * HOUR, 1, "failed", "UNDELIV"}},
     "different 1: outcome, status"},
    {"an aborted outcome is not there", EVERY, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = ABORTED, 1, 1, "delivered", "DELIVRD"}},
     "aborted 1"},
    {"unless it is, once more", EVERY, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD"},
      {.kind = ABORTED, 1, 1, "delivered", "DELIVRD"}},
     "agreed 1"},
    {"revisions begin with 1", LAST, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 1, 2, "delivered", "DELIVRD"}},
     "gap 1 agreed 1"},
    {"in each life", LAST, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD"}, {.kind = FOUND, 2, 2, "delivered", "DELIVRD"}},
     "gap 1 agreed 1"},
    {"a correction corrects something", LAST, 100,
     {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
      {.kind = FOUND, 1, 1, "delivered", "DELIVRD"}, {.kind = FOUND, 1, 2, "delivered", "DELIVRD"}},
     "unchanged 1 agreed 1"},
};

/* An outcome's value, whose members are only those that matter here. */
static void read_facts(const struct line *line, struct outcome_facts *facts)
{
    static char value[1024]; /* facts borrow from it */
    const char *what = line->what == NULL ? "\"reason\":0" : line->what;

    snprintf(value, sizeof(value),
             "{\"message_id\":\"%s\",\"channel\":\"sms\",\"life\":%lld,\"outcome\":\"%s\","
             "\"status\":\"%s\",\"revision\":%u,\"settled_by\":\"%s\","
             "\"settled_at\":\"1970-01-01T00:00:00.%03lldZ\",\"send_seen\":%s,"
             "\"source\":{\"partition\":3},%s}",
             line->other ? "n" : "m", line->life, line->outcome, line->status, line->revision,
             line->by == NULL ? "status" : line->by, line->due, line->unsent ? "false" : "true",
             what);
    assert_true(outcome_facts_read((const uint8_t *)value, strlen(value), hash_bytes, facts));
}

static uint8_t status_of(const struct table *table, const char *name)
{
    return name == NULL ? STATUS_NONE
                        : table_find_status(table, (const uint8_t *)name, strlen(name));
}

static void tell(struct audit_book *book, const struct table *table, const struct line *line,
                 int64_t offset, struct audit_findings *findings)
{
    struct text channel = text_of("sms"), id = text_of("m");
    struct outcome_facts facts;

    if (line->kind >= EXPECTED)
        read_facts(line, &facts);
    switch (line->kind) {
    case NOTHING:
        break;
    case SEND:
    case SEND_BEHIND_CUT:
        audit_book_event(book, channel, id, true, STATUS_NONE, line->kind == SEND);
        break;
    case RECEIPT:
        audit_book_event(book, channel, id, false, status_of(table, line->status), true);
        break;
    case EXPECTED:
        audit_book_expect(book, &facts, status_of(table, line->status));
        break;
    case FOUND:
        audit_book_find(book, &facts, 3, offset, findings);
        break;
    case PENDING:
        audit_book_pend(book, &facts);
        break;
    case ABORTED:
        audit_book_uncommitted(book, &facts, offset);
        break;
    }
}

static void put(char *out, size_t room, const char *word, uint64_t count)
{
    size_t size = strlen(out);

    if (count > 0)
        snprintf(out + size, room - size, "%s%s %llu", size == 0 ? "" : " ", word,
                 (unsigned long long)count);
}

/* Faults, with the members that differ, and then what is none. */
static void put_verdict(const struct audit_findings *findings, char *out, size_t room)
{
    out[0] = 0;
    for (int i = 0; i < AUDIT_FAULT_COUNT; i++)
        put(out, room, audit_fault_words[i], findings->faults[i]);
    if (findings->faults[AUDIT_DIFFERENT] > 0) {
        size_t size = strlen(out);
        snprintf(out + size, room - size, ": %s",
                 findings->examples[AUDIT_DIFFERENT].rows[0].detail);
    }
    put(out, room, "changed", audit_change_sum(findings));
    put(out, room, "agreed", findings->agreed);
    put(out, room, "waiting", findings->waiting);
    put(out, room, "open", findings->open);
    put(out, room, "begun before", findings->begun_before);
    put(out, room, "undetermined", findings->undetermined);
    put(out, room, "expired", findings->expired);
}

static void judge(const struct story *story, const struct tables *tables, int64_t begin_ms,
                  bool expired, char *verdict, size_t room)
{
    struct audit_findings *findings = audit_findings_new();
    const struct table *table = tables_find(tables, (const uint8_t *)"sms", 3);
    struct audit_judge how = {
        .tables = tables,
        .partition = 3,
        .every_revision = story->how == EVERY,
        .sure_ms = story->sure,
        .expired_before_ms = expired ? INT64_MAX : TIME_NONE,
    };
    struct audit_book book;
    bool misses;

    findings->what_if = story->how == WHAT_IF;
    audit_book_init(&book, 1);
    book.begin_ms = begin_ms;
    book.outcomes_expired = expired;
    for (size_t i = 0; i < LINES_MAX; i++)
        tell(&book, table, &story->lines[i], (int64_t)i, findings);
    misses = audit_book_misses(&book, &how);
    audit_book_compare(&book, &how, findings);
    /* Aborted outcomes are looked for where that can change the verdict, and nowhere else. */
    if (story->how != WHAT_IF && !expired &&
        misses != (findings->faults[AUDIT_MISSING] + findings->faults[AUDIT_ABORTED] > 0))
        fail_msg("%s: %s", story->why, misses ? "nothing is missing" : "something is missing");
    put_verdict(findings, verdict, room);
    audit_book_release(&book);
    free(findings);
}

static void load(struct tables *tables)
{
    struct buffer complaints = {0};

    assert_true(channel_files_load(NULL, tables, &complaints));
    buffer_release(&complaints);
}

static void stories_end_as_they_are_told(void **state)
{
    struct tables tables = {0};
    char verdict[1024];

    (void)state;
    load(&tables);
    for (size_t i = 0; i < COUNT(stories); i++) {
        judge(&stories[i], &tables, TIME_NONE, false, verdict, sizeof(verdict));
        if (strcmp(verdict, stories[i].verdict) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", stories[i].why, verdict, stories[i].verdict);
    }
    tables_release(&tables);
}

/* Where the inputs were not read from their first record. */
static void who_began_before_the_range_is_told_apart(void **state)
{
    static const struct story begun[] = {
        {"its first event is no send", EVERY, 100,
         {{.kind = RECEIPT}, {.kind = EXPECTED, 50, 1, "delivered", "DELIVRD"}},
         "begun before 1"},
        {"its life is older", EVERY, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 50, 1, "delivered", "DELIVRD"},
          {.kind = FOUND, 9, 1, "failed", "UNDELIV"}},
         "begun before 1"},
        {"nobody else has heard of it, and its life is older", EVERY, 100,
         {{.kind = FOUND, 9, 1, "failed", "UNDELIV"}},
         "begun before 1"},
        {"it began in the range", EVERY, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 50, 1, "delivered", "DELIVRD"}},
         "missing 1"},
    };
    struct tables tables = {0};
    char verdict[1024];

    (void)state;
    load(&tables);
    for (size_t i = 0; i < COUNT(begun); i++) {
        judge(&begun[i], &tables, 10, false, verdict, sizeof(verdict));
        if (strcmp(verdict, begun[i].verdict) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", begun[i].why, verdict, begun[i].verdict);
    }
    tables_release(&tables);
}

static void what_retention_has_taken_is_no_fault(void **state)
{
    static const struct story taken[] = {
        {"the whole of it", EVERY, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"}},
         "expired 1"},
        {"its first revision", LAST, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT"},
          {.kind = EXPECTED, 1, 2, "delivered", "DELIVRD"},
          {.kind = FOUND, 1, 2, "delivered", "DELIVRD"}},
         "agreed 1 expired 1"},
        {"but not one in between", LAST, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 3, "delivered", "DELIVRD"},
          {.kind = FOUND, 1, 1, "accepted", "SENT"}, {.kind = FOUND, 1, 3, "delivered", "DELIVRD"}},
         "gap 1 agreed 1"},
        {"and it is nothing that another table has changed", WHAT_IF, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"}},
         "expired 1"},
    };
    struct tables tables = {0};
    char verdict[1024];

    (void)state;
    load(&tables);
    for (size_t i = 0; i < COUNT(taken); i++) {
        judge(&taken[i], &tables, TIME_NONE, true, verdict, sizeof(verdict));
        if (strcmp(verdict, taken[i].verdict) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", taken[i].why, verdict, taken[i].verdict);
    }
    tables_release(&tables);
}

/* --channels: what has been, and what another table would have made of it. */
static void what_another_table_would_change_is_counted(void **state)
{
    static const struct story changes[] = {
        {"another outcome", WHAT_IF, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"},
          {.kind = FOUND, 1, 1, "failed", "UNDELIV"}},
         "changed 1"},
        {"one that would be there", WHAT_IF, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "delivered", "DELIVRD"}},
         "changed 1"},
        {"one that would not", WHAT_IF, 100,
         {{.kind = SEND}, {.kind = FOUND, 1, 1, "failed", "UNDELIV"}},
         "changed 1"},
        {"none that need not have come yet", WHAT_IF, 99,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 100}},
         "waiting 1"},
        {"nor where an earlier one has come", WHAT_IF, 99,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT"},
          {.kind = EXPECTED, 1, 2, "failed", "UNDELIV", "deadline", 100},
          {.kind = FOUND, 1, 1, "accepted", "SENT"}},
         "waiting 1"},
        {"or where its time is later than now", WHAT_IF, 99,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT", "deadline", 50},
          {.kind = PENDING, 1, 2, "failed", "UNDELIV", "deadline", 100}},
         "waiting 1"},
        {"until its time has come", WHAT_IF, 100,
         {{.kind = SEND}, {.kind = EXPECTED, 1, 1, "accepted", "SENT"},
          {.kind = EXPECTED, 1, 2, "failed", "UNDELIV", "deadline", 100},
          {.kind = FOUND, 1, 1, "accepted", "SENT"}},
         "changed 1"},
    };
    struct tables tables = {0};
    char verdict[1024];

    (void)state;
    load(&tables);
    for (size_t i = 0; i < COUNT(changes); i++) {
        judge(&changes[i], &tables, TIME_NONE, false, verdict, sizeof(verdict));
        if (strcmp(verdict, changes[i].verdict) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", changes[i].why, verdict, changes[i].verdict);
    }
    tables_release(&tables);
}

static void what_is_no_outcome_is_not_taken_for_one(void **state)
{
    static const char *const values[] = {
        "",
        "{}",
        "null",
        "{\"message_id\":\"m\",\"channel\":\"sms\",\"life\":1,\"outcome\":\"delivered\","
        "\"revision\":1,\"settled_by\":\"status\",\"settled_at\":\"1970-01-01T00:00:00.000Z\","
        "\"send_seen\":true,\"source\":{\"offset\":3}}",
        "{\"message_id\":\"m\",\"channel\":\"sms\",\"life\":1,\"outcome\":\"arrived\","
        "\"revision\":1,\"settled_by\":\"status\",\"settled_at\":\"1970-01-01T00:00:00.000Z\","
        "\"send_seen\":true,\"source\":{\"partition\":3}}",
        "{\"message_id\":\"m\",\"channel\":\"sms\",\"life\":1,\"outcome\":\"delivered\","
        "\"revision\":1,\"settled_by\":\"status\",\"settled_at\":\"1970-01-01T00:00:00.000Z\","
        "\"send_seen\":true,\"source\":{\"partition\":3}} x",
    };
    struct outcome_facts facts;

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++)
        assert_false(outcome_facts_read((const uint8_t *)values[i], strlen(values[i]), hash_bytes,
                                        &facts));
    assert_false(outcome_facts_read(NULL, 0, hash_bytes, &facts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_end_as_they_are_told),
        cmocka_unit_test(who_began_before_the_range_is_told_apart),
        cmocka_unit_test(what_retention_has_taken_is_no_fault),
        cmocka_unit_test(what_another_table_would_change_is_counted),
        cmocka_unit_test(what_is_no_outcome_is_not_taken_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
