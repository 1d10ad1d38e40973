/* reason.c: the words of reason.def. */
#include "schemas/reason.h"

const char *const reason_words[REASON_COUNT] = {
#define REASON(symbol, word) [REASON_##symbol] = word,
#include "schemas/reason.def"
#undef REASON
};
