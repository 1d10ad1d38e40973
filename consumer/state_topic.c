/* state_topic.c: a restore that nobody goes on from. */
#include "consumer/state_topic.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/topics.h"
#include "consumer/trouble.h"
#include "statemachine/memory.h"

#include <inttypes.h>

enum {
    PATIENCE_MS = 10000, /* for a broker that does not answer at first */
    PAUSE_MS = 250,
    ASK_MS = 2000, /* one question */
    POLL_MS = 100,
    SILENT_MS = 60000,
};

/* What cannot be cured is told at once, and what may be as soon as patience is at its end. */
static bool give_up(const struct state_topic *topic, rd_kafka_resp_err_t error, int64_t until_ms)
{
    const struct trouble *trouble = trouble_of(error);

    if (trouble != NULL)
        log_error(trouble->event, "topic=%s error=%s hint=\"%s\"", topic->name,
                  rd_kafka_err2name(error), trouble->hint);
    else if (clock_monotonic_ms() >= until_ms)
        log_error("state_topic_not_answered", "topic=%s brokers=%s error=%s", topic->name,
                  kafka_brokers(topic->config), rd_kafka_err2name(error));
    else
        return false;
    return true;
}

static bool count_partitions(struct state_topic *topic, int64_t until_ms)
{
    struct topic_look look;

    for (;;) {
        look = topics_look(topic->client, topic->name);
        if (look.error == RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        if (give_up(topic, look.error, until_ms))
            return false;
        clock_sleep_ms(PAUSE_MS);
    }
    topic->partitions = look.partitions;
    if (look.partitions == 0)
        log_error("state_topic_missing",
                  "topic=%s brokers=%s hint=\"no stage with this app.id has run there; check "
                  "app.id and bootstrap.servers\"",
                  topic->name, kafka_brokers(topic->config));
    return look.partitions > 0;
}

/* The handle reads committed records only, so that the end it is told is the last stable offset. */
static bool ask_ends(struct state_topic *topic, int32_t partition, int64_t until_ms)
{
    struct state_range *range = &topic->ranges[partition];
    rd_kafka_resp_err_t error;

    while ((error = kafka_ask_ends(topic->client, topic->name, partition, &range->low, &range->high,
                                   ASK_MS)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (give_up(topic, error, until_ms))
            return false;
        clock_sleep_ms(PAUSE_MS);
    }
    return true;
}

int state_topic_open(struct state_topic *topic, const struct config *config, struct tables *tables)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;

    *topic = (struct state_topic){
        .config = config,
        .tables = tables,
        .name = topics_state_name(config),
        .client = kafka_restorer(config),
    };
    if (topic->client == NULL)
        return EXIT_USAGE;
    if (!count_partitions(topic, until_ms))
        return EXIT_WORLD;
    topic->ranges = memory_get_clean((size_t)topic->partitions * sizeof(*topic->ranges));
    for (int32_t partition = 0; partition < topic->partitions; partition++)
        if (!ask_ends(topic, partition, until_ms))
            return EXIT_WORLD;
    return EXIT_WELL;
}

void state_topic_close(struct state_topic *topic)
{
    if (topic->client != NULL)
        rd_kafka_destroy_flags(topic->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(topic->ranges);
    free(topic->name);
    *topic = (struct state_topic){0};
}

bool state_topic_await(struct restore *restore, const struct restore_job *job)
{
    int64_t heard_ms = clock_monotonic_ms(), read = 0;

    while (!job->done) {
        if (restore_poll(restore, POLL_MS, clock_wall_ms()) != RESTORE_GOING)
            return false;
        if (job->next + (int64_t)job->image_records != read) {
            read = job->next + (int64_t)job->image_records;
            heard_ms = clock_monotonic_ms();
        } else if (clock_monotonic_ms() - heard_ms > SILENT_MS) {
            log_error("state_topic_silent",
                      "topic=%s partition=%d offset=%" PRId64 " of=%" PRId64 " brokers=%s",
                      restore->state_topic, job->lane->partition, job->next, job->target,
                      kafka_brokers(restore->config));
            return false;
        }
    }
    return true;
}

/* The topic folded is what its stage had in memory (promise 5), as far as a count can tell. */
static int check_count(const struct state_topic *topic, const struct restore_job *job)
{
    size_t live = store_count(job->lane->task.store);

    if (restore_dropped_names(job))
        return EXIT_FOUND; /* and told */
    if (job->control.lineage == 0 || job->control.live == live)
        return EXIT_WELL;
    log_error("state_miscounted",
              "topic=%s partition=%d messages=%zu control_says=%" PRIu64 " offset=%" PRId64
              " hint=\"records were lost, or something else has written to the state topic\"",
              topic->name, job->lane->partition, live, job->control.live, job->control_offset);
    return EXIT_FOUND;
}

static int walk_one(struct state_topic *topic, int32_t partition, state_topic_visit *visit,
                    void *context, bool *enough)
{
    const struct state_range *range = &topic->ranges[partition];
    struct restore_job job;
    struct restore restore;
    struct lane lane;
    int code = EXIT_WORLD;

    lane_init(&lane, partition, topic->tables, topic->config->input_topics.count, hash_seed());
    restore_init(&restore, topic->config, topic->tables, topic->name, true);
    restore_add_range(&restore, &job, &lane, range->low, range->high);
    if (state_topic_await(&restore, &job)) {
        code = check_count(topic, &job);
        *enough = !visit(context, &job, &lane);
    }
    restore_drop(&restore, &job);
    restore_release(&restore);
    lane_release(&lane);
    return code;
}

int state_topic_walk(struct state_topic *topic, int32_t only, state_topic_visit *visit,
                     void *context)
{
    int code = EXIT_WELL;
    bool enough = false;

    for (int32_t p = 0; p < topic->partitions && code != EXIT_WORLD && !enough; p++) {
        int one = EXIT_WELL;
        if (only < 0 || only == p)
            one = walk_one(topic, p, visit, context, &enough);
        code = one > code ? one : code;
    }
    return code;
}
