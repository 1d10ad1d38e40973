/*
 * audit.h: recomputes outcomes and dead letters from the inputs, and compares them with those that
 * the stage has written. From outside: it joins no group and writes nothing.
 *
 * Asked at the start, in this order, for the whole audit: where the stage's group stands in its
 * inputs, the cut; where outcomes and dead letters end; where the inputs end. Whatever led to the
 * cut is then in front of the ends of the outputs, and whatever led to an output lies in front of
 * the ends of the inputs: a stage that is behind, or that goes on meanwhile, is no fault. What is
 * comparable with that is told in audit_book.h. A group without offsets has not begun, or, where
 * there are outputs, is taken to be at the end.
 *
 * Then partition by partition: its dead letters, for their word on skewed_time; its inputs, merged
 * as `run` does, beyond the cut also, to know which messages have gone on; its outcomes. Where one
 * is missing, the outcomes are read once more, uncommitted: is it in an aborted transaction?
 *
 * With `from`, messages that began before it are told apart as far as that shows: by their life,
 * or because the first that is heard of them is no send. With `to` the cut is there.
 */
#ifndef UPSHOT_CONSUMER_AUDIT_H
#define UPSHOT_CONSUMER_AUDIT_H

#include "consumer/audit_findings.h"
#include "consumer/topic_range.h"

enum audit_revisions {
    AUDIT_REVISIONS_AUTO, /* every one where the order is known, else the last */
    AUDIT_REVISIONS_ALL,
    AUDIT_REVISIONS_LAST,
};

struct audit_options {
    const struct config *config;
    const struct tables *tables;
    struct replay_range range;
    enum audit_revisions revisions;
    int64_t now_ms; /* the wall clock: what is due later cannot be there */
    /* Told now and then how far it is, in input records of all partitions. May be NULL. */
    void (*progress)(uint64_t done, uint64_t total);
};

/* Returns EXIT_WELL when it has read all, whatever it found; else a complaint is on stderr. */
int audit(const struct audit_options *options, struct audit_findings *findings);

#endif
