/* record.c: facts join, verdicts follow. No I/O, no memory of its own. */
#include "statemachine/record.h"

uint64_t record_seen_mask(const struct table *table, const struct record *record)
{
    uint64_t mask = 0;

    for (int i = 0; i < record->seen_count; i++)
        if (table_has_vote(table, record->seen[i].status))
            mask |= UINT64_C(1) << record->seen[i].status;
    return mask;
}

int record_find_seen(const struct record *record, uint8_t status)
{
    for (int i = 0; i < record->seen_count; i++)
        if (record->seen[i].status == status)
            return i;
    return -1;
}

struct verdict record_verdict(const struct table *table, const struct record *record)
{
    return (struct verdict){
        .outcome = (uint8_t)(record->state == STATUS_NONE ? table->initial_outcome
                                                          : table->statuses[record->state].outcome),
        .status = record->state,
        .send_seen = record->send_seen,
        .conflict = record->conflict,
    };
}

bool verdict_equal(struct verdict a, struct verdict b)
{
    return a.outcome == b.outcome && a.status == b.status && a.send_seen == b.send_seen &&
           a.conflict == b.conflict;
}

void record_recompute(const struct table *table, struct record *record)
{
    uint64_t mask = record_seen_mask(table, record);

    record->state = STATUS_NONE;
    record->conflict = false;
    for (int i = 0; i < record->seen_count; i++) {
        uint8_t status = record->seen[i].status;
        if (!table_has_vote(table, status))
            continue;
        if (record->state == STATUS_NONE || status > record->state)
            record->state = status;
        if ((table->statuses[status].conflicts & mask) != 0)
            record->conflict = true;
    }
}
