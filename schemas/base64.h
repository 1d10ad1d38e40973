/* base64.h: RFC 4648 4, padded; for keys and values that are no UTF-8 (DESIGN 7). */
#ifndef UPSHOT_SCHEMAS_BASE64_H
#define UPSHOT_SCHEMAS_BASE64_H

#include "schemas/buffer.h"

void base64_encode(struct buffer *out, const uint8_t *bytes, size_t size);

/* Appends the decoded bytes; false (nothing appended) for anything but canonical padded base64. */
bool base64_decode(struct buffer *out, const uint8_t *text, size_t size);

#endif
