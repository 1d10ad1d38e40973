/* lines.c: read(2) into one buffer that grows to the longest line, up to a bound. */
#include "consumer/lines.h"

#include "statemachine/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18 };

bool lines_open(struct lines *lines, const char *path)
{
    struct stat status;

    *lines = (struct lines){.path = path, .fd = STDIN_FILENO};
    if (strcmp(path, "-") != 0) {
        lines->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (lines->fd < 0)
            return false;
    }
    if (fstat(lines->fd, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            lines_close(lines);
            errno = EISDIR;
            return false;
        }
        if (S_ISREG(status.st_mode))
            lines->bytes_total = (uint64_t)status.st_size;
    }
    lines->room = READ_BYTES;
    lines->buffer = memory_get(lines->room);
    return true;
}

void lines_close(struct lines *lines)
{
    if (lines->fd > STDIN_FILENO)
        close(lines->fd);
    free(lines->buffer);
    *lines = (struct lines){.fd = -1};
}

/* Reads more behind what is there; false at the end or on an error. */
static bool fill(struct lines *lines)
{
    ssize_t size;

    if (lines->from > 0) {
        memmove(lines->buffer, lines->buffer + lines->from, lines->to - lines->from);
        lines->to -= lines->from;
        lines->from = 0;
    }
    if (lines->to == lines->room) {
        lines->room *= 2;
        lines->buffer = memory_resize(lines->buffer, lines->room, 1);
    }
    do
        size = read(lines->fd, lines->buffer + lines->to, lines->room - lines->to);
    while (size < 0 && errno == EINTR);
    if (size <= 0) {
        lines->ended = true;
        lines->error = size < 0 ? errno : 0;
        return false;
    }
    lines->to += (size_t)size;
    lines->bytes_read += (uint64_t)size;
    return true;
}

/* The rest of a line that is too long: counted, not kept. */
static size_t skip_rest(struct lines *lines)
{
    size_t skipped = 0;
    size_t keep_to = lines->from + LINE_MAX_BYTES;

    for (;;) {
        const uint8_t *newline = memchr(lines->buffer + keep_to, '\n', lines->to - keep_to);
        if (newline != NULL) {
            size_t size = (size_t)(newline - lines->buffer) - keep_to;
            memmove(lines->buffer + keep_to, newline, lines->to - keep_to - size);
            lines->to -= size;
            return skipped + size;
        }
        skipped += lines->to - keep_to;
        lines->to = keep_to;
        if (!fill(lines))
            return skipped;
        keep_to = lines->from + LINE_MAX_BYTES;
    }
}

bool lines_next(struct lines *lines, struct line *line)
{
    size_t looked = 0;

    for (;;) {
        size_t size = lines->to - lines->from;
        const uint8_t *start = lines->buffer + lines->from;
        const uint8_t *newline = memchr(start + looked, '\n', size - looked);
        if (newline == NULL && lines->error != 0)
            return false; /* half a line is none: it may even look like one */
        if (newline != NULL || (lines->ended && size > 0)) {
            line->size = newline != NULL ? (size_t)(newline - start) : size;
            line->full_size = line->size;
            if (line->size > LINE_MAX_BYTES)
                line->size = LINE_MAX_BYTES;
            line->bytes = start;
            lines->from += line->full_size + (newline != NULL);
            lines->number++;
            return true;
        }
        if (lines->ended)
            return false;
        if (size > LINE_MAX_BYTES) {
            size_t skipped = skip_rest(lines);
            if (lines->error != 0)
                return false;
            line->bytes = lines->buffer + lines->from;
            line->size = LINE_MAX_BYTES;
            line->full_size = LINE_MAX_BYTES + skipped;
            lines->from += LINE_MAX_BYTES;
            lines->from += lines->from < lines->to; /* the newline that skip_rest() stopped at */
            lines->number++;
            return true;
        }
        looked = size;
        fill(lines);
    }
}

bool lines_next_at_hand(struct lines *lines, struct line *line)
{
    const uint8_t *start = lines->buffer + lines->from;
    const uint8_t *newline = memchr(start, '\n', lines->to - lines->from);

    if (newline == NULL || newline - start > LINE_MAX_BYTES)
        return false;
    *line = (struct line){start, (size_t)(newline - start), (size_t)(newline - start)};
    lines->from += line->size + 1;
    lines->number++;
    return true;
}
