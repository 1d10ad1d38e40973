/* lives.c: ways with weights, a heap of what is to come, and a little malice. */
#include "consumer/lives.h"

#include "schemas/instant.h"
#include "statemachine/memory.h"

#include <stdio.h>
#include <string.h>

/* Ways a message takes, weights of a thousand per channel or so. Every status is on one. */
static const struct {
    const char *channel;
    unsigned weight;
    const char *statuses;
} ways[] = {
    {"sms", 420, "SENT DELIVRD"},
    {"sms", 120, "QUEUE DEQUEUED SENT ENROUTE DELIVRD"},
    {"sms", 60, "SENT ACCEPTD DELIVRD"},
    {"sms", 60, "SENT UNDELIV"},
    {"sms", 25, "SENT EXPIRED"},
    {"sms", 15, "SENT EXPIRED DELIVRD"},
    {"sms", 10, "SENT UNKNOWN DELIVRD"},
    {"sms", 10, "SENT REJECTD"},
    {"sms", 8, "QUEUE INVALID_ROUTING"},
    {"sms", 5, "QUEUE CODE_NOT_ALLOWED"},
    {"sms", 5, "QUEUE BLACKLISTED"},
    {"sms", 4, "QUEUE INCOMPLETE DELIVRD"},
    {"sms", 3, "SENT DELETED"},
    {"sms", 25, "SENT"},
    {"email", 150, "DEQUEUED SENT"},
    {"email", 120, "DEQUEUED SENT OPEN"},
    {"email", 50, "DEQUEUED SENT OPEN CLICK"},
    {"email", 14, "DEQUEUED SENT BOUNCED"},
    {"email", 10, "DEQUEUED SENT BOUNCED_PERMANENT"},
    {"email", 3, "DEQUEUED SENT OPEN COMPLAINED"},
    {"email", 4, "DEQUEUED NOT_SENT SENT"},
    {"email", 3, "DEQUEUED BLOCKED_DUE_BAD_BEHAVIOUR"},
    {"email", 3, "DEQUEUED BAD_TO"},
    {"email", 1, "DEQUEUED BAD_FROM"},
    {"email", 2, "DEQUEUED BLACKLISTED"},
    {"email", 2, "DEQUEUED INCOMPLETE EXHAUSTED"},
    {"push", 120, "DEQUEUED SENT"},
    {"push", 8, "DEQUEUED SERVER_UNAVAILABLE SENT"},
    {"push", 4, "DEQUEUED SERVER_ERROR SENT"},
    {"push", 3, "DEQUEUED DEVICE_QUOTA_EXCEEDED"},
    {"push", 2, "DEQUEUED NOT_CONTEMPLATED_ERROR NOT_SENT"},
    {"push", 14, "DEQUEUED UNREGISTERED"},
    {"push", 3, "DEQUEUED BAD_DEVICE_TOKEN"},
    {"push", 2, "DEQUEUED MISMATCHED_TOKEN"},
    {"push", 1, "DEQUEUED AUTH_MISSING"},
    {"push", 1, "DEQUEUED BAD_PLATFORM"},
    {"push", 1, "DEQUEUED AUTH_ERROR"},
    {"push", 1, "DEQUEUED PAYLOAD_LIMIT_EXCEEDED"},
    {"push", 1, "DEQUEUED INVALID_MESSAGE"},
    {"push", 1, "DEQUEUED INCOMPLETE EXHAUSTED"},
    {"rcs", 50, "SENT DELIVERED READ"},
    {"rcs", 30, "SENT DELIVERED"},
    {"rcs", 12, "SENT FALLBACK"},
    {"rcs", 4, "SENT NOT_SENT FALLBACK"},
    {"rcs", 2, "SENT INCOMPLETE"},
    {"whatsapp", 70, "SENT DELIVERED READ"},
    {"whatsapp", 30, "SENT DELIVERED"},
    {"whatsapp", 5, "SENT FAILED"},
    {"whatsapp", 3, "SENT FAILED DELIVERED"},
    {"whatsapp", 2, "SENT QUOTA_EXCEEDED"},
    {"whatsapp", 1, "SENT CODE_NOT_ALLOWED"},
    {"whatsapp", 1, "SENT INCOMPLETE READ"},
};

enum { WAYS = sizeof(ways) / sizeof(*ways), STATUS_ROOM = 40 };

struct pending {
    int64_t timestamp_ms;
    uint64_t order; /* ties in the order of making */
    uint64_t message;
    char status[STATUS_ROOM]; /* empty: the send */
};

struct lives {
    struct lives_options options;
    unsigned total_weight;
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
    uint64_t weight = trait(lives, message, 1, lives->total_weight);

    for (size_t i = 0; i < WAYS; i++) {
        if (weight < ways[i].weight)
            return i;
        weight -= ways[i].weight;
    }
    return 0;
}

static int64_t send_ms(const struct lives *lives, uint64_t message)
{
    return lives->options.start_ms + (int64_t)((double)message * 1000 / lives->options.per_second);
}

/* One message: its send and its receipts, with what the world does to them. */
static void make(struct lives *lives)
{
    uint64_t message = lives->made++;
    const char *status = ways[way_of(lives, message)].statuses;
    uint64_t stretch = (uint64_t)lives->options.stretch_ms;
    int64_t at_ms = send_ms(lives, message);

    if (draw(lives, 1000) >= 3) /* 3 in 1000 sends are lost: orphans */
        push(lives, message, "", 0,
             at_ms + (draw(lives, 50) == 0 ? (int64_t)draw(lives, 5000) : 0));
    while (*status != 0) {
        size_t size = strcspn(status, " ");
        int64_t late_ms = draw(lives, 40) == 0 ? (int64_t)draw(lives, stretch * 2 + 1) : 0;
        at_ms += (int64_t)draw(lives, stretch / 2 + 1);
        if (draw(lives, 100) != 0) /* 1 in 100 receipts never comes */
            push(lives, message, status, size, at_ms + late_ms);
        if (draw(lives, 20) == 0) /* 1 in 20 comes twice */
            push(lives, message, status, size, at_ms + (int64_t)draw(lives, stretch + 1));
        status += size + (status[size] == ' ');
    }
}

struct lives *lives_new(const struct lives_options *options)
{
    struct lives *lives = memory_get(sizeof(*lives));

    *lives = (struct lives){.options = *options, .state = mix(options->seed)};
    for (size_t i = 0; i < WAYS; i++)
        lives->total_weight += ways[i].weight;
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
