/* refusal.c: what was refused, and no patience cures; a table of the reasons is in trouble.c. */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/log.h"
#include "consumer/trouble.h"
#include "consumer/worker_inside.h"

#include <stdio.h>
#include <string.h>

enum { REFUSED_FOR_MS = 5000 };

/* All partitions and all workers meet the same; one line is enough. */
static void end_for(struct inside *inside, const struct refusal *refusal)
{
    static const char *const operations[] = {
        [REFUSED_READ] = "Read", [REFUSED_WRITE] = "Write", [REFUSED_GROUP] = "Join"};

    inside->code = EXIT_WORLD;
    log_seldom(LOG_ERROR_LEVEL, refusal->trouble->event, refusal->trouble->hint,
               "app=%s topic=%s partition=%d operation=%s error=%s hint=\"%s\"",
               inside->config->app_id, refusal->topic, refusal->partition,
               operations[refusal->what], rd_kafka_err2name(refusal->error),
               refusal->trouble->hint);
}

void refusal_note(struct inside *inside, rd_kafka_resp_err_t error, enum refused what,
                  const char *topic, int32_t partition)
{
    struct refusal refusal = {.trouble = trouble_of(error),
                              .error = error,
                              .what = what,
                              .partition = partition,
                              .since_ms = clock_monotonic_ms()};

    if (refusal.trouble == NULL || inside->code != EXIT_WELL)
        return;
    snprintf(refusal.topic, sizeof(refusal.topic), "%s", topic);
    if (!refusal.trouble->may_pass)
        end_for(inside, &refusal);
    else if (inside->refusal.trouble == NULL)
        inside->refusal = refusal;
}

void refusal_over(struct inside *inside, enum refused what, const char *topic, int32_t partition)
{
    const struct refusal *refusal = &inside->refusal;

    if (refusal->trouble == NULL || refusal->what != what)
        return;
    if (what == REFUSED_READ &&
        (refusal->partition != partition || strcmp(refusal->topic, topic) != 0))
        return;
    inside->refusal.trouble = NULL;
}

void refusal_look(struct inside *inside)
{
    if (inside->refusal.trouble != NULL && inside->code == EXIT_WELL &&
        clock_monotonic_ms() - inside->refusal.since_ms >= REFUSED_FOR_MS)
        end_for(inside, &inside->refusal);
}
