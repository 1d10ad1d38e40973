/*
 * worker.c: the loop.
 *
 * rebalance -> restore -> take and fire, within one batch's budget -> send it off to be committed;
 * and while that is under way, the next batch -> land, undo or find out. Memory never runs ahead of
 * Kafka: what a batch did is pending until its transaction's commit, and lands after it (promises 4
 * and 5).
 */
#include "consumer/worker.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/kafka_statistics.h"
#include "consumer/log.h"
#include "consumer/memory_limit.h"
#include "consumer/worker_inside.h"
#include "schemas/arena.h"
#include "schemas/channel_file.h"
#include "statemachine/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    REST_MS = 50, /* longest sleep: deadlines and signals are looked at this often */
    RESTORE_WAIT_MS = 5,
    LOOK_AGAIN_MS = 1000,
    CALL_MOST_MS = 5000, /* as long as most calls of the committer's take at the very most */
    LOCKED_OUT_PATIENCE_MS = 90000, /* longer than a broker's default of the session timeout */
    LOCKED_OUT_PAUSE_MS = 1000,
    FOUNDING_MOST_MS = 300,
};

int64_t stage_now_ms(const struct stage *stage)
{
    return stage->wall_base_ms + (clock_monotonic_ms() - stage->monotonic_base_ms);
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
                 "reason=instance_unreleased worker=%d hint=\"the process before was killed, and "
                 "the group keeps its name until its session times out\"",
                 inside->worker->number);
    }
    inside->locked_out = now_ms - inside->locked_out_ms < LOCKED_OUT_PATIENCE_MS;
    return inside->locked_out;
}

/* Nothing that waits for the committer is more alive than that is. */
static void note_alive(struct inside *inside)
{
    int64_t now_ms = clock_monotonic_ms();

    if (inside->committer != NULL && committer_is_away(inside->committer) &&
        now_ms - committer_alive_ms(inside->committer) > CALL_MOST_MS)
        now_ms = committer_alive_ms(inside->committer);
    atomic_store(&inside->worker->alive_ms, now_ms);
}

void worker_serve(struct inside *inside)
{
    rd_kafka_resp_err_t fatal;
    rd_kafka_message_t *message;
    char why[256];

    note_alive(inside);
    refusal_look(inside);
    show(inside);
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
            refusal_note(inside, message->err, REFUSED_GROUP,
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
    if (inside->rebalance == REBALANCE_NONE)
        return;
    settle_drain(inside); /* what is under way uses the generation that there was */
    if (inside->rebalance == REBALANCE_REVOKE) {
        if (rd_kafka_assignment_lost(inside->consumer))
            settle_give_up(inside);
        else
            settle_commit(inside);
        inside->rebalance = REBALANCE_NONE;
        takeover_revoke(inside);
    } else {
        inside->rebalance = REBALANCE_NONE;
        atomic_store(&inside->stage->founded, true);
        takeover_assign(inside);
    }
}

static void rest(struct inside *inside)
{
    int64_t wait_ms = REST_MS;

    if (inside->batch_open && !committer_is_away(inside->committer)) {
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
    settle_commit(inside);
    if (inside->transaction.state != TRANSACTION_CLOSED || inside->batch_open ||
        inside->code != EXIT_WELL || inside->rebalance != REBALANCE_NONE)
        return;
    takeover_rewind(inside);
    refusal->looked_again = true;
}

/* While one is under way, the next goes on growing, up to its bounds. */
static bool batch_is_due(const struct inside *inside)
{
    if (committer_is_away(inside->committer))
        return inside->batch_open && !inside->batch_closed && inside->pump.budget <= 0;
    if (inside->transaction.state == TRANSACTION_VOID)
        return true; /* a producer first */
    return inside->batch_open &&
           (inside->pump.budget <= 0 || inside->batch_closed || atomic_load(&inside->stage->stop) ||
            clock_monotonic_ms() - inside->opened_ms >= inside->config->commit_interval_ms);
}

static void take_image(struct inside *inside)
{
    if (inside->snapshots != NULL && !inside->batch_open && !committer_is_away(inside->committer))
        snapshot_writer_turn(inside->snapshots, inside->holdings, inside->holding_count,
                             stage_now_ms(inside->stage));
}

/*
 * Not before a rebalance that is noted: where something was undone since, nothing is read again
 * from its place until that is over, and what comes meanwhile lies beyond a gap.
 *
 * An image is taken between two transactions, when nothing is pending: so while one is taken, no
 * batch begins before the other has landed.
 */
static bool may_take(const struct inside *inside)
{
    if (inside->rebalance != REBALANCE_NONE)
        return false;
    if (inside->batch_closed)
        return false;
    return inside->snapshots == NULL || !committer_is_away(inside->committer) ||
           !snapshot_writer_wants_rest(inside->snapshots, inside->holdings, inside->holding_count,
                                       stage_now_ms(inside->stage));
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

/*
 * The first worker founds the group, where there is none yet, and the others join what it has:
 * who comes while the founder is still being told its share makes the group begin again, and
 * librdkafka 2.0.2 waits two seconds before it does. A broker that lets a new group wait for
 * members (group.initial.rebalance.delay.ms) is not waited for: its first share is for all.
 */
static void let_the_first_join(const struct inside *inside)
{
    const struct stage *stage = inside->stage;
    int64_t since_ms = clock_monotonic_ms();

    while (inside->worker->number > 0 && !atomic_load(&stage->founded) &&
           !atomic_load(&stage->stop) && clock_monotonic_ms() - since_ms < FOUNDING_MOST_MS)
        clock_sleep_ms(1);
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
        kafka_statistics_forget(inside->consumer);
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
        inside->showing.looped_ms = clock_monotonic_ms();
        worker_serve(inside);
        if (inside->locked_out)
            join_again(inside);
        handle_rebalance(inside);
        look_again(inside);
        restoring = inside->restore.job_count > 0;
        if (restoring && inside->code == EXIT_WELL)
            takeover_poll(inside, inside->batch_open && !committer_is_away(inside->committer)
                                      ? 0
                                      : RESTORE_WAIT_MS);
        settle_look(inside);
        take_image(inside);
        inside->pump.latest_ms = stage_now_ms(inside->stage) + inside->config->skew_max_ms;
        worked = may_take(inside) && turn_round(inside);
        count_live(inside);
        if (inside->code != EXIT_WELL)
            break;
        if (batch_is_due(inside))
            settle_send(inside);
        else if (!worked && !restoring && inside->rebalance == REBALANCE_NONE)
            rest(inside);
        if (!committer_is_away(inside->committer) && inside->transaction.producer != NULL)
            rd_kafka_poll(inside->transaction.producer, 0);
    }
    if (inside->code == EXIT_WELL)
        settle_commit(inside);
    else
        settle_give_up(inside); /* what is under way would hold every reader back */
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
    const char *const topics[OUTBOX_TOPICS] = {
        [OUTBOX_OUTCOMES] = inside->config->outcomes_topic,
        [OUTBOX_DEAD_LETTERS] = inside->config->dead_letters_topic,
        [OUTBOX_STATE] = inside->stage->state_topic,
    };

    /* Each worker has tables of its own; they were checked before any worker began. */
    require(channel_files_load(config_channels(inside->config), &inside->tables, &complaints));
    buffer_release(&complaints);
    start_snapshots(inside);
    restore_init(&inside->restore, inside->config, &inside->tables, inside->stage->state_topic,
                 inside->stage->allow_table_change);
    restore_show_progress(&inside->restore, &inside->worker->restoring);
    if (inside->snapshots != NULL)
        restore_use_snapshots(&inside->restore, &inside->snapshot_place);
    transaction_init(&inside->transaction, inside->config, inside->worker->number,
                     inside->stage->random, topics, batch_bytes(&inside->stage->facts),
                     &inside->stage->stop, &inside->stage->transactions);
    inside->transaction.tell_arrivals = inside->snapshots != NULL;
    inside->pump.sink = emit_sink(inside);
    inside->pump.budget = inside->config->commit_records;
    require(pipe2(inside->wake, O_NONBLOCK | O_CLOEXEC) == 0);
    if (inside->worker->board != NULL)
        board_wake_by(inside->worker->board, inside->wake[1]);
    inside->outbox = &inside->outboxes[0];
    inside->sent = &inside->outboxes[1];
    inside->committer = committer_new(&inside->transaction, inside->wake);
    inside->client = kafka_client(inside->config);
    inside->consumer = kafka_member(inside->config, inside->worker->number, inside, on_rebalance);
    if (inside->client == NULL || inside->consumer == NULL) {
        inside->code = EXIT_WORLD;
        return false;
    }
    if (!settle(inside))
        return false;
    let_the_first_join(inside);
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
    committer_free(&inside->committer);
    transaction_release(&inside->transaction);
    outbox_release(&inside->outboxes[0]); /* the producer is gone, which had their bytes */
    outbox_release(&inside->outboxes[1]);
    if (inside->generation != NULL)
        rd_kafka_consumer_group_metadata_destroy(inside->generation);
    if (inside->rebalanced != NULL)
        rd_kafka_topic_partition_list_destroy(inside->rebalanced);
    leave_group(inside);
    if (inside->client != NULL)
        rd_kafka_destroy(inside->client);
    if (inside->worker->board != NULL)
        board_wake_by(inside->worker->board, -1);
    if (inside->wake[1] > 0) {
        close(inside->wake[0]);
        close(inside->wake[1]);
    }
    tables_release(&inside->tables);
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
