/*
 * latest.c: of each message the outcome that counts, as the outcomes topic now says: the shortest
 * reader that is correct.
 *
 *   latest BROKERS TOPIC
 *
 * Writes them as they are, a line each, by channel and message id. Three things make it correct:
 * it reads committed records only, it reads every partition to an end that it was told of, and it
 * lets lives and revisions decide, not the order in which they came (DESIGN 4).
 *
 *   cc -D_GNU_SOURCE latest.c $(pkg-config --cflags --libs rdkafka libcjson)
 */
#include <cjson/cJSON.h>
#include <librdkafka/rdkafka.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 30000 };

struct outcome {
    cJSON *tree;
    const char *channel, *message_id; /* in the tree, like all else */
    bool send_seen;
    double life, revision; /* whole, and below 2^53 */
    size_t size;
    char value[]; /* the record's bytes */
};

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "latest: %s: %s\n", what, why);
    exit(1);
}

static struct outcome *outcome_new(const void *value, size_t size)
{
    struct outcome *outcome = malloc(sizeof(*outcome) + size);
    cJSON *tree = cJSON_ParseWithLength(value, size);

    if (outcome == NULL || tree == NULL)
        die("a record", outcome == NULL ? "no memory for it" : "not JSON");
    *outcome = (struct outcome){
        .tree = tree,
        .channel = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "channel")),
        .message_id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "message_id")),
        .send_seen = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "send_seen")),
        .life = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(tree, "life")),
        .revision = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(tree, "revision")),
        .size = size,
    };
    if (outcome->channel == NULL || outcome->message_id == NULL)
        die("a record", "no outcome");
    memcpy(outcome->value, value, size);
    return outcome;
}

static void outcome_free(void *outcome)
{
    cJSON_Delete(((struct outcome *)outcome)->tree);
    free(outcome);
}

static int by_message(const void *left, const void *right)
{
    const struct outcome *a = left, *b = right;
    int order = strcmp(a->channel, b->channel);

    return order != 0 ? order : strcmp(a->message_id, b->message_id);
}

/* The rule: the life that has seen the send, else the first; of that the highest revision. */
static bool counts_more(const struct outcome *a, const struct outcome *b)
{
    if (a->send_seen != b->send_seen)
        return a->send_seen;
    if (a->life < b->life || a->life > b->life)
        return a->life < b->life;
    return a->revision > b->revision;
}

static void take(void **messages, struct outcome *outcome)
{
    struct outcome **found = tsearch(outcome, messages, by_message);

    if (found == NULL)
        die("tsearch", "no memory");
    if (*found == outcome)
        return;
    if (counts_more(outcome, *found)) {
        struct outcome *worse = *found;
        *found = outcome;
        outcome = worse;
    }
    outcome_free(outcome);
}

static void print(const void *node, VISIT visit, int depth)
{
    const struct outcome *outcome = *(struct outcome *const *)node;

    (void)depth;
    if (visit == postorder || visit == leaf)
        printf("%.*s\n", (int)outcome->size, outcome->value);
}

static rd_kafka_t *open_consumer(const char *brokers)
{
    const char *const settings[][2] = {
        {"bootstrap.servers", brokers},
        {"group.id", "latest"}, /* asked for, but nobody joins it and nothing is committed */
        {"enable.auto.commit", "false"},
        {"isolation.level", "read_committed"},
        {"enable.partition.eof", "true"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *consumer;
    char why[512];

    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof(why)) !=
            RD_KAFKA_CONF_OK)
            die(settings[i][0], why);
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (consumer == NULL)
        die("consumer", why);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

/* From the beginning of every partition; returns how many there are. */
static int assign_all(rd_kafka_t *consumer, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, name, NULL);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t error = rd_kafka_metadata(consumer, 0, topic, &metadata, PATIENCE_MS);
    int count;

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = metadata->topics[0].err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(name, rd_kafka_err2str(error));
    count = metadata->topics[0].partition_cnt;
    list = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, name, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    error = rd_kafka_assign(consumer, list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(name, rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return count;
}

/* A partition that grows while it is read comes to an end more than once, and counts once. */
static void read_to_the_ends(rd_kafka_t *consumer, int partitions, void **messages)
{
    bool *ended = calloc((size_t)partitions, sizeof(*ended));
    int left = partitions;

    if (ended == NULL)
        die("partitions", "no memory");
    while (left > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, PATIENCE_MS);
        if (message == NULL)
            die("brokers", "no word from them");
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            left -= !ended[message->partition];
            ended[message->partition] = true;
        } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            die("reading", rd_kafka_message_errstr(message));
        } else {
            take(messages, outcome_new(message->payload, message->len));
        }
        rd_kafka_message_destroy(message);
    }
    free(ended);
}

int main(int argc, char **argv)
{
    void *messages = NULL;
    rd_kafka_t *consumer;

    if (argc != 3)
        die("usage", "latest BROKERS TOPIC");
    consumer = open_consumer(argv[1]);
    read_to_the_ends(consumer, assign_all(consumer, argv[2]), &messages);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    twalk(messages, print);
    tdestroy(messages, outcome_free);
    if (fflush(stdout) != 0)
        die("standard output", "not all could be written");
    return 0;
}
