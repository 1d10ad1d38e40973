/*
 * patience.h: a question to the brokers, asked again for as long as that is of any use.
 *
 * For commands that end. A broker that is away, a coordinator that has just come to its group and
 * reads what is known of it, an offset that a transaction is about to change: all of that passes.
 * What no patience cures is in trouble.h.
 */
#ifndef UPSHOT_CONSUMER_PATIENCE_H
#define UPSHOT_CONSUMER_PATIENCE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

enum { PATIENCE_MS = 60000 };

/*
 * Whether to ask once more, which was first done at `start_ms` (clock.h, monotonic) and has just
 * given this error. It pauses before it says yes. No: there is none, or it will not pass.
 */
bool patience_again(rd_kafka_resp_err_t error, int64_t start_ms);

#endif
