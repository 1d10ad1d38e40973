/* topics.c: metadata, DescribeConfigs and CreateTopics. */
#include "consumer/topics.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "statemachine/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    ASK_MS = 1000,       /* one question to a broker */
    ADMIN_MS = 8000,     /* making a topic takes a broker longer */
    SAY_EVERY_MS = 9000, /* a wait is told at least every 10 s */
    PAUSE_MS = 250,
};

enum { MISSING = 0, UNKNOWN = -1 };

enum {
    DEFAULT_MAX_BYTES = 1048588, /* message.max.bytes of a broker as it comes */
    LEAST_MAX_BYTES = 32768,     /* an outcome with 62 statuses and the longest names fits */
};

struct prepare {
    const struct config *config;
    const struct topics_options *options;
    struct topics_facts *facts;
    rd_kafka_t *client;
    char *state_topic;
    int64_t said_ms;
    char trouble[512]; /* why the last try came to nothing; empty: it did not */
};

char *topics_state_name(const struct config *config)
{
    size_t size = strlen(config->app_id) + sizeof(".state");
    char *name = memory_get(size);

    snprintf(name, size, "%s.state", config->app_id);
    return name;
}

/* Number of partitions, MISSING, or UNKNOWN with trouble told. */
static int32_t count_partitions(struct prepare *prepare, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(prepare->client, topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t error = rd_kafka_metadata(prepare->client, 0, handle, &metadata, ASK_MS);
    int32_t count = UNKNOWN;

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            count = metadata->topics[0].partition_cnt;
        else if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            count = MISSING;
    }
    if (count == UNKNOWN)
        snprintf(prepare->trouble, sizeof(prepare->trouble),
                 "event=broker_unreachable topic=%s error=\"%s\"", topic, rd_kafka_err2str(error));
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}

/* True when all inputs are there; *code is set where they can never serve. */
static bool inputs_ready(struct prepare *prepare, int *code)
{
    const struct config_list *inputs = &prepare->config->input_topics;
    int32_t first = 0;

    for (size_t i = 0; i < inputs->count; i++) {
        int32_t count = count_partitions(prepare, inputs->items[i]);
        if (count == UNKNOWN)
            return false;
        if (count == MISSING) {
            snprintf(prepare->trouble, sizeof(prepare->trouble),
                     "event=input_missing topic=%s hint=\"create it with as many partitions as "
                     "the other inputs\"",
                     inputs->items[i]);
            return false;
        }
        if (i == 0)
            first = count;
        if (count != first) {
            log_error("inputs_differ",
                      "topic=%s partitions=%d other=%s other_partitions=%d hint=\"a message's "
                      "events must be in the same partition of every input: give them equal "
                      "partition counts\"",
                      inputs->items[i], count, inputs->items[0], first);
            *code = EXIT_USAGE;
            return false;
        }
    }
    prepare->facts->partitions = first;
    return true;
}

static rd_kafka_event_t *ask_admin(struct prepare *prepare, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = NULL;

    for (int waited_ms = 0; event == NULL && waited_ms < ADMIN_MS; waited_ms += PAUSE_MS) {
        event = rd_kafka_queue_poll(queue, PAUSE_MS);
        if (event == NULL && atomic_load(prepare->options->stop))
            return NULL;
    }
    if (event == NULL)
        snprintf(prepare->trouble, sizeof(prepare->trouble),
                 "event=broker_unreachable error=\"no answer\"");
    else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(prepare->trouble, sizeof(prepare->trouble), "event=admin_failed error=\"%s\"",
                 rd_kafka_event_error_string(event));
    else
        return event;
    if (event != NULL)
        rd_kafka_event_destroy(event);
    return NULL;
}

static bool create(struct prepare *prepare, const char *topic, bool compacted, int *code)
{
    char why[256];
    rd_kafka_NewTopic_t *new_topic =
        rd_kafka_NewTopic_new(topic, prepare->facts->partitions, -1, why, sizeof(why));
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(prepare->client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(prepare->client);
    rd_kafka_event_t *event;
    const rd_kafka_topic_result_t **results;
    size_t count;
    bool created = false;

    require(new_topic != NULL);
    if (compacted) {
        rd_kafka_NewTopic_set_config(new_topic, "cleanup.policy", "compact");
        rd_kafka_NewTopic_set_config(new_topic, "delete.retention.ms", "86400000");
    }
    rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_MS, why, sizeof(why));
    rd_kafka_CreateTopics(prepare->client, &new_topic, 1, options, queue);
    event = ask_admin(prepare, queue);
    if (event != NULL) {
        rd_kafka_resp_err_t error;
        results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        error = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
        created = error == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (created) {
            log_info("topic_created", "topic=%s partitions=%d", topic, prepare->facts->partitions);
        } else if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            created = true; /* by a process that started beside us */
        } else {
            log_error("topic_not_created",
                      "topic=%s error=\"%s\" hint=\"create it yourself with "
                      "%d partitions\"",
                      topic, rd_kafka_topic_result_error_string(results[0]),
                      prepare->facts->partitions);
            *code = EXIT_WORLD;
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(new_topic);
    return created;
}

static bool output_ready(struct prepare *prepare, const char *topic, bool compacted, int *code)
{
    int32_t count = count_partitions(prepare, topic);

    if (count == UNKNOWN)
        return false;
    if (count == MISSING && prepare->options->no_create) {
        log_error("topic_missing",
                  "topic=%s hint=\"create it with %d partitions%s, or leave out "
                  "--no-create\"",
                  topic, prepare->facts->partitions,
                  compacted ? " and cleanup.policy=compact" : "");
        *code = EXIT_USAGE;
        return false;
    }
    if (count == MISSING) {
        if (create(prepare, topic, compacted, code))
            snprintf(prepare->trouble, sizeof(prepare->trouble),
                     "event=topic_new topic=%s hint=\"waiting for its leaders\"", topic);
        return false; /* looked at again: it must be there for everyone */
    }
    if (count != prepare->facts->partitions) {
        log_error("output_differs",
                  "topic=%s partitions=%d input_partitions=%d hint=\"outputs and "
                  "state need the partition count of the inputs\"",
                  topic, count, prepare->facts->partitions);
        *code = EXIT_USAGE;
        return false;
    }
    return true;
}

/* A topic's setting as a string of the caller's, NULL where it cannot be read. */
static char *read_setting(struct prepare *prepare, const char *topic, const char *name)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(prepare->client);
    rd_kafka_event_t *event;
    char *value = NULL;

    rd_kafka_DescribeConfigs(prepare->client, &resource, 1, NULL, queue);
    event = ask_admin(prepare, queue);
    if (event != NULL) {
        size_t count, entries = 0;
        const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        const rd_kafka_ConfigEntry_t **rows =
            count == 1 ? rd_kafka_ConfigResource_configs(resources[0], &entries) : NULL;
        for (size_t i = 0; i < entries; i++)
            if (strcmp(rd_kafka_ConfigEntry_name(rows[i]), name) == 0 &&
                rd_kafka_ConfigEntry_value(rows[i]) != NULL)
                value = strdup(rd_kafka_ConfigEntry_value(rows[i]));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    return value;
}

/* A topic's max.message.bytes; the broker's default where it cannot be read. */
static int64_t max_bytes(struct prepare *prepare, const char *topic)
{
    char *setting = read_setting(prepare, topic, "max.message.bytes");
    int64_t bytes = setting == NULL ? DEFAULT_MAX_BYTES : strtoll(setting, NULL, 10);

    free(setting);
    return bytes;
}

static bool settings_fit(struct prepare *prepare, int *code)
{
    struct topics_facts *facts = prepare->facts;
    const char *outputs[] = {prepare->config->outcomes_topic, prepare->state_topic};
    char *policy;
    bool fit = true;

    facts->dead_letter_max_bytes = facts->output_max_bytes = DEFAULT_MAX_BYTES;
    if (prepare->options->trust_settings)
        return true;
    policy = read_setting(prepare, prepare->state_topic, "cleanup.policy");
    facts->dead_letter_max_bytes = max_bytes(prepare, prepare->config->dead_letters_topic);
    facts->output_max_bytes = facts->dead_letter_max_bytes;
    for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++) {
        int64_t bytes = max_bytes(prepare, outputs[i]);
        if (bytes < facts->output_max_bytes)
            facts->output_max_bytes = bytes;
    }
    prepare->trouble[0] = 0; /* not being allowed to look is no reason not to run */
    if (facts->output_max_bytes < LEAST_MAX_BYTES) {
        log_error("output_too_small",
                  "max.message.bytes=%lld least=%d hint=\"an outcome with its timeline, or a state "
                  "record, may not fit: raise max.message.bytes of the output topics\"",
                  (long long)facts->output_max_bytes, LEAST_MAX_BYTES);
        *code = EXIT_USAGE;
        fit = false;
    }
    if (policy != NULL && strcmp(policy, "compact") != 0) {
        log_error("state_topic_policy",
                  "topic=%s cleanup.policy=%s hint=\"it must be compact: "
                  "with delete, messages would be forgotten while they wait\"",
                  prepare->state_topic, policy);
        *code = EXIT_USAGE;
        fit = false;
    }
    free(policy);
    return fit;
}

static bool ready(struct prepare *prepare, int *code)
{
    prepare->trouble[0] = 0;
    return inputs_ready(prepare, code) &&
           output_ready(prepare, prepare->config->outcomes_topic, false, code) &&
           output_ready(prepare, prepare->config->dead_letters_topic, false, code) &&
           output_ready(prepare, prepare->state_topic, true, code) && settings_fit(prepare, code);
}

int topics_prepare(const struct config *config, const struct topics_options *options,
                   struct topics_facts *facts)
{
    struct prepare prepare = {
        .config = config,
        .options = options,
        .facts = facts,
        .state_topic = topics_state_name(config),
        .client = kafka_client(config),
    };
    int64_t start_ms = clock_monotonic_ms();
    int code = EXIT_WELL;

    prepare.said_ms = start_ms - SAY_EVERY_MS / 2; /* the first word after half of it */
    while (prepare.client != NULL && code == EXIT_WELL && !ready(&prepare, &code)) {
        int64_t now_ms = clock_monotonic_ms();
        if (code != EXIT_WELL)
            break;
        if (now_ms - prepare.said_ms >= SAY_EVERY_MS && prepare.trouble[0] != 0) {
            log_warn("waiting", "%s brokers=%s waited_s=%lld", prepare.trouble,
                     kafka_brokers(config), (long long)(now_ms - start_ms) / 1000);
            prepare.said_ms = now_ms;
        }
        if (atomic_load(options->stop)) {
            code = EXIT_WORLD;
        } else if (options->no_wait && now_ms - start_ms >= SAY_EVERY_MS) {
            log_error("not_ready", "%s brokers=%s", prepare.trouble, kafka_brokers(config));
            code = EXIT_WORLD;
        } else {
            rd_kafka_poll(prepare.client, PAUSE_MS);
        }
    }
    if (prepare.client == NULL)
        code = EXIT_USAGE;
    else
        rd_kafka_destroy(prepare.client);
    free(prepare.state_topic);
    return code;
}
