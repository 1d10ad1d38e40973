/*
 * audit_findings.h: what an audit has found, counted, with examples: all that a report is made of.
 */
#ifndef UPSHOT_CONSUMER_AUDIT_FINDINGS_H
#define UPSHOT_CONSUMER_AUDIT_FINDINGS_H

#include "schemas/outcome_facts.h"
#include "schemas/reason.h"

enum audit_fault {
#define AUDIT_FAULT(symbol, word, meaning) AUDIT_##symbol,
#include "consumer/audit.def"
#undef AUDIT_FAULT
    AUDIT_FAULT_COUNT
};

extern const char *const audit_fault_words[AUDIT_FAULT_COUNT];
extern const char *const audit_fault_meanings[AUDIT_FAULT_COUNT];

enum { AUDIT_EXAMPLES_MAX = 5 };

/* Where to look: enough to find the record again. */
struct audit_example {
    char message[CHANNEL_NAME_MAX + MESSAGE_ID_MAX + 2]; /* channel:id; of a letter, its source */
    int32_t partition;
    int64_t life_ms;
    uint32_t revision; /* 0: it is about no one outcome */
    int64_t offset;    /* of the record in its topic; -1: it is not there */
    char detail[256];  /* empty: nothing more to say */
};

struct audit_examples {
    struct audit_example rows[AUDIT_EXAMPLES_MAX];
    size_t count;
};

/* A changed table: from one outcome to another, OUTCOME_COUNT where there is none. */
enum {
    AUDIT_CHANNELS = CHANNELS_MAX + 1, /* CHANNELS_MAX: one that the tables do not have */
    AUDIT_OUTCOMES = OUTCOME_COUNT + 1,
    AUDIT_REASONS = REASON_COUNT + 1,
};

struct audit_change {
    uint64_t count;
    struct audit_examples examples;
};

struct audit_findings {
    uint64_t faults[AUDIT_FAULT_COUNT];
    uint64_t fields[OUTCOME_FIELD_COUNT]; /* of AUDIT_DIFFERENT: which members, how often */
    struct audit_examples examples[AUDIT_FAULT_COUNT];

    bool what_if; /* --channels: changes are counted, and only the rows below matter */
    struct audit_change changes[AUDIT_CHANNELS][AUDIT_OUTCOMES][AUDIT_OUTCOMES];
    struct audit_change letter_changes[AUDIT_REASONS][AUDIT_REASONS];

    uint64_t records, outcomes, letters; /* read from the topics */
    uint64_t messages;                   /* compared */
    uint64_t agreed;                     /* outcomes that are as they should be */
    uint64_t waiting;      /* outcomes that are due, but the stage need not have come that far */
    uint64_t open;         /* messages that have records beyond what is certain */
    uint64_t begun_before; /* messages that began, or may have, before the range */
    uint64_t undetermined; /* messages whose outcome depends on an order that nobody can know */
    uint64_t expired;      /* outcomes and dead letters that retention has taken, most likely */
    uint64_t letters_outside; /* of records that are not in the range, or of other topics */
    int32_t partitions, strict_partitions;
    int32_t partitions_without_offsets; /* the group has none committed: the ends were taken */
};

struct audit_findings *audit_findings_new(void);

/* Counts a fault, and keeps it as an example while there is room. */
void audit_fault(struct audit_findings *findings, enum audit_fault fault,
                 const struct audit_example *example);

/* Counts a change, but not one that is none. */
void audit_change(struct audit_change *change, const struct audit_example *example);

uint64_t audit_fault_sum(const struct audit_findings *findings);
uint64_t audit_change_sum(const struct audit_findings *findings);

#endif
