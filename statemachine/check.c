/*
 * check.c: what must be true of a table before it runs (DESIGN 2), one function a rule.
 *
 * `then` points to stronger statuses only, so following it ends; phases never go back, so nothing
 * provisional beats a final; every status is on a way from the weakest to a final.
 */
#include "statemachine/check.h"

#include <stdarg.h>
#include <stdio.h>

void faults_add(struct faults *faults, const char *status, const char *format, ...)
{
    struct fault *fault;
    va_list args;

    if (faults->count++ >= FAULTS_MAX)
        return;
    fault = &faults->rows[faults->count - 1];
    snprintf(fault->status, sizeof(fault->status), "%s", status == NULL ? "" : status);
    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
}

/* ---- names ------------------------------------------------------------------------------ */

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool channel_name_good(const char *name)
{
    size_t size = strlen(name);

    if (size < 1 || size > CHANNEL_NAME_MAX || !is_lower(name[0]))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!is_lower(name[i]) && !is_digit(name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return true;
}

static bool status_name_good(const char *name)
{
    size_t size = strlen(name);

    if (size < 1 || size > STATUS_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_lower(name[i]) && !(name[i] >= 'A' && name[i] <= 'Z') && !is_digit(name[i]) &&
            memchr("_.-", name[i], 3) == NULL)
            return false;
    return true;
}

/* Index of a name, or count. */
static size_t find(const struct draft *draft, const char *name)
{
    size_t i = 0;

    while (i < draft->count && strcmp(draft->statuses[i].name, name) != 0)
        i++;
    return i;
}

static void check_names(const struct draft *draft, struct faults *faults)
{
    if (!channel_name_good(draft->channel))
        faults_add(faults, NULL,
                   "channel name: a lower-case letter, then letters, digits, _ or -, at most %d",
                   CHANNEL_NAME_MAX);
    for (size_t i = 0; i < draft->count; i++) {
        const char *name = draft->statuses[i].name;
        if (!status_name_good(name))
            faults_add(faults, NULL,
                       "status %zu has no good name: letters, digits, _ . or -, 1 to %d of them",
                       i + 1, STATUS_NAME_MAX);
        else if (find(draft, name) < i)
            faults_add(faults, name, "is listed twice: strength is a strict order");
    }
}

/* ---- numbers ---------------------------------------------------------------------------- */

static void check_duration(struct faults *faults, const char *status, const char *name, int64_t ms,
                           int64_t least_ms)
{
    if (ms < least_ms || ms > DURATION_MAX_MS)
        faults_add(faults, status, "%s is out of bounds: %s to ten years", name,
                   least_ms > 0 ? "more than 0" : "0");
}

static void check_numbers(const struct draft *draft, struct faults *faults)
{
    if (draft->version < 1 || draft->version > INT32_MAX)
        faults_add(faults, NULL, "version must be a whole number from 1 to 2147483647");
    if (draft->count == 0)
        faults_add(faults, NULL, "statuses is an empty list: a channel needs at least one");
    if (draft->count > STATUSES_MAX)
        faults_add(faults, NULL, "has %zu statuses; at most %d are possible", draft->count,
                   STATUSES_MAX);
    check_duration(faults, NULL, "retention", draft->retention_ms, 1);
    check_duration(faults, NULL, "orphan_hold", draft->orphan_hold_ms, 0);
    check_duration(faults, NULL, "initial settle_after", draft->initial_settle_after_ms, 0);
    for (size_t i = 0; i < draft->count; i++) {
        const struct draft_status *status = &draft->statuses[i];
        check_duration(faults, status->name, "settle_after", status->settle_after_ms, 0);
        if (status->phase == PHASE_FINAL && status->settle_after_ms > 0)
            faults_add(faults, status->name, "is final, so its settle_after must be 0s");
        if (i > 0 && status->phase < draft->statuses[i - 1].phase)
            faults_add(faults, status->name,
                       "goes back from phase %s to %s: stronger statuses may "
                       "not be in an earlier phase",
                       phase_words[draft->statuses[i - 1].phase], phase_words[status->phase]);
    }
}

/* ---- ways ------------------------------------------------------------------------------- */

static void check_then_entry(const struct draft *draft, size_t from, size_t entry,
                             struct faults *faults)
{
    const struct draft_status *status = &draft->statuses[from];
    const char *next = status->then[entry];
    size_t to = find(draft, next);

    if (to == draft->count)
        faults_add(faults, status->name, "then: \"%.64s\" is no status of this channel", next);
    else if (to == from)
        faults_add(faults, status->name, "then: lists itself");
    else if (to < from)
        faults_add(faults, status->name,
                   "then: \"%s\" is weaker, a step back or a cycle; list "
                   "stronger statuses only",
                   next);
    for (size_t i = 0; i < entry; i++)
        if (strcmp(status->then[i], next) == 0)
            faults_add(faults, status->name, "then: \"%s\" is listed twice", next);
}

static void check_then(const struct draft *draft, struct faults *faults)
{
    for (size_t i = 0; i < draft->count; i++) {
        if (draft->statuses[i].then_count >= STATUSES_MAX) /* nor is it worth comparing them all */
            faults_add(faults, draft->statuses[i].name,
                       "then: lists %zu statuses; fewer than %d are possible",
                       draft->statuses[i].then_count, STATUSES_MAX);
        for (size_t j = 0; j < draft->statuses[i].then_count && j < STATUSES_MAX; j++)
            check_then_entry(draft, i, j, faults);
    }
}

/*
 * `then` points forward only, so one pass from the weakest finds all that is reached, and one
 * from the strongest all that reaches a final.
 */
static void check_ways(const struct draft *draft, struct faults *faults)
{
    bool reached[STATUSES_MAX] = {true};
    bool ends[STATUSES_MAX] = {false};

    for (size_t i = 0; i < draft->count; i++)
        for (size_t j = 0; reached[i] && j < draft->statuses[i].then_count; j++)
            reached[find(draft, draft->statuses[i].then[j])] = true;
    for (size_t i = draft->count; i-- > 0;) {
        ends[i] = draft->statuses[i].phase == PHASE_FINAL;
        for (size_t j = 0; j < draft->statuses[i].then_count; j++)
            ends[i] = ends[i] || ends[find(draft, draft->statuses[i].then[j])];
    }
    for (size_t i = 0; i < draft->count; i++) {
        if (!reached[i])
            faults_add(faults, draft->statuses[i].name,
                       "is unreachable: no way along then leads "
                       "here from %s, the weakest",
                       draft->statuses[0].name);
        if (!ends[i])
            faults_add(faults, draft->statuses[i].name,
                       "is a dead end: not final, and no way "
                       "along then leads to a final status");
    }
}

void check_draft(const struct draft *draft, struct faults *faults)
{
    size_t before = faults->count;

    check_names(draft, faults);
    check_numbers(draft, faults);
    check_then(draft, faults);
    if (faults->count == before) /* the ways are only drawn where every name leads somewhere */
        check_ways(draft, faults);
}

/* The class by the rule alone: not read from where table.c wrote it. */
static enum arrival rule_arrival(const struct table *table, size_t row, size_t status)
{
    if (row == 0)
        return ARRIVAL_ADVANCED;
    if (status < row - 1)
        return ARRIVAL_STALE;
    if (status == row - 1)
        return ARRIVAL_REPEATED;
    return table->statuses[row - 1].then >> status & 1 ? ARRIVAL_ADVANCED : ARRIVAL_JUMPED;
}

static void check_cell(const struct table *table, size_t row, size_t status, struct faults *faults)
{
    struct cell cell = table->cells[row][status];
    const char *state = row == 0 ? "no state" : table->statuses[row - 1].name;
    size_t strongest = row == 0 || status > row - 1 ? status : row - 1;

    if (cell.next != strongest)
        faults_add(faults, table->statuses[status].name,
                   "from %s it leads to %u, which is not the stronger of the two", state,
                   cell.next);
    if (cell.arrival != rule_arrival(table, row, status))
        faults_add(faults, table->statuses[status].name, "from %s it has the wrong class", state);
}

void check_table(const struct table *table, struct faults *faults)
{
    for (size_t row = 0; row <= table->count; row++)
        for (size_t status = 0; status < table->count; status++)
            check_cell(table, row, status, faults);
}
