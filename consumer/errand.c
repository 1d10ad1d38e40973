/* errand.c: init, begin, put, commit; each with patience, none with a second try. */
#include "consumer/errand.h"

#include "consumer/clock.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/trouble.h"
#include "statemachine/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICE_MS = 1000,
    ABORT_MS = 5000,
    /*
     * A broker's limit holds for whole batches, and no topic's is as low as this; a larger record
     * is a batch by itself.
     */
    BATCH_BYTES = 16384,
    TIMEOUT_MS = 15000,       /* of a transaction that is given time ... */
    RECORDS_A_MS = 50,        /* ... and more of it: as slow as reading and writing can be */
    TIMEOUT_MOST_MS = 900000, /* transaction.max.timeout.ms of a broker as it comes */
};

/* The first pair: the user's own comes later, and counts. */
void errand_time_set(struct errand_time *time, const struct config *config, int64_t records)
{
    static char name[] = "transaction.timeout.ms";
    struct config_pair *pairs = memory_get((config->kafka_count + 1) * sizeof(*pairs));
    int64_t timeout_ms = TIMEOUT_MS + records / RECORDS_A_MS;

    snprintf(time->text, sizeof(time->text), "%lld",
             (long long)(timeout_ms < TIMEOUT_MOST_MS ? timeout_ms : TIMEOUT_MOST_MS));
    pairs[0] = (struct config_pair){.name = name, .value = time->text};
    if (config->kafka_count > 0)
        memcpy(pairs + 1, config->kafka, config->kafka_count * sizeof(*pairs));
    time->config = *config;
    time->config.kafka = pairs;
    time->config.kafka_count++;
}

void errand_time_release(struct errand_time *time)
{
    free(time->config.kafka);
    *time = (struct errand_time){.text = ""};
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct errand *errand = opaque;

    (void)producer;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || !errand->open ||
        atomic_load(&errand->record_error) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    snprintf(errand->failed_topic, sizeof(errand->failed_topic), "%s",
             rd_kafka_topic_name(message->rkt));
    atomic_store(&errand->record_error, message->err);
    log_error("delivery_failed", "topic=%s partition=%d record_bytes=%zu error=%s",
              errand->failed_topic, message->partition, message->len + message->key_len,
              rd_kafka_err2name(message->err));
}

static bool fail(const struct errand *errand, const char *call, rd_kafka_resp_err_t error,
                 const char *hint)
{
    const struct trouble *trouble = trouble_of(error);

    log_error(trouble == NULL ? "errand_failed" : trouble->event,
              "call=%s transactional_id=%s error=%s text=\"%s\" brokers=%s hint=\"%s\"", call,
              errand->id, rd_kafka_err2name(error), rd_kafka_err2str(error),
              kafka_brokers(errand->config), trouble == NULL ? hint : trouble->hint);
    return false;
}

#define NOTHING_DONE "nothing of this transaction has been done: run it again"

/* Takes librdkafka's answer, which it consumes. True: the same call again. */
static bool is_resumable(rd_kafka_error_t *error, int64_t start_ms, int64_t patience_ms,
                         rd_kafka_resp_err_t *code)
{
    bool again;

    *code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error == NULL)
        return false;
    *code = rd_kafka_error_code(error);
    again = rd_kafka_error_is_retriable(error) && clock_monotonic_ms() - start_ms < patience_ms;
    rd_kafka_error_destroy(error);
    return again;
}

static int64_t patience_ms(const struct errand *errand)
{
    return kafka_transaction_timeout_ms(errand->config) * 4 / 3;
}

bool errand_begin(struct errand *errand, const struct config *config, const char *transactional_id)
{
    int64_t start_ms = clock_monotonic_ms();
    rd_kafka_resp_err_t code;
    rd_kafka_error_t *error;

    *errand = (struct errand){.config = config, .id = transactional_id};
    errand->producer = kafka_producer(config, transactional_id, BATCH_BYTES, false, errand,
                                      on_delivery, kafka_tell_error);
    if (errand->producer == NULL)
        return false; /* logged: librdkafka refuses to be so */
    do {
        error = rd_kafka_init_transactions(errand->producer, SLICE_MS);
    } while (is_resumable(error, start_ms, patience_ms(errand), &code));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail(errand, "init_transactions", code, NOTHING_DONE);
    is_resumable(rd_kafka_begin_transaction(errand->producer), start_ms, 0, &code);
    errand->open = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    return errand->open || fail(errand, "begin_transaction", code, NOTHING_DONE);
}

static bool is_broken(const struct errand *errand)
{
    return atomic_load(&errand->record_error) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool errand_put(struct errand *errand, const struct errand_record *record)
{
    rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = record->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)record->key, .size = record->key_size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)record->value, .size = record->value_size}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = record->headers},
    };
    size_t count = sizeof(arguments) / sizeof(*arguments) - (record->headers == NULL);
    int64_t start_ms = clock_monotonic_ms();
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    do {
        rd_kafka_error_t *error = rd_kafka_produceva(errand->producer, arguments, count);
        if (error == NULL) {
            rd_kafka_poll(errand->producer, 0);
            return !is_broken(errand);
        }
        code = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        rd_kafka_poll(errand->producer, 10); /* a bounded queue, met politely */
    } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && !is_broken(errand) &&
             clock_monotonic_ms() - start_ms < patience_ms(errand));
    if (record->headers != NULL)
        rd_kafka_headers_destroy(record->headers);
    return fail(errand, "produce", code, NOTHING_DONE);
}

/* What a record that failed says is more than what the call says that failed for it. */
static bool fail_for_record(const struct errand *errand)
{
    rd_kafka_resp_err_t error = (rd_kafka_resp_err_t)atomic_load(&errand->record_error);

    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return fail(errand, "produce", error,
                    "nothing of this transaction has been done: a record with its new header is "
                    "larger than its topic's max.message.bytes; raise that");
    return fail(errand, "produce", error, NOTHING_DONE);
}

/* What a broker says to who is no member any more, or of a generation that is over. */
static bool is_of_generation(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

bool errand_commit(struct errand *errand, const rd_kafka_topic_partition_list_t *offsets,
                   const rd_kafka_consumer_group_metadata_t *generation)
{
    int64_t start_ms = clock_monotonic_ms();
    rd_kafka_resp_err_t code;
    rd_kafka_error_t *error;

    do {
        error = rd_kafka_send_offsets_to_transaction(errand->producer, offsets, generation,
                                                     SLICE_MS);
    } while (is_resumable(error, start_ms, patience_ms(errand), &code));
    errand->overtaken = is_of_generation(code);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return is_broken(errand) ? fail_for_record(errand)
                                 : fail(errand, "send_offsets_to_transaction", code, NOTHING_DONE);
    do {
        error = rd_kafka_commit_transaction(errand->producer, SLICE_MS);
    } while (is_resumable(error, start_ms, patience_ms(errand), &code));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        errand->open = false;
        return true;
    }
    return is_broken(errand) ? fail_for_record(errand)
                             : fail(errand, "commit_transaction", code,
                                    "whether this transaction landed is not known here: run it "
                                    "again, which begins behind it if it did");
}

/*
 * A reader of committed records waits for the end of a transaction, and a stage reads its state so.
 * Where a commit was sent whose answer is not known, librdkafka or the broker refuses this.
 */
static void abort_open(struct errand *errand)
{
    rd_kafka_error_t *error;

    errand->open = false; /* what is purged now is no news */
    error = rd_kafka_abort_transaction(errand->producer, ABORT_MS);
    if (error == NULL)
        return;
    log_debug("errand_not_aborted", "transactional_id=%s error=%s", errand->id,
              rd_kafka_error_name(error));
    rd_kafka_error_destroy(error);
}

void errand_end(struct errand *errand)
{
    if (errand->producer == NULL)
        return;
    if (errand->open)
        abort_open(errand);
    rd_kafka_purge(errand->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy_flags(errand->producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    errand->producer = NULL;
}
