/* overview_view.h: /v1/overview, what the page shows each second, as JSON. */
#ifndef UPSHOT_CONSUMER_OVERVIEW_VIEW_H
#define UPSHOT_CONSUMER_OVERVIEW_VIEW_H

#include "consumer/history.h"
#include "consumer/overview.h"

/* Appends one JSON object. */
void overview_view(struct buffer *out, const struct stage *stage, const struct tables *tables,
                   const struct overview *overview, const struct history *history);

/* Appends {"status":...}: why a process is not ready, in words. */
void readiness_view(struct buffer *out, const struct overview *overview);

#endif
