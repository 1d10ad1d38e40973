/*
 * audit_letters.h: one partition's dead letters, and whether they are the right ones.
 *
 * The dead-letter topic is told first, for whether a record was dated too far ahead of the stage's
 * clock (skewed_time) nobody else can know; then the inputs, each in its order.
 */
#ifndef UPSHOT_CONSUMER_AUDIT_LETTERS_H
#define UPSHOT_CONSUMER_AUDIT_LETTERS_H

#include "consumer/audit_findings.h"
#include "consumer/config.h"

struct audit_letter {
    int64_t offset;        /* of the record that is dead */
    int64_t letter_offset; /* of the letter itself */
    uint64_t digest;       /* of key and value */
    uint32_t input;
    enum reason reason;
    bool cut; /* it was too large to travel whole */
    bool known;
};

struct audit_letters {
    const struct config_list *inputs;
    int32_t partition;
    struct audit_letter *rows; /* by input and offset, once audit_letters_sort() was called */
    size_t count, room;
    /* Letters of older records may have been taken by the topic's retention; TIME_NONE: none. */
    int64_t oldest_ms;
};

void audit_letters_init(struct audit_letters *letters, const struct config_list *inputs,
                        int32_t partition);
void audit_letters_release(struct audit_letters *letters);

/* A record of the dead-letter topic; what says nothing about its source is a fault at once. */
void audit_letters_find(struct audit_letters *letters, const rd_kafka_message_t *message,
                        struct audit_findings *findings);

/* All are there: sorts them, and tells those that are there twice. */
void audit_letters_sort(struct audit_letters *letters, struct audit_findings *findings);

/* The letter of a record, or NULL. */
struct audit_letter *audit_letters_of(const struct audit_letters *letters, size_t input,
                                      int64_t offset);

/* A record as it should be: dead for this reason (REASON_NONE: well). `certain` as in the book. */
void audit_letters_judge(struct audit_letters *letters, size_t input,
                         const rd_kafka_message_t *record, enum reason reason, bool certain,
                         struct audit_findings *findings);

/* Letters of records that were not among those judged; each input was read in [begin, end). */
void audit_letters_compare(const struct audit_letters *letters, const int64_t *begins,
                           const int64_t *ends, struct audit_findings *findings);

#endif
