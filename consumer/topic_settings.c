/* topic_settings.c: DescribeConfigs, and the few entries of its answer that matter here. */
#include "consumer/topic_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take(struct topic_settings *settings, const char *name, const char *value)
{
    if (strcmp(name, "cleanup.policy") == 0)
        snprintf(settings->cleanup_policy, sizeof(settings->cleanup_policy), "%s", value);
    else if (strcmp(name, "message.timestamp.type") == 0)
        snprintf(settings->timestamp_type, sizeof(settings->timestamp_type), "%s", value);
    else if (strcmp(name, "max.message.bytes") == 0)
        settings->max_message_bytes = strtoll(value, NULL, 10);
    else if (strcmp(name, "min.insync.replicas") == 0)
        settings->min_insync_replicas = strtoll(value, NULL, 10);
    else if (strcmp(name, "delete.retention.ms") == 0)
        settings->delete_retention_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "retention.ms") == 0)
        settings->retention_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "unclean.leader.election.enable") == 0)
        settings->unclean_election = strcmp(value, "true") == 0;
}

static void read_answer(struct topic_settings *settings, rd_kafka_event_t *event)
{
    size_t count, entries = 0;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &count);
    const rd_kafka_ConfigEntry_t **rows;

    if (count != 1)
        return;
    settings->error = rd_kafka_ConfigResource_error(resources[0]);
    rows = rd_kafka_ConfigResource_configs(resources[0], &entries);
    for (size_t i = 0; i < entries; i++)
        if (rd_kafka_ConfigEntry_value(rows[i]) != NULL)
            take(settings, rd_kafka_ConfigEntry_name(rows[i]),
                 rd_kafka_ConfigEntry_value(rows[i]));
}

struct topic_settings topic_settings_ask(rd_kafka_t *client, const char *topic, topic_wait *wait,
                                         void *context)
{
    struct topic_settings settings = {
        .error = RD_KAFKA_RESP_ERR__FAIL,
        .max_message_bytes = -1,
        .min_insync_replicas = -1,
        .delete_retention_ms = -1,
        .retention_ms = -1,
    };
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_event_t *event;

    rd_kafka_DescribeConfigs(client, &resource, 1, NULL, queue);
    event = wait(context, queue);
    if (event != NULL) {
        read_answer(&settings, event);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    return settings;
}
