/* scan.c: one reader for all the partitions, each as far as its end. */
#include "consumer/scan.h"

#include "consumer/clock.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/patience.h"
#include "consumer/topics.h"
#include "consumer/trouble.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    ASK_MS = 5000,
    POLL_MS = 200,
};

static bool fail(struct scan *scan, const char *what, int32_t partition, rd_kafka_resp_err_t error)
{
    const struct trouble *trouble = trouble_of(error);

    log_error(trouble == NULL ? "scan_failed" : trouble->event,
              "operation=%s topic=%s partition=%d error=%s brokers=%s hint=\"%s\"", what,
              scan->topic, partition, rd_kafka_err2name(error), kafka_brokers(scan->config),
              trouble == NULL ? "run it again when the brokers answer" : trouble->hint);
    scan->failed = true;
    return false;
}

static bool count_partitions(struct scan *scan)
{
    int64_t start_ms = clock_monotonic_ms();
    struct topic_look look;

    do {
        look = topics_look(scan->reader, scan->topic);
    } while (patience_again(look.error, start_ms));
    if (look.error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail(scan, "Describe", -1, look.error);
    if (look.partitions == 0)
        return fail(scan, "Describe", -1, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    scan->partitions = scan->left = look.partitions;
    return true;
}

static bool find_end(struct scan *scan, rd_kafka_t *client, int32_t partition)
{
    struct scan_range *range = &scan->ranges[partition];
    int64_t start_ms = clock_monotonic_ms();
    rd_kafka_resp_err_t error;

    do {
        error = kafka_ask_ends(client, scan->topic, partition, &range->low, &range->end, ASK_MS);
    } while (patience_again(error, start_ms));
    range->next = range->low;
    return error == RD_KAFKA_RESP_ERR_NO_ERROR || fail(scan, "ListOffsets", partition, error);
}

bool scan_open(struct scan *scan, const struct config *config, const char *topic, enum scan_end end)
{
    rd_kafka_t *client;
    bool good = true;

    *scan = (struct scan){.config = config, .topic = topic, .reader = kafka_restorer(config)};
    if (scan->reader == NULL || !count_partitions(scan)) {
        scan->failed = true;
        return false;
    }
    /* The end of a reader of committed records is the last stable offset. */
    client = end == SCAN_WHOLE ? kafka_client(config) : scan->reader;
    scan->ranges = memory_get_clean((size_t)scan->partitions * sizeof(*scan->ranges));
    for (int32_t p = 0; p < scan->partitions && good; p++)
        good = client != NULL && find_end(scan, client, p);
    if (client != NULL && client != scan->reader)
        rd_kafka_destroy(client);
    scan->failed = !good;
    return good;
}

static rd_kafka_topic_partition_list_t *list_all(const struct scan *scan)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(scan->partitions);

    for (int32_t p = 0; p < scan->partitions; p++)
        rd_kafka_topic_partition_list_add(list, scan->topic, p)->offset = scan->ranges[p].next;
    return list;
}

rd_kafka_resp_err_t scan_ask_committed(rd_kafka_t *reader, rd_kafka_topic_partition_list_t *list)
{
    int64_t start_ms = clock_monotonic_ms();
    rd_kafka_resp_err_t error;

    do { /* _TIMED_OUT: a transaction with these offsets is still open; it will end */
        error = rd_kafka_committed(reader, list, ASK_MS);
        for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
            error = list->elems[i].err;
    } while (patience_again(error, start_ms));
    return error;
}

/* What the reader's group has committed, the caller's; NULL where that was not told. */
static rd_kafka_topic_partition_list_t *ask_committed(struct scan *scan)
{
    rd_kafka_topic_partition_list_t *list = list_all(scan);
    rd_kafka_resp_err_t error = scan_ask_committed(scan->reader, list);

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return list;
    rd_kafka_topic_partition_list_destroy(list);
    fail(scan, "OffsetFetch", -1, error);
    return NULL;
}

bool scan_skip_committed(struct scan *scan)
{
    rd_kafka_topic_partition_list_t *list = ask_committed(scan);

    if (list == NULL)
        return false;
    for (int i = 0; i < list->cnt; i++) {
        struct scan_range *range = &scan->ranges[list->elems[i].partition];
        if (list->elems[i].offset > range->next)
            range->next = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return true;
}

bool scan_is_furthest(struct scan *scan)
{
    rd_kafka_topic_partition_list_t *list = ask_committed(scan);
    const rd_kafka_topic_partition_t *beyond = NULL;

    if (list == NULL)
        return false;
    for (int i = 0; i < list->cnt && beyond == NULL; i++)
        if (list->elems[i].offset > scan->ranges[list->elems[i].partition].next)
            beyond = &list->elems[i];
    if (beyond != NULL)
        log_error("overtaken",
                  "group=%s topic=%s partition=%d next=%" PRId64 " committed=%" PRId64
                  " hint=\"another run of the same name has gone on meanwhile: nothing is done "
                  "twice; run it again for what that has left\"",
                  scan->config->app_id, scan->topic, beyond->partition,
                  scan->ranges[beyond->partition].next, beyond->offset);
    scan->failed = beyond != NULL;
    rd_kafka_topic_partition_list_destroy(list);
    return !scan->failed;
}

/* Notes where a range has come to; true where that is its end. */
static bool reach(struct scan *scan, struct scan_range *range, int64_t next)
{
    if (next > range->next)
        range->next = next < range->end ? next : range->end;
    if (!range->done && range->next >= range->end) {
        range->done = true;
        scan->left--;
    }
    return range->done;
}

bool scan_begin(struct scan *scan)
{
    rd_kafka_topic_partition_list_t *list = list_all(scan);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;

    for (int32_t p = 0; p < scan->partitions; p++)
        if (reach(scan, &scan->ranges[p], 0))
            rd_kafka_topic_partition_list_del(list, scan->topic, p);
    if (list->cnt > 0)
        error = rd_kafka_assign(scan->reader, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR || fail(scan, "assign", -1, error);
}

/* True: a record of a range. */
static bool take(struct scan *scan, const rd_kafka_message_t *message)
{
    struct scan_range *range;

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        reach(scan, &scan->ranges[message->partition], message->offset);
        return false; /* markers and aborted records count */
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (trouble_of(message->err) != NULL)
            fail(scan, "Fetch", message->partition, message->err);
        else
            log_seldom(LOG_WARN_LEVEL, "scan_error", rd_kafka_err2name(message->err),
                       "topic=%s partition=%d error=%s", scan->topic, message->partition,
                       rd_kafka_err2name(message->err));
        return false;
    }
    range = &scan->ranges[message->partition];
    if (range->done || message->offset < range->next)
        return false;
    if (message->offset >= range->end) {
        reach(scan, range, range->end);
        return false;
    }
    reach(scan, range, message->offset + 1);
    return true;
}

rd_kafka_message_t *scan_next(struct scan *scan)
{
    int64_t heard_ms = clock_monotonic_ms();

    while (scan->left > 0 && !scan->failed) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(scan->reader, POLL_MS);
        if (message == NULL) {
            if (clock_monotonic_ms() - heard_ms >= PATIENCE_MS)
                fail(scan, "Fetch", -1, RD_KAFKA_RESP_ERR__TIMED_OUT);
            continue;
        }
        if (take(scan, message))
            return message;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            heard_ms = clock_monotonic_ms();
        rd_kafka_message_destroy(message);
    }
    return NULL;
}

int64_t scan_left(const struct scan *scan)
{
    int64_t left = 0;

    for (int32_t p = 0; p < scan->partitions; p++)
        left += scan->ranges[p].end - scan->ranges[p].next;
    return left;
}

/* Without closing it as a member of a group, which it never was: that could take long. */
void scan_close(struct scan *scan)
{
    if (scan->reader != NULL)
        rd_kafka_destroy_flags(scan->reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(scan->ranges);
    *scan = (struct scan){0};
}
