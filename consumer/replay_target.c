/* replay_target.c: count, leave out what is there, put the rest, commit both. */
#include "consumer/replay_target.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/scan.h"
#include "consumer/topics.h"
#include "schemas/outcome.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCH_BYTES_MOST = 16 << 20, /* of one transaction */
    PLAN_SIZE = 3000, /* INPUTS_MAX pairs of offsets; brokers take 4096 bytes of metadata */
    LOOKS = 20,
    ASK_MS = 5000,
    PART_OF_TIMEOUT = 4, /* of a transaction's timeout: then it is committed, full or not */
};

#define PLAN "upshot-replay/1"

struct replay_target_row {
    int64_t computed;     /* outcomes, from the beginning of the bounds */
    int64_t there;        /* of those: in the topic, or in the open transaction */
    int64_t landed;       /* of those: committed */
    char plan[PLAN_SIZE]; /* empty: none */
};

static bool fail(struct replay_target *target, int code)
{
    target->error = code;
    return false;
}

/* ---- the topic ---------------------------------------------------------------------------- */

static bool is_the_stages(const struct config *config, const char *topic)
{
    char *state = topics_state_name(config);
    bool found = strcmp(topic, config->outcomes_topic) == 0 ||
                 strcmp(topic, config->dead_letters_topic) == 0 || strcmp(topic, state) == 0;

    for (size_t i = 0; i < config->input_topics.count; i++)
        found = found || strcmp(topic, config->input_topics.items[i]) == 0;
    free(state);
    return found;
}

static bool look_at_topic(struct replay_target *target)
{
    struct topic_look look = topics_look(target->client, target->topic);

    for (int tries = 1; look.error != RD_KAFKA_RESP_ERR_NO_ERROR && tries < LOOKS; tries++)
        look = topics_look(target->client, target->topic);
    if (look.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_error("broker_unreachable", "topic=%s error=%s brokers=%s", target->topic,
                  rd_kafka_err2name(look.error), kafka_brokers(target->config));
        return fail(target, EXIT_WORLD);
    }
    if (look.partitions == target->partitions)
        return true;
    log_error("target_refused",
              "topic=%s partitions=%d hint=\"outcomes go where their inputs were: make it with %d "
              "partitions\"",
              target->topic, look.partitions, target->partitions);
    return fail(target, EXIT_USAGE);
}

/* ---- counts and plans --------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *list_all(const struct replay_target *target)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(target->partitions);

    for (int32_t p = 0; p < target->partitions; p++) {
        rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_add(list, target->topic, p);
        row->offset = target->rows[p].there;
        row->metadata = strdup(target->rows[p].plan); /* freed with the list */
        row->metadata_size = strlen(target->rows[p].plan);
    }
    return list;
}

/* What is committed, by partition. The id must be ours alone by then. */
static struct replay_target_row *ask_committed(struct replay_target *target)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(target->partitions);
    struct replay_target_row *rows = memory_get_clean((size_t)target->partitions * sizeof(*rows));
    rd_kafka_resp_err_t error;

    for (int32_t p = 0; p < target->partitions; p++)
        rd_kafka_topic_partition_list_add(list, target->topic, p);
    error = scan_ask_committed(target->client, list);
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        struct replay_target_row *row = &rows[list->elems[i].partition];
        row->there = row->landed = list->elems[i].offset < 0 ? 0 : list->elems[i].offset;
        snprintf(row->plan, sizeof(row->plan), "%.*s", (int)list->elems[i].metadata_size,
                 list->elems[i].metadata_size == 0 ? "" : (const char *)list->elems[i].metadata);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return rows;
    log_error("broker_unreachable", "operation=OffsetFetch group=%s error=%s brokers=%s",
              target->group, rd_kafka_err2name(error), kafka_brokers(target->config));
    target->error = EXIT_WORLD;
    free(rows);
    return NULL;
}

/* "upshot-replay/1 FINGERPRINT " before the bounds. */
static int put_head(const struct replay_target *target, char plan[PLAN_SIZE])
{
    return snprintf(plan, PLAN_SIZE, PLAN " %016" PRIx64 " ", target->fingerprint);
}

static bool is_ours(struct replay_target *target, const char *plan)
{
    char head[PLAN_SIZE];
    int size = put_head(target, head);

    if (strncmp(plan, head, (size_t)size) == 0)
        return true;
    log_error("name_taken",
              "group=%s topic=%s hint=\"under this name something else was replayed: another "
              "range, other topics, tables or options; use another --name\"",
              target->group, target->topic);
    return fail(target, EXIT_USAGE);
}

/*
 * Of a name that is not known. It may be one that was: a broker forgets a group's offsets when they
 * have not been committed for offsets.retention.minutes, seven days as it comes.
 */
static void warn_of_outcomes(const struct replay_target *target)
{
    for (int32_t p = 0; p < target->partitions; p++) {
        int64_t low = 0, end = 0;
        if (kafka_ask_ends(target->client, target->topic, p, &low, &end, ASK_MS) !=
                RD_KAFKA_RESP_ERR_NO_ERROR ||
            low == end)
            continue;
        log_warn("target_not_empty",
                 "topic=%s partition=%d records=%" PRId64 " group=%s hint=\"nothing is known of "
                 "this name, and somebody has written there: where it was this replay, which is "
                 "forgotten seven days after its last commit, its outcomes are put there again\"",
                 target->topic, p, end - low, target->group);
        return;
    }
}

bool replay_target_recall(struct replay_target *target, int32_t partition,
                          struct topic_bounds *bounds, size_t input_count)
{
    char head[PLAN_SIZE], *at = target->rows[partition].plan + put_head(target, head);

    for (size_t i = 0; i < input_count; i++) {
        int read = 0;
        if (sscanf(at, "%" SCNd64 "-%" SCNd64 ",%n", &bounds[i].begin, &bounds[i].end, &read) < 2 ||
            read == 0) {
            log_error("plan_unreadable", "group=%s topic=%s partition=%d plan=\"%s\"",
                      target->group, target->topic, partition, target->rows[partition].plan);
            return fail(target, EXIT_WORLD);
        }
        at += read;
    }
    return true;
}

/* ---- transactions ------------------------------------------------------------------------- */

static bool is_open(const struct replay_target *target)
{
    return target->errand.producer != NULL;
}

/* Nobody else with this name has put anything since our last transaction. */
static bool is_alone(struct replay_target *target)
{
    struct replay_target_row *rows = ask_committed(target);
    bool alone = rows != NULL;

    for (int32_t p = 0; p < target->partitions && alone; p++)
        alone = rows[p].landed == target->rows[p].landed &&
                strcmp(rows[p].plan, target->rows[p].plan) == 0;
    if (rows != NULL && !alone) {
        log_error("name_contested",
                  "group=%s topic=%s hint=\"another process replays under this name; run it again "
                  "when that has ended\"",
                  target->group, target->topic);
        target->error = EXIT_WORLD;
    }
    free(rows);
    return alone;
}

static bool begin(struct replay_target *target)
{
    if (!errand_begin(&target->errand, target->config, target->group))
        return fail(target, EXIT_WORLD);
    return is_alone(target);
}

static bool commit(struct replay_target *target)
{
    rd_kafka_topic_partition_list_t *offsets = list_all(target);
    bool good = errand_commit(&target->errand, offsets, target->generation);

    rd_kafka_topic_partition_list_destroy(offsets);
    errand_end(&target->errand);
    if (!good)
        return fail(target, EXIT_WORLD);
    for (int32_t p = 0; p < target->partitions; p++)
        target->rows[p].landed = target->rows[p].there;
    target->landed += (uint64_t)target->batch_records;
    target->batch_records = 0;
    target->batch_bytes = 0;
    return true;
}

bool replay_target_open(struct replay_target *target, const struct config *config,
                        const char *topic, const char *name, uint64_t fingerprint,
                        int32_t partitions)
{
    *target = (struct replay_target){
        .config = config,
        .own = *config,
        .topic = topic,
        .fingerprint = fingerprint,
        .partitions = partitions,
    };
    snprintf(target->group, sizeof(target->group), "%s.replay.%s", config->app_id, name);
    target->own.app_id = target->group;
    if (is_the_stages(config, topic)) {
        log_error("target_refused",
                  "topic=%s hint=\"the stage reads or writes it: outcomes of a replay go into a "
                  "topic of their own\"",
                  topic);
        return fail(target, EXIT_USAGE);
    }
    target->client = kafka_restorer(&target->own);
    target->generation = rd_kafka_consumer_group_metadata_new(target->group);
    if (target->client == NULL)
        return fail(target, EXIT_USAGE);
    if (!look_at_topic(target))
        return false;
    /* From here on the run before has landed what it committed, and lands nothing more. */
    if (!errand_begin(&target->errand, config, target->group))
        return fail(target, EXIT_WORLD);
    target->rows = ask_committed(target);
    if (target->rows == NULL)
        return false;
    target->planned = target->rows[0].plan[0] != 0;
    if (!target->planned)
        warn_of_outcomes(target);
    return !target->planned || is_ours(target, target->rows[0].plan);
}

bool replay_target_plan(struct replay_target *target, const struct topic_bounds *bounds,
                        size_t input_count)
{
    for (int32_t p = 0; p < target->partitions; p++) {
        char *plan = target->rows[p].plan;
        int size = put_head(target, plan);
        for (size_t i = 0; i < input_count; i++, bounds++)
            size += snprintf(plan + size, PLAN_SIZE - (size_t)size, "%" PRId64 "-%" PRId64 ",",
                             bounds->begin, bounds->end);
        require(size < PLAN_SIZE);
    }
    return commit(target);
}

/* ---- outcomes ----------------------------------------------------------------------------- */

static rd_kafka_headers_t *make_headers(void)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);

    rd_kafka_header_add(headers, "upshot-schema", -1, OUTCOME_SCHEMA, -1);
    rd_kafka_header_add(headers, "content-type", -1, OUTCOME_CONTENT_TYPE, -1);
    return headers;
}

static bool put(struct replay_target *target, const struct lane *lane,
                const struct happening *happening)
{
    struct errand_record record = {
        .topic = target->topic,
        .partition = lane->partition,
        .key = happening->id.bytes,
        .key_size = happening->id.size,
    };

    if (!is_open(target) && !begin(target))
        return false;
    buffer_clear(&target->value);
    outcome_encode(&target->value, happening->table, happening->id, &happening->record,
                   &happening->effects, lane->partition, false);
    require(!target->value.failed);
    record.value = target->value.bytes;
    record.value_size = target->value.size;
    record.headers = make_headers();
    if (!errand_put(&target->errand, &record))
        return fail(target, EXIT_WORLD);
    if (target->batch_records++ == 0)
        target->batch_began_ms = clock_monotonic_ms();
    target->batch_bytes += record.key_size + record.value_size;
    return true;
}

void replay_target_put(struct replay_target *target, const struct lane *lane,
                       const struct happening *happening)
{
    struct replay_target_row *row = &target->rows[lane->partition];

    if (target->error != EXIT_WELL)
        return;
    row->computed++;
    if (row->computed <= row->there) {
        target->found++;
        return;
    }
    if (!put(target, lane, happening))
        return;
    row->there = row->computed;
    if (target->batch_records >= target->config->commit_records ||
        target->batch_bytes >= BATCH_BYTES_MOST)
        commit(target);
}

void replay_target_serve(struct replay_target *target)
{
    if (target->error == EXIT_WELL && target->batch_records > 0 &&
        clock_monotonic_ms() - target->batch_began_ms >
            kafka_transaction_timeout_ms(target->config) / PART_OF_TIMEOUT)
        commit(target);
}

bool replay_target_finish(struct replay_target *target)
{
    for (int32_t p = 0; p < target->partitions && target->error == EXIT_WELL; p++)
        if (target->rows[p].computed < target->rows[p].there) {
            log_error("replay_differs",
                      "topic=%s partition=%d there=%" PRId64 " computed=%" PRId64
                      " hint=\"the run before has put more than the same range gives now: were its "
                      "records deleted or compacted?\"",
                      target->topic, p, target->rows[p].there, target->rows[p].computed);
            target->error = EXIT_FOUND;
        }
    if (target->error == EXIT_WELL && target->batch_records > 0)
        commit(target);
    return target->error == EXIT_WELL;
}

void replay_target_close(struct replay_target *target)
{
    errand_end(&target->errand);
    if (target->generation != NULL)
        rd_kafka_consumer_group_metadata_destroy(target->generation);
    if (target->client != NULL)
        rd_kafka_destroy_flags(target->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(target->rows);
    buffer_release(&target->value);
}
