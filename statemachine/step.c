/*
 * step.c: one event, or one deadline, against one record. The whole idea of upshot is here.
 *
 *     (table, record, event, watermark)  ->  (record', effects)
 *
 * An event JOINS the record: every fact of it is kept as a minimum, a maximum or a set, each by
 * itself. Joining does not care about order or repetition, so neither does the verdict (promise
 * 1). Then the record SETTLES: if its verdict is not the one last emitted, either the time for
 * that has come and an outcome goes out, or the record says when it wants to be woken.
 *
 *                    first event
 *                         |
 *                         v          verdict ripe        retention over
 *                      pending  ------------------> settled -----------> forgotten
 *                         ^          revision n        |
 *                         +----------------------------+
 *                          a stronger fact: the next revision
 *
 * Not here: which messages there are (store.h), what time it is (watermark.h), what an outcome
 * looks like (schemas/outcome.h).
 */
#include "statemachine/step.h"

#include "statemachine/require.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t greatest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- joining ---------------------------------------------------------------------------- */

/* Of two texts with a time each, the one with the least (at, bytes) stays; absent ones lose. */
static void join_text(struct text *kept, int64_t *kept_at_ms, struct text text, int64_t at_ms)
{
    if (text.size == 0)
        return;
    if (kept->size > 0 && *kept_at_ms < at_ms)
        return;
    if (kept->size > 0 && *kept_at_ms == at_ms && text_compare(*kept, text) <= 0)
        return;
    *kept = text;
    *kept_at_ms = at_ms;
}

static void join_send(struct record *record, const struct event *event)
{
    record->sent_at_ms = record->send_seen ? least(record->sent_at_ms, event->at_ms) : event->at_ms;
    record->send_seen = true;
    join_text(&record->attributes, &record->attributes_at_ms, event->attributes, event->at_ms);
}

/* The timeline is sorted by status: its last vote is the state. Keeps the earliest `at` of each. */
static void join_timeline(struct record *record, const struct event *event)
{
    int place = record_find_seen(record, event->status);

    if (place >= 0) {
        record->seen[place].at_ms = least(record->seen[place].at_ms, event->at_ms);
        return;
    }
    require(record->seen_count < SEEN_MAX);
    place = record->seen_count++;
    for (; place > 0 && record->seen[place - 1].status > event->status; place--)
        record->seen[place] = record->seen[place - 1];
    record->seen[place] = (struct seen){.at_ms = event->at_ms, .status = event->status};
}

static void join_status(const struct table *table, struct record *record, const struct event *event,
                        uint64_t seen_mask)
{
    const struct cell *cell =
        &table->cells[record->state == STATUS_NONE ? 0 : record->state + 1][event->status];
    bool new_state = cell->next != record->state;

    join_timeline(record, event);
    if ((table->statuses[event->status].conflicts & seen_mask) != 0)
        record->conflict = true;
    if (new_state) {
        record->state = cell->next;
        record->state_ts_ms = event->timestamp_ms;
        record->reason = (struct text){0};
        record->topic = event->topic;
        record->offset = event->offset;
    }
    if (event->status == record->state) {
        record->state_ts_ms = least(record->state_ts_ms, event->timestamp_ms);
        join_text(&record->reason, &record->reason_at_ms, event->reason, event->at_ms);
    }
}

/* The first class that fits (DESIGN 2). It only counts: the joins apply whatever it is. */
static enum arrival classify(const struct table *table, const struct record *record, bool fresh,
                             const struct event *event, uint64_t seen_mask)
{
    if (fresh)
        return ARRIVAL_OPENED;
    if (event->is_send && !record->send_seen)
        return ARRIVAL_JOINED;
    if (event->status == STATUS_NONE || (seen_mask >> event->status & 1) != 0)
        return ARRIVAL_REPEATED;
    if ((table->statuses[event->status].conflicts & seen_mask) != 0)
        return ARRIVAL_CONFLICTING;
    return (enum arrival)table
        ->cells[record->state == STATUS_NONE ? 0 : record->state + 1][event->status]
        .arrival;
}

void record_open(struct record *record, const struct event *event)
{
    memset(record, 0, offsetof(struct record, seen)); /* seen[] is 2 KiB, and empty anyway */
    record->life_ms = event->timestamp_ms;
    record->first_ts_ms = event->timestamp_ms;
    record->state = STATUS_NONE;
    record->topic = event->topic;
    record->offset = event->offset;
}

static enum arrival join(const struct table *table, struct record *record, bool fresh,
                         const struct event *event)
{
    uint64_t seen_mask = record_seen_mask(table, record);
    enum arrival arrival = classify(table, record, fresh, event, seen_mask);

    record->first_ts_ms = least(record->first_ts_ms, event->timestamp_ms);
    if (event->is_send)
        join_send(record, event);
    if (event->status != STATUS_NONE)
        join_status(table, record, event, seen_mask);
    return arrival;
}

/* ---- settling --------------------------------------------------------------------------- */

/* When and why a record's verdict is to be emitted (DESIGN 3, 4). */
struct due {
    int64_t ripe_ms;       /* emit once the watermark is here; TIME_NONE: at once */
    int64_t settled_at_ms; /* what the outcome says: when the rule fell due */
    enum settled_by by;
};

static struct due settle_due(const struct table *table, const struct record *record)
{
    bool none = record->state == STATUS_NONE;
    int64_t after_ms =
        none ? table->initial_settle_after_ms : table->statuses[record->state].settle_after_ms;
    int64_t deadline_ms = (none ? record->first_ts_ms : record->state_ts_ms) + after_ms;
    struct due due = {
        .ripe_ms = after_ms == 0 ? TIME_NONE : deadline_ms,
        .settled_at_ms = deadline_ms,
        .by = after_ms == 0 ? SETTLED_BY_STATUS : SETTLED_BY_DEADLINE,
    };

    /* A receipt whose send has not come yet is held; once it has an outcome, it is held no more. */
    if (!record->send_seen && record->revision == 0) {
        int64_t hold_end_ms = record->first_ts_ms + table->orphan_hold_ms;
        due.ripe_ms = greatest(due.ripe_ms, hold_end_ms);
        due.settled_at_ms = greatest(due.settled_at_ms, hold_end_ms);
        if (hold_end_ms > deadline_ms)
            due.by = SETTLED_BY_ORPHAN;
    }
    return due;
}

static bool verdict_pending(const struct table *table, const struct record *record)
{
    return record->revision == 0 || !verdict_equal(record_verdict(table, record), record->emitted);
}

int64_t step_wake_ms(const struct table *table, const struct record *record)
{
    struct due due;

    if (!verdict_pending(table, record))
        return record->forget_ms;
    due = settle_due(table, record);
    return due.ripe_ms == TIME_NONE ? due.settled_at_ms : due.ripe_ms;
}

static void settle(const struct table *table, struct record *record, int64_t watermark_ms,
                   struct effects *effects)
{
    if (verdict_pending(table, record)) {
        struct due due = settle_due(table, record);
        if (due.ripe_ms <= watermark_ms) { /* TIME_NONE is below every watermark, none included */
            record->revision++;
            record->emitted = record_verdict(table, record);
            record->forget_ms = greatest(due.settled_at_ms, watermark_ms) + table->retention_ms;
            effects->emits = true;
            effects->settled_by = due.by;
            effects->settled_at_ms = due.settled_at_ms;
        }
    } else if (record->forget_ms <= watermark_ms) {
        effects->forgets = true;
    }
    effects->wake_ms = step_wake_ms(table, record);
}

void step_event(const struct table *table, struct record *record, bool fresh,
                const struct event *event, int64_t watermark_ms, struct effects *effects)
{
    *effects = (struct effects){.arrival = join(table, record, fresh, event)};
    settle(table, record, watermark_ms, effects);
    effects->forgets = false; /* whoever has just been heard of is not forgotten by hearing it */
}

void step_deadline(const struct table *table, struct record *record, int64_t watermark_ms,
                   struct effects *effects)
{
    *effects = (struct effects){0};
    settle(table, record, watermark_ms, effects);
}
