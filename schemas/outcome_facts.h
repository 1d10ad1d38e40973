/*
 * outcome_facts.h: an outcome event read back: who it is about, and a digest of each member.
 *
 * For who compares outcomes by the million (audit): two of them are the same where all digests
 * agree, and a member that differs has a name, without either being kept.
 */
#ifndef UPSHOT_SCHEMAS_OUTCOME_FACTS_H
#define UPSHOT_SCHEMAS_OUTCOME_FACTS_H

#include "statemachine/intern.h"
#include "statemachine/table.h"

enum outcome_field {
#define OUTCOME_FIELD(symbol, word, joined) OUTCOME_FIELD_##symbol,
#include "schemas/outcome_field.def"
#undef OUTCOME_FIELD
    OUTCOME_FIELD_COUNT
};

extern const char *const outcome_field_words[OUTCOME_FIELD_COUNT];

/* What decides a member, whatever the order in which the message's events came. */
enum outcome_joined { JOINED_VERDICT, JOINED_SENDS, JOINED_STATE, JOINED_BOTH, JOINED_ORDER };

extern const enum outcome_joined outcome_field_joined[OUTCOME_FIELD_COUNT];

struct outcome_facts {
    struct text channel;    /* borrowed from the value */
    struct text message_id; /* points into id_bytes */
    struct text status;     /* without quotes, borrowed; empty: null */
    int64_t life_ms;
    int64_t settled_at_ms;
    int32_t partition; /* of its source */
    uint32_t revision;
    enum outcome outcome;
    enum settled_by settled_by;
    bool send_seen;
    uint32_t fields[OUTCOME_FIELD_COUNT]; /* 0: it has no such member */
    uint8_t id_bytes[MESSAGE_ID_MAX * 6]; /* room for every byte escaped */
};

/* False where the value is no outcome: not JSON, or without one of the members above. */
bool outcome_facts_read(const uint8_t *value, size_t size, hash_fn *hash,
                        struct outcome_facts *facts);

/* {outcome, status, send_seen, conflict} in one number (DESIGN 1). */
uint32_t outcome_facts_verdict(const uint32_t fields[OUTCOME_FIELD_COUNT]);

#endif
