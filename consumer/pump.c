/* pump.c: fire, take, apply, hand out. */
#include "consumer/pump.h"

#include "consumer/hash.h"
#include "statemachine/require.h"

void lane_init(struct lane *lane, int32_t partition, const struct tables *tables,
               size_t input_count, uint64_t seed)
{
    *lane = (struct lane){.partition = partition};
    task_init(&lane->task, tables, input_count, hash_bytes, seed);
}

void lane_release(struct lane *lane)
{
    task_release(&lane->task);
}

void lane_seal(struct lane *lane)
{
    task_seal(&lane->task);
    lane->sealed = lane->counts;
}

void lane_land(struct lane *lane)
{
    lane->landed = lane->task.is_sealed ? lane->sealed : lane->counts;
    task_land(&lane->task);
}

void lane_undo(struct lane *lane)
{
    task_undo(&lane->task);
    lane->counts = lane->landed;
}

uint64_t lane_accounted(const struct lane *lane)
{
    uint64_t sum = 0;

    for (int i = 0; i < ARRIVAL_COUNT; i++)
        sum += lane->task.counts.arrivals[i];
    for (int i = 0; i < REASON_COUNT; i++)
        sum += lane->counts.dead_letters[i];
    return sum;
}

static bool count_unsent(void *context, struct message_key key, const struct record *record)
{
    uint64_t *unsent = context;

    (void)key;
    *unsent += !record->send_seen;
    return true;
}

uint64_t lane_unsent(const struct lane *lane)
{
    uint64_t unsent = 0;

    store_walk(lane->task.store, count_unsent, &unsent);
    return unsent;
}

void lane_require_whole(const struct lane *lane)
{
    require(lane_accounted(lane) == lane->counts.records);
}

bool lane_is_due(const struct lane *lane, int64_t until_ms)
{
    return store_next_deadline(lane->task.store) <= until_ms;
}

static void count_settled(struct channel_tally *tally, int64_t took_ms)
{
    static const double bounds_s[SETTLE_BOUNDS] = SETTLE_BOUNDS_S;
    int bucket = 0;

    while (bucket < SETTLE_BOUNDS && (double)took_ms > bounds_s[bucket] * 1000)
        bucket++;
    tally->settled_within[bucket]++;
    tally->settle_ms += (uint64_t)took_ms;
}

static void count_arrival(struct channel_tally *tally, const struct happening *happening)
{
    uint8_t state = happening->record.state;

    tally->arrivals[happening->effects.arrival]++;
    if (happening->effects.arrival == ARRIVAL_OPENED || state != happening->state_before)
        tally->entered[state == STATUS_NONE ? 0 : state + 1]++;
}

static void hand_out(struct pump *pump, struct lane *lane, const struct happening *happening)
{
    struct channel_tally *tally = &pump->tally.channels[happening->table->index];

    if (happening->effects.forgets) {
        tally->forgotten++;
        tally->forgotten_unsent += !happening->record.send_seen;
    }
    if (!happening->effects.emits)
        return;
    tally->outcomes[happening->record.emitted.outcome][happening->effects.settled_by]++;
    if (happening->record.revision > 1)
        tally->corrections++;
    else
        count_settled(tally, happening->effects.settled_at_ms - happening->record.first_ts_ms);
    pump->sink.outcome(pump->sink.context, lane, happening);
}

bool pump_fire(struct pump *pump, struct lane *lane, int64_t until_ms)
{
    struct happening happening;

    while (pump->budget > 0 || !lane_is_due(lane, until_ms)) {
        if (!task_fire(&lane->task, until_ms, &happening))
            return true;
        pump->budget--;
        hand_out(pump, lane, &happening);
    }
    return false;
}

static void bury(struct pump *pump, struct lane *lane, const struct incoming *incoming,
                 enum reason reason, const char *detail)
{
    pump->tally.dead_letters[reason]++;
    lane->counts.dead_letters[reason]++;
    pump->sink.dead_letter(pump->sink.context, lane, incoming, reason, detail);
}

bool incoming_is_skewed(const struct pump *pump, const struct incoming *incoming)
{
    return incoming->timestamp_ms > pump->latest_ms || incoming->timestamp_ms > TIME_MAX_MS;
}

bool pump_take(struct pump *pump, struct lane *lane, const struct incoming *incoming)
{
    struct watermark *watermark = &lane->task.watermark;
    struct happening happening;

    if (incoming_is_skewed(pump, incoming)) {
        bury(pump, lane, incoming, REASON_SKEWED_TIME, "record timestamp is too far ahead");
    } else {
        int64_t target = watermark_prospect(watermark, incoming->input, incoming->timestamp_ms);
        if (!pump_fire(pump, lane, target))
            return false;
        watermark_take(watermark, incoming->input, incoming->timestamp_ms);
        if (incoming->reason != REASON_NONE) {
            bury(pump, lane, incoming, incoming->reason, incoming->detail);
        } else {
            task_apply(&lane->task, &incoming->event, &happening);
            count_arrival(&pump->tally.channels[happening.table->index], &happening);
            hand_out(pump, lane, &happening);
        }
    }
    pump->tally.records++;
    lane->counts.records++;
    pump->budget--;
    return true;
}
