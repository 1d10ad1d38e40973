/*
 * pack.h: a record as few bytes, the form in which the store keeps it.
 *
 * Times are distances from the life's start, numbers are varints, texts are intern refs. Not the
 * form of the state topic, which knows names instead of numbers (schemas/state_record.h).
 */
#ifndef UPSHOT_STATEMACHINE_PACK_H
#define UPSHOT_STATEMACHINE_PACK_H

#include "statemachine/intern.h"
#include "statemachine/record.h"

/* Flags, five numbers of one byte, eleven varints of at most ten, and the timeline. */
enum { PACKED_MAX = 8 + 11 * 10 + SEEN_MAX * 11 };

/* The refs that a packed record holds. */
struct packed_refs {
    uint32_t attributes;
    uint32_t reason;
    uint32_t topic;
};

/* Writes the record, its texts as these refs; returns the size. */
size_t record_pack(const struct record *record, struct packed_refs refs,
                   uint8_t packed[PACKED_MAX]);

/* Reads what record_pack() wrote; texts are borrowed from the pool. */
void record_unpack(const uint8_t *packed, const struct intern *intern, struct record *record);

struct packed_refs record_packed_refs(const uint8_t *packed);

/* The little that a census wants to know of it. */
void record_packed_standing(const uint8_t *packed, uint8_t *state, enum standing *standing);

#endif
