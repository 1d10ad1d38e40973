/* drawing.h: a channel's machine, drawn: statuses by phase, and the ways between them. */
#ifndef UPSHOT_CONSUMER_DRAWING_H
#define UPSHOT_CONSUMER_DRAWING_H

#include "schemas/buffer.h"
#include "statemachine/table.h"

#include <stdatomic.h>

/*
 * Append the whole drawing. `all`: every way that a status lists, the long ones pale. In dot, and
 * in the svg made of it, a status is the node "state-NAME" in lower case; "state-" is none yet.
 */
void drawing_dot(struct buffer *out, const struct table *table, bool all);
void drawing_mermaid(struct buffer *out, const struct table *table, bool all);

enum drawing_result {
    DRAWING_MADE,
    DRAWING_NO_DOT, /* graphviz cannot be run; errno is not set */
    DRAWING_FAILED,
};

/*
 * Appends an svg document, which graphviz' dot makes, in half a minute at most; it is not waited
 * for any longer once *give_up is set (NULL: never).
 */
enum drawing_result drawing_svg(struct buffer *out, const struct table *table, bool all,
                                const atomic_bool *give_up);

/* Those that the build put into the binary: none where it had no dot. */
struct builtin_drawing {
    const char *channel;
    uint64_t digest; /* of the table that is drawn */
    const unsigned char *svg;
    size_t size;
};
extern const struct builtin_drawing builtin_drawings[];
extern const size_t builtin_drawing_count;

#endif
