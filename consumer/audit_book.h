/*
 * audit_book.h: what one partition's outcomes should be, beside what they are. No Kafka in here.
 *
 * First the inputs are told, record by record, with the outcomes that a replay of them gives; then
 * the outcomes topic, read committed, in its order. One that is as expected leaves nothing behind
 * but a mark; what is left over at the end is compared message by message.
 *
 * What is comparable. The stage commits outcomes and the places in its inputs together, so an
 * audit knows a cut: everything before it has been taken, of what lies behind anything may have
 * been. Hence
 *
 *   certain     a record before the cut; a deadline up to sure_ms, the watermark that the records
 *               before the cut make (inputs that are silent do not move it, for only the stage's
 *               clock would know), or that of the last deadline which an outcome shows to have
 *               fired
 *   open        a message with a record behind the cut: whatever it has is right
 *   waiting     an outcome whose deadline is not certain: it may be there, and then it must be as
 *               expected; or not
 *
 * and what a certain record, or a certain deadline of a message that is not open, calls for must
 * be there. With every_revision (one input topic whose broker sets the timestamps, so that nobody
 * could see another order) each revision must be there, member by member. Else (DESIGN 3) the last
 * verdict must, and what follows from it whatever the order: facts that were reported once. Where
 * even that hangs on an order, the message is undetermined: a life that ended by retention between
 * two events, or an earlier verdict where the last one is not due yet. Revisions must be 1, 2, 3,
 * ... in any case.
 *
 * Memory: about 54 bytes and the key for a message, 88 for an outcome; of one partition.
 */
#ifndef UPSHOT_CONSUMER_AUDIT_BOOK_H
#define UPSHOT_CONSUMER_AUDIT_BOOK_H

#include "consumer/audit_findings.h"
#include "consumer/audit_members.h"

struct audit_book {
    uint64_t seed;
    struct index index;
    struct audit_message *messages; /* from 1: their handles in the index */
    uint32_t message_count, message_room;
    struct audit_revision *revisions; /* from 1 */
    uint32_t revision_count, revision_room;
    struct audit_pool pool;
    struct buffer keys;
    bool outcomes_expired; /* the outcomes topic does not begin at its first offset */
    int64_t begin_ms;      /* a life that is older began before the range; TIME_NONE: none did */
    int64_t shown_ms;      /* latest deadline that an outcome shows to have fired */
};

/* What is known only when everything has been read. */
struct audit_judge {
    const struct tables *tables;
    int32_t partition;
    bool every_revision;
    int64_t sure_ms;           /* watermark at the cut; TIME_NONE where there is none */
    int64_t expired_before_ms; /* an outcome due before this may have been taken by retention */
};

void audit_book_init(struct audit_book *book, uint64_t seed);
void audit_book_release(struct audit_book *book);

/* An event of the inputs, before the outcomes that it leads to. */
void audit_book_event(struct audit_book *book, struct text channel, struct text id, bool is_send,
                      uint8_t status, bool certain);

/* An outcome as a replay gives it; `status` is the state's index, or STATUS_NONE. */
void audit_book_expect(struct audit_book *book, const struct outcome_facts *facts, uint8_t status);

/* One that falls due later than now, if nothing else comes. */
void audit_book_pend(struct audit_book *book, const struct outcome_facts *facts);

/* An outcome of the topic, at this offset. */
void audit_book_find(struct audit_book *book, const struct outcome_facts *facts, int32_t partition,
                     int64_t offset, struct audit_findings *findings);

/* True where an outcome is missing, so that it is worth while to look for aborted ones. */
bool audit_book_misses(const struct audit_book *book, const struct audit_judge *judge);

/* An outcome that a reader of uncommitted records sees. */
void audit_book_uncommitted(struct audit_book *book, const struct outcome_facts *facts,
                            int64_t offset);

void audit_book_compare(const struct audit_book *book, const struct audit_judge *judge,
                        struct audit_findings *findings);

#endif
