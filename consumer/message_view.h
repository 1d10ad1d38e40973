/* message_view.h: one message as /v1/messages shows it, a JSON object. */
#ifndef UPSHOT_CONSUMER_MESSAGE_VIEW_H
#define UPSHOT_CONSUMER_MESSAGE_VIEW_H

#include "schemas/buffer.h"
#include "statemachine/record.h"

/*
 * All that is kept of it: what was seen, what was emitted, what it waits for. Ids that are no UTF-8
 * do not occur: an event with one is a dead letter. Worker -1: none has it.
 */
void message_view(struct buffer *out, const struct table *table, struct text id,
                  const struct record *record, int32_t partition, int worker);

#endif
