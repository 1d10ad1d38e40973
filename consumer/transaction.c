/* transaction.c: finite calls until our own deadline, and a verdict on what comes of them. */
#include "consumer/transaction.h"

#include "consumer/clock.h"
#include "consumer/kafka.h"
#include "consumer/log.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    SLICE_MS = 1000,             /* one call; they are resumable */
    PATIENCE_MS = 20000,         /* longer than transaction.timeout.ms: by then it is decided */
    STOPPING_PATIENCE_MS = 3000, /* SIGTERM: out within 5 s */
};

void transaction_init(struct transaction *transaction, const struct config *config, int worker,
                      const char *random, int64_t batch_bytes, const atomic_bool *stop)
{
    *transaction = (struct transaction){.config = config, .batch_bytes = batch_bytes, .stop = stop};
    snprintf(transaction->id, sizeof(transaction->id), "%s-%s-%d", config->app_id,
             config->instance_id[0] != 0 ? config->instance_id : random, worker);
}

static void throw_away(struct transaction *transaction)
{
    if (transaction->producer == NULL)
        return;
    rd_kafka_purge(transaction->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy_flags(transaction->producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    transaction->producer = NULL;
    transaction->open = false;
}

void transaction_release(struct transaction *transaction)
{
    throw_away(transaction);
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct transaction *transaction = opaque;

    (void)producer;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
        !atomic_exchange(&transaction->delivery_failed, true))
        log_warn("delivery_failed", "topic=%s partition=%d error=%s",
                 rd_kafka_topic_name(message->rkt), message->partition,
                 rd_kafka_err2name(message->err));
}

/* Librdkafka's errors, mapped to what they mean for the transaction. */
enum meaning { MEANS_DONE, MEANS_AGAIN, MEANS_ABORT, MEANS_UNCLEAR };

static enum meaning meaning_of(rd_kafka_error_t *error)
{
    if (error == NULL)
        return MEANS_DONE;
    if (rd_kafka_error_is_fatal(error))
        return MEANS_UNCLEAR; /* fenced among them */
    if (rd_kafka_error_txn_requires_abort(error))
        return MEANS_ABORT;
    if (rd_kafka_error_is_retriable(error))
        return MEANS_AGAIN; /* _TIMED_OUT of a slice is resumable, and says so */
    return MEANS_UNCLEAR;
}

static int64_t patience(const struct transaction *transaction, int64_t start_ms)
{
    return start_ms + (atomic_load(transaction->stop) ? STOPPING_PATIENCE_MS : PATIENCE_MS);
}

/* Calls until it is done, means something else, or patience ends (unclear). Logs what it was. */
static enum meaning insist(struct transaction *transaction, const char *call,
                           rd_kafka_error_t *(*once)(struct transaction *, void *), void *context)
{
    int64_t start_ms = clock_monotonic_ms();

    for (;;) {
        rd_kafka_error_t *error = once(transaction, context);
        enum meaning meaning = meaning_of(error);
        bool late = clock_monotonic_ms() >= patience(transaction, start_ms);
        if (meaning == MEANS_AGAIN && late)
            meaning = MEANS_UNCLEAR;
        if (error != NULL && meaning != MEANS_AGAIN)
            log_warn("transaction_call", "call=%s transactional_id=%s error=%s text=\"%s\"", call,
                     transaction->id, rd_kafka_error_name(error), rd_kafka_error_string(error));
        if (error != NULL)
            rd_kafka_error_destroy(error);
        if (meaning != MEANS_AGAIN)
            return meaning;
    }
}

static rd_kafka_error_t *call_init(struct transaction *transaction, void *context)
{
    (void)context;
    return rd_kafka_init_transactions(transaction->producer, SLICE_MS);
}

bool transaction_renew(struct transaction *transaction, int64_t patience_ms)
{
    int64_t start_ms = clock_monotonic_ms();
    int pause_ms = 100;

    do {
        enum meaning meaning = MEANS_AGAIN;
        throw_away(transaction);
        atomic_store(&transaction->delivery_failed, false);
        transaction->producer = kafka_producer(transaction->config, transaction->id,
                                               transaction->batch_bytes, transaction, on_delivery);
        if (transaction->producer == NULL)
            return false;
        meaning = insist(transaction, "init_transactions", call_init, NULL);
        if (meaning == MEANS_DONE)
            return true;
        poll(NULL, 0, pause_ms); /* refused at once: no use in asking a thousand times a second */
        pause_ms = pause_ms < 2000 ? pause_ms * 2 : pause_ms;
    } while (!atomic_load(transaction->stop) && clock_monotonic_ms() - start_ms < patience_ms);
    return false;
}

bool transaction_begin(struct transaction *transaction)
{
    rd_kafka_error_t *error;

    if (transaction->open)
        return true;
    atomic_store(&transaction->delivery_failed, false);
    error = rd_kafka_begin_transaction(transaction->producer);
    if (error != NULL) {
        log_warn("transaction_call",
                 "call=begin_transaction transactional_id=%s error=%s text=\"%s\"", transaction->id,
                 rd_kafka_error_name(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return false;
    }
    transaction->open = true;
    return true;
}

bool transaction_produce(struct transaction *transaction, rd_kafka_topic_t *topic,
                         int32_t partition, const void *key, size_t key_size, const void *value,
                         size_t value_size, rd_kafka_headers_t *headers)
{
    int64_t start_ms = clock_monotonic_ms();
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__STATE;

    while (!atomic_load(&transaction->delivery_failed)) { /* after that it can only be aborted */
        rd_kafka_vu_t arguments[] = {
            {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_KEY,
             .u.mem = {.ptr = (void *)(uintptr_t)key, .size = key_size}},
            {.vtype = RD_KAFKA_VTYPE_VALUE,
             .u.mem = {.ptr = (void *)(uintptr_t)value, .size = value_size}},
            {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        };
        rd_kafka_error_t *refusal =
            rd_kafka_produceva(transaction->producer, arguments,
                               sizeof(arguments) / sizeof(*arguments) - (headers == NULL ? 1 : 0));
        if (refusal == NULL)
            return true;
        error = rd_kafka_error_code(refusal);
        rd_kafka_error_destroy(refusal);
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL ||
            clock_monotonic_ms() >= patience(transaction, start_ms))
            break;
        rd_kafka_poll(transaction->producer, 10); /* a bounded queue, met politely */
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    if (!atomic_exchange(&transaction->delivery_failed, true))
        log_warn("produce_refused", "topic=%s partition=%d error=%s", rd_kafka_topic_name(topic),
                 partition, rd_kafka_err2name(error));
    return false;
}

struct offsets_call {
    const rd_kafka_topic_partition_list_t *offsets;
    const rd_kafka_consumer_group_metadata_t *generation;
};

static rd_kafka_error_t *call_offsets(struct transaction *transaction, void *context)
{
    const struct offsets_call *call = context;

    return rd_kafka_send_offsets_to_transaction(transaction->producer, call->offsets,
                                                call->generation, SLICE_MS);
}

static rd_kafka_error_t *call_commit(struct transaction *transaction, void *context)
{
    (void)context;
    return rd_kafka_commit_transaction(transaction->producer, SLICE_MS);
}

static rd_kafka_error_t *call_abort(struct transaction *transaction, void *context)
{
    (void)context;
    return rd_kafka_abort_transaction(transaction->producer, SLICE_MS);
}

enum verdict_of_commit transaction_abort(struct transaction *transaction)
{
    if (!transaction->open)
        return COMMIT_UNDONE;
    transaction->open = false;
    return insist(transaction, "abort_transaction", call_abort, NULL) == MEANS_DONE
               ? COMMIT_UNDONE
               : COMMIT_UNCLEAR;
}

enum verdict_of_commit transaction_commit(struct transaction *transaction,
                                          const rd_kafka_topic_partition_list_t *offsets,
                                          const rd_kafka_consumer_group_metadata_t *generation)
{
    struct offsets_call call = {.offsets = offsets, .generation = generation};
    enum meaning meaning;

    if (atomic_load(&transaction->delivery_failed))
        return transaction_abort(transaction);
    meaning = insist(transaction, "send_offsets_to_transaction", call_offsets, &call);
    if (meaning == MEANS_DONE)
        meaning = insist(transaction, "commit_transaction", call_commit, NULL);
    if (meaning == MEANS_ABORT)
        return transaction_abort(transaction);
    transaction->open = false;
    return meaning == MEANS_DONE ? COMMIT_LANDED : COMMIT_UNCLEAR;
}
