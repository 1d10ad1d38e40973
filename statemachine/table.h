/*
 * table.h: a channel's state machine, as its file says it (draft) and as the hot path reads it
 * (table).
 *
 * A draft holds names; check.h proves it; table_new() turns it into numbers. Array order is
 * strength, weakest first, and strict: the maximum over it is the state, whatever the order of
 * arrival (DESIGN 2). Nothing here knows where a draft came from.
 */
#ifndef UPSHOT_STATEMACHINE_TABLE_H
#define UPSHOT_STATEMACHINE_TABLE_H

#include "statemachine/bounds.h"
#include "statemachine/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phase {
#define PHASE(symbol, word) PHASE_##symbol,
#include "statemachine/phase.def"
#undef PHASE
    PHASE_COUNT
};

enum outcome {
#define OUTCOME(symbol, word) OUTCOME_##symbol,
#include "statemachine/outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

enum arrival {
#define ARRIVAL(symbol, word) ARRIVAL_##symbol,
#include "statemachine/arrival.def"
#undef ARRIVAL
    ARRIVAL_COUNT
};

enum settled_by {
#define SETTLED_BY(symbol, word) SETTLED_BY_##symbol,
#include "statemachine/settled_by.def"
#undef SETTLED_BY
    SETTLED_BY_COUNT
};

/* The words of the lists above, by their enum. */
extern const char *const phase_words[PHASE_COUNT];
extern const char *const outcome_words[OUTCOME_COUNT];
extern const char *const arrival_words[ARRIVAL_COUNT];
extern const char *const settled_by_words[SETTLED_BY_COUNT];

/* Finds a word of a list; false leaves *found alone. */
bool phase_find(const char *word, enum phase *found);
bool outcome_find(const char *word, enum outcome *found);

/* A channel as its author wrote it. Strings and arrays are borrowed from whoever parsed it. */
struct draft_status {
    const char *name;
    enum phase phase;
    enum outcome outcome;
    int64_t settle_after_ms;
    const char *const *then;
    size_t then_count;
    const char *meaning;
};

struct draft {
    const char *channel;
    int64_t version;
    int64_t retention_ms;
    int64_t orphan_hold_ms;
    int64_t initial_settle_after_ms;
    enum outcome initial_outcome;
    const struct draft_status *statuses;
    size_t count;
    uint64_t digest; /* of all that decides, made by the reader; 16 hex digits in outcomes */
};

/* No status yet; also "no vote" for what a table does not list. */
#define STATUS_NONE 0xff

struct status {
    char name[STATUS_NAME_MAX + 1];
    uint8_t name_size;
    enum phase phase;
    enum outcome outcome;
    int64_t settle_after_ms;
    uint64_t then;      /* bit t: t is listed */
    uint64_t conflicts; /* bit t: this one and t contradict each other (DESIGN 2) */
    char *meaning;
};

/* What one arrival of a status does to a state, conflicts aside. */
struct cell {
    uint8_t next;    /* the state afterwards */
    uint8_t arrival; /* enum arrival */
};

enum { NAME_SLOTS = 256 }; /* four times STATUSES_MAX: a look finds it at once, nearly always */

struct table {
    char channel[CHANNEL_NAME_MAX + 1];
    uint8_t channel_size;
    uint8_t index; /* place in its tables: channels in the order of their names */
    uint8_t count;
    int64_t version;
    uint64_t digest;
    int64_t retention_ms;
    int64_t orphan_hold_ms;
    int64_t initial_settle_after_ms;
    enum outcome initial_outcome;
    struct status statuses[STATUSES_MAX];
    uint8_t by_name[NAME_SLOTS]; /* open addressing: index + 1, 0 where there is none */
    /* Row 0: no state yet; row s + 1: state s. */
    struct cell cells[STATUSES_MAX + 1][STATUSES_MAX];
    /* Names that older states hold and this table lost: seen[] index count + i. */
    char **ghosts;
    size_t ghost_count;
};

/*
 * Compiles a draft that check_draft() found no fault in; a faulty one stops the process.
 * Returns a table of the caller's, to be released with table_free(); NULL without memory.
 */
struct table *table_new(const struct draft *draft);
void table_free(struct table **table);

/* Index of a status by name, STATUS_NONE where the table has none of that name. */
uint8_t table_find_status(const struct table *table, const uint8_t *name, size_t size);

/*
 * Index for a name that the table does not list, so that old timelines keep it (DESIGN 5, table
 * change). STATUS_NONE when there is no room (SEEN_MAX) or no memory.
 */
uint8_t table_add_ghost(struct table *table, const uint8_t *name, size_t size);

/* Name of a status or ghost; never NULL for an index that the table gave. */
const char *table_status_name(const struct table *table, uint8_t status);

/* True where the index is a status of this table, with a vote. */
static inline bool table_has_vote(const struct table *table, uint8_t status)
{
    return status < table->count;
}

/* The channels that a process knows, sorted by name. */
struct tables {
    struct table *rows[CHANNELS_MAX];
    size_t count;
};

/*
 * Takes ownership of the table, also when it fails. False when there are CHANNELS_MAX already or
 * the channel is there twice.
 */
bool tables_take(struct tables *tables, struct table *table);
void tables_release(struct tables *tables);
const struct table *tables_find(const struct tables *tables, const uint8_t *name, size_t size);

#endif
