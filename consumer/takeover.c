/*
 * takeover.c: partitions come and go.
 *
 * assigned -> committed offsets (stable) -> end of the state partition -> restore -> consume. In
 * that order: what the offsets promise is then certainly in the state that is read (DESIGN 5).
 * The rebalance callback only takes a note; the loop acts on it at its own pace.
 */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/worker_inside.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <string.h>

enum {
    ASK_MS = 2000, /* one question; the group is served between two of them */
    PAUSE_MS = 200,
};

static bool is_incremental(const struct inside *inside)
{
    return inside->config->group_protocol == GROUP_CONSUMER;
}

void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t event,
                  rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    struct inside *inside = opaque;

    if (inside->closing) {
        if (!is_incremental(inside))
            rd_kafka_assign(consumer, NULL);
        else if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
            rd_kafka_error_destroy(rd_kafka_incremental_assign(consumer, partitions));
        else
            rd_kafka_error_destroy(rd_kafka_incremental_unassign(consumer, partitions));
        return;
    }
    if (inside->rebalanced != NULL)
        rd_kafka_topic_partition_list_destroy(inside->rebalanced);
    inside->rebalanced = rd_kafka_topic_partition_list_copy(partitions);
    inside->rebalance =
        event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? REBALANCE_ASSIGN : REBALANCE_REVOKE;
}

static void stop_running(struct inside *inside, struct holding *holding)
{
    restore_drop(&inside->restore, &holding->restoring);
    snapshot_writer_forget(inside->snapshots, holding);
    holding_disconnect(holding);
    if (holding->running)
        atomic_fetch_sub(&inside->stage->partitions, 1);
    holding->running = false;
}

static void drop(struct inside *inside, size_t i)
{
    stop_running(inside, inside->holdings[i]);
    holding_free(&inside->holdings[i]);
    inside->holdings[i] = inside->holdings[--inside->holding_count];
}

static void revoke_all(struct inside *inside)
{
    inside->joined = false;
    for (size_t i = inside->holding_count; i-- > 0;) {
        struct holding *holding = inside->holdings[i];
        if (!holding->running && !holding->fenced_off) { /* half restored: no use to anyone */
            drop(inside, i);
            continue;
        }
        stop_running(inside, holding);
        holding->fenced_off = true;
    }
    rd_kafka_assign(inside->consumer, NULL);
}

uint64_t takeover_number(const rd_kafka_topic_partition_t *offset)
{
    uint64_t number = 0;
    const char *digits = offset->metadata;

    for (size_t i = 0; i < offset->metadata_size && i < 20 && digits[i] != '/'; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0; /* somebody else's: the offsets were set by hand */
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    return number;
}

bool takeover_is_ours(const struct inside *inside, const rd_kafka_topic_partition_t *offset)
{
    const char *slash =
        offset->metadata_size == 0 ? NULL : memchr(offset->metadata, '/', offset->metadata_size);
    const char *end = (const char *)offset->metadata + offset->metadata_size;
    size_t size = strlen(inside->token);

    return slash != NULL && (size_t)(end - slash - 1) == size &&
           memcmp(slash + 1, inside->token, size) == 0;
}

rd_kafka_topic_partition_list_t *takeover_committed(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)inside->holding_count * 2 + 1);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < inside->holding_count; i++)
        for (size_t j = 0; j < inside->holdings[i]->inlet_count; j++)
            rd_kafka_topic_partition_list_add(list, inside->holdings[i]->inlets[j].topic,
                                              inside->holdings[i]->lane.partition);
    error = rd_kafka_committed(inside->consumer, list, ASK_MS);
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        error = list->elems[i].err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        refusal_over(inside, REFUSED_GROUP, NULL, 0);
        return list;
    }
    refusal_note(inside, error, REFUSED_GROUP, "-", -1);
    /* _TIMED_OUT: a transaction with these offsets is still open; it will end. */
    log_seldom(LOG_INFO_LEVEL, "offsets_not_stable", inside->token, "worker=%d error=%s",
               inside->worker->number, rd_kafka_err2name(error));
    rd_kafka_topic_partition_list_destroy(list);
    clock_sleep_ms(PAUSE_MS); /* a coordinator that is loading refuses at once */
    return NULL;
}

/*
 * Is a question that was not answered worth asking again? A broker that has just died does not
 * answer for some seconds, and that is no reason to end; what the group has since decided to
 * revoke, and a worker that stops, are. The group is served meanwhile.
 */
static bool still_wanted(struct inside *inside)
{
    worker_serve(inside);
    return inside->rebalance == REBALANCE_NONE && inside->code == EXIT_WELL &&
           !atomic_load(&inside->stage->stop);
}

/* The same, as long as it takes; NULL when this worker stops or the assignment is out of date. */
static rd_kafka_topic_partition_list_t *await_committed(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *committed = NULL;

    while (committed == NULL && still_wanted(inside))
        committed = takeover_committed(inside);
    return committed;
}

/* True where all inputs of a partition were assigned. */
static bool whole(const struct inside *inside, int32_t partition)
{
    for (size_t i = 0; i < inside->config->input_topics.count; i++)
        if (rd_kafka_topic_partition_list_find(
                inside->rebalanced, inside->config->input_topics.items[i], partition) == NULL)
            return false;
    return true;
}

static struct holding *find(const struct inside *inside, int32_t partition)
{
    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->lane.partition == partition)
            return inside->holdings[i];
    return NULL;
}

static void add(struct inside *inside, struct holding *holding)
{
    inside->holdings =
        memory_resize(inside->holdings, inside->holding_count + 1, sizeof(*inside->holdings));
    inside->holdings[inside->holding_count++] = holding;
}

static struct holding *fresh(const struct inside *inside, int32_t partition)
{
    return holding_new(inside->config, &inside->tables, partition, inside->seed);
}

/* Holdings for exactly the partitions assigned; what was held and is not assigned is dropped. */
static void gather(struct inside *inside)
{
    for (size_t i = inside->holding_count; i-- > 0;)
        if (!whole(inside, inside->holdings[i]->lane.partition))
            drop(inside, i);
    inside->showing.next_ms = 0; /* what went may be on another's page by now */
    for (int i = 0; i < inside->rebalanced->cnt; i++) {
        int32_t partition = inside->rebalanced->elems[i].partition;
        if (find(inside, partition) != NULL)
            continue;
        if (whole(inside, partition))
            add(inside, fresh(inside, partition));
        else
            log_warn("task_not_whole",
                     "worker=%d topic=%s partition=%d hint=\"not all inputs of "
                     "this partition came to the same member: do all subscribe to the same "
                     "topics?\"",
                     inside->worker->number, inside->rebalanced->elems[i].topic, partition);
    }
}

/* Where an input starts that nobody has committed: its earliest record. */
static bool earliest(struct inside *inside, const char *topic, int32_t partition, int64_t *offset)
{
    int64_t high;

    while (still_wanted(inside)) {
        rd_kafka_resp_err_t error =
            kafka_ask_ends(inside->client, topic, partition, offset, &high, ASK_MS);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        log_seldom(LOG_INFO_LEVEL, "start_not_known", topic, "topic=%s partition=%d error=%s",
                   topic, partition, rd_kafka_err2name(error));
        refusal_note(inside, error, REFUSED_READ, topic, partition);
        clock_sleep_ms(PAUSE_MS);
    }
    return false;
}

/* Is the memory that was kept through the rebalance what the committed offsets say? */
static bool kept(const struct holding *holding, const rd_kafka_topic_partition_list_t *committed)
{
    if (!holding->fenced_off)
        return false;
    for (size_t i = 0; i < holding->inlet_count; i++) {
        const rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)(uintptr_t)committed, holding->inlets[i].topic,
            holding->lane.partition);
        if (row == NULL || takeover_number(row) != holding->transaction)
            return false;
        if (row->offset >= 0 && row->offset != holding->inlets[i].landed_next)
            return false;
    }
    return true;
}

static bool start_from(struct inside *inside, struct holding *holding,
                       const rd_kafka_topic_partition_list_t *committed)
{
    for (size_t i = 0; i < holding->inlet_count; i++) {
        struct inlet *inlet = &holding->inlets[i];
        const rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)(uintptr_t)committed, inlet->topic,
            holding->lane.partition);
        inlet->next = row->offset;
        if (inlet->next < 0 &&
            !earliest(inside, inlet->topic, holding->lane.partition, &inlet->next))
            return false;
        inlet->landed_next = inlet->next;
        holding->transaction = takeover_number(row);
    }
    return true;
}

/* Assigns every inlet from its own `next`. */
static void assign_inlets(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)inside->holding_count * 2 + 1);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < inside->holding_count; i++)
        for (size_t j = 0; j < inside->holdings[i]->inlet_count; j++)
            rd_kafka_topic_partition_list_add(list, inside->holdings[i]->inlets[j].topic,
                                              inside->holdings[i]->lane.partition)
                ->offset = inside->holdings[i]->inlets[j].next;
    error = rd_kafka_assign(inside->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_error("assign_failed", "worker=%d error=%s", inside->worker->number,
                  rd_kafka_err2name(error));
        inside->code = EXIT_WORLD;
    }
}

static void run_holding(struct inside *inside, struct holding *holding)
{
    holding->running = true;
    holding->fenced_off = false;
    holding->snapshot_ms = clock_monotonic_ms();
    atomic_fetch_add(&inside->stage->partitions, 1);
}

static bool take_over(struct inside *inside, size_t i,
                      const rd_kafka_topic_partition_list_t *committed)
{
    struct holding *holding = inside->holdings[i];

    if (kept(holding, committed)) {
        holding_rewind(holding);
        run_holding(inside, holding);
        return true;
    }
    if (holding->fenced_off) {
        int32_t partition = holding->lane.partition;
        holding_free(&inside->holdings[i]);
        holding = inside->holdings[i] = fresh(inside, partition);
    }
    if (!start_from(inside, holding, committed))
        return false;
    restore_add(&inside->restore, &holding->restoring, &holding->lane, inside->client,
                holding->transaction);
    return true;
}

static void renew_generation(struct inside *inside)
{
    if (inside->generation != NULL)
        rd_kafka_consumer_group_metadata_destroy(inside->generation);
    inside->generation = rd_kafka_consumer_group_metadata(inside->consumer);
}

/*
 * A partition that was not there at start: keys go elsewhere since (DESIGN 5), and nothing from it
 * may be taken.
 */
static bool partitions_added(struct inside *inside)
{
    int32_t known = inside->stage->facts.partitions;

    for (int i = 0; i < inside->rebalanced->cnt; i++)
        if (inside->rebalanced->elems[i].partition >= known) {
            topics_tell_added(inside->rebalanced->elems[i].topic,
                              inside->rebalanced->elems[i].partition + 1, known);
            inside->code = EXIT_USAGE;
            return true;
        }
    return false;
}

static void assign_all(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *committed;
    bool taken = true;

    gather(inside);
    renew_generation(inside);
    inside->rewind_owed = false; /* all is assigned anew, from where it landed */
    committed = await_committed(inside);
    if (committed == NULL)
        return;
    log_info("assigned", "worker=%d tasks=%zu", inside->worker->number, inside->holding_count);
    for (size_t i = 0; i < inside->holding_count && taken; i++) {
        taken = take_over(inside, i, committed);
        if (taken)
            holding_connect(inside->holdings[i], inside->consumer, inside->wake[1]);
    }
    rd_kafka_topic_partition_list_destroy(committed);
    if (taken) {
        assign_inlets(inside);
        inside->joined = true;
    }
}

/* ---- the newer protocol: partitions come and go a few at a time (KIP-848) ----------------- */

/*
 * What stays goes on working; what goes is dropped, for who has it next commits at once. Inputs of
 * one task may come and go in different events: it is taken when all are here, and librdkafka is
 * told of each event's partitions meanwhile, as it wants to be.
 */

static bool failed(struct inside *inside, const char *call, const char *why)
{
    if (why == NULL)
        return false;
    log_error("assign_failed", "worker=%d call=%s error=%s", inside->worker->number, call, why);
    inside->code = EXIT_WORLD;
    return true;
}

static bool failed_by(struct inside *inside, const char *call, rd_kafka_error_t *error)
{
    bool broken = failed(inside, call, error == NULL ? NULL : rd_kafka_error_name(error));

    if (error != NULL)
        rd_kafka_error_destroy(error);
    return broken;
}

static bool is_taken(const struct holding *holding)
{
    return holding->running || holding->restoring.lane != NULL;
}

static size_t inputs_here(const struct holding *holding)
{
    size_t count = 0;

    for (size_t i = 0; i < holding->inlet_count; i++)
        count += holding->inlets[i].assigned;
    return count;
}

static bool is_here(const struct holding *holding)
{
    return inputs_here(holding) == holding->inlet_count;
}

/* Notes what came or went; what came has a holding after it. */
static void mark(struct inside *inside, bool assigned)
{
    for (int i = 0; i < inside->rebalanced->cnt; i++) {
        const rd_kafka_topic_partition_t *row = &inside->rebalanced->elems[i];
        struct holding *holding = find(inside, row->partition);
        if (holding == NULL && assigned) {
            holding = fresh(inside, row->partition);
            holding_connect(holding, inside->consumer, inside->wake[1]);
            add(inside, holding);
        }
        for (size_t j = 0; holding != NULL && j < holding->inlet_count; j++) {
            struct inlet *inlet = &holding->inlets[j];
            if (strcmp(inlet->topic, row->topic) != 0)
                continue;
            inlet->assigned = assigned;
            inlet->fetched = inlet->fetched && assigned;
        }
    }
}

/* One of its inputs went: what is left waits, without memory, for the other to come or to go. */
static void empty(struct inside *inside, size_t i)
{
    struct holding *old = inside->holdings[i], *holding = fresh(inside, old->lane.partition);

    for (size_t j = 0; j < old->inlet_count; j++) {
        holding->inlets[j].assigned = old->inlets[j].assigned;
        holding->inlets[j].fetched = old->inlets[j].fetched;
    }
    stop_running(inside, old);
    holding_free(&inside->holdings[i]);
    inside->holdings[i] = holding;
    holding_connect(holding, inside->consumer, inside->wake[1]);
}

/* Lets librdkafka go on reading at `next`: of one holding, or (NULL) of all that are taken. */
static void seek(struct inside *inside, const struct holding *only)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)inside->holding_count * 2 + 1);

    for (size_t i = 0; i < inside->holding_count; i++) {
        const struct holding *holding = inside->holdings[i];
        if (only == NULL ? !is_taken(holding) : holding != only)
            continue;
        for (size_t j = 0; j < holding->inlet_count; j++)
            if (holding->inlets[j].fetched)
                rd_kafka_topic_partition_list_add(list, holding->inlets[j].topic,
                                                  holding->lane.partition)
                    ->offset = holding->inlets[j].next;
    }
    if (list->cnt > 0 &&
        !failed_by(inside, "seek", rd_kafka_seek_partitions(inside->consumer, list, ASK_MS)))
        for (int i = 0; i < list->cnt; i++)
            if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
                failed(inside, "seek", rd_kafka_err2name(list->elems[i].err));
    rd_kafka_topic_partition_list_destroy(list);
}

/* Tells librdkafka what it does not fetch yet; without an offset it waits at the end. */
static void fetch(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)inside->holding_count * 2 + 1);

    for (size_t i = 0; i < inside->holding_count; i++)
        for (size_t j = 0; j < inside->holdings[i]->inlet_count; j++) {
            struct inlet *inlet = &inside->holdings[i]->inlets[j];
            if (!inlet->assigned || inlet->fetched)
                continue;
            rd_kafka_topic_partition_list_add(list, inlet->topic,
                                              inside->holdings[i]->lane.partition)
                ->offset = inlet->next >= 0 ? inlet->next : RD_KAFKA_OFFSET_END;
            inlet->fetched = true;
        }
    failed_by(inside, "incremental_assign", rd_kafka_incremental_assign(inside->consumer, list));
    rd_kafka_topic_partition_list_destroy(list);
}

/* What stays was undone just before: librdkafka still reads on where it was. */
static void rewind_where_owed(struct inside *inside)
{
    if (inside->rewind_owed && inside->code == EXIT_WELL)
        takeover_rewind(inside);
}

/* Takes over what is here and not taken yet. */
static void take_more(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *committed = await_committed(inside);

    for (size_t i = 0; committed != NULL && i < inside->holding_count; i++) {
        struct holding *holding = inside->holdings[i];
        if (is_taken(holding) || !is_here(holding) || inside->code != EXIT_WELL)
            continue;
        if (take_over(inside, i, committed))
            seek(inside, holding); /* what came earlier stands somewhere else */
    }
    if (committed != NULL)
        rd_kafka_topic_partition_list_destroy(committed);
}

static void tell_tasks(const struct inside *inside)
{
    size_t count = 0;

    for (size_t i = 0; i < inside->holding_count; i++)
        count += is_here(inside->holdings[i]);
    log_info("assigned", "worker=%d tasks=%zu", inside->worker->number, count);
}

static void assign_more(struct inside *inside)
{
    mark(inside, true);
    renew_generation(inside);
    rewind_where_owed(inside); /* before fetch(): what was only just assigned cannot be sought */
    take_more(inside);
    if (inside->code == EXIT_WELL)
        fetch(inside);
    inside->joined = true;
    tell_tasks(inside);
}

static void revoke_some(struct inside *inside)
{
    bool more = false;

    mark(inside, false);
    for (size_t i = inside->holding_count; i-- > 0;) {
        if (inputs_here(inside->holdings[i]) == 0)
            drop(inside, i);
        else if (!is_here(inside->holdings[i]) && is_taken(inside->holdings[i]))
            empty(inside, i);
        else if (is_here(inside->holdings[i]) && !is_taken(inside->holdings[i]))
            more = true;
    }
    failed_by(inside, "incremental_unassign",
              rd_kafka_incremental_unassign(inside->consumer, inside->rebalanced));
    rewind_where_owed(inside);
    if (more && inside->code == EXIT_WELL)
        take_more(inside);
    tell_tasks(inside);
}

/*
 * The member's epoch moves on at rebalances that do not touch it, so it is asked for anew. A member
 * that was thrown out has a new epoch, too, with which a zombie could commit: but it has lost its
 * assignment first, and that is looked at last.
 */
bool takeover_is_current(struct inside *inside)
{
    if (!is_incremental(inside))
        return true;
    renew_generation(inside);
    return !rd_kafka_assignment_lost(inside->consumer);
}

/* ---- either protocol -------------------------------------------------------------------- */

void takeover_assign(struct inside *inside)
{
    if (partitions_added(inside))
        return;
    if (is_incremental(inside))
        assign_more(inside);
    else
        assign_all(inside);
}

void takeover_revoke(struct inside *inside)
{
    log_info("revoked", "worker=%d partitions=%d", inside->worker->number, inside->rebalanced->cnt);
    if (is_incremental(inside))
        revoke_some(inside);
    else
        revoke_all(inside);
}

void takeover_poll(struct inside *inside, int wait_ms)
{
    switch (restore_poll(&inside->restore, wait_ms, stage_now_ms(inside->stage))) {
    case RESTORE_GOING:
        break;
    case RESTORE_REFUSED:
        inside->code = EXIT_FOUND;
        return;
    case RESTORE_FAILED:
        inside->code = EXIT_WORLD;
        return;
    }
    for (size_t i = 0; i < inside->holding_count; i++) {
        struct holding *holding = inside->holdings[i];
        const struct control *control = &holding->restoring.control;
        if (holding->running || !holding->restoring.done)
            continue;
        holding->names_dropped = restore_dropped_names(&holding->restoring);
        restore_drop(&inside->restore, &holding->restoring);
        if (control->transaction != 0) {
            restore_tell_tables(control, &inside->tables, holding->lane.partition);
            holding_take_control(holding, &inside->config->input_topics, control);
            holding->control_offset = holding->restoring.control_offset;
            holding->snapshot_transaction = holding->restoring.snapshot_transaction;
            holding->snapshot_wall_ms = holding->restoring.snapshot_wall_ms;
        }
        if (control->transaction != holding->transaction)
            log_warn("offsets_moved",
                     "partition=%d state_transaction=%" PRIu64 " offsets_transaction=%" PRIu64
                     " hint=\"the group's offsets were set from "
                     "outside; records read again are recognised as repeated\"",
                     holding->lane.partition, control->transaction, holding->transaction);
        if (control->transaction > holding->transaction)
            holding->transaction = control->transaction;
        run_holding(inside, holding);
    }
}

void takeover_rewind(struct inside *inside)
{
    for (size_t i = 0; i < inside->holding_count; i++)
        holding_rewind(inside->holdings[i]);
    if (is_incremental(inside))
        seek(inside, NULL);
    else
        assign_inlets(inside);
    inside->rewind_owed = false;
}
