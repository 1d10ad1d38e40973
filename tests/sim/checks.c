/* checks.c: promises 1 to 7, one function each. */
#include "tests/sim/checks.h"

#include "consumer/worker_inside.h"
#include "schemas/state_record.h"
#include "statemachine/memory.h"
#include "tests/sim/fake.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

unsigned long long checks_of_memory;

static bool is_committed(const struct entry *entry)
{
    enum fate fate = broker_fate(entry);

    return !entry->marker && (fate == FATE_COMMITTED || fate == FATE_PLAIN);
}

/* ---- outcomes (1, 3, 4) ----------------------------------------------------------------- */

struct life {
    char name[96];
    int64_t life;
    int revision;
    char id[160];
};

static const char *text(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    return cJSON_IsString(item) ? item->valuestring : "";
}

static void take_outcome(struct lasts *lasts, struct life **lives, size_t *count,
                         const struct entry *entry, int32_t partition)
{
    cJSON *json = cJSON_ParseWithLength((const char *)entry->value.data, entry->value.size);
    char name[96];
    int64_t life_ms;
    int revision;
    struct life *life = NULL;
    struct last *last;
    bool send_seen;

    if (json == NULL)
        world_red_check("outcomes", "an outcome that is no JSON");
    snprintf(name, sizeof(name), "%s:%s", text(json, "channel"), text(json, "message_id"));
    life_ms = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(json, "life"));
    revision = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(json, "revision"));
    send_seen = cJSON_IsTrue(cJSON_GetObjectItem(json, "send_seen"));
    for (size_t i = 0; i < *count && life == NULL; i++)
        if (strcmp((*lives)[i].name, name) == 0 && (*lives)[i].life == life_ms)
            life = &(*lives)[i];
    if (life == NULL) {
        *lives = memory_resize(*lives, *count + 1, sizeof(**lives));
        life = &(*lives)[(*count)++];
        memset(life, 0, sizeof(*life));
        snprintf(life->name, sizeof(life->name), "%s", name);
        life->life = life_ms;
    }
    if (revision != life->revision + 1)
        world_red_check("revisions", "%s life %" PRId64 ": revision %d follows %d (offset %" PRId64
                        ")", name, life_ms, revision, life->revision, entry->offset);
    if (strcmp(text(json, "supersedes"), life->id) != 0)
        world_red_check("revisions", "%s supersedes %s, not %s", name, text(json, "supersedes"),
                        life->id);
    life->revision = revision;
    snprintf(life->id, sizeof(life->id), "%s", text(json, "outcome_id"));

    last = lasts_of(lasts, name);
    if (last->revision == 0 || last->life == life_ms || (send_seen && !last->send_seen)) {
        last->partition = partition;
        last->life = life_ms;
        last->revision = (uint32_t)revision;
        snprintf(last->outcome, sizeof(last->outcome), "%s", text(json, "outcome"));
        snprintf(last->status, sizeof(last->status), "%s", text(json, "status"));
        last->send_seen = send_seen;
        last->conflict = cJSON_IsTrue(cJSON_GetObjectItem(json, "conflict"));
    }
    cJSON_Delete(json);
}

void check_outcomes(struct lasts *lasts)
{
    struct life *lives = NULL;
    size_t count = 0;

    for (int32_t partition = 0; partition < load_partitions; partition++) {
        const struct log *log = broker_log(OUTCOMES, partition);
        for (size_t i = 0; i < log->count; i++)
            if (is_committed(&log->entries[i]))
                take_outcome(lasts, &lives, &count, &log->entries[i], partition);
    }
    free(lives);
}

const char *check_verdicts(const struct lasts *expected, const struct lasts *found)
{
    static char why[256];

    for (size_t i = 0; i < expected->count; i++) {
        const struct last *want = &expected->rows[i];
        const struct last *have = lasts_of((struct lasts *)(uintptr_t)found, want->name);
        if (strcmp(want->outcome, have->outcome) == 0 && strcmp(want->status, have->status) == 0 &&
            want->send_seen == have->send_seen && want->conflict == have->conflict)
            continue;
        snprintf(why, sizeof(why), "%s in %d: %s/%s send_seen=%d conflict=%d, not %s/%s %d %d",
                 want->name, want->partition, have->outcome, have->status, have->send_seen,
                 have->conflict, want->outcome, want->status, want->send_seen, want->conflict);
        return why;
    }
    if (found->count != expected->count) {
        snprintf(why, sizeof(why), "outcomes of %zu messages, not of %zu", found->count,
                 expected->count);
        return why;
    }
    return NULL;
}

/* ---- the state topic, folded (2, 5) ----------------------------------------------------- */

struct fold {
    struct row {
        struct bytes key, value; /* value NULL: a tombstone */
        bool used;
    } *rows;
    size_t room, live; /* live: messages that are there */
    struct control control;
};

static struct row *fold_row(const struct fold *fold, const void *key, size_t size)
{
    size_t at = XXH3_64bits(key, size) & (fold->room - 1);

    while (fold->rows[at].used && (fold->rows[at].key.size != size ||
                                   memcmp(fold->rows[at].key.data, key, size) != 0))
        at = (at + 1) & (fold->room - 1);
    return &fold->rows[at];
}

static void fold_state(struct fold *fold, int32_t partition)
{
    const struct log *log = broker_log(STATE, partition);

    memset(fold, 0, sizeof(*fold));
    fold->room = 64;
    while (fold->room < 2 * log->count)
        fold->room *= 2;
    fold->rows = memory_get(fold->room * sizeof(*fold->rows));
    memset(fold->rows, 0, fold->room * sizeof(*fold->rows));
    for (size_t i = 0; i < log->count; i++) {
        const struct entry *entry = &log->entries[i];
        struct row *row;
        struct text channel, id;
        if (!is_committed(entry))
            continue;
        if (state_key_decode(entry->key.data, entry->key.size, &channel, &id) == STATE_CONTROL) {
            require(control_decode(entry->value.data, entry->value.size, &fold->control) ==
                    STATE_GOOD);
            continue;
        }
        row = fold_row(fold, entry->key.data, entry->key.size);
        fold->live -= row->used && row->value.data != NULL ? 1 : 0;
        fold->live += entry->value.data != NULL ? 1 : 0;
        *row = (struct row){.key = entry->key, .value = entry->value, .used = true};
    }
}

struct comparison {
    const struct fold *fold;
    const struct tables *tables;
    struct buffer key, value;
    size_t seen;
    const char *fault;
};

static bool compare_record(void *context, struct message_key key, const struct record *record)
{
    struct comparison *comparison = context;
    const struct table *table = comparison->tables->rows[key.channel];
    const struct row *row;

    buffer_clear(&comparison->key);
    buffer_clear(&comparison->value);
    state_key_message(&comparison->key, table, key.id);
    state_record_encode(&comparison->value, table, record);
    row = fold_row(comparison->fold, comparison->key.bytes, comparison->key.size);
    if (!row->used || row->value.data == NULL)
        comparison->fault = "a record in memory that the state topic has not";
    else if (row->value.size != comparison->value.size ||
             memcmp(row->value.data, comparison->value.bytes, row->value.size) != 0)
        comparison->fault = "a record that differs";
    comparison->seen++;
    return comparison->fault == NULL;
}

static void compare_memory(const struct inside *inside, const struct holding *holding,
                           const struct fold *fold)
{
    struct comparison comparison = {.fold = fold, .tables = &inside->tables};
    const struct task *task = &holding->lane.task;

    checks_of_memory++;
    store_walk(task->store, compare_record, &comparison);
    buffer_release(&comparison.key);
    buffer_release(&comparison.value);
    if (comparison.fault == NULL && comparison.seen != fold->live)
        comparison.fault = "a record in the state topic that memory has not";
    if (comparison.fault == NULL && holding->transaction > 0 &&
        (memcmp(task->counts.arrivals, fold->control.arrivals, sizeof(task->counts.arrivals)) !=
             0 ||
         memcmp(holding->lane.counts.dead_letters, fold->control.dead_letters,
                sizeof(holding->lane.counts.dead_letters)) != 0))
        comparison.fault = "counts that differ";
    if (comparison.fault == NULL && fold->control.watermark_ms > task->watermark.reached_ms &&
        holding->transaction > 0)
        comparison.fault = "a watermark that went back";
    if (comparison.fault != NULL)
        world_red_check("memory", "P%d partition %d transaction %" PRIu64 ": %s (%zu, %zu)",
                        process_now()->number, holding->lane.partition, holding->transaction,
                        comparison.fault, comparison.seen, fold->live);
}

/* Looked at where a landing or a restore has changed something. */
static struct {
    uint32_t incarnation;
    uint64_t transaction;
    const void *holding;
} looked[PROCESSES_MAX][WORKERS_MAX][16];

static void check_holding(struct client *client, const struct inside *inside,
                          const struct holding *holding)
{
    struct fold fold;
    int32_t partition = holding->lane.partition;

    world.seen[SEEN_batch_on_top] += holding->touched && holding->sealed;
    if (!holding->running || holding->touched || holding->sealed)
        return;
    if (looked[client->process->number][inside->worker->number][partition].incarnation ==
            client->incarnation &&
        looked[client->process->number][inside->worker->number][partition].transaction ==
            holding->transaction + 1 &&
        looked[client->process->number][inside->worker->number][partition].holding == holding)
        return;
    looked[client->process->number][inside->worker->number][partition].incarnation =
        client->incarnation;
    looked[client->process->number][inside->worker->number][partition].transaction =
        holding->transaction + 1;
    looked[client->process->number][inside->worker->number][partition].holding = holding;
    fold_state(&fold, partition);
    if (fold.control.transaction < holding->transaction)
        world_red_check("memory", "P%d partition %d: memory at transaction %" PRIu64
                        " is ahead of the state topic's %" PRIu64,
                        client->process->number, partition, holding->transaction,
                        fold.control.transaction);
    if (fold.control.transaction == holding->transaction)
        compare_memory(inside, holding, &fold);
    else if (group_owns(&inside->generation->who))
        world_red_check("memory", "P%d owns partition %d at transaction %" PRIu64
                        ", but the state topic is at %" PRIu64,
                        client->process->number, partition, holding->transaction,
                        fold.control.transaction);
    free(fold.rows);
}

void check_at_rest(struct client *client)
{
    const struct inside *inside = client->conf.opaque;

    if (world.rules.memory_not_compared || inside == NULL)
        return;
    for (size_t i = 0; i < inside->holding_count; i++)
        check_holding(client, inside, inside->holdings[i]);
}

const char *check_counts(void)
{
    static char why[160];

    for (int32_t partition = 0; partition < load_partitions; partition++) {
        uint64_t counted = 0;
        uint64_t written = load_visible(SENDS, partition) + load_visible(RECEIPTS, partition);
        struct fold fold;
        fold_state(&fold, partition);
        for (int i = 0; i < ARRIVAL_COUNT; i++)
            counted += fold.control.arrivals[i];
        for (int i = 0; i < REASON_COUNT; i++)
            counted += fold.control.dead_letters[i];
        free(fold.rows);
        if (counted == written)
            continue;
        snprintf(why, sizeof(why), "partition %d: %" PRIu64 " records counted, %" PRIu64
                 " are there", partition, counted, written);
        return why;
    }
    return NULL;
}

const char *check_consumed(void)
{
    static const char *const names[] = {SENDS, RECEIPTS};
    static char why[160];

    for (int i = 0; i < 2; i++)
        for (int32_t partition = 0; partition < load_partitions; partition++) {
            const struct log *log = broker_log(names[i], partition);
            struct spot place = {.offset = 0};
            broker_decided(names[i], partition, &place);
            for (size_t j = log->count; j-- > 0 && log->entries[j].offset >= place.offset;)
                if (!log->entries[j].marker && broker_fate(&log->entries[j]) != FATE_ABORTED) {
                    snprintf(why, sizeof(why), "%s/%d is read to %" PRId64 " of %" PRId64, names[i],
                             partition, place.offset, log->next);
                    return why;
                }
        }
    return NULL;
}

/* ---- bounds (7) ------------------------------------------------------------------------- */

void check_left(const struct process *process)
{
    if (process->objects != 0)
        world_red_check("left", "P%d ended well, and left %ld objects of librdkafka behind",
                        process->number, process->objects);
}

void check_idle(void)
{
    for (int i = 0; i < world.process_count; i++) {
        const struct process *process = &world.processes[i];
        if (!process->alive)
            continue;
        /* consumer, client, producer of each worker; nothing that only restores */
        if (process->clients != 3 * process->worker_count)
            world_red_check("idle", "P%d is idle with %ld clients", process->number,
                            process->clients);
        if (process->objects > 40 * process->worker_count)
            world_red_check("idle", "P%d is idle with %ld objects of librdkafka", process->number,
                            process->objects);
    }
}
