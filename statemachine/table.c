/*
 * table.c: words of the closed lists, and a draft turned into numbers.
 */
#include "statemachine/table.h"

#include "statemachine/check.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"

const char *const phase_words[PHASE_COUNT] = {
#define PHASE(symbol, word) [PHASE_##symbol] = word,
#include "statemachine/phase.def"
#undef PHASE
};

const char *const outcome_words[OUTCOME_COUNT] = {
#define OUTCOME(symbol, word) [OUTCOME_##symbol] = word,
#include "statemachine/outcome.def"
#undef OUTCOME
};

const char *const arrival_words[ARRIVAL_COUNT] = {
#define ARRIVAL(symbol, word) [ARRIVAL_##symbol] = word,
#include "statemachine/arrival.def"
#undef ARRIVAL
};

const char *const settled_by_words[SETTLED_BY_COUNT] = {
#define SETTLED_BY(symbol, word) [SETTLED_BY_##symbol] = word,
#include "statemachine/settled_by.def"
#undef SETTLED_BY
};

static int find_word(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

bool phase_find(const char *word, enum phase *found)
{
    int i = find_word(phase_words, PHASE_COUNT, word);

    if (i >= 0)
        *found = (enum phase)i;
    return i >= 0;
}

bool outcome_find(const char *word, enum outcome *found)
{
    int i = find_word(outcome_words, OUTCOME_COUNT, word);

    if (i >= 0)
        *found = (enum outcome)i;
    return i >= 0;
}

/* ---- compiling -------------------------------------------------------------------------- */

static char *copy_string(const char *string)
{
    size_t size = strlen(string) + 1;

    return memcpy(memory_get(size), string, size);
}

static uint64_t bit(size_t status)
{
    return UINT64_C(1) << status;
}

/* Where a look for a name begins; at least one byte. Three letters tell statuses well apart. */
static size_t name_slot(const uint8_t *name, size_t size)
{
    return (size + name[0] * (size_t)7 + name[size / 2] * (size_t)31 +
            name[size - 1] * (size_t)61) %
           NAME_SLOTS;
}

static void compile_name(struct table *table, size_t i)
{
    const struct status *status = &table->statuses[i];
    size_t slot = name_slot((const uint8_t *)status->name, status->name_size);

    while (table->by_name[slot] != 0)
        slot = (slot + 1) % NAME_SLOTS;
    table->by_name[slot] = (uint8_t)(i + 1);
}

static void compile_status(struct status *status, const struct draft_status *draft)
{
    size_t size = strlen(draft->name);

    memcpy(status->name, draft->name, size + 1);
    status->name_size = (uint8_t)size;
    status->phase = draft->phase;
    status->outcome = draft->outcome;
    status->settle_after_ms = draft->settle_after_ms;
    status->meaning = copy_string(draft->meaning == NULL ? "" : draft->meaning);
}

static uint64_t compile_then(const struct table *table, const struct draft_status *draft)
{
    uint64_t then = 0;

    for (size_t i = 0; i < draft->then_count; i++) {
        uint8_t next =
            table_find_status(table, (const uint8_t *)draft->then[i], strlen(draft->then[i]));
        require(next != STATUS_NONE);
        then |= bit(next);
    }
    return then;
}

/* Two finals with different outcomes, neither of which lists the other (DESIGN 2). */
static bool contradict(const struct table *table, size_t a, size_t b)
{
    const struct status *left = &table->statuses[a], *right = &table->statuses[b];

    return left->phase == PHASE_FINAL && right->phase == PHASE_FINAL &&
           left->outcome != right->outcome && (left->then & bit(b)) == 0 &&
           (right->then & bit(a)) == 0;
}

/* The state is the maximum: a stronger status becomes it, a weaker one does not. */
static struct cell compile_cell(const struct table *table, size_t state, size_t status)
{
    enum arrival arrival = ARRIVAL_REPEATED;

    if (status < state)
        arrival = ARRIVAL_STALE;
    else if (status > state)
        arrival =
            (table->statuses[state].then & bit(status)) != 0 ? ARRIVAL_ADVANCED : ARRIVAL_JUMPED;
    return (struct cell){
        .next = (uint8_t)(status > state ? status : state),
        .arrival = (uint8_t)arrival,
    };
}

static void compile_cells(struct table *table)
{
    for (size_t status = 0; status < table->count; status++) {
        table->cells[0][status] =
            (struct cell){.next = (uint8_t)status, .arrival = ARRIVAL_ADVANCED};
        for (size_t state = 0; state < table->count; state++) {
            table->cells[state + 1][status] = compile_cell(table, state, status);
            if (contradict(table, state, status))
                table->statuses[state].conflicts |= bit(status);
        }
    }
}

struct table *table_new(const struct draft *draft)
{
    struct table *table = memory_get(sizeof(*table));
    size_t size = strlen(draft->channel);
    struct faults faults = {0};

    check_draft(draft, &faults);
    require(faults.count == 0);
    *table = (struct table){
        .channel_size = (uint8_t)size,
        .count = (uint8_t)draft->count,
        .version = draft->version,
        .digest = draft->digest,
        .retention_ms = draft->retention_ms,
        .orphan_hold_ms = draft->orphan_hold_ms,
        .initial_settle_after_ms = draft->initial_settle_after_ms,
        .initial_outcome = draft->initial_outcome,
    };
    memcpy(table->channel, draft->channel, size + 1);
    for (size_t i = 0; i < draft->count; i++)
        compile_status(&table->statuses[i], &draft->statuses[i]);
    for (size_t i = 0; i < draft->count; i++)
        compile_name(table, i);
    for (size_t i = 0; i < draft->count; i++)
        table->statuses[i].then = compile_then(table, &draft->statuses[i]);
    compile_cells(table);
    return table;
}

void table_free(struct table **table)
{
    if (*table == NULL)
        return;
    for (size_t i = 0; i < (*table)->count; i++)
        free((*table)->statuses[i].meaning);
    for (size_t i = 0; i < (*table)->ghost_count; i++)
        free((*table)->ghosts[i]);
    free((*table)->ghosts);
    free(*table);
    *table = NULL;
}

/* ---- names ------------------------------------------------------------------------------ */

uint8_t table_find_status(const struct table *table, const uint8_t *name, size_t size)
{
    if (size == 0)
        return STATUS_NONE;
    for (size_t slot = name_slot(name, size); table->by_name[slot] != 0;
         slot = (slot + 1) % NAME_SLOTS) {
        uint8_t i = (uint8_t)(table->by_name[slot] - 1);
        if (table->statuses[i].name_size == size &&
            memcmp(table->statuses[i].name, name, size) == 0)
            return i;
    }
    return STATUS_NONE;
}

uint8_t table_add_ghost(struct table *table, const uint8_t *name, size_t size)
{
    char *ghost;

    for (size_t i = 0; i < table->ghost_count; i++)
        if (strlen(table->ghosts[i]) == size && memcmp(table->ghosts[i], name, size) == 0)
            return (uint8_t)(table->count + i);
    if (table->count + table->ghost_count >= SEEN_MAX)
        return STATUS_NONE;
    ghost = memory_get(size + 1);
    memcpy(ghost, name, size);
    ghost[size] = 0;
    table->ghosts = memory_resize(table->ghosts, table->ghost_count + 1, sizeof(*table->ghosts));
    table->ghosts[table->ghost_count] = ghost;
    return (uint8_t)(table->count + table->ghost_count++);
}

const char *table_status_name(const struct table *table, uint8_t status)
{
    if (status < table->count)
        return table->statuses[status].name;
    require((size_t)status - table->count < table->ghost_count);
    return table->ghosts[status - table->count];
}

/* ---- all channels ----------------------------------------------------------------------- */

bool tables_take(struct tables *tables, struct table *table)
{
    size_t place = tables->count;

    if (tables->count == CHANNELS_MAX ||
        tables_find(tables, (const uint8_t *)table->channel, table->channel_size) != NULL) {
        table_free(&table);
        return false;
    }
    for (; place > 0 && strcmp(tables->rows[place - 1]->channel, table->channel) > 0; place--)
        tables->rows[place] = tables->rows[place - 1];
    tables->rows[place] = table;
    tables->count++;
    for (size_t i = 0; i < tables->count; i++)
        tables->rows[i]->index = (uint8_t)i;
    return true;
}

void tables_release(struct tables *tables)
{
    for (size_t i = 0; i < tables->count; i++)
        table_free(&tables->rows[i]);
    tables->count = 0;
}

const struct table *tables_find(const struct tables *tables, const uint8_t *name, size_t size)
{
    for (size_t i = 0; i < tables->count; i++)
        if (tables->rows[i]->channel_size == size &&
            memcmp(tables->rows[i]->channel, name, size) == 0)
            return tables->rows[i];
    return NULL;
}
