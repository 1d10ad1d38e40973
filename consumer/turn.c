/*
 * turn.c: one task's turn: which record is next, what it says, what falls due.
 *
 * Merging is decided in merge.c and applying in pump.c; here are the queues, the clock and the
 * questions to brokers that these two must not know.
 */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/worker_inside.h"

#include <inttypes.h>

enum {
    SLICE = 2000, /* records of one task before the next one's turn */
    ASK_MS = 5000,
    QUICK_ASK_MS = 500,
};

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
        refusal_over(inside, REFUSED_READ, inlet->topic, holding->lane.partition);
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
    refusal_note(inside, message->err, REFUSED_READ, inlet->topic, holding->lane.partition);
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
            inlet->at = inlet->decoded_from = inlet->decoded_to = 0;
            inlet->count = count > 0 ? (size_t)count : 0;
            if (inlet->count == 0)
                return NULL;
        }
        message = inlet->batch[inlet->at];
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset >= inlet->next) {
            inlet->at_end = false;
            refusal_over(inside, REFUSED_READ, inlet->topic, holding->lane.partition);
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

/* Once, when every input has said enough: do they agree? (DESIGN 5) */
static void compare_partitioners(struct inside *inside)
{
    const struct config_list *topics = &inside->config->input_topics;
    enum partitioner verdicts[INPUTS_MAX];
    bool differ = false;

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
        differ = differ || verdicts[i] != verdicts[0];
        if (verdicts[i] != verdicts[0])
            log_error("partitioners_differ",
                      "topic=%s partitioner=%s other=%s other_partitioner=%s "
                      "hint=\"sends and receipts of a message lie in different partitions and will "
                      "never meet: give all producers the same partitioner\"",
                      topics->items[i], partitioner_words[verdicts[i]], topics->items[0],
                      partitioner_words[verdicts[0]]);
    }
    atomic_store(&inside->stage->partitioners_differ, differ);
    atomic_store(&inside->stage->partitioner_seen, differ ? PARTITIONER_AUTO : (int)verdicts[0]);
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
    struct envelope_facts facts =
        kafka_facts(message, holding->inlets[input].topic_text,
                    kafka_timestamp(message, &holding->lane.task.watermark, input), &right);

    incoming->input = input;
    incoming->timestamp_ms = facts.timestamp_ms;
    incoming->origin = message;
    incoming->reason =
        event_decode(&inside->tables, message->payload, message->len,
                     (size_t)inside->config->event_max_bytes, &facts, buffer, &incoming->event);
    incoming->detail = buffer->detail;
}

static bool has_timestamp(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;

    return rd_kafka_message_timestamp(message, &type) >= 0 &&
           type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
}

/*
 * Decodes the head and those behind it, and asks the memory for the records that they are about:
 * while it looks for one, it finds the others. A record without a timestamp is given that of the
 * one before it, so it is not decoded before its turn.
 */
static void decode_run(struct inside *inside, struct holding *holding, size_t input)
{
    struct inlet *inlet = &holding->inlets[input];
    struct message_key keys[INLET_AHEAD];
    size_t count = 0;

    inlet->decoded_from = inlet->decoded_to = inlet->at;
    while (inlet->decoded_to < inlet->count && inlet->decoded_to - inlet->at < INLET_AHEAD) {
        const rd_kafka_message_t *message = inlet->batch[inlet->decoded_to];
        struct decoded *decoded = &inlet->decoded[inlet->decoded_to - inlet->at];
        if (inlet->decoded_to > inlet->at &&
            (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || !has_timestamp(message)))
            break;
        decode(inside, holding, input, message, &decoded->buffer, &decoded->incoming);
        if (decoded->incoming.reason == REASON_NONE)
            keys[count++] = (struct message_key){.id = decoded->incoming.event.id,
                                                 .channel = decoded->incoming.event.channel};
        inlet->decoded_to++;
    }
    task_expect(&holding->lane.task, keys, count);
}

/* One record, if there is one and the budget allows it. */
static bool take_one(struct inside *inside, struct holding *holding)
{
    int input = choose(inside, holding);
    const struct incoming *incoming;
    struct inlet *inlet;
    rd_kafka_message_t *message;

    if (input < 0)
        return false;
    inlet = &holding->inlets[input];
    message = inlet->batch[inlet->at];
    emit_touch(inside, holding);
    if (inlet->at >= inlet->decoded_to)
        decode_run(inside, holding, (size_t)input);
    incoming = &inlet->decoded[inlet->at - inlet->decoded_from].incoming;
    if (!pump_take(&inside->pump, &holding->lane, incoming))
        return false; /* deadlines used the budget up: the record waits for the next one */
    if (!inside->partitioners_told) {
        partitioning_sample(&inside->partitionings[input], message->key, message->key_len,
                            holding->lane.partition, inside->stage->facts.partitions);
        compare_partitioners(inside);
    }
    inlet->next = message->offset + 1;
    inlet->taken++;
    if (!incoming_is_skewed(&inside->pump, incoming)) {
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
    emit_touch(inside, holding);
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
bool turn_round(struct inside *inside)
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
