/*
 * restore.c: one consumer for all the tasks that a worker is taking over.
 *
 * A snapshot is believed when all that can be known speaks for it: the file itself
 * (snapshot_reader.h), and then the topic. The last control record must be of the same lineage, be
 * the transaction of the committed offsets, and count as many messages as there are in memory now.
 * Else memory is emptied and the topic read from its beginning.
 */
#include "consumer/restore.h"

#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/kafka_statistics.h"
#include "consumer/log.h"
#include "consumer/trouble.h"
#include "statemachine/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
    BATCH = 2000,         /* records: some milliseconds */
    AHEAD = 16,           /* records: twice as long as the memory takes to answer */
    NEAR = 8,             /* as long */
    NUDGE_EVERY = 100000, /* records: half of queued.min.messages, see kafka_restorer() */
    IMAGE_SLICE_MS = 10,
    ASK_MS = 2000, /* one question */
    ASK_PAUSE_MS = 200,
    SAY_EVERY_MS = 5000,
    PUBLISH_EVERY_MS = 200,
};

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

void restore_use_snapshots(struct restore *restore, const struct snapshot_place *place)
{
    restore->place = place;
}

void restore_show_progress(struct restore *restore, struct restore_progress *progress)
{
    restore->progress = progress;
}

static size_t count_pending(const struct restore *restore)
{
    size_t pending = 0;

    for (size_t i = 0; i < restore->job_count; i++)
        pending += !restore->jobs[i]->done;
    return pending;
}

/* Without closing it as a member of a group, which it never was: that could take long. */
static void close_reader(struct restore *restore)
{
    if (restore->reader == NULL)
        return;
    rd_kafka_queue_destroy(restore->queue);
    kafka_statistics_forget(restore->reader);
    rd_kafka_destroy_flags(restore->reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    restore->reader = NULL;
    restore->queue = NULL;
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
    restore->queue = rd_kafka_queue_get_consumer(restore->reader);
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

/* ---- how far it is ---------------------------------------------------------------------- */

/*
 * What a job has read and has to read, in bytes: an image's are known, a topic's are estimated by
 * what its offsets took so far.
 */
static void measure(const struct restore_job *job, double *read, double *all)
{
    double each =
        job->next > job->start ? (double)job->bytes / (double)(job->next - job->start) : 100;

    *read = (double)job->bytes;
    *all = *read;
    if (job->phase == RESTORE_TOPIC && !job->done)
        *all += each * (double)(job->target > job->next ? job->target - job->next : 0);
    if (job->phase == RESTORE_IMAGE) {
        *read += (double)snapshot_reader_read(job->image);
        *all += (double)snapshot_reader_size(job->image);
    } else {
        *read += (double)job->image_bytes;
        *all += (double)job->image_bytes;
    }
}

struct estimate {
    int percent;
    int64_t eta_s; /* -1: not known */
};

static struct estimate estimate(double read, double all, int64_t spent_ms)
{
    struct estimate estimate = {.percent = all > 0 ? (int)(100 * read / all) : 0, .eta_s = -1};

    if (read > 0 && spent_ms > 0)
        estimate.eta_s = (int64_t)((all - read) * (double)spent_ms / read / 1000 + 0.5);
    return estimate;
}

static void publish(struct restore *restore, bool now)
{
    struct restore_progress *progress = restore->progress;
    double read = 0, all = 0;
    int64_t now_ms = clock_monotonic_ms(), since_ms = now_ms, tasks = 0;
    struct estimate whole;

    if (progress == NULL || (!now && now_ms - restore->published_ms < PUBLISH_EVERY_MS))
        return;
    restore->published_ms = now_ms;
    for (size_t i = 0; i < restore->job_count; i++) {
        const struct restore_job *job = restore->jobs[i];
        double job_read, job_all;
        measure(job, &job_read, &job_all);
        read += job_read;
        all += job_all;
        tasks += !job->done;
        since_ms = job->started_ms < since_ms ? job->started_ms : since_ms;
    }
    whole = estimate(read, all, now_ms - since_ms);
    atomic_store(&progress->tasks, tasks);
    atomic_store(&progress->percent, tasks == 0 ? 100 : whole.percent);
    atomic_store(&progress->eta_s, tasks == 0 ? 0 : whole.eta_s);
    atomic_fetch_add(&progress->records, (long long)restore->unpublished_records);
    atomic_fetch_add(&progress->bytes, (long long)restore->unpublished_bytes);
    restore->unpublished_records = restore->unpublished_bytes = 0;
}

static void tell(struct restore *restore)
{
    static const char *const words[] = {
        [RESTORE_ASKING] = "asking", [RESTORE_IMAGE] = "snapshot", [RESTORE_TOPIC] = "topic"};
    int64_t now_ms = clock_monotonic_ms();

    if (now_ms - restore->said_ms < SAY_EVERY_MS)
        return;
    for (size_t i = 0; i < restore->job_count; i++) {
        const struct restore_job *job = restore->jobs[i];
        struct estimate how_far;
        double read, all;
        if (job->done || now_ms - job->started_ms < SAY_EVERY_MS)
            continue;
        measure(job, &read, &all);
        how_far = estimate(read, all, now_ms - job->started_ms);
        log_info("restoring",
                 "topic=%s partition=%d from=%s records=%" PRIu64 " bytes=%" PRIu64
                 " offset=%" PRId64 " of=%" PRId64 " percent=%d eta_s=%" PRId64,
                 restore->state_topic, job->lane->partition, words[job->phase],
                 job->records + job->image_records, job->bytes + job->image_bytes, job->next,
                 job->target, how_far.percent, how_far.eta_s);
    }
    restore->said_ms = now_ms;
}

static void begin_image(struct restore_job *job, struct snapshot_reader *image)
{
    job->image = image;
    job->phase = RESTORE_IMAGE;
    if (snapshot_reader_seed(image) != 0)
        task_restore_ordered(&job->lane->task, snapshot_reader_seed(image));
}

/* ---- jobs come and go ------------------------------------------------------------------- */

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
    if (job->image != NULL) {
        job->snapshot_transaction = snapshot_reader_transaction(job->image);
        job->snapshot_wall_ms = snapshot_reader_created_ms(job->image);
    }
    /* Who only wants to look says himself what he has found. */
    log_line(job->bounded ? LOG_DEBUG_LEVEL : LOG_INFO_LEVEL, "restored",
             "topic=%s partition=%d records=%" PRIu64 " bytes=%" PRIu64 " snapshot_records=%" PRIu64
             " snapshot_bytes=%" PRIu64 " live=%zu next_offset=%" PRId64 " took_ms=%" PRId64,
             restore->state_topic, job->lane->partition, job->records, job->bytes,
             job->image_records, job->image_bytes, store_count(job->lane->task.store), job->next,
             took_ms);
    snapshot_reader_close(&job->image);
}

void restore_add(struct restore *restore, struct restore_job *job, struct lane *lane,
                 rd_kafka_t *client, uint64_t transaction)
{
    memset(job, 0, sizeof(*job));
    intern_init(&job->gone, hash_bytes, hash_seed());
    job->lane = lane;
    job->client = client;
    job->transaction = transaction;
    job->control_offset = -1;
    job->started_ms = clock_monotonic_ms();
    job->asked_ms = job->started_ms - ASK_PAUSE_MS;
    restore->jobs = memory_resize(restore->jobs, restore->job_count + 1, sizeof(*restore->jobs));
    restore->jobs[restore->job_count++] = job;
}

static void to_topic(struct restore *restore, struct restore_job *job, int64_t from)
{
    job->phase = RESTORE_TOPIC;
    job->start = job->next = from;
    restore->more = true;
}

void restore_add_range(struct restore *restore, struct restore_job *job, struct lane *lane,
                       int64_t low, int64_t high)
{
    restore_add(restore, job, lane, NULL, 0);
    job->low = low;
    job->target = high;
    job->bounded = true;
    to_topic(restore, job, low);
}

void restore_add_image(struct restore *restore, struct restore_job *job, struct lane *lane,
                       struct snapshot_reader *image)
{
    restore_add(restore, job, lane, NULL, 0);
    job->control = *snapshot_reader_control(image);
    job->control_offset = snapshot_reader_offset(image);
    job->target = snapshot_reader_offset(image); /* there is nothing to read of the topic */
    job->bounded = true;
    begin_image(job, image);
}

void restore_drop(struct restore *restore, struct restore_job *job)
{
    for (size_t i = 0; i < restore->job_count; i++)
        if (restore->jobs[i] == job) {
            intern_release(&job->gone);
            snapshot_reader_close(&job->image);
            snapshot_paths_release(&job->snapshots);
            restore->jobs[i] = restore->jobs[--restore->job_count];
            if (count_pending(restore) == 0)
                close_reader(restore);
            publish(restore, true);
            return;
        }
}

void restore_tell_tables(const struct control *control, const struct tables *tables,
                         int32_t partition)
{
    for (size_t i = 0; i < control->table_count; i++) {
        const char *channel = control->tables[i].channel;
        const struct table *table = tables_find(tables, (const uint8_t *)channel, strlen(channel));
        if (table == NULL || table->digest != control->tables[i].digest)
            log_warn("table_changed",
                     "partition=%d channel=%s digest_before=%016" PRIx64 " digest=%016" PRIx64,
                     partition, channel, control->tables[i].digest,
                     table == NULL ? 0 : table->digest);
    }
}

bool restore_dropped_names(const struct restore_job *job)
{
    return intern_count(&job->gone) > 0;
}

/* ---- one record, wherever it comes from ------------------------------------------------- */

static struct restore_job *job_of(const struct restore *restore, int32_t partition)
{
    for (size_t i = 0; i < restore->job_count; i++)
        if (!restore->jobs[i]->done && restore->jobs[i]->phase == RESTORE_TOPIC &&
            restore->jobs[i]->lane->partition == partition)
            return restore->jobs[i];
    return NULL;
}

/* A set of keys: only the newest record of each counts, older ones are on their way out. */
static void gone_add(struct restore_job *job, struct text key)
{
    intern_hold(&job->gone, key);
}

static void gone_remove(struct restore_job *job, struct text key)
{
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

/*
 * Most of a restore is waiting for memory. So a record comes in three steps, some records apart:
 * its key is read, what there is of it is asked for, it is put.
 */
struct coming {
    struct restore_job *job; /* NULL: not to be restored */
    struct text key, value;
    enum state_kind kind;
    struct task_restoring message; /* table NULL: its channel is gone */
};

static void expect(struct restore *restore, struct coming *coming)
{
    struct task_restoring *message = &coming->message;
    struct text channel;

    /* The next key is most often of the channel of the one before. */
    message->table = restore->last_table;
    coming->kind = STATE_MESSAGE;
    if (message->table == NULL ||
        !state_key_is_of(coming->key.bytes, coming->key.size, message->table, &message->id)) {
        coming->kind =
            state_key_decode(coming->key.bytes, coming->key.size, &channel, &message->id);
        message->table = coming->kind == STATE_MESSAGE
                             ? tables_find(restore->tables, channel.bytes, channel.size)
                             : NULL;
    }
    if (message->table == NULL)
        return;
    restore->last_table = message->table;
    task_restore_expect(&coming->job->lane->task, message);
}

static void expect_more(const struct coming *coming)
{
    if (coming->job != NULL && coming->message.table != NULL)
        task_restore_expect_more(&coming->job->lane->task, &coming->message);
}

/* A value without bytes is a tombstone. */
static enum state_fault restore_message(struct restore *restore, const struct coming *coming)
{
    struct restore_job *job = coming->job;
    const struct task_restoring *message = &coming->message;
    struct record record;
    enum state_fault fault;

    gone_remove(job, coming->key);
    if (coming->value.bytes == NULL) {
        if (message->table != NULL)
            task_restore_gone(&job->lane->task, message);
        return STATE_GOOD;
    }
    fault = message->table == NULL ? STATE_NAMES_GONE
                                   : state_record_decode(coming->value.bytes, coming->value.size,
                                                         (struct table *)(uintptr_t)message->table,
                                                         restore->allow_table_change, &record);
    if (fault == STATE_NAMES_GONE) {
        gone_add(job, coming->key);
        return STATE_GOOD;
    }
    if (fault == STATE_GOOD)
        task_restore(&job->lane->task, message, &record);
    return fault;
}

/* ---- asking ----------------------------------------------------------------------------- */

/* The newest snapshot that may be used, or the whole topic. */
static void choose(struct restore *restore, struct restore_job *job, int64_t wall_ms)
{
    job->image = restore->place == NULL
                     ? NULL
                     : snapshot_reader_open(restore->place, job->lane->partition, &job->snapshots,
                                            &job->snapshot_next, job->low, job->target, wall_ms);
    if (job->image == NULL) {
        to_topic(restore, job, job->low);
        return;
    }
    begin_image(job, job->image);
}

static void list_snapshots(const struct restore *restore, struct restore_job *job)
{
    if (restore->place == NULL)
        return;
    if (!snapshot_list(restore->place, job->lane->partition, &job->snapshots))
        log_warn("state_dir_unreadable", "partition=%d dir=%s error=\"%s\"", job->lane->partition,
                 restore->place->dir, strerror(errno));
}

/*
 * One question at a time, for the group must be answered in between; asked again for as long as the
 * group wants it: a broker that has just died does not answer for some seconds.
 */
static void ask(struct restore *restore, int64_t wall_ms)
{
    int64_t now_ms = clock_monotonic_ms();

    for (size_t i = 0; i < restore->job_count; i++) {
        struct restore_job *job = restore->jobs[i];
        rd_kafka_resp_err_t error;
        if (job->phase != RESTORE_ASKING || now_ms - job->asked_ms < ASK_PAUSE_MS)
            continue;
        error = kafka_ask_ends(job->client, restore->state_topic, job->lane->partition, &job->low,
                               &job->target, ASK_MS);
        job->asked_ms = clock_monotonic_ms();
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            log_seldom(LOG_INFO_LEVEL, "state_end_not_known", restore->state_topic,
                       "topic=%s partition=%d error=%s", restore->state_topic, job->lane->partition,
                       rd_kafka_err2name(error));
            return;
        }
        list_snapshots(restore, job);
        choose(restore, job, wall_ms);
        return;
    }
}

/* ---- from an image ---------------------------------------------------------------------- */

/* Whatever was believed of it goes. */
static void disbelieve(struct restore_job *job, const char *reason, const char *hint)
{
    snapshot_ignored(snapshot_reader_path(job->image), reason, hint);
    snapshot_reader_close(&job->image);
    task_restore_again(&job->lane->task);
    intern_release(&job->gone);
    intern_init(&job->gone, hash_bytes, hash_seed());
    memset(&job->control, 0, sizeof(job->control));
    job->control_offset = -1;
    job->image_records = job->image_bytes = 0;
}

/* A thousand pairs. False: they are not what this program writes. */
static bool take_pairs(struct restore *restore, struct restore_job *job, struct text pairs)
{
    struct coming ring[AHEAD];
    size_t read = 0, taken = 0;
    bool more = true;

    while (more || taken < read) {
        struct coming *next = &ring[read % AHEAD], *first = &ring[taken % AHEAD];
        if (more && read - taken < AHEAD) {
            next->job = job;
            more = snapshot_next(&pairs, &next->key, &next->value);
            if (more)
                expect(restore, next);
            if (more && read >= NEAR)
                expect_more(&ring[(read - NEAR) % AHEAD]);
            read += more;
            continue;
        }
        if (first->kind != STATE_MESSAGE || restore_message(restore, first) != STATE_GOOD)
            return false;
        job->image_records++;
        restore->unpublished_records++;
        restore->unpublished_bytes += first->key.size + first->value.size;
        job->image_bytes += first->key.size + first->value.size;
        taken++;
    }
    return true;
}

/* The next one, or the topic, has to do; where there is only this one, that was all. */
static void give_up_image(struct restore *restore, struct restore_job *job, const char *reason,
                          const char *hint, int64_t wall_ms)
{
    disbelieve(job, reason, hint);
    if (job->bounded) {
        job->phase = RESTORE_TOPIC;
        restore->failed = true;
    } else {
        choose(restore, job, wall_ms);
    }
}

static void read_image(struct restore *restore, struct restore_job *job, int64_t until_ms,
                       int64_t wall_ms)
{
    enum snapshot_step step = SNAPSHOT_MORE;
    struct text pairs;

    while (step == SNAPSHOT_MORE && clock_monotonic_ms() < until_ms) {
        step = snapshot_reader_step(job->image, &pairs);
        if (step == SNAPSHOT_MORE && !take_pairs(restore, job, pairs)) {
            give_up_image(restore, job, "corrupt", "a record in it is none", wall_ms);
            return;
        }
    }
    if (step == SNAPSHOT_BAD) {
        give_up_image(restore, job, snapshot_reader_why(job->image), "it is not as it was written",
                      wall_ms);
    } else if (step == SNAPSHOT_DONE) {
        to_topic(restore, job, snapshot_reader_offset(job->image));
    }
}

/* True where some job is not yet at the topic. */
static bool read_images(struct restore *restore, int64_t wall_ms)
{
    int64_t until_ms = clock_monotonic_ms() + IMAGE_SLICE_MS;
    bool waiting = false;

    for (size_t i = 0; i < restore->job_count; i++) {
        if (restore->jobs[i]->phase == RESTORE_IMAGE)
            read_image(restore, restore->jobs[i], until_ms, wall_ms);
        waiting = waiting || restore->jobs[i]->phase != RESTORE_TOPIC;
    }
    return waiting;
}

/* The topic has been read: is memory what the last control record says it is? */
static const char *image_fault(const struct restore_job *job)
{
    if (job->control_offset < 0 || job->control.lineage != snapshot_reader_lineage(job->image))
        return "another_log"; /* the topic was made anew, or is another's */
    if (job->control.transaction != job->transaction)
        return "offsets_moved";
    if (intern_count(&job->gone) == 0 && job->control.live != store_count(job->lane->task.store))
        return "another_count";
    return NULL;
}

/* ---- from the topic --------------------------------------------------------------------- */

static bool refuse(const struct restore *restore, const rd_kafka_message_t *message,
                   const char *what, const char *hint)
{
    log_error("state_record_refused", "topic=%s partition=%d offset=%lld fault=\"%s\" hint=\"%s\"",
              restore->state_topic, message->partition, (long long)message->offset, what, hint);
    return false;
}

static bool restore_record(struct restore *restore, const struct coming *coming,
                           const rd_kafka_message_t *message)
{
    struct restore_job *job = coming->job;
    enum state_fault fault = STATE_CORRUPT;
    size_t size = message->len + message->key_len;

    job->records++;
    job->bytes += size;
    restore->unpublished_records++;
    restore->unpublished_bytes += size;
    switch (coming->kind) {
    case STATE_MESSAGE:
        job->tombstones += coming->value.bytes == NULL;
        job->tombstone_bytes += coming->value.bytes == NULL ? size : 0;
        fault = restore_message(restore, coming);
        break;
    case STATE_CONTROL:
        job->control_size = size;
        if (coming->value.bytes != NULL)
            fault = control_decode(coming->value.bytes, coming->value.size, &job->control);
        job->control_offset = message->offset;
        break;
    case STATE_BAD_KEY:
        return refuse(restore, message, "unknown kind of key",
                      "something else has written to the state topic");
    }
    if (fault == STATE_TOO_NEW)
        return refuse(restore, message, "a version this program does not know",
                      "start a newer upshot");
    return fault == STATE_GOOD ||
           refuse(restore, message, "checksum or shape is wrong",
                  "something else has written to the state topic, or it is damaged");
}

static bool take(struct restore *restore, const struct coming *coming,
                 const rd_kafka_message_t *message)
{
    struct restore_job *job = coming->job;
    const struct trouble *trouble;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (job == NULL || message->offset < job->next)
            return true; /* of an assignment before */
        if (job->bounded && message->offset >= job->target) {
            job->next = job->target;
            return true;
        }
        job->next = message->offset + 1;
        if (++restore->since_nudge >= NUDGE_EVERY) {
            restore->since_nudge = 0;
            kafka_nudge(restore->reader, restore->state_topic, job->lane->partition);
        }
        return restore_record(restore, coming, message);
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

static void expect_message(struct restore *restore, struct coming *coming,
                           const rd_kafka_message_t *message)
{
    *coming = (struct coming){
        .job = job_of(restore, message->partition),
        .key = {.bytes = message->key, .size = (uint32_t)message->key_len},
        .value = {.bytes = message->payload, .size = (uint32_t)message->len},
    };
    if (coming->job != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        expect(restore, coming);
}

/* Another thread wrote all this, so nothing of it is in this one's cache. */
static void expect_bytes(rd_kafka_message_t *const *batch, size_t count, size_t i)
{
    if (i + 2 * AHEAD < count) {
        __builtin_prefetch(batch[i + 2 * AHEAD]);
        __builtin_prefetch((const uint8_t *)batch[i + 2 * AHEAD] + 64);
    }
    if (i + AHEAD < count) {
        __builtin_prefetch(batch[i + AHEAD]->key);
        __builtin_prefetch(batch[i + AHEAD]->payload);
        __builtin_prefetch((const uint8_t *)batch[i + AHEAD]->payload + 64);
    }
}

static bool take_all(struct restore *restore, rd_kafka_message_t *const *batch, size_t count)
{
    struct coming ring[AHEAD];

    for (size_t i = 0; i < count + AHEAD; i++) {
        if (i >= AHEAD && i - AHEAD < count && !take(restore, &ring[i % AHEAD], batch[i - AHEAD]))
            return false;
        if (i >= NEAR && i - NEAR < count)
            expect_more(&ring[(i - NEAR) % AHEAD]);
        if (i < count) {
            expect_bytes(batch, count, i);
            expect_message(restore, &ring[i % AHEAD], batch[i]);
        }
    }
    return true;
}

/* Jobs that the topic has something for. */
static size_t count_unread(const struct restore *restore)
{
    size_t unread = 0;

    for (size_t i = 0; i < restore->job_count; i++)
        unread += !restore->jobs[i]->done && restore->jobs[i]->next < restore->jobs[i]->target;
    return unread;
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

static enum restore_result read_topic(struct restore *restore, int wait_ms)
{
    static _Thread_local rd_kafka_message_t *batch[BATCH];
    ssize_t count = rd_kafka_consume_batch_queue(restore->queue, wait_ms, batch, BATCH);
    bool good = count <= 0 || take_all(restore, batch, (size_t)count);

    /*
     * All at the end: each takes the lock of the memory from which the broker's thread gets the
     * next records meanwhile, and whoever finds it taken sleeps.
     */
    for (ssize_t i = 0; i < count; i++)
        rd_kafka_message_destroy(batch[i]);
    return good ? RESTORE_GOING : restore->failed ? RESTORE_FAILED : RESTORE_REFUSED;
}

/* A job that has read the topic to its end is done, or begins anew without its image. */
static bool close_jobs(struct restore *restore)
{
    for (size_t i = 0; i < restore->job_count; i++) {
        struct restore_job *job = restore->jobs[i];
        const char *fault;
        if (job->done || job->phase != RESTORE_TOPIC || job->next < job->target)
            continue;
        fault = job->image == NULL || job->bounded ? NULL : image_fault(job);
        if (fault != NULL) {
            disbelieve(job, fault, "it does not agree with the state topic");
            to_topic(restore, job, job->low);
        } else if (names_fit(restore, job)) {
            finish(restore, job);
        } else {
            return false;
        }
    }
    return true;
}

enum restore_result restore_poll(struct restore *restore, int wait_ms, int64_t wall_ms)
{
    enum restore_result result = RESTORE_GOING;
    bool waiting;

    ask(restore, wall_ms);
    /* The reader is opened for all at once, when each knows from where. */
    waiting = read_images(restore, wall_ms);
    if (restore->failed)
        return RESTORE_FAILED;
    if (!waiting && restore->more && count_unread(restore) > 0 &&
        !open_reader(restore))
        return RESTORE_FAILED;
    if (restore->reader != NULL)
        result = read_topic(restore, wait_ms);
    if (result == RESTORE_GOING && !close_jobs(restore))
        result = RESTORE_REFUSED;
    if (count_pending(restore) == 0)
        close_reader(restore);
    publish(restore, false);
    tell(restore);
    return result;
}

void restore_sum_add(struct restore_sum *sum, const struct restore_progress *progress)
{
    long long left_s = atomic_load(&progress->eta_s), percent = atomic_load(&progress->percent);

    sum->records += atomic_load(&progress->records);
    sum->bytes += atomic_load(&progress->bytes);
    if (atomic_load(&progress->tasks) == 0)
        return;
    sum->tasks += atomic_load(&progress->tasks);
    sum->percent = percent < sum->percent ? percent : sum->percent;
    sum->eta_s = left_s < 0 || sum->eta_s < 0 ? -1 : left_s > sum->eta_s ? left_s : sum->eta_s;
}
