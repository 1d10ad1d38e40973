/* lookout.c: asks for metadata, compares, sleeps. */
#include "consumer/lookout.h"

#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "statemachine/require.h"

enum { LOOK_EVERY_MS = 10000, NAP_MS = 50 };

/* False where an input no longer is what it was. A broker that does not answer is not asked twice:
 * the workers have more to say about that. */
static bool inputs_as_known(const struct stage *stage, rd_kafka_t *client)
{
    const struct config_list *inputs = &stage->config->input_topics;
    int32_t known = stage->facts.partitions;

    for (size_t i = 0; i < inputs->count; i++) {
        struct topic_look look = topics_look(client, inputs->items[i]);
        if (look.error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (look.partitions == 0)
            log_seldom(LOG_WARN_LEVEL, "input_missing", inputs->items[i],
                       "topic=%s hint=\"it was there at start: deleted? With its records gone, "
                       "the group's offsets are no longer right\"",
                       inputs->items[i]);
        if (look.partitions > known) {
            topics_tell_added(inputs->items[i], look.partitions, known);
            return false;
        }
    }
    return true;
}

static void *lookout_main(void *argument)
{
    struct stage *stage = ((struct lookout *)argument)->stage;
    rd_kafka_t *client = kafka_client(stage->config);
    int64_t looked_ms = clock_monotonic_ms();

    while (client != NULL && !atomic_load(&stage->stop)) {
        rd_kafka_poll(client, 0);
        clock_sleep_ms(NAP_MS);
        if (clock_monotonic_ms() - looked_ms < LOOK_EVERY_MS)
            continue;
        if (!inputs_as_known(stage, client)) {
            int best = EXIT_WELL;
            atomic_compare_exchange_strong(&stage->code, &best, EXIT_USAGE);
            atomic_store(&stage->stop, true);
        }
        looked_ms = clock_monotonic_ms();
    }
    if (client != NULL)
        rd_kafka_destroy(client);
    return NULL;
}

void lookout_start(struct lookout *lookout, struct stage *stage)
{
    lookout->stage = stage;
    require(pthread_create(&lookout->thread, NULL, lookout_main, lookout) == 0);
}

void lookout_end(struct lookout *lookout)
{
    pthread_join(lookout->thread, NULL);
}
