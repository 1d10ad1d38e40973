/* doctor_topics.c: are the topics there, alike, and set as the stage's promises need it? */
#include "consumer/doctor_inside.h"

#include "consumer/trouble.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A stage that is down over a night must find its inputs whole in the morning. */
enum { LEAST_RETENTION_MS = 24 * 60 * 60 * 1000 };

static const char *const role_words[] = {
    [ROLE_INPUT] = "input",
    [ROLE_OUTCOMES] = "outcomes",
    [ROLE_DEAD_LETTERS] = "dead letters",
    [ROLE_STATE] = "state",
};

static const struct doctor_topic *first_input(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->topic_count; i++)
        if (doctor->topics[i].role == ROLE_INPUT && doctor_topic_is_there(&doctor->topics[i]))
            return &doctor->topics[i];
    return NULL;
}

static void say_missing(struct doctor *doctor, const struct doctor_topic *topic,
                        const struct doctor_topic *first)
{
    char hint[200];
    int32_t partitions = first == NULL ? 0 : first->look.partitions;

    if (topic->role == ROLE_INPUT) {
        doctor_say(doctor, DOCTOR_FAIL, topic->name,
                   "create it with as many partitions as the other inputs, or correct input.topics",
                   "an input that is not there");
        return;
    }
    snprintf(hint, sizeof(hint),
             "`upshot run` makes it, or you do: %d partitions%s; --no-create refuses", partitions,
             topic->role == ROLE_STATE ? ", cleanup.policy=compact" : "");
    doctor_say(doctor, DOCTOR_WARN, topic->name,
               partitions == 0 ? "create the inputs first: this one follows them" : hint,
               "the topic for %s is not there yet", role_words[topic->role]);
}

static void say_unequal(struct doctor *doctor, const struct doctor_topic *topic,
                        const struct doctor_topic *first)
{
    const char *hint =
        topic->role == ROLE_INPUT
            ? "a message's events must be in the same partition of every input: give new topics "
              "equal partition counts; adding some to the smaller one is right only while it is "
              "empty, for keys move"
            : "outputs and state need the partition count of the inputs; where partitions were "
              "added to the inputs: new inputs, a new app.id and new outputs (docs/set-ups.md)";

    doctor_say(doctor, DOCTOR_FAIL, topic->name, hint, "%d partitions, but %s has %d",
               topic->look.partitions, first->name, first->look.partitions);
}

void doctor_topics(struct doctor *doctor)
{
    const struct doctor_topic *first = first_input(doctor);

    for (size_t i = 0; i < doctor->topic_count; i++) {
        const struct doctor_topic *topic = &doctor->topics[i];
        const struct topic_look *look = &topic->look;
        const struct trouble *trouble = trouble_of(look->error);
        if (look->error != RD_KAFKA_RESP_ERR_NO_ERROR)
            doctor_say(doctor, DOCTOR_FAIL, topic->name,
                       trouble == NULL ? "see whether its leaders are up" : trouble->hint,
                       "cannot be looked at: %s", rd_kafka_err2str(look->error));
        else if (look->partitions == 0)
            say_missing(doctor, topic, first);
        else if (first != NULL && look->partitions != first->look.partitions)
            say_unequal(doctor, topic, first);
        else if (look->leaderless > 0)
            doctor_say(doctor, DOCTOR_FAIL, topic->name, "start the brokers that have a copy",
                       "%d of %d partitions have no leader: nobody can read or write them",
                       look->leaderless, look->partitions);
        else if (look->in_sync < look->replicas)
            doctor_say(doctor, DOCTOR_WARN, topic->name,
                       "start the broker that is away, or wait until it has caught up",
                       "a partition has %d of %d copies in sync", look->in_sync, look->replicas);
        else
            doctor_say(doctor, DOCTOR_OK, topic->name, NULL, "%s, %d partitions, %d %s",
                       role_words[topic->role], look->partitions, look->replicas,
                       look->replicas == 1 ? "copy" : "copies");
    }
}

/* ---- settings --------------------------------------------------------------------------- */

static rd_kafka_event_t *wait_a_while(void *context, rd_kafka_queue_t *queue)
{
    (void)context;
    return rd_kafka_queue_poll(queue, TOPIC_ASK_MS);
}

const struct topic_settings *doctor_settings_of(struct doctor *doctor, struct doctor_topic *topic)
{
    if (!topic->settings_asked)
        topic->settings = topic_settings_ask(doctor->client, topic->name, wait_a_while, NULL);
    topic->settings_asked = true;
    return &topic->settings;
}

static bool compacts(const struct topic_settings *settings)
{
    return strstr(settings->cleanup_policy, "compact") != NULL;
}

static bool deletes(const struct topic_settings *settings)
{
    return strstr(settings->cleanup_policy, "delete") != NULL;
}

struct judged {
    const struct doctor_topic *topic;
    const struct topic_settings *settings;
};

static bool one_copy(const struct judged *judged)
{
    return judged->topic->look.replicas == 1;
}

static bool one_in_sync_is_enough(const struct judged *judged)
{
    return !one_copy(judged) && judged->settings->min_insync_replicas == 1;
}

static bool never_enough_in_sync(const struct judged *judged)
{
    return judged->settings->min_insync_replicas > judged->topic->look.replicas;
}

static bool now_too_few_in_sync(const struct judged *judged)
{
    return !never_enough_in_sync(judged) &&
           judged->settings->min_insync_replicas > judged->topic->look.in_sync;
}

static bool elects_uncleanly(const struct judged *judged)
{
    return judged->settings->unclean_election;
}

static bool too_small(const struct judged *judged)
{
    return judged->settings->max_message_bytes >= 0 &&
           judged->settings->max_message_bytes < TOPIC_LEAST_MAX_BYTES;
}

static bool forgets_state(const struct judged *judged)
{
    return judged->settings->cleanup_policy[0] != 0 &&
           (!compacts(judged->settings) || deletes(judged->settings));
}

static bool tombstones_short(const struct judged *judged)
{
    return judged->settings->delete_retention_ms >= 0 &&
           judged->settings->delete_retention_ms < TOPIC_LEAST_TOMBSTONES_MS;
}

static bool is_compacted(const struct judged *judged)
{
    return compacts(judged->settings);
}

static bool kept_shortly(const struct judged *judged)
{
    return deletes(judged->settings) && judged->settings->retention_ms >= 0 &&
           judged->settings->retention_ms < LEAST_RETENTION_MS;
}

#define OF(role) (1u << (role))
#define WRITTEN (OF(ROLE_OUTCOMES) | OF(ROLE_DEAD_LETTERS) | OF(ROLE_STATE))

/* What topics.c demands or warns of at the start of the stage, and what a reader would miss. */
static const struct {
    unsigned roles;
    enum doctor_level level;
    bool (*applies)(const struct judged *judged);
    const char *finding, *hint;
} rules[] = {
    {OF(ROLE_STATE), DOCTOR_FAIL, forgets_state,
     "cleanup.policy is not compact alone: messages would be forgotten while they wait",
     "set cleanup.policy=compact"},
    {WRITTEN, DOCTOR_FAIL, too_small,
     "max.message.bytes is too small for an outcome with its timeline, or a state record",
     "raise max.message.bytes; 32768 is the least"},
    {WRITTEN, DOCTOR_FAIL, never_enough_in_sync,
     "min.insync.replicas is more than there are copies: nothing can be written",
     "lower min.insync.replicas, or raise the replication factor"},
    {WRITTEN, DOCTOR_FAIL, now_too_few_in_sync,
     "fewer copies are in sync than min.insync.replicas: nothing can be written now",
     "start the brokers that are away, or wait until they have caught up"},
    {OF(ROLE_STATE), DOCTOR_WARN, tombstones_short,
     "delete.retention.ms is below an hour: a restore that takes longer may miss that a message "
     "was forgotten",
     "set delete.retention.ms=86400000"},
    {OF(ROLE_OUTCOMES), DOCTOR_WARN, is_compacted,
     "is compacted: it keeps one outcome a message id, of whatever channel and life",
     "set cleanup.policy=delete, or give ids that are unique over channels"},
    {OF(ROLE_INPUT) | OF(ROLE_DEAD_LETTERS), DOCTOR_WARN, is_compacted,
     "is compacted: of several events of a message only the last may be kept",
     "set cleanup.policy=delete"},
    {OF(ROLE_INPUT), DOCTOR_WARN, kept_shortly,
     "retention.ms is below a day: what the stage has not read by then is lost",
     "raise retention.ms above the longest time that the stage may be down"},
    {WRITTEN, DOCTOR_WARN, one_copy, "a broker's disk has the only copy",
     "raise the replication factor where there are more brokers"},
    {WRITTEN, DOCTOR_WARN, one_in_sync_is_enough,
     "min.insync.replicas=1: acknowledged data can be lost with one broker",
     "set min.insync.replicas=2"},
    {WRITTEN, DOCTOR_WARN, elects_uncleanly,
     "unclean.leader.election.enable=true: acknowledged data can be lost with one broker",
     "set unclean.leader.election.enable=false"},
};

static void judge(struct doctor *doctor, const struct judged *judged)
{
    const struct topic_settings *settings = judged->settings;
    const char *name = judged->topic->name;
    bool well = true;

    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if ((rules[i].roles & OF(judged->topic->role)) != 0 && rules[i].applies(judged)) {
            doctor_say(doctor, rules[i].level, name, rules[i].hint, "%s", rules[i].finding);
            well = false;
        }
    if (well)
        doctor_say(doctor, DOCTOR_OK, name, NULL,
                   "cleanup.policy=%s retention.ms=%" PRId64 " min.insync.replicas=%" PRId64
                   " max.message.bytes=%" PRId64 " message.timestamp.type=%s",
                   settings->cleanup_policy, settings->retention_ms, settings->min_insync_replicas,
                   settings->max_message_bytes, settings->timestamp_type);
}

void doctor_settings(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->topic_count; i++) {
        struct doctor_topic *topic = &doctor->topics[i];
        struct judged judged = {.topic = topic};
        if (!doctor_topic_is_there(topic))
            continue; /* the check before tells */
        judged.settings = doctor_settings_of(doctor, topic);
        if (judged.settings->error == RD_KAFKA_RESP_ERR_NO_ERROR)
            judge(doctor, &judged);
        else
            doctor_say(doctor, DOCTOR_WARN, topic->name,
                       "allow this principal DescribeConfigs on the topic",
                       "cannot be read: %s; the stage runs without looking at them, too",
                       rd_kafka_err2str(judged.settings->error));
    }
}
