/*
 * check.h: proves a draft before it runs (DESIGN 2, "upshot check proves").
 *
 * It says of every fault which status it is about and what is wrong, in words of its own. Not
 * here: what the file's syntax can get wrong (schemas/channel_file.h).
 */
#ifndef UPSHOT_STATEMACHINE_CHECK_H
#define UPSHOT_STATEMACHINE_CHECK_H

#include "statemachine/table.h"

enum { FAULTS_MAX = 32, FAULT_TEXT_MAX = 240 };

struct fault {
    char status[STATUS_NAME_MAX + 1]; /* empty: about the channel as a whole */
    char text[FAULT_TEXT_MAX];
};

struct faults {
    size_t count; /* may be larger than FAULTS_MAX: only the first ones are kept */
    struct fault rows[FAULTS_MAX];
};

/* Adds a fault; status may be NULL. */
__attribute__((format(printf, 3, 4))) void faults_add(struct faults *faults, const char *status,
                                                      const char *format, ...);

/* Adds what is wrong with the draft; adds nothing when it is sound. */
void check_draft(const struct draft *draft, struct faults *faults);

/* Proves the compiled table: every cell defined, and the state is the maximum in any order. */
void check_table(const struct table *table, struct faults *faults);

#endif
