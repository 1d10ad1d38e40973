/*
 * supervisor.h: what the service manager hears of a running stage, and when.
 *
 * READY=1 once every worker has its share of the partitions and all of it restored; a status line
 * when it changes; WATCHDOG=1 for as long as every worker comes by; STOPPING=1. It is told facts,
 * and keeps no clock.
 */
#ifndef UPSHOT_CONSUMER_SUPERVISOR_H
#define UPSHOT_CONSUMER_SUPERVISOR_H

#include "consumer/notify.h"

struct supervisor {
    struct notify notify;
    bool ready; /* it was told */
    bool stopping;
    int64_t status_ms, watched_ms; /* monotonic: when each was told last; 0: never */
    long long outcomes;            /* by then */
    char status[160];
};

struct supervisor_facts {
    bool consuming;     /* every worker, all that is its share */
    long long tasks;    /* restored, and consuming */
    long long live;     /* messages held */
    long long outcomes; /* since the start */
    long long restoring, percent, eta_s; /* tasks under restore; eta_s -1: not known */
    int64_t silent_ms;                   /* the worker that has not come by for the longest */
};

void supervisor_open(struct supervisor *supervisor);

/* Before there is anything to tell facts of: whom it waits for. */
void supervisor_waits(struct supervisor *supervisor, const char *brokers);

/* Often, some times a second; now_ms is monotonic and above 0. */
void supervisor_look(struct supervisor *supervisor, const struct supervisor_facts *facts,
                     int64_t now_ms);

/* It ends, by whatever reason. Told once. */
void supervisor_stops(struct supervisor *supervisor);

void supervisor_close(struct supervisor *supervisor);

#endif
