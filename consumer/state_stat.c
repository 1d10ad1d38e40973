/*
 * state_stat.c: sums over a store, and what is left of the topic's own sums beside them.
 *
 * The store does not keep what a record was as bytes; it is written again to be measured. That is
 * what the stage wrote, for a record's bytes follow from its facts, and only a table that has lost
 * a name in between makes a difference.
 */
#include "consumer/state_stat.h"

#include "consumer/view.h"
#include "schemas/instant.h"
#include "statemachine/require.h"
#include "statemachine/step.h"

#include <inttypes.h>
#include <stdio.h>

void state_stat_init(struct state_stat *stat, const struct tables *tables)
{
    *stat = (struct state_stat){
        .tables = tables,
        .oldest = {.most = 1},
        .newest = {.most = 1},
        .due = {.most = RANKED_MAX},
        .largest = {.most = RANKED_MAX},
    };
}

void state_stat_release(struct state_stat *stat)
{
    buffer_release(&stat->encoded);
}

/* ---- adding up -------------------------------------------------------------------------- */

static int compare(const struct ranked *a, const struct ranked *b)
{
    int order = (a->value > b->value) - (a->value < b->value);

    if (order == 0)
        order = text_compare((struct text){.bytes = a->id, .size = a->id_size},
                             (struct text){.bytes = b->id, .size = b->id_size});
    return order != 0 ? order : a->channel - b->channel;
}

static void rank(struct ranking *ranking, int64_t value, struct message_key key, int32_t partition)
{
    struct ranked row = {.value = value,
                         .partition = partition,
                         .channel = key.channel,
                         .id_size = (uint8_t)key.id.size};
    size_t place;

    if (ranking->count == ranking->most && ranking->rows[ranking->count - 1].value < value)
        return;
    memcpy(row.id, key.id.bytes, key.id.size);
    if (ranking->count < ranking->most)
        ranking->count++;
    else if (compare(&row, &ranking->rows[ranking->count - 1]) > 0)
        return;
    for (place = ranking->count - 1; place > 0; place--) {
        if (compare(&row, &ranking->rows[place - 1]) > 0)
            break;
        ranking->rows[place] = ranking->rows[place - 1];
    }
    ranking->rows[place] = row;
}

struct partition_stat {
    struct state_stat *stat;
    int32_t partition;
};

static bool add_message(void *context, struct message_key key, const struct record *record)
{
    struct partition_stat *one = context;
    struct state_stat *stat = one->stat;
    const struct table *table = stat->tables->rows[key.channel];
    int phase =
        record->state == STATUS_NONE ? PHASE_COUNT : (int)table->statuses[record->state].phase;
    size_t size;

    buffer_clear(&stat->encoded);
    state_key_message(&stat->encoded, table, key.id);
    state_record_encode(&stat->encoded, table, record);
    require(!stat->encoded.failed);
    size = stat->encoded.size;
    stat->live.records++;
    stat->live.bytes += size;
    stat->groups[key.channel][phase].messages++;
    stat->groups[key.channel][phase].settled += record->revision > 0;
    stat->groups[key.channel][phase].bytes += size;
    rank(&stat->oldest, record->first_ts_ms, key, one->partition);
    rank(&stat->newest, -record->first_ts_ms, key, one->partition);
    rank(&stat->due, step_wake_ms(table, record), key, one->partition);
    rank(&stat->largest, -(int64_t)size, key, one->partition);
    return true;
}

void state_stat_add(struct state_stat *stat, const struct restore_job *job, const struct lane *lane)
{
    struct partition_stat one = {stat, lane->partition};

    stat->partitions++;
    stat->offsets += (uint64_t)(job->target - job->low);
    stat->all.records += job->records;
    stat->all.bytes += job->bytes;
    stat->tombstones.records += job->tombstones;
    stat->tombstones.bytes += job->tombstone_bytes;
    stat->controls.records += job->control_size > 0;
    stat->controls.bytes += job->control_size;
    store_walk(lane->task.store, add_message, &one);
}

static uint64_t less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

/* Records with a newer one of the same key. */
static struct state_sum superseded(const struct state_stat *stat)
{
    return (struct state_sum){
        .records = less(stat->all.records,
                        stat->live.records + stat->tombstones.records + stat->controls.records),
        .bytes =
            less(stat->all.bytes, stat->live.bytes + stat->tombstones.bytes + stat->controls.bytes),
    };
}

/* What compaction may take away, of 1. */
static double garbage(const struct state_stat *stat)
{
    uint64_t bytes = superseded(stat).bytes + stat->tombstones.bytes;

    return stat->all.bytes == 0 ? 0 : (double)bytes / (double)stat->all.bytes;
}

static uint64_t mean(uint64_t bytes, uint64_t records)
{
    return records == 0 ? 0 : (bytes + records / 2) / records;
}

/* ---- as text ---------------------------------------------------------------------------- */

static void put_sum(struct buffer *out, const char *name, struct state_sum sum)
{
    buffer_printf(out, "  %-16s %12" PRIu64 " %14" PRIu64 " bytes\n", name, sum.records, sum.bytes);
}

static const char *phase_word(int phase)
{
    return phase == PHASE_COUNT ? "-" : phase_words[phase];
}

static void put_groups(struct buffer *out, const struct state_stat *stat)
{
    buffer_printf(out, "\n%-16s %-12s %12s %12s %14s %6s\n", "channel", "phase", "messages",
                  "settled", "bytes", "mean");
    for (size_t channel = 0; channel < stat->tables->count; channel++)
        for (int phase = 0; phase < STAT_PHASES; phase++) {
            uint64_t messages = stat->groups[channel][phase].messages;
            uint64_t bytes = stat->groups[channel][phase].bytes;
            if (messages > 0)
                buffer_printf(
                    out, "%-16s %-12s %12" PRIu64 " %12" PRIu64 " %14" PRIu64 " %6" PRIu64 "\n",
                    stat->tables->rows[channel]->channel, phase_word(phase), messages,
                    stat->groups[channel][phase].settled, bytes, mean(bytes, messages));
        }
}

static void put_row(struct buffer *out, const struct state_stat *stat, const struct ranked *row)
{
    buffer_printf(out, "  %s %.*s (partition %" PRId32 ")\n",
                  stat->tables->rows[row->channel]->channel, (int)row->id_size,
                  (const char *)row->id, row->partition);
}

static void put_times(struct buffer *out, const struct state_stat *stat,
                      const struct ranking *ranking, int sign)
{
    char time[INSTANT_SIZE + 1] = {0};

    for (size_t i = 0; i < ranking->count; i++) {
        instant_format(sign * ranking->rows[i].value, time);
        buffer_printf(out, "  %s", time);
        put_row(out, stat, &ranking->rows[i]);
    }
}

void state_stat_text(struct buffer *out, const char *topic, const struct state_stat *stat)
{
    buffer_printf(out, "%s, %" PRIu64 " partitions, %" PRIu64 " offsets\n", topic, stat->partitions,
                  stat->offsets);
    put_sum(out, "live messages", stat->live);
    put_sum(out, "control records", stat->controls);
    put_sum(out, "superseded", superseded(stat));
    put_sum(out, "tombstones", stat->tombstones);
    put_sum(out, "all", stat->all);
    buffer_printf(out,
                  "garbage %.1f %% of the bytes; a live record has %" PRIu64 " bytes in the mean\n",
                  100 * garbage(stat), mean(stat->live.bytes, stat->live.records));
    if (stat->live.records == 0)
        return;
    put_groups(out, stat);
    buffer_printf(out, "\nfirst seen: the oldest and the newest\n");
    put_times(out, stat, &stat->oldest, 1);
    put_times(out, stat, &stat->newest, -1);
    buffer_printf(out, "\nnext deadlines\n");
    put_times(out, stat, &stat->due, 1);
    buffer_printf(out, "\nlargest records\n");
    for (size_t i = 0; i < stat->largest.count; i++) {
        buffer_printf(out, "  %6" PRId64 " bytes", -stat->largest.rows[i].value);
        put_row(out, stat, &stat->largest.rows[i]);
    }
}

/* ---- as JSON ---------------------------------------------------------------------------- */

static void add_sum(cJSON *object, const char *name, struct state_sum sum)
{
    cJSON *one = cJSON_AddObjectToObject(object, name);

    view_number(one, "records", (int64_t)sum.records);
    view_number(one, "bytes", (int64_t)sum.bytes);
}

static void add_groups(cJSON *object, const struct state_stat *stat)
{
    cJSON *list = cJSON_AddArrayToObject(object, "groups");

    for (size_t channel = 0; channel < stat->tables->count; channel++)
        for (int phase = 0; phase < STAT_PHASES; phase++) {
            cJSON *one;
            if (stat->groups[channel][phase].messages == 0)
                continue;
            one = cJSON_CreateObject();
            cJSON_AddStringToObject(one, "channel", stat->tables->rows[channel]->channel);
            if (phase == PHASE_COUNT)
                cJSON_AddNullToObject(one, "phase");
            else
                cJSON_AddStringToObject(one, "phase", phase_words[phase]);
            view_number(one, "messages", (int64_t)stat->groups[channel][phase].messages);
            view_number(one, "settled", (int64_t)stat->groups[channel][phase].settled);
            view_number(one, "bytes", (int64_t)stat->groups[channel][phase].bytes);
            cJSON_AddItemToArray(list, one);
        }
}

static cJSON *ranked_view(const struct state_stat *stat, const struct ranked *row)
{
    cJSON *one = cJSON_CreateObject();

    cJSON_AddStringToObject(one, "channel", stat->tables->rows[row->channel]->channel);
    view_text(one, "message_id", row->id, row->id_size);
    view_number(one, "partition", row->partition);
    return one;
}

static void add_seen(cJSON *object, const char *name, const struct state_stat *stat,
                     const struct ranking *ranking, int sign)
{
    cJSON *one;

    if (ranking->count == 0) {
        cJSON_AddNullToObject(object, name);
        return;
    }
    one = ranked_view(stat, &ranking->rows[0]);
    view_time(one, "first_seen", sign * ranking->rows[0].value);
    cJSON_AddItemToObject(object, name, one);
}

void state_stat_json(struct buffer *out, const char *topic, const struct state_stat *stat)
{
    cJSON *object = cJSON_CreateObject(), *list;
    char share[16];

    cJSON_AddStringToObject(object, "topic", topic);
    view_number(object, "partitions", (int64_t)stat->partitions);
    view_number(object, "offsets", (int64_t)stat->offsets);
    add_sum(object, "all", stat->all);
    add_sum(object, "live", stat->live);
    add_sum(object, "controls", stat->controls);
    add_sum(object, "superseded", superseded(stat));
    add_sum(object, "tombstones", stat->tombstones);
    view_raw(object, "garbage_share", share,
             (size_t)snprintf(share, sizeof(share), "%.4f", garbage(stat)));
    view_number(object, "mean_bytes", (int64_t)mean(stat->live.bytes, stat->live.records));
    add_groups(object, stat);
    add_seen(object, "oldest", stat, &stat->oldest, 1);
    add_seen(object, "newest", stat, &stat->newest, -1);
    list = cJSON_AddArrayToObject(object, "next_deadlines");
    for (size_t i = 0; i < stat->due.count; i++) {
        cJSON *one = ranked_view(stat, &stat->due.rows[i]);
        view_time(one, "deadline", stat->due.rows[i].value);
        cJSON_AddItemToArray(list, one);
    }
    list = cJSON_AddArrayToObject(object, "largest");
    for (size_t i = 0; i < stat->largest.count; i++) {
        cJSON *one = ranked_view(stat, &stat->largest.rows[i]);
        view_number(one, "bytes", -stat->largest.rows[i].value);
        cJSON_AddItemToArray(list, one);
    }
    view_print(out, object);
}
