/*
 * lines.h: a file's lines, one at a time, in bounded memory.
 *
 * A line longer than LINE_MAX_BYTES is handed out cut, with the size it had.
 */
#ifndef UPSHOT_CONSUMER_LINES_H
#define UPSHOT_CONSUMER_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_MAX_BYTES = 32 << 20 }; /* the largest event in base64 in an envelope, with headers */

struct lines {
    const char *path; /* as given; "-" is standard input */
    int fd;
    uint8_t *buffer;
    size_t room, from, to;
    int64_t number; /* of the line last handed out, from 1 */
    uint64_t bytes_read;
    uint64_t bytes_total; /* 0: not known (a pipe) */
    bool ended;
    int error; /* errno of a failed read */
};

/* False with errno set. The path is borrowed. */
bool lines_open(struct lines *lines, const char *path);
void lines_close(struct lines *lines);

struct line {
    const uint8_t *bytes; /* without the newline; good until the next lines_next() */
    size_t size;
    size_t full_size; /* larger than size: cut */
};

/* False at the end, or with lines->error set. */
bool lines_next(struct lines *lines, struct line *line);

/*
 * The next line if it has been read already, whole: asks nobody, and leaves the lines handed out
 * before where they are. False: lines_next() knows more.
 */
bool lines_next_at_hand(struct lines *lines, struct line *line);

#endif
