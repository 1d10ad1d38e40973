/*
 * settle.c: a batch goes off, and memory follows what becomes of it.
 *
 *   open batch --close--> closed --seal, send--> under way --> landed
 *                                   |                  \-----> undone, with the open one on top
 *                                   +-- the next opens
 *
 * The committer carries the transaction on its straight way; what it brings back, landed or not,
 * is settled here: the transaction goes on (transaction.def) until nothing is open or unknown, and
 * what it did to memory lands or is undone, never before (promise 5). Where the answer was lost,
 * the committed offsets are asked.
 */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/summary.h"
#include "consumer/trouble.h"
#include "consumer/worker_inside.h"
#include "statemachine/require.h"

#include <inttypes.h>

enum { TOO_LARGE_TRIES = 3, DRAIN_REST_MS = 50, LATE_MS = 1500 };

static int64_t arrival(const struct outbox *outbox, int32_t partition)
{
    for (size_t i = 0; i < outbox->arrival_count; i++)
        if (outbox->arrivals[i].partition == partition)
            return outbox->arrivals[i].offset;
    return -1;
}

static void land(struct inside *inside)
{
    struct stage *stage = inside->stage;
    struct tally *now = &inside->sealed, *before = &inside->landed;

    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->sealed)
            holding_land(inside->holdings[i],
                         arrival(inside->sent, inside->holdings[i]->lane.partition));
    tally_require_whole(now);
    atomic_fetch_add(&stage->records, (long long)(now->records - before->records));
    atomic_fetch_add(&stage->outcomes, (long long)(tally_outcomes(now) - tally_outcomes(before)));
    atomic_fetch_add(&stage->corrections,
                     (long long)(tally_corrections(now) - tally_corrections(before)));
    atomic_fetch_add(&stage->dead_letters,
                     (long long)(tally_dead_letters(now) - tally_dead_letters(before)));
    *before = *now;
    outbox_clear(inside->sent);
    show_landed(inside);
}

static void new_batch(struct inside *inside)
{
    inside->pump.budget = inside->config->commit_records;
    inside->batch_open = inside->batch_closed = false;
}

/*
 * The batch under way and the open one, which stands on it. Where a rebalance is noted, what is
 * read again is decided after it.
 */
static void undo(struct inside *inside)
{
    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->touched || inside->holdings[i]->sealed)
            holding_undo(inside->holdings[i]);
    inside->pump.tally = inside->landed;
    outbox_clear(inside->sent);
    outbox_clear(inside->outbox);
    show_dropped(inside);
    new_batch(inside);
    inside->rewind_owed = true;
    if (inside->rebalance == REBALANCE_NONE && inside->code == EXIT_WELL)
        takeover_rewind(inside);
}

/*
 * The answer was lost. A new producer has fenced the old one, so nothing can change any more; the
 * committed offsets carry the number of the transaction that wrote them.
 */
static void find_out(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *committed = takeover_committed(inside);
    bool landed = false;

    if (committed == NULL) { /* not stable yet: asked again */
        transaction_answer(&inside->transaction, ANSWER_RETRIABLE);
        return;
    }
    for (size_t i = 0; i < inside->holding_count; i++) {
        const struct holding *holding = inside->holdings[i];
        const rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_find(
            committed, holding->inlets[0].topic, holding->lane.partition);
        if (!holding->sealed)
            continue;
        if (takeover_number(row) == holding->transaction + 1 && takeover_is_ours(inside, row)) {
            landed = true;
        } else if (takeover_number(row) != holding->transaction &&
                   !(row->offset < 0 && holding->transaction == 0)) {
            /* Not a fault: this process slept. The group will say so soon, and until then its
             * generation refuses what we commit; what was ours is restored by whoever has it. */
            log_warn("task_moved",
                     "partition=%d transaction=%" PRIu64 " committed=%" PRIu64
                     " hint=\"another process has taken this partition\"",
                     holding->lane.partition, holding->transaction + 1, takeover_number(row));
        }
    }
    rd_kafka_topic_partition_list_destroy(committed);
    log_info("transaction_resolved", "worker=%d verdict=%s", inside->worker->number,
             landed ? "landed" : "undone");
    show_resolved(inside);
    transaction_wish(&inside->transaction, landed ? WISH_OURS : WISH_NOT_OURS);
}

/* For the watcher: does this worker leave anything behind if the process ends now? */
void settle_note_open(struct inside *inside)
{
    bool open = committer_is_away(inside->committer);

    if (!open) {
        enum transaction_state state = inside->transaction.state;
        open = state != TRANSACTION_CLOSED && state != TRANSACTION_VOID;
    }

    if (open != inside->counted_open)
        atomic_fetch_add(&inside->stage->open_transactions, open ? 1 : -1);
    inside->counted_open = open;
}

static void settle_landed(struct inside *inside)
{
    land(inside);
    inside->too_large = 0;
    refusal_over(inside, REFUSED_WRITE, NULL, 0);
    transaction_wish(&inside->transaction, WISH_LAND);
}

/*
 * Most failures pass, and are met with a growing pause. A refusal does not; and a record that is
 * too large may still get through where other records of its batch were the larger part, so it has
 * a few tries.
 */
static void give_up_where_hopeless(struct inside *inside, rd_kafka_resp_err_t error)
{
    const struct failed_record *failed = &inside->transaction.failed;
    char refused[256];

    kafka_refused_topic(refused, sizeof(refused));
    refusal_note(inside, error, REFUSED_WRITE, refused[0] == 0 ? failed->topic : refused, -1);
    if (error != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE &&
        error != RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
        return;
    if (++inside->too_large < TOO_LARGE_TRIES)
        return;
    log_error("record_too_large",
              "topic=%s partition=%d record_bytes=%zu batch_bytes=%lld tries=%d hint=\"the topic's "
              "max.message.bytes is below what it was at start: raise it, or start again, which "
              "reads it anew\"",
              failed->topic, failed->partition, failed->bytes,
              (long long)inside->transaction.batch_bytes, TOO_LARGE_TRIES);
    inside->code = EXIT_WORLD;
}

static void settle_undone(struct inside *inside)
{
    rd_kafka_resp_err_t error = transaction_why(&inside->transaction);

    log_seldom(LOG_WARN_LEVEL, "transaction_undone", inside->token,
               "worker=%d error=%s next_batch=%s", inside->worker->number, rd_kafka_err2name(error),
               inside->batch_open ? "undone" : "none");
    give_up_where_hopeless(inside, error);
    show_undone(inside);
    undo(inside);
    transaction_wish(&inside->transaction, WISH_UNDO);
}

/* What needs the world to be well again: not when this worker has to end. */
static bool settle_anew(struct inside *inside)
{
    struct transaction *transaction = &inside->transaction;

    if (inside->code != EXIT_WELL)
        return false;
    if (atomic_load(&inside->stage->stop)) {
        if (transaction->state == TRANSACTION_VOID)
            return false;
        inside->code = EXIT_WORLD; /* no time to find out */
        log_error("left_unclear",
                  "worker=%d state=%s hint=\"stopped before it was known what became of the last "
                  "transaction; the next start finds out, and nothing is lost\"",
                  inside->worker->number, transaction_state_words[transaction->state]);
        return false;
    }
    if (transaction->state == TRANSACTION_ASKING) {
        find_out(inside);
        return true;
    }
    transaction_step(transaction);
    return true;
}

static void no_producer(struct inside *inside)
{
    const struct transaction *transaction = &inside->transaction;
    const struct trouble *trouble = trouble_of(transaction->init_error);

    log_error(trouble == NULL ? "no_producer" : trouble->event,
              "worker=%d transactional_id=%s operation=InitProducerId error=%s hint=\"%s\"",
              inside->worker->number, transaction->id, rd_kafka_err2name(transaction->init_error),
              trouble == NULL ? "the line before it says more" : trouble->hint);
}

/*
 * Drives the transaction until nothing is open or unknown, and lets memory follow: land or undo.
 * The group is served in between, so that it does not take a long wait for a death; a rebalance is
 * only noted (on_rebalance). False: the worker has to end.
 */
bool settle(struct inside *inside)
{
    struct transaction *transaction = &inside->transaction;
    enum transaction_state before = TRANSACTION_CLOSED;
    bool going = true;

    while (going && transaction->state != TRANSACTION_CLOSED) {
        if (transaction->state == TRANSACTION_UNCLEAR && before != TRANSACTION_UNCLEAR)
            log_warn("transaction_unclear", "worker=%d after=%s", inside->worker->number,
                     transaction_state_words[transaction->before]);
        before = transaction->state;
        switch (transaction->state) {
        case TRANSACTION_LANDED:
            settle_landed(inside);
            break;
        case TRANSACTION_UNDONE:
            settle_undone(inside);
            break;
        case TRANSACTION_ABORTING: /* also where this worker ends: others wait for the end of it */
            transaction_step(transaction);
            break;
        case TRANSACTION_VOID:
        case TRANSACTION_UNCLEAR:
        case TRANSACTION_ASKING:
            going = settle_anew(inside);
            break;
        case TRANSACTION_FAILED:
            if (!transaction->told && inside->code == EXIT_WELL)
                no_producer(inside);
            inside->code = EXIT_WORLD;
            going = false;
            break;
        case TRANSACTION_CLOSED:
        case TRANSACTION_OPEN:
        case TRANSACTION_PENDING:
        case TRANSACTION_COMMITTING:
        case TRANSACTION_STATE_COUNT:
            require_failed("a transaction that is the worker's to settle", __FILE__, __LINE__);
        }
        worker_serve(inside);
    }
    settle_note_open(inside);
    return transaction->state == TRANSACTION_CLOSED && inside->code == EXIT_WELL;
}

void settle_look(struct inside *inside)
{
    if (!committer_is_away(inside->committer) || !committer_take_back(inside->committer))
        return;
    if (inside->transaction.state == TRANSACTION_VOID) {
        show_undone(inside);
        undo(inside); /* somebody has fenced it while it was idle: nothing of it was written */
    }
    settle(inside);
}

void settle_drain(struct inside *inside)
{
    while (committer_is_away(inside->committer)) {
        settle_look(inside);
        if (!committer_is_away(inside->committer))
            break;
        worker_serve(inside);
        clock_wait(inside->wake[0], DRAIN_REST_MS);
    }
}

static void send_off(struct inside *inside)
{
    struct outbox *outbox = inside->outbox;

    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->touched)
            holding_seal(inside->holdings[i]);
    inside->sealed = inside->pump.tally;
    show_sealed(inside);
    outbox->generation = inside->generation;
    inside->outbox = inside->sent;
    inside->sent = outbox;
    new_batch(inside);
    committer_send(inside->committer, outbox);
    settle_note_open(inside);
}

void settle_send(struct inside *inside)
{
    if (inside->batch_open && !inside->batch_closed)
        emit_close(inside);
    if (committer_is_away(inside->committer))
        return;
    if (inside->transaction.state != TRANSACTION_CLOSED && !settle(inside))
        return;
    if (!inside->batch_open)
        return;
    if (takeover_is_current(inside))
        send_off(inside);
    else
        undo(inside);
}

/* A stage that stops has five seconds: where one took long, the open batch is undone. */
void settle_commit(struct inside *inside)
{
    int64_t start_ms = clock_monotonic_ms();

    settle_drain(inside);
    if (atomic_load(&inside->stage->stop) && clock_monotonic_ms() - start_ms > LATE_MS)
        undo(inside);
    if (inside->code == EXIT_WELL)
        settle_send(inside);
    settle_drain(inside);
}

void settle_give_up(struct inside *inside)
{
    settle_drain(inside);
    undo(inside);
}
