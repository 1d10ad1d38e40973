/*
 * log.h: one line an event of interest, on stderr: logfmt, with the event as the first word, or a
 * JSON object.
 *
 * Keys of messages may appear, payloads never (DESIGN 8). Formats are pairs, see log_text.h.
 */
#ifndef UPSHOT_CONSUMER_LOG_H
#define UPSHOT_CONSUMER_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR_LEVEL, LOG_WARN_LEVEL, LOG_INFO_LEVEL, LOG_DEBUG_LEVEL };

/* Lines above this level are not written; LOG_INFO_LEVEL at start. */
void log_set_level(enum log_level level);

/* The same by its word (error, warn, info, debug); false where there is none like it. */
bool log_choose_level(const char *word);

/* logfmt, as at start, or json; false where the word is another one. */
bool log_choose_format(const char *word);

/* event, level, time, and then what the format makes of the rest. */
__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *event,
                                                    const char *format, ...);

/*
 * The same for what may go wrong many times a second: at most once in 10 s for the same event about
 * the same thing (ration.h), then with `unsaid=N` where it was kept back N times.
 */
__attribute__((format(printf, 4, 5))) void log_seldom(enum log_level level, const char *event,
                                                      const char *about, const char *format, ...);

#define log_error(event, ...) log_line(LOG_ERROR_LEVEL, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_WARN_LEVEL, event, __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_INFO_LEVEL, event, __VA_ARGS__)
#define log_debug(event, ...) log_line(LOG_DEBUG_LEVEL, event, __VA_ARGS__)

#endif
