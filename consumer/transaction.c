/* transaction.c: finite calls until our own deadline, and what librdkafka's errors mean. */
#include "consumer/transaction.h"

#include "consumer/clock.h"
#include "consumer/kafka.h"
#include "consumer/kafka_statistics.h"
#include "consumer/log.h"
#include "schemas/outcome.h"
#include "statemachine/require.h"

#include <stdio.h>
#include <string.h>

enum {
    SLICE_MS = 1000,             /* one call; they are resumable */
    HURRY_MS = 20,               /* as long as a broker takes to end a transaction ... */
    HURRIES = 25,                /* ... and how often that is hoped for */
    STOPPING_PATIENCE_MS = 3000, /* SIGTERM: out within 5 s */
    PAUSE_LEAST_MS = 100,        /* between new producers, while nothing lands */
    PAUSE_MOST_MS = 2000,
    FENCED_WITHIN_MS = 60000, /* FENCED_TIMES in so long: somebody else has our id */
    PRODUCE_RUN = 256,        /* state records in one call */
};

void transaction_init(struct transaction *transaction, const struct config *config, int worker,
                      const char *random, const char *const topics[OUTBOX_TOPICS],
                      int64_t batch_bytes, const atomic_bool *stop,
                      struct transaction_counts *counts)
{
    *transaction = (struct transaction){
        .config = config,
        .batch_bytes = batch_bytes,
        .stop = stop,
        .counts = counts,
        /* By then the broker has given up on it, and what became of it is decided. */
        .patience_ms = kafka_transaction_timeout_ms(config) * 4 / 3,
        .state = TRANSACTION_VOID,
        .stale = true,
        .since_ms = clock_monotonic_ms(),
    };
    snprintf(transaction->id, sizeof(transaction->id), "%s-%s-%d", config->app_id,
             config->instance_id[0] != 0 ? config->instance_id : random, worker);
    for (size_t i = 0; i < FENCED_TIMES; i++)
        transaction->fenced_ms[i] = INT64_MIN / 2;
    for (int i = 0; i < OUTBOX_TOPICS; i++)
        transaction->topics[i] = topics[i];
    transaction->outcome_headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(transaction->outcome_headers, "upshot-schema", -1, OUTCOME_SCHEMA, -1);
    rd_kafka_header_add(transaction->outcome_headers, "content-type", -1, OUTCOME_CONTENT_TYPE, -1);
}

static void open_topics(struct transaction *transaction)
{
    for (int i = 0; i < OUTBOX_TOPICS; i++)
        transaction->handles[i] =
            rd_kafka_topic_new(transaction->producer, transaction->topics[i], NULL);
}

static void throw_away(struct transaction *transaction)
{
    if (transaction->producer == NULL)
        return;
    for (int i = 0; i < OUTBOX_TOPICS; i++)
        rd_kafka_topic_destroy(transaction->handles[i]);
    rd_kafka_purge(transaction->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    kafka_statistics_forget(transaction->producer);
    rd_kafka_destroy_flags(transaction->producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    transaction->producer = NULL;
}

void transaction_release(struct transaction *transaction)
{
    throw_away(transaction);
    if (transaction->outcome_headers != NULL)
        rd_kafka_headers_destroy(transaction->outcome_headers);
    transaction->outcome_headers = NULL;
}

/* ---- what an answer means --------------------------------------------------------------- */

static enum answer answer_of(const rd_kafka_error_t *error)
{
    if (error == NULL)
        return ANSWER_DONE;
    switch (rd_kafka_error_code(error)) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
        return ANSWER_FENCED;
    default:
        break;
    }
    if (rd_kafka_error_is_fatal(error))
        return ANSWER_FATAL;
    if (rd_kafka_error_txn_requires_abort(error))
        return ANSWER_ABORTABLE;
    if (rd_kafka_error_is_retriable(error))
        return ANSWER_RETRIABLE; /* _TIMED_OUT of a slice is resumable, and says so */
    return ANSWER_TIMED_OUT;     /* it says nothing that can be relied upon */
}

static void note_fenced(struct transaction *transaction)
{
    memmove(transaction->fenced_ms + 1, transaction->fenced_ms,
            sizeof(transaction->fenced_ms) - sizeof(*transaction->fenced_ms));
    transaction->fenced_ms[0] = clock_monotonic_ms();
}

/* A process that slept is fenced once; two that share an id fence each other without end. */
static bool is_contested(const struct transaction *transaction)
{
    return clock_monotonic_ms() - transaction->fenced_ms[FENCED_TIMES - 1] < FENCED_WITHIN_MS;
}

/* These wait for a new producer; the one that there was is not to be used again. */
static bool wants_new_producer(enum transaction_state state)
{
    return state == TRANSACTION_VOID || state == TRANSACTION_UNCLEAR ||
           state == TRANSACTION_ABORTING;
}

/* Ordinary answers are silent; what is refused again and again is told every 10 s. */
static void say(const struct transaction *transaction, const char *call,
                const rd_kafka_error_t *error)
{
    char about[700];

    snprintf(about, sizeof(about), "%s %s %s", transaction->id, call, rd_kafka_error_name(error));
    log_seldom(LOG_WARN_LEVEL, "transaction_call", about,
               "call=%s state=%s transactional_id=%s error=%s text=\"%s\"", call,
               transaction_state_words[transaction->state], transaction->id,
               rd_kafka_error_name(error), rd_kafka_error_string(error));
}

static void enter(struct transaction *transaction, enum transaction_state state)
{
    if (state != transaction->state) {
        transaction->since_ms = clock_monotonic_ms();
        transaction->before = transaction->state;
    }
    transaction->state = state;
}

static bool out_of_patience(const struct transaction *transaction)
{
    int64_t most_ms = transaction->patience_ms;

    if (atomic_load(transaction->stop) && most_ms > STOPPING_PATIENCE_MS)
        most_ms = STOPPING_PATIENCE_MS;
    return clock_monotonic_ms() - transaction->since_ms >= most_ms;
}

/* A record of the open transaction has failed: it can only be aborted. */
static bool is_broken(const struct transaction *transaction)
{
    return atomic_load(&transaction->record_error) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Takes an answer; after any but a retriable one such a state needs a new producer. */
void transaction_answer(struct transaction *transaction, enum answer answer)
{
    enum transaction_state next = transaction_after_answer(transaction->state, answer);

    atomic_fetch_add(&transaction->counts->answers[transaction->state][answer], 1);
    if (answer == ANSWER_FENCED)
        note_fenced(transaction);
    if (wants_new_producer(next) && answer != ANSWER_RETRIABLE)
        transaction->stale = true;
    enter(transaction, next);
}

/* Takes librdkafka's own answer to a call, which it consumes. */
static void take(struct transaction *transaction, const char *call, rd_kafka_error_t *error)
{
    enum answer answer = answer_of(error);

    if (answer == ANSWER_RETRIABLE && out_of_patience(transaction))
        answer = ANSWER_TIMED_OUT;
    if (answer == ANSWER_DONE && transaction->state == TRANSACTION_PENDING &&
        is_broken(transaction))
        answer = ANSWER_ABORTABLE; /* a record has failed since */
    if (error != NULL && answer != ANSWER_RETRIABLE) {
        rd_kafka_poll(transaction->producer, 0); /* which record it was may wait there to be told */
        if (wants_new_producer(transaction->state))
            transaction->init_error = rd_kafka_error_code(error);
        else if (transaction->call_error == RD_KAFKA_RESP_ERR_NO_ERROR)
            transaction->call_error = rd_kafka_error_code(error);
        say(transaction, call, error);
    }
    if (error != NULL)
        rd_kafka_error_destroy(error);
    transaction_answer(transaction, answer);
}

/* ---- producing -------------------------------------------------------------------------- */

static void record_failed(struct transaction *transaction, const char *event, const char *topic,
                          int32_t partition, size_t bytes, rd_kafka_resp_err_t error)
{
    int none = RD_KAFKA_RESP_ERR_NO_ERROR;
    char about[300];

    if (!atomic_compare_exchange_strong(&transaction->record_error, &none, error))
        return;
    snprintf(transaction->failed.topic, sizeof(transaction->failed.topic), "%s", topic);
    transaction->failed.partition = partition;
    transaction->failed.bytes = bytes;
    snprintf(about, sizeof(about), "%s %s", topic, rd_kafka_err2name(error));
    log_seldom(LOG_WARN_LEVEL, event, about, "topic=%s partition=%d record_bytes=%zu error=%s",
               topic, partition, bytes, rd_kafka_err2name(error));
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct transaction *transaction = opaque;

    (void)producer;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        record_failed(transaction, "delivery_failed", rd_kafka_topic_name(message->rkt),
                      message->partition, message->len + message->key_len, message->err);
    else if (message->_private != NULL)
        ((struct outbox_arrival *)message->_private)->offset = message->offset;
}

/* A request may have been sent twice: see transaction_wish(). */
static void on_error(rd_kafka_t *producer, int code, const char *text, void *opaque)
{
    struct transaction *transaction = opaque;

    kafka_tell_error(producer, code, text, NULL);
    atomic_store(&transaction->disturbed, true);
}

static void begin(struct transaction *transaction)
{
    rd_kafka_error_t *error;

    atomic_store(&transaction->record_error, RD_KAFKA_RESP_ERR_NO_ERROR);
    transaction->call_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    error = rd_kafka_begin_transaction(transaction->producer);
    if (error == NULL)
        transaction_wish(transaction, WISH_BEGIN);
    else
        take(transaction, "begin_transaction", error); /* fenced while nothing was open */
}

/* A bounded queue, met politely. False: for too long. */
static bool wait_for_room(struct transaction *transaction, int64_t start_ms)
{
    if (atomic_load(transaction->stop) ||
        clock_monotonic_ms() - start_ms >= transaction->patience_ms)
        return false;
    rd_kafka_poll(transaction->producer, 10);
    return true;
}

static void refused(struct transaction *transaction, const struct outbox_record *record,
                    rd_kafka_resp_err_t error)
{
    record_failed(transaction, "produce_refused", transaction->topics[record->topic],
                  record->partition, record->key_size + record->value_size, error);
}

/* One with headers; librdkafka takes them, the bytes stay ours. */
static void produce_one(struct transaction *transaction, const struct outbox *outbox,
                        struct outbox_record *record)
{
    uint8_t *key = record->has_key ? outbox->bytes.bytes + record->key_at : NULL;
    uint8_t *value = record->has_value ? outbox->bytes.bytes + record->value_at : NULL;
    rd_kafka_headers_t *headers = record->headers != NULL
                                      ? record->headers
                                      : rd_kafka_headers_copy(transaction->outcome_headers);
    rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = transaction->handles[record->topic]},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = record->partition},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = key, .size = record->key_size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = value, .size = record->value_size}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    int64_t start_ms = clock_monotonic_ms();

    for (;;) {
        rd_kafka_error_t *refusal = rd_kafka_produceva(transaction->producer, arguments,
                                                       sizeof(arguments) / sizeof(*arguments));
        rd_kafka_resp_err_t error;
        if (refusal == NULL) {
            record->headers = NULL;
            return;
        }
        error = rd_kafka_error_code(refusal);
        rd_kafka_error_destroy(refusal);
        if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && wait_for_room(transaction, start_ms))
            continue;
        if (record->headers == NULL)
            rd_kafka_headers_destroy(headers);
        refused(transaction, record, error);
        return;
    }
}

/*
 * State records: those of one partition lie together, and are produced so, up to PRODUCE_RUN at
 * once. Returns how many records that were; *arrival is the next one's.
 */
static size_t produce_run(struct transaction *transaction, const struct outbox *outbox, size_t from,
                          struct outbox_arrival **arrival)
{
    rd_kafka_message_t messages[PRODUCE_RUN];
    const struct outbox_record *first = &outbox->records[from];
    int64_t start_ms = clock_monotonic_ms();
    int count = 0, done = 0;

    while (count < PRODUCE_RUN && from + (size_t)count < outbox->count) {
        const struct outbox_record *record = first + count;
        if (record->topic != OUTBOX_STATE || record->partition != first->partition)
            break;
        messages[count++] = (rd_kafka_message_t){
            .payload = record->has_value ? outbox->bytes.bytes + record->value_at : NULL,
            .len = record->value_size,
            .key = outbox->bytes.bytes + record->key_at,
            .key_len = record->key_size,
            ._private = record->is_control && transaction->tell_arrivals ? *arrival : NULL,
        };
        *arrival += record->is_control;
    }
    while (done < count) {
        done += rd_kafka_produce_batch(transaction->handles[OUTBOX_STATE], first->partition, 0,
                                       messages + done, count - done);
        if (done == count || is_broken(transaction))
            break; /* broken: it can only be aborted */
        if (messages[done].err == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
            wait_for_room(transaction, start_ms))
            continue;
        require(messages[done].err != RD_KAFKA_RESP_ERR_NO_ERROR); /* the first `done` were taken */
        refused(transaction, first + done, messages[done].err);
        break;
    }
    return (size_t)count;
}

static void produce(struct transaction *transaction, struct outbox *outbox)
{
    struct outbox_arrival *arrival = outbox->arrivals;

    for (size_t i = 0; i < outbox->count && !is_broken(transaction);) {
        if (outbox->records[i].topic == OUTBOX_STATE)
            i += produce_run(transaction, outbox, i, &arrival);
        else
            produce_one(transaction, outbox, &outbox->records[i++]);
    }
}

/* ---- wishes ----------------------------------------------------------------------------- */

/* Has a connection of this producer ever broken? What librdkafka says of it is heard first. */
static bool is_disturbed(struct transaction *transaction)
{
    while (rd_kafka_poll(transaction->producer, 0) > 0)
        ;
    return atomic_load(&transaction->disturbed);
}

void transaction_wish(struct transaction *transaction, enum wish wish)
{
    enum transaction_state next;

    if (wish == WISH_LAND && is_disturbed(transaction))
        wish = WISH_LAND_ANEW;
    next = transaction_after_wish(transaction->state, wish);
    if (wants_new_producer(next))
        transaction->stale = true;
    if (wish == WISH_LAND || wish == WISH_LAND_ANEW)
        transaction->pause_ms = 0; /* all is well again */
    enter(transaction, next);
}

/*
 * True where librdkafka took the records back because it found the transaction as a whole refused.
 * Why it did is told by the next call, which it refuses for the same reason: so that is made.
 */
static bool was_taken_back(const struct transaction *transaction)
{
    int error = atomic_load(&transaction->record_error);

    return error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

rd_kafka_resp_err_t transaction_why(const struct transaction *transaction)
{
    if (!is_broken(transaction) || was_taken_back(transaction))
        return transaction->call_error;
    return (rd_kafka_resp_err_t)atomic_load(&transaction->record_error);
}

/* Wishes for the commit, or aborts where a record has failed. */
static void commit(struct transaction *transaction)
{
    if (is_broken(transaction) && !was_taken_back(transaction))
        transaction_answer(transaction, ANSWER_ABORTABLE);
    else
        transaction_wish(transaction, WISH_COMMIT);
}

/* ---- the calls -------------------------------------------------------------------------- */

static void pause_before_new(struct transaction *transaction)
{
    clock_sleep_ms(transaction->pause_ms);
    if (transaction->pause_ms == 0)
        transaction->pause_ms = PAUSE_LEAST_MS;
    else if (transaction->pause_ms < PAUSE_MOST_MS)
        transaction->pause_ms *= 2;
}

static void renew(struct transaction *transaction)
{
    throw_away(transaction);
    transaction->producer =
        kafka_producer(transaction->config, transaction->id, transaction->batch_bytes,
                       transaction->tell_arrivals, transaction, on_delivery, on_error);
    if (transaction->producer == NULL) {
        transaction_answer(transaction, ANSWER_FATAL); /* logged: librdkafka refuses to be so */
        return;
    }
    open_topics(transaction);
    transaction->stale = false;
    atomic_store(&transaction->disturbed, false);
    transaction->since_ms = clock_monotonic_ms(); /* patience is with this producer */
}

/*
 * The calls are short at first: where our id has a transaction of a process before us, as after
 * every kill -9 at work, the broker ends it within milliseconds, but librdkafka looks again after
 * 500 only. A new producer asks at once. Its predecessor has had its answer and asks no more, so
 * the two cannot fence each other.
 */
static void init_transactions(struct transaction *transaction)
{
    int64_t left_ms;
    bool hurried;

    if (transaction->stale) {
        if (is_contested(transaction)) {
            log_error("transactional_id_contested",
                      "transactional_id=%s hint=\"something else uses this transactional.id and "
                      "fences this process: give each process an instance.id, and each "
                      "application an app.id, of its own\"",
                      transaction->id);
            transaction->told = true;
            transaction_answer(transaction, ANSWER_FATAL);
            return;
        }
        pause_before_new(transaction);
        renew(transaction);
        if (transaction->producer == NULL)
            return;
        transaction->hurries = HURRIES;
    }
    hurried = transaction->hurries > 0;
    transaction->hurries -= hurried;
    left_ms = transaction->since_ms + transaction->patience_ms - clock_monotonic_ms();
    if (left_ms < 1)
        left_ms = 1;
    if (left_ms > (hurried ? HURRY_MS : SLICE_MS))
        left_ms = hurried ? HURRY_MS : SLICE_MS;
    take(transaction, "init_transactions",
         rd_kafka_init_transactions(transaction->producer, (int)left_ms));
    if (hurried && wants_new_producer(transaction->state) && !transaction->stale &&
        kafka_was_held_up(transaction->producer))
        renew(transaction);
}

void transaction_step(struct transaction *transaction)
{
    rd_kafka_t *producer = transaction->producer;

    switch (transaction->state) {
    case TRANSACTION_VOID:
    case TRANSACTION_UNCLEAR:
    case TRANSACTION_ABORTING:
        init_transactions(transaction);
        return;
    case TRANSACTION_PENDING:
        take(transaction, "send_offsets_to_transaction",
             rd_kafka_send_offsets_to_transaction(producer, transaction->outbox->offsets,
                                                  transaction->outbox->generation, SLICE_MS));
        return;
    case TRANSACTION_COMMITTING:
        take(transaction, "commit_transaction", rd_kafka_commit_transaction(producer, SLICE_MS));
        return;
    case TRANSACTION_CLOSED:
    case TRANSACTION_OPEN:
    case TRANSACTION_ASKING:
    case TRANSACTION_LANDED:
    case TRANSACTION_UNDONE:
    case TRANSACTION_FAILED:
    case TRANSACTION_STATE_COUNT:
        break;
    }
    require_failed("a state that waits for a wish", __FILE__, __LINE__);
}

static bool is_on_its_way(const struct transaction *transaction)
{
    return transaction->state == TRANSACTION_PENDING ||
           transaction->state == TRANSACTION_COMMITTING;
}

bool transaction_carry(struct transaction *transaction, struct outbox *outbox)
{
    if (is_on_its_way(transaction)) {
        transaction_step(transaction);
        return is_on_its_way(transaction);
    }
    require(transaction->state == TRANSACTION_CLOSED);
    transaction->outbox = outbox;
    begin(transaction);
    if (transaction->state != TRANSACTION_OPEN)
        return false;
    produce(transaction, outbox);
    commit(transaction);
    return is_on_its_way(transaction);
}
