/*
 * restore_bench.c: a state topic of any size, and how fast it can be read. benchmarks/restore/run
 * drives it.
 *
 *   restore_bench fill RECORDS [PROP=VALUE...]   writes the state of one task as a stage would,
 *                                                10 000 messages a transaction, offsets included
 *   restore_bench read [PROP=VALUE...]           reads it in batches and does nothing else: the
 *                                                most that librdkafka gives with these properties
 *   restore_bench restore [PROP=VALUE...]        restores it by the stage's own restore.c; with
 *                                                state.dir from a snapshot there, if there is one
 *   restore_bench follow [PROP=VALUE...]         a line for each transaction that has landed since
 *                                                the line before, with the wall clock, until killed
 *
 * Partition 0 of <app.id>.state. Each prints one line of key=value.
 */
#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/restore.h"
#include "consumer/topics.h"
#include "schemas/channel_file.h"
#include "statemachine/require.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { A_TRANSACTION = 10000, BATCH = 5000, WAIT_MS = 60000 };

static struct config config;
static struct tables tables;

static void settle(rd_kafka_error_t *error, const char *call)
{
    if (error == NULL)
        return;
    fprintf(stderr, "restore_bench: %s: %s\n", call, rd_kafka_error_string(error));
    exit(3);
}

/* ---- fill ------------------------------------------------------------------------------- */

/* Like what `gen` gives: half delivered, a quarter waiting, a quarter failed; campaigns shared. */
static struct record record_number(const struct table *table, uint64_t i, char *attributes,
                                   size_t room)
{
    static const char *const finals[] = {"DELIVRD", "DELIVRD", "UNDELIV", "ENROUTE"};
    int64_t start_ms = 1795428000000 + (int64_t)i * 10;
    uint8_t sent = table_find_status(table, (const uint8_t *)"SENT", 4);
    const char *name = finals[i % 4];
    uint8_t last = table_find_status(table, (const uint8_t *)name, strlen(name));
    struct record record;

    memset(&record, 0, sizeof(record));
    snprintf(attributes, room, "{\"campaign_id\":\"c%u\"}", (unsigned)(i / 1000 % 500));
    record.life_ms = record.first_ts_ms = record.sent_at_ms = start_ms;
    record.send_seen = true;
    record.state_ts_ms = start_ms + 1700;
    record.attributes = text_of(attributes);
    record.attributes_at_ms = start_ms;
    record.topic = text_of("message.receipts");
    record.offset = (int64_t)i * 2;
    record.seen_count = 2;
    record.seen[0] = (struct seen){.at_ms = start_ms + 300, .status = sent};
    record.seen[1] = (struct seen){.at_ms = start_ms + 1250, .status = last};
    record_recompute(table, &record);
    if (i % 4 == 2) {
        record.reason = text_of("err:012");
        record.reason_at_ms = start_ms + 1250;
    }
    if (i % 4 != 3) {
        record.revision = 1;
        record.forget_ms = start_ms + 172800000;
        record.emitted = record_verdict(table, &record);
    }
    return record;
}

static void produce(rd_kafka_t *producer, const char *topic, const struct buffer *key,
                    const struct buffer *value)
{
    while (__extension__ rd_kafka_producev(
               producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
               RD_KAFKA_V_KEY(key->bytes, key->size), RD_KAFKA_V_VALUE(value->bytes, value->size),
               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
               RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 20);
}

static void commit(rd_kafka_t *producer, uint64_t transaction)
{
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new(config.app_id);
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(2);
    char number[64];

    snprintf(number, sizeof(number), "%" PRIu64 "/bench", transaction);
    for (size_t i = 0; i < config.input_topics.count; i++) {
        rd_kafka_topic_partition_t *row =
            rd_kafka_topic_partition_list_add(offsets, config.input_topics.items[i], 0);
        row->offset = 0;
        row->metadata = strdup(number);
        row->metadata_size = strlen(number);
    }
    settle(rd_kafka_send_offsets_to_transaction(producer, offsets, group, WAIT_MS), "offsets");
    settle(rd_kafka_commit_transaction(producer, WAIT_MS), "commit");
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_consumer_group_metadata_destroy(group);
}

static void fill(const char *topic, uint64_t records)
{
    static struct control control;
    rd_kafka_t *producer =
        kafka_producer(&config, "restore-bench", 1000000, false, NULL, NULL, kafka_tell_error);
    const struct table *table = tables_find(&tables, (const uint8_t *)"sms", 3);
    struct buffer key = {0}, value = {0};
    int64_t start_ms = clock_monotonic_ms();

    require(producer != NULL && table != NULL);
    settle(rd_kafka_init_transactions(producer, WAIT_MS), "init");
    control.watermark_ms = 1795428000000;
    control.lineage = hash_seed();
    for (uint64_t i = 0; i < records;) {
        settle(rd_kafka_begin_transaction(producer), "begin");
        for (uint64_t end = i + A_TRANSACTION; i < end && i < records; i++) {
            char id[40], attributes[64];
            struct record record = record_number(table, i, attributes, sizeof(attributes));
            uint64_t noise = hash_bytes(&i, sizeof(i), 1);
            snprintf(id, sizeof(id), "%016" PRIx64 "-%04x-%014" PRIx64, noise, (unsigned)i & 0xffff,
                     i);
            buffer_clear(&key);
            buffer_clear(&value);
            state_key_message(&key, table, text_of(id));
            state_record_encode(&value, table, &record);
            produce(producer, topic, &key, &value);
        }
        control.transaction++;
        control.live = i;
        buffer_clear(&key);
        buffer_clear(&value);
        state_key_control(&key);
        control_encode(&value, &control);
        produce(producer, topic, &key, &value);
        commit(producer, control.transaction);
    }
    printf("filled records=%" PRIu64 " took_ms=%" PRId64 "\n", records,
           clock_monotonic_ms() - start_ms);
    rd_kafka_destroy(producer);
    buffer_release(&key);
    buffer_release(&value);
}

/* ---- read ------------------------------------------------------------------------------- */

/* Of this thread: what a busy machine does not distort as it does the wall clock. */
static int64_t thread_ms(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * 1000 + spent.tv_nsec / 1000000;
}

static void tell(const char *what, uint64_t records, uint64_t bytes, int64_t start_ms,
                 int64_t spent_ms)
{
    int64_t took_ms = clock_monotonic_ms() - start_ms;

    printf("%s records=%" PRIu64 " bytes=%" PRIu64 " took_ms=%" PRId64 " thread_ms=%" PRId64
           " records_per_s=%.0f\n",
           what, records, bytes, took_ms, thread_ms() - spent_ms,
           (double)records * 1000 / (double)(took_ms > 0 ? took_ms : 1));
}

static void read_bare(const char *topic, int64_t high)
{
    rd_kafka_t *reader = kafka_restorer(&config);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    static rd_kafka_message_t *batch[BATCH];
    uint64_t records = 0, bytes = 0;
    int64_t start_ms = clock_monotonic_ms(), next = 0, spent_ms = thread_ms();
    rd_kafka_queue_t *queue;

    require(reader != NULL);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 0;
    rd_kafka_assign(reader, list);
    queue = rd_kafka_queue_get_consumer(reader);
    while (next < high) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 5, batch, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            if (batch[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                records++;
                bytes += batch[i]->len + batch[i]->key_len;
                next = batch[i]->offset + 1;
            } else if (batch[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                next = batch[i]->offset;
            }
            rd_kafka_message_destroy(batch[i]);
        }
    }
    tell("bare_read", records, bytes, start_ms, spent_ms);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(reader);
}

/* The number of the last transaction, as a stage would find it in the committed offsets. */
static uint64_t last_transaction(rd_kafka_t *client)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *row =
        rd_kafka_topic_partition_list_add(list, config.input_topics.items[0], 0);
    uint64_t number = 0;

    if (rd_kafka_committed(client, list, WAIT_MS) == 0 && row->metadata_size > 0)
        number = strtoull(row->metadata, NULL, 10);
    rd_kafka_topic_partition_list_destroy(list);
    return number;
}

/* Every ten milliseconds, which is how wrong the time may be. */
static void follow(rd_kafka_t *client)
{
    uint64_t seen = last_transaction(client);

    for (;;) {
        uint64_t number = last_transaction(client);
        if (number != seen) {
            printf("landed transaction=%" PRIu64 " at_ms=%" PRId64 "\n", number, clock_wall_ms());
            fflush(stdout);
        }
        seen = number;
        clock_sleep_ms(10);
    }
}

static void read_restore(const char *topic, rd_kafka_t *client)
{
    struct snapshot_place place = {.dir = config.state_dir,
                                   .app_id = config.app_id,
                                   .state_topic = topic,
                                   .cluster = "",
                                   .partitions = 1,
                                   .most_age_ms = INT64_MAX,
                                   .tables = &tables};
    struct restore restore;
    static struct restore_job job;
    static struct lane lane;
    uint64_t transaction = last_transaction(client);
    int64_t start_ms = clock_monotonic_ms(), longest_ms = 0, spent_ms = thread_ms();

    lane_init(&lane, 0, &tables, config.input_topics.count, hash_seed());
    restore_init(&restore, &config, &tables, topic, false);
    if (config.state_dir[0] != 0)
        restore_use_snapshots(&restore, &place);
    restore_add(&restore, &job, &lane, client, transaction);
    while (!job.done) {
        int64_t before_ms = clock_monotonic_ms(), took_ms;
        if (restore_poll(&restore, 5, clock_wall_ms()) != RESTORE_GOING)
            exit(3);
        took_ms = clock_monotonic_ms() - before_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
    }
    tell(job.image_records > 0 ? "restore_snapshot" : "restore", job.records + job.image_records,
         job.bytes + job.image_bytes, start_ms, spent_ms);
    printf("longest_poll_ms=%" PRId64 " live=%zu\n", longest_ms, store_count(lane.task.store));
    restore_drop(&restore, &job);
    restore_release(&restore);
    lane_release(&lane);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    bool fills = strcmp(word, "fill") == 0 && argc > 2;
    struct buffer complaint = {0};
    int64_t low, high;
    rd_kafka_t *client;
    char *topic;

    config_init(&config);
    for (int i = fills ? 3 : 2; i < argc; i++)
        if (!config_set_pair(&config, argv[i], &complaint)) {
            fprintf(stderr, "%.*s\n", (int)complaint.size, (const char *)complaint.bytes);
            return 2;
        }
    require(channel_files_load(NULL, &tables, &complaint));
    topic = topics_state_name(&config);
    client = kafka_client(&config);
    require(client != NULL);
    if (fills)
        fill(topic, strtoull(argv[2], NULL, 10));
    else if (rd_kafka_query_watermark_offsets(client, topic, 0, &low, &high, WAIT_MS) != 0)
        return 3;
    else if (strcmp(word, "read") == 0)
        read_bare(topic, high);
    else if (strcmp(word, "restore") == 0)
        read_restore(topic, client);
    else if (strcmp(word, "follow") == 0)
        follow(client);
    else
        return 2;
    rd_kafka_destroy(client);
    free(topic);
    tables_release(&tables);
    config_release(&config);
    return 0;
}
