/*
 * produce.c: records as a test wants them into Kafka: any timestamp, any bytes, any headers, and
 * transactions that stay open. kcat can do none of these.
 *
 *   produce BROKERS [TRANSACTIONAL_ID]
 *
 * Reads lines from standard input:
 *
 *   {"topic":...}                        a record, as an envelope (schemas/envelope.h); a timestamp
 *                                        of 0 would be the time of day, so none has that
 *   topic NAME PARTITIONS [KEY=VALUE...] makes a topic
 *   flush | begin | commit | abort       waits for all that is under way | a transaction
 *
 * Answers each but a record with one line, "ok N", N being the records delivered so far, and ends
 * with 1 at the first fault.
 */
#include "consumer/lines.h"
#include "schemas/envelope.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 60000, WORDS_MAX = 16 };

static unsigned long long delivered;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "produce: %s: %s\n", what, why);
    exit(1);
}

static void ask(rd_kafka_error_t *error, const char *what)
{
    if (error != NULL)
        die(what, rd_kafka_error_string(error));
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    (void)opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        delivered++;
    else if (message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
             message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        die("delivery", rd_kafka_err2str(message->err));
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        die(name, why);
}

static rd_kafka_t *open_producer(const char *brokers, const char *transactional_id)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *producer;
    char why[512];

    set(conf, "bootstrap.servers", brokers);
    set(conf, "linger.ms", "5");
    set(conf, "log_level", "3"); /* a coordinator that is loading is no news */
    set(conf, "message.max.bytes", "8000000");
    set(conf, "enable.idempotence", "true");
    if (transactional_id != NULL) {
        set(conf, "transactional.id", transactional_id);
        set(conf, "transaction.timeout.ms", "300000");
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (producer == NULL)
        die("producer", why);
    if (transactional_id != NULL)
        ask(rd_kafka_init_transactions(producer, PATIENCE_MS), "init_transactions");
    return producer;
}

static void put_record(rd_kafka_t *producer, const struct envelope *envelope)
{
    char topic[300];
    rd_kafka_resp_err_t error;

    if (envelope->topic == NULL || envelope->topic_size >= sizeof(topic))
        die("record", "it has no topic");
    memcpy(topic, envelope->topic, envelope->topic_size);
    topic[envelope->topic_size] = 0;
    do {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(envelope->header_count);
        for (size_t i = 0; i < envelope->header_count; i++)
            rd_kafka_header_add(headers, (const char *)envelope->headers[i].name,
                                (ssize_t)envelope->headers[i].name_size,
                                envelope->headers[i].value,
                                (ssize_t)envelope->headers[i].value_size);
        /* librdkafka's macros check their types by GNU statement expressions. */
        error = __extension__ rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(envelope->partition),
            RD_KAFKA_V_KEY(envelope->key, envelope->key_size),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)envelope->value, envelope->value_size),
            RD_KAFKA_V_TIMESTAMP(envelope->timestamp_ms < 0 ? 0 : envelope->timestamp_ms),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_headers_destroy(headers);
        if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(producer, 20);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("record", rd_kafka_err2str(error));
    rd_kafka_poll(producer, 0);
}

static void make_topic(rd_kafka_t *producer, char **words, size_t count)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(producer);
    rd_kafka_NewTopic_t *topic;
    rd_kafka_event_t *event;
    const rd_kafka_topic_result_t **results;
    char why[512];
    size_t result_count;

    if (count < 3)
        die("topic", "takes a name and a number of partitions");
    topic = rd_kafka_NewTopic_new(words[1], atoi(words[2]), -1, why, sizeof(why));
    if (topic == NULL)
        die(words[1], why);
    for (size_t i = 3; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (value == NULL)
            die(words[i], "is not KEY=VALUE");
        *value++ = 0;
        rd_kafka_NewTopic_set_config(topic, words[i], value);
    }
    rd_kafka_CreateTopics(producer, &topic, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, PATIENCE_MS);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(words[1], event == NULL ? "no answer" : rd_kafka_event_error_string(event));
    results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event),
                                                  &result_count);
    if (rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(words[1], rd_kafka_topic_result_error_string(results[0]));
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
}

static void obey(rd_kafka_t *producer, const struct line *line)
{
    char text[4096], *words[WORDS_MAX], *rest = NULL;
    size_t count = 0;

    snprintf(text, sizeof(text), "%.*s", (int)line->size, (const char *)line->bytes);
    for (char *word = strtok_r(text, " ", &rest); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    if (count == 0)
        die("line", "is empty");
    if (strcmp(words[0], "topic") == 0)
        make_topic(producer, words, count);
    else if (strcmp(words[0], "begin") == 0)
        ask(rd_kafka_begin_transaction(producer), "begin");
    else if (strcmp(words[0], "commit") == 0)
        ask(rd_kafka_commit_transaction(producer, PATIENCE_MS), "commit");
    else if (strcmp(words[0], "abort") == 0)
        ask(rd_kafka_abort_transaction(producer, PATIENCE_MS), "abort");
    else if (strcmp(words[0], "flush") != 0)
        die(words[0], "is no word of mine");
    if (rd_kafka_flush(producer, PATIENCE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("flush", "not all was delivered");
    printf("ok %llu\n", delivered);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct buffer store = {0};
    struct envelope envelope;
    struct lines lines;
    struct line line;
    rd_kafka_t *producer;
    const char *why;

    if (argc < 2 || argc > 3)
        die("usage", "produce BROKERS [TRANSACTIONAL_ID]");
    if (!lines_open(&lines, "-"))
        die("standard input", "cannot be read");
    producer = open_producer(argv[1], argc > 2 ? argv[2] : NULL);
    while (lines_next(&lines, &line)) {
        if (line.size == 0 || line.bytes[0] != '{') {
            obey(producer, &line);
            continue;
        }
        buffer_clear(&store);
        if (envelope_decode(line.bytes, line.size, &store, &envelope, &why) != ENVELOPE_GOOD)
            die("line", "is no envelope");
        put_record(producer, &envelope);
    }
    rd_kafka_flush(producer, PATIENCE_MS);
    rd_kafka_destroy(producer);
    lines_close(&lines);
    buffer_release(&store);
    return 0;
}
