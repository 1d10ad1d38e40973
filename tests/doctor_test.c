/*
 * doctor_test.c: findings that no Kafka of these days can be brought to, on librdkafka's mock
 * cluster: brokers of old releases, one of several that is away, a partition without a leader.
 * All others are brought about on a real one, by tests/broker/test_doctor.
 */
#include "consumer/doctor.h"
#include "consumer/log.h"
#include "schemas/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

enum { BROKERS = 3, AWAY = 3 };

/* Kafka's numbers for its requests. */
enum request { INIT_PRODUCER_ID = 22, TXN_OFFSET_COMMIT = 28, CONSUMER_GROUP_HEARTBEAT = 68 };

struct bench {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    struct config config;
};

static void no_transactions(struct bench *bench)
{
    rd_kafka_mock_set_apiversion(bench->cluster, INIT_PRODUCER_ID, -1, -1);
}

static void no_generations(struct bench *bench)
{
    rd_kafka_mock_set_apiversion(bench->cluster, TXN_OFFSET_COMMIT, 0, 2);
}

static void no_new_protocol(struct bench *bench)
{
    rd_kafka_mock_set_apiversion(bench->cluster, CONSUMER_GROUP_HEARTBEAT, -1, -1);
    bench->config.group_protocol = GROUP_CONSUMER;
}

static void one_is_away(struct bench *bench)
{
    rd_kafka_mock_broker_set_down(bench->cluster, AWAY);
}

static void no_leader(struct bench *bench)
{
    rd_kafka_mock_partition_set_leader(bench->cluster, "in", 1, -1);
}

static void as_it_is(struct bench *bench)
{
    (void)bench;
}

static const struct {
    const char *why;
    void (*prepare)(struct bench *bench);
    enum doctor_check check;
    enum doctor_level level; /* the worst of the check */
    const char *words;       /* in a finding of that level */
} cases[] = {
    {"all answer", as_it_is, DOCTOR_brokers, DOCTOR_OK, "brokers 3"},
    {"all are new enough", as_it_is, DOCTOR_versions, DOCTOR_OK, "speaks as Kafka"},
    {"all topics are there", as_it_is, DOCTOR_topics, DOCTOR_OK, "2 partitions, 3 copies"},
    {"before 0.11", no_transactions, DOCTOR_versions, DOCTOR_FAIL, "no transactions"},
    {"before 2.5", no_generations, DOCTOR_versions, DOCTOR_FAIL, "without KIP-447"},
    {"before 4.0", no_new_protocol, DOCTOR_versions, DOCTOR_FAIL, "group.protocol=consumer"},
    {"one of three is away", one_is_away, DOCTOR_brokers, DOCTOR_FAIL, "does not answer"},
    {"nobody leads", no_leader, DOCTOR_topics, DOCTOR_FAIL, "1 of 2 partitions have no leader"},
};

/* ---- the mock --------------------------------------------------------------------------- */

static void set(struct config *config, const char *name, const char *value)
{
    struct buffer complaint = {0};

    if (!config_set(config, name, value, &complaint))
        fail_msg("%.*s", (int)complaint.size, (const char *)complaint.bytes);
}

static void make(struct bench *bench)
{
    static const char *const topics[] = {"in", "message.outcomes", "message.dead_letters",
                                         "upshot.state"};
    char why[256], first[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *all;

    *bench = (struct bench){0};
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why));
    bench->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(bench->host);
    bench->cluster = rd_kafka_mock_cluster_new(bench->host, BROKERS);
    assert_non_null(bench->cluster);
    for (size_t i = 0; i < sizeof(topics) / sizeof(*topics); i++)
        rd_kafka_mock_topic_create(bench->cluster, topics[i], 2, BROKERS);
    /* The mock does not speak it, but may say so. */
    rd_kafka_mock_set_apiversion(bench->cluster, TXN_OFFSET_COMMIT, 0, 3);
    /* One address to begin with: the others are found. */
    all = rd_kafka_mock_cluster_bootstraps(bench->cluster);
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(all, ","), all);
    config_init(&bench->config);
    set(&bench->config, "bootstrap.servers", first);
    set(&bench->config, "input.topics", "in");
}

static void release(struct bench *bench)
{
    config_release(&bench->config);
    rd_kafka_mock_cluster_destroy(bench->cluster);
    rd_kafka_destroy(bench->host);
}

/* ---- the findings ----------------------------------------------------------------------- */

struct heard {
    enum doctor_level level;
    const char *words;
    bool found;
    char all[4000];
};

static void hear(void *context, const struct doctor_finding *finding)
{
    struct heard *heard = context;
    size_t size = strlen(heard->all);

    heard->found = heard->found || (finding->level == heard->level &&
                                    strstr(finding->text, heard->words) != NULL);
    assert_true((finding->hint == NULL) == (finding->level == DOCTOR_OK));
    snprintf(heard->all + size, sizeof(heard->all) - size, "\n  %s %s: %s",
             doctor_level_words[finding->level], finding->target, finding->text);
}

static void what_is_wrong_with_brokers_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct heard heard = {.level = cases[i].level, .words = cases[i].words};
        struct doctor_listener listener = {hear, &heard};
        bool chosen[DOCTOR_CHECKS] = {false};
        enum doctor_level worst;
        struct bench bench;

        make(&bench);
        cases[i].prepare(&bench);
        chosen[cases[i].check] = true;
        worst = doctor_examine(&bench.config, chosen, &listener);
        release(&bench);
        if (worst != cases[i].level || !heard.found)
            fail_msg("%s: no \"%s\", or worse, in%s", cases[i].why, cases[i].words, heard.all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_with_brokers_is_found),
    };

    arena_hook_cjson();
    log_set_level(LOG_ERROR_LEVEL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
