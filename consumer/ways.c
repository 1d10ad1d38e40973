/*
 * ways.c: the list, and weights by shares.
 *
 * Two lists of shares are a table with given sums of its rows and of its columns: scaling it to the
 * one and then to the other, over and over, leads to both where both can be had (iterative
 * proportional fitting).
 */
#include "consumer/ways.h"

#include "schemas/nearest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct way ways[WAYS] = {
#define WAY(channel, weight, outcome, statuses) {channel, weight, OUTCOME_##outcome, statuses},
#include "consumer/ways.def"
#undef WAY
};

enum {
    GROUPS_MAX = 16, /* channels with ways, or outcomes */
    NAME_ROOM = 32,
    ROUNDS_MAX = 10000,
};
#define NEAR_ENOUGH 1e-4
#define WHOLE_WEIGHT 1e9

_Static_assert((int)OUTCOME_COUNT <= (int)GROUPS_MAX, "each outcome is a group");

/* The ways in groups, by channel or by outcome, and the share that each group is to have. */
struct shares {
    const char *option;
    const char *names[GROUPS_MAX];
    size_t count;
    size_t group_of[WAYS];
    double share[GROUPS_MAX]; /* of 1 */
};

static void complain(struct buffer *complaint, const struct shares *shares, const char *what,
                     const char *name, const char *more)
{
    buffer_put_string(complaint, shares->option);
    buffer_put_string(complaint, what);
    buffer_put_string(complaint, name);
    buffer_put_string(complaint, more);
}

void ways_usual(struct ways_weights *weights)
{
    weights->total = 0;
    for (size_t i = 0; i < WAYS; i++) {
        weights->of[i] = ways[i].weight;
        weights->total += ways[i].weight;
    }
}

static size_t group_named(const struct shares *shares, const char *name)
{
    size_t group = 0;

    while (group < shares->count && strcmp(shares->names[group], name) != 0)
        group++;
    return group;
}

static void group_by_channel(struct shares *shares)
{
    shares->option = "--channels: ";
    for (size_t i = 0; i < WAYS; i++) {
        shares->group_of[i] = group_named(shares, ways[i].channel);
        if (shares->group_of[i] == shares->count)
            shares->names[shares->count++] = ways[i].channel;
    }
}

static void group_by_outcome(struct shares *shares)
{
    shares->option = "--outcomes: ";
    shares->count = OUTCOME_COUNT;
    memcpy(shares->names, outcome_words, sizeof(outcome_words));
    for (size_t i = 0; i < WAYS; i++)
        shares->group_of[i] = ways[i].outcome;
}

/* One of "sms=60,email=40"; *text is moved behind it. */
static bool parse_one(struct shares *shares, const char **text, struct buffer *complaint)
{
    size_t size = strcspn(*text, ",="), group;
    char name[NAME_ROOM] = {0}, *end;
    const char *nearest;

    memcpy(name, *text, size < NAME_ROOM ? size : NAME_ROOM - 1);
    if ((*text)[size] != '=') {
        complain(complaint, shares, "\"", name, "\" has no share, such as name=10");
        return false;
    }
    group = group_named(shares, name);
    if (group == shares->count) {
        nearest = nearest_name(name, shares->names, shares->count);
        complain(complaint, shares, "there is no \"", name, nearest == NULL ? "\"" : "\"; ");
        if (nearest != NULL)
            buffer_put_string(complaint, "did you mean ");
        if (nearest != NULL)
            buffer_put_string(complaint, nearest);
        return false;
    }
    shares->share[group] = strtod(*text + size + 1, &end);
    if (end == *text + size + 1 || (*end != 0 && *end != ',') ||
        !isfinite(shares->share[group]) || shares->share[group] < 0) {
        complain(complaint, shares, "the share of ", name, " is not a number from 0 on");
        return false;
    }
    *text = end + (*end == ',');
    return true;
}

static bool parse(struct shares *shares, const char *text, struct buffer *complaint)
{
    double sum = 0;

    while (*text != 0)
        if (!parse_one(shares, &text, complaint))
            return false;
    for (size_t group = 0; group < shares->count; group++)
        sum += shares->share[group];
    if (!(sum > 0) || !isfinite(sum)) {
        complain(complaint, shares, "no share is above 0", "", "");
        return false;
    }
    for (size_t group = 0; group < shares->count; group++)
        shares->share[group] /= sum;
    return true;
}

static void add_up(const struct shares *shares, const double weight[WAYS], double sums[GROUPS_MAX])
{
    memset(sums, 0, GROUPS_MAX * sizeof(*sums));
    for (size_t i = 0; i < WAYS; i++)
        sums[shares->group_of[i]] += weight[i];
}

/* How far the furthest group is from its share; the weights' sum is 1. */
static double furthest(const struct shares *shares, const double weight[WAYS])
{
    double sums[GROUPS_MAX], most = 0;

    add_up(shares, weight, sums);
    for (size_t group = 0; group < shares->count; group++)
        most = fmax(most, fabs(sums[group] - shares->share[group]));
    return most;
}

/* Gives each group its share. False: one has no way left that could have it. */
static bool scale(const struct shares *shares, double weight[WAYS], struct buffer *complaint)
{
    double sums[GROUPS_MAX];

    if (shares->option == NULL)
        return true;
    add_up(shares, weight, sums);
    for (size_t group = 0; group < shares->count; group++)
        if (shares->share[group] > 0 && !(sums[group] > 0)) {
            complain(complaint, shares, "no message could be of \"", shares->names[group],
                     "\" with the other shares as they are");
            return false;
        }
    for (size_t i = 0; i < WAYS; i++)
        if (weight[i] > 0)
            weight[i] *= shares->share[shares->group_of[i]] / sums[shares->group_of[i]];
    return true;
}

static bool fit(const struct shares *channels, const struct shares *outcomes, double weight[WAYS],
                struct buffer *complaint)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!scale(channels, weight, complaint) || !scale(outcomes, weight, complaint))
            return false;
        if (channels->option == NULL || furthest(channels, weight) < NEAR_ENOUGH)
            return true;
    }
    buffer_put_string(complaint, "--channels, --outcomes: these shares cannot be had together; "
                                 "`upshot graph CHANNEL` shows what a channel's messages end as");
    return false;
}

bool ways_weigh(const char *channels, const char *outcomes, struct ways_weights *weights,
                struct buffer *complaint)
{
    struct shares by_channel = {0}, by_outcome = {0};
    double weight[WAYS];

    ways_usual(weights);
    if (channels == NULL && outcomes == NULL)
        return true;
    if (channels != NULL)
        group_by_channel(&by_channel);
    if (outcomes != NULL)
        group_by_outcome(&by_outcome);
    if ((channels != NULL && !parse(&by_channel, channels, complaint)) ||
        (outcomes != NULL && !parse(&by_outcome, outcomes, complaint)))
        return false;
    for (size_t i = 0; i < WAYS; i++)
        weight[i] = (double)weights->of[i];
    if (!fit(&by_channel, &by_outcome, weight, complaint))
        return false;
    weights->total = 0;
    for (size_t i = 0; i < WAYS; i++) {
        weights->of[i] = (uint64_t)(weight[i] * WHOLE_WEIGHT + 0.5);
        weights->total += weights->of[i];
    }
    return true;
}
