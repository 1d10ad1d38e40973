/* channel_view.c: a table's numbers back to names. */
#include "consumer/channel_view.h"

#include "consumer/view.h"

#include <string.h>

void channels_view(struct buffer *out, const struct tables *tables, const bool drawn[CHANNELS_MAX])
{
    cJSON *object = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(object, "channels");

    for (size_t i = 0; i < tables->count; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "channel", tables->rows[i]->channel);
        view_number(one, "version", tables->rows[i]->version);
        view_digest(one, "digest", tables->rows[i]->digest);
        view_number(one, "statuses", tables->rows[i]->count);
        cJSON_AddBoolToObject(one, "drawing", drawn[i]);
        cJSON_AddItemToArray(list, one);
    }
    view_print(out, object);
}

static void add_names(cJSON *object, const char *name, const struct table *table, uint64_t mask)
{
    cJSON *list = cJSON_AddArrayToObject(object, name);

    for (uint8_t i = 0; i < table->count; i++)
        if ((mask >> i & 1) != 0)
            cJSON_AddItemToArray(list, cJSON_CreateString(table->statuses[i].name));
}

void channel_view(struct buffer *out, const struct table *table)
{
    cJSON *object = cJSON_CreateObject(), *list, *initial;

    cJSON_AddStringToObject(object, "channel", table->channel);
    view_number(object, "version", table->version);
    view_digest(object, "digest", table->digest);
    view_number(object, "retention_ms", table->retention_ms);
    view_number(object, "orphan_hold_ms", table->orphan_hold_ms);
    initial = cJSON_AddObjectToObject(object, "initial");
    cJSON_AddStringToObject(initial, "outcome", outcome_words[table->initial_outcome]);
    view_number(initial, "settle_after_ms", table->initial_settle_after_ms);
    list = cJSON_AddArrayToObject(object, "statuses");
    for (uint8_t i = 0; i < table->count; i++) {
        const struct status *status = &table->statuses[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "status", status->name);
        cJSON_AddStringToObject(one, "phase", phase_words[status->phase]);
        cJSON_AddStringToObject(one, "outcome", outcome_words[status->outcome]);
        view_number(one, "settle_after_ms", status->settle_after_ms);
        add_names(one, "then", table, status->then);
        add_names(one, "conflicts", table, status->conflicts);
        view_foreign(one, "meaning", status->meaning, strlen(status->meaning));
        cJSON_AddItemToArray(list, one);
    }
    view_print(out, object);
}
