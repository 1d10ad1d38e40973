/*
 * trouble.h: which of Kafka's errors no patience will cure, and what a person can do about each.
 *
 * A broker that is away comes back, and is waited for. A right that is refused, a batch that cannot
 * be read or a record that is too large stays so until somebody changes something: then the stage
 * says which, once, and ends.
 */
#ifndef UPSHOT_CONSUMER_TROUBLE_H
#define UPSHOT_CONSUMER_TROUBLE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

struct trouble {
    rd_kafka_resp_err_t error;
    const char *event; /* first word of the line */
    const char *hint;
    bool may_pass; /* it may be said for a moment: hopeless when it lasts */
};

/* NULL: it may pass by itself. */
const struct trouble *trouble_of(rd_kafka_resp_err_t error);

/*
 * What a broken connection's text (librdkafka's) tells of the other end: a hint, or NULL where it
 * is only a broker that is away.
 */
const char *trouble_at_address(const char *text);

#endif
