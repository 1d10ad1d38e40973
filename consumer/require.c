/* require.c: how this program dies when a promise of its own is broken. */
#include "statemachine/require.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void require_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "broken_promise claim=\"%s\" at=%s:%d\n", claim, file, line);
    abort();
}
