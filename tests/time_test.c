/*
 * time_test.c: who is silent, who is late, whose clock is wrong (DESIGN 3), in memory.
 *
 * A world with one clock and some inputs, in which lanes are pumped as the worker pumps them: take
 * the lowest head, judge who rests, let time pass. What comes out, and when, is held against the
 * story; and then the same records go through a replay, whose last verdicts must be the same. The
 * same stories on a real Kafka are in tests/broker/test_time.
 *
 * clock_gettime is ours here: the wall clock jumps when told to, the monotonic one never does.
 */
#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/merge.h"
#include "consumer/worker.h"
#include "schemas/channel_file.h"
#include "statemachine/memory.h"
#include "tests/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define START_MS INT64_C(1795428000000)
#define MINUTE_MS INT64_C(60000)

enum {
    LANES = 2,
    INPUTS = 2,
    ARRIVALS_MAX = 400,
    OUTCOMES_MAX = 2000,
    HOUR = 60, /* in minutes, as all times of a story */
    DAY = 24 * HOUR,
    IDLE_MS = 60000,
    SKEW_MS = 3600000,
    TICK_MS = 10000,
    ENOUGH = 6 * DAY, /* by then everything in a story has settled */
    YEAR_1970 = -29923800, /* START_MS, in minutes back */
    YEAR_2099 = 37924680,  /* some day of it */
};

static int64_t wall_ms, monotonic_ms;

int clock_gettime(clockid_t id, struct timespec *now)
{
    int64_t ms = id == CLOCK_REALTIME ? wall_ms : monotonic_ms;

    *now = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    return 0;
}

/* ---- a story ---------------------------------------------------------------------------- */

/* A record comes at `at` with the timestamp `ts`, both in minutes. */
struct coming {
    int64_t at;
    size_t lane, input;
    int64_t ts;
    const char *id, *status; /* NULL: the send */
};

/* What comes out: "MINUTE ID OUTCOME REVISION", in this order. */
struct story {
    const char *why;
    struct coming arrivals[12];
    const char *outcomes[12];
    struct {
        int64_t at, ahead; /* the wall clock jumps */
    } jump;
    int64_t open_until;    /* an open transaction lies in input 0 of lane 0 until then */
    int64_t restart_at;    /* nothing is known afterwards but what is kept */
    uint64_t dead_letters;
    int64_t now; /* --now of the replay; 0: when all is over */
};

struct given {
    int64_t minute;
    char id[16];
    int64_t life_ms;
    uint32_t revision;
    struct verdict verdict;
};

struct world {
    const struct coming *arrivals; /* by `at` */
    size_t arrival_count, next;
    struct stage stage; /* only its clock */
    struct lane lanes[LANES];
    size_t queues[LANES][INPUTS][ARRIVALS_MAX]; /* indices of arrivals */
    size_t heads[LANES][INPUTS], tails[LANES][INPUTS];
    int64_t quiet_since_ms[LANES][INPUTS];
    bool open;
    struct pump pump;
    struct given given[OUTCOMES_MAX];
    size_t given_count;
    uint64_t letters;
};

static struct tables tables;
static const struct table *push;

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct world *world = context;
    struct given *given = &world->given[world->given_count++];

    (void)lane;
    assert_true(world->given_count < OUTCOMES_MAX);
    *given = (struct given){
        .minute = (monotonic_ms - world->stage.monotonic_base_ms) / MINUTE_MS,
        .life_ms = happening->record.life_ms,
        .revision = happening->record.revision,
        .verdict = happening->record.emitted,
    };
    memcpy(given->id, happening->id.bytes, happening->id.size);
}

static void on_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                      enum reason reason, const char *detail)
{
    struct world *world = context;

    (void)lane;
    (void)incoming;
    (void)detail;
    assert_int_equal(reason, REASON_SKEWED_TIME);
    world->letters++;
}

static struct incoming incoming_of(const struct coming *arrival)
{
    return (struct incoming){
        .input = arrival->input,
        .timestamp_ms = START_MS + arrival->ts * MINUTE_MS,
        .reason = REASON_NONE,
        .event =
            {
                .id = text_of(arrival->id),
                .channel = push->index,
                .is_send = arrival->status == NULL,
                .status = arrival->status == NULL
                              ? STATUS_NONE
                              : table_find_status(push, (const uint8_t *)arrival->status,
                                                  strlen(arrival->status)),
                .at_ms = START_MS,
                .timestamp_ms = START_MS + arrival->ts * MINUTE_MS,
                .topic = text_of("story"),
            },
    };
}

static struct world *new_world(const struct coming *arrivals, size_t count)
{
    struct world *world = memory_get(sizeof(*world));

    memset(world, 0, sizeof(*world));
    wall_ms = START_MS;
    monotonic_ms = 5000000;
    world->arrivals = arrivals;
    world->arrival_count = count;
    world->stage.wall_base_ms = clock_wall_ms();
    world->stage.monotonic_base_ms = clock_monotonic_ms();
    world->pump.sink = (struct sink){on_outcome, on_letter, world};
    for (size_t i = 0; i < LANES; i++)
        lane_init(&world->lanes[i], (int32_t)i, &tables, INPUTS, hash_seed());
    return world;
}

static void free_world(struct world *world)
{
    for (size_t i = 0; i < LANES; i++)
        lane_release(&world->lanes[i]);
    free(world);
}

/* A record is here, behind those that came to its input before. */
static void put(struct world *world, size_t i)
{
    const struct coming *coming = &world->arrivals[i];
    size_t at = world->tails[coming->lane][coming->input]++;

    world->queues[coming->lane][coming->input][at] = i;
}

/* ---- as the worker does ----------------------------------------------------------------- */

static const struct coming *head(const struct world *world, size_t lane, size_t input)
{
    if (world->heads[lane][input] == world->tails[lane][input])
        return NULL;
    return &world->arrivals[world->queues[lane][input][world->heads[lane][input]]];
}

static bool take_one(struct world *world, size_t lane)
{
    struct merge_input inputs[INPUTS];
    struct incoming incoming;
    int chosen;

    for (size_t i = 0; i < INPUTS; i++) {
        const struct coming *arrival = head(world, lane, i);
        inputs[i] = (struct merge_input){.state = arrival == NULL ? MERGE_END : MERGE_HEAD};
        if (arrival == NULL)
            continue;
        incoming = incoming_of(arrival);
        inputs[i].timestamp_ms =
            incoming_is_skewed(&world->pump, &incoming) ? TIME_NONE : incoming.timestamp_ms;
    }
    chosen = merge_choose(inputs, INPUTS);
    if (chosen < 0)
        return false;
    incoming = incoming_of(head(world, lane, (size_t)chosen));
    world->pump.budget = 1000;
    assert_true(pump_take(&world->pump, &world->lanes[lane], &incoming));
    if (!incoming_is_skewed(&world->pump, &incoming))
        world->quiet_since_ms[lane][chosen] = monotonic_ms;
    world->heads[lane][chosen]++;
    return true;
}

static void let_time_pass(struct world *world, size_t lane)
{
    struct watermark *watermark = &world->lanes[lane].task.watermark;

    for (size_t i = 0; i < INPUTS; i++)
        watermark_rest(watermark, i,
                       head(world, lane, i) == NULL && !(world->open && lane == 0 && i == 0) &&
                           monotonic_ms - world->quiet_since_ms[lane][i] >= IDLE_MS);
    world->pump.budget = 1000;
    assert_true(pump_fire(&world->pump, &world->lanes[lane],
                          watermark_all_rest(watermark) ? stage_now_ms(&world->stage) - IDLE_MS
                                                        : watermark_target(watermark)));
}

static void restart(struct world *world, size_t lane)
{
    struct watermark *watermark = &world->lanes[lane].task.watermark, kept = *watermark;

    lane_land(&world->lanes[lane]);
    watermark_init(watermark, INPUTS);
    watermark_reach(watermark, kept.reached_ms); /* as holding_take_control() does */
    for (size_t i = 0; i < INPUTS; i++) {
        watermark->inputs[i].greatest_ms = kept.inputs[i].greatest_ms;
        world->quiet_since_ms[lane][i] = monotonic_ms;
    }
}

static void pump_lane(struct world *world, size_t lane)
{
    int64_t before_ms = world->lanes[lane].task.watermark.reached_ms;

    while (take_one(world, lane))
        continue;
    let_time_pass(world, lane);
    assert_true(world->lanes[lane].task.watermark.reached_ms >= before_ms);
    lane_land(&world->lanes[lane]);
    lane_require_whole(&world->lanes[lane]);
}

static void tick(struct world *world, const struct story *story)
{
    int64_t minute = (monotonic_ms - world->stage.monotonic_base_ms) / MINUTE_MS;

    world->pump.latest_ms = stage_now_ms(&world->stage) + SKEW_MS;
    world->open = story->open_until > minute;
    while (world->next < world->arrival_count && world->arrivals[world->next].at <= minute)
        put(world, world->next++);
    for (size_t i = 0; i < LANES; i++)
        pump_lane(world, i);
    wall_ms += TICK_MS;
    monotonic_ms += TICK_MS;
}

static struct world *run(const struct coming *arrivals, size_t count, const struct story *story)
{
    struct world *world = new_world(arrivals, count);
    bool jumped = story->jump.ahead == 0, restarted = story->restart_at == 0;

    for (int64_t minute = 0; minute < ENOUGH;) {
        tick(world, story);
        minute = (monotonic_ms - world->stage.monotonic_base_ms) / MINUTE_MS;
        if (!jumped && minute >= story->jump.at) {
            wall_ms += story->jump.ahead * MINUTE_MS;
            jumped = true;
        }
        if (!restarted && minute >= story->restart_at) {
            for (size_t i = 0; i < LANES; i++)
                restart(world, i);
            restarted = true;
        }
    }
    return world;
}

/* No clock: the lowest head is next, and who has no more rests at once. */
static struct world *replay(const struct coming *arrivals, size_t count, int64_t now)
{
    struct world *world = new_world(arrivals, count);

    world->pump.latest_ms = START_MS + (now == 0 ? ENOUGH : now) * MINUTE_MS + SKEW_MS;
    for (; world->next < count; world->next++)
        put(world, world->next);
    for (size_t lane = 0; lane < LANES; lane++) {
        struct watermark *watermark = &world->lanes[lane].task.watermark;
        do {
            for (size_t i = 0; i < INPUTS; i++)
                watermark_rest(watermark, i, head(world, lane, i) == NULL);
            world->pump.budget = 1000;
            pump_fire(&world->pump, &world->lanes[lane], watermark_target(watermark));
        } while (take_one(world, lane));
        world->pump.budget = 1000;
        assert_true(pump_fire(&world->pump, &world->lanes[lane], INT64_MAX));
    }
    return world;
}

/* ---- what came out ---------------------------------------------------------------------- */

/* As readers take it: the life that has seen the send, else the first; its highest revision. */
static const struct given *last_of(const struct world *world, const char *id)
{
    const struct given *last = NULL;

    for (size_t i = 0; i < world->given_count; i++) {
        const struct given *given = &world->given[i];
        if (strcmp(given->id, id) != 0)
            continue;
        if (last == NULL || given->life_ms == last->life_ms ||
            (given->verdict.send_seen && !last->verdict.send_seen))
            last = given;
    }
    return last;
}

static void expect_same_verdicts(const struct world *ran, const struct world *replayed,
                                 const char *why)
{
    for (size_t i = 0; i < ran->arrival_count; i++) {
        const char *id = ran->arrivals[i].id;
        const struct given *one = last_of(ran, id), *other = last_of(replayed, id);
        if (one == NULL && other == NULL)
            continue;
        if (one == NULL || other == NULL ||
            one->verdict.outcome != other->verdict.outcome ||
            one->verdict.status != other->verdict.status ||
            one->verdict.send_seen != other->verdict.send_seen ||
            one->verdict.conflict != other->verdict.conflict)
            fail_msg("%s: %s is %s in a run and %s in a replay", why, id,
                     one == NULL ? "nothing" : outcome_words[one->verdict.outcome],
                     other == NULL ? "nothing" : outcome_words[other->verdict.outcome]);
    }
}

static void expect_told(const struct world *world, const struct story *story)
{
    size_t told = 0;

    while (told < COUNT(story->outcomes) && story->outcomes[told] != NULL)
        told++;
    for (size_t i = 0; i < told || i < world->given_count; i++) {
        char word[96] = "nothing";
        if (i < world->given_count)
            snprintf(word, sizeof(word), "%" PRId64 " %s %s %" PRIu32, world->given[i].minute,
                     world->given[i].id, outcome_words[world->given[i].verdict.outcome],
                     world->given[i].revision);
        if (i >= told || strcmp(word, story->outcomes[i]) != 0)
            fail_msg("%s: expected \"%s\", got \"%s\"", story->why,
                     i < told ? story->outcomes[i] : "nothing more", word);
    }
    if (world->letters != story->dead_letters)
        fail_msg("%s: %" PRIu64 " dead letters", story->why, world->letters);
}

/* ---- the stories ------------------------------------------------------------------------ */

/* Of push: unresolved an hour after the send; SENT is final; a receipt is held for 10 minutes. */
static const struct story stories[] = {
    {.why = "an idle input leaves after a minute, and time is the other one's",
     .arrivals = {{0, 0, 0, -3 * HOUR, "a", NULL},
                  {0, 0, 1, -3 * HOUR, "a", "DEQUEUED"},
                  {0, 0, 0, -100, "b", NULL},
                  {1, 0, 0, -99, "c", NULL},
                  {2, 0, 0, -98, "c", NULL}},
     .outcomes = {"1 a unresolved 1", "3 b unresolved 1", "3 c unresolved 1"}},
    {.why = "an input with an open transaction is not idle, however long it is silent",
     .arrivals = {{0, 0, 0, -3 * HOUR, "a", NULL},
                  {0, 0, 1, -3 * HOUR, "a", "DEQUEUED"},
                  {0, 0, 0, -100, "b", NULL}},
     .open_until = 30,
     .outcomes = {"1 a unresolved 1", "30 b unresolved 1"}},
    {.why = "an idle partition goes by the wall clock, and its neighbour by its own records",
     .arrivals = {{0, 0, 0, -3 * HOUR, "a", NULL},
                  {0, 1, 0, -3 * HOUR, "b", NULL},
                  {0, 1, 1, -3 * HOUR, "b", "DEQUEUED"},
                  {1, 1, 0, -2 * HOUR - 30, "c", NULL},
                  {1, 1, 1, -2 * HOUR - 30, "c", "DEQUEUED"},
                  {2, 1, 0, -2 * HOUR - 20, "d", NULL},
                  {2, 1, 1, -2 * HOUR - 20, "d", "DEQUEUED"},
                  {3, 1, 0, -2 * HOUR + 1, "e", NULL},
                  {3, 1, 1, -2 * HOUR + 1, "e", "SENT"}},
     .outcomes = {"1 a unresolved 1", "3 b unresolved 1", "3 e accepted 1", "4 c unresolved 1",
                  "4 d unresolved 1"}},
    {.why = "all idle: a deadline falls due idle.after later, and no moment before",
     .arrivals = {{0, 0, 0, -30, "a", NULL}, {0, 0, 0, -29, "b", NULL}},
     .outcomes = {"31 a unresolved 1", "32 b unresolved 1"}},
    {.why = "a clock that jumps an hour ahead is not followed",
     .arrivals = {{0, 0, 0, -30, "a", NULL}, {20, 0, 0, 20, "b", NULL}, {21, 0, 0, 110, "x", NULL}},
     .jump = {10, HOUR},
     .now = 21,
     .dead_letters = 1,
     .outcomes = {"31 a unresolved 1", "81 b unresolved 1"}},
    {.why = "nor one that jumps an hour back",
     .arrivals = {{0, 0, 0, -30, "a", NULL}, {20, 0, 0, 20, "b", NULL}, {21, 1, 0, 70, "c", NULL}},
     .jump = {10, -HOUR},
     .outcomes = {"31 a unresolved 1", "81 b unresolved 1", "131 c unresolved 1"}},
    {.why = "2099 is buried, settles nothing, and what is behind it is taken",
     .arrivals = {{0, 0, 0, -30, "a", NULL},
                  {0, 0, 1, -30, "a", "DEQUEUED"},
                  {0, 0, 0, YEAR_2099, "a", NULL},
                  {0, 0, 1, YEAR_2099, "a", "SENT"},
                  {1, 0, 1, YEAR_2099, "b", "SENT"},
                  {1, 0, 1, 1, "a", "SENT"}},
     .dead_letters = 3,
     .outcomes = {"1 a accepted 1"}},
    {.why = "1970 is taken, is settled at once, and turns nothing back",
     .arrivals = {{0, 0, 0, -30, "a", NULL},
                  {0, 0, 1, -30, "a", "DEQUEUED"},
                  {1, 0, 0, YEAR_1970, "old", NULL},
                  {1, 0, 1, YEAR_1970, "older", "SENT"},
                  {2, 0, 0, 2, "a", NULL}},
     .outcomes = {"1 old unresolved 1", "1 older accepted 1", "31 a unresolved 1"}},
    {.why = "nor does it hold time back where its input had come further",
     .arrivals = {{0, 0, 0, -100, "a", NULL},
                  {0, 0, 0, -10, "b", "DEQUEUED"},
                  {0, 0, 1, -100, "a", "DEQUEUED"},
                  {1, 0, 0, YEAR_1970, "old", NULL},
                  {1, 0, 1, -30, "a", "DEQUEUED"}},
     .outcomes = {"1 old unresolved 1", "1 a unresolved 1", "51 b unresolved 1"}},
    {.why = "who says nothing but tomorrow is silent",
     .arrivals = {{0, 0, 0, -3 * HOUR, "a", NULL},
                  {0, 0, 1, -3 * HOUR, "a", "DEQUEUED"},
                  {1, 0, 1, YEAR_2099, "a", "SENT"},
                  {1, 0, 1, YEAR_2099, "a", "SENT"},
                  {2, 0, 1, YEAR_2099, "a", "SENT"}},
     .dead_letters = 3,
     .outcomes = {"1 a unresolved 1"}},
    {.why = "a topic that lags by a day holds deadlines back for as long as it speaks",
     .arrivals = {{0, 0, 0, -2 * DAY, "a", NULL},
                  {0, 0, 0, -2 * DAY + 10, "b", NULL},
                  {0, 0, 0, -DAY, "c", NULL},
                  {0, 0, 1, -2 * DAY, "a", "DEQUEUED"},
                  {1, 0, 1, -2 * DAY + 50, "a", "SENT"},
                  {2, 0, 1, -2 * DAY + 69, "b", "DEQUEUED"},
                  {3, 0, 1, -2 * DAY + 3 * HOUR, "c", "DEQUEUED"}},
     .outcomes = {"1 a accepted 1", "3 b unresolved 1", "4 c unresolved 1"}},
    {.why = "who wakes up with older records turns nothing back, and is waited for no longer",
     .arrivals = {{0, 0, 0, -3 * HOUR, "a", NULL},
                  {0, 0, 1, -3 * HOUR, "a", "DEQUEUED"},
                  {10, 0, 0, -DAY, "b", NULL},
                  {10, 0, 1, -DAY, "a", "SENT"},
                  {10, 0, 1, 10, "c", "SENT"}},
     .outcomes = {"1 a unresolved 1", "10 b unresolved 1", "10 a accepted 2", "21 c accepted 1"}},
    {.why = "a restart knows how far time had come, and what an input said that is silent now",
     .arrivals = {{0, 0, 0, -3 * HOUR, "a", NULL},
                  {0, 0, 0, -100, "b", NULL},
                  {0, 0, 1, -20, "c", "DEQUEUED"},
                  {2, 0, 0, -39, "d", NULL},
                  {2, 0, 0, -DAY, "e", NULL}},
     .open_until = 30,
     .restart_at = 1,
     .outcomes = {"0 a unresolved 1", "2 b unresolved 1", "2 e unresolved 1", "30 d unresolved 1",
                  "41 c unresolved 1"}},
};

static void deadlines_fire_when_they_should_and_a_replay_says_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(stories); i++) {
        struct world *ran, *replayed;
        size_t count = 0;
        while (count < COUNT(stories[i].arrivals) && stories[i].arrivals[count].id != NULL)
            count++;
        ran = run(stories[i].arrivals, count, &stories[i]);
        replayed = replay(stories[i].arrivals, count, stories[i].now);
        expect_told(ran, &stories[i]);
        expect_same_verdicts(ran, replayed, stories[i].why);
        free_world(ran);
        free_world(replayed);
    }
}

/* Within retention, whatever comes when: late by hours, ahead by less than skew.max, silences. */
static void whatever_comes_when_a_replay_gives_the_same_last_verdicts(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    static const char *const statuses[] = {NULL, NULL, "DEQUEUED", "SENT", "NOT_SENT",
                                           "UNREGISTERED", "SERVER_ERROR"};
    static struct coming arrivals[60];
    static const struct story nothing = {.why = "by chance"};
    struct random random;

    (void)state;
    setenv("UPSHOT_SEED", "1", 0);
    random = random_start("time_test");
    for (int round = 0; round < 40; round++) {
        struct world *ran, *replayed;
        int64_t at = 0;
        for (size_t i = 0; i < COUNT(arrivals); i++) {
            size_t id = random_below(&random, COUNT(ids));
            at += random_below(&random, 4) == 0 ? (int64_t)random_below(&random, 90) : 0;
            arrivals[i] = (struct coming){
                .at = at,
                .lane = id % LANES,
                .input = random_below(&random, INPUTS),
                .ts = at + (int64_t)random_below(&random, 20) -
                      (random_below(&random, 3) == 0 ? (int64_t)random_below(&random, 600) : 0),
                .id = ids[id],
                .status = statuses[random_below(&random, COUNT(statuses))],
            };
        }
        ran = run(arrivals, COUNT(arrivals), &nothing);
        replayed = replay(arrivals, COUNT(arrivals), 0);
        expect_same_verdicts(ran, replayed, "by chance");
        assert_int_equal(ran->pump.tally.records, COUNT(arrivals));
        free_world(ran);
        free_world(replayed);
    }
}

/* One input, timestamps in order, clocks that agree: not only the last verdicts, all of them. */
static void one_ordered_input_gives_the_same_revisions(void **state)
{
    static const char *const statuses[] = {NULL, "DEQUEUED", "SENT", "NOT_SENT", "UNREGISTERED"};
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    static struct coming arrivals[60];
    static const struct story nothing = {.why = "in order"};
    struct random random;

    (void)state;
    setenv("UPSHOT_SEED", "1", 0);
    random = random_start("time_test");
    for (int round = 0; round < 20; round++) {
        struct world *ran, *replayed;
        int64_t at = 0;
        for (size_t i = 0; i < COUNT(arrivals); i++) {
            at += (int64_t)random_below(&random, 40);
            arrivals[i] = (struct coming){
                .at = at,
                .ts = at,
                .id = ids[random_below(&random, COUNT(ids))],
                .status = statuses[random_below(&random, COUNT(statuses))],
            };
        }
        ran = run(arrivals, COUNT(arrivals), &nothing);
        replayed = replay(arrivals, COUNT(arrivals), 0);
        assert_int_equal(ran->given_count, replayed->given_count);
        for (size_t i = 0; i < ran->given_count; i++) {
            const struct given *one = &ran->given[i], *other = &replayed->given[i];
            assert_string_equal(one->id, other->id);
            assert_true(one->life_ms == other->life_ms);
            assert_int_equal(one->revision, other->revision);
            assert_int_equal(one->verdict.outcome, other->verdict.outcome);
        }
        free_world(ran);
        free_world(replayed);
    }
}

/* ---- the clock -------------------------------------------------------------------------- */

static void a_jump_is_news_once_and_so_is_the_way_back(void **state)
{
    static const struct {
        int64_t ahead_ms;
        bool news;
    } looks[] = {
        {0, false},         {59000, false},   {-60000, false},  {60001, true},  {60001, false},
        {61000, false},     {3600000, true},  {3600000, false}, {3590000, false}, {0, true},
        {0, false},         {-3600000, true}, {-3600000, false}, {3600000, true}, {10000, true},
        {-49999, false},    {-50001, true},
    };
    int64_t told_ms = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(looks); i++)
        if (clock_jumped(&told_ms, looks[i].ahead_ms) != looks[i].news)
            fail_msg("look %zu: %" PRId64 " ms ahead", i, looks[i].ahead_ms);
}

static void the_stage_goes_by_the_monotonic_clock(void **state)
{
    struct stage stage = {0};

    (void)state;
    wall_ms = START_MS;
    monotonic_ms = 777;
    stage.wall_base_ms = clock_wall_ms();
    stage.monotonic_base_ms = clock_monotonic_ms();
    wall_ms -= 3600000;
    monotonic_ms += 5;
    assert_true(stage_now_ms(&stage) == START_MS + 5);
}

static int load_tables(void **state)
{
    struct buffer complaints = {0};
    bool loaded = channel_files_load(NULL, &tables, &complaints);

    (void)state;
    buffer_release(&complaints);
    push = loaded ? tables_find(&tables, (const uint8_t *)"push", 4) : NULL;
    return push != NULL ? 0 : -1;
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
        cmocka_unit_test(deadlines_fire_when_they_should_and_a_replay_says_the_same),
        cmocka_unit_test(whatever_comes_when_a_replay_gives_the_same_last_verdicts),
        cmocka_unit_test(one_ordered_input_gives_the_same_revisions),
        cmocka_unit_test(a_jump_is_news_once_and_so_is_the_way_back),
        cmocka_unit_test(the_stage_goes_by_the_monotonic_clock),
    };

    return cmocka_run_group_tests(tests, load_tables, release_tables);
}
