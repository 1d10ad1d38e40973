/*
 * channel_file.h: channel files to tables: the ones built in, one file, or a directory.
 *
 * One path for all: bytes, strict JSON, draft, check, table. What is wrong is told with file,
 * status and words of its own, one line a fault.
 */
#ifndef UPSHOT_SCHEMAS_CHANNEL_FILE_H
#define UPSHOT_SCHEMAS_CHANNEL_FILE_H

#include "schemas/buffer.h"
#include "statemachine/check.h"

enum { CHANNEL_FILE_MAX = 1 << 20 }; /* a table of 62 statuses takes 20 KiB */

/* A channel file that the build put into the binary. */
struct builtin_channel {
    const char *file; /* "sms.json" */
    const unsigned char *bytes;
    size_t size;
};
extern const struct builtin_channel builtin_channels[];
extern const size_t builtin_channel_count;

/*
 * Compiles one channel file's bytes. Returns a table of the caller's, or NULL, with one line
 * "FILE: STATUS: what is wrong\n" (or "FILE: what is wrong\n") a fault appended to `complaints`.
 */
struct table *channel_file_compile(const char *file, const uint8_t *bytes, size_t size,
                                   struct buffer *complaints);

/*
 * Loads every channel: of `path`, a directory (its *.json, in the order of their names) or a
 * file, or the built-in ones where path is NULL. False with complaints; *tables is then empty.
 */
bool channel_files_load(const char *path, struct tables *tables, struct buffer *complaints);

#endif
