/* restore.c: one consumer for all the tasks that a worker is taking over. */
#include "consumer/restore.h"

#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/trouble.h"
#include "statemachine/memory.h"

#include <string.h>

enum { BATCH = 5000, ASK_MS = 2000, SAY_EVERY_MS = 5000 };

void restore_init(struct restore *restore, const struct config *config, struct tables *tables,
                  const char *state_topic, bool allow_table_change)
{
    *restore = (struct restore){
        .config = config,
        .tables = tables,
        .state_topic = state_topic,
        .allow_table_change = allow_table_change,
    };
}

static size_t count_pending(const struct restore *restore)
{
    size_t pending = 0;

    for (size_t i = 0; i < restore->job_count; i++)
        pending += !restore->jobs[i]->done;
    return pending;
}

static void close_reader(struct restore *restore)
{
    if (restore->reader != NULL)
        rd_kafka_destroy(restore->reader);
    restore->reader = NULL;
}

/*
 * A reader is assigned once in its life: librdkafka 2.0.2 stops a partition twice, and asserts,
 * when an assignment changes while the change before is under way. Tasks that are done or dropped
 * stay assigned, unheard; new ones get a new reader.
 */
static bool open_reader(struct restore *restore)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t error;

    close_reader(restore);
    restore->reader = kafka_restorer(restore->config);
    if (restore->reader == NULL)
        return false;
    list = rd_kafka_topic_partition_list_new((int)restore->job_count);
    for (size_t i = 0; i < restore->job_count; i++)
        if (!restore->jobs[i]->done)
            rd_kafka_topic_partition_list_add(list, restore->state_topic,
                                              restore->jobs[i]->lane->partition)
                ->offset = restore->jobs[i]->next;
    error = rd_kafka_assign(restore->reader, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_error("restore_failed", "topic=%s error=%s", restore->state_topic,
                  rd_kafka_err2name(error));
    restore->more = false;
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void restore_release(struct restore *restore)
{
    close_reader(restore);
    free(restore->jobs);
    *restore = (struct restore){0};
}

static void finish(struct restore *restore, struct restore_job *job)
{
    int64_t took_ms = clock_monotonic_ms() - job->started_ms;

    job->done = true;
    log_info("restored",
             "topic=%s partition=%d records=%llu bytes=%llu live=%zu next_offset=%lld "
             "took_ms=%lld",
             restore->state_topic, job->lane->partition, (unsigned long long)job->records,
             (unsigned long long)job->bytes, store_measure(job->lane->task.store).records,
             (long long)job->next, (long long)took_ms);
}

bool restore_add(struct restore *restore, struct restore_job *job, struct lane *lane,
                 rd_kafka_t *client)
{
    int64_t low, high;
    rd_kafka_resp_err_t error =
        kafka_ask_ends(client, restore->state_topic, lane->partition, &low, &high, ASK_MS);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_info("state_end_not_known", "topic=%s partition=%d error=%s", restore->state_topic,
                 lane->partition, rd_kafka_err2name(error));
        return false;
    }
    memset(job, 0, sizeof(*job));
    intern_init(&job->gone, hash_bytes, hash_seed());
    job->lane = lane;
    job->target = high;
    job->next = low;
    job->started_ms = clock_monotonic_ms();
    restore->jobs = memory_resize(restore->jobs, restore->job_count + 1, sizeof(*restore->jobs));
    restore->jobs[restore->job_count++] = job;
    if (low >= high)
        finish(restore, job);
    else
        restore->more = true;
    return true;
}

void restore_drop(struct restore *restore, struct restore_job *job)
{
    for (size_t i = 0; i < restore->job_count; i++)
        if (restore->jobs[i] == job) {
            intern_release(&job->gone);
            restore->jobs[i] = restore->jobs[--restore->job_count];
            if (count_pending(restore) == 0)
                close_reader(restore);
            return;
        }
}

static struct restore_job *job_of(const struct restore *restore, int32_t partition)
{
    for (size_t i = 0; i < restore->job_count; i++)
        if (!restore->jobs[i]->done && restore->jobs[i]->lane->partition == partition)
            return restore->jobs[i];
    return NULL;
}

static bool refuse(const struct restore *restore, const rd_kafka_message_t *message,
                   const char *what, const char *hint)
{
    log_error("state_record_refused", "topic=%s partition=%d offset=%lld fault=\"%s\" hint=\"%s\"",
              restore->state_topic, message->partition, (long long)message->offset, what, hint);
    return false;
}

/* A set of keys: only the newest record of each counts, older ones are on their way out. */
static void gone_add(struct restore_job *job, const rd_kafka_message_t *message)
{
    intern_hold(&job->gone,
                (struct text){.bytes = message->key, .size = (uint32_t)message->key_len});
}

static void gone_remove(struct restore_job *job, const rd_kafka_message_t *message)
{
    struct text key = {.bytes = message->key, .size = (uint32_t)message->key_len};
    size_t before = intern_count(&job->gone);
    uint32_t ref;

    if (before == 0)
        return;
    ref = intern_hold(&job->gone, key).ref;
    if (intern_count(&job->gone) > before)
        before++; /* it was not there: only this one use to drop */
    while (intern_count(&job->gone) == before)
        intern_drop(&job->gone, ref);
}

static bool restore_message(struct restore *restore, struct restore_job *job,
                            const rd_kafka_message_t *message, struct text channel, struct text id)
{
    struct table *table =
        (struct table *)(uintptr_t)tables_find(restore->tables, channel.bytes, channel.size);
    struct record record;

    gone_remove(job, message);
    if (message->payload == NULL) {
        if (table != NULL)
            task_restore_gone(&job->lane->task, table, id);
        return true;
    }
    if (table == NULL) {
        gone_add(job, message);
        return true;
    }
    switch (state_record_decode(message->payload, message->len, table, restore->allow_table_change,
                                &record)) {
    case STATE_GOOD:
        task_restore(&job->lane->task, table, id, &record);
        return true;
    case STATE_NAMES_GONE:
        gone_add(job, message);
        return true;
    case STATE_TOO_NEW:
        return refuse(restore, message, "a version this program does not know",
                      "start a newer upshot");
    case STATE_CORRUPT:
        break;
    }
    return refuse(restore, message, "checksum or shape is wrong",
                  "something else has written to the state topic, or it is damaged");
}

static bool restore_record(struct restore *restore, struct restore_job *job,
                           const rd_kafka_message_t *message)
{
    struct text channel, id;

    job->records++;
    job->bytes += message->len + message->key_len;
    switch (state_key_decode(message->key, message->key_len, &channel, &id)) {
    case STATE_MESSAGE:
        return restore_message(restore, job, message, channel, id);
    case STATE_CONTROL:
        if (message->payload == NULL ||
            control_decode(message->payload, message->len, &job->control) != STATE_GOOD)
            return refuse(restore, message, "bad control record",
                          "something else has written to the state topic, or it is damaged");
        return true;
    case STATE_BAD_KEY:
        break;
    }
    return refuse(restore, message, "unknown kind of key",
                  "something else has written to the state topic");
}

static bool take(struct restore *restore, const rd_kafka_message_t *message)
{
    struct restore_job *job = job_of(restore, message->partition);
    const struct trouble *trouble;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (job == NULL || message->offset < job->next)
            return true; /* of an assignment before */
        job->next = message->offset + 1;
        return restore_record(restore, job, message);
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (job != NULL && message->offset > job->next)
            job->next = message->offset; /* markers and aborted records count */
        return true;
    }
    trouble = trouble_of(message->err);
    if (trouble != NULL) {
        log_seldom(LOG_ERROR_LEVEL, trouble->event, restore->state_topic,
                   "topic=%s partition=%d operation=Read error=%s hint=\"%s\"",
                   restore->state_topic, message->partition, rd_kafka_err2name(message->err),
                   trouble->hint);
        restore->failed = true;
        return false;
    }
    log_seldom(LOG_WARN_LEVEL, "restore_error", restore->state_topic,
               "topic=%s partition=%d error=%s", restore->state_topic, message->partition,
               rd_kafka_err2name(message->err));
    return true;
}

static void tell(struct restore *restore)
{
    int64_t now_ms = clock_monotonic_ms();

    if (now_ms - restore->said_ms < SAY_EVERY_MS)
        return;
    for (size_t i = 0; i < restore->job_count; i++) {
        const struct restore_job *job = restore->jobs[i];
        if (!job->done && now_ms - job->started_ms >= SAY_EVERY_MS)
            log_info("restoring",
                     "topic=%s partition=%d records=%llu bytes=%llu offset=%lld of=%lld",
                     restore->state_topic, job->lane->partition, (unsigned long long)job->records,
                     (unsigned long long)job->bytes, (long long)job->next, (long long)job->target);
    }
    restore->said_ms = now_ms;
}

static bool names_fit(const struct restore *restore, const struct restore_job *job)
{
    size_t gone = intern_count(&job->gone);

    if (gone == 0)
        return true;
    if (restore->allow_table_change) {
        log_warn(
            "state_dropped",
            "topic=%s partition=%d messages=%zu hint=\"their channel is no longer in the tables, "
            "or too many lost names\"",
            restore->state_topic, job->lane->partition, gone);
        return true;
    }
    log_error("state_names_gone",
              "topic=%s partition=%d messages=%zu hint=\"the tables no longer have a channel or "
              "status that these hold: bring it back, or start with --allow-table-change\"",
              restore->state_topic, job->lane->partition, gone);
    return false;
}

enum restore_result restore_poll(struct restore *restore, int wait_ms)
{
    static _Thread_local rd_kafka_message_t *batch[BATCH];
    rd_kafka_queue_t *queue;
    ssize_t count;
    bool good = true;

    if (restore->more && !open_reader(restore))
        return RESTORE_FAILED;
    if (restore->reader == NULL)
        return RESTORE_GOING;
    queue = rd_kafka_queue_get_consumer(restore->reader);
    count = rd_kafka_consume_batch_queue(queue, wait_ms, batch, BATCH);
    for (ssize_t i = 0; i < count; i++) {
        good = good && take(restore, batch[i]);
        rd_kafka_message_destroy(batch[i]);
    }
    rd_kafka_queue_destroy(queue);
    if (!good)
        return restore->failed ? RESTORE_FAILED : RESTORE_REFUSED;
    for (size_t i = 0; i < restore->job_count; i++) {
        struct restore_job *job = restore->jobs[i];
        if (job->done || job->next < job->target)
            continue;
        if (!names_fit(restore, job))
            return RESTORE_REFUSED;
        finish(restore, job);
    }
    if (count_pending(restore) == 0)
        close_reader(restore);
    tell(restore);
    return RESTORE_GOING;
}
