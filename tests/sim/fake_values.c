/* fake_values.c: librdkafka's plain values. */
#include "tests/sim/fake.h"

#include "statemachine/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Objects are counted per process, so that an end that leaves some behind is seen. */
static void born(struct process *process)
{
    if (process != NULL)
        process->objects++;
}

static void dead(struct process *process)
{
    if (process != NULL)
        process->objects--;
}

static void *zeroed(size_t size)
{
    void *memory = memory_get(size);

    memset(memory, 0, size);
    return memory;
}

/* ---- configurations ---- */

rd_kafka_conf_t *rd_kafka_conf_new(void)
{
    return zeroed(sizeof(rd_kafka_conf_t));
}

void rd_kafka_conf_destroy(rd_kafka_conf_t *conf)
{
    free(conf);
}

rd_kafka_conf_res_t rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                                      char *why, size_t why_size)
{
    int i = 0;

    (void)why;
    (void)why_size;
    while (i < conf->count && strcmp(conf->rows[i].name, name) != 0)
        i++;
    require(i < 64);
    if (i == conf->count)
        conf->count++;
    snprintf(conf->rows[i].name, sizeof(conf->rows[i].name), "%s", name);
    snprintf(conf->rows[i].value, sizeof(conf->rows[i].value), "%s", value);
    return RD_KAFKA_CONF_OK;
}

const char *conf_get(const rd_kafka_conf_t *conf, const char *name, const char *otherwise)
{
    for (int i = 0; i < conf->count; i++)
        if (strcmp(conf->rows[i].name, name) == 0)
            return conf->rows[i].value;
    return otherwise;
}

void rd_kafka_conf_set_opaque(rd_kafka_conf_t *conf, void *opaque)
{
    conf->opaque = opaque;
}

void rd_kafka_conf_set_rebalance_cb(rd_kafka_conf_t *conf,
                                    void (*callback)(rd_kafka_t *, rd_kafka_resp_err_t,
                                                     rd_kafka_topic_partition_list_t *, void *))
{
    conf->rebalance = callback;
}

void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *conf,
                                 void (*callback)(rd_kafka_t *, const rd_kafka_message_t *, void *))
{
    conf->delivered = callback;
}

/* Asked of a producer of events, which the stage never makes. */
void *rd_kafka_opaque(const rd_kafka_t *handle)
{
    (void)handle;
    return NULL;
}

void rd_kafka_conf_set_stats_cb(rd_kafka_conf_t *conf,
                                int (*stats_cb)(rd_kafka_t *, char *, size_t, void *))
{
    (void)conf;
    (void)stats_cb;
}

void rd_kafka_conf_set_log_cb(rd_kafka_conf_t *conf,
                              void (*callback)(const rd_kafka_t *, int, const char *, const char *))
{
    (void)conf;
    (void)callback;
}

void rd_kafka_conf_set_error_cb(rd_kafka_conf_t *conf,
                                void (*callback)(rd_kafka_t *, int, const char *, void *))
{
    conf->errored = callback;
}

void rd_kafka_conf_properties_show(FILE *file)
{
    (void)file;
}

/* ---- errors ---- */

const char *rd_kafka_err2name(rd_kafka_resp_err_t error)
{
    static char number[16];

#define NAME(word)                                                                                 \
    case RD_KAFKA_RESP_ERR_##word:                                                                 \
        return #word
    switch ((int)error) {
        NAME(NO_ERROR);
        NAME(_TRANSPORT);
        NAME(_TIMED_OUT);
        NAME(_STATE);
        NAME(_FATAL);
        NAME(_FENCED);
        NAME(_PURGE_QUEUE);
        NAME(_PURGE_INFLIGHT);
        NAME(_MSG_TIMED_OUT);
        NAME(_PARTITION_EOF);
        NAME(_INCONSISTENT);
        NAME(UNSTABLE_OFFSET_COMMIT);
        NAME(ILLEGAL_GENERATION);
        NAME(UNKNOWN_MEMBER_ID);
        NAME(FENCED_INSTANCE_ID);
        NAME(REBALANCE_IN_PROGRESS);
        NAME(INVALID_TXN_STATE);
        NAME(INVALID_PRODUCER_EPOCH);
        NAME(PRODUCER_FENCED);
        NAME(INVALID_PRODUCER_ID_MAPPING);
        NAME(CONCURRENT_TRANSACTIONS);
        NAME(OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
#undef NAME
    snprintf(number, sizeof(number), "%d", error);
    return number;
}

static rd_kafka_error_t *error_new(rd_kafka_resp_err_t code, const char *text)
{
    rd_kafka_error_t *error = zeroed(sizeof(*error));

    error->code = code;
    snprintf(error->text, sizeof(error->text), "%s", text);
    error->process = process_now();
    born(error->process);
    return error;
}

rd_kafka_error_t *error_plain(rd_kafka_resp_err_t code, const char *text)
{
    return error_new(code, text);
}

rd_kafka_error_t *error_retriable(rd_kafka_resp_err_t code, const char *text)
{
    rd_kafka_error_t *error = error_new(code, text);

    error->retriable = true;
    return error;
}

rd_kafka_error_t *error_abort(rd_kafka_resp_err_t code, const char *text)
{
    rd_kafka_error_t *error = error_new(code, text);

    error->abort = true;
    return error;
}

rd_kafka_error_t *error_fatal(rd_kafka_resp_err_t code, const char *text)
{
    rd_kafka_error_t *error = error_new(code, text);

    error->fatal = true;
    return error;
}

rd_kafka_resp_err_t rd_kafka_error_code(const rd_kafka_error_t *error)
{
    return error == NULL ? RD_KAFKA_RESP_ERR_NO_ERROR : error->code;
}

const char *rd_kafka_error_name(const rd_kafka_error_t *error)
{
    return rd_kafka_err2name(rd_kafka_error_code(error));
}

const char *rd_kafka_error_string(const rd_kafka_error_t *error)
{
    return error == NULL ? "" : error->text;
}

int rd_kafka_error_is_fatal(const rd_kafka_error_t *error)
{
    return error != NULL && error->fatal;
}

int rd_kafka_error_is_retriable(const rd_kafka_error_t *error)
{
    return error != NULL && error->retriable;
}

int rd_kafka_error_txn_requires_abort(const rd_kafka_error_t *error)
{
    return error != NULL && error->abort;
}

void rd_kafka_error_destroy(rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    dead(error->process);
    free(error);
}

const char *rd_kafka_err2str(rd_kafka_resp_err_t error)
{
    return rd_kafka_err2name(error);
}

/* ---- lists of partitions ---- */

rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size)
{
    rd_kafka_topic_partition_list_t *list = zeroed(sizeof(*list));

    list->size = size;
    born(process_now());
    return list;
}

rd_kafka_topic_partition_t *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *list,
                                                              const char *topic, int32_t partition)
{
    rd_kafka_topic_partition_t *row;

    if (list->elems == NULL || list->cnt >= list->size || list->cnt == 0) {
        list->size = list->cnt + 8 > list->size ? list->cnt + 8 : list->size;
        list->elems = memory_resize(list->elems, (size_t)list->size, sizeof(*list->elems));
    }
    row = &list->elems[list->cnt++];
    *row = (rd_kafka_topic_partition_t){.topic = strdup(topic),
                                        .partition = partition,
                                        .offset = RD_KAFKA_OFFSET_INVALID};
    return row;
}

rd_kafka_topic_partition_list_t *
rd_kafka_topic_partition_list_copy(const rd_kafka_topic_partition_list_t *from)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(from->cnt);

    for (int i = 0; i < from->cnt; i++) {
        rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_add(
            list, from->elems[i].topic, from->elems[i].partition);
        row->offset = from->elems[i].offset;
        row->err = from->elems[i].err;
        if (from->elems[i].metadata != NULL) {
            row->metadata = bytes_copy(from->elems[i].metadata, from->elems[i].metadata_size).data;
            row->metadata_size = from->elems[i].metadata_size;
        }
    }
    return list;
}

void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        free(list->elems[i].topic);
        free(list->elems[i].metadata);
    }
    free(list->elems);
    free(list);
    dead(process_now());
}

rd_kafka_topic_partition_t *
rd_kafka_topic_partition_list_find(const rd_kafka_topic_partition_list_t *list, const char *topic,
                                   int32_t partition)
{
    for (int i = 0; i < list->cnt; i++)
        if (strcmp(list->elems[i].topic, topic) == 0 && list->elems[i].partition == partition)
            return &list->elems[i];
    return NULL;
}

/* ---- headers ---- */

rd_kafka_headers_t *rd_kafka_headers_new(size_t size)
{
    rd_kafka_headers_t *headers = zeroed(sizeof(*headers));

    (void)size;
    headers->process = process_now();
    born(headers->process);
    return headers;
}

rd_kafka_resp_err_t rd_kafka_header_add(rd_kafka_headers_t *headers, const char *name,
                                        ssize_t name_size, const void *value, ssize_t value_size)
{
    struct tag *tag;

    headers->tags = memory_resize(headers->tags, headers->count + 1, sizeof(*headers->tags));
    tag = &headers->tags[headers->count++];
    tag->name = name_size < 0 ? strdup(name) : strndup(name, (size_t)name_size);
    tag->value = bytes_copy(value, value_size < 0 ? strlen(value) : (size_t)value_size);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_headers_t *rd_kafka_headers_copy(const rd_kafka_headers_t *from)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(from->count);

    for (size_t i = 0; i < from->count; i++)
        rd_kafka_header_add(headers, from->tags[i].name, -1, from->tags[i].value.data,
                            (ssize_t)from->tags[i].value.size);
    return headers;
}

void rd_kafka_headers_destroy(rd_kafka_headers_t *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        free(headers->tags[i].name);
        free(headers->tags[i].value.data);
    }
    free(headers->tags);
    dead(headers->process);
    free(headers);
}

rd_kafka_resp_err_t rd_kafka_header_get_all(const rd_kafka_headers_t *headers, size_t at,
                                            const char **name, const void **value, size_t *size)
{
    if (at >= headers->count)
        return RD_KAFKA_RESP_ERR__NOENT;
    *name = headers->tags[at].name;
    *value = headers->tags[at].value.data;
    *size = headers->tags[at].value.size;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- topics ---- */

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *handle, const char *name,
                                     rd_kafka_topic_conf_t *conf)
{
    rd_kafka_topic_t *topic = zeroed(sizeof(*topic));

    (void)conf;
    snprintf(topic->name, sizeof(topic->name), "%s", name);
    topic->uses = 1;
    topic->client = client_of(handle);
    topic->process = topic->client->process;
    born(topic->process);
    return topic;
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *topic)
{
    if (--topic->uses > 0)
        return;
    dead(topic->process);
    free(topic);
}

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic)
{
    return topic->name;
}

/* ---- messages ---- */

struct message *message_new(struct client *client, const char *topic, int32_t partition)
{
    struct message *message = zeroed(sizeof(*message));

    message->said.rkt = rd_kafka_topic_new(handle_of(client), topic, NULL);
    message->said.partition = partition;
    message->process = client->process;
    message->incarnation = client->incarnation;
    born(message->process);
    return message;
}

void rd_kafka_message_destroy(rd_kafka_message_t *said)
{
    struct message *message = (struct message *)said;

    if (!message->borrows)
        free(said->payload);
    free(said->key);
    if (message->headers != NULL)
        rd_kafka_headers_destroy(message->headers);
    rd_kafka_topic_destroy(said->rkt);
    dead(message->process);
    free(message);
}

const char *rd_kafka_message_errstr(const rd_kafka_message_t *said)
{
    const struct message *message = (const struct message *)said;

    return message->text;
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *said,
                                             rd_kafka_headers_t **headers)
{
    const struct message *message = (const struct message *)said;

    if (message->headers == NULL)
        return RD_KAFKA_RESP_ERR__NOENT;
    *headers = message->headers;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *said, rd_kafka_timestamp_type_t *type)
{
    *type = RD_KAFKA_TIMESTAMP_CREATE_TIME;
    return ((const struct message *)said)->timestamp_ms;
}

void list_put(struct list *list, struct message *message)
{
    message->next = NULL;
    if (list->last == NULL)
        list->first = message;
    else
        list->last->next = message;
    list->last = message;
    list->count++;
}

struct message *list_take(struct list *list)
{
    struct message *message = list->first;

    if (message == NULL)
        return NULL;
    list->first = message->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    return message;
}

void list_clear(struct list *list)
{
    struct message *message;

    while ((message = list_take(list)) != NULL)
        rd_kafka_message_destroy(&message->said);
}

/* ---- queues ---- */

void queue_put(rd_kafka_queue_t *queue, struct message *message)
{
    bool was_empty;

    while (queue->forward != NULL)
        queue = queue->forward;
    was_empty = queue->messages.count == 0;
    list_put(&queue->messages, message);
    if (queue->waiting != NULL)
        fiber_wake(queue->waiting);
    if (was_empty && queue->signals)
        client_signal(queue->client);
}
