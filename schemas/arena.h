/*
 * arena.h: memory for the length of one event, given to cJSON through its hooks.
 *
 * One arena a thread. cJSON's hooks are process-wide, so arena_hook_cjson() is called once at
 * start; a thread that has no arena open gets plain malloc. free() of arena memory does nothing.
 */
#ifndef UPSHOT_SCHEMAS_ARENA_H
#define UPSHOT_SCHEMAS_ARENA_H

#include <stddef.h>

void arena_hook_cjson(void);

/* From here on, this thread's cJSON memory comes from its arena. */
void arena_open(void);

/* Forgets all that was allocated since arena_open(); every cJSON tree of it is gone. */
void arena_close(void);

/* Gives the thread's arena back, when the thread ends. */
void arena_release(void);

#endif
