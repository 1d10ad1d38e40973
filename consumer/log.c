/* log.c: formats into one buffer, writes with one call, so that threads' lines do not mix. */
#include "consumer/log.h"

#include "consumer/clock.h"
#include "schemas/instant.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int wanted = LOG_INFO_LEVEL;

void log_set_level(enum log_level level)
{
    wanted = (int)level;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    static const char *const words[] = {
        [LOG_ERROR_LEVEL] = "error",
        [LOG_WARN_LEVEL] = "warn",
        [LOG_INFO_LEVEL] = "info",
        [LOG_DEBUG_LEVEL] = "debug",
    };
    char line[2048];
    char time[INSTANT_SIZE + 1] = {0};
    va_list args;
    int head, body;
    size_t size;

    if ((int)level > wanted)
        return;
    instant_format(clock_wall_ms(), time);
    head = snprintf(line, sizeof(line), "%s level=%s time=%s ", event, words[level], time);
    va_start(args, format);
    body = vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
    va_end(args);
    size = (size_t)head + (body < 0 ? 0 : (size_t)body);
    if (size > sizeof(line) - 2)
        size = sizeof(line) - 2;
    line[size] = '\n';
    for (size_t i = 0; i < size; i++) /* one event, one line, whatever a peer put into it */
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    if (write(STDERR_FILENO, line, size + 1) < 0)
        return; /* nobody listens: there is no better place to say so */
}
