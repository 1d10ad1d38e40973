/* topics.c: metadata and CreateTopics. */
#include "consumer/topics.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/topic_settings.h"
#include "consumer/trouble.h"
#include "statemachine/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    ASK_MS = 1000,       /* one question to a broker */
    SAY_EVERY_MS = 9000, /* a wait is told at least every 10 s */
    PAUSE_MS = 250,
    LEADERS_MS = 10, /* a new topic has its leaders soon */
};

/* Why the last try came to nothing: the words of a line, of which all but the first may miss. */
struct cause {
    const char *reason; /* NULL: it did not */
    const char *topic;
    const char *hint;
    char error[256];
    char said[400]; /* by the last broken connection */
};

struct prepare {
    const struct config *config;
    const struct topics_options *options;
    struct topics_facts *facts;
    rd_kafka_t *client;
    char *state_topic;
    int64_t said_ms;
    int code;     /* EXIT_WELL while there is hope */
    bool created; /* by the last look: the next one is near */
    struct cause cause;
};

char *topics_state_name(const struct config *config)
{
    size_t size = strlen(config->app_id) + sizeof(".state");
    char *name = memory_get(size);

    snprintf(name, size, "%s.state", config->app_id);
    return name;
}

struct topic_look topics_look(rd_kafka_t *client, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    struct topic_look look = {.error = rd_kafka_metadata(client, 0, handle, &metadata, ASK_MS)};

    if (look.error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
        const struct rd_kafka_metadata_topic *row = &metadata->topics[0];
        look.error = row->err;
        look.partitions = row->partition_cnt;
        for (int i = 0; i < row->partition_cnt; i++) {
            const struct rd_kafka_metadata_partition *partition = &row->partitions[i];
            if (i == 0 || partition->replica_cnt < look.replicas)
                look.replicas = partition->replica_cnt;
            if (i == 0 || partition->isr_cnt < look.in_sync)
                look.in_sync = partition->isr_cnt;
            look.leaderless += partition->leader < 0;
        }
        if (row->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            look.error = RD_KAFKA_RESP_ERR_NO_ERROR;
            look.partitions = 0;
        }
    }
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return look;
}

void topics_tell_added(const char *topic, int32_t partitions, int32_t known)
{
    log_seldom(LOG_ERROR_LEVEL, "partitions_added", topic,
              "topic=%s partitions=%d known=%d hint=\"keys now go to other partitions than their "
              "messages' state, and partitions cannot be taken back: make new input topics of %d "
              "partitions, copy the records into them by key and with their timestamps, and start "
              "with these, a new app.id and new outputs\"",
              topic, partitions, known, partitions);
}

/* Some errors no waiting cures: one line, and the end. */
static bool hopeless(struct prepare *prepare, const char *topic, const char *operation,
                     rd_kafka_resp_err_t error)
{
    const struct trouble *trouble = trouble_of(error);

    if (trouble == NULL)
        return false;
    log_error(trouble->event, "topic=%s operation=%s error=%s hint=\"%s\"", topic, operation,
              rd_kafka_err2name(error), trouble->hint);
    prepare->code = EXIT_WORLD;
    return true;
}

/* Nobody answers; why, where the connection's own words tell more than the question's. */
static void note_unreachable(struct prepare *prepare, const char *topic, const char *error)
{
    struct cause *cause = &prepare->cause;

    *cause = (struct cause){.reason = "broker_unreachable", .topic = topic};
    snprintf(cause->error, sizeof(cause->error), "%s", error);
    kafka_address_text(cause->said, sizeof(cause->said));
    cause->hint = trouble_at_address(cause->said);
}

static void note_refused(struct cause *cause, const char *error)
{
    *cause = (struct cause){.reason = "admin_failed"};
    snprintf(cause->error, sizeof(cause->error), "%s", error);
}

/* False: no answer, and why is noted or told. */
static bool look_at(struct prepare *prepare, const char *topic, struct topic_look *look)
{
    *look = topics_look(prepare->client, topic);
    if (look->error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    if (!hopeless(prepare, topic, "Describe", look->error))
        note_unreachable(prepare, topic, rd_kafka_err2str(look->error));
    return false;
}

/* True when all inputs are there; the code is set where they can never serve. */
static bool inputs_ready(struct prepare *prepare)
{
    const struct config_list *inputs = &prepare->config->input_topics;
    int32_t first = 0;

    for (size_t i = 0; i < inputs->count; i++) {
        struct topic_look look;
        if (!look_at(prepare, inputs->items[i], &look))
            return false;
        if (look.partitions == 0) {
            prepare->cause = (struct cause){
                .reason = "input_missing",
                .topic = inputs->items[i],
                .hint = "create it with as many partitions as the other inputs",
            };
            return false;
        }
        if (i == 0)
            first = look.partitions;
        if (look.partitions != first) {
            log_error("inputs_differ",
                      "topic=%s partitions=%d other=%s other_partitions=%d hint=\"a message's "
                      "events must be in the same partition of every input: give new topics equal "
                      "partition counts; adding some to the smaller one is right only while it is "
                      "empty, for keys move\"",
                      inputs->items[i], look.partitions, inputs->items[0], first);
            prepare->code = EXIT_USAGE;
            return false;
        }
    }
    prepare->facts->partitions = first;
    return true;
}

static rd_kafka_event_t *ask_admin(struct prepare *prepare, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = NULL;

    for (int waited_ms = 0; event == NULL && waited_ms < TOPIC_ASK_MS; waited_ms += PAUSE_MS) {
        event = rd_kafka_queue_poll(queue, PAUSE_MS);
        if (event == NULL && atomic_load(prepare->options->stop))
            return NULL;
    }
    if (event == NULL)
        note_unreachable(prepare, NULL, "no answer");
    else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        note_refused(&prepare->cause, rd_kafka_event_error_string(event));
    else
        return event;
    if (event != NULL)
        rd_kafka_event_destroy(event);
    return NULL;
}

static bool create(struct prepare *prepare, const char *topic, bool compacted)
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
    rd_kafka_AdminOptions_set_request_timeout(options, TOPIC_ASK_MS, why, sizeof(why));
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
                      "topic=%s error=%s text=\"%s\" hint=\"create it yourself with %d "
                      "partitions%s, or allow this principal Create on it\"",
                      topic, rd_kafka_err2name(error),
                      count == 1 ? rd_kafka_topic_result_error_string(results[0]) : "",
                      prepare->facts->partitions, compacted ? " and cleanup.policy=compact" : "");
            prepare->code = EXIT_WORLD;
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(new_topic);
    return created;
}

static bool output_ready(struct prepare *prepare, const char *topic, bool compacted)
{
    struct topic_look look;

    if (!look_at(prepare, topic, &look))
        return false;
    if (look.partitions == 0 && prepare->options->no_create) {
        log_error("topic_missing",
                  "topic=%s hint=\"create it with %d partitions%s, or leave out "
                  "--no-create\"",
                  topic, prepare->facts->partitions,
                  compacted ? " and cleanup.policy=compact" : "");
        prepare->code = EXIT_USAGE;
        return false;
    }
    if (look.partitions == 0) {
        prepare->created = create(prepare, topic, compacted);
        if (prepare->created)
            prepare->cause = (struct cause){
                .reason = "topic_new", .topic = topic, .hint = "waiting for its leaders"};
        return false; /* looked at again: it must be there for everyone */
    }
    if (look.partitions != prepare->facts->partitions) {
        log_error("output_differs",
                  "topic=%s partitions=%d input_partitions=%d hint=\"outputs and state need the "
                  "partition count of the inputs; where partitions were added to the inputs, keys "
                  "no longer meet their state: copy the records by key into new inputs, and start "
                  "with these, a new app.id and new outputs\"",
                  topic, look.partitions, prepare->facts->partitions);
        prepare->code = EXIT_USAGE;
        return false;
    }
    return true;
}

/* ---- settings --------------------------------------------------------------------------- */

static rd_kafka_event_t *wait_for_admin(void *context, rd_kafka_queue_t *queue)
{
    return ask_admin(context, queue);
}

/* Topics that share a weakness, for one line about it. */
struct weak {
    char names[800];
    size_t size;
};

static void weak_add(struct weak *weak, const char *topic)
{
    int size = snprintf(weak->names + weak->size, sizeof(weak->names) - weak->size, "%s%s",
                        weak->size == 0 ? "" : ",", topic);

    if (size > 0 && weak->size + (size_t)size < sizeof(weak->names))
        weak->size += (size_t)size;
}

static void tell_weak(const struct weak *weak, const char *event, const char *hint)
{
    if (weak->size > 0)
        log_warn(event, "topics=%.*s hint=\"%s\"", (int)weak->size, weak->names, hint);
}

/*
 * Exactly-once is no better than the cluster's word: what it acknowledged and then lost is lost.
 * Warnings, never errors: a cluster of one broker is somebody's whole world.
 */
static void tell_weaknesses(struct prepare *prepare, const char *const *topics,
                            const struct topic_settings *settings, size_t count)
{
    struct weak single = {.size = 0}, lone = {.size = 0}, unclean = {.size = 0};
    struct weak hidden = {.size = 0};

    for (size_t i = 0; i < count; i++) {
        struct topic_look look = topics_look(prepare->client, topics[i]);
        if (settings[i].error != RD_KAFKA_RESP_ERR_NO_ERROR)
            weak_add(&hidden, topics[i]);
        if (look.error == RD_KAFKA_RESP_ERR_NO_ERROR && look.replicas == 1)
            weak_add(&single, topics[i]);
        else if (settings[i].min_insync_replicas == 1)
            weak_add(&lone, topics[i]);
        if (settings[i].unclean_election)
            weak_add(&unclean, topics[i]);
    }
    tell_weak(&single, "replication_factor_one",
              "a broker's disk is the only copy: raise the replication factor where there are more "
              "brokers");
    tell_weak(&lone, "min_insync_replicas_one",
              "acknowledged data can be lost with one broker: set min.insync.replicas=2");
    tell_weak(&unclean, "unclean_leader_election",
              "acknowledged data can be lost with one broker: set "
              "unclean.leader.election.enable=false");
    tell_weak(&hidden, "settings_unknown",
              "cleanup.policy, max.message.bytes and replication were not checked: allow this "
              "principal DescribeConfigs on these topics");
}

/* Whose snapshots may be used. */
static void note_cluster(struct prepare *prepare)
{
    char *cluster = prepare->config->state_dir[0] == 0
                        ? NULL
                        : rd_kafka_clusterid(prepare->client, ASK_MS);

    if (cluster == NULL)
        return;
    snprintf(prepare->facts->cluster, sizeof(prepare->facts->cluster), "%s", cluster);
    rd_kafka_mem_free(prepare->client, cluster);
}

static bool settings_fit(struct prepare *prepare)
{
    struct topics_facts *facts = prepare->facts;
    const char *topics[] = {prepare->config->dead_letters_topic, prepare->config->outcomes_topic,
                            prepare->state_topic};
    enum { LETTERS, OUTCOMES, STATE, COUNT };
    struct topic_settings settings[COUNT];
    const struct topic_settings *state = &settings[STATE];

    facts->dead_letter_max_bytes = facts->output_max_bytes = TOPIC_DEFAULT_MAX_BYTES;
    facts->tombstones_ms = TOPIC_DEFAULT_TOMBSTONES_MS;
    if (prepare->options->trust_settings)
        return true;
    for (int i = 0; i < COUNT; i++) {
        settings[i] =
            topic_settings_ask(prepare->client, topics[i], wait_for_admin, prepare);
        if (settings[i].max_message_bytes < 0)
            settings[i].max_message_bytes = TOPIC_DEFAULT_MAX_BYTES;
        if (i == LETTERS || settings[i].max_message_bytes < facts->output_max_bytes)
            facts->output_max_bytes = settings[i].max_message_bytes;
    }
    facts->dead_letter_max_bytes = settings[LETTERS].max_message_bytes;
    if (state->delete_retention_ms >= 0)
        facts->tombstones_ms = state->delete_retention_ms;
    note_cluster(prepare);
    prepare->cause.reason = NULL; /* not being allowed to look is no reason not to run */
    if (facts->output_max_bytes < TOPIC_LEAST_MAX_BYTES) {
        log_error("output_too_small",
                  "max.message.bytes=%lld least=%d hint=\"an outcome with its timeline, or a state "
                  "record, may not fit: raise max.message.bytes of the output topics\"",
                  (long long)facts->output_max_bytes, TOPIC_LEAST_MAX_BYTES);
        prepare->code = EXIT_USAGE;
    }
    if (state->cleanup_policy[0] != 0 && strcmp(state->cleanup_policy, "compact") != 0) {
        log_error("state_topic_policy",
                  "topic=%s cleanup.policy=%s hint=\"it must be compact: "
                  "with delete, messages would be forgotten while they wait\"",
                  prepare->state_topic, state->cleanup_policy);
        prepare->code = EXIT_USAGE;
    }
    if (prepare->code != EXIT_WELL)
        return false;
    if (state->delete_retention_ms >= 0 && state->delete_retention_ms < TOPIC_LEAST_TOMBSTONES_MS)
        log_warn("delete_retention_short",
                 "topic=%s delete.retention.ms=%lld least=%d hint=\"a restore that takes longer "
                 "may miss that a message was forgotten: set 86400000\"",
                 prepare->state_topic, (long long)state->delete_retention_ms,
                 TOPIC_LEAST_TOMBSTONES_MS);
    tell_weaknesses(prepare, topics, settings, COUNT);
    return true;
}

static bool ready(struct prepare *prepare)
{
    prepare->cause.reason = NULL;
    prepare->created = false;
    return inputs_ready(prepare) && output_ready(prepare, prepare->config->outcomes_topic, false) &&
           output_ready(prepare, prepare->config->dead_letters_topic, false) &&
           output_ready(prepare, prepare->state_topic, true) && settings_fit(prepare);
}

static const char *unless_empty(const char *text)
{
    return text[0] == 0 ? NULL : text;
}

static void tell_cause(const struct prepare *prepare, enum log_level level, const char *event,
                       int64_t waited_ms)
{
    const struct cause *cause = &prepare->cause;

    log_line(level, event,
             "reason=%s topic=%s error=\"%s\" said=\"%s\" hint=\"%s\" brokers=%s waited_s=%lld",
             cause->reason, cause->topic, unless_empty(cause->error), unless_empty(cause->said),
             cause->hint, kafka_brokers(prepare->config), (long long)waited_ms / 1000);
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

    prepare.said_ms = start_ms - SAY_EVERY_MS / 2; /* the first word after half of it */
    while (prepare.client != NULL && prepare.code == EXIT_WELL && !ready(&prepare)) {
        int64_t now_ms = clock_monotonic_ms();
        if (prepare.code != EXIT_WELL)
            break;
        if (now_ms - prepare.said_ms >= SAY_EVERY_MS && prepare.cause.reason != NULL) {
            tell_cause(&prepare, LOG_WARN_LEVEL, "waiting", now_ms - start_ms);
            prepare.said_ms = now_ms;
        }
        if (atomic_load(options->stop)) {
            prepare.code = EXIT_WORLD;
        } else if (options->no_wait && now_ms - start_ms >= SAY_EVERY_MS) {
            tell_cause(&prepare, LOG_ERROR_LEVEL, "not_ready", now_ms - start_ms);
            prepare.code = EXIT_WORLD;
        } else {
            rd_kafka_poll(prepare.client, prepare.created ? LEADERS_MS : PAUSE_MS);
        }
    }
    if (prepare.client == NULL)
        prepare.code = EXIT_USAGE;
    else
        rd_kafka_destroy(prepare.client);
    free(prepare.state_topic);
    return prepare.code;
}
