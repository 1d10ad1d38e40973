/* clock.h: the only clocks of the program. Nothing below consumer/ may see them. */
#ifndef UPSHOT_CONSUMER_CLOCK_H
#define UPSHOT_CONSUMER_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);

#endif
