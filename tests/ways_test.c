/* ways_test.c: each way ends as it says, and shares are kept or refused. */
#include "consumer/ways.h"

#include "consumer/hash.h"
#include "schemas/arena.h"
#include "schemas/channel_file.h"
#include "statemachine/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A send, then the statuses a second apart, then all the time there is: the last outcome. */
static enum outcome end_of(const struct tables *tables, const struct way *way)
{
    const struct table *table =
        tables_find(tables, (const uint8_t *)way->channel, strlen(way->channel));
    struct event event = {.id = text_of("m"), .is_send = true, .topic = text_of("t")};
    enum outcome outcome = OUTCOME_COUNT;
    const char *at = way->statuses;
    struct happening happening;
    struct task task;

    assert_non_null(table);
    event.channel = table->index;
    event.status = STATUS_NONE;
    task_init(&task, tables, 1, hash_bytes, 1);
    for (;;) {
        size_t size = strcspn(at, " ");
        watermark_take(&task.watermark, 0, event.timestamp_ms);
        task_apply(&task, &event, &happening);
        if (happening.effects.emits)
            outcome = happening.record.emitted.outcome;
        if (*at == 0)
            break;
        event.is_send = false;
        event.status = table_find_status(table, (const uint8_t *)at, size);
        assert_int_not_equal(event.status, STATUS_NONE);
        event.at_ms = event.timestamp_ms += 1000;
        at += size + (at[size] == ' ');
    }
    while (task_fire(&task, INT64_MAX, &happening))
        if (happening.effects.emits)
            outcome = happening.record.emitted.outcome;
    task_release(&task);
    return outcome;
}

static void each_way_ends_as_it_says(void **state)
{
    struct buffer complaints = {0};
    struct tables tables = {0};

    (void)state;
    assert_true(channel_files_load(NULL, &tables, &complaints));
    for (size_t i = 0; i < WAYS; i++) {
        enum outcome outcome = end_of(&tables, &ways[i]);
        if (outcome != ways[i].outcome)
            fail_msg("%s %s ends as %s, not as %s", ways[i].channel, ways[i].statuses,
                     outcome == OUTCOME_COUNT ? "nothing" : outcome_words[outcome],
                     outcome_words[ways[i].outcome]);
    }
    buffer_release(&complaints);
    tables_release(&tables);
    arena_release();
}

static void without_shares_the_weights_are_the_usual_ones(void **state)
{
    struct ways_weights weights;
    uint64_t total = 0;

    (void)state;
    assert_true(ways_weigh(NULL, NULL, &weights, NULL));
    for (size_t i = 0; i < WAYS; i++) {
        assert_int_equal(weights.of[i], ways[i].weight);
        total += ways[i].weight;
    }
    assert_int_equal(weights.total, total);
}

static double share_of_channel(const struct ways_weights *weights, const char *channel)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < WAYS; i++)
        if (strcmp(ways[i].channel, channel) == 0)
            sum += weights->of[i];
    return (double)sum / (double)weights->total;
}

static double share_of_outcome(const struct ways_weights *weights, enum outcome outcome)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < WAYS; i++)
        if (ways[i].outcome == outcome)
            sum += weights->of[i];
    return (double)sum / (double)weights->total;
}

static void assert_near(const char *what, double share, double wanted)
{
    if (share < wanted - 0.001 || share > wanted + 0.001)
        fail_msg("%s: a share of %f, not %f", what, share, wanted);
}

static void both_kinds_of_shares_are_kept_at_once(void **state)
{
    static const struct {
        const char *channels, *outcomes;
        double sms, email, push, delivered, failed, accepted;
    } cases[] = {
        {"sms=60,email=40", NULL, 0.6, 0.4, 0, -1, -1, -1},
        {"sms=3,push=1", NULL, 0.75, 0, 0.25, -1, -1, -1},
        {"email=0,push=0.001", NULL, 0, 0, 1, 0, -1, -1},
        {NULL, "delivered=90,failed=8,accepted=2", -1, -1, -1, 0.9, 0.08, 0.02},
        {NULL, "failed=1", -1, -1, -1, 0, 1, 0},
        {"sms=50,email=50", "delivered=40,failed=30,accepted=30", 0.5, 0.5, 0, 0.4, 0.3, 0.3},
        {"sms=10,push=90", "failed=50,delivered=5,accepted=45", 0.1, 0, 0.9, 0.05, 0.5, 0.45},
        /* Only just: all that sms has is delivered. */
        {"sms=50,email=50", "delivered=50,accepted=50", 0.5, 0.5, 0, 0.5, 0, 0.5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buffer complaint = {0};
        struct ways_weights weights;
        if (!ways_weigh(cases[i].channels, cases[i].outcomes, &weights, &complaint))
            fail_msg("case %zu: %.*s", i, (int)complaint.size, (const char *)complaint.bytes);
        if (cases[i].channels != NULL) {
            assert_near(cases[i].channels, share_of_channel(&weights, "sms"), cases[i].sms);
            assert_near(cases[i].channels, share_of_channel(&weights, "email"), cases[i].email);
            assert_near(cases[i].channels, share_of_channel(&weights, "push"), cases[i].push);
        }
        if (cases[i].outcomes != NULL) {
            assert_near(cases[i].outcomes, share_of_outcome(&weights, OUTCOME_DELIVERED),
                        cases[i].delivered);
            assert_near(cases[i].outcomes, share_of_outcome(&weights, OUTCOME_FAILED),
                        cases[i].failed);
            assert_near(cases[i].outcomes, share_of_outcome(&weights, OUTCOME_ACCEPTED),
                        cases[i].accepted);
        }
    }
}

static void what_cannot_be_read_or_had_is_refused_in_words(void **state)
{
    static const struct {
        const char *channels, *outcomes, *words;
    } cases[] = {
        {"", NULL, "--channels: no share is above 0"},
        {"sms=0", NULL, "--channels: no share is above 0"},
        {"sms", NULL, "--channels: \"sms\" has no share, such as name=10"},
        {"sms,email=3", NULL, "--channels: \"sms\" has no share, such as name=10"},
        {"sms=x", NULL, "--channels: the share of sms is not a number from 0 on"},
        {"sms=-1", NULL, "--channels: the share of sms is not a number from 0 on"},
        {"sms=1e999", NULL, "--channels: the share of sms is not a number from 0 on"},
        {"sms=10%", NULL, "--channels: the share of sms is not a number from 0 on"},
        {"emial=1", NULL, "--channels: there is no \"emial\"; did you mean email"},
        {"a-channel-with-a-name-that-is-longer-than-any=1", NULL,
         "--channels: there is no \"a-channel-with-a-name-that-is-l\""},
        {NULL, "deliverd=1", "--outcomes: there is no \"deliverd\"; did you mean delivered"},
        {"push=1", "delivered=1",
         "--outcomes: no message could be of \"delivered\" with the other shares as they are"},
        {"push=50,sms=50", "accepted=90,delivered=10",
         "--channels, --outcomes: these shares cannot be had together; `upshot graph CHANNEL` "
         "shows what a channel's messages end as"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buffer complaint = {0};
        struct ways_weights weights;
        assert_false(ways_weigh(cases[i].channels, cases[i].outcomes, &weights, &complaint));
        buffer_put_byte(&complaint, 0);
        assert_string_equal((const char *)complaint.bytes, cases[i].words);
        buffer_release(&complaint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_ends_as_it_says),
        cmocka_unit_test(without_shares_the_weights_are_the_usual_ones),
        cmocka_unit_test(both_kinds_of_shares_are_kept_at_once),
        cmocka_unit_test(what_cannot_be_read_or_had_is_refused_in_words),
    };

    arena_hook_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
