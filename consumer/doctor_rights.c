/*
 * doctor_rights.c: ACLs, as far as they can be told without doing what they allow.
 *
 * A right to look or to read is tried by looking and reading; one to create, by asking the broker
 * to prove a creation and not to make it. Whether writing is allowed, or joining the group, only
 * writing and joining would tell: that is said, not guessed.
 */
#include "consumer/doctor_inside.h"

#include "consumer/trouble.h"

#include <stdio.h>

static bool denied(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

/* What the broker says of a topic that it is asked not to make. */
static rd_kafka_resp_err_t try_create(struct doctor *doctor, const struct doctor_topic *topic,
                                      char *why, size_t room)
{
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int partitions = doctor->topics[0].look.partitions;
    rd_kafka_NewTopic_t *new_topic =
        rd_kafka_NewTopic_new(topic->name, partitions > 0 ? partitions : 1, -1, why, room);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(doctor->client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(doctor->client);
    rd_kafka_event_t *event = NULL;

    why[0] = 0;
    if (new_topic != NULL && rd_kafka_AdminOptions_set_validate_only(
                                 options, 1, why, room) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_CreateTopics(doctor->client, &new_topic, 1, options, queue);
        event = rd_kafka_queue_poll(queue, TOPIC_ASK_MS);
    }
    if (event != NULL) {
        size_t count = 0;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        error = count == 1 ? rd_kafka_topic_result_error(results[0]) : rd_kafka_event_error(event);
        snprintf(why, room, "%s",
                 count == 1 && rd_kafka_topic_result_error_string(results[0]) != NULL
                     ? rd_kafka_topic_result_error_string(results[0])
                     : rd_kafka_err2str(error));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    if (new_topic != NULL)
        rd_kafka_NewTopic_destroy(new_topic);
    return error;
}

static void say_missing_topic(struct doctor *doctor, const struct doctor_topic *topic)
{
    char why[300];
    rd_kafka_resp_err_t error;

    if (topic->role == ROLE_INPUT)
        return; /* nobody's to create but the producers' */
    error = try_create(doctor, topic, why, sizeof(why));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL, "Create is allowed");
    else
        doctor_say(doctor, DOCTOR_FAIL, topic->name,
                   "create it yourself, or allow this principal Create on it",
                   "it is not there, and would not be created: %s", why);
}

static bool is_read(const struct doctor_topic *topic)
{
    return topic->role == ROLE_INPUT || topic->role == ROLE_STATE;
}

static void say_topic(struct doctor *doctor, struct doctor_topic *topic,
                      const struct doctor_sample *sample)
{
    bool read = is_read(topic);

    if (read && denied(sample->error))
        doctor_say(doctor, DOCTOR_FAIL, topic->name, "allow this principal Read on the topic",
                   "Read is not allowed");
    else if (read && sample->error != RD_KAFKA_RESP_ERR_NO_ERROR)
        doctor_say(doctor, DOCTOR_WARN, topic->name, "see whether its leaders are up",
                   "Read could not be tried: %s", rd_kafka_err2str(sample->error));
    else if (denied(doctor_settings_of(doctor, topic)->error))
        doctor_say(doctor, DOCTOR_WARN, topic->name,
                   "allow this principal DescribeConfigs on the topic",
                   "Describe%s allowed, DescribeConfigs is not", read ? " and Read are" : " is");
    else
        doctor_say(doctor, DOCTOR_OK, topic->name, NULL, "Describe%s DescribeConfigs%s are allowed",
                   read ? "," : " and", read ? " and Read" : "");
}

static void say_group(struct doctor *doctor)
{
    const char *group = doctor->config->app_id;

    if (doctor->partition_count == 0)
        doctor_say(doctor, DOCTOR_OK, group, NULL,
                   "not tried: no topic is there whose offsets could be asked for");
    else if (denied(doctor->group_error))
        doctor_say(doctor, DOCTOR_FAIL, group, trouble_of(doctor->group_error)->hint,
                   "Describe on the group is not allowed");
    else if (doctor->group_error != RD_KAFKA_RESP_ERR_NO_ERROR)
        doctor_say(doctor, DOCTOR_WARN, group, "see whether the group's coordinator is up",
                   "the group could not be asked about: %s",
                   rd_kafka_err2str(doctor->group_error));
    else
        doctor_say(doctor, DOCTOR_OK, group, NULL, "Describe on the group is allowed");
}

void doctor_rights(struct doctor *doctor)
{
    const struct doctor_sample *samples = doctor_samples(doctor);

    for (size_t i = 0; i < doctor->topic_count; i++) {
        struct doctor_topic *topic = &doctor->topics[i];
        if (denied(topic->look.error))
            doctor_say(doctor, DOCTOR_FAIL, topic->name, trouble_of(topic->look.error)->hint,
                       "Describe is not allowed");
        else if (doctor_topic_is_there(topic))
            say_topic(doctor, topic, &samples[i]);
        else if (topic->look.error == RD_KAFKA_RESP_ERR_NO_ERROR)
            say_missing_topic(doctor, topic);
    }
    say_group(doctor);
    doctor_say(doctor, DOCTOR_OK, "not tried", NULL,
               "what only doing it would tell: Write on outputs and state, Read on the group, "
               "Write on the transactional ids that begin with %s, IdempotentWrite",
               doctor->config->app_id);
}
