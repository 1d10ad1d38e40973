/* reason.h: the closed list of dead letters' reasons (DESIGN 4). */
#ifndef UPSHOT_SCHEMAS_REASON_H
#define UPSHOT_SCHEMAS_REASON_H

enum reason {
#define REASON(symbol, word) REASON_##symbol,
#include "schemas/reason.def"
#undef REASON
    REASON_COUNT,
    REASON_NONE = REASON_COUNT /* not a dead letter */
};

extern const char *const reason_words[REASON_COUNT];

#endif
