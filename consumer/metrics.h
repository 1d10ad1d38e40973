/*
 * metrics.h: Prometheus' text format, version 0.0.4, of an overview. What there is stands in
 * metrics.def.
 */
#ifndef UPSHOT_CONSUMER_METRICS_H
#define UPSHOT_CONSUMER_METRICS_H

#include "consumer/kafka_statistics.h"
#include "consumer/overview.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends the whole page. Nothing of *stage but what never changes, and atomics, is read. */
void metrics_print(struct buffer *out, const struct stage *stage, const struct tables *tables,
                   const struct overview *overview, const struct kafka_statistics *statistics);

#endif
