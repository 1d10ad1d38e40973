/*
 * log.h: one logfmt line an event of interest, on stderr; the event is the first word.
 *
 * Keys of messages may appear, payloads never (DESIGN 8).
 */
#ifndef UPSHOT_CONSUMER_LOG_H
#define UPSHOT_CONSUMER_LOG_H

enum log_level { LOG_ERROR_LEVEL, LOG_WARN_LEVEL, LOG_INFO_LEVEL, LOG_DEBUG_LEVEL };

/* Lines above this level are not written; LOG_INFO_LEVEL at start. */
void log_set_level(enum log_level level);

/* `event level=... time=... ` and then what the format makes: key=value pairs. */
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
