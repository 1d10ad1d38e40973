/* doctor.c: runs the checks of doctor.def, one after the other. */
#include "consumer/doctor_inside.h"

#include "consumer/kafka.h"
#include "schemas/channel_file.h"
#include "statemachine/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const doctor_words[DOCTOR_CHECKS] = {
#define CHECK(symbol, word, needs, summary) [DOCTOR_##symbol] = word,
#include "consumer/doctor.def"
#undef CHECK
};

const char *const doctor_summaries[DOCTOR_CHECKS] = {
#define CHECK(symbol, word, needs, summary) [DOCTOR_##symbol] = summary,
#include "consumer/doctor.def"
#undef CHECK
};

const char *const doctor_level_words[DOCTOR_FAIL + 1] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_WARN] = "warn",
    [DOCTOR_FAIL] = "fail",
};

enum needs { NEEDS_NOTHING, NEEDS_TRY, NEEDS_CLUSTER };

static const struct {
    enum needs needs;
    void (*run)(struct doctor *doctor);
} checks[DOCTOR_CHECKS] = {
#define CHECK(symbol, word, needs, summary) [DOCTOR_##symbol] = {NEEDS_##needs, doctor_##symbol},
#include "consumer/doctor.def"
#undef CHECK
};

void doctor_say(struct doctor *doctor, enum doctor_level level, const char *target,
                const char *hint, const char *format, ...)
{
    char text[1200];
    struct doctor_finding finding = {
        .check = doctor_words[doctor->check],
        .target = target,
        .level = level,
        .text = text,
        .hint = hint,
    };
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (level > doctor->worst)
        doctor->worst = level;
    doctor->listener->hear(doctor->listener->context, &finding);
}

bool doctor_topic_is_there(const struct doctor_topic *topic)
{
    return topic->look.error == RD_KAFKA_RESP_ERR_NO_ERROR && topic->look.partitions > 0;
}

static void add_topic(struct doctor *doctor, const char *name, enum doctor_role role)
{
    doctor->topics[doctor->topic_count++] = (struct doctor_topic){.name = name, .role = role};
}

static bool some_broker_answers(struct doctor *doctor)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(doctor->client, 0, NULL, &metadata, DOCTOR_ASK_MS);

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void meet_cluster(struct doctor *doctor)
{
    const struct config_list *inputs = &doctor->config->input_topics;

    doctor->client = kafka_client(doctor->config);
    doctor->answered = doctor->client != NULL && some_broker_answers(doctor);
    for (size_t i = 0; i < inputs->count; i++)
        add_topic(doctor, inputs->items[i], ROLE_INPUT);
    add_topic(doctor, doctor->config->outcomes_topic, ROLE_OUTCOMES);
    add_topic(doctor, doctor->config->dead_letters_topic, ROLE_DEAD_LETTERS);
    add_topic(doctor, doctor->state_topic, ROLE_STATE);
    for (size_t i = 0; i < doctor->topic_count && doctor->answered; i++)
        doctor->topics[i].look = topics_look(doctor->client, doctor->topics[i].name);
}

static void begin(struct doctor *doctor, bool meets_cluster)
{
    struct buffer complaints = {0};

    doctor->state_topic = topics_state_name(doctor->config);
    channel_files_load(config_channels(doctor->config), &doctor->tables, &complaints);
    buffer_release(&complaints); /* the check of tables tells them */
    if (meets_cluster)
        meet_cluster(doctor);
}

static void end(struct doctor *doctor)
{
    doctor_brokers_release(&doctor->brokers);
    free(doctor->samples);
    free(doctor->partitions);
    free(doctor->state_topic);
    tables_release(&doctor->tables);
    if (doctor->client != NULL)
        rd_kafka_destroy(doctor->client);
}

enum doctor_level doctor_examine(const struct config *config, const bool chosen[DOCTOR_CHECKS],
                                 const struct doctor_listener *listener)
{
    struct doctor doctor = {.config = config, .listener = listener};
    bool meets_cluster = false;

    for (int i = 0; i < DOCTOR_CHECKS; i++)
        meets_cluster = meets_cluster || (chosen[i] && checks[i].needs != NEEDS_NOTHING);
    begin(&doctor, meets_cluster);
    for (int i = 0; i < DOCTOR_CHECKS; i++) {
        if (!chosen[i])
            continue;
        doctor.check = (enum doctor_check)i;
        if (checks[i].needs == NEEDS_CLUSTER && !doctor.answered)
            doctor_say(&doctor, DOCTOR_FAIL, kafka_brokers(config),
                       "see what the check `brokers` says", "not examined: no broker answers");
        else
            checks[i].run(&doctor);
    }
    end(&doctor);
    return doctor.worst;
}
