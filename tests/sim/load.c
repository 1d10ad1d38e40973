/* load.c: lives by seed, and the oracle. */
#include "tests/sim/load.h"

#include "consumer/merge.h"
#include "consumer/pump.h"
#include "schemas/channel_file.h"
#include "statemachine/memory.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENDER_TXNS = 6 };

int32_t load_partitions;
static int pending_events, open_txns, senders;

struct happens {
    char id[32];
    int32_t partition;
    const char *channel;
    const char *status; /* NULL: a send; "?": bytes that are no event */
};

static int32_t partition_of_id(const char *id)
{
    unsigned sum = 7;

    for (; *id != 0; id++)
        sum = sum * 33 + (unsigned char)*id;
    return (int32_t)(sum % (unsigned)load_partitions);
}

static void end_sender(void *context, int64_t number)
{
    char id[32];
    int64_t producer = number >> 16;
    bool commit = (number & 1) != 0;

    (void)context;
    snprintf(id, sizeof(id), "sender-%lld", (long long)((number >> 1) & 0x7fff));
    require(broker_end(id, producer, 0, commit) == RD_KAFKA_RESP_ERR_NO_ERROR);
    open_txns--;
}

/* Some senders write in transactions, and some of those come to nothing. */
static void append_in_transaction(struct log *log, struct bytes key, struct bytes value)
{
    char id[32];
    int64_t producer = -1;
    int16_t epoch = 0;
    struct entry record = {.key = key, .value = value, .timestamp_ms = world_wall_ms()};
    struct batch batch = {.records = &record, .count = 1, .sequence = 0};
    bool commit = world_chance(600);

    snprintf(id, sizeof(id), "sender-%d", ++senders);
    require(broker_init_producer(id, 60 * SECOND, &producer, &epoch) ==
            RD_KAFKA_RESP_ERR_NO_ERROR);
    require(broker_add_partition(id, producer, epoch, log) == RD_KAFKA_RESP_ERR_NO_ERROR);
    require(broker_produce(log, id, producer, epoch, &batch) == RD_KAFKA_RESP_ERR_NO_ERROR);
    open_txns++;
    world_after(world_between(0, 2 * SECOND), NULL, end_sender, NULL,
                (producer << 16) | ((int64_t)senders << 1) | commit);
}

static void happen(void *context, int64_t number)
{
    struct happens *it = context;
    char value[256];
    struct log *log = broker_log(it->status == NULL ? SENDS : RECEIPTS, it->partition);
    struct bytes key = bytes_copy(it->id, strlen(it->id));

    (void)number;
    if (it->status == NULL)
        snprintf(value, sizeof(value),
                 "{\"type\":\"send\",\"message_id\":\"%s\",\"channel\":\"%s\","
                 "\"attributes\":{\"campaign\":\"c%d\"}}",
                 it->id, it->channel, it->partition);
    else if (strcmp(it->status, "?") == 0)
        snprintf(value, sizeof(value), "{\"type\":\"receipt\",");
    else
        snprintf(value, sizeof(value),
                 "{\"type\":\"receipt\",\"message_id\":\"%s\",\"channel\":\"%s\","
                 "\"status\":\"%s\",\"reason\":\"r\"}",
                 it->id, it->channel, it->status);
    if (world_chance(80) && senders < 200)
        append_in_transaction(log, key, bytes_copy(value, strlen(value)));
    else
        log_append_plain(log, key, bytes_copy(value, strlen(value)), world_wall_ms());
    pending_events--;
    free(it);
}

static void plan(const char *id, const char *channel, const char *status, int64_t at_us)
{
    struct happens *it = memory_get(sizeof(*it));

    *it = (struct happens){.channel = channel, .status = status,
                           .partition = partition_of_id(id)};
    snprintf(it->id, sizeof(it->id), "%s", id);
    pending_events++;
    world_at(at_us, NULL, happen, it, 0);
}

void load_begin(int lives, int64_t over_us)
{
    static const char *const statuses[] = {"SENT", "BUSY", "DONE", "BOUNCED"};

    for (int i = 0; i < lives; i++) {
        char id[32];
        bool quick = world_chance(400);
        const char *channel = quick ? "quick" : "slow";
        int64_t start = world.now_us + world_between(0, over_us);
        int64_t width = quick ? 2 * SECOND : 12 * SECOND;
        int receipts = (int)world_between(0, 4);
        snprintf(id, sizeof(id), "m%d", i);
        if (world_chance(900))
            plan(id, channel, NULL, start + (world_chance(800) ? 0 : world_between(0, width)));
        else if (receipts == 0)
            receipts = 1;
        for (int j = 0; j < receipts; j++)
            plan(id, channel, statuses[world_between(0, 3)], start + world_between(0, width));
        if (world_chance(50))
            plan(id, channel, NULL, start + world_between(0, width));
        if (world_chance(40))
            plan(id, channel, "?", start + world_between(0, width));
    }
}

bool load_is_over(void)
{
    return pending_events == 0 && open_txns == 0;
}

uint64_t load_visible(const char *topic, int32_t partition)
{
    const struct log *log = broker_log(topic, partition);
    uint64_t count = 0;

    for (size_t i = 0; i < log->count; i++)
        count += !log->entries[i].marker && broker_fate(&log->entries[i]) != FATE_ABORTED;
    return count;
}

/* ---- the oracle ---- */

struct last *lasts_of(struct lasts *lasts, const char *name)
{
    for (size_t i = 0; i < lasts->count; i++)
        if (strcmp(lasts->rows[i].name, name) == 0)
            return &lasts->rows[i];
    lasts->rows = memory_resize(lasts->rows, lasts->count + 1, sizeof(*lasts->rows));
    memset(&lasts->rows[lasts->count], 0, sizeof(*lasts->rows));
    snprintf(lasts->rows[lasts->count].name, sizeof(lasts->rows[0].name), "%s", name);
    return &lasts->rows[lasts->count++];
}

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct lasts *lasts = context;
    const struct table *table = happening->table;
    struct verdict verdict = happening->record.emitted;
    char name[96];
    struct last *last;

    snprintf(name, sizeof(name), "%s:%.*s", table->channel, (int)happening->id.size,
             (const char *)happening->id.bytes);
    last = lasts_of(lasts, name);
    if (last->revision > 0 && last->life != happening->record.life_ms && last->send_seen)
        return;
    if (last->revision > 0 && last->life != happening->record.life_ms && !verdict.send_seen)
        return;
    last->life = happening->record.life_ms;
    last->partition = lane->partition;
    last->revision = happening->record.revision;
    snprintf(last->outcome, sizeof(last->outcome), "%s", outcome_words[verdict.outcome]);
    snprintf(last->status, sizeof(last->status), "%s",
             verdict.status == STATUS_NONE ? "" : table->statuses[verdict.status].name);
    last->send_seen = verdict.send_seen;
    last->conflict = verdict.conflict;
}

static void on_dead_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                           enum reason reason, const char *detail)
{
    (void)context;
    (void)lane;
    (void)incoming;
    (void)reason;
    (void)detail;
}

static const struct entry *next_visible(const struct log *log, size_t *at)
{
    while (*at < log->count &&
           (log->entries[*at].marker || broker_fate(&log->entries[*at]) == FATE_ABORTED))
        ++*at;
    return *at < log->count ? &log->entries[*at] : NULL;
}

void oracle(struct lasts *lasts)
{
    static const char *const names[] = {SENDS, RECEIPTS};
    struct tables tables;
    struct buffer complaints = {0};

    require(channel_files_load(UPSHOT_SOURCE_DIR "/tests/sim/channels", &tables, &complaints));
    for (int32_t partition = 0; partition < load_partitions; partition++) {
        struct lane lane;
        struct pump pump = {.sink = {on_outcome, on_dead_letter, lasts},
                            .latest_ms = INT64_MAX,
                            .budget = INT64_MAX / 2};
        size_t at[2] = {0, 0};
        lane_init(&lane, partition, &tables, 2, 1);
        for (;;) {
            struct merge_input inputs[2] = {{.state = MERGE_END}, {.state = MERGE_END}};
            const struct entry *heads[2];
            struct event_buffer buffer;
            struct incoming incoming;
            struct envelope_facts facts;
            int chosen;
            for (int i = 0; i < 2; i++) {
                heads[i] = next_visible(broker_log(names[i], partition), &at[i]);
                if (heads[i] == NULL)
                    continue;
                inputs[i] = (struct merge_input){.state = MERGE_HEAD,
                                                 .timestamp_ms = heads[i]->timestamp_ms};
            }
            if ((chosen = merge_choose(inputs, 2)) < 0)
                break;
            facts = (struct envelope_facts){.key = heads[chosen]->key.data,
                                            .key_size = heads[chosen]->key.size,
                                            .timestamp_ms = heads[chosen]->timestamp_ms,
                                            .topic = text_of(names[chosen]),
                                            .offset = heads[chosen]->offset};
            incoming = (struct incoming){.input = (size_t)chosen,
                                         .timestamp_ms = heads[chosen]->timestamp_ms};
            incoming.reason = event_decode(&tables, heads[chosen]->value.data,
                                           heads[chosen]->value.size, 65536, &facts, &buffer,
                                           &incoming.event);
            incoming.detail = buffer.detail;
            require(pump_take(&pump, &lane, &incoming));
            lane_land(&lane);
            at[chosen]++;
        }
        require(pump_fire(&pump, &lane, TIME_MAX_MS));
        lane_release(&lane);
    }
    tables_release(&tables);
}
