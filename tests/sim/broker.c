/* broker.c: logs, the transaction coordinator, the group coordinator. */
#include "tests/sim/broker.h"

#include "statemachine/memory.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOPICS_MAX = 16,
    PARTITIONS_MAX = 8,
    MEMBERS_MAX = 64,
    PLACES_MAX = 64,
    TXN_LOGS_MAX = 64,
    TXNS_MAX = 512,
    TOMBSTONE_KEPT_MS = 60 * 1000,
    REBALANCE_US = 300 * SECOND,
    FIRST_JOIN_US = 1 * SECOND,
};

struct bytes bytes_copy(const void *data, size_t size)
{
    struct bytes bytes = {0};

    if (data == NULL)
        return bytes;
    bytes.data = memory_get(size + 1);
    if (size > 0)
        memcpy(bytes.data, data, size);
    bytes.data[size] = 0;
    bytes.size = size;
    return bytes;
}

static bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ---- logs ------------------------------------------------------------------------------- */

static struct {
    const char *name;
    int32_t partitions;
    struct log logs[PARTITIONS_MAX];
} topics[TOPICS_MAX];
static int topic_count;

int broker_node_of(const char *name)
{
    unsigned sum = 0;

    for (; *name != 0; name++)
        sum = sum * 31 + (unsigned char)*name;
    return (int)(sum % NODES);
}

struct log *broker_topic(const char *topic, int32_t partitions, bool compacted)
{
    require(topic_count < TOPICS_MAX && partitions <= PARTITIONS_MAX);
    topics[topic_count].name = topic;
    topics[topic_count].partitions = partitions;
    for (int32_t i = 0; i < partitions; i++)
        topics[topic_count].logs[i] = (struct log){.topic = topic,
                                                   .partition = i,
                                                   .node = (topic_count + i) % NODES,
                                                   .compacted = compacted};
    return topics[topic_count++].logs;
}

int32_t broker_partitions(const char *topic)
{
    for (int i = 0; i < topic_count; i++)
        if (strcmp(topics[i].name, topic) == 0)
            return topics[i].partitions;
    return 0;
}

struct log *broker_log(const char *topic, int32_t partition)
{
    for (int i = 0; i < topic_count; i++)
        if (strcmp(topics[i].name, topic) == 0 && partition < topics[i].partitions)
            return &topics[i].logs[partition];
    return NULL;
}

int64_t log_stable(const struct log *log)
{
    int64_t stable = log->next;

    if (world.rules.lso_ignored)
        return stable;
    for (size_t i = 0; i < log->producer_count; i++)
        if (log->producers[i].open_from >= 0 && log->producers[i].open_from < stable)
            stable = log->producers[i].open_from;
    return stable;
}

bool log_visible(const struct log *log, const struct entry *entry, bool committed)
{
    if (entry->marker)
        return false;
    if (!committed)
        return true;
    if (entry->offset >= log_stable(log))
        return false;
    return entry->fate != FATE_ABORTED || world.rules.aborted_visible;
}

static struct entry *append(struct log *log, struct entry entry)
{
    entry.offset = log->next++;
    if (log->count == log->room) {
        log->room = log->room == 0 ? 64 : log->room * 2;
        log->entries = memory_resize(log->entries, log->room, sizeof(*log->entries));
    }
    log->entries[log->count] = entry;
    log->version++;
    return &log->entries[log->count++];
}

void log_append_plain(struct log *log, struct bytes key, struct bytes value, int64_t timestamp_ms)
{
    append(log, (struct entry){.fate = FATE_PLAIN,
                               .producer = -1,
                               .timestamp_ms = timestamp_ms,
                               .key = key,
                               .value = value});
}

static struct log_producer *producer_of(struct log *log, int64_t id, bool make)
{
    for (size_t i = 0; i < log->producer_count; i++)
        if (log->producers[i].id == id)
            return &log->producers[i];
    if (!make)
        return NULL;
    log->producers =
        memory_resize(log->producers, log->producer_count + 1, sizeof(*log->producers));
    log->producers[log->producer_count] =
        (struct log_producer){.id = id, .epoch = -1, .last_sequence = -1, .open_from = -1};
    return &log->producers[log->producer_count++];
}

static bool newest_of_key(const struct log *log, size_t at, int64_t stable)
{
    for (size_t i = at + 1; i < log->count && log->entries[i].offset < stable; i++)
        if (!log->entries[i].marker && log->entries[i].fate != FATE_ABORTED &&
            bytes_equal(log->entries[i].key, log->entries[at].key))
            return false;
    return true;
}

/* Keeps the last entry, as Kafka keeps the active segment: the end of a log never moves back. */
void log_compact(struct log *log)
{
    int64_t stable = log_stable(log), until = stable;
    int64_t old_ms = world_wall_ms() - TOMBSTONE_KEPT_MS;
    size_t kept = 0, before = log->count;

    if (until > log->next - 1)
        until = log->next - 1;
    if (world_chance(500))
        until = world_between(0, until < 0 ? 0 : until);
    for (size_t i = 0; i < before; i++) {
        const struct entry *entry = &log->entries[i];
        bool goes = false;
        if (entry->offset < until) {
            if (entry->marker)
                goes = entry->timestamp_ms < old_ms;
            else if (entry->fate == FATE_ABORTED)
                goes = true;
            else
                goes = !newest_of_key(log, i, stable) ||
                       (entry->value.data == NULL && entry->timestamp_ms < old_ms);
        }
        if (!goes)
            log->entries[kept++] = log->entries[i];
    }
    log->count = kept;
    world_trace("compacted %s/%d %zu -> %zu", log->topic, log->partition, before, kept);
}

/* ---- transactions ----------------------------------------------------------------------- */

enum txn_state {
    TXN_EMPTY,
    TXN_ONGOING,
    TXN_PREPARE_COMMIT,
    TXN_PREPARE_ABORT,
    TXN_COMPLETE_COMMIT,
    TXN_COMPLETE_ABORT,
};

struct txn {
    char id[256];
    int64_t producer;
    int16_t epoch, last_epoch;
    enum txn_state state;
    struct log *logs[TXN_LOGS_MAX];
    int log_count;
    bool offsets;
    int64_t started_us, timeout_us;
    int markers_left;
};

static struct txn txns[TXNS_MAX];
static int txn_count;
static int64_t next_producer = 1000;

/* Offsets as the group keeps them: committed, and pending by producer. */
static struct {
    struct spot rows[PLACES_MAX];
    size_t count;
} committed;

static struct pending {
    int64_t producer;
    struct spot place;
} pending[PLACES_MAX * 4];
static size_t pending_count;

static struct {
    int64_t producer;
    int16_t epoch;
} offset_epochs[TXNS_MAX];
static int offset_epoch_count;

static int16_t *offset_epoch(int64_t producer)
{
    for (int i = 0; i < offset_epoch_count; i++)
        if (offset_epochs[i].producer == producer)
            return &offset_epochs[i].epoch;
    require(offset_epoch_count < TXNS_MAX);
    offset_epochs[offset_epoch_count].producer = producer;
    offset_epochs[offset_epoch_count].epoch = -1;
    return &offset_epochs[offset_epoch_count++].epoch;
}

static struct txn *txn_find(const char *id)
{
    for (int i = 0; i < txn_count; i++)
        if (strcmp(txns[i].id, id) == 0)
            return &txns[i];
    return NULL;
}

static void put_place(const struct spot *place)
{
    for (size_t i = 0; i < committed.count; i++)
        if (strcmp(committed.rows[i].topic, place->topic) == 0 &&
            committed.rows[i].partition == place->partition) {
            committed.rows[i] = *place;
            return;
        }
    require(committed.count < PLACES_MAX);
    committed.rows[committed.count++] = *place;
}

static void mark_offsets(int64_t producer, int16_t epoch, bool commit)
{
    size_t kept = 0;

    for (size_t i = 0; i < pending_count; i++) {
        if (pending[i].producer != producer)
            pending[kept++] = pending[i];
        else if (commit)
            put_place(&pending[i].place);
    }
    pending_count = kept;
    *offset_epoch(producer) = epoch;
}

static void mark_log(struct log *log, int64_t producer, int16_t epoch, bool commit)
{
    struct log_producer *known = producer_of(log, producer, true);

    if (known->open_from >= 0)
        for (size_t i = log->count; i-- > 0 && log->entries[i].offset >= known->open_from;)
            if (log->entries[i].producer == producer && log->entries[i].fate == FATE_OPEN)
                log->entries[i].fate = commit ? FATE_COMMITTED : FATE_ABORTED;
    known = producer_of(log, producer, true);
    known->open_from = -1;
    if (epoch > known->epoch) {
        known->epoch = epoch;
        known->last_sequence = -1;
    }
    append(log, (struct entry){.marker = true,
                               .fate = commit ? FATE_COMMITTED : FATE_ABORTED,
                               .producer = producer,
                               .epoch = epoch,
                               .timestamp_ms = world_wall_ms()});
}

static void write_marker(void *context, int64_t number)
{
    struct txn *txn = context;
    bool commit = txn->state == TXN_PREPARE_COMMIT;
    int node = number < 0 ? 0 : txn->logs[number]->node;

    if (world.node_down_until[node] > world.now_us) {
        world_at(world.node_down_until[node] + MS, NULL, write_marker, txn, number);
        return;
    }
    if (number < 0) {
        world_trace("marker %s offsets %s", commit ? "commit" : "abort", txn->id);
        mark_offsets(txn->producer, txn->epoch, commit);
    } else {
        world_trace("marker %s %s/%d %s", commit ? "commit" : "abort", txn->logs[number]->topic,
                    txn->logs[number]->partition, txn->id);
        mark_log(txn->logs[number], txn->producer, txn->epoch, commit);
    }
    if (--txn->markers_left > 0)
        return;
    txn->state = commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    txn->log_count = 0;
    txn->offsets = false;
}

/* Decided: from here on it cannot be changed. The markers follow, each in its own time. */
static void decide(struct txn *txn, bool commit)
{
    int64_t most_us = world.calm || !world_chance(50) ? 5 * MS : 3 * SECOND;

    txn->state = commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
    txn->markers_left = txn->log_count + (txn->offsets ? 1 : 0);
    world_trace("decided %s %s epoch=%d", commit ? "commit" : "abort", txn->id, txn->epoch);
    if (txn->markers_left == 0) {
        txn->state = commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
        return;
    }
    for (int i = 0; i < txn->log_count; i++)
        world_after(world_between(100, most_us), NULL, write_marker, txn, i);
    if (txn->offsets)
        world_after(world_between(100, most_us), NULL, write_marker, txn, -1);
}

static void expire_txns(void *context, int64_t number)
{
    for (int i = 0; i < txn_count; i++)
        if (txns[i].state == TXN_ONGOING &&
            world.now_us - txns[i].started_us > txns[i].timeout_us) {
            world_trace("transaction %s timed out", txns[i].id);
            txns[i].last_epoch = txns[i].epoch;
            txns[i].epoch++;
            decide(&txns[i], false);
        }
    world_after(SECOND, NULL, expire_txns, context, number);
}

rd_kafka_resp_err_t broker_init_producer(const char *transactional_id, int64_t timeout_us,
                                         int64_t *producer, int16_t *epoch)
{
    struct txn *txn = txn_find(transactional_id);

    if (txn == NULL) {
        require(txn_count < TXNS_MAX);
        txn = &txns[txn_count++];
        *txn = (struct txn){.producer = next_producer++, .epoch = -1, .last_epoch = -1};
        snprintf(txn->id, sizeof(txn->id), "%s", transactional_id);
    } else if (*producer >= 0) { /* KIP-360: its own next epoch, perhaps asked for twice */
        if (*producer != txn->producer)
            return RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
        if (*epoch == txn->last_epoch && txn->state == TXN_EMPTY) {
            *epoch = txn->epoch;
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        if (*epoch != txn->epoch)
            return RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    }
    switch (txn->state) {
    case TXN_PREPARE_COMMIT:
    case TXN_PREPARE_ABORT:
        return RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    case TXN_ONGOING:
        txn->last_epoch = txn->epoch;
        if (!world.rules.epochs_not_fenced)
            txn->epoch++;
        decide(txn, false);
        return RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    case TXN_EMPTY:
    case TXN_COMPLETE_COMMIT:
    case TXN_COMPLETE_ABORT:
        break;
    }
    txn->last_epoch = txn->epoch;
    if (!world.rules.epochs_not_fenced || txn->epoch < 0)
        txn->epoch++;
    txn->state = TXN_EMPTY;
    txn->timeout_us = timeout_us;
    *producer = txn->producer;
    *epoch = txn->epoch;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t txn_check(struct txn *txn, int64_t producer, int16_t epoch)
{
    if (txn == NULL || txn->producer != producer)
        return RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
    if (txn->epoch != epoch)
        return RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t txn_enter(struct txn *txn, int64_t producer, int16_t epoch)
{
    rd_kafka_resp_err_t error = txn_check(txn, producer, epoch);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    if (txn->state == TXN_PREPARE_COMMIT || txn->state == TXN_PREPARE_ABORT)
        return RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    if (txn->state != TXN_ONGOING) {
        txn->state = TXN_ONGOING;
        txn->started_us = world.now_us;
        txn->log_count = 0;
        txn->offsets = false;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool txn_has(const struct txn *txn, const struct log *log)
{
    for (int i = 0; i < txn->log_count; i++)
        if (txn->logs[i] == log)
            return true;
    return false;
}

rd_kafka_resp_err_t broker_add_partition(const char *transactional_id, int64_t producer,
                                         int16_t epoch, struct log *log)
{
    struct txn *txn = txn_find(transactional_id);
    rd_kafka_resp_err_t error = txn_enter(txn, producer, epoch);

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && !txn_has(txn, log)) {
        require(txn->log_count < TXN_LOGS_MAX);
        txn->logs[txn->log_count++] = log;
    }
    return error;
}

rd_kafka_resp_err_t broker_add_offsets(const char *transactional_id, int64_t producer,
                                       int16_t epoch)
{
    struct txn *txn = txn_find(transactional_id);
    rd_kafka_resp_err_t error = txn_enter(txn, producer, epoch);

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        txn->offsets = true;
    return error;
}

rd_kafka_resp_err_t broker_end(const char *transactional_id, int64_t producer, int16_t epoch,
                               bool commit)
{
    struct txn *txn = txn_find(transactional_id);
    rd_kafka_resp_err_t error = txn_check(txn, producer, epoch);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    switch (txn->state) {
    case TXN_ONGOING:
        decide(txn, commit);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    case TXN_PREPARE_COMMIT:
        return commit ? RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS
                      : RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    case TXN_PREPARE_ABORT:
        return commit ? RD_KAFKA_RESP_ERR_INVALID_TXN_STATE
                      : RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    case TXN_COMPLETE_COMMIT:
        return commit ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    case TXN_COMPLETE_ABORT:
        return commit ? RD_KAFKA_RESP_ERR_INVALID_TXN_STATE : RD_KAFKA_RESP_ERR_NO_ERROR;
    case TXN_EMPTY:
        break;
    }
    return RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
}

rd_kafka_resp_err_t broker_produce(struct log *log, const char *transactional_id, int64_t producer,
                                   int16_t epoch, const struct batch *batch)
{
    struct log_producer *known = producer_of(log, producer, false);
    struct txn *txn = txn_find(transactional_id);

    if (known != NULL && epoch < known->epoch && !world.rules.epochs_not_fenced)
        return RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    if (known != NULL && epoch == known->epoch && !world.rules.sequences_ignored) {
        if (batch->sequence <= known->last_sequence)
            return RD_KAFKA_RESP_ERR_NO_ERROR; /* a repetition: it is there already */
        if (batch->sequence != known->last_sequence + 1)
            return RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    if (known != NULL && epoch > known->epoch && batch->sequence != 0)
        return RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    if (!world.rules.late_requests_accepted && (known == NULL || known->open_from < 0) &&
        (txn->state != TXN_ONGOING || txn->producer != producer || txn->epoch != epoch ||
         !txn_has(txn, log)))
        return RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    known = producer_of(log, producer, true);
    if (known->open_from < 0)
        known->open_from = log->next;
    known->epoch = epoch;
    known->last_sequence = batch->sequence + (int32_t)batch->count - 1;
    for (size_t i = 0; i < batch->count; i++) {
        struct entry entry = batch->records[i];
        entry.fate = FATE_OPEN;
        entry.producer = producer;
        entry.epoch = epoch;
        append(log, entry);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

enum fate broker_fate(const struct entry *entry)
{
    if (entry->fate != FATE_OPEN)
        return entry->fate;
    for (int i = 0; i < txn_count; i++)
        if (txns[i].producer == entry->producer)
            return txns[i].state == TXN_PREPARE_COMMIT  ? FATE_COMMITTED
                   : txns[i].state == TXN_PREPARE_ABORT ? FATE_ABORTED
                                                        : FATE_OPEN;
    return FATE_OPEN;
}

/* ---- the group -------------------------------------------------------------------------- */

struct member {
    char id[48];
    char instance[96];
    int64_t seen_us, session_us;
    struct joining *joining; /* waits for the others */
    struct assignment assignment;
};

static struct {
    bool preparing;
    int32_t generation;
    struct member members[MEMBERS_MAX];
    size_t count;
    uint64_t names;
    uint64_t prepare; /* which one is under way */
    const char *topics[TOPICS_MAX];
    size_t topic_count;
} group;

void group_subscribe(const char *const *names, size_t count)
{
    group.topic_count = count;
    for (size_t i = 0; i < count; i++)
        group.topics[i] = names[i];
}

static struct member *member_by_id(const char *id)
{
    for (size_t i = 0; i < group.count; i++)
        if (strcmp(group.members[i].id, id) == 0)
            return &group.members[i];
    return NULL;
}

static struct member *member_by_instance(const char *instance)
{
    for (size_t i = 0; i < group.count && instance[0] != 0; i++)
        if (strcmp(group.members[i].instance, instance) == 0)
            return &group.members[i];
    return NULL;
}

/* What a member is told that is not, or no longer, who it says. */
static rd_kafka_resp_err_t group_check(const struct membership *who, struct member **found)
{
    *found = member_by_id(who->member);
    if (who->instance[0] != 0) {
        struct member *owner = member_by_instance(who->instance);
        if (owner == NULL)
            return RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
        if (strcmp(owner->id, who->member) != 0)
            return RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
    }
    return *found == NULL ? RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int by_name(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    const char *name_x = x->instance[0] != 0 ? x->instance : x->id;
    const char *name_y = y->instance[0] != 0 ? y->instance : y->id;

    return strcmp(name_x, name_y);
}

/* The range assignor: of each topic a run of partitions, the first members one more. */
static void assign_ranges(void)
{
    qsort(group.members, group.count, sizeof(*group.members), by_name);
    for (size_t i = 0; i < group.count; i++)
        group.members[i].assignment.count = 0;
    for (size_t t = 0; t < group.topic_count; t++) {
        int32_t partitions = broker_partitions(group.topics[t]), next = 0;
        int32_t members = (int32_t)group.count;
        for (int32_t m = 0; m < members; m++) {
            int32_t share = partitions / members + (m < partitions % members ? 1 : 0);
            struct assignment *to = &group.members[m].assignment;
            for (; share > 0; share--, to->count++) {
                snprintf(to->rows[to->count].topic, sizeof(to->rows[0].topic), "%s",
                         group.topics[t]);
                to->rows[to->count].partition = next++;
            }
        }
    }
}

static void answer(struct joining *joining, rd_kafka_resp_err_t error)
{
    joining->error = error;
    joining->answer(joining);
}

static void answer_member(struct member *member)
{
    struct joining *joining = member->joining;

    member->joining = NULL;
    member->seen_us = world.now_us;
    joining->who.generation = group.generation;
    snprintf(joining->who.member, sizeof(joining->who.member), "%s", member->id);
    joining->assignment = member->assignment;
    answer(joining, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void complete(void)
{
    group.preparing = false;
    group.generation++;
    assign_ranges();
    world_trace("group generation=%d members=%zu", group.generation, group.count);
    for (size_t i = 0; i < group.count; i++)
        if (group.members[i].joining != NULL)
            answer_member(&group.members[i]);
}

static void complete_maybe(void)
{
    for (size_t i = 0; i < group.count; i++)
        if (group.members[i].joining == NULL)
            return;
    if (group.count > 0)
        complete();
    else
        group.preparing = false;
}

static void drop_member(struct member *member)
{
    size_t at = (size_t)(member - group.members);

    memmove(member, member + 1, (group.count - at - 1) * sizeof(*member));
    group.count--;
}

/* Who has not come back by the end of the rebalance timeout is out. */
static void prepare_ends(void *context, int64_t number)
{
    (void)context;
    if (!group.preparing || group.prepare != (uint64_t)number)
        return;
    for (size_t i = group.count; i-- > 0;)
        if (group.members[i].joining == NULL)
            drop_member(&group.members[i]);
    complete_maybe();
}

static void first_join_ends(void *context, int64_t number)
{
    (void)context;
    if (group.preparing && group.prepare == (uint64_t)number)
        complete_maybe();
}

static void prepare(bool first)
{
    if (group.preparing)
        return;
    group.preparing = true;
    group.prepare++;
    world_trace("group prepares");
    world_after(REBALANCE_US, NULL, prepare_ends, NULL, (int64_t)group.prepare);
    if (first)
        world_after(FIRST_JOIN_US, NULL, first_join_ends, NULL, (int64_t)group.prepare);
}

static void expire_members(void *context, int64_t number)
{
    bool gone = false;

    for (size_t i = group.count; i-- > 0;) {
        struct member *member = &group.members[i];
        if (member->joining != NULL || world.now_us - member->seen_us <= member->session_us)
            continue;
        world_trace("member %s expires", member->instance[0] ? member->instance : member->id);
        drop_member(member);
        gone = true;
    }
    if (gone && !group.preparing && group.count > 0)
        prepare(false);
    if (gone && group.preparing)
        complete_maybe();
    world_after(200 * MS, NULL, expire_members, context, number);
}

static void rename_member(struct member *member, struct joining *joining)
{
    snprintf(member->id, sizeof(member->id), "member-%llu", (unsigned long long)++group.names);
    snprintf(joining->who.member, sizeof(joining->who.member), "%s", member->id);
}

void group_join(struct joining *joining)
{
    struct member *member;
    bool first = group.count == 0, returns = false;

    if (joining->who.member[0] != 0) {
        rd_kafka_resp_err_t error = group_check(&joining->who, &member);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            answer(joining, error);
            return;
        }
    } else if ((member = member_by_instance(joining->who.instance)) != NULL) {
        rename_member(member, joining); /* whoever had the old name is fenced */
        if (member->joining != NULL)
            answer(member->joining, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
        member->joining = NULL;
        returns = true;
    } else {
        require(group.count < MEMBERS_MAX);
        member = &group.members[group.count++];
        memset(member, 0, sizeof(*member));
        snprintf(member->instance, sizeof(member->instance), "%s", joining->who.instance);
        rename_member(member, joining);
    }
    if (member->joining != NULL && member->joining != joining)
        answer(member->joining, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS); /* asked again */
    member->session_us = joining->session_us;
    member->seen_us = world.now_us;
    member->joining = joining;
    if (returns && !group.preparing) { /* a static member is back in time: nothing moves */
        answer_member(member);
        return;
    }
    if (!group.preparing)
        prepare(first);
    if (!first && group.count > 1)
        complete_maybe();
    else if (!first)
        world_after(100 * MS, NULL, first_join_ends, NULL, (int64_t)group.prepare);
}

rd_kafka_resp_err_t group_heartbeat(const struct membership *who)
{
    struct member *member;
    rd_kafka_resp_err_t error = group_check(who, &member);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    if (who->generation != group.generation)
        return RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    member->seen_us = world.now_us;
    return group.preparing ? RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS : RD_KAFKA_RESP_ERR_NO_ERROR;
}

void group_leave(const struct membership *who)
{
    struct member *member;

    if (group_check(who, &member) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    drop_member(member);
    if (!group.preparing && group.count > 0)
        prepare(false);
    else if (group.preparing)
        complete_maybe();
}

bool group_owns(const struct membership *who)
{
    struct member *member;

    return group_check(who, &member) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           who->generation == group.generation;
}

rd_kafka_resp_err_t broker_commit_offsets(const char *transactional_id, int64_t producer,
                                          int16_t epoch, const struct membership *who,
                                          const struct spot *places, size_t count)
{
    struct txn *txn = txn_find(transactional_id);
    struct member *member;

    if (!world.rules.generation_not_checked && !(who->generation < 0 && group.count == 0) &&
        (who->generation >= 0 || who->member[0] != 0 || who->instance[0] != 0)) {
        rd_kafka_resp_err_t error = group_check(who, &member);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return error;
        if (who->generation != group.generation)
            return RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    }
    if (epoch < *offset_epoch(producer) && !world.rules.epochs_not_fenced)
        return RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    if (!world.rules.late_requests_accepted &&
        (txn == NULL || txn->producer != producer || txn->epoch != epoch ||
         txn->state != TXN_ONGOING || !txn->offsets))
        return RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    *offset_epoch(producer) = epoch;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < pending_count && (pending[at].producer != producer ||
                                      strcmp(pending[at].place.topic, places[i].topic) != 0 ||
                                      pending[at].place.partition != places[i].partition))
            at++;
        if (at == pending_count) {
            require(pending_count < PLACES_MAX * 4);
            pending_count++;
        }
        pending[at].producer = producer;
        pending[at].place = places[i];
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void broker_fetch_offsets(struct spot *places, size_t count, bool stable)
{
    for (size_t i = 0; i < count; i++) {
        struct spot *place = &places[i];
        place->offset = RD_KAFKA_OFFSET_INVALID;
        place->metadata[0] = 0;
        place->error = RD_KAFKA_RESP_ERR_NO_ERROR;
        for (size_t j = 0; j < committed.count; j++)
            if (strcmp(committed.rows[j].topic, place->topic) == 0 &&
                committed.rows[j].partition == place->partition)
                *place = committed.rows[j];
        for (size_t j = 0; j < pending_count && stable && !world.rules.unstable_offsets_given; j++)
            if (strcmp(pending[j].place.topic, place->topic) == 0 &&
                pending[j].place.partition == place->partition)
                place->error = RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
    }
}

bool broker_decided(const char *topic, int32_t partition, struct spot *place)
{
    bool found = false;

    for (size_t j = 0; j < committed.count; j++)
        if (strcmp(committed.rows[j].topic, topic) == 0 &&
            committed.rows[j].partition == partition) {
            *place = committed.rows[j];
            found = true;
        }
    for (size_t j = 0; j < pending_count; j++)
        if (strcmp(pending[j].place.topic, topic) == 0 &&
            pending[j].place.partition == partition)
            for (int i = 0; i < txn_count; i++)
                if (txns[i].producer == pending[j].producer &&
                    txns[i].state == TXN_PREPARE_COMMIT) {
                    *place = pending[j].place;
                    found = true;
                }
    return found;
}

void broker_init(void)
{
    world_after(SECOND, NULL, expire_txns, NULL, 0);
    world_after(200 * MS, NULL, expire_members, NULL, 0);
}
