/*
 * dead_letter.h: the headers that a dead letter gets beside its own (DESIGN 4).
 */
#ifndef UPSHOT_SCHEMAS_DEAD_LETTER_H
#define UPSHOT_SCHEMAS_DEAD_LETTER_H

#include "schemas/buffer.h"
#include "schemas/envelope.h"

#define HEADER_REASON "upshot-reason"
#define HEADER_DETAIL "upshot-detail"
#define HEADER_SOURCE "upshot-source"
#define HEADER_TIMESTAMP "upshot-timestamp" /* of the original, in ms: a letter has its own */
#define HEADER_CUT "upshot-cut"
#define HEADER_REDRIVEN "upshot-redriven" /* on what was put back: how often it was */

/*
 * Fills up to four headers: reason, detail (left out where empty), source
 * (topic/partition/offset), and, where full_size is larger than what is kept, cut. Their values
 * are appended to `store` and borrowed from it. Returns how many.
 */
size_t dead_letter_headers(struct header out[4], struct buffer *store, enum reason reason,
                           const char *detail, const uint8_t *topic, size_t topic_size,
                           int32_t partition, int64_t offset, size_t full_size, size_t kept_size);

#endif
