/* task.c: find, step, put. */
#include "statemachine/task.h"

#include "statemachine/require.h"

void task_init(struct task *task, const struct tables *tables, size_t input_count, hash_fn *hash,
               uint64_t seed)
{
    *task = (struct task){.tables = tables, .store = store_new(hash, seed)};
    watermark_init(&task->watermark, input_count);
    task->landed.watermark = task->watermark;
}

void task_release(struct task *task)
{
    store_free(&task->store);
}

static void name(struct happening *happening, const struct table *table, struct text id)
{
    happening->table = table;
    memcpy(happening->id_bytes, id.bytes, id.size);
    happening->id = (struct text){.bytes = happening->id_bytes, .size = id.size};
}

static void keep(struct task *task, struct place place, struct happening *happening)
{
    struct message_key key = {.id = happening->id, .channel = happening->table->index};

    if (happening->effects.forgets) {
        store_forget(task->store, key, place);
        happening->record.attributes = (struct text){0}; /* the pool may have dropped them */
        happening->record.reason = (struct text){0};
        happening->record.topic = (struct text){0};
    } else {
        store_put(task->store, key, place, &happening->record, happening->effects.wake_ms);
    }
}

bool task_fire(struct task *task, int64_t until_ms, struct happening *happening)
{
    struct message_key key;
    struct place place;

    if (!store_first_due(task->store, until_ms, &happening->deadline_ms, &key, &place,
                         &happening->record)) {
        watermark_reach(&task->watermark, until_ms);
        return false;
    }
    name(happening, task->tables->rows[key.channel], key.id);
    happening->state_before = happening->record.state;
    watermark_reach(&task->watermark, happening->deadline_ms);
    step_deadline(happening->table, &happening->record, task->watermark.reached_ms,
                  &happening->effects);
    keep(task, place, happening);
    return true;
}

void task_apply(struct task *task, const struct event *event, struct happening *happening)
{
    struct message_key key = {.id = event->id, .channel = event->channel};
    struct place place;
    bool fresh = !store_find(task->store, key, &place, &happening->record);

    require(event->channel < task->tables->count);
    name(happening, task->tables->rows[event->channel], event->id);
    if (fresh)
        record_open(&happening->record, event);
    happening->state_before = happening->record.state;
    step_event(happening->table, &happening->record, fresh, event, task->watermark.reached_ms,
               &happening->effects);
    task->counts.arrivals[happening->effects.arrival]++;
    keep(task, place, happening);
}

void task_expect(const struct task *task, const struct message_key *keys, size_t count)
{
    store_expect_all(task->store, keys, count);
}

static struct message_key restoring_key(const struct task_restoring *one)
{
    return (struct message_key){.id = one->id, .channel = one->table->index};
}

void task_restore_expect(const struct task *task, struct task_restoring *one)
{
    one->hash = store_expect(task->store, restoring_key(one));
}

void task_restore_expect_more(const struct task *task, const struct task_restoring *one)
{
    store_expect_record(task->store, one->hash);
}

void task_restore(struct task *task, const struct task_restoring *one, const struct record *record)
{
    store_put_landed(task->store, restoring_key(one), one->hash, record,
                     step_wake_ms(one->table, record));
}

void task_restore_gone(struct task *task, const struct task_restoring *one)
{
    store_forget_landed(task->store, restoring_key(one), one->hash);
}

void task_restore_ordered(struct task *task, uint64_t seed)
{
    store_seed_as(task->store, seed);
}

void task_restore_again(struct task *task)
{
    store_clear(task->store);
}

static struct task_point point(const struct task *task)
{
    return (struct task_point){.watermark = task->watermark, .counts = task->counts};
}

void task_seal(struct task *task)
{
    store_seal(task->store);
    task->sealed = point(task);
    task->is_sealed = true;
}

void task_land(struct task *task)
{
    store_land(task->store);
    task->landed = task->is_sealed ? task->sealed : point(task);
    task->is_sealed = false;
}

void task_undo(struct task *task)
{
    store_undo(task->store);
    task->watermark = task->landed.watermark;
    task->counts = task->landed.counts;
    task->is_sealed = false;
}
