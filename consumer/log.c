/* log.c: makes a line in one buffer, writes it with one call, so that threads' lines do not mix. */
#include "consumer/log.h"

#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/log_text.h"
#include "consumer/ration.h"
#include "schemas/instant.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static _Atomic int wanted = LOG_INFO_LEVEL;
static _Atomic int style = LOG_LOGFMT;

static const char *const level_words[] = {
    [LOG_ERROR_LEVEL] = "error",
    [LOG_WARN_LEVEL] = "warn",
    [LOG_INFO_LEVEL] = "info",
    [LOG_DEBUG_LEVEL] = "debug",
};

static const char *const style_words[] = {
    [LOG_LOGFMT] = "logfmt",
    [LOG_JSON] = "json",
};

void log_set_level(enum log_level level)
{
    wanted = (int)level;
}

static bool choose(_Atomic int *chosen, const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0) {
            *chosen = i;
            return true;
        }
    return false;
}

bool log_choose_level(const char *word)
{
    return choose(&wanted, word, level_words, sizeof(level_words) / sizeof(*level_words));
}

bool log_choose_format(const char *word)
{
    return choose(&style, word, style_words, sizeof(style_words) / sizeof(*style_words));
}

__attribute__((format(printf, 4, 0))) static void write_line(enum log_level level,
                                                             const char *event, unsigned unsaid,
                                                             const char *format, va_list args)
{
    struct log_text text;
    char time[INSTANT_SIZE + 1] = {0};

    instant_format(clock_wall_ms(), time);
    log_text_begin(&text, (enum log_style)style, event, level_words[level], time);
    log_text_pairs(&text, format, args);
    log_text_end(&text, unsaid);
    if (write(STDERR_FILENO, text.bytes, text.size) < 0)
        return; /* nobody listens: there is no better place to say so */
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    va_list args;

    if ((int)level > wanted)
        return;
    va_start(args, format);
    write_line(level, event, 0, format, args);
    va_end(args);
}

void log_seldom(enum log_level level, const char *event, const char *about, const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct ration ration;
    uint64_t what = hash_bytes(about, strlen(about), hash_bytes(event, strlen(event), 0));
    unsigned unsaid = 0;
    bool may;
    va_list args;

    if ((int)level > wanted)
        return;
    pthread_mutex_lock(&lock);
    may = ration_take(&ration, what, clock_monotonic_ms() + 1, &unsaid);
    pthread_mutex_unlock(&lock);
    if (!may)
        return;
    va_start(args, format);
    write_line(level, event, unsaid, format, args);
    va_end(args);
}
