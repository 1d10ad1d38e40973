/*
 * loading.c: a coordinator that has just come to a group, and is still reading what is known of it.
 *
 * To be preloaded, as kill_at.c is. LOADING is how often each of the two questions about a group is
 * answered so: who is in it, and what it has committed. It is a matter of milliseconds, which no
 * test can hit; what a broker says then is an error, and of members none.
 */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdlib.h>

#define LOADING RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS

static bool is_loading(int *asked)
{
    const char *wish = getenv("LOADING");

    if (wish == NULL)
        abort(); /* a test would believe that it has seen something */
    return ++*asked <= atoi(wish);
}

/* What it says of the group is taken back: librdkafka's memory, by its own rd_kafka_mem_free(). */
static void forget(rd_kafka_t *client, struct rd_kafka_group_info *group)
{
    for (int i = 0; i < group->member_cnt; i++) {
        struct rd_kafka_group_member_info *member = &group->members[i];
        rd_kafka_mem_free(client, member->member_id);
        rd_kafka_mem_free(client, member->client_id);
        rd_kafka_mem_free(client, member->client_host);
        rd_kafka_mem_free(client, member->member_metadata);
        rd_kafka_mem_free(client, member->member_assignment);
    }
    group->member_cnt = 0;
    group->state[0] = 0;
    group->err = LOADING;
}

rd_kafka_resp_err_t rd_kafka_list_groups(rd_kafka_t *client, const char *group,
                                         const struct rd_kafka_group_list **list, int timeout_ms)
{
    rd_kafka_resp_err_t (*real)(rd_kafka_t *, const char *, const struct rd_kafka_group_list **,
                                int);
    static int asked;
    rd_kafka_resp_err_t error;

    *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_list_groups");
    error = real(client, group, list, timeout_ms);
    if (!is_loading(&asked) || error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    for (int i = 0; i < (*list)->group_cnt; i++)
        forget(client, &(*list)->groups[i]);
    return error;
}

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list,
                                       int timeout_ms)
{
    rd_kafka_resp_err_t (*real)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int);
    static int asked;

    if (is_loading(&asked))
        return LOADING;
    *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_committed");
    return real(client, list, timeout_ms);
}
