/* check_test.c: every kind of broken draft is found, and told in words of its own. */
#include "statemachine/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NAMES(...) ((const char *const[]){__VA_ARGS__})
#define THEN(...) .then = NAMES(__VA_ARGS__), .then_count = COUNT(NAMES(__VA_ARGS__))
#define STATUSES(...)                                                                              \
    .statuses = (const struct draft_status[]){__VA_ARGS__},                                        \
    .count = COUNT(((const struct draft_status[]){__VA_ARGS__}))

/* All of a draft that is not about statuses. */
#define CHANNEL                                                                                    \
    .channel = "pigeon", .version = 1, .retention_ms = 1000, .orphan_hold_ms = 10,                 \
    .initial_settle_after_ms = 100, .initial_outcome = OUTCOME_UNRESOLVED

#define SENT {.name = "SENT", .phase = PHASE_TRANSIT, .settle_after_ms = 5, THEN("HOME", "LOST")}
#define LATE {.name = "LATE", .phase = PHASE_PROVISIONAL, .settle_after_ms = 5, THEN("HOME")}
#define LOST {.name = "LOST", .phase = PHASE_FINAL, .outcome = OUTCOME_FAILED, THEN("HOME")}
#define HOME {.name = "HOME", .phase = PHASE_FINAL, .outcome = OUTCOME_DELIVERED}

#define NAME_8 "abcdefgh"
#define NAME_32 NAME_8 NAME_8 NAME_8 NAME_8

static const struct draft sound = {CHANNEL, STATUSES(SENT, LOST, HOME)};

static void tell(const struct faults *faults)
{
    for (size_t i = 0; i < faults->count && i < FAULTS_MAX; i++)
        print_message("  %s: %s\n", faults->rows[i].status, faults->rows[i].text);
}

static void sound_drafts_have_no_fault(void **state)
{
    const struct draft one = {CHANNEL, STATUSES(HOME)};
    const struct draft edges = {
        .channel = NAME_32, .version = INT32_MAX, .retention_ms = DURATION_MAX_MS,
        .orphan_hold_ms = 0, .initial_settle_after_ms = 0,
        STATUSES({.name = NAME_32 NAME_32, .phase = PHASE_QUEUED, .settle_after_ms = 0,
                  THEN("0._-")},
                 {.name = "0._-", .phase = PHASE_PROVISIONAL, .settle_after_ms = DURATION_MAX_MS,
                  THEN("HOME")}, HOME)};
    const struct {
        const struct draft *draft;
        const char *why;
    } cases[] = {
        {&sound, "a plain one"},
        {&one, "one final alone"},
        {&edges, "all bounds reached"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct faults faults = {0};
        check_draft(cases[i].draft, &faults);
        if (faults.count == 0)
            continue;
        tell(&faults);
        fail_msg("%zu faults: %s", faults.count, cases[i].why);
    }
}

static void every_kind_of_broken_draft_is_told_in_its_own_words(void **state)
{
    const struct {
        struct draft draft;
        const char *status, *text; /* of one fault, exactly and as a part */
        const char *why;
    } cases[] = {
        {{CHANNEL, .statuses = NULL, .count = 0}, "", "empty list", "no status at all"},
        {{CHANNEL, STATUSES(SENT, LOST, HOME, HOME)}, "HOME", "listed twice", "a status twice"},
        {{CHANNEL, STATUSES({.name = "SENT", .phase = PHASE_TRANSIT, THEN("HOEM")}, HOME)},
         "SENT", "\"HOEM\" is no status", "a name that is not there"},
        {{CHANNEL, STATUSES({.name = "SENT", .phase = PHASE_TRANSIT, THEN("SENT", "HOME")}, HOME)},
         "SENT", "lists itself", "the smallest cycle"},
        {{CHANNEL, STATUSES(SENT, {.name = "LATE", .phase = PHASE_TRANSIT, THEN("SENT", "HOME")},
                            LOST, HOME)},
         "LATE", "\"SENT\" is weaker", "a cycle of two"},
        {{CHANNEL, STATUSES({.name = "SENT", .phase = PHASE_TRANSIT, THEN("HOME", "HOME")}, HOME)},
         "SENT", "\"HOME\" is listed twice", "an entry twice"},
        {{CHANNEL, STATUSES(SENT, LATE, LOST, HOME)}, "LATE", "unreachable", "nobody lists it"},
        {{CHANNEL, STATUSES({.name = "SENT", .phase = PHASE_TRANSIT, THEN("LATE", "HOME")},
                            {.name = "LATE", .phase = PHASE_PROVISIONAL}, HOME)},
         "LATE", "dead end", "not final, and lists nothing"},
        {{CHANNEL, STATUSES({.name = "SENT", .phase = PHASE_TRANSIT})}, "SENT", "dead end",
         "no final at all"},
        {{CHANNEL, STATUSES({.name = "HOME", .phase = PHASE_FINAL, .settle_after_ms = 1})}, "HOME",
         "settle_after must be 0s", "a final that waits"},
        {{CHANNEL, STATUSES({.name = "LATE", .phase = PHASE_PROVISIONAL, THEN("SENT")},
                            {.name = "SENT", .phase = PHASE_TRANSIT, THEN("HOME")}, HOME)},
         "SENT", "goes back from phase provisional to transit", "a phase that goes back"},
        {{CHANNEL, STATUSES({.name = "LOST", .phase = PHASE_FINAL, THEN("LATE")},
                            {.name = "LATE", .phase = PHASE_PROVISIONAL, THEN("HOME")}, HOME)},
         "LATE", "goes back from phase final to provisional", "a provisional that beats a final"},
        {{CHANNEL, STATUSES({.name = "SENT", .phase = PHASE_TRANSIT, .settle_after_ms = -1,
                             THEN("HOME")}, HOME)},
         "SENT", "settle_after is out of bounds", "a negative wait"},
        {{CHANNEL, STATUSES({.name = "SENT", .phase = PHASE_TRANSIT,
                             .settle_after_ms = DURATION_MAX_MS + 1, THEN("HOME")}, HOME)},
         "SENT", "settle_after is out of bounds", "a wait of more than ten years"},
        {{CHANNEL, STATUSES({.name = "", .phase = PHASE_FINAL})}, "", "status 1 has no good name",
         "an empty name"},
        {{CHANNEL, STATUSES({.name = "HO ME", .phase = PHASE_FINAL})}, "",
         "status 1 has no good name", "a blank in a name"},
        {{CHANNEL, STATUSES({.name = "HOME\n", .phase = PHASE_FINAL})}, "",
         "status 1 has no good name", "a line feed in a name"},
        {{CHANNEL, STATUSES({.name = NAME_32 NAME_32 "x", .phase = PHASE_FINAL})}, "",
         "status 1 has no good name", "a name of 65 bytes"},
        {{.channel = "pigeon", .version = 0, .retention_ms = 1, STATUSES(HOME)}, "",
         "version must be", "version 0"},
        {{.channel = "pigeon", .version = INT64_C(1) << 31, .retention_ms = 1, STATUSES(HOME)}, "",
         "version must be", "version 2^31"},
        {{.channel = "pigeon", .version = 1, .retention_ms = 0, STATUSES(HOME)}, "",
         "retention is out of bounds", "nothing retained"},
        {{.channel = "pigeon", .version = 1, .retention_ms = 1, .orphan_hold_ms = -1,
          STATUSES(HOME)}, "", "orphan_hold is out of bounds", "a hold into the past"},
        {{.channel = "pigeon", .version = 1, .retention_ms = 1,
          .initial_settle_after_ms = INT64_MAX, STATUSES(HOME)}, "",
         "initial settle_after is out of bounds", "a sum that would overflow"},
        {{.channel = "", .version = 1, .retention_ms = 1, STATUSES(HOME)}, "", "channel name",
         "an empty channel name"},
        {{.channel = "SMS", .version = 1, .retention_ms = 1, STATUSES(HOME)}, "", "channel name",
         "upper case"},
        {{.channel = "1sms", .version = 1, .retention_ms = 1, STATUSES(HOME)}, "", "channel name",
         "a digit first"},
        {{.channel = "s/ms", .version = 1, .retention_ms = 1, STATUSES(HOME)}, "", "channel name",
         "a path"},
        {{.channel = NAME_32 "x", .version = 1, .retention_ms = 1, STATUSES(HOME)}, "",
         "channel name", "a channel name of 33 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct faults faults = {0};
        check_draft(&cases[i].draft, &faults);
        if (faults.count == 1 && strcmp(faults.rows[0].status, cases[i].status) == 0 &&
            strstr(faults.rows[0].text, cases[i].text) != NULL)
            continue;
        tell(&faults);
        fail_msg("%zu faults instead of one, \"%s: ...%s\": %s", faults.count, cases[i].status,
                 cases[i].text, cases[i].why);
    }
}

static void sixty_two_statuses_are_possible_and_sixty_three_are_not(void **state)
{
    static char names[STATUSES_MAX + 1][16];
    struct draft_status statuses[STATUSES_MAX + 1];
    const char *then[STATUSES_MAX + 1];
    struct draft draft = sound;

    (void)state;
    for (int i = 0; i <= STATUSES_MAX; i++)
        snprintf(names[i], sizeof(names[i]), "S%d", i);
    for (size_t count = STATUSES_MAX; count <= STATUSES_MAX + 1; count++) {
        struct faults faults = {0};
        for (size_t i = 0; i < count; i++) {
            bool last = i + 1 == count;
            then[i] = last ? NULL : names[i + 1];
            statuses[i] = (struct draft_status){
                .name = names[i], .phase = last ? PHASE_FINAL : PHASE_QUEUED, .then = &then[i],
                .then_count = last ? 0 : 1};
        }
        draft.statuses = statuses;
        draft.count = count;
        check_draft(&draft, &faults);
        assert_int_equal(faults.count, count - STATUSES_MAX);
        if (faults.count > 0)
            assert_non_null(strstr(faults.rows[0].text, "has 63 statuses; at most 62"));
    }
}

static void several_faults_are_told_at_once(void **state)
{
    const struct draft draft = {
        .channel = "SMS", .version = 0, .retention_ms = 0,
        STATUSES({.name = "HOME", .phase = PHASE_FINAL, .settle_after_ms = 1, THEN("X", "Y")})};
    struct faults faults = {0};

    (void)state;
    check_draft(&draft, &faults);
    assert_int_equal(faults.count, 6);
}

static void faults_beyond_the_room_are_counted(void **state)
{
    struct faults faults = {0};
    char name[3 * STATUS_NAME_MAX];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    for (int i = 0; i < FAULTS_MAX + 3; i++)
        faults_add(&faults, i == 0 ? NULL : name, "fault %d of %s%s", i, name, name);
    assert_int_equal(faults.count, FAULTS_MAX + 3);
    assert_string_equal(faults.rows[0].status, "");
    assert_int_equal(strlen(faults.rows[1].status), STATUS_NAME_MAX);
    assert_int_equal(strlen(faults.rows[1].text), FAULT_TEXT_MAX - 1);
    assert_memory_equal(faults.rows[FAULTS_MAX - 1].text, "fault 31 ", 9);
}

static void a_cell_that_is_not_the_maximum_is_found(void **state)
{
    static const struct {
        int row, status;
        struct cell cell;
        const char *text, *why;
    } cases[] = {
        {0, 1, {0, ARRIVAL_ADVANCED}, "not the stronger", "the first status is not the state"},
        {2, 0, {0, ARRIVAL_STALE}, "not the stronger", "a weaker status wins"},
        {1, 2, {0, ARRIVAL_ADVANCED}, "not the stronger", "a stronger status loses"},
        {1, 2, {STATUS_NONE, ARRIVAL_ADVANCED}, "not the stronger", "a cell that leads nowhere"},
        {1, 1, {1, ARRIVAL_COUNT}, "class", "an arrival of no class"},
        {2, 1, {1, ARRIVAL_ADVANCED}, "class", "the same status, not as a repetition"},
        {3, 1, {2, ARRIVAL_ADVANCED}, "class", "a weaker status, not as a stale one"},
        {1, 1, {1, ARRIVAL_JUMPED}, "class", "a listed status as a jump"},
        {0, 1, {1, ARRIVAL_JUMPED}, "class", "the first status as a jump"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct table *table = table_new(&sound);
        struct faults faults = {0};
        check_table(table, &faults);
        assert_int_equal(faults.count, 0);
        table->cells[cases[i].row][cases[i].status] = cases[i].cell;
        check_table(table, &faults);
        if (faults.count != 1 || strstr(faults.rows[0].text, cases[i].text) == NULL) {
            tell(&faults);
            fail_msg("%zu faults instead of one: %s", faults.count, cases[i].why);
        }
        table_free(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_drafts_have_no_fault),
        cmocka_unit_test(every_kind_of_broken_draft_is_told_in_its_own_words),
        cmocka_unit_test(sixty_two_statuses_are_possible_and_sixty_three_are_not),
        cmocka_unit_test(several_faults_are_told_at_once),
        cmocka_unit_test(faults_beyond_the_room_are_counted),
        cmocka_unit_test(a_cell_that_is_not_the_maximum_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
