/* nearest.h: the name that was probably meant, for a complaint about one that does not exist. */
#ifndef UPSHOT_SCHEMAS_NEAREST_H
#define UPSHOT_SCHEMAS_NEAREST_H

#include <stddef.h>

/*
 * Edit distance of two names (insert, delete, replace, swap of neighbours each count 1), letters
 * compared without case. Names over 64 bytes are far from everything.
 */
unsigned edit_distance(const char *a, const char *b);

/* The nearest of `count` names, NULL where none is near (more than a third of the letters off). */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
