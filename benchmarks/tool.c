/* tool.c: what the measuring programs share. */
#include "benchmarks/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void tool_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(3);
}

void tool_check(const char *what, rd_kafka_resp_err_t error)
{
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        tool_die(what, rd_kafka_err2str(error));
}

void tool_check_error(const char *what, rd_kafka_error_t *error)
{
    if (error != NULL)
        tool_die(what, rd_kafka_error_string(error));
}

int64_t tool_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t tool_monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t tool_number(const char *name, const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (end == text || *end != 0 || *text == '-') {
        fprintf(stderr, "%s: \"%s\" is not a whole number\n", name, text);
        exit(2);
    }
    return number;
}

void tool_set(struct properties *properties, const char *name, const char *value)
{
    if (properties->count == TOOL_PROPERTIES_MAX)
        tool_die(name, "too many properties");
    properties->names[properties->count] = name;
    properties->values[properties->count++] = value;
}

void tool_set_pair(struct properties *properties, char *pair)
{
    char *equals = strchr(pair, '=');

    if (equals == NULL) {
        fprintf(stderr, "\"%s\" is not PROPERTY=VALUE\n", pair);
        exit(2);
    }
    *equals = 0;
    tool_set(properties, pair, equals + 1);
}

bool tool_two_topics(char *value, const char *topics[2])
{
    char *comma = strchr(value, ',');

    if (comma == NULL)
        return false;
    *comma = 0;
    topics[0] = value;
    topics[1] = comma + 1;
    return true;
}

rd_kafka_t *tool_client(rd_kafka_type_t type, const struct properties *properties)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client;
    char why[512];

    /* Each handle gets all properties; half of them are about the other half. */
    rd_kafka_conf_set(conf, "log_level", "3", why, sizeof(why));
    for (int i = 0; i < properties->count; i++)
        if (rd_kafka_conf_set(conf, properties->names[i], properties->values[i], why,
                              sizeof(why)) != RD_KAFKA_CONF_OK)
            tool_die(properties->names[i], why);
    client = rd_kafka_new(type, conf, why, sizeof(why));
    if (client == NULL)
        tool_die("rd_kafka_new", why);
    return client;
}

int32_t tool_partitions(rd_kafka_t *client, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    int64_t until_ms = tool_wall_ms() + 10000;
    int32_t count;

    for (;;) { /* a topic that has just been made is not known at once */
        tool_check(topic, rd_kafka_metadata(client, 0, handle, &metadata, 10000));
        if (metadata->topics[0].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
            tool_wall_ms() > until_ms)
            break;
        rd_kafka_metadata_destroy(metadata);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    tool_check(topic, metadata->topics[0].err);
    count = metadata->topics[0].partition_cnt;
    if (count < 1 || count > TOOL_PARTITIONS_MAX)
        tool_die(topic, "1 to 256 partitions, no more and no fewer");
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}
