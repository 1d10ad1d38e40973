/*
 * ruler.c: measures a contender from outside, whatever it is written in.
 *
 *   ruler drain BOOTSTRAP GROUP PID BROKER_PID SECONDS TOPIC...
 *   ruler follow BOOTSTRAP GROUP PID BROKER_PID SECONDS TOPIC...
 *   ruler advance BOOTSTRAP GROUP SECONDS TOPIC...
 *   ruler first BOOTSTRAP SECONDS TOPIC
 *   ruler count BOOTSTRAP TOPIC...
 *   ruler create BOOTSTRAP PARTITIONS TOPIC [PROPERTY=VALUE...]
 *   ruler delete BOOTSTRAP PREFIX...
 *
 * `drain` asks the broker for the group's committed offsets of the topics, every 100 ms and more
 * often at the beginning and the end, and reads the processes' CPU time and memory. It ends with 0
 * when the offsets that were the ends at its start are committed: what is not committed does not
 * count. With 1 when the process is gone or the seconds are over. Its lines are
 *
 *   epoch_ms committed end cpu_us broker_cpu_us rss_kb
 *
 * `follow` does so for all its seconds, and asks for the ends each time. `advance` says what is
 * committed, waits until that is no longer true, and says when. `first` waits for the first record
 * that a read_committed reader sees, and says when. `count` reads topics to their ends and says
 * what is in them. Topics are made and deleted here because each of Kafka's own tools
 * is a JVM, whose start would heat the machine between two measurements.
 */
#include "benchmarks/tool.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

enum { EVERY_MS = 100, OFTEN_MS = 20, ASK_MS = 10000 };

static const char usage[] = "ruler drain|follow BOOTSTRAP GROUP PID BROKER_PID SECONDS TOPIC...\n"
                            "ruler advance BOOTSTRAP GROUP SECONDS TOPIC...\n"
                            "ruler first BOOTSTRAP SECONDS TOPIC\n"
                            "ruler count BOOTSTRAP TOPIC...\n"
                            "ruler create BOOTSTRAP PARTITIONS TOPIC [PROPERTY=VALUE...]\n"
                            "ruler delete BOOTSTRAP PREFIX...\n";

static rd_kafka_t *reader(const char *bootstrap, const char *group, const char *isolation)
{
    struct properties set = {0};

    tool_set(&set, "bootstrap.servers", bootstrap);
    tool_set(&set, "group.id", group);
    tool_set(&set, "enable.auto.commit", "false");
    tool_set(&set, "enable.partition.eof", "true");
    tool_set(&set, "auto.offset.reset", "earliest");
    tool_set(&set, "socket.nagle.disable", "true");
    tool_set(&set, "fetch.wait.max.ms", "10");
    tool_set(&set, "isolation.level", isolation);
    return tool_client(RD_KAFKA_CONSUMER, &set);
}

static void sleep_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    if (ms > 0)
        nanosleep(&pause, NULL);
}

/* ---- a process ---------------------------------------------------------------------------- */

/* All threads, also those that have ended; -1 when the process is gone, -2 when it is a zombie. */
static int64_t cpu_us(pid_t pid)
{
    struct timespec spent;
    clockid_t id;
    char path[64], line[512], state = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (file == NULL)
        return -1;
    if (fgets(line, sizeof(line), file) != NULL && strrchr(line, ')') != NULL)
        state = strrchr(line, ')')[2];
    fclose(file);
    if (state == 'Z' || clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &spent) != 0)
        return -2;
    return (int64_t)spent.tv_sec * 1000000 + spent.tv_nsec / 1000;
}

static long rss_kb(pid_t pid)
{
    char path[64], line[256];
    long kb = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    fclose(file);
    return kb;
}

/* ---- drain, follow ------------------------------------------------------------------------ */

/* Read uncommitted, so that neither question waits for a transaction. */
static int64_t ask_ends(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *rows,
                        int64_t which)
{
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(rows);
    int64_t sum = 0;

    for (int i = 0; i < ends->cnt; i++)
        ends->elems[i].offset = which;
    tool_check("ends", rd_kafka_offsets_for_times(client, ends, ASK_MS));
    for (int i = 0; i < ends->cnt; i++)
        sum += ends->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(ends);
    return sum;
}

static bool ask_committed(rd_kafka_t *client, rd_kafka_topic_partition_list_t *rows, int64_t *sum)
{
    *sum = 0;
    for (int i = 0; i < rows->cnt; i++)
        rows->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    if (rd_kafka_committed(client, rows, ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false; /* a coordinator that has moved, or is not there yet */
    for (int i = 0; i < rows->cnt; i++)
        *sum += rows->elems[i].offset > 0 ? rows->elems[i].offset : 0;
    return true;
}

static rd_kafka_topic_partition_list_t *rows_of(rd_kafka_t *client, char **topics, int count)
{
    rd_kafka_topic_partition_list_t *rows = rd_kafka_topic_partition_list_new(8);

    for (int t = 0; t < count; t++)
        for (int32_t p = 0, partitions = tool_partitions(client, topics[t]); p < partitions; p++)
            rd_kafka_topic_partition_list_add(rows, topics[t], p);
    return rows;
}

static int drain(char **words, int count, bool follow)
{
    rd_kafka_t *client = reader(words[0], words[1], "read_uncommitted");
    pid_t pid = (pid_t)tool_number("PID", words[2]), broker = (pid_t)tool_number("PID", words[3]);
    int64_t until_ms = tool_wall_ms() + (int64_t)tool_number("SECONDS", words[4]) * 1000;
    rd_kafka_topic_partition_list_t *rows = rows_of(client, words + 5, count - 5);
    int64_t low, end, committed;

    low = ask_ends(client, rows, RD_KAFKA_OFFSET_BEGINNING);
    end = ask_ends(client, rows, RD_KAFKA_OFFSET_END);
    for (;;) {
        int64_t now_ms = tool_wall_ms(), mine_us = cpu_us(pid);
        bool known = ask_committed(client, rows, &committed);
        committed = committed > low ? committed - low : 0;
        if (follow)
            end = ask_ends(client, rows, RD_KAFKA_OFFSET_END);
        if (known)
            printf("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %ld\n",
                   tool_wall_ms(), committed, end - low, mine_us, cpu_us(broker), rss_kb(pid));
        fflush(stdout);
        if (known && !follow && committed >= end - low)
            return 0;
        if (mine_us < 0 || now_ms > until_ms)
            return follow && mine_us >= 0 ? 0 : 1;
        sleep_ms((!follow && (committed == 0 || committed * 10 > (end - low) * 9) ? OFTEN_MS
                                                                                  : EVERY_MS) -
                 (tool_wall_ms() - now_ms));
    }
}

static int advance(char **words, int count)
{
    rd_kafka_t *client = reader(words[0], words[1], "read_uncommitted");
    int64_t until_ms = tool_wall_ms() + (int64_t)tool_number("SECONDS", words[2]) * 1000;
    rd_kafka_topic_partition_list_t *rows = rows_of(client, words + 3, count - 3);
    int64_t before = -1, now;

    for (; tool_wall_ms() < until_ms; sleep_ms(OFTEN_MS)) {
        if (!ask_committed(client, rows, &now))
            continue;
        if (before < 0) {
            printf("committed=%" PRId64 "\n", now);
            fflush(stdout);
            before = now;
        } else if (now > before) {
            printf("advanced_ms=%" PRId64 "\n", tool_wall_ms());
            return 0;
        }
    }
    return 1;
}

/* ---- first, count ------------------------------------------------------------------------- */

static int assign_all(rd_kafka_t *client, char **topics, int count)
{
    rd_kafka_topic_partition_list_t *rows = rd_kafka_topic_partition_list_new(8);
    int partitions = 0;

    for (int t = 0; t < count; t++)
        for (int32_t p = 0, all = tool_partitions(client, topics[t]); p < all; p++, partitions++)
            rd_kafka_topic_partition_list_add(rows, topics[t], p)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    tool_check("assign", rd_kafka_assign(client, rows));
    rd_kafka_topic_partition_list_destroy(rows);
    return partitions;
}

static int first(char **words)
{
    rd_kafka_t *client = reader(words[0], "ruler", "read_committed");
    int64_t until_ms = tool_wall_ms() + (int64_t)tool_number("SECONDS", words[1]) * 1000;

    assign_all(client, words + 2, 1);
    printf("reading\n");
    fflush(stdout);
    while (tool_wall_ms() < until_ms) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 100);
        if (message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            printf("first_ms=%" PRId64 "\n", tool_wall_ms());
            return 0;
        }
        if (message != NULL)
            rd_kafka_message_destroy(message);
    }
    return 1;
}

static uint64_t headers_bytes(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    uint64_t sum = 0;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; i++)
        sum += strlen(name) + size;
    return sum;
}

static void count_topic(rd_kafka_t *client, char *topic)
{
    int left = assign_all(client, &topic, 1);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    rd_kafka_message_t *batch[1000];
    uint64_t records = 0, keys = 0, values = 0, headers = 0;

    while (left > 0) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 100, batch, 1000);
        for (ssize_t i = 0; i < count; i++) {
            if (batch[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                left--;
            } else {
                tool_check(topic, batch[i]->err);
                records++;
                keys += batch[i]->key_len;
                values += batch[i]->len;
                headers += headers_bytes(batch[i]);
            }
            rd_kafka_message_destroy(batch[i]);
        }
    }
    rd_kafka_queue_destroy(queue);
    printf("topic=%s records=%" PRIu64 " key_bytes=%" PRIu64 " value_bytes=%" PRIu64
           " header_bytes=%" PRIu64 "\n",
           topic, records, keys, values, headers);
}

static int count(char **words, int number)
{
    rd_kafka_t *client = reader(words[0], "ruler", "read_committed");

    for (int t = 1; t < number; t++)
        count_topic(client, words[t]);
    return 0;
}

/* ---- create, delete ----------------------------------------------------------------------- */

static void await_admin(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    const rd_kafka_topic_result_t **results = NULL;
    size_t number = 0;

    if (event == NULL)
        tool_die("admin", "no answer in 30 s");
    tool_check("admin", rd_kafka_event_error(event));
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
        results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &number);
    else
        results =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &number);
    for (size_t i = 0; i < number; i++) {
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
        if (error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS &&
            error != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            tool_check(rd_kafka_topic_result_name(results[i]), error);
    }
    rd_kafka_event_destroy(event);
}

static int create(char **words, int number)
{
    rd_kafka_t *client = reader(words[0], "ruler", "read_committed");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(words[2], (int)tool_number("PARTITIONS", words[1]), 1, NULL, 0);

    for (int i = 3; i < number; i++) {
        char *equals = strchr(words[i], '=');
        if (equals == NULL)
            tool_die(words[i], "is not PROPERTY=VALUE");
        *equals = 0;
        tool_check(words[i], rd_kafka_NewTopic_set_config(topic, words[i], equals + 1));
    }
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    await_admin(queue);
    return 0;
}

static int delete (char **words, int number)
{
    rd_kafka_t *client = reader(words[0], "ruler", "read_committed");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_DeleteTopic_t *topics[1000];
    size_t chosen = 0;

    tool_check("metadata", rd_kafka_metadata(client, 1, NULL, &metadata, ASK_MS));
    for (int i = 0; i < metadata->topic_cnt; i++)
        for (int w = 1; w < number && chosen < 1000; w++)
            if (strncmp(metadata->topics[i].topic, words[w], strlen(words[w])) == 0) {
                topics[chosen++] = rd_kafka_DeleteTopic_new(metadata->topics[i].topic);
                break;
            }
    if (chosen == 0)
        return 0;
    rd_kafka_DeleteTopics(client, topics, chosen, NULL, queue);
    await_admin(queue);
    return 0;
}

int main(int argc, char **argv)
{
    char **words = argv + 2;
    int number = argc - 2;
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "drain") == 0 && number >= 6)
        return drain(words, number, false);
    if (strcmp(what, "follow") == 0 && number >= 6)
        return drain(words, number, true);
    if (strcmp(what, "advance") == 0 && number >= 4)
        return advance(words, number);
    if (strcmp(what, "first") == 0 && number == 3)
        return first(words);
    if (strcmp(what, "count") == 0 && number >= 2)
        return count(words, number);
    if (strcmp(what, "create") == 0 && number >= 3)
        return create(words, number);
    if (strcmp(what, "delete") == 0 && number >= 2)
        return delete (words, number);
    fputs(usage, stderr);
    return 2;
}
