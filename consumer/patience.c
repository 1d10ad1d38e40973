/* patience.c: an error that may pass, not for too long, and a pause. */
#include "consumer/patience.h"

#include "consumer/clock.h"
#include "consumer/trouble.h"

enum { PAUSE_MS = 200 };

bool patience_again(rd_kafka_resp_err_t error, int64_t start_ms)
{
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || trouble_of(error) != NULL ||
        clock_monotonic_ms() - start_ms >= PATIENCE_MS)
        return false;
    clock_sleep_ms(PAUSE_MS);
    return true;
}
