/*
 * log_text.h: one log line as text, in logfmt or in JSON.
 *
 * The structure of a line comes from our own format: pairs, key=%d or key="words and %s", with a
 * blank between them. What a peer said, a topic's name or an error's text, comes in by conversions
 * only, and is escaped: whatever bytes it has, it stays within its value. tests/house holds every
 * caller's format to that.
 */
#ifndef UPSHOT_CONSUMER_LOG_TEXT_H
#define UPSHOT_CONSUMER_LOG_TEXT_H

#include <stdarg.h>
#include <stddef.h>

enum log_style { LOG_LOGFMT, LOG_JSON };

enum {
    LOG_TEXT_MAX = 4096,  /* PIPE_BUF: processes that share a pipe do not mix their lines */
    LOG_VALUE_MAX = 1024, /* a longer value is cut, and ends in "..." */
};

struct log_text {
    enum log_style style;
    size_t size;
    char bytes[LOG_TEXT_MAX];
};

/* The event, which logfmt has as its first word, its level and its time. */
void log_text_begin(struct log_text *text, enum log_style style, const char *event,
                    const char *level, const char *time);

/*
 * Pairs as the format says. It knows %s, %.*s, %d, %u, %x (with zeros: %016x) and their l, ll and
 * z. A pair whose %s is NULL is left out, and so is one that the line has no room for. In JSON a
 * value made by %d and %u alone is a number, everything else a string.
 */
void log_text_pairs(struct log_text *text, const char *format, va_list args);

/* The rest of the line, and its end: how often it was not said since it was last; 0: no word. */
void log_text_end(struct log_text *text, unsigned unsaid);

#endif
