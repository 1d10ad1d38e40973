/* lives.c: ways by their weights, a heap of what is to come, and a little malice. */
#include "consumer/lives.h"

#include "schemas/instant.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <stdio.h>
#include <string.h>

enum { STATUS_ROOM = 40, WAY_STATUSES_MAX = 8, LATE_SEND_MS = 5000 };

struct pending {
    int64_t timestamp_ms;
    uint64_t order; /* ties in the order of making */
    uint64_t message;
    char status[STATUS_ROOM]; /* empty: the send */
};

struct lives {
    struct lives_options options;
    struct lives_world world;
    uint64_t made; /* messages */
    uint64_t orders;
    uint64_t state; /* of the random numbers */
    struct pending *heap;
    size_t count, room;
};

/* splitmix64: small, and good enough to be believed. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t draw(struct lives *lives, uint64_t below)
{
    lives->state = mix(lives->state);
    return lives->state % below;
}

/* A property of a message, the same whenever it is asked for. */
static uint64_t trait(const struct lives *lives, uint64_t message, uint64_t what, uint64_t below)
{
    return mix(mix(lives->options.seed + what) ^ message * UINT64_C(0x2545f4914f6cdd1d)) % below;
}

/* ---- what is to come -------------------------------------------------------------------- */

static bool sooner(const struct pending *a, const struct pending *b)
{
    if (a->timestamp_ms != b->timestamp_ms)
        return a->timestamp_ms < b->timestamp_ms;
    return a->order < b->order;
}

static void push(struct lives *lives, uint64_t message, const char *status, size_t size,
                 int64_t timestamp_ms)
{
    struct pending pending = {
        .timestamp_ms = timestamp_ms, .order = lives->orders++, .message = message};
    size_t at;

    memcpy(pending.status, status, size < STATUS_ROOM ? size : STATUS_ROOM - 1);
    if (lives->count == lives->room) {
        lives->room = lives->room == 0 ? 1024 : lives->room * 2;
        lives->heap = memory_resize(lives->heap, lives->room, sizeof(*lives->heap));
    }
    at = lives->count++;
    for (; at > 0 && sooner(&pending, &lives->heap[(at - 1) / 2]); at = (at - 1) / 2)
        lives->heap[at] = lives->heap[(at - 1) / 2];
    lives->heap[at] = pending;
}

static struct pending pop(struct lives *lives)
{
    struct pending first = lives->heap[0], last = lives->heap[--lives->count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= lives->count)
            break;
        child += child + 1 < lives->count && sooner(&lives->heap[child + 1], &lives->heap[child]);
        if (!sooner(&lives->heap[child], &last))
            break;
        lives->heap[at] = lives->heap[child];
        at = child;
    }
    if (lives->count > 0)
        lives->heap[at] = last;
    return first;
}

static size_t way_of(const struct lives *lives, uint64_t message)
{
    uint64_t weight = trait(lives, message, 1, lives->world.weights.total);

    for (size_t i = 0; i < WAYS; i++) {
        if (weight < lives->world.weights.of[i])
            return i;
        weight -= lives->world.weights.of[i];
    }
    return 0;
}

static int64_t send_ms(const struct lives *lives, uint64_t message)
{
    return lives->options.start_ms + (int64_t)((double)message * 1000 / lives->options.per_second);
}

/*
 * An exact part of a thousand is one in so many: the usual chances were always drawn like that, and
 * a seed must go on to give the same bytes. What never happens draws nothing.
 */
static bool happens(struct lives *lives, enum lives_chance chance)
{
    unsigned per_mille = lives->world.per_mille[chance];

    if (per_mille == 0)
        return false;
    if (1000 % per_mille == 0)
        return draw(lives, 1000 / per_mille) == 0;
    return draw(lives, 1000) < per_mille;
}

struct word {
    const char *bytes;
    size_t size;
};

/* The statuses of a message in the order of their arrival, as far as nothing comes late. */
static size_t statuses_of(struct lives *lives, uint64_t message,
                          struct word statuses[WAY_STATUSES_MAX])
{
    const char *at = ways[way_of(lives, message)].statuses;
    size_t count = 0;

    while (*at != 0) {
        size_t size = strcspn(at, " ");
        require(count < WAY_STATUSES_MAX);
        statuses[count++] = (struct word){at, size};
        at += size + (at[size] == ' ');
    }
    for (size_t i = 0; i + 1 < count; i++)
        if (happens(lives, CHANCE_DISORDER)) {
            struct word first = statuses[i];
            statuses[i] = statuses[i + 1];
            statuses[++i] = first;
        }
    return count;
}

/* One message: its send and its receipts, with what the world does to them. */
static void make(struct lives *lives)
{
    uint64_t message = lives->made++;
    uint64_t stretch = (uint64_t)lives->options.stretch_ms;
    int64_t at_ms = send_ms(lives, message);
    struct word statuses[WAY_STATUSES_MAX];
    size_t count = statuses_of(lives, message, statuses);

    if (!happens(lives, CHANCE_LOST_SEND))
        push(lives, message, "", 0,
             at_ms + (happens(lives, CHANCE_LATE_SEND) ? (int64_t)draw(lives, LATE_SEND_MS) : 0));
    for (size_t i = 0; i < count; i++) {
        const struct word *status = &statuses[i];
        int64_t late_ms = happens(lives, CHANCE_LATE)
                              ? (int64_t)draw(lives, (uint64_t)lives->world.late_by_ms + 1)
                              : 0;
        at_ms += (int64_t)draw(lives, stretch / 2 + 1);
        if (!happens(lives, CHANCE_LOST))
            push(lives, message, status->bytes, status->size, at_ms + late_ms);
        if (happens(lives, CHANCE_REPEAT))
            push(lives, message, status->bytes, status->size,
                 at_ms + (int64_t)draw(lives, stretch + 1));
    }
}

void lives_usual_world(struct lives_world *world)
{
    *world = (struct lives_world){
        .per_mille =
            {
#define CHANCE(symbol, option, usual, meaning) [CHANCE_##symbol] = usual,
#include "consumer/lives_chance.def"
#undef CHANCE
            },
    };
    ways_usual(&world->weights);
}

struct lives *lives_new(const struct lives_options *options)
{
    struct lives *lives = memory_get(sizeof(*lives));

    *lives = (struct lives){.options = *options, .state = mix(options->seed)};
    if (options->world != NULL)
        lives->world = *options->world;
    else
        lives_usual_world(&lives->world);
    if (lives->world.late_by_ms == 0)
        lives->world.late_by_ms = 2 * options->stretch_ms;
    return lives;
}

void lives_free(struct lives **lives)
{
    if (*lives == NULL)
        return;
    free((*lives)->heap);
    free(*lives);
    *lives = NULL;
}

/* Makes messages until none that is still to be made can have an event before the first here. */
static void look_ahead(struct lives *lives)
{
    while ((lives->options.count == 0 || lives->made < lives->options.count) &&
           (lives->count == 0 || send_ms(lives, lives->made) <= lives->heap[0].timestamp_ms))
        make(lives);
}

int64_t lives_next_ms(struct lives *lives)
{
    look_ahead(lives);
    return lives->count > 0 ? lives->heap[0].timestamp_ms : INT64_MAX;
}

/* ---- as JSON ---------------------------------------------------------------------------- */

static const char *const spoilt[] = {
    "{\"type\":\"receipt\",\"message_id\":\"%s\",\"channel\":\"sms\",\"status\":\"DELIVERD\"}",
    "{\"type\":\"receipt\",\"message_id\":\"%s\",\"channel\":\"fax\",\"status\":\"SENT\"}",
    "{\"type\":\"receipt\",\"message_id\":\"%s\",\"channel\":\"sms\",\"status\":\"SENT\",\"at\":1}",
    "{\"type\":\"receipt\",\"message_id\":\"%s\",\"channel\":\"sms\"",
};

static void put_value(struct lives *lives, const struct pending *pending, struct life_event *event)
{
    const char *channel = ways[way_of(lives, pending->message)].channel;
    char at[INSTANT_SIZE + 1] = {0};
    uint64_t campaign = trait(lives, pending->message, 2, 200);
    int size;

    instant_format(event->timestamp_ms, at);
    if (event->is_send)
        size = snprintf(event->value, sizeof(event->value),
                        "{\"type\":\"send\",\"message_id\":\"%s\",\"channel\":\"%s\",\"at\":\"%s\","
                        "\"attributes\":{\"campaign_id\":\"c-%03u\",\"tenant\":\"t-%02u\"}}",
                        event->key, channel, at, (unsigned)campaign, (unsigned)campaign / 10);
    else
        size = snprintf(event->value, sizeof(event->value),
                        "{\"type\":\"receipt\",\"message_id\":\"%s\",\"channel\":\"%s\","
                        "\"status\":\"%s\",\"at\":\"%s\",\"reason\":\"err:%03u\","
                        "\"provider\":\"carrier-%02u\"}",
                        event->key, channel, pending->status, at,
                        (unsigned)trait(lives, pending->message, 3, 5),
                        (unsigned)trait(lives, pending->message, 4, 30));
    event->value_size = (size_t)size;
}

bool lives_next(struct lives *lives, struct life_event *event)
{
    struct pending pending;

    look_ahead(lives);
    if (lives->count == 0)
        return false;
    pending = pop(lives);
    event->is_send = pending.status[0] == 0;
    event->timestamp_ms = pending.timestamp_ms;
    event->key_size =
        (size_t)snprintf(event->key, sizeof(event->key), "%08x-%04x-4%03x-%04x-%012llx",
                         (unsigned)trait(lives, pending.message, 5, UINT32_MAX),
                         (unsigned)trait(lives, pending.message, 6, 0x10000),
                         (unsigned)trait(lives, pending.message, 7, 0x1000),
                         0x8000 | (unsigned)trait(lives, pending.message, 8, 0x4000),
                         (unsigned long long)(pending.message & 0xffffffffffff));
    if (!event->is_send && draw(lives, 1000) < lives->options.bad_per_mille) {
        const char *bad = spoilt[draw(lives, sizeof(spoilt) / sizeof(*spoilt))];
        size_t before = strcspn(bad, "%");
        int size = snprintf(event->value, sizeof(event->value), "%.*s%s%s", (int)before, bad,
                            event->key, bad + before + 2);
        event->value_size = (size_t)size;
    } else {
        put_value(lives, &pending, event);
    }
    return true;
}
