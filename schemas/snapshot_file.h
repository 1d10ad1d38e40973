/*
 * snapshot_file.h: one task's state in a local file, as bytes and back. Not where the file lies,
 * nor whether it may be used (consumer/snapshot_reader.h).
 *
 *   magic                            16 bytes
 *   frame 0      facts               whose state this is, and where reading the topic goes on
 *   frames 1..n  pairs               keys and values as the state topic has them (state_record.h)
 *   last frame   end                 how many there were: always the same size, so it is read first
 *
 * A frame is { size of its body (4), kind (1), body, checksum (8) }, all numbers least byte first.
 * The checksum is XXH3 over all before it, seeded by the file's own random number and the frame's
 * place, so that a frame of another file, or of another place, is no good frame; the end carries
 * one over all checksums. A reader trusts nothing.
 */
#ifndef UPSHOT_SCHEMAS_SNAPSHOT_FILE_H
#define UPSHOT_SCHEMAS_SNAPSHOT_FILE_H

#include "schemas/buffer.h"
#include "statemachine/text.h"

enum {
    SNAPSHOT_VERSION = 2, /* version 1 knew no seed; it is read, too */
    SNAPSHOT_MAGIC_SIZE = 16,
    SNAPSHOT_FRAME_HEAD = 5,
    SNAPSHOT_FRAME_TAIL = 8,
    SNAPSHOT_END_SIZE = SNAPSHOT_FRAME_HEAD + 32 + SNAPSHOT_FRAME_TAIL,
    /* A frame of pairs is closed when it is larger than this: a millisecond's work. */
    SNAPSHOT_PAIRS_FULL = 128 * 1024,
    /*
     * Largest body: a part of a walk is what one segment of the index holds (832 records), and each
     * may be as large as bounds.h allows (16 KiB).
     */
    SNAPSHOT_BODY_MAX = 16 * 1024 * 1024,
};

/* Whose state it is. */
struct snapshot_facts {
    struct text app_id;
    struct text state_topic;
    struct text cluster; /* empty: it was not known */
    uint32_t partition, partitions;
    uint64_t tables;     /* snapshot_tables_digest() of the writer's */
    int64_t created_ms;  /* wall clock, when its first part was taken */
    int64_t offset;      /* of the control record below: what the topic has since is missing */
    struct text control; /* value of the last control record before the first part */
    /*
     * Of the index whose order the pairs are in: one that is seeded alike is filled from its
     * beginning to its end. 0: not known.
     */
    uint64_t seed;
};

struct snapshot_end {
    uint64_t pairs;
    uint64_t frames;    /* of pairs */
    int64_t valid_from; /* the image is whole once the topic was read to this next offset */
};

/* What a writer or a reader carries from frame to frame. */
struct snapshot_seal {
    uint64_t file;  /* the file's random number */
    uint64_t frame; /* number of the next one */
    uint64_t pairs; /* so far */
    uint64_t chain; /* over all checksums */
};

enum snapshot_fault {
    SNAPSHOT_GOOD,
    SNAPSHOT_FOREIGN, /* no snapshot at all */
    SNAPSHOT_TOO_NEW, /* a version that this program does not know */
    SNAPSHOT_TORN,    /* it ends too early */
    SNAPSHOT_CORRUPT, /* a checksum, a size or a count is wrong */
};

extern const char *const snapshot_fault_words[];

/* ---- writing: head, then frames of pairs, then the end ---- */

void snapshot_put_head(struct buffer *out, const struct snapshot_facts *facts, uint64_t file,
                       struct snapshot_seal *seal);

/*
 * Opens a frame of pairs at the end of an empty buffer. A pair is what is put between
 * snapshot_begin_key() and snapshot_end_pair(), key and value divided by snapshot_begin_value().
 */
struct snapshot_pair {
    size_t at; /* of the pair, in the buffer */
    size_t value_at;
};
void snapshot_open_pairs(struct buffer *out);
struct snapshot_pair snapshot_begin_key(struct buffer *out);
void snapshot_begin_value(struct buffer *out, struct snapshot_pair *pair);
void snapshot_end_pair(struct buffer *out, const struct snapshot_pair *pair,
                       struct snapshot_seal *seal);
void snapshot_close_pairs(struct buffer *out, struct snapshot_seal *seal);

void snapshot_put_end(struct buffer *out, int64_t valid_from, struct snapshot_seal *seal);

/* ---- reading ---- */

/*
 * Reads magic and facts from the first bytes of a file (all of it, or at least
 * SNAPSHOT_HEAD_MAX); texts borrow from them. *used is what they took.
 */
enum { SNAPSHOT_HEAD_MAX = 65536 };
enum snapshot_fault snapshot_read_head(const uint8_t *bytes, size_t size,
                                       struct snapshot_facts *facts, size_t *used,
                                       struct snapshot_seal *seal);

/* Reads the last SNAPSHOT_END_SIZE bytes, which say what to expect; before the frames or after. */
enum snapshot_fault snapshot_read_end(const uint8_t bytes[SNAPSHOT_END_SIZE],
                                      const struct snapshot_seal *seal, struct snapshot_end *end,
                                      uint64_t *chain);

/* Size of the frame that begins with these SNAPSHOT_FRAME_HEAD bytes; 0: none can begin so. */
size_t snapshot_frame_size(const uint8_t *bytes);

/* Checks a whole frame, and all its pairs' shapes, and gives where they are. */
enum snapshot_fault snapshot_read_pairs(const uint8_t *frame, size_t size,
                                        struct snapshot_seal *seal, struct text *pairs);

/* Takes the next pair off; false at the end. */
bool snapshot_next(struct text *pairs, struct text *key, struct text *value);

/* Were those all the frames, and nothing else? Asked at the end. */
enum snapshot_fault snapshot_compare_end(const struct snapshot_seal *seal,
                                         const struct snapshot_end *end, uint64_t chain);

#endif
