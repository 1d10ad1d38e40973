/* audit_findings.c: counting. */
#include "consumer/audit_findings.h"

#include "statemachine/memory.h"

const char *const audit_fault_words[AUDIT_FAULT_COUNT] = {
#define AUDIT_FAULT(symbol, word, meaning) [AUDIT_##symbol] = word,
#include "consumer/audit.def"
#undef AUDIT_FAULT
};

const char *const audit_fault_meanings[AUDIT_FAULT_COUNT] = {
#define AUDIT_FAULT(symbol, word, meaning) [AUDIT_##symbol] = meaning,
#include "consumer/audit.def"
#undef AUDIT_FAULT
};

struct audit_findings *audit_findings_new(void)
{
    return memory_get_clean(sizeof(struct audit_findings));
}

static void keep(struct audit_examples *examples, const struct audit_example *example)
{
    if (examples->count < AUDIT_EXAMPLES_MAX)
        examples->rows[examples->count++] = *example;
}

void audit_fault(struct audit_findings *findings, enum audit_fault fault,
                 const struct audit_example *example)
{
    findings->faults[fault]++;
    keep(&findings->examples[fault], example);
}

void audit_change(struct audit_change *change, const struct audit_example *example)
{
    change->count++;
    keep(&change->examples, example);
}

uint64_t audit_fault_sum(const struct audit_findings *findings)
{
    uint64_t sum = 0;

    for (int i = 0; i < AUDIT_FAULT_COUNT; i++)
        sum += findings->faults[i];
    return sum;
}

uint64_t audit_change_sum(const struct audit_findings *findings)
{
    uint64_t sum = 0;

    for (int i = 0; i < AUDIT_CHANNELS; i++)
        for (int from = 0; from < AUDIT_OUTCOMES; from++)
            for (int to = 0; to < AUDIT_OUTCOMES; to++)
                sum += findings->changes[i][from][to].count;
    for (int from = 0; from < AUDIT_REASONS; from++)
        for (int to = 0; to < AUDIT_REASONS; to++)
            sum += findings->letter_changes[from][to].count;
    return sum;
}
