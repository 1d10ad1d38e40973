/* message_view.c: a record to words, by cJSON: it is asked for by people, one at a time. */
#include "consumer/message_view.h"

#include "consumer/view.h"
#include "statemachine/step.h"

#include <cjson/cJSON.h>

static const char *what_for(const struct table *table, const struct record *record)
{
    if (record->revision > 0 && verdict_equal(record_verdict(table, record), record->emitted))
        return "forget";
    if (record->revision > 0)
        return "correct";
    return record->send_seen ? "settle" : "hold";
}

static cJSON *timeline(const struct table *table, const struct record *record)
{
    cJSON *list = cJSON_CreateArray();
    uint8_t order[SEEN_MAX];

    for (int i = 0; i < record->seen_count; i++) { /* by (at, strength), as outcomes have it */
        int place = i;
        for (; place > 0 && record->seen[order[place - 1]].at_ms > record->seen[i].at_ms; place--)
            order[place] = order[place - 1];
        order[place] = (uint8_t)i;
    }
    for (int i = 0; i < record->seen_count; i++) {
        const struct seen *seen = &record->seen[order[i]];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "status", table_status_name(table, seen->status));
        view_time(one, "at", seen->at_ms);
        if (table_has_vote(table, seen->status))
            cJSON_AddStringToObject(one, "phase",
                                    phase_words[table->statuses[seen->status].phase]);
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

static void add_emitted(cJSON *object, const struct table *table, const struct record *record)
{
    cJSON *emitted;

    if (record->revision == 0) {
        cJSON_AddNullToObject(object, "emitted");
        return;
    }
    emitted = cJSON_AddObjectToObject(object, "emitted");
    cJSON_AddStringToObject(emitted, "outcome", outcome_words[record->emitted.outcome]);
    if (record->emitted.status == STATUS_NONE)
        cJSON_AddNullToObject(emitted, "status");
    else
        cJSON_AddStringToObject(emitted, "status",
                                table_status_name(table, record->emitted.status));
    cJSON_AddBoolToObject(emitted, "send_seen", record->emitted.send_seen);
    cJSON_AddBoolToObject(emitted, "conflict", record->emitted.conflict);
}

void message_view(struct buffer *out, const struct table *table, struct text id,
                  const struct record *record, int32_t partition, int worker)
{
    const struct status *status =
        record->state == STATUS_NONE ? NULL : &table->statuses[record->state];
    int state = status == NULL ? -1 : record_find_seen(record, record->state);
    cJSON *object = cJSON_CreateObject(), *source;

    cJSON_AddStringToObject(object, "channel", table->channel);
    view_text(object, "message_id", id.bytes, id.size);
    view_number(object, "partition", partition);
    if (worker >= 0)
        view_number(object, "worker", worker);
    view_number(object, "life", record->life_ms);
    view_time(object, "first_seen", record->first_ts_ms);
    if (status == NULL) {
        cJSON_AddNullToObject(object, "status");
        cJSON_AddNullToObject(object, "phase");
    } else {
        cJSON_AddStringToObject(object, "status", status->name);
        cJSON_AddStringToObject(object, "phase", phase_words[status->phase]);
    }
    cJSON_AddStringToObject(object, "outcome",
                            outcome_words[record_verdict(table, record).outcome]);
    view_number(object, "revision", record->revision);
    add_emitted(object, table, record);
    cJSON_AddBoolToObject(object, "send_seen", record->send_seen);
    cJSON_AddBoolToObject(object, "conflict", record->conflict);
    cJSON_AddBoolToObject(object, "held", !record->send_seen && record->revision == 0);
    if (record->send_seen)
        view_time(object, "sent_at", record->sent_at_ms);
    if (record->send_seen && state >= 0)
        view_number(object, "latency_ms", record->seen[state].at_ms - record->sent_at_ms);
    if (record->reason.size > 0)
        view_text(object, "reason", record->reason.bytes, record->reason.size);
    cJSON_AddItemToObject(object, "timeline", timeline(table, record));
    view_time(object, "deadline", step_wake_ms(table, record));
    cJSON_AddStringToObject(object, "deadline_for", what_for(table, record));
    if (record->attributes.size > 0)
        view_raw(object, "attributes", record->attributes.bytes, record->attributes.size);
    source = cJSON_AddObjectToObject(object, "source");
    view_text(source, "topic", record->topic.bytes, record->topic.size);
    view_number(source, "offset", record->offset);
    view_print(out, object);
}
