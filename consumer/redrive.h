/*
 * redrive.h: dead letters, back onto their input topics (DESIGN 4).
 *
 * Key, value and headers are the original's; upshot's headers are taken off, and upshot-redriven is
 * put on, which counts how often. A redrive has a name, which is its consumer group and its
 * transactional id: the records and the position behind their letters are committed together, so a
 * letter is put back once, whenever the process dies. It ends where the dead-letter topic ended
 * when it began: what dies again meanwhile is for the next run.
 *
 * Timestamps: a record gets back the one that it had. Deadlines follow it, so its message settles
 * as it would have, had the record been readable at first (DESIGN 3); a watermark does not go back,
 * and what is due already is due at once. Where it opens a life, that is dated as it would have
 * been. A topic with LogAppendTime dates it anew in any case.
 */
#ifndef UPSHOT_CONSUMER_REDRIVE_H
#define UPSHOT_CONSUMER_REDRIVE_H

#include "consumer/config.h"
#include "schemas/reason.h"

enum fate {
#define FATE(symbol, word, refused, meaning) FATE_##symbol,
#include "consumer/redrive.def"
#undef FATE
    FATE_COUNT
};

extern const char *const fate_words[FATE_COUNT];
extern const char *const fate_meanings[FATE_COUNT];

/* Was it asked for, and cannot be done? */
extern const bool fate_refused[FATE_COUNT];

struct redrive_source {
    const char *topic;
    size_t topic_size;
    int32_t partition; /* -1: all */
};

enum { REDRIVE_SOURCES_MAX = 64 };

struct redrive_options {
    bool reasons[REASON_COUNT]; /* none set: all */
    struct redrive_source sources[REDRIVE_SOURCES_MAX];
    size_t source_count;     /* 0: all */
    int64_t from_ms, to_ms;  /* of the time a letter was written; to is exclusive */
    uint32_t most;           /* put back so often already: no more */
    bool now;                /* dated now, not as it was */
    bool dry_run;            /* one line each to stdout, and nothing is done */
    const char *name;        /* group and transactional id */
};

struct redrive_counts {
    uint64_t letters[FATE_COUNT];
    uint64_t undated; /* moved with the letter's own time, for nothing says the record's */
};

/* Returns an exit code; the counts are of what was committed, or would be. */
int redrive(const struct config *config, const struct redrive_options *options,
            struct redrive_counts *counts);

#endif
