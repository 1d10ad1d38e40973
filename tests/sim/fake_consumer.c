/*
 * fake_consumer.c: a consumer: what it fetches, its place in the group, its questions.
 *
 * The rebalance callback is called from rd_kafka_consumer_poll() only. Until the application has
 * called assign() for it, whatever else the group says is ignored, as 2.0.2 does.
 */
#include "consumer/worker_inside.h"
#include "statemachine/memory.h"
#include "tests/sim/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FETCH_MAX = 200, QUEUED_MAX = 400, PARK_US = 100 * MS };

/* ---- handles ---- */

struct rd_kafka_s {
    struct client client;
};

struct client *client_of(rd_kafka_t *handle)
{
    return &handle->client;
}

rd_kafka_t *handle_of(struct client *client)
{
    return (rd_kafka_t *)client;
}

void client_changed(struct client *client)
{
    fiber_wake(client->caller);
}

void client_signal(struct client *client)
{
    struct inside *inside = client->conf.opaque;

    world_signal(inside->wake[0]);
}

static uint64_t clients_made;

rd_kafka_t *rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why, size_t why_size)
{
    rd_kafka_t *handle = memory_get(sizeof(*handle));
    struct client *client = &handle->client;

    (void)why;
    (void)why_size;
    memset(handle, 0, sizeof(*handle));
    client->id = ++clients_made;
    client->type = type;
    client->conf = *conf;
    free(conf);
    client->process = process_now();
    client->incarnation = client->process->incarnation;
    client->process->objects++;
    client->process->clients++;
    snprintf(client->name, sizeof(client->name), "client-%llu", (unsigned long long)client->id);
    client->committed_only = strcmp(conf_get(&client->conf, "isolation.level", "read_committed"),
                                    "read_committed") == 0;
    if (type == RD_KAFKA_PRODUCER)
        producer_start(client);
    else
        consumer_start(client);
    return handle;
}

void rd_kafka_destroy_flags(rd_kafka_t *handle, int flags)
{
    struct client *client = client_of(handle);

    (void)flags;
    seam("destroy");
    client->destroyed = true;
    client->process->objects--;
    client->process->clients--;
    if (client->type == RD_KAFKA_PRODUCER)
        producer_stop(client);
    else
        consumer_stop(client);
}

void rd_kafka_destroy(rd_kafka_t *handle)
{
    rd_kafka_destroy_flags(handle, 0);
}

const char *rd_kafka_name(const rd_kafka_t *handle)
{
    return handle->client.name;
}

rd_kafka_resp_err_t rd_kafka_poll_set_consumer(rd_kafka_t *handle)
{
    (void)handle;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *handle, char *text, size_t size)
{
    struct client *client = client_of(handle);

    if (!client->fatal && client->call != CALL_FATAL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    snprintf(text, size, "fatal");
    return RD_KAFKA_RESP_ERR__FATAL;
}

/* ---- fetching ---- */

static void fetch(struct client *client, struct lane_in *lane);

static void fetch_event(void *context, int64_t number)
{
    struct client *client = context;

    if (!client->destroyed)
        fetch(client, client->in[number]);
}

static void fetch_later(struct client *client, struct lane_in *lane, int64_t delay_us)
{
    int64_t at = 0;

    while (client->in[at] != lane)
        at++;
    world_after(delay_us, client->process, fetch_event, client, at);
}

static void serve_fetch(struct request *request);

static void serve_fetch_again(void *context, int64_t number)
{
    struct request *request = context;

    (void)number;
    if (request->process->alive && request->process->incarnation == request->incarnation &&
        !request->client->destroyed)
        serve_fetch(request);
}

static void serve_fetch(struct request *request)
{
    const struct log *log = request->log;
    const struct lane_in *lane = request->context;
    int64_t most = world_between(1, FETCH_MAX);
    size_t low = 0, high = log->count;

    request->end = request->stable ? log_stable(log) : log->next;
    request->entry_count = 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (log->entries[middle].offset < request->offset)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + request->entry_count < log->count && (int64_t)request->entry_count < most &&
           log->entries[low + request->entry_count].offset < request->end)
        request->entry_count++;
    /* A real fetch waits 50 ms at most; here one that nobody wants any more ends at once. */
    if (request->entry_count == 0 && lane->version == request->version &&
        (request->offset != request->end || request->eof_told == request->offset)) {
        request->answered_later = true;
        world_after(PARK_US, NULL, serve_fetch_again, request, 0);
        return;
    }
    if (request->entry_count > 0) {
        request->entries = memory_get(request->entry_count * sizeof(struct entry));
        memcpy(request->entries, &log->entries[low], request->entry_count * sizeof(struct entry));
        for (size_t i = 0; i < request->entry_count; i++)
            request->entries[i].marker =
                !log_visible(log, &request->entries[i], request->stable);
    }
    if (request->answered_later)
        request_answer(request);
}

static void put_record(struct client *client, struct lane_in *lane, const struct entry *entry)
{
    struct message *message = message_new(client, lane->topic, lane->partition);
    struct bytes key = bytes_copy(entry->key.data, entry->key.size);
    struct bytes value = bytes_copy(entry->value.data, entry->value.size);

    message->said.offset = entry->offset;
    message->said.key = key.data;
    message->said.key_len = key.size;
    message->said.payload = value.data;
    message->said.len = value.size;
    message->timestamp_ms = entry->timestamp_ms;
    queue_put(&lane->queue, message);
}

static void fetched(struct request *request)
{
    struct client *client = request->client;
    struct lane_in *lane = request->context;

    lane->fetching = false;
    if (!lane->assigned || lane->version != request->version) {
        if (lane->assigned)
            fetch(client, lane);
    } else if (request->error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fetch_later(client, lane, world_between(20 * MS, 200 * MS));
        return;
    } else {
        if (lane->position == request->end && lane->eof_told != lane->position) {
            struct message *message = message_new(client, lane->topic, lane->partition);
            message->said.err = RD_KAFKA_RESP_ERR__PARTITION_EOF;
            message->said.offset = lane->position;
            lane->eof_told = lane->position;
            world_trace("P%d end of %s/%d at %lld", client->process->number, lane->topic,
                        lane->partition, (long long)lane->position);
            queue_put(&lane->queue, message);
        }
        for (size_t i = 0; i < request->entry_count; i++) {
            lane->position = request->entries[i].offset + 1;
            if (!request->entries[i].marker)
                put_record(client, lane, &request->entries[i]);
        }
        fetch(client, lane);
    }
    free(request->entries);
    request->entries = NULL;
    if (!request->given_up)
        free(request);
}

static void fetch(struct client *client, struct lane_in *lane)
{
    struct request *request;

    if (!lane->assigned || lane->fetching)
        return;
    if (lane->queue.messages.count > QUEUED_MAX || client->main.messages.count > QUEUED_MAX) {
        fetch_later(client, lane, 5 * MS);
        return;
    }
    request = request_new(client, "Fetch", lane->log->node, serve_fetch, fetched);
    request->log = lane->log;
    request->offset = lane->position;
    request->eof_told = lane->eof_told;
    request->version = lane->version;
    request->stable = client->committed_only;
    request->context = lane;
    lane->fetching = true;
    request_send(request);
}

static struct lane_in *lane_in_of(struct client *client, const char *topic, int32_t partition)
{
    struct lane_in *lane;

    for (size_t i = 0; i < client->in_count; i++)
        if (strcmp(client->in[i]->topic, topic) == 0 && client->in[i]->partition == partition)
            return client->in[i];
    require(client->in_count < LANES_MAX);
    lane = memory_get(sizeof(*lane));
    memset(lane, 0, sizeof(*lane));
    snprintf(lane->topic, sizeof(lane->topic), "%s", topic);
    lane->partition = partition;
    lane->log = broker_log(topic, partition);
    require(lane->log != NULL);
    lane->queue.client = client;
    lane->queue.forward = &client->main;
    client->in[client->in_count++] = lane;
    return lane;
}

static void join(struct client *client, int64_t delay_us);

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *handle, const rd_kafka_topic_partition_list_t *list)
{
    struct client *client = client_of(handle);

    seam("assign");
    client->versions++;
    for (size_t i = 0; i < client->in_count; i++) {
        client->in[i]->assigned = false;
        client->in[i]->version = client->versions;
        list_clear(&client->in[i]->queue.messages); /* outdated: librdkafka drops them, too */
    }
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        struct lane_in *lane =
            lane_in_of(client, list->elems[i].topic, list->elems[i].partition);
        lane->assigned = true;
        lane->version = client->versions;
        lane->position = list->elems[i].offset;
        lane->eof_told = -1;
        require(lane->position >= 0 && lane->position <= lane->log->next);
        fetch_later(client, lane, world_between(0, 2 * MS));
    }
    if (list != NULL && client->join == JOIN_WAIT_ASSIGN)
        client->join = JOIN_STEADY;
    if (list == NULL && client->join == JOIN_WAIT_UNASSIGN) {
        client->lost = false;
        join(client, 0);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- queues ---- */

rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *handle)
{
    return &client_of(handle)->main;
}

rd_kafka_queue_t *rd_kafka_queue_get_partition(rd_kafka_t *handle, const char *topic,
                                               int32_t partition)
{
    return &lane_in_of(client_of(handle), topic, partition)->queue;
}

void rd_kafka_queue_forward(rd_kafka_queue_t *queue, rd_kafka_queue_t *to)
{
    queue->forward = to;
}

void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload,
                                    size_t size)
{
    (void)payload;
    (void)size;
    queue->signals = fd >= 0;
}

void rd_kafka_queue_destroy(rd_kafka_queue_t *queue)
{
    (void)queue; /* a reference */
}

ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *queue, int timeout_ms,
                                     rd_kafka_message_t **messages, size_t size)
{
    int64_t until_us = world.now_us + timeout_ms * (int64_t)MS;
    size_t count = 0;

    if (timeout_ms > 0)
        seam("consume");
    while (timeout_ms > 0 && queue->messages.count < size && world.now_us < until_us) {
        queue->waiting = fiber_now();
        fiber_wait(until_us);
        queue->waiting = NULL;
    }
    while (count < size && queue->messages.count > 0)
        messages[count++] = &list_take(&queue->messages)->said;
    return (ssize_t)count;
}

/* ---- the group ---- */

static void rebalance(struct client *client, bool lost)
{
    if (client->join != JOIN_STEADY)
        return; /* one at a time: the next heartbeat says it again */
    client->join = JOIN_WAIT_UNASSIGN;
    client->callback_due = client->callback_revokes = true;
    client->lost = lost;
    world_trace("P%d rebalance%s", client->process->number, lost ? ", lost" : "");
    if (client->main.signals)
        client_signal(client);
}

static void set_consumer_fatal(struct client *client)
{
    client->fatal = true;
    client->join = JOIN_NONE;
    if (client->main.signals)
        client_signal(client);
}

static void joined_at_broker(struct joining *joining)
{
    struct request *request = joining->context;

    request->error = joining->error;
    request_answer(request);
}

static void serve_join(struct request *request)
{
    request->answered_later = true;
    request->joining->context = request;
    request->joining->answer = joined_at_broker;
    group_join(request->joining);
}

static void joined(struct request *request)
{
    struct client *client = request->client;

    if (client->join != JOIN_UNDER_WAY || request->number != (int64_t)client->round)
        return;
    switch (request->error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        client->who = request->joining->who;
        client->assignment = request->joining->assignment;
        client->join = JOIN_WAIT_ASSIGN;
        client->callback_due = true;
        client->callback_revokes = client->lost = false;
        client->heard_us = world.now_us;
        if (client->main.signals)
            client_signal(client);
        break;
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        set_consumer_fatal(client);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
        client->who.member[0] = 0;
        join(client, 100 * MS);
        break;
    default:
        join(client, world_between(50 * MS, 500 * MS));
    }
}

static void join_event(void *context, int64_t number)
{
    struct client *client = context;
    struct request *request;

    if (client->destroyed || client->join != JOIN_UNDER_WAY || number != (int64_t)client->round)
        return;
    request = request_new(client, "JoinGroup", 0, serve_join, joined);
    request->joining = memory_get(sizeof(*request->joining));
    memset(request->joining, 0, sizeof(*request->joining));
    request->joining->who = client->who;
    request->joining->session_us = client->session_us;
    request->number = number;
    request_send(request);
}

static void join(struct client *client, int64_t delay_us)
{
    client->join = JOIN_UNDER_WAY;
    client->round++;
    world_after(delay_us + world_between(0, 5 * MS), client->process, join_event, client,
                (int64_t)client->round);
}

static void serve_heartbeat(struct request *request)
{
    request->error = group_heartbeat(&request->who);
}

static void heart_beaten(struct request *request)
{
    struct client *client = request->client;

    client->heartbeat_under_way = false;
    if (client->join == JOIN_NONE || client->join == JOIN_UNDER_WAY)
        return;
    switch (request->error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        client->heard_us = world.now_us;
        break;
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
        client->heard_us = world.now_us;
        rebalance(client, false);
        break;
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
        client->who.generation = -1;
        rebalance(client, true);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
        client->who.member[0] = 0;
        rebalance(client, true);
        break;
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        set_consumer_fatal(client);
        break;
    default:
        break;
    }
}

static void heartbeat(void *context, int64_t number)
{
    struct client *client = context;

    if (client->destroyed)
        return;
    if (client->join == JOIN_WAIT_ASSIGN || client->join == JOIN_STEADY ||
        client->join == JOIN_WAIT_UNASSIGN) {
        if (world.now_us - client->heard_us > client->session_us) {
            if (client->who.instance[0] == 0)
                client->who.member[0] = 0;
            client->heard_us = world.now_us;
            rebalance(client, true);
        } else if (!client->heartbeat_under_way) {
            struct request *request =
                request_new(client, "Heartbeat", 0, serve_heartbeat, heart_beaten);
            request->who = client->who;
            client->heartbeat_under_way = true;
            request_send(request);
        }
    }
    world_after(number, client->process, heartbeat, client, number);
}

rd_kafka_resp_err_t rd_kafka_subscribe(rd_kafka_t *handle,
                                       const rd_kafka_topic_partition_list_t *topics)
{
    struct client *client = client_of(handle);

    (void)topics; /* all members subscribe to the same; see group_subscribe() */
    seam("subscribe");
    join(client, 0);
    world_after(100 * MS, client->process, heartbeat, client,
                atoll(conf_get(&client->conf, "heartbeat.interval.ms", "3000")) * MS);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void call_back(struct client *client)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)client->assignment.count);

    for (size_t i = 0; i < client->assignment.count; i++)
        rd_kafka_topic_partition_list_add(list, client->assignment.rows[i].topic,
                                          client->assignment.rows[i].partition);
    world_trace("P%d rebalance callback %s partitions=%d", client->process->number,
                client->callback_revokes ? "revoke" : "assign", list->cnt);
    client->callback_due = false;
    client->conf.rebalance(handle_of(client),
                           client->callback_revokes ? RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS
                                                    : RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS,
                           list, client->conf.opaque);
    rd_kafka_topic_partition_list_destroy(list);
}

rd_kafka_message_t *rd_kafka_consumer_poll(rd_kafka_t *handle, int timeout_ms)
{
    struct client *client = client_of(handle);
    struct message *message;

    (void)timeout_ms;
    seam_short("poll");
    check_at_rest(client);
    if (world_chance(100))
        fiber_wait(world.now_us + world_between(1, 2 * MS));
    if (client->fatal && !client->fatal_told) {
        client->fatal_told = true;
        message = message_new(client, "", 0);
        message->said.err = RD_KAFKA_RESP_ERR__FATAL;
        snprintf(message->text, sizeof(message->text), "fenced");
        return &message->said;
    }
    if (client->callback_due)
        call_back(client);
    message = list_take(&client->main.messages);
    return message == NULL ? NULL : &message->said;
}

int rd_kafka_assignment_lost(rd_kafka_t *handle)
{
    return client_of(handle)->lost;
}

rd_kafka_consumer_group_metadata_t *rd_kafka_consumer_group_metadata(rd_kafka_t *handle)
{
    rd_kafka_consumer_group_metadata_t *metadata = memory_get(sizeof(*metadata));

    metadata->who = client_of(handle)->who;
    metadata->process = process_now();
    metadata->process->objects++;
    return metadata;
}

void rd_kafka_consumer_group_metadata_destroy(rd_kafka_consumer_group_metadata_t *metadata)
{
    metadata->process->objects--;
    free(metadata);
}

static void serve_leave(struct request *request)
{
    group_leave(&request->who);
}

rd_kafka_resp_err_t rd_kafka_consumer_close(rd_kafka_t *handle)
{
    struct client *client = client_of(handle);
    bool assigned = client->join == JOIN_STEADY;

    seam("close");
    client->join = JOIN_NONE;
    client->round++;
    if (assigned) {
        client->callback_revokes = true;
        call_back(client);
    }
    if (client->who.instance[0] == 0 && client->who.member[0] != 0) {
        struct request *request = request_new(client, "LeaveGroup", 0, serve_leave, NULL);
        request->who = client->who;
        request_ask(request, world.now_us + SECOND);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- questions ---- */

static void serve_offsets(struct request *request)
{
    broker_fetch_offsets(request->places, request->place_count, request->stable);
}

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list,
                                       int timeout_ms)
{
    struct client *client = client_of(handle);
    int64_t until_us = world.now_us + timeout_ms * (int64_t)MS;

    seam("committed");
    for (;;) {
        struct request *request = request_new(client, "OffsetFetch", 0, serve_offsets, NULL);
        bool unstable = false;
        request->stable = client->committed_only;
        request->place_count = (size_t)list->cnt;
        request->places = memory_get((size_t)(list->cnt + 1) * sizeof(struct spot));
        memset(request->places, 0, (size_t)(list->cnt + 1) * sizeof(struct spot));
        for (int i = 0; i < list->cnt; i++) {
            snprintf(request->places[i].topic, sizeof(request->places[i].topic), "%s",
                     list->elems[i].topic);
            request->places[i].partition = list->elems[i].partition;
        }
        if (!request_ask(request, until_us))
            break;
        for (size_t i = 0; i < request->place_count; i++)
            unstable = unstable || request->places[i].error != RD_KAFKA_RESP_ERR_NO_ERROR;
        if (request->error == RD_KAFKA_RESP_ERR_NO_ERROR && !unstable) {
            for (int i = 0; i < list->cnt; i++) {
                const struct spot *place = &request->places[i];
                rd_kafka_topic_partition_t *row = &list->elems[i];
                row->offset = place->offset;
                row->err = RD_KAFKA_RESP_ERR_NO_ERROR;
                free(row->metadata);
                row->metadata = NULL;
                row->metadata_size = strlen(place->metadata);
                if (row->metadata_size > 0)
                    row->metadata = bytes_copy(place->metadata, row->metadata_size).data;
            }
            seam("committed returns");
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        if (world.now_us + 100 * MS >= until_us)
            break;
        fiber_wait(world.now_us + 100 * MS);
    }
    return RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static void serve_watermarks(struct request *request)
{
    request->offset = 0;
    request->end = request->stable ? log_stable(request->log) : request->log->next;
    world_trace("%s/%d ends at %lld", request->log->topic, request->log->partition,
                (long long)request->end);
}

static rd_kafka_resp_err_t ask_ends(struct client *client, const char *topic, int32_t partition,
                                    int64_t *low, int64_t *high, int timeout_ms)
{
    int64_t until_us = world.now_us + timeout_ms * (int64_t)MS;

    seam("watermarks");
    for (;;) {
        struct request *request = request_new(client, "ListOffsets",
                                              broker_log(topic, partition)->node,
                                              serve_watermarks, NULL);
        request->log = broker_log(topic, partition);
        request->stable = client->committed_only;
        if (!request_ask(request, until_us))
            return RD_KAFKA_RESP_ERR__TIMED_OUT;
        if (request->error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            *low = request->offset;
            *high = request->end;
            seam("watermarks return");
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        if (world.now_us + 50 * MS >= until_us)
            return RD_KAFKA_RESP_ERR__TIMED_OUT;
        fiber_wait(world.now_us + 50 * MS);
    }
}

rd_kafka_resp_err_t rd_kafka_query_watermark_offsets(rd_kafka_t *handle, const char *topic,
                                                     int32_t partition, int64_t *low,
                                                     int64_t *high, int timeout_ms)
{
    return ask_ends(client_of(handle), topic, partition, low, high, timeout_ms);
}

/* Of what a stage shows, and nobody looks at it here. */
rd_kafka_resp_err_t rd_kafka_get_watermark_offsets(rd_kafka_t *handle, const char *topic,
                                                   int32_t partition, int64_t *low, int64_t *high)
{
    (void)handle;
    (void)topic;
    (void)partition;
    *low = *high = RD_KAFKA_OFFSET_INVALID;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* For the two ends alone, which is all that the stage asks for. */
rd_kafka_resp_err_t rd_kafka_offsets_for_times(rd_kafka_t *handle,
                                               rd_kafka_topic_partition_list_t *list,
                                               int timeout_ms)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *row = &list->elems[i];
        int64_t low = 0, high = 0;
        require(row->offset == RD_KAFKA_OFFSET_BEGINNING || row->offset == RD_KAFKA_OFFSET_END);
        row->err = ask_ends(client_of(handle), row->topic, row->partition, &low, &high, timeout_ms);
        if (row->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return row->err;
        row->offset = row->offset == RD_KAFKA_OFFSET_BEGINNING ? low : high;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void consumer_start(struct client *client)
{
    client->main.client = client;
    client->who.generation = -1;
    snprintf(client->who.instance, sizeof(client->who.instance), "%s",
             conf_get(&client->conf, "group.instance.id", ""));
    client->session_us = atoll(conf_get(&client->conf, "session.timeout.ms", "45000")) * MS;
}

void consumer_stop(struct client *client)
{
    list_clear(&client->main.messages);
    for (size_t i = 0; i < client->in_count; i++) {
        client->in[i]->assigned = false;
        list_clear(&client->in[i]->queue.messages);
    }
}

/* Who leads a partition: here nobody ever moves, so it only takes its time. */
rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *handle, int all, rd_kafka_topic_t *topic,
                                      const struct rd_kafka_metadata **metadata, int timeout_ms)
{
    static const struct rd_kafka_metadata nothing;

    (void)handle;
    (void)all;
    (void)topic;
    seam("metadata");
    if (!world.calm && world_chance(100)) {
        fiber_wait(world.now_us + timeout_ms * (int64_t)MS);
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    fiber_wait(world.now_us + world_between(500, 5 * MS));
    *metadata = &nothing;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_metadata_destroy(const struct rd_kafka_metadata *metadata)
{
    (void)metadata;
}

/* ---- group.protocol=consumer: not here yet ---- */

static rd_kafka_error_t *not_here(void)
{
    return error_plain(RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED, "not simulated");
}

rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *handle,
                                              const rd_kafka_topic_partition_list_t *list)
{
    (void)handle;
    (void)list;
    return not_here();
}

rd_kafka_error_t *rd_kafka_incremental_unassign(rd_kafka_t *handle,
                                                const rd_kafka_topic_partition_list_t *list)
{
    (void)handle;
    (void)list;
    return not_here();
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *handle,
                                           rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    (void)handle;
    (void)list;
    (void)timeout_ms;
    return not_here();
}

int rd_kafka_version(void)
{
    return 0x020002ff;
}

const char *rd_kafka_version_str(void)
{
    return "2.0.2";
}
