/* kafka.c: one place that knows which property each handle needs, and why. */
#include "consumer/kafka.h"

#include "consumer/kafka_statistics.h"
#include "consumer/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSACTION_TIMEOUT_MS "15000"

enum {
    NEVER_SLEEPS = 0x02020000, /* the librdkafka that has fetch.queue.backoff.ms */
    NUDGE_MS = 1,
};

/* The user's value of a property, the last one counts; NULL where there is none. */
static const char *said(const struct config *config, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < config->kafka_count; i++)
        if (strcmp(config->kafka[i].name, name) == 0)
            value = config->kafka[i].value;
    return value;
}

const char *kafka_brokers(const struct config *config)
{
    const char *brokers = said(config, "bootstrap.servers");

    if (brokers == NULL)
        brokers = said(config, "metadata.broker.list");
    return brokers == NULL ? "localhost:9092" : brokers;
}

int64_t kafka_transaction_timeout_ms(const struct config *config)
{
    const char *value = said(config, "transaction.timeout.ms");

    return strtoll(value == NULL ? TRANSACTION_TIMEOUT_MS : value, NULL, 10);
}

/* A property upshot wants, unless the user has said otherwise. */
static void prefer(rd_kafka_conf_t *conf, const struct config *config, const char *name,
                   const char *value)
{
    char why[256];

    if (said(config, name) != NULL)
        return;
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        log_error("kafka_property", "name=%s value=%s error=\"%s\"", name, value, why);
}

/* A property that a promise stands on; config.c refuses it from outside. */
static void demand(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        log_error("kafka_property", "name=%s value=%s error=\"%s\"", name, value, why);
}

/* What the last broken connection of any handle said, for those who wait for a broker. */
static pthread_mutex_t words_lock = PTHREAD_MUTEX_INITIALIZER;
static char address_text[400];

void kafka_address_text(char *out, size_t room)
{
    pthread_mutex_lock(&words_lock);
    snprintf(out, room, "%s", address_text);
    pthread_mutex_unlock(&words_lock);
}

static void keep_address_text(rd_kafka_resp_err_t error, const char *text)
{
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return; /* says nothing that the others did not */
    pthread_mutex_lock(&words_lock);
    snprintf(address_text, sizeof(address_text), "%s", text);
    pthread_mutex_unlock(&words_lock);
}

/* Which topic a transaction may not write to is told nowhere but in librdkafka's log. */
static char refused_topic[256];

void kafka_refused_topic(char *out, size_t room)
{
    pthread_mutex_lock(&words_lock);
    snprintf(out, room, "%s", refused_topic);
    pthread_mutex_unlock(&words_lock);
}

static void keep_refused_topic(const char *text)
{
    const char *name = strstr(text, "Failed to add partition \"");

    if (name == NULL)
        return;
    name = strchr(name, '"') + 1;
    pthread_mutex_lock(&words_lock);
    snprintf(refused_topic, sizeof(refused_topic), "%.*s", (int)strcspn(name, "\""), name);
    pthread_mutex_unlock(&words_lock);
}

/* So is this; the last ones, by their handles' names. */
static char held_up[16][64];
static size_t held_up_count;

static void keep_held_up(const rd_kafka_t *client, const char *text)
{
    size_t slots = sizeof(held_up) / sizeof(*held_up);

    if (strstr(text, "another concurrent operation") == NULL)
        return;
    pthread_mutex_lock(&words_lock);
    snprintf(held_up[held_up_count++ % slots], sizeof(held_up[0]), "%s", rd_kafka_name(client));
    pthread_mutex_unlock(&words_lock);
}

bool kafka_was_held_up(const rd_kafka_t *producer)
{
    size_t slots = sizeof(held_up) / sizeof(*held_up);
    bool found = false;

    pthread_mutex_lock(&words_lock);
    for (size_t i = 0; i < held_up_count && i < slots; i++)
        found = found || strcmp(held_up[i], rd_kafka_name(producer)) == 0;
    pthread_mutex_unlock(&words_lock);
    return found;
}

/* librdkafka counts as syslog does. Its errors are our warnings: it goes on, and tries again. */
static enum log_level our_level(int level)
{
    return level <= 4 ? LOG_WARN_LEVEL : level <= 6 ? LOG_INFO_LEVEL : LOG_DEBUG_LEVEL;
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    char about[128];

    if (strcmp(facility, "CONFWARN") == 0)
        return; /* each handle gets all properties; half of them are about the other half */
    if (strcmp(facility, "ADDPARTS") == 0)
        keep_refused_topic(text);
    if (strcmp(facility, "GETPID") == 0)
        keep_held_up(client, text);
    if (our_level(level) == LOG_DEBUG_LEVEL) { /* asked for by `debug`: every one of them */
        log_debug("kafka_log", "client=%s facility=%s text=\"%s\"", rd_kafka_name(client), facility,
                  text);
        return;
    }
    /* The text begins with the thread, which names the broker: each may say it once. */
    snprintf(about, sizeof(about), "%s %.*s", facility, (int)strcspn(text, "]"), text);
    log_seldom(our_level(level), "kafka_log", about, "client=%s facility=%s text=\"%s\"",
               rd_kafka_name(client), facility, text);
}

void kafka_tell_error(rd_kafka_t *client, int code, const char *text, void *opaque)
{
    rd_kafka_resp_err_t error = (rd_kafka_resp_err_t)code;

    (void)opaque;
    keep_address_text(error, text);
    log_seldom(LOG_WARN_LEVEL, "kafka_error", rd_kafka_err2name(error),
               "client=%s code=%s text=\"%s\"", rd_kafka_name(client), rd_kafka_err2name(error),
               text);
}

static rd_kafka_conf_t *base(const struct config *config)
{
    rd_kafka_conf_t *conf = config_kafka(config);

    prefer(conf, config, "bootstrap.servers", "localhost:9092");
    prefer(conf, config, "client.id", "upshot");
    prefer(conf, config, "socket.nagle.disable", "true");
    prefer(conf, config, "reconnect.backoff.max.ms", "2000");
    prefer(conf, config, "log_level", "5");
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, kafka_tell_error);
    return conf;
}

/* For those handles that carry the stage's load. */
static void show_statistics(rd_kafka_conf_t *conf, const struct config *config)
{
    if (!kafka_statistics_are_wanted())
        return;
    prefer(conf, config, "statistics.interval.ms", KAFKA_STATISTICS_MS);
    rd_kafka_conf_set_stats_cb(conf, kafka_statistics_keep);
}

static rd_kafka_t *make(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[512];
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof(why));

    if (client == NULL) {
        log_error("kafka_refused", "error=\"%s\"", why);
        rd_kafka_conf_destroy(conf);
    }
    return client;
}

rd_kafka_t *kafka_client(const struct config *config)
{
    rd_kafka_conf_t *conf = base(config);

    demand(conf, "group.id", config->app_id); /* never joins; brokers like to know who asks */
    demand(conf, "allow.auto.create.topics", "false"); /* a question makes nothing */
    demand(conf, "isolation.level", "read_uncommitted");
    /* A broker that is paused is not asked for longer; the next question finds another. */
    prefer(conf, config, "socket.timeout.ms", "4000");
    return make(RD_KAFKA_CONSUMER, conf);
}

rd_kafka_t *kafka_probe(const struct config *config, const char *address, void *opaque,
                        void (*log)(const rd_kafka_t *, int, const char *, const char *),
                        void (*on_error)(rd_kafka_t *, int, const char *, void *))
{
    rd_kafka_conf_t *conf = base(config);

    demand(conf, "bootstrap.servers", address);
    demand(conf, "debug", "feature"); /* the versions of its APIs are told by the log alone */
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_conf_set_log_cb(conf, log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return make(RD_KAFKA_PRODUCER, conf);
}

static rd_kafka_resp_err_t ask_end(rd_kafka_t *client, const char *topic, int32_t partition,
                                   int64_t which, int64_t *offset, int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t error;

    row->offset = which;
    error = rd_kafka_offsets_for_times(client, list, timeout_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = row->err;
    *offset = row->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

/* Not by rd_kafka_query_watermark_offsets(): in 2.0.2 it may wait for an answer without end. */
rd_kafka_resp_err_t kafka_ask_ends(rd_kafka_t *client, const char *topic, int32_t partition,
                                   int64_t *low, int64_t *high, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle;
    rd_kafka_resp_err_t error =
        ask_end(client, topic, partition, RD_KAFKA_OFFSET_BEGINNING, low, timeout_ms);

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = ask_end(client, topic, partition, RD_KAFKA_OFFSET_END, high, timeout_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    handle = rd_kafka_topic_new(client, topic, NULL);
    if (rd_kafka_metadata(client, 0, handle, &metadata, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return error;
}

rd_kafka_t *kafka_member(const struct config *config, int worker, void *opaque,
                         void (*on_rebalance)(rd_kafka_t *, rd_kafka_resp_err_t,
                                              rd_kafka_topic_partition_list_t *, void *))
{
    rd_kafka_conf_t *conf = base(config);
    rd_kafka_t *client;
    char member[512];

    demand(conf, "group.id", config->app_id);
    if (config->instance_id[0] != 0) {
        snprintf(member, sizeof(member), "%s-%s-%d", config->app_id, config->instance_id, worker);
        demand(conf, "group.instance.id", member);
    }
    demand(conf, "enable.auto.commit", "false");
    demand(conf, "enable.auto.offset.store", "false");
    demand(conf, "isolation.level", "read_committed"); /* OffsetFetch then asks for stable ones */
    demand(conf, "enable.partition.eof", "true");
    demand(conf, "auto.offset.reset", "error"); /* gone records are told, not skipped */
    if (config->group_protocol == GROUP_CONSUMER) {
        demand(conf, "group.protocol", "consumer");
        demand(conf, "group.remote.assignor", "range");
    } else {
        demand(conf, "partition.assignment.strategy", "range");
    }
    /* By heartbeats a member hears that others wait for it, to share out partitions anew. */
    prefer(conf, config, "heartbeat.interval.ms", "500");
    prefer(conf, config, "fetch.wait.max.ms", "50");
    prefer(conf, config, "fetch.message.max.bytes", "4194304");
    prefer(conf, config, "queued.min.messages", "50000");
    prefer(conf, config, "queued.max.messages.kbytes", "32768");
    show_statistics(conf, config);
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    client = make(RD_KAFKA_CONSUMER, conf);
    if (client != NULL)
        rd_kafka_poll_set_consumer(client);
    return client;
}

/* Of who is assigned what it reads, and keeps its place itself. */
static rd_kafka_conf_t *reader_conf(const struct config *config, const char *isolation)
{
    rd_kafka_conf_t *conf = base(config);

    demand(conf, "group.id", config->app_id); /* needed by assign(); it never subscribes */
    demand(conf, "enable.auto.commit", "false");
    demand(conf, "enable.auto.offset.store", "false");
    demand(conf, "isolation.level", isolation);
    demand(conf, "enable.partition.eof", "true");
    demand(conf, "auto.offset.reset", "earliest"); /* compaction may take the beginning away */
    return conf;
}

static rd_kafka_t *make_reader(const struct config *config, rd_kafka_conf_t *conf)
{
    rd_kafka_t *client;

    prefer(conf, config, "fetch.wait.max.ms", "10");
    prefer(conf, config, "fetch.message.max.bytes", "4194304");
    prefer(conf, config, "socket.timeout.ms", "20000"); /* it is asked, too, but it also fetches */
    show_statistics(conf, config);
    if (rd_kafka_version() >= NEVER_SLEEPS) /* before that, kafka_nudge() wakes who sleeps */
        prefer(conf, config, "fetch.queue.backoff.ms", "5");
    client = make(RD_KAFKA_CONSUMER, conf);
    if (client != NULL)
        rd_kafka_poll_set_consumer(client);
    return client;
}

rd_kafka_t *kafka_restorer(const struct config *config)
{
    rd_kafka_conf_t *conf = reader_conf(config, "read_committed");

    prefer(conf, config, "queued.min.messages", "200000");
    return make_reader(config, conf);
}

/*
 * Of a record that waits librdkafka keeps 400 bytes beside the record. So few wait, a tenth of a
 * second's work; kafka_nudge() has more on its way before they are gone.
 */
rd_kafka_t *kafka_range_reader(const struct config *config, bool committed)
{
    const char *isolation = committed ? "read_committed" : "read_uncommitted";
    rd_kafka_conf_t *conf = reader_conf(config, isolation);

    prefer(conf, config, "queued.min.messages", "20000");
    prefer(conf, config, "queued.max.messages.kbytes", "8192");
    demand(conf, "auto.offset.reset", "error"); /* what is gone is told, not passed over */
    return make_reader(config, conf);
}

void kafka_nudge(rd_kafka_t *client, const char *topic, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list;

    if (rd_kafka_version() >= NEVER_SLEEPS)
        return;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_offsets_for_times(client, list, NUDGE_MS);
    rd_kafka_topic_partition_list_destroy(list);
}

rd_kafka_t *kafka_sampler(const struct config *config, bool committed)
{
    rd_kafka_conf_t *conf = reader_conf(config, committed ? "read_committed" : "read_uncommitted");

    demand(conf, "allow.auto.create.topics", "false");
    demand(conf, "queued.min.messages", "1000"); /* a look, not a copy */
    demand(conf, "fetch.wait.max.ms", "10");
    prefer(conf, config, "socket.timeout.ms", "10000");
    return make(RD_KAFKA_CONSUMER, conf);
}

rd_kafka_t *kafka_producer(const struct config *config, const char *transactional_id,
                           int64_t batch_bytes, bool all_deliveries, void *opaque,
                           void (*on_delivery)(rd_kafka_t *, const rd_kafka_message_t *, void *),
                           void (*on_error)(rd_kafka_t *, int, const char *, void *))
{
    rd_kafka_conf_t *conf = base(config);
    char bytes[32];

    snprintf(bytes, sizeof(bytes), "%lld", (long long)batch_bytes);
    demand(conf, "transactional.id", transactional_id);
    demand(conf, "batch.size", bytes);
    demand(conf, "delivery.report.only.error", all_deliveries ? "false" : "true");
    demand(conf, "message.max.bytes", "1000000000"); /* the topics' own limits hold, see emit.c */
    prefer(conf, config, "transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
    prefer(conf, config, "linger.ms", "5");
    prefer(conf, config, "queue.buffering.max.messages", "2000000");
    prefer(conf, config, "queue.buffering.max.kbytes", "1048576");
    prefer(conf, config, "compression.type", "lz4");
    prefer(conf, config, "retry.backoff.ms", "20");
    show_statistics(conf, config);
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return make(RD_KAFKA_PRODUCER, conf);
}

int64_t kafka_timestamp(const rd_kafka_message_t *message, const struct watermark *watermark,
                        size_t input)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);

    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp_ms >= 0)
        return timestamp_ms;
    timestamp_ms = watermark->inputs[input].greatest_ms;
    return timestamp_ms == TIME_NONE ? 0 : timestamp_ms;
}

struct envelope_facts kafka_facts(const rd_kafka_message_t *message, struct text topic,
                                  int64_t timestamp_ms, struct right_partition *right)
{
    return (struct envelope_facts){
        .key = message->key,
        .key_size = message->key_len,
        .timestamp_ms = timestamp_ms,
        .topic = topic,
        .offset = message->offset,
        .partition_is_right = right->partitioner == PARTITIONER_AUTO ? NULL : partition_is_right,
        .context = right,
    };
}

static void lose(struct kafka_losses *losses, const char *topic, rd_kafka_resp_err_t error)
{
    if (losses->count++ == 0) {
        losses->error = error;
        snprintf(losses->topic, sizeof(losses->topic), "%s", topic);
    }
    log_seldom(LOG_WARN_LEVEL, "event_lost", topic, "topic=%s error=%s lost=%llu", topic,
               rd_kafka_err2name(error), (unsigned long long)losses->count);
}

static void on_load_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        lose(opaque, rd_kafka_topic_name(message->rkt), message->err);
}

rd_kafka_t *kafka_load(const struct config *config, struct kafka_losses *losses)
{
    rd_kafka_conf_t *conf = base(config);

    demand(conf, "delivery.report.only.error", "true");
    prefer(conf, config, "partitioner", "murmur2_random");
    prefer(conf, config, "enable.idempotence", "true");
    prefer(conf, config, "linger.ms", "20");
    prefer(conf, config, "queue.buffering.max.messages", "500000");
    rd_kafka_conf_set_opaque(conf, losses);
    rd_kafka_conf_set_dr_msg_cb(conf, on_load_delivery);
    return make(RD_KAFKA_PRODUCER, conf);
}

static rd_kafka_resp_err_t produce_event(rd_kafka_t *producer, const char *topic,
                                         const struct life_event *event)
{
    /* librdkafka's macros check their types by GNU statement expressions. */
    return __extension__ rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(event->key, event->key_size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)event->value, event->value_size),
        RD_KAFKA_V_TIMESTAMP(event->timestamp_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_END);
}

void kafka_load_event(rd_kafka_t *producer, const struct config *config,
                      const struct life_event *event)
{
    const struct config_list *topics = &config->input_topics;
    const char *topic = topics->items[event->is_send ? 0 : topics->count - 1];
    rd_kafka_resp_err_t error;

    while ((error = produce_event(producer, topic, event)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 20);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        lose(rd_kafka_opaque(producer), topic, error);
    rd_kafka_poll(producer, 0);
}
