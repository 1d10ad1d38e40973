/* outcome_facts.c: one walk over an outcome's members. */
#include "schemas/outcome_facts.h"

#include "schemas/instant.h"
#include "schemas/json.h"

#include <string.h>

const char *const outcome_field_words[OUTCOME_FIELD_COUNT] = {
#define OUTCOME_FIELD(symbol, word, joined) [OUTCOME_FIELD_##symbol] = word,
#include "schemas/outcome_field.def"
#undef OUTCOME_FIELD
};

const enum outcome_joined outcome_field_joined[OUTCOME_FIELD_COUNT] = {
#define OUTCOME_FIELD(symbol, word, joined) [OUTCOME_FIELD_##symbol] = JOINED_##joined,
#include "schemas/outcome_field.def"
#undef OUTCOME_FIELD
};

static enum outcome_field field_of(const struct json_member *member)
{
    for (enum outcome_field i = 0; i < OUTCOME_FIELD_UNKNOWN; i++)
        if (json_name_is(member, outcome_field_words[i]))
            return i;
    return OUTCOME_FIELD_UNKNOWN;
}

/* What stands between a string's quotes. */
static struct text inside(const struct json_member *member)
{
    if (member->kind != JSON_STRING)
        return (struct text){0};
    return (struct text){.bytes = member->value.bytes + 1,
                         .size = (uint32_t)(member->value.size - 2)};
}

static bool find_word(const char *const *words, int count, struct text text, int *found)
{
    for (int i = 0; i < count; i++)
        if (text_equal(text_of(words[i]), text)) {
            *found = i;
            return true;
        }
    return false;
}

static bool read_id(const struct json_member *member, struct outcome_facts *facts)
{
    if (member->kind != JSON_STRING || member->value.size > sizeof(facts->id_bytes))
        return false;
    facts->message_id.size = (uint32_t)json_decode_string(member, facts->id_bytes);
    facts->message_id.bytes = facts->id_bytes;
    return facts->message_id.size > 0 && facts->message_id.size <= MESSAGE_ID_MAX;
}

static bool read_number(const struct json_member *member, int64_t least, int64_t most,
                        int64_t *number)
{
    return member->kind == JSON_NUMBER && json_integer(member, number) && *number >= least &&
           *number <= most;
}

static bool read_partition(const struct json_member *source, int32_t *partition)
{
    struct json_object object;
    struct json_member member;
    int64_t number;
    bool found = false;

    if (source->kind != JSON_OBJECT)
        return false;
    json_begin(&object, source->value.bytes, source->value.size);
    while (json_next(&object, &member))
        if (json_name_is(&member, "partition") && read_number(&member, 0, INT32_MAX, &number)) {
            *partition = (int32_t)number;
            found = true;
        }
    return found;
}

/* False: a member that must be readable is not. */
static bool read_member(enum outcome_field field, const struct json_member *member,
                        struct outcome_facts *facts)
{
    int64_t number = 0;
    int word = 0;
    bool good = true;

    switch (field) {
    case OUTCOME_FIELD_CHANNEL:
        facts->channel = inside(member);
        return facts->channel.size > 0 && facts->channel.size <= CHANNEL_NAME_MAX;
    case OUTCOME_FIELD_MESSAGE_ID:
        return read_id(member, facts);
    case OUTCOME_FIELD_STATUS:
        facts->status = inside(member);
        return true;
    case OUTCOME_FIELD_LIFE:
        return read_number(member, INT64_MIN, INT64_MAX, &facts->life_ms);
    case OUTCOME_FIELD_REVISION:
        good = read_number(member, 1, UINT32_MAX, &number);
        facts->revision = (uint32_t)number;
        return good;
    case OUTCOME_FIELD_OUTCOME:
        good = find_word(outcome_words, OUTCOME_COUNT, inside(member), &word);
        facts->outcome = (enum outcome)word;
        return good;
    case OUTCOME_FIELD_SETTLED_BY:
        good = find_word(settled_by_words, SETTLED_BY_COUNT, inside(member), &word);
        facts->settled_by = (enum settled_by)word;
        return good;
    case OUTCOME_FIELD_SETTLED_AT:
        return instant_parse((const char *)inside(member).bytes, inside(member).size,
                             &facts->settled_at_ms);
    case OUTCOME_FIELD_SEND_SEEN:
        facts->send_seen = member->kind == JSON_TRUE;
        return true;
    case OUTCOME_FIELD_SOURCE:
        return read_partition(member, &facts->partition);
    case OUTCOME_FIELD_SCHEMA: /* these are only compared */
    case OUTCOME_FIELD_OUTCOME_ID:
    case OUTCOME_FIELD_PHASE:
    case OUTCOME_FIELD_SUPERSEDES:
    case OUTCOME_FIELD_CONFLICT:
    case OUTCOME_FIELD_SENT_AT:
    case OUTCOME_FIELD_STATUS_AT:
    case OUTCOME_FIELD_LATENCY_MS:
    case OUTCOME_FIELD_REASON:
    case OUTCOME_FIELD_TIMELINE:
    case OUTCOME_FIELD_ATTRIBUTES:
    case OUTCOME_FIELD_TABLE:
    case OUTCOME_FIELD_UNKNOWN:
    case OUTCOME_FIELD_COUNT:
        return true;
    }
    return true;
}

bool outcome_facts_read(const uint8_t *value, size_t size, hash_fn *hash,
                        struct outcome_facts *facts)
{
    static const enum outcome_field needed[] = {
        OUTCOME_FIELD_CHANNEL,  OUTCOME_FIELD_MESSAGE_ID, OUTCOME_FIELD_LIFE,
        OUTCOME_FIELD_REVISION, OUTCOME_FIELD_OUTCOME,    OUTCOME_FIELD_SETTLED_BY,
        OUTCOME_FIELD_SOURCE,   OUTCOME_FIELD_SETTLED_AT, OUTCOME_FIELD_SEND_SEEN,
    };
    struct json_object object;
    struct json_member member;

    memset(facts, 0, offsetof(struct outcome_facts, id_bytes));
    if (value == NULL)
        return false;
    json_begin(&object, value, size);
    while (json_next(&object, &member)) {
        enum outcome_field field = field_of(&member);
        if (!read_member(field, &member, facts))
            return false;
        /* Several unknown ones add up; bit 0 is set, for 0 says that there is none. */
        facts->fields[field] += (uint32_t)hash(member.value.bytes, member.value.size, 0);
        facts->fields[field] |= 1;
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (facts->fields[needed[i]] == 0)
            return false;
    return object.error == NULL;
}

uint32_t outcome_facts_verdict(const uint32_t fields[OUTCOME_FIELD_COUNT])
{
    /* Odd factors, so that two flags that change places do not cancel out. */
    return fields[OUTCOME_FIELD_OUTCOME] + 3 * fields[OUTCOME_FIELD_STATUS] +
           5 * fields[OUTCOME_FIELD_SEND_SEEN] + 7 * fields[OUTCOME_FIELD_CONFLICT];
}
