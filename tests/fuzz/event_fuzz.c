/*
 * event_fuzz.c: any bytes as an event, and what must hold of whatever comes out (promise 8).
 *
 * cJSON stands by as the second opinion: all that the strict reader accepts it must accept too,
 * and it must read each string alike.
 */
#include "schemas/arena.h"
#include "schemas/event.h"
#include "statemachine/require.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENT_MAX = 65536 };

static struct tables tables;

static void make_tables(void)
{
    static const char *const then[] = {"DELIVRD"};
    static const struct draft_status statuses[] = {
        {"SENT", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, then, 1, "Handed on."},
        {"DELIVRD", PHASE_FINAL, OUTCOME_DELIVERED, 0, NULL, 0, "Arrived."},
    };
    static const struct draft draft = {"sms",    1, 1000, 1000, 1000, OUTCOME_UNRESOLVED,
                                       statuses, 2, 1};

    if (tables.count > 0)
        return;
    arena_hook_cjson();
    require(tables_take(&tables, table_new(&draft)));
}

/* What the reader decodes is what cJSON decodes, where that is able to say it. */
static void check_string(const struct json_member *member)
{
    uint8_t *decoded = malloc(member->value.size);
    cJSON *node = cJSON_ParseWithLength((const char *)member->value.bytes, member->value.size);
    size_t size;

    require(decoded != NULL);
    size = json_decode_string(member, decoded);
    require(size + 2 <= member->value.size);
    if (!member->value_escaped)
        require(size == member->value.size - 2 &&
                memcmp(decoded, member->value.bytes + 1, size) == 0);
    /* cJSON ends at a NUL and refuses lone surrogates: there it has no opinion. */
    if (!member->unkeepable) {
        require(node != NULL && cJSON_IsString(node));
        require(strlen(node->valuestring) == size);
        require(memcmp(node->valuestring, decoded, size) == 0);
        require(utf8_valid(decoded, size));
    }
    cJSON_Delete(node);
    free(decoded);
}

static void check_number(const struct json_member *member)
{
    cJSON *node = cJSON_ParseWithLength((const char *)member->value.bytes, member->value.size);
    int64_t value;

    if (!json_integer(member, &value)) {
        cJSON_Delete(node);
        return;
    }
    /* Through a double it is only near, and cJSON gives up beyond 63 characters. */
    if (member->value.size < 60) {
        require(node != NULL && cJSON_IsNumber(node));
        double difference = node->valuedouble - (double)value;
        double near = 1.0 + (node->valuedouble < 0 ? -1e-15 : 1e-15) * node->valuedouble;
        require(difference <= near && difference >= -near);
    }
    cJSON_Delete(node);
}

/* True where the whole text is one object. */
static bool check_members(const uint8_t *data, size_t size)
{
    struct json_object object;
    struct json_member member;
    const uint8_t *at = data;

    for (json_begin(&object, data, size); json_next(&object, &member);) {
        require(member.name.bytes > at);
        at = member.name.bytes + member.name.size;
        require(member.value.bytes > at && member.value.size > 0);
        at = member.value.bytes + member.value.size;
        require(at <= data + size);
        if (member.kind == JSON_STRING)
            check_string(&member);
        if (member.kind == JSON_NUMBER)
            check_number(&member);
    }
    require(object.error == NULL || object.error_offset <= size);
    require(!json_next(&object, &member));
    return object.error == NULL;
}

static bool within(struct text text, const void *bytes, size_t size)
{
    return text.size == 0 || (text.bytes >= (const uint8_t *)bytes &&
                              text.bytes + text.size <= (const uint8_t *)bytes + size);
}

static void check_text(struct text text, size_t most)
{
    require(text.size <= most);
    require(text.size == 0 || utf8_valid(text.bytes, text.size));
    require(text.size == 0 || memchr(text.bytes, '\0', text.size) == NULL);
}

static void check_event(const uint8_t *data, size_t size, const struct event_buffer *buffer,
                        const struct event *event)
{
    check_text(event->id, MESSAGE_ID_MAX);
    check_text(event->reason, REASON_MAX);
    check_text(event->attributes, ATTRIBUTES_MAX);
    require(event->id.size > 0);
    require(within(event->id, data, size) || within(event->id, buffer->id, sizeof(buffer->id)));
    require(within(event->reason, data, size) ||
            within(event->reason, buffer->reason, sizeof(buffer->reason)));
    require(within(event->attributes, data, size));
    require(event->channel < tables.count);
    require(event->status == STATUS_NONE || event->status < tables.rows[event->channel]->count);
    require(event->is_send || event->status != STATUS_NONE);
    require(event->is_send || event->attributes.size == 0);
    require(event->status != STATUS_NONE || event->reason.size == 0);
    require(event->at_ms >= TIME_MIN_MS && event->at_ms <= TIME_MAX_MS);
    if (event->attributes.size > 0)
        require(check_members(event->attributes.bytes, event->attributes.size));
    require(buffer->detail[0] == '\0');
}

/* A detail goes into a header and a log: printable, ended, and never empty where it is due. */
static void check_detail(const struct event_buffer *buffer)
{
    size_t size = strnlen(buffer->detail, DETAIL_MAX);

    require(size > 0 && size < DETAIL_MAX);
    for (size_t i = 0; i < size; i++)
        require(buffer->detail[i] >= 0x20 && buffer->detail[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope_facts facts = {.timestamp_ms = 1795428000000, .key_is_id = true};
    struct event_buffer buffer;
    struct event event;
    enum reason reason;
    int64_t at_ms;
    bool is_object, has_at;

    make_tables();
    is_object = check_members(data, size);
    reason = event_decode(&tables, data, size, EVENT_MAX, &facts, &buffer, &event);
    has_at = event_peek_at(data, size, &at_ms);

    require(size <= EVENT_MAX ? is_object == (reason != REASON_NOT_JSON)
                              : reason == REASON_TOO_LARGE);
    require(is_object || !has_at);
    require(!has_at || (at_ms >= TIME_MIN_MS && at_ms <= TIME_MAX_MS));
    if (reason == REASON_NONE) {
        check_event(data, size, &buffer, &event);
        require(event.at_ms == (has_at ? at_ms : facts.timestamp_ms));
    } else {
        check_detail(&buffer);
        require(reason != REASON_SKEWED_TIME && reason != REASON_NO_VALUE &&
                reason != REASON_KEY_MISMATCH && reason != REASON_WRONG_PARTITION);
    }
    return 0;
}
