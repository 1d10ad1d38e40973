/*
 * kill_at.c: SIGKILL, or SIGSTOP, at a seam of a transaction, chosen by name.
 *
 * To be preloaded (behind the sanitizers' libraries, where the program has any). KILL_AT is one of
 * the words below and a number: "after_commit 2" is behind the second commit that succeeded, which
 * is where a position kept beside the transaction would be lost. "before_offsets 1 stop" puts the
 * process to sleep there.
 */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum seam { BEFORE_OFFSETS, BEFORE_COMMIT, AFTER_COMMIT, SEAMS };

static const char *const words[SEAMS] = {
    [BEFORE_OFFSETS] = "before_offsets",
    [BEFORE_COMMIT] = "before_commit",
    [AFTER_COMMIT] = "after_commit",
};

/* Counted by what went well: a call may be made again, for the same step. */
static int passed[SEAMS];

static void look(enum seam seam)
{
    const char *wish = getenv("KILL_AT");
    char word[32], how[8] = "";
    int number;

    if (wish == NULL || sscanf(wish, "%31s %d %7s", word, &number, how) < 2)
        abort(); /* a test would believe that it has killed something */
    if (strcmp(word, words[seam]) == 0 && passed[seam] + 1 == number)
        raise(strcmp(how, "stop") == 0 ? SIGSTOP : SIGKILL);
}

rd_kafka_error_t *rd_kafka_send_offsets_to_transaction(
    rd_kafka_t *producer, const rd_kafka_topic_partition_list_t *offsets,
    const rd_kafka_consumer_group_metadata_t *group, int timeout_ms)
{
    rd_kafka_error_t *(*real)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *,
                              const rd_kafka_consumer_group_metadata_t *, int);
    rd_kafka_error_t *error;

    look(BEFORE_OFFSETS);
    *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_send_offsets_to_transaction");
    error = real(producer, offsets, group, timeout_ms);
    passed[BEFORE_OFFSETS] += error == NULL;
    return error;
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *producer, int timeout_ms)
{
    rd_kafka_error_t *(*real)(rd_kafka_t *, int);
    rd_kafka_error_t *error;

    look(BEFORE_COMMIT);
    *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_commit_transaction");
    error = real(producer, timeout_ms);
    if (error != NULL)
        return error;
    look(AFTER_COMMIT);
    passed[BEFORE_COMMIT]++;
    passed[AFTER_COMMIT]++;
    return error;
}
