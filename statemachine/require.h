/*
 * require.h: a broken promise of ours stops the process, in release builds too.
 *
 * Not for bad input: that is an outcome (a dead letter, a fault with file and line). The host
 * program says how it dies, for the core does no I/O.
 */
#ifndef UPSHOT_STATEMACHINE_REQUIRE_H
#define UPSHOT_STATEMACHINE_REQUIRE_H

/* Defined by the host (consumer/require.c): reports and aborts, never returns. */
_Noreturn void require_failed(const char *claim, const char *file, int line);

#define require(claim) ((claim) ? (void)0 : require_failed(#claim, __FILE__, __LINE__))

#endif
