/* sole.c: describe, join, be served, leave. */
#include "consumer/sole.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/patience.h"
#include "consumer/trouble.h"

#include <stdio.h>
#include <string.h>

enum {
    ASK_MS = 5000,
    LIST_MS = 60000, /* librdkafka gives up before, and says why */
    POLL_MS = 100,
};

/* What is known of who is in the group. */
struct presence {
    bool told;      /* by who knows classic groups, which one without members is again */
    char text[320]; /* of members, for the log; empty: nobody */
};

static int fail(const struct config *config, rd_kafka_resp_err_t error)
{
    const struct trouble *trouble = trouble_of(error);

    log_error(trouble == NULL ? "group_unknown" : trouble->event,
              "group=%s operation=DescribeGroups error=%s brokers=%s hint=\"%s\"", config->app_id,
              rd_kafka_err2name(error), kafka_brokers(config),
              trouble == NULL ? "run it again when the brokers answer" : trouble->hint);
    return EXIT_WORLD;
}

static int tell_alive(const struct config *config, const char *members)
{
    log_error("group_alive",
              "group=%s members=\"%s\" hint=\"stop every process of this app.id first; one that "
              "was killed counts until its session.timeout.ms has passed\"",
              config->app_id, members);
    return EXIT_FOUND;
}

/*
 * What is known of the group itself: a coordinator that has just come to it tells an error, and no
 * members. One that nobody knows has none.
 */
static rd_kafka_resp_err_t note_described(const struct rd_kafka_group_info *group,
                                          struct presence *presence)
{
    if (group->err == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    presence->told = strcmp(group->state, "Dead") != 0;
    if (group->member_cnt > 0)
        snprintf(presence->text, sizeof(presence->text), "%d, such as at %s", group->member_cnt,
                 group->members[0].client_host);
    return group->err;
}

/* Not by DescribeConsumerGroups, whose versions differ between the librdkafkas. */
static rd_kafka_resp_err_t describe(rd_kafka_t *client, const char *name, struct presence *presence)
{
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t error = rd_kafka_list_groups(client, name, &list, ASK_MS);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    for (int i = 0; i < list->group_cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        error = note_described(&list->groups[i], presence);
    rd_kafka_group_list_destroy(list);
    return error;
}

/* Where it is not in the list, and a broker has not told its own, nothing is known. */
static rd_kafka_resp_err_t note_listed(const rd_kafka_ListConsumerGroups_result_t *result,
                                       const char *name, struct presence *presence)
{
    size_t count;
    const rd_kafka_ConsumerGroupListing_t **rows =
        rd_kafka_ListConsumerGroups_result_valid(result, &count);
    const rd_kafka_error_t **errors;

    for (size_t i = 0; i < count; i++) {
        rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupListing_state(rows[i]);
        if (strcmp(rd_kafka_ConsumerGroupListing_group_id(rows[i]), name) != 0)
            continue;
        if (state != RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY &&
            state != RD_KAFKA_CONSUMER_GROUP_STATE_DEAD)
            snprintf(presence->text, sizeof(presence->text), "of group.protocol=consumer, state %s",
                     rd_kafka_consumer_group_state_name(state));
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    errors = rd_kafka_ListConsumerGroups_result_errors(result, &count);
    return count == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(errors[0]);
}

/*
 * Who knows classic groups calls one whose members speak group.protocol=consumer (KIP-848) dead.
 * The list of all groups has it, with a state of which this librdkafka need not know the word.
 */
static rd_kafka_resp_err_t find_in_list(rd_kafka_t *client, const char *name,
                                        struct presence *presence)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_event_t *event;

    rd_kafka_ListConsumerGroups(client, NULL, queue);
    event = rd_kafka_queue_poll(queue, LIST_MS);
    if (event != NULL) {
        error = rd_kafka_event_error(event);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            error = note_listed(rd_kafka_event_ListConsumerGroups_result(event), name, presence);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return error;
}

static int ask_group(const struct config *config, rd_kafka_t *client)
{
    int64_t start_ms = clock_monotonic_ms();
    struct presence presence;
    rd_kafka_resp_err_t error;

    do {
        presence = (struct presence){.told = false};
        error = describe(client, config->app_id, &presence);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR && !presence.told)
            error = find_in_list(client, config->app_id, &presence);
    } while (patience_again(error, start_ms));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail(config, error);
    return presence.text[0] == 0 ? EXIT_WELL : tell_alive(config, presence.text);
}

int sole_look(const struct config *config)
{
    rd_kafka_t *client = kafka_client(config);
    int code = client == NULL ? EXIT_USAGE : ask_group(config, client);

    if (client != NULL)
        rd_kafka_destroy(client);
    return code;
}

/* What is assigned is never read: the end is as good a place to be as any. */
static void take(rd_kafka_t *member, rd_kafka_topic_partition_list_t *partitions)
{
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    rd_kafka_assign(member, partitions);
}

static void on_rebalance(rd_kafka_t *member, rd_kafka_resp_err_t event,
                         rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    struct sole *sole = opaque;
    bool incremental = sole->config.group_protocol == GROUP_CONSUMER;
    rd_kafka_error_t *error = NULL;

    if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        sole->assigned += partitions->cnt;
        if (incremental)
            error = rd_kafka_incremental_assign(member, partitions);
        else
            take(member, partitions);
    } else {
        sole->lost = true;
        if (incremental)
            error = rd_kafka_incremental_unassign(member, partitions);
        else
            rd_kafka_assign(member, NULL);
    }
    if (error != NULL)
        rd_kafka_error_destroy(error);
}

static bool subscribe(struct sole *sole)
{
    const struct config_list *inputs = &sole->config.input_topics;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)inputs->count);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < inputs->count; i++)
        rd_kafka_topic_partition_list_add(list, inputs->items[i], RD_KAFKA_PARTITION_UA);
    error = rd_kafka_subscribe(sole->member, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool sole_serve(struct sole *sole)
{
    rd_kafka_message_t *message;
    int wait_ms = sole->generation == NULL ? POLL_MS : 0;

    while ((message = rd_kafka_consumer_poll(sole->member, wait_ms)) != NULL) {
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
            message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            log_seldom(LOG_WARN_LEVEL, "consumer_error", rd_kafka_err2name(message->err),
                       "error=%s text=\"%s\"", rd_kafka_err2name(message->err),
                       rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
        wait_ms = 0;
    }
    if (sole->lost)
        log_error("group_alive",
                  "group=%s hint=\"another process has joined it meanwhile: nothing was changed; "
                  "stop it, and run this again\"",
                  sole->config.app_id);
    return !sole->lost;
}

int sole_join(struct sole *sole, const struct config *config, int32_t partitions)
{
    static char nameless[] = "";
    int64_t start_ms = clock_monotonic_ms();
    int all = partitions * (int)config->input_topics.count;

    *sole = (struct sole){.config = *config};
    sole->config.instance_id = nameless;
    sole->member = kafka_member(&sole->config, 0, sole, on_rebalance);
    if (sole->member == NULL || !subscribe(sole))
        return EXIT_USAGE;
    while (sole->assigned < all) {
        if (!sole_serve(sole))
            return EXIT_FOUND;
        if (clock_monotonic_ms() - start_ms >= PATIENCE_MS) {
            log_error("group_alive",
                      "group=%s assigned=%d of=%d hint=\"not all partitions came: is another "
                      "process in the group?\"",
                      config->app_id, sole->assigned, all);
            return EXIT_FOUND;
        }
    }
    sole->generation = rd_kafka_consumer_group_metadata(sole->member);
    return EXIT_WELL;
}

void sole_leave(struct sole *sole)
{
    if (sole->generation != NULL)
        rd_kafka_consumer_group_metadata_destroy(sole->generation);
    if (sole->member != NULL) {
        rd_kafka_consumer_close(sole->member);
        rd_kafka_destroy(sole->member);
    }
    *sole = (struct sole){.assigned = 0};
}
