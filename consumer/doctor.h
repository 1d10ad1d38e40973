/*
 * doctor.h: an examination of all that the stage stands on, which changes nothing of it.
 *
 * A check looks at one thing and says what it found, a finding a target: well, a warning (it runs,
 * but not as one would wish), or a failure (it does not run, or breaks a promise), the latter two
 * with what to do. Nothing is written to Kafka, and no group is joined.
 */
#ifndef UPSHOT_CONSUMER_DOCTOR_H
#define UPSHOT_CONSUMER_DOCTOR_H

#include "consumer/config.h"

#include <stdbool.h>

enum doctor_check {
#define CHECK(symbol, word, needs, summary) DOCTOR_##symbol,
#include "consumer/doctor.def"
#undef CHECK
    DOCTOR_CHECKS
};

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

extern const char *const doctor_words[DOCTOR_CHECKS];
extern const char *const doctor_summaries[DOCTOR_CHECKS];
extern const char *const doctor_level_words[DOCTOR_FAIL + 1];

struct doctor_finding {
    const char *check;  /* its word */
    const char *target; /* a topic, an address, a property */
    enum doctor_level level;
    const char *text;
    const char *hint; /* what to do; NULL where all is well */
};

/* Gets each finding as soon as there is one; its strings are gone after that. */
struct doctor_listener {
    void (*hear)(void *context, const struct doctor_finding *finding);
    void *context;
};

/* Runs the chosen checks; returns the worst level found. */
enum doctor_level doctor_examine(const struct config *config, const bool chosen[DOCTOR_CHECKS],
                                 const struct doctor_listener *listener);

#endif
