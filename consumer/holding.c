/* holding.c: queues, offsets, and the control record. */
#include "consumer/holding.h"

#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <stdio.h>
#include <string.h>

struct holding *holding_new(const struct config *config, const struct tables *tables,
                            int32_t partition, uint64_t seed)
{
    size_t inputs = config->input_topics.count;
    size_t size = sizeof(struct holding) + inputs * sizeof(struct inlet);
    struct holding *holding = memory_get(size);

    memset(holding, 0, size);
    holding->inlet_count = inputs;
    holding->control_offset = -1;
    lane_init(&holding->lane, partition, tables, inputs, seed);
    for (size_t i = 0; i < inputs; i++) {
        holding->inlets[i].topic = config->input_topics.items[i];
        holding->inlets[i].topic_text =
            store_keep_text(holding->lane.task.store, text_of(holding->inlets[i].topic));
        holding->inlets[i].decoded = memory_get(INLET_AHEAD * sizeof(struct decoded));
        holding->inlets[i].next = -1;
        holding->inlets[i].landed_next = -1;
    }
    return holding;
}

static void throw_batch(struct inlet *inlet)
{
    for (; inlet->at < inlet->count; inlet->at++)
        rd_kafka_message_destroy(inlet->batch[inlet->at]);
    inlet->at = inlet->count = 0;
    inlet->decoded_from = inlet->decoded_to = 0;
    inlet->at_end = false;
    inlet->wait_since_ms = 0;
}

void holding_free(struct holding **holding)
{
    if (*holding == NULL)
        return;
    holding_disconnect(*holding);
    for (size_t i = 0; i < (*holding)->inlet_count; i++)
        free((*holding)->inlets[i].decoded);
    lane_release(&(*holding)->lane);
    free(*holding);
    *holding = NULL;
}

void holding_connect(struct holding *holding, rd_kafka_t *consumer, int wake_fd)
{
    static const uint64_t one = 1;

    for (size_t i = 0; i < holding->inlet_count; i++) {
        struct inlet *inlet = &holding->inlets[i];
        inlet->queue =
            rd_kafka_queue_get_partition(consumer, inlet->topic, holding->lane.partition);
        require(inlet->queue != NULL);
        /* Before assign(): a queue that the application has forwarded is left alone after it. */
        rd_kafka_queue_forward(inlet->queue, NULL);
        rd_kafka_queue_io_event_enable(inlet->queue, wake_fd, &one, sizeof(one));
        inlet->quiet_since_ms = 0;
    }
}

void holding_disconnect(struct holding *holding)
{
    for (size_t i = 0; i < holding->inlet_count; i++) {
        struct inlet *inlet = &holding->inlets[i];
        throw_batch(inlet);
        if (inlet->queue == NULL)
            continue;
        rd_kafka_queue_io_event_enable(inlet->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(inlet->queue);
        inlet->queue = NULL;
    }
}

void holding_rewind(struct holding *holding)
{
    for (size_t i = 0; i < holding->inlet_count; i++) {
        throw_batch(&holding->inlets[i]);
        holding->inlets[i].next = holding->inlets[i].landed_next;
        holding->inlets[i].taken = 0;
    }
}

void holding_seal(struct holding *holding)
{
    lane_seal(&holding->lane);
    holding->sealed = true;
    holding->touched = false;
    for (size_t i = 0; i < holding->inlet_count; i++) {
        holding->inlets[i].sealed_next = holding->inlets[i].next;
        holding->inlets[i].taken = 0;
    }
}

void holding_land(struct holding *holding, int64_t control_offset)
{
    if (!holding->sealed)
        holding_seal(holding);
    lane_land(&holding->lane);
    holding->transaction++;
    holding->control_offset = control_offset;
    holding->sealed = false;
    for (size_t i = 0; i < holding->inlet_count; i++)
        holding->inlets[i].landed_next = holding->inlets[i].sealed_next;
}

void holding_undo(struct holding *holding)
{
    lane_undo(&holding->lane);
    holding->touched = holding->sealed = false;
    holding_rewind(
        holding); /* undone records are read again: the one is no use without the other */
}

uint64_t holding_next_transaction(const struct holding *holding)
{
    return holding->transaction + 1 + (holding->sealed ? 1 : 0);
}

void holding_require_whole(const struct holding *holding)
{
    const struct lane_counts *before =
        holding->sealed ? &holding->lane.sealed : &holding->lane.landed;
    uint64_t taken = 0;

    for (size_t i = 0; i < holding->inlet_count; i++)
        taken += holding->inlets[i].taken;
    require(before->records + taken == holding->lane.counts.records);
    lane_require_whole(&holding->lane);
}

void holding_take_control(struct holding *holding, const struct config_list *inputs,
                          const struct control *control)
{
    struct task *task = &holding->lane.task;

    control_tell_time(control, inputs->items, &task->watermark);
    memcpy(task->counts.arrivals, control->arrivals, sizeof(task->counts.arrivals));
    memcpy(holding->lane.counts.dead_letters, control->dead_letters,
           sizeof(holding->lane.counts.dead_letters));
    holding->lane.counts.records = lane_accounted(&holding->lane);
    holding->lineage = control->lineage;
    lane_land(&holding->lane);
}

void holding_give_control(const struct holding *holding, const struct tables *tables,
                          struct control *control)
{
    const struct task *task = &holding->lane.task;

    control->transaction = holding_next_transaction(holding);
    control->watermark_ms = task->watermark.reached_ms;
    control->input_count = holding->inlet_count;
    for (size_t i = 0; i < holding->inlet_count; i++) {
        snprintf(control->inputs[i].topic, sizeof(control->inputs[i].topic), "%s",
                 holding->inlets[i].topic);
        control->inputs[i].greatest_ms = task->watermark.inputs[i].greatest_ms;
        control->inputs[i].next = holding->inlets[i].next;
    }
    memcpy(control->arrivals, task->counts.arrivals, sizeof(control->arrivals));
    memcpy(control->dead_letters, holding->lane.counts.dead_letters, sizeof(control->dead_letters));
    control->table_count = tables->count;
    for (size_t i = 0; i < tables->count; i++) {
        snprintf(control->tables[i].channel, sizeof(control->tables[i].channel), "%s",
                 tables->rows[i]->channel);
        control->tables[i].digest = tables->rows[i]->digest;
    }
    control->lineage = holding->lineage;
    control->live = store_count(task->store);
}
