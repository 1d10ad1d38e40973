/*
 * worker.c: the loop.
 *
 * rebalance -> restore -> take and fire, within one transaction's budget -> commit -> land, undo
 * or find out. Memory never runs ahead of Kafka: what a transaction did is pending until its
 * commit, and lands after it (promises 4 and 5).
 */
#include "consumer/worker.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/memory_limit.h"
#include "consumer/summary.h"
#include "consumer/trouble.h"
#include "consumer/worker_inside.h"
#include "schemas/arena.h"
#include "schemas/channel_file.h"
#include "statemachine/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SLICE = 2000, /* records of one task before the next one's turn */
    REST_MS = 50, /* longest sleep: deadlines and signals are looked at this often */
    RESTORE_WAIT_MS = 5,
    TOO_LARGE_TRIES = 3,
    REFUSED_FOR_MS = 5000,
    LOOK_AGAIN_MS = 1000,
    ASK_MS = 5000,
    QUICK_ASK_MS = 500,
    LOCKED_OUT_PATIENCE_MS = 90000, /* longer than a broker's default of the session timeout */
    LOCKED_OUT_PAUSE_MS = 1000,
};

int64_t stage_now_ms(const struct stage *stage)
{
    return stage->wall_base_ms + (clock_monotonic_ms() - stage->monotonic_base_ms);
}

/* ---- what no patience cures ------------------------------------------------------------- */

/* All partitions and all workers meet the same; one line is enough. */
static void end_for(struct inside *inside, const struct refusal *refusal)
{
    static const char *const operations[] = {
        [REFUSED_READ] = "Read", [REFUSED_WRITE] = "Write", [REFUSED_GROUP] = "Join"};

    inside->code = EXIT_WORLD;
    log_seldom(LOG_ERROR_LEVEL, refusal->trouble->event, refusal->trouble->hint,
               "app=%s topic=%s partition=%d operation=%s error=%s hint=\"%s\"",
               inside->config->app_id, refusal->topic, refusal->partition,
               operations[refusal->what], rd_kafka_err2name(refusal->error),
               refusal->trouble->hint);
}

void worker_note(struct inside *inside, rd_kafka_resp_err_t error, enum refused what,
                 const char *topic, int32_t partition)
{
    struct refusal refusal = {.trouble = trouble_of(error),
                              .error = error,
                              .what = what,
                              .partition = partition,
                              .since_ms = clock_monotonic_ms()};

    if (refusal.trouble == NULL || inside->code != EXIT_WELL)
        return;
    snprintf(refusal.topic, sizeof(refusal.topic), "%s", topic);
    if (!refusal.trouble->may_pass)
        end_for(inside, &refusal);
    else if (inside->refusal.trouble == NULL)
        inside->refusal = refusal;
}

void worker_granted(struct inside *inside, enum refused what, const char *topic, int32_t partition)
{
    const struct refusal *refusal = &inside->refusal;

    if (refusal->trouble == NULL || refusal->what != what)
        return;
    if (what == REFUSED_READ &&
        (refusal->partition != partition || strcmp(refusal->topic, topic) != 0))
        return;
    inside->refusal.trouble = NULL;
}

static void look_at_refusal(struct inside *inside)
{
    if (inside->refusal.trouble != NULL && inside->code == EXIT_WELL &&
        clock_monotonic_ms() - inside->refusal.since_ms >= REFUSED_FOR_MS)
        end_for(inside, &inside->refusal);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* A queue's error message: the end of the partition, or something that went wrong. */
static void take_notice(struct inside *inside, struct holding *holding, struct inlet *inlet,
                        const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (message->offset > inlet->next)
            inlet->next = message->offset; /* markers at the end are behind us, too */
        inlet->at_end = true;
        if (inlet->quiet_since_ms == 0)
            inlet->quiet_since_ms = clock_monotonic_ms();
        worker_granted(inside, REFUSED_READ, inlet->topic, holding->lane.partition);
        return;
    }
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        int64_t low = -1, high = -1;
        kafka_ask_ends(inside->client, inlet->topic, holding->lane.partition, &low, &high, ASK_MS);
        log_error("records_gone",
                  "topic=%s partition=%d wanted=%" PRId64 " first=%" PRId64 " end=%" PRId64
                  " gone=%" PRId64 " hint=\"retention took records that were never "
                  "read; set the group's offset to %" PRId64 " to go on without them\"",
                  inlet->topic, holding->lane.partition, inlet->next, low, high,
                  low > inlet->next ? low - inlet->next : 0, low);
        inside->code = EXIT_WORLD;
        return;
    }
    worker_note(inside, message->err, REFUSED_READ, inlet->topic, holding->lane.partition);
    log_seldom(LOG_WARN_LEVEL, "read_error", inlet->topic,
               "topic=%s partition=%d error=%s text=\"%s\"", inlet->topic, holding->lane.partition,
               rd_kafka_err2name(message->err), rd_kafka_message_errstr(message));
}

/* The next record, NULL where none is here. */
static const rd_kafka_message_t *head(struct inside *inside, struct holding *holding,
                                      struct inlet *inlet)
{
    for (;;) {
        rd_kafka_message_t *message;
        if (inlet->at == inlet->count) {
            ssize_t count =
                rd_kafka_consume_batch_queue(inlet->queue, 0, inlet->batch, INLET_BATCH);
            inlet->at = 0;
            inlet->count = count > 0 ? (size_t)count : 0;
            if (inlet->count == 0)
                return NULL;
        }
        message = inlet->batch[inlet->at];
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset >= inlet->next) {
            inlet->at_end = false;
            worker_granted(inside, REFUSED_READ, inlet->topic, holding->lane.partition);
            return message;
        }
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            take_notice(inside, holding, inlet, message);
        rd_kafka_message_destroy(message); /* an offset below is a fetch from before a rewind */
        inlet->at++;
    }
}

/* Which input is next; waiting is timed here, decided in merge.c. */
static int choose(struct inside *inside, struct holding *holding)
{
    struct merge_input inputs[INPUTS_MAX]; /* only inlet_count of them are ever looked at */
    int64_t now_ms = 0;
    bool other = false;
    int chosen;

    for (size_t i = 0; i < holding->inlet_count; i++) {
        struct inlet *inlet = &holding->inlets[i];
        const rd_kafka_message_t *message = head(inside, holding, inlet);
        inputs[i] = (struct merge_input){.state = inlet->at_end ? MERGE_END : MERGE_UNKNOWN};
        if (message != NULL) {
            inputs[i].state = MERGE_HEAD;
            inputs[i].timestamp_ms = kafka_timestamp(message, &holding->lane.task.watermark, i);
            if (inputs[i].timestamp_ms > inside->pump.latest_ms)
                inputs[i].timestamp_ms =
                    TIME_NONE; /* a dead letter: it may not block those behind */
            inlet->wait_since_ms = 0;
            other = true;
        }
    }
    for (size_t i = 0; i < holding->inlet_count; i++) {
        struct inlet *inlet = &holding->inlets[i];
        if (inputs[i].state != MERGE_UNKNOWN || !other)
            continue;
        now_ms = now_ms == 0 ? clock_monotonic_ms() : now_ms;
        if (inlet->wait_since_ms == 0)
            inlet->wait_since_ms = now_ms;
        inputs[i].waited_out = now_ms - inlet->wait_since_ms >= inside->config->input_wait_max_ms;
    }
    chosen = merge_choose(inputs, holding->inlet_count);
    for (size_t i = 0; i < holding->inlet_count && chosen >= 0; i++)
        if (inputs[i].waited_out && holding->inlets[i].wait_since_ms > 0) {
            log_warn("input_waited_out",
                     "topic=%s partition=%d waited_ms=%lld hint=\"its broker "
                     "does not answer; going on without it\"",
                     holding->inlets[i].topic, holding->lane.partition,
                     (long long)inside->config->input_wait_max_ms);
            atomic_fetch_add(&inside->stage->inputs_waited_out, 1);
            holding->inlets[i].wait_since_ms = -inside->config->input_wait_max_ms; /* told once */
        }
    return chosen;
}

/* ---- partitioners ----------------------------------------------------------------------- */

struct right_partition {
    enum partitioner partitioner;
    int32_t partition, partitions;
};

static bool partition_is_right(const uint8_t *key, size_t size, void *context)
{
    const struct right_partition *right = context;

    return partition_of(right->partitioner, key, size, right->partitions) == right->partition;
}

/* Once, when every input has said enough: do they agree? (DESIGN 5) */
static void compare_partitioners(struct inside *inside)
{
    const struct config_list *topics = &inside->config->input_topics;
    enum partitioner verdicts[INPUTS_MAX];

    if (inside->partitioners_told)
        return;
    for (size_t i = 0; i < topics->count; i++)
        if (inside->partitionings[i].samples < PARTITIONING_SAMPLES)
            return;
    inside->partitioners_told = true;
    for (size_t i = 0; i < topics->count; i++) {
        verdicts[i] = partitioning_verdict(&inside->partitionings[i]);
        log_info("partitioner", "topic=%s explained_by=%s samples=%u", topics->items[i],
                 verdicts[i] == PARTITIONER_AUTO ? "none" : partitioner_words[verdicts[i]],
                 inside->partitionings[i].samples);
        if (verdicts[i] != verdicts[0])
            log_error("partitioners_differ",
                      "topic=%s partitioner=%s other=%s other_partitioner=%s "
                      "hint=\"sends and receipts of a message lie in different partitions and will "
                      "never meet: give all producers the same partitioner\"",
                      topics->items[i], partitioner_words[verdicts[i]], topics->items[0],
                      partitioner_words[verdicts[0]]);
    }
}

/* ---- one task's turn -------------------------------------------------------------------- */

static void decode(struct inside *inside, struct holding *holding, size_t input,
                   const rd_kafka_message_t *message, struct event_buffer *buffer,
                   struct incoming *incoming)
{
    struct right_partition right = {
        .partitioner = (enum partitioner)inside->config->partitioner,
        .partition = holding->lane.partition,
        .partitions = inside->stage->facts.partitions,
    };
    struct envelope_facts facts = {
        .key = message->key,
        .key_size = message->key_len,
        .timestamp_ms = kafka_timestamp(message, &holding->lane.task.watermark, input),
        .topic = holding->inlets[input].topic_text,
        .offset = message->offset,
        .partition_is_right = right.partitioner == PARTITIONER_AUTO ? NULL : partition_is_right,
        .context = &right,
    };

    incoming->input = input;
    incoming->timestamp_ms = facts.timestamp_ms;
    incoming->origin = message;
    incoming->reason =
        event_decode(&inside->tables, message->payload, message->len,
                     (size_t)inside->config->event_max_bytes, &facts, buffer, &incoming->event);
    incoming->detail = buffer->detail;
}

/* One record, if there is one and the budget allows it. */
static bool take_one(struct inside *inside, struct holding *holding)
{
    int input = choose(inside, holding);
    struct event_buffer buffer;
    struct incoming incoming;
    struct inlet *inlet;
    rd_kafka_message_t *message;

    if (input < 0)
        return false;
    inlet = &holding->inlets[input];
    message = inlet->batch[inlet->at];
    if (!emit_touch(inside, holding))
        return false; /* the transaction is void: the loop settles it first */
    decode(inside, holding, (size_t)input, message, &buffer, &incoming);
    if (!pump_take(&inside->pump, &holding->lane, &incoming))
        return false; /* deadlines used the budget up: the record waits for the next one */
    if (!inside->partitioners_told) {
        partitioning_sample(&inside->partitionings[input], message->key, message->key_len,
                            holding->lane.partition, inside->stage->facts.partitions);
        compare_partitioners(inside);
    }
    inlet->next = message->offset + 1;
    inlet->taken++;
    if (!incoming_is_skewed(&inside->pump, &incoming)) {
        inlet->quiet_since_ms = 0; /* a skewed record is no word about time: as if it were silent */
        inlet->end_asked_ms = 0;
    }
    inlet->at++;
    rd_kafka_message_destroy(message);
    return true;
}

/*
 * Is there really nothing more? The end that a fetch has told may be old, when a broker no longer
 * answers or this process slept: so the end is asked for anew, now and then. Beyond the last stable
 * offset there may be an open transaction's records: not idle. One unanswered question at a time
 * delays the worker, and no other is asked for a while.
 */
static bool really_at_end(struct inside *inside, const struct holding *holding, struct inlet *inlet,
                          int64_t now_ms)
{
    int64_t low, high, every_ms = inside->config->idle_after_ms / 2;

    if (inlet->end_asked_ms != 0 && now_ms - inlet->end_asked_ms < every_ms)
        return inlet->end_was_real;
    if (now_ms < inside->ask_again_ms)
        return false;
    inlet->end_was_real = false;
    if (kafka_ask_ends(inside->client, inlet->topic, holding->lane.partition, &low, &high,
                       QUICK_ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        inside->ask_again_ms = now_ms + ASK_MS;
        return false;
    }
    inlet->end_asked_ms = now_ms;
    inlet->end_was_real = high <= inlet->next;
    return inlet->end_was_real;
}

/* An input at its end that has been silent for idle.after no longer holds time back. */
static bool resting(struct inside *inside, const struct holding *holding, struct inlet *inlet,
                    int64_t now_ms)
{
    if (!inlet->at_end || inlet->at < inlet->count)
        return false;
    if (inlet->quiet_since_ms == 0)
        inlet->quiet_since_ms = now_ms;
    if (now_ms - inlet->quiet_since_ms < inside->config->idle_after_ms)
        return false;
    return really_at_end(inside, holding, inlet, now_ms);
}

/* Time passes where no record moves it. True when deadlines fired. */
static bool let_time_pass(struct inside *inside, struct holding *holding)
{
    struct watermark *watermark = &holding->lane.task.watermark;
    int64_t now_ms = clock_monotonic_ms();
    int64_t until_ms;

    for (size_t i = 0; i < holding->inlet_count; i++)
        watermark_rest(watermark, i, resting(inside, holding, &holding->inlets[i], now_ms));
    until_ms = watermark_all_rest(watermark)
                   ? stage_now_ms(inside->stage) - inside->config->idle_after_ms
                   : watermark_target(watermark);
    if (!lane_is_due(&holding->lane, until_ms)) {
        watermark_reach(watermark, until_ms);
        return false;
    }
    if (!emit_touch(inside, holding))
        return false; /* the transaction is void: the loop settles it first */
    pump_fire(&inside->pump, &holding->lane, until_ms);
    return true;
}

static bool work(struct inside *inside, struct holding *holding)
{
    bool worked = false;

    for (int i = 0; i < SLICE && inside->pump.budget > 0 && inside->code == EXIT_WELL; i++) {
        if (!take_one(inside, holding))
            break;
        worked = true;
    }
    if (inside->pump.budget > 0 && inside->code == EXIT_WELL)
        worked = let_time_pass(inside, holding) || worked;
    return worked;
}

/* Every task has its turn; where the budget ends, the next round begins. */
static bool work_round(struct inside *inside)
{
    size_t count = inside->holding_count, first = inside->turn;
    bool worked = false;

    for (size_t n = 0; n < count && inside->code == EXIT_WELL; n++) {
        struct holding *holding = inside->holdings[(first + n) % count];
        if (!holding->running)
            continue;
        if (inside->pump.budget <= 0)
            break;
        worked = work(inside, holding) || worked;
        inside->turn = (first + n + 1) % count;
    }
    return worked;
}

/* ---- the end of a transaction ----------------------------------------------------------- */

static void land(struct inside *inside)
{
    struct stage *stage = inside->stage;
    struct tally *now = &inside->pump.tally, *before = &inside->landed;

    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->touched)
            holding_land(inside->holdings[i]);
    tally_require_whole(now);
    atomic_fetch_add(&stage->records, (long long)(now->records - before->records));
    atomic_fetch_add(&stage->outcomes, (long long)(tally_outcomes(now) - tally_outcomes(before)));
    atomic_fetch_add(&stage->corrections, (long long)(now->corrections - before->corrections));
    atomic_fetch_add(&stage->dead_letters,
                     (long long)(tally_dead_letters(now) - tally_dead_letters(before)));
    *before = *now;
}

static void undo(struct inside *inside)
{
    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->touched)
            holding_undo(inside->holdings[i]);
    inside->pump.tally = inside->landed;
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
        if (!holding->touched)
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
    transaction_wish(&inside->transaction, landed ? WISH_OURS : WISH_NOT_OURS);
}

/* For the watcher: does this worker leave anything behind if the process ends now? */
static void note_open(struct inside *inside)
{
    enum transaction_state state = inside->transaction.state;
    bool open = state != TRANSACTION_CLOSED && state != TRANSACTION_VOID;

    if (open != inside->counted_open)
        atomic_fetch_add(&inside->stage->open_transactions, open ? 1 : -1);
    inside->counted_open = open;
}

static void settle_landed(struct inside *inside)
{
    land(inside);
    inside->too_large = 0;
    worker_granted(inside, REFUSED_WRITE, NULL, 0);
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
    worker_note(inside, error, REFUSED_WRITE, refused[0] == 0 ? failed->topic : refused, -1);
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

/* Where partitions are on their way, nothing is fetched again: who has them then starts anew. */
static void settle_undone(struct inside *inside)
{
    rd_kafka_resp_err_t error = transaction_why(&inside->transaction);

    log_seldom(LOG_WARN_LEVEL, "transaction_undone", inside->token, "worker=%d error=%s",
               inside->worker->number, rd_kafka_err2name(error));
    give_up_where_hopeless(inside, error);
    undo(inside);
    if (inside->rebalance == REBALANCE_NONE && inside->code == EXIT_WELL)
        takeover_rewind(inside);
    transaction_wish(&inside->transaction, WISH_UNDO);
}

/* What needs the world to be well again: not when this worker has to end. */
static bool settle_anew(struct inside *inside)
{
    struct transaction *transaction = &inside->transaction;

    if (inside->code != EXIT_WELL)
        return false;
    if (atomic_load(&inside->stage->stop)) {
        if (transaction->state != TRANSACTION_VOID)
            inside->code = EXIT_WORLD; /* no time to find out: the next start will know */
        return false;
    }
    if (transaction->state == TRANSACTION_ASKING) {
        find_out(inside);
        return true;
    }
    if (transaction->stale)
        emit_close(inside);
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
static bool settle(struct inside *inside)
{
    struct transaction *transaction = &inside->transaction;
    enum transaction_state before = transaction->state;
    bool going = true;

    while (going && transaction->state != TRANSACTION_CLOSED) {
        if (transaction->state == TRANSACTION_UNCLEAR && before != TRANSACTION_UNCLEAR)
            log_warn("transaction_unclear", "worker=%d after=%s", inside->worker->number,
                     transaction_state_words[before]);
        before = transaction->state;
        switch (transaction->state) {
        case TRANSACTION_LANDED:
            settle_landed(inside);
            break;
        case TRANSACTION_UNDONE:
            settle_undone(inside);
            break;
        case TRANSACTION_ABORTING: /* also where this worker ends: others wait for the end of it */
            if (transaction->stale)
                emit_close(inside);
            transaction_step(transaction);
            break;
        case TRANSACTION_PENDING:
        case TRANSACTION_COMMITTING:
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
        case TRANSACTION_STATE_COUNT:
            require_failed("a transaction that is to be settled", __FILE__, __LINE__);
        }
        worker_serve(inside);
    }
    if (transaction->state == TRANSACTION_CLOSED && inside->outcomes == NULL)
        emit_open(inside);
    inside->pump.budget = inside->config->commit_records;
    note_open(inside);
    return transaction->state == TRANSACTION_CLOSED && inside->code == EXIT_WELL;
}

static void commit(struct inside *inside)
{
    if (inside->transaction.state == TRANSACTION_OPEN) {
        if (takeover_is_current(inside))
            emit_commit(inside);
        else
            transaction_wish(&inside->transaction, WISH_ABORT);
    }
    settle(inside);
}

/* The partitions are lost: whatever is open belongs to nobody. */
static void give_up(struct inside *inside)
{
    if (inside->transaction.state == TRANSACTION_OPEN)
        transaction_wish(&inside->transaction, WISH_ABORT);
    settle(inside);
}

/* ---- the loop --------------------------------------------------------------------------- */

/*
 * With group.protocol=consumer a static member that was killed keeps its name until its session has
 * timed out; the broker refuses its successor meanwhile, and librdkafka takes that for the end. So
 * the member is made anew until the name is free, or somebody who is alive evidently has it.
 */
static bool name_is_taken(struct inside *inside, rd_kafka_resp_err_t error)
{
    enum { UNRELEASED_INSTANCE_ID = 111 }; /* not in the headers of 2.0.2 */
    int64_t now_ms = clock_monotonic_ms();

    if ((int)error != UNRELEASED_INSTANCE_ID || inside->generation != NULL)
        return false; /* who once was a member was replaced */
    if (inside->locked_out_ms == 0) {
        inside->locked_out_ms = now_ms;
        log_warn("waiting",
                 "event=instance_unreleased worker=%d hint=\"the process before was killed, and "
                 "the group keeps its name until its session times out\"",
                 inside->worker->number);
    }
    inside->locked_out = now_ms - inside->locked_out_ms < LOCKED_OUT_PATIENCE_MS;
    return inside->locked_out;
}

void worker_serve(struct inside *inside)
{
    rd_kafka_resp_err_t fatal;
    rd_kafka_message_t *message;
    char why[256];

    atomic_store(&inside->worker->alive_ms, clock_monotonic_ms());
    look_at_refusal(inside);
    while ((message = rd_kafka_consumer_poll(inside->consumer, 0)) != NULL) {
        fatal = rd_kafka_fatal_error(inside->consumer, why, sizeof(why));
        if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR && name_is_taken(inside, fatal)) {
            rd_kafka_message_destroy(message);
            break;
        }
        if (message->err == RD_KAFKA_RESP_ERR__FATAL || fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
            log_error("consumer_fatal",
                      "worker=%d text=\"%s\" hint=\"is there another process "
                      "with the same instance.id?\"",
                      inside->worker->number, rd_kafka_message_errstr(message));
            inside->code = EXIT_WORLD;
        } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            worker_note(inside, message->err, REFUSED_GROUP,
                        message->rkt == NULL ? "-" : rd_kafka_topic_name(message->rkt),
                        message->partition);
            log_seldom(LOG_WARN_LEVEL, "consumer_error", rd_kafka_err2name(message->err),
                       "worker=%d error=%s text=\"%s\"", inside->worker->number,
                       rd_kafka_err2name(message->err), rd_kafka_message_errstr(message));
        }
        rd_kafka_message_destroy(message);
        if (inside->rebalance != REBALANCE_NONE)
            break;
    }
}

static void handle_rebalance(struct inside *inside)
{
    enum rebalance rebalance = inside->rebalance;

    if (rebalance == REBALANCE_NONE)
        return;
    if (rebalance == REBALANCE_REVOKE) {
        if (rd_kafka_assignment_lost(inside->consumer))
            give_up(inside);
        else
            commit(inside);
        inside->rebalance = REBALANCE_NONE;
        takeover_revoke(inside);
    } else {
        inside->rebalance = REBALANCE_NONE;
        takeover_assign(inside);
    }
}

static void rest(struct inside *inside)
{
    int64_t wait_ms = REST_MS;

    if (inside->transaction.state == TRANSACTION_OPEN) {
        int64_t left_ms =
            inside->opened_ms + inside->config->commit_interval_ms - clock_monotonic_ms();
        wait_ms = left_ms < 0 ? 0 : left_ms < REST_MS ? left_ms : REST_MS;
    }
    clock_wait(inside->wake[0], wait_ms);
}

/*
 * Counts what all tasks hold, those under restore and those kept through a rebalance included. At
 * the limit the worker ends without its open transaction, so what has landed fits again at the next
 * start; where it does not (another's partitions came, records.max was lowered), the restore meets
 * the same line. A task that is restored first goes on meanwhile, and may land some more.
 */
static void count_live(struct inside *inside)
{
    struct stage *stage = inside->stage;
    long long live = 0, all;

    for (size_t i = 0; i < inside->holding_count; i++)
        live += (long long)store_count(inside->holdings[i]->lane.task.store);
    all = atomic_fetch_add(&stage->live, live - inside->live) + live - inside->live;
    inside->live = live;
    if (stage->records_max == 0 || all <= stage->records_max || inside->code != EXIT_WELL)
        return;
    inside->code = EXIT_WORLD;
    log_seldom(LOG_ERROR_LEVEL, "records_full", inside->config->app_id,
               "live=%lld records.max=%lld resident_mib=%lld memory_mib=%lld restoring=%zu "
               "hint=\"give this process more memory, or records.max more of it; or share the "
               "partitions among more processes; or shorten the channels' retention and waiting "
               "times. Nothing is lost, and a start as it is will end here again\"",
               all, (long long)stage->records_max, (long long)memory_resident("") >> 20,
               (long long)stage->memory_max >> 20, inside->restore.job_count);
}

/*
 * A fetch that is refused is told once, and an idle partition does not tell when it is granted: so
 * it is read anew, from where it was, between two transactions.
 */
static void look_again(struct inside *inside)
{
    struct refusal *refusal = &inside->refusal;

    if (refusal->trouble == NULL || refusal->what != REFUSED_READ || refusal->looked_again ||
        clock_monotonic_ms() - refusal->since_ms < LOOK_AGAIN_MS)
        return;
    commit(inside);
    if (inside->transaction.state != TRANSACTION_CLOSED || inside->code != EXIT_WELL ||
        inside->rebalance != REBALANCE_NONE)
        return;
    takeover_rewind(inside);
    refusal->looked_again = true;
}

static bool commit_is_due(const struct inside *inside)
{
    if (inside->transaction.state != TRANSACTION_OPEN)
        return inside->transaction.state == TRANSACTION_VOID; /* it could not be opened */
    return inside->pump.budget <= 0 || atomic_load(&inside->stage->stop) ||
           transaction_is_broken(&inside->transaction) ||
           clock_monotonic_ms() - inside->opened_ms >= inside->config->commit_interval_ms;
}

static bool subscribe(struct inside *inside)
{
    const struct config_list *topics = &inside->config->input_topics;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)topics->count);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < topics->count; i++)
        rd_kafka_topic_partition_list_add(list, topics->items[i], RD_KAFKA_PARTITION_UA);
    error = rd_kafka_subscribe(inside->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_error("subscribe_failed", "error=%s", rd_kafka_err2name(error));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool join_group(struct inside *inside)
{
    static const uint64_t one = 1;

    inside->events = rd_kafka_queue_get_consumer(inside->consumer);
    rd_kafka_queue_io_event_enable(inside->events, inside->wake[1], &one, sizeof(one));
    return subscribe(inside);
}

static void leave_group(struct inside *inside)
{
    if (inside->events != NULL) {
        rd_kafka_queue_io_event_enable(inside->events, -1, NULL, 0);
        rd_kafka_queue_destroy(inside->events);
        inside->events = NULL;
    }
    if (inside->consumer != NULL) {
        rd_kafka_consumer_close(inside->consumer); /* a dynamic member leaves; a static one stays */
        rd_kafka_destroy(inside->consumer);
        inside->consumer = NULL;
    }
}

static void join_again(struct inside *inside)
{
    inside->locked_out = false;
    leave_group(inside);
    clock_sleep_ms(LOCKED_OUT_PAUSE_MS);
    inside->consumer = kafka_member(inside->config, inside->worker->number, inside, on_rebalance);
    if (inside->consumer == NULL || !join_group(inside))
        inside->code = EXIT_WORLD;
}

static void loop(struct inside *inside)
{
    while (inside->code == EXIT_WELL && !atomic_load(&inside->stage->stop)) {
        bool worked, restoring;
        worker_serve(inside);
        if (inside->locked_out)
            join_again(inside);
        handle_rebalance(inside);
        look_again(inside);
        restoring = inside->restore.job_count > 0;
        if (restoring && inside->code == EXIT_WELL)
            takeover_poll(inside,
                          inside->transaction.state == TRANSACTION_OPEN ? 0 : RESTORE_WAIT_MS);
        inside->pump.latest_ms = stage_now_ms(inside->stage) + inside->config->skew_max_ms;
        worked = work_round(inside);
        note_open(inside);
        count_live(inside);
        if (inside->code != EXIT_WELL)
            break;
        if (commit_is_due(inside))
            commit(inside);
        else if (!worked && !restoring)
            rest(inside);
        if (inside->transaction.producer != NULL)
            rd_kafka_poll(inside->transaction.producer, 0);
        if (inside->snapshots != NULL && inside->transaction.state == TRANSACTION_CLOSED)
            snapshot_writer_turn(inside->snapshots, inside->holdings, inside->holding_count,
                                 stage_now_ms(inside->stage));
    }
    if (inside->code == EXIT_WELL)
        commit(inside);
    else
        give_up(inside); /* left open, it would hold every reader back */
}

/* ---- life of a worker ------------------------------------------------------------------- */

static int64_t batch_bytes(const struct topics_facts *facts)
{
    enum { BATCH_BYTES = 1000000, BATCH_FRAME = 1024 };

    return facts->output_max_bytes - BATCH_FRAME < BATCH_BYTES
               ? facts->output_max_bytes - BATCH_FRAME
               : BATCH_BYTES;
}

static void start_snapshots(struct inside *inside)
{
    const struct stage *stage = inside->stage;

    if (inside->config->state_dir[0] == 0)
        return;
    inside->snapshot_place = (struct snapshot_place){
        .dir = inside->config->state_dir,
        .app_id = inside->config->app_id,
        .state_topic = stage->state_topic,
        .cluster = stage->facts.cluster,
        .partitions = stage->facts.partitions,
        .most_age_ms = stage->facts.tombstones_ms / 2,
        .tables = &inside->tables,
    };
    inside->snapshots = snapshot_writer_new(&inside->snapshot_place, inside->token,
                                            inside->config->snapshot_interval_ms);
}

static bool start(struct inside *inside)
{
    struct buffer complaints = {0};
    const char *channels =
        inside->config->channels_dir[0] == 0 ? NULL : inside->config->channels_dir;

    /* Each worker has tables of its own; they were checked before any worker began. */
    require(channel_files_load(channels, &inside->tables, &complaints));
    buffer_release(&complaints);
    start_snapshots(inside);
    restore_init(&inside->restore, inside->config, &inside->tables, inside->stage->state_topic,
                 inside->stage->allow_table_change);
    restore_show_progress(&inside->restore, &inside->worker->restoring);
    if (inside->snapshots != NULL)
        restore_use_snapshots(&inside->restore, &inside->snapshot_place);
    transaction_init(&inside->transaction, inside->config, inside->worker->number,
                     inside->stage->random, batch_bytes(&inside->stage->facts),
                     &inside->stage->stop, &inside->stage->transactions);
    if (inside->snapshots != NULL) {
        inside->transaction.arrived = emit_arrived;
        inside->transaction.context = inside;
    }
    inside->pump.sink = emit_sink(inside);
    inside->pump.budget = inside->config->commit_records;
    require(pipe2(inside->wake, O_NONBLOCK | O_CLOEXEC) == 0);
    inside->client = kafka_client(inside->config);
    inside->consumer = kafka_member(inside->config, inside->worker->number, inside, on_rebalance);
    if (inside->client == NULL || inside->consumer == NULL) {
        inside->code = EXIT_WORLD;
        return false;
    }
    if (!settle(inside))
        return false;
    if (!join_group(inside))
        inside->code = EXIT_WORLD;
    return inside->code == EXIT_WELL;
}

static void finish(struct inside *inside)
{
    inside->closing = true;
    snapshot_writer_free(&inside->snapshots);
    for (size_t i = 0; i < inside->holding_count; i++) {
        restore_drop(&inside->restore, &inside->holdings[i]->restoring);
        holding_free(&inside->holdings[i]);
    }
    free(inside->holdings);
    restore_release(&inside->restore);
    emit_close(inside);
    transaction_release(&inside->transaction);
    if (inside->generation != NULL)
        rd_kafka_consumer_group_metadata_destroy(inside->generation);
    if (inside->rebalanced != NULL)
        rd_kafka_topic_partition_list_destroy(inside->rebalanced);
    leave_group(inside);
    if (inside->client != NULL)
        rd_kafka_destroy(inside->client);
    if (inside->wake[1] > 0) {
        close(inside->wake[0]);
        close(inside->wake[1]);
    }
    tables_release(&inside->tables);
    buffer_release(&inside->key);
    buffer_release(&inside->value);
    buffer_release(&inside->header_store);
    arena_release();
}

void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct inside *inside = memory_get(sizeof(*inside));

    *inside = (struct inside){
        .worker = worker,
        .stage = worker->stage,
        .config = worker->stage->config,
        .seed = hash_seed(),
        .code = EXIT_WELL,
    };
    snprintf(inside->token, sizeof(inside->token), "%s-%d", worker->stage->random, worker->number);
    if (start(inside)) {
        log_info("worker_started", "worker=%d transactional_id=%s", worker->number,
                 inside->transaction.id);
        loop(inside);
    }
    if (inside->code != EXIT_WELL) {
        int best = EXIT_WELL;
        atomic_compare_exchange_strong(&worker->stage->code, &best, inside->code);
        atomic_store(&worker->stage->stop, true); /* one worker down: the process stops, whole */
    }
    finish(inside);
    log_info("worker_stopped", "worker=%d code=%d", worker->number, inside->code);
    free(inside);
    atomic_store(&worker->finished, true);
    return NULL;
}
