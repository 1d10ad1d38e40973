/* kafka_statistics.c: texts by handle, and what of them is worth a metric. */
#include "consumer/kafka_statistics.h"

#include "consumer/clock.h"
#include "statemachine/memory.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_MS = 30000, CLIENT_SIZE = 128 };

/* Of a handle that is gone, the text grows old, and its place is taken. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept {
    char client[CLIENT_SIZE];
    char *json;
    size_t size;
    size_t place;
    int64_t at_ms;
} * kept;
static size_t kept_count;

static atomic_bool wanted;

void kafka_statistics_want(void)
{
    atomic_store(&wanted, true);
}

bool kafka_statistics_are_wanted(void)
{
    return atomic_load(&wanted);
}

static bool is_fresh(const struct kept *one, int64_t now_ms)
{
    return one->json != NULL && now_ms - one->at_ms <= FRESH_MS;
}

static struct kept *place_for(const char *client, int64_t now_ms)
{
    struct kept *old = NULL;

    for (size_t i = 0; i < kept_count; i++) {
        if (strcmp(kept[i].client, client) == 0)
            return &kept[i];
        if (!is_fresh(&kept[i], now_ms))
            old = &kept[i];
    }
    if (old != NULL)
        return old;
    kept = memory_resize(kept, kept_count + 1, sizeof(*kept));
    kept[kept_count] = (struct kept){0};
    return &kept[kept_count++];
}

int kafka_statistics_keep(rd_kafka_t *client, char *json, size_t size, void *opaque)
{
    int64_t now_ms = clock_monotonic_ms();
    struct kept *place;

    (void)opaque;
    pthread_mutex_lock(&lock);
    place = place_for(rd_kafka_name(client), now_ms);
    free(place->json);
    *place =
        (struct kept){.json = json, .size = size, .at_ms = now_ms, .place = (size_t)(place - kept)};
    snprintf(place->client, sizeof(place->client), "%s", rd_kafka_name(client));
    pthread_mutex_unlock(&lock);
    return 1; /* the text is ours now */
}

void kafka_statistics_forget(const rd_kafka_t *client)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < kept_count; i++)
        if (strcmp(kept[i].client, rd_kafka_name(client)) == 0) {
            free(kept[i].json);
            kept[i] = (struct kept){0};
        }
    pthread_mutex_unlock(&lock);
}

void kafka_statistics_release(struct kafka_statistics *statistics)
{
    free(statistics->brokers);
    *statistics = (struct kafka_statistics){0};
}

static int64_t number(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(found) ? (int64_t)found->valuedouble : 0;
}

static const char *text(const cJSON *object, const char *name)
{
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return found == NULL ? "" : found;
}

/* Handles also list what is no connection: the group's coordinator as such, the bootstrap list. */
static bool is_broker(const cJSON *broker)
{
    return strcmp(text(broker, "source"), "logical") != 0 && text(broker, "nodename")[0] != 0 &&
           strcmp(text(broker, "nodename"), ":0") != 0;
}

static void add(struct kafka_statistics *statistics, const char *type, size_t place,
                const cJSON *broker)
{
    const cJSON *rtt = cJSON_GetObjectItemCaseSensitive(broker, "rtt");
    struct kafka_broker *one;

    statistics->brokers =
        memory_resize(statistics->brokers, statistics->count + 1, sizeof(*statistics->brokers));
    one = &statistics->brokers[statistics->count++];
    *one = (struct kafka_broker){
        .up = strcmp(text(broker, "state"), "UP") == 0,
        .rtt_mean_us = number(rtt, "avg"),
        .rtt_p99_us = number(rtt, "p99"),
        .outbuf = number(broker, "outbuf_cnt"),
        .waitresp = number(broker, "waitresp_cnt"),
        .sent_bytes = number(broker, "txbytes"),
        .received_bytes = number(broker, "rxbytes"),
        .send_errors = number(broker, "txerrs"),
        .receive_errors = number(broker, "rxerrs"),
        .timeouts = number(broker, "req_timeouts"),
        .retries = number(broker, "txretries"),
        .disconnects = number(broker, "disconnects"),
    };
    snprintf(one->client, sizeof(one->client), "%.15s-%zu", type, place);
    snprintf(one->broker, sizeof(one->broker), "%s", broker->string);
}

bool kafka_statistics_read(struct kafka_statistics *statistics, size_t place, const char *json,
                           size_t size)
{
    cJSON *tree = cJSON_ParseWithLength(json, size);
    const cJSON *brokers = cJSON_GetObjectItemCaseSensitive(tree, "brokers"), *broker;

    cJSON_ArrayForEach(broker, brokers)
    {
        if (is_broker(broker))
            add(statistics, text(tree, "type"), place, broker);
    }
    cJSON_Delete(tree);
    return brokers != NULL;
}

/* Copies, so that no handle waits for a text to be read. */
static size_t copy_fresh(struct kept **copies)
{
    int64_t now_ms = clock_monotonic_ms();
    size_t count = 0;

    pthread_mutex_lock(&lock);
    *copies = memory_get((kept_count + 1) * sizeof(**copies));
    for (size_t i = 0; i < kept_count; i++) {
        struct kept *copy = &(*copies)[count];
        if (!is_fresh(&kept[i], now_ms))
            continue;
        *copy = kept[i];
        copy->json = memory_get(copy->size + 1);
        memcpy(copy->json, kept[i].json, copy->size);
        count++;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

void kafka_statistics_take(struct kafka_statistics *statistics)
{
    struct kept *copies;
    size_t count = copy_fresh(&copies);

    kafka_statistics_release(statistics);
    for (size_t i = 0; i < count; i++) {
        kafka_statistics_read(statistics, copies[i].place, copies[i].json, copies[i].size);
        free(copies[i].json);
    }
    free(copies);
}
