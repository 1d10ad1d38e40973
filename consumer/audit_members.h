/*
 * audit_members.h: the digests of an outcome's members, in half the room.
 *
 * Of an outcome's 23 members eleven can have few values, and few sets of values together (one
 * channel's outcome with its status and its phase): they are kept once, and an outcome has the
 * number of its set. Nothing is lost by that, each member still has its own digest. Where somebody
 * writes outcomes with a new value in each of them, each has a set of its own, and takes 60 bytes
 * more.
 */
#ifndef UPSHOT_CONSUMER_AUDIT_MEMBERS_H
#define UPSHOT_CONSUMER_AUDIT_MEMBERS_H

#include "schemas/buffer.h"
#include "schemas/outcome_facts.h"
#include "statemachine/index.h"

enum { AUDIT_SHARED = 11, AUDIT_OWN = OUTCOME_FIELD_COUNT - AUDIT_SHARED };

struct audit_members {
    uint32_t set; /* its number in the pool, from 1 */
    uint32_t own[AUDIT_OWN];
};

struct audit_pool {
    uint64_t seed;
    struct index index;
    struct buffer sets; /* AUDIT_SHARED digests each */
};

void audit_pool_init(struct audit_pool *pool, uint64_t seed);
void audit_pool_release(struct audit_pool *pool);

struct audit_members audit_members_pack(struct audit_pool *pool,
                                        const uint32_t fields[OUTCOME_FIELD_COUNT]);
void audit_members_unpack(const struct audit_pool *pool, const struct audit_members *members,
                          uint32_t fields[OUTCOME_FIELD_COUNT]);

#endif
