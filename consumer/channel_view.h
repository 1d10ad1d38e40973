/* channel_view.h: /v1/channels: the tables as they were compiled, as JSON. */
#ifndef UPSHOT_CONSUMER_CHANNEL_VIEW_H
#define UPSHOT_CONSUMER_CHANNEL_VIEW_H

#include "schemas/buffer.h"
#include "statemachine/table.h"

/* Appends a list of the channels; drawn: those that have a drawing, by their index. */
void channels_view(struct buffer *out, const struct tables *tables,
                   const bool drawn[CHANNELS_MAX]);

/* Appends one table: every status, the weakest first, with what it comes to. */
void channel_view(struct buffer *out, const struct table *table);

#endif
