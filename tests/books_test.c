/*
 * books_test.c: every record is accounted for (promise 2), and a stage that lost count stops.
 *
 * The process dies by require(); here that is noticed instead.
 */
#include "consumer/holding.h"
#include "consumer/summary.h"
#include "schemas/channel_file.h"
#include "statemachine/require.h"
#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static jmp_buf broken;
static bool expected;

_Noreturn void require_failed(const char *claim, const char *file, int line)
{
    if (expected)
        longjmp(broken, 1);
    fprintf(stderr, "%s:%d: %s\n", file, line, claim);
    abort();
}

static struct tables tables;
static struct config config;

static void no_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    (void)context;
    (void)lane;
    (void)happening;
}

static void no_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                      enum reason reason, const char *detail)
{
    (void)context;
    (void)lane;
    (void)incoming;
    (void)reason;
    (void)detail;
}

static struct pump a_pump(void)
{
    return (struct pump){.sink = {no_outcome, no_letter, NULL}, .latest_ms = 1000000};
}

/* So many records of all kinds, as the worker takes them. */
static void take(struct pump *pump, struct holding *holding, size_t count, struct random *random)
{
    static const char *const ids[] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < count; i++) {
        size_t input = random_below(random, holding->inlet_count);
        struct incoming incoming = {
            .input = input,
            .timestamp_ms = (int64_t)random_below(random, 1100000),
            .reason = random_below(random, 3) == 0 ? (enum reason)random_below(random, REASON_COUNT)
                                                   : REASON_NONE,
            .detail = "",
        };
        incoming.event = (struct event){.id = text_of(ids[random_below(random, COUNT(ids))]),
                                        .is_send = random_below(random, 3) == 0,
                                        .topic = text_of("t"),
                                        .timestamp_ms = incoming.timestamp_ms};
        pump->budget = 100;
        assert_true(pump_take(pump, &holding->lane, &incoming));
        holding->inlets[input].taken++;
        holding->touched = true;
    }
}

/* The promise asked for; true when it was found broken. */
static bool is_broken(const struct pump *pump, const struct holding *holding)
{
    expected = true;
    if (setjmp(broken) != 0) {
        expected = false;
        return true;
    }
    tally_require_whole(&pump->tally);
    holding_require_whole(holding);
    expected = false;
    return false;
}

static void books_are_whole_over_landing_undoing_and_a_restart(void **state)
{
    struct holding *holding = holding_new(&config, &tables, 0, 1), *next;
    static struct control control;
    struct pump pump = a_pump();
    struct tally landed = {0};
    struct random random;
    uint64_t records = 0;

    (void)state;
    setenv("UPSHOT_SEED", "1", 0);
    random = random_start("books_test");
    for (int round = 0; round < 200; round++) {
        size_t count = random_below(&random, 30);
        take(&pump, holding, count, &random);
        assert_false(is_broken(&pump, holding));
        switch (random_below(&random, 3)) {
        case 0:
            holding_undo(holding);
            pump.tally = landed;
            break;
        case 1:
            holding_land(holding, -1);
            landed = pump.tally;
            records += count;
            break;
        default: /* the control record is all that the next process knows */
            memset(&control, 0, sizeof(control));
            holding_give_control(holding, &tables, &control);
            next = holding_new(&config, &tables, 0, 1);
            holding_take_control(next, &config.input_topics, &control);
            holding_free(&holding);
            holding = next;
            landed = pump.tally = (struct tally){0};
            records += count;
            break;
        }
        assert_false(is_broken(&pump, holding));
        assert_int_equal(holding->lane.counts.records, records);
        assert_int_equal(lane_accounted(&holding->lane), records);
    }
    assert_true(records > 500);
    holding_free(&holding);
}

/* Each a way to lose a record or to count it twice. */
static void whatever_does_not_add_up_is_noticed(void **state)
{
    (void)state;
    for (int fault = 0; fault <= 7; fault++) {
        struct holding *holding = holding_new(&config, &tables, 0, 1);
        struct pump pump = a_pump();
        struct random random = {.state = 5};
        take(&pump, holding, 40, &random);
        holding_land(holding, -1);
        take(&pump, holding, 40, &random);
        switch (fault) {
        case 0: /* none: else this test would prove nothing */
            break;
        case 1:
            pump.tally.channels[0].arrivals[ARRIVAL_OPENED]++;
            break;
        case 2:
            pump.tally.dead_letters[REASON_NOT_JSON]--;
            break;
        case 3:
            holding->lane.task.counts.arrivals[ARRIVAL_STALE]++;
            break;
        case 4:
            holding->lane.counts.dead_letters[REASON_NOT_JSON]++;
            break;
        case 5: /* an offset went past a record that nobody took */
            holding->inlets[0].taken++;
            break;
        case 6: /* taken, and neither counted nor buried */
            holding->lane.counts.records--;
            break;
        case 7: /* counts that were not undone with their records */
            holding->lane.landed.records++;
            break;
        }
        if (is_broken(&pump, holding) != (fault != 0))
            fail_msg("fault %d", fault);
        holding_free(&holding);
    }
}

static int set_up(void **state)
{
    struct buffer complaints = {0};
    bool loaded = channel_files_load(NULL, &tables, &complaints);

    (void)state;
    buffer_release(&complaints);
    config_init(&config);
    return loaded ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tables_release(&tables);
    config_release(&config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(books_are_whole_over_landing_undoing_and_a_restart),
        cmocka_unit_test(whatever_does_not_add_up_is_noticed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
