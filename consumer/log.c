/* log.c: formats into one buffer, writes with one call, so that threads' lines do not mix. */
#include "consumer/log.h"

#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/ration.h"
#include "schemas/instant.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int wanted = LOG_INFO_LEVEL;

void log_set_level(enum log_level level)
{
    wanted = (int)level;
}

__attribute__((format(printf, 4, 0))) static void write_line(enum log_level level,
                                                             const char *event, const char *tail,
                                                             const char *format, va_list args)
{
    static const char *const words[] = {
        [LOG_ERROR_LEVEL] = "error",
        [LOG_WARN_LEVEL] = "warn",
        [LOG_INFO_LEVEL] = "info",
        [LOG_DEBUG_LEVEL] = "debug",
    };
    char line[2048];
    char time[INSTANT_SIZE + 1] = {0};
    size_t most = sizeof(line) - strlen(tail) - 1;
    int head, body;
    size_t size;

    instant_format(clock_wall_ms(), time);
    head = snprintf(line, most, "%s level=%s time=%s ", event, words[level], time);
    body = vsnprintf(line + head, most - (size_t)head, format, args);
    size = (size_t)head + (body < 0 ? 0 : (size_t)body);
    if (size > most - 1)
        size = most - 1;
    memcpy(line + size, tail, strlen(tail));
    size += strlen(tail);
    line[size] = '\n';
    for (size_t i = 0; i < size; i++) /* one event, one line, whatever a peer put into it */
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    if (write(STDERR_FILENO, line, size + 1) < 0)
        return; /* nobody listens: there is no better place to say so */
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    va_list args;

    if ((int)level > wanted)
        return;
    va_start(args, format);
    write_line(level, event, "", format, args);
    va_end(args);
}

void log_seldom(enum log_level level, const char *event, const char *about, const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct ration ration;
    uint64_t what = hash_bytes(about, strlen(about), hash_bytes(event, strlen(event), 0));
    unsigned unsaid = 0;
    char tail[32] = "";
    bool may;
    va_list args;

    if ((int)level > wanted)
        return;
    pthread_mutex_lock(&lock);
    may = ration_take(&ration, what, clock_monotonic_ms() + 1, &unsaid);
    pthread_mutex_unlock(&lock);
    if (!may)
        return;
    if (unsaid > 0)
        snprintf(tail, sizeof(tail), " unsaid=%u", unsaid);
    va_start(args, format);
    write_line(level, event, tail, format, args);
    va_end(args);
}
