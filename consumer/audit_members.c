/* audit_members.c: which members are shared, and a pool of their sets. */
#include "consumer/audit_members.h"

#include "consumer/hash.h"
#include "statemachine/require.h"

#include <string.h>

static const enum outcome_field shared_fields[AUDIT_SHARED] = {
    OUTCOME_FIELD_SCHEMA,   OUTCOME_FIELD_CHANNEL,    OUTCOME_FIELD_OUTCOME,
    OUTCOME_FIELD_STATUS,   OUTCOME_FIELD_PHASE,      OUTCOME_FIELD_REVISION,
    OUTCOME_FIELD_CONFLICT, OUTCOME_FIELD_SETTLED_BY, OUTCOME_FIELD_SEND_SEEN,
    OUTCOME_FIELD_TABLE,    OUTCOME_FIELD_UNKNOWN,
};
static const enum outcome_field own_fields[] = {
    OUTCOME_FIELD_OUTCOME_ID, OUTCOME_FIELD_MESSAGE_ID, OUTCOME_FIELD_LIFE,
    OUTCOME_FIELD_SUPERSEDES, OUTCOME_FIELD_SETTLED_AT, OUTCOME_FIELD_SENT_AT,
    OUTCOME_FIELD_STATUS_AT,  OUTCOME_FIELD_LATENCY_MS, OUTCOME_FIELD_REASON,
    OUTCOME_FIELD_TIMELINE,   OUTCOME_FIELD_ATTRIBUTES, OUTCOME_FIELD_SOURCE,
};
_Static_assert(sizeof(own_fields) / sizeof(*own_fields) == AUDIT_OWN,
               "each member is in one of the two lists");

enum { SET_SIZE = AUDIT_SHARED * sizeof(uint32_t) };

struct wanted {
    const struct audit_pool *pool;
    const uint32_t *set;
};

void audit_pool_init(struct audit_pool *pool, uint64_t seed)
{
    *pool = (struct audit_pool){.seed = seed};
    index_init(&pool->index);
}

void audit_pool_release(struct audit_pool *pool)
{
    index_release(&pool->index);
    buffer_release(&pool->sets);
    *pool = (struct audit_pool){0};
}

static const uint8_t *set_at(const struct audit_pool *pool, uint32_t number)
{
    return pool->sets.bytes + (size_t)(number - 1) * SET_SIZE;
}

static bool is_wanted(const void *context, uint32_t number)
{
    const struct wanted *wanted = context;

    return memcmp(set_at(wanted->pool, number), wanted->set, SET_SIZE) == 0;
}

static uint32_t number_of(struct audit_pool *pool, const uint32_t set[AUDIT_SHARED])
{
    struct wanted wanted = {pool, set};
    uint64_t hash = hash_bytes(set, SET_SIZE, pool->seed);
    uint32_t number = index_find(&pool->index, hash, is_wanted, &wanted);

    if (number != 0)
        return number;
    buffer_put(&pool->sets, set, SET_SIZE);
    require(!pool->sets.failed);
    number = (uint32_t)(pool->sets.size / SET_SIZE);
    index_insert(&pool->index, hash, number);
    return number;
}

struct audit_members audit_members_pack(struct audit_pool *pool,
                                        const uint32_t fields[OUTCOME_FIELD_COUNT])
{
    struct audit_members members;
    uint32_t set[AUDIT_SHARED];

    for (size_t i = 0; i < AUDIT_SHARED; i++)
        set[i] = fields[shared_fields[i]];
    for (size_t i = 0; i < AUDIT_OWN; i++)
        members.own[i] = fields[own_fields[i]];
    members.set = number_of(pool, set);
    return members;
}

void audit_members_unpack(const struct audit_pool *pool, const struct audit_members *members,
                          uint32_t fields[OUTCOME_FIELD_COUNT])
{
    uint32_t set[AUDIT_SHARED];

    memcpy(set, set_at(pool, members->set), SET_SIZE);
    for (size_t i = 0; i < AUDIT_SHARED; i++)
        fields[shared_fields[i]] = set[i];
    for (size_t i = 0; i < AUDIT_OWN; i++)
        fields[own_fields[i]] = members->own[i];
}
