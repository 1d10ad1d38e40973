/* table_test.c: a draft as numbers, and the channels that a process knows. */
#include "statemachine/table.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define THEN(...)                                                                                  \
    .then = (const char *const[]){__VA_ARGS__},                                                    \
    .then_count = COUNT(((const char *const[]){__VA_ARGS__}))

/* Weakest first: A -> B -> C -> {LOST, READ}, READ -> ANGRY; two finals say "failed". */
static const struct draft_status statuses[] = {
    {.name = "A", .phase = PHASE_QUEUED, .outcome = OUTCOME_UNRESOLVED, .settle_after_ms = 5,
     THEN("B"), .meaning = "first"},
    {.name = "B", .phase = PHASE_TRANSIT, .outcome = OUTCOME_UNRESOLVED, .settle_after_ms = 5,
     THEN("C", "LOST", "GONE")},
    {.name = "C", .phase = PHASE_PROVISIONAL, .outcome = OUTCOME_FAILED, .settle_after_ms = 5,
     THEN("READ", "LOST")},
    {.name = "LOST", .phase = PHASE_FINAL, .outcome = OUTCOME_FAILED},
    {.name = "GONE", .phase = PHASE_FINAL, .outcome = OUTCOME_FAILED},
    {.name = "READ", .phase = PHASE_FINAL, .outcome = OUTCOME_READ, THEN("ANGRY")},
    {.name = "ANGRY", .phase = PHASE_FINAL, .outcome = OUTCOME_COMPLAINED},
};
enum { A, B, C, LOST, GONE, READ, ANGRY };

static const struct draft draft = {
    .channel = "pigeon", .version = 7, .retention_ms = 1000, .orphan_hold_ms = 20,
    .initial_settle_after_ms = 300, .initial_outcome = OUTCOME_UNRESOLVED, .statuses = statuses,
    .count = COUNT(statuses), .digest = 0x0123456789abcdef,
};

static struct table *new_table(const char *channel)
{
    struct draft named = draft;
    struct table *table;

    named.channel = channel;
    table = table_new(&named);
    assert_non_null(table);
    return table;
}

static uint8_t find(const struct table *table, const char *name)
{
    return table_find_status(table, (const uint8_t *)name, strlen(name));
}

static void words_are_found_by_their_enum_and_back(void **state)
{
    enum phase phase = PHASE_COUNT;
    enum outcome outcome = OUTCOME_COUNT;

    (void)state;
    for (int i = 0; i < PHASE_COUNT; i++) {
        assert_true(phase_find(phase_words[i], &phase));
        assert_int_equal(phase, i);
    }
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        assert_true(outcome_find(outcome_words[i], &outcome));
        assert_int_equal(outcome, i);
    }
    for (int i = 0; i < ARRIVAL_COUNT; i++)
        assert_non_null(arrival_words[i]);
    for (int i = 0; i < SETTLED_BY_COUNT; i++)
        assert_non_null(settled_by_words[i]);
}

static void a_word_that_is_not_listed_leaves_the_answer_alone(void **state)
{
    static const char *const words[] = {"", "Final", "final ", "fina", "finals", "deliverd"};

    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        enum phase phase = PHASE_TRANSIT;
        enum outcome outcome = OUTCOME_READ;
        if (phase_find(words[i], &phase) || outcome_find(words[i], &outcome))
            fail_msg("\"%s\" was found", words[i]);
        assert_int_equal(phase, PHASE_TRANSIT);
        assert_int_equal(outcome, OUTCOME_READ);
    }
}

static void a_table_says_what_its_draft_said(void **state)
{
    struct table *table = new_table("pigeon");

    (void)state;
    assert_string_equal(table->channel, "pigeon");
    assert_int_equal(table->channel_size, 6);
    assert_int_equal(table->version, 7);
    assert_true(table->digest == draft.digest);
    assert_int_equal(table->retention_ms, 1000);
    assert_int_equal(table->orphan_hold_ms, 20);
    assert_int_equal(table->initial_settle_after_ms, 300);
    assert_int_equal(table->initial_outcome, OUTCOME_UNRESOLVED);
    assert_int_equal(table->count, COUNT(statuses));
    for (uint8_t i = 0; i < table->count; i++) {
        assert_string_equal(table_status_name(table, i), statuses[i].name);
        assert_int_equal(table->statuses[i].phase, statuses[i].phase);
        assert_int_equal(table->statuses[i].outcome, statuses[i].outcome);
        assert_int_equal(table->statuses[i].settle_after_ms, statuses[i].settle_after_ms);
        assert_true(table_has_vote(table, i));
    }
    assert_string_equal(table->statuses[A].meaning, "first");
    assert_string_equal(table->statuses[B].meaning, "");
    table_free(&table);
    assert_null(table);
    table_free(&table); /* a second time does nothing */
}

static void every_arrival_has_the_class_of_the_design(void **state)
{
    enum { NONE = -1 };
    static const struct {
        int from, status, next;
        enum arrival arrival;
        const char *why;
    } cases[] = {
        {NONE, A, A, ARRIVAL_ADVANCED, "the first status of all"},
        {NONE, ANGRY, ANGRY, ARRIVAL_ADVANCED, "any status can be the first"},
        {A, A, A, ARRIVAL_REPEATED, "the same again"},
        {ANGRY, ANGRY, ANGRY, ARRIVAL_REPEATED, "the same again, final"},
        {A, B, B, ARRIVAL_ADVANCED, "stronger and listed"},
        {B, GONE, GONE, ARRIVAL_ADVANCED, "stronger and listed, not the next one"},
        {READ, ANGRY, ANGRY, ARRIVAL_ADVANCED, "a final that lists a stronger final"},
        {A, C, C, ARRIVAL_JUMPED, "stronger, listed only by what lies between"},
        {C, GONE, GONE, ARRIVAL_JUMPED, "stronger, listed only by a weaker state"},
        {LOST, READ, READ, ARRIVAL_JUMPED, "stronger than a final that lists nothing"},
        {B, A, B, ARRIVAL_STALE, "weaker, though it lists the state"},
        {ANGRY, LOST, ANGRY, ARRIVAL_STALE, "weaker, and final"},
    };
    struct table *table = new_table("pigeon");

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cell cell = table->cells[cases[i].from + 1][cases[i].status];
        if (cell.next != cases[i].next || cell.arrival != cases[i].arrival)
            fail_msg("%d with %d gives %u, %s: %s", cases[i].from, cases[i].status, cell.next,
                     arrival_words[cell.arrival], cases[i].why);
    }
    table_free(&table);
}

static void the_state_is_the_maximum_in_any_order(void **state)
{
    struct table *table = new_table("pigeon");

    (void)state;
    for (size_t a = 0; a < table->count; a++)
        for (size_t b = 0; b < table->count; b++)
            for (size_t c = 0; c < table->count; c++) {
                size_t most = a > b ? a : b, one, two;
                most = most > c ? most : c;
                one = table->cells[table->cells[table->cells[0][a].next + 1][b].next + 1][c].next;
                two = table->cells[table->cells[table->cells[0][c].next + 1][b].next + 1][a].next;
                assert_int_equal(one, most);
                assert_int_equal(two, most);
            }
    table_free(&table);
}

static void finals_contradict_where_outcomes_differ_and_neither_lists_the_other(void **state)
{
    static const struct {
        int a, b;
        bool conflict;
        const char *why;
    } cases[] = {
        {LOST, READ, true, "failed and read, no way between them"},
        {GONE, ANGRY, true, "failed and complained"},
        {LOST, GONE, false, "the same outcome"},
        {READ, ANGRY, false, "one lists the other"},
        {C, READ, false, "one is not final"},
        {A, LOST, false, "one is not final"},
        {READ, READ, false, "one status"},
    };
    struct table *table = new_table("pigeon");

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool one = table->statuses[cases[i].a].conflicts >> cases[i].b & 1;
        bool two = table->statuses[cases[i].b].conflicts >> cases[i].a & 1;
        if (one != cases[i].conflict || two != cases[i].conflict)
            fail_msg("%s and %s: %s", statuses[cases[i].a].name, statuses[cases[i].b].name,
                     cases[i].why);
    }
    table_free(&table);
}

static void a_status_is_found_by_its_whole_name_only(void **state)
{
    static const struct {
        const char *name;
        uint8_t found;
    } cases[] = {
        {"A", A},       {"ANGRY", ANGRY},      {"LOST", LOST},          {"", STATUS_NONE},
        {"a", STATUS_NONE}, {"ANGR", STATUS_NONE}, {"ANGRYX", STATUS_NONE}, {"TSOL", STATUS_NONE},
    };
    struct table *table = new_table("pigeon");

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (find(table, cases[i].name) != cases[i].found)
            fail_msg("\"%s\" gives %u", cases[i].name, find(table, cases[i].name));
    assert_int_equal(table_find_status(table, (const uint8_t *)"A\0", 2), STATUS_NONE);
    table_free(&table);
}

static void a_table_has_room_for_62_statuses(void **state)
{
    static char names[STATUSES_MAX][STATUS_NAME_MAX + 1];
    struct draft_status many[STATUSES_MAX] = {0};
    const char *next[STATUSES_MAX] = {0};
    struct draft full = draft;
    struct table *table;

    (void)state;
    for (size_t i = 0; i < STATUSES_MAX; i++) {
        bool last = i + 1 == STATUSES_MAX;
        memset(names[i], 'x', STATUS_NAME_MAX); /* as long as a name can be */
        names[i][0] = (char)(i < 10 ? '0' + i : i < 36 ? 'A' + (i - 10) : 'a' + (i - 36));
        next[i] = last ? NULL : names[i + 1];
        many[i] = (struct draft_status){
            .name = names[i],
            .phase = last ? PHASE_FINAL : PHASE_TRANSIT,
            .outcome = last ? OUTCOME_DELIVERED : OUTCOME_UNRESOLVED,
            .then = &next[i],
            .then_count = last ? 0 : 1,
        };
    }
    full.statuses = many;
    full.count = STATUSES_MAX;
    table = table_new(&full);
    assert_int_equal(table->count, STATUSES_MAX);
    for (uint8_t i = 0; i < STATUSES_MAX; i++)
        assert_int_equal(find(table, names[i]), i);
    assert_int_equal(table->cells[STATUSES_MAX - 1][STATUSES_MAX - 1].arrival, ARRIVAL_ADVANCED);
    assert_int_equal(table->cells[1][STATUSES_MAX - 1].arrival, ARRIVAL_JUMPED);
    table_free(&table);
}

static void ghosts_have_a_name_and_no_vote(void **state)
{
    struct table *table = new_table("pigeon");
    uint8_t old = table_add_ghost(table, (const uint8_t *)"OLD", 3);
    uint8_t older = table_add_ghost(table, (const uint8_t *)"OLDER", 5);

    (void)state;
    assert_int_equal(old, COUNT(statuses));
    assert_int_equal(older, COUNT(statuses) + 1);
    assert_int_equal(table_add_ghost(table, (const uint8_t *)"OLD", 3), old);
    assert_string_equal(table_status_name(table, old), "OLD");
    assert_string_equal(table_status_name(table, older), "OLDER");
    assert_false(table_has_vote(table, old));
    assert_false(table_has_vote(table, STATUS_NONE));
    assert_int_equal(find(table, "OLD"), STATUS_NONE);
    table_free(&table);
}

static void there_is_an_end_to_ghosts(void **state)
{
    struct table *table = new_table("pigeon");
    char name[16];

    (void)state;
    for (size_t i = COUNT(statuses); i < SEEN_MAX; i++) {
        int size = snprintf(name, sizeof(name), "G%zu", i);
        assert_int_equal(table_add_ghost(table, (const uint8_t *)name, (size_t)size), i);
    }
    assert_int_equal(table_add_ghost(table, (const uint8_t *)"MORE", 4), STATUS_NONE);
    assert_int_equal(table_add_ghost(table, (const uint8_t *)name, strlen(name)), SEEN_MAX - 1);
    table_free(&table);
}

static void channels_are_in_the_order_of_their_names(void **state)
{
    static const char *const taken[] = {"sms", "email", "push", "z", "a", "sm"};
    static const char *const sorted[] = {"a", "email", "push", "sm", "sms", "z"};
    struct tables tables = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(taken); i++)
        assert_true(tables_take(&tables, new_table(taken[i])));
    assert_int_equal(tables.count, COUNT(sorted));
    for (size_t i = 0; i < COUNT(sorted); i++) {
        const struct table *found =
            tables_find(&tables, (const uint8_t *)sorted[i], strlen(sorted[i]));
        assert_string_equal(tables.rows[i]->channel, sorted[i]);
        assert_int_equal(tables.rows[i]->index, i);
        assert_ptr_equal(found, tables.rows[i]);
    }
    assert_null(tables_find(&tables, (const uint8_t *)"em", 2));
    assert_null(tables_find(&tables, (const uint8_t *)"", 0));
    tables_release(&tables);
    assert_int_equal(tables.count, 0);
}

static void a_channel_is_taken_once(void **state)
{
    struct tables tables = {0};

    (void)state;
    assert_true(tables_take(&tables, new_table("sms")));
    assert_false(tables_take(&tables, new_table("sms"))); /* and released, or ASan says so */
    assert_int_equal(tables.count, 1);
    tables_release(&tables);
}

static void there_is_an_end_to_channels(void **state)
{
    struct tables tables = {0};
    char name[16];

    (void)state;
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        snprintf(name, sizeof(name), "c%zu", i);
        assert_true(tables_take(&tables, new_table(name)));
    }
    assert_false(tables_take(&tables, new_table("one-more")));
    assert_int_equal(tables.count, CHANNELS_MAX);
    tables_release(&tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_by_their_enum_and_back),
        cmocka_unit_test(a_word_that_is_not_listed_leaves_the_answer_alone),
        cmocka_unit_test(a_table_says_what_its_draft_said),
        cmocka_unit_test(every_arrival_has_the_class_of_the_design),
        cmocka_unit_test(the_state_is_the_maximum_in_any_order),
        cmocka_unit_test(finals_contradict_where_outcomes_differ_and_neither_lists_the_other),
        cmocka_unit_test(a_status_is_found_by_its_whole_name_only),
        cmocka_unit_test(a_table_has_room_for_62_statuses),
        cmocka_unit_test(ghosts_have_a_name_and_no_vote),
        cmocka_unit_test(there_is_an_end_to_ghosts),
        cmocka_unit_test(channels_are_in_the_order_of_their_names),
        cmocka_unit_test(a_channel_is_taken_once),
        cmocka_unit_test(there_is_an_end_to_channels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
