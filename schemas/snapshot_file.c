/* snapshot_file.c: frames with checksums that know their place. */
#include "schemas/snapshot_file.h"

#include "statemachine/bounds.h"
#include "statemachine/require.h"

#include <string.h>
#include <xxhash.h>

static const char magic[SNAPSHOT_MAGIC_SIZE + 1] = "upshot snapshot\n";

enum { KIND_FACTS = 'f', KIND_PAIRS = 'p', KIND_END = 'e' };

const char *const snapshot_fault_words[] = {
    [SNAPSHOT_GOOD] = "good", [SNAPSHOT_FOREIGN] = "foreign", [SNAPSHOT_TOO_NEW] = "too_new",
    [SNAPSHOT_TORN] = "torn", [SNAPSHOT_CORRUPT] = "corrupt",
};

/* ---- numbers ---------------------------------------------------------------------------- */

static void poke(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t peek(const uint8_t *at, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void put_number(struct buffer *out, uint64_t value)
{
    uint8_t *at = buffer_reserve(out, 8);

    if (at == NULL)
        return;
    poke(at, value, 8);
    out->size += 8;
}

static void put_text(struct buffer *out, struct text text)
{
    buffer_put_varint(out, text.size);
    buffer_put(out, text.bytes, text.size);
}

/* ---- frames ----------------------------------------------------------------------------- */

static uint64_t checksum(const uint8_t *frame, size_t size, uint64_t file, uint64_t number)
{
    return XXH3_64bits_withSeed(frame, size, file + number * UINT64_C(0x9e3779b97f4a7c15));
}

static size_t open_frame(struct buffer *out, uint8_t kind)
{
    size_t at = out->size;
    uint8_t *head = buffer_reserve(out, SNAPSHOT_FRAME_HEAD);

    if (head != NULL) {
        head[4] = kind;
        out->size += SNAPSHOT_FRAME_HEAD;
    }
    return at;
}

static void close_frame(struct buffer *out, size_t at, uint64_t number, struct snapshot_seal *seal)
{
    uint64_t sum;

    if (out->failed)
        return;
    require(out->size - at - SNAPSHOT_FRAME_HEAD <= SNAPSHOT_BODY_MAX);
    poke(out->bytes + at, out->size - at - SNAPSHOT_FRAME_HEAD, 4);
    sum = checksum(out->bytes + at, out->size - at, seal->file, number);
    put_number(out, sum);
    seal->chain = XXH3_64bits_withSeed(&sum, sizeof(sum), seal->chain);
}

/* The number in the last frame's seed: no frame of pairs ever has it. */
enum { NUMBER_OF_END = -1 };

/* ---- writing ---------------------------------------------------------------------------- */

void snapshot_put_head(struct buffer *out, const struct snapshot_facts *facts, uint64_t file,
                       struct snapshot_seal *seal)
{
    size_t at;

    *seal = (struct snapshot_seal){0}; /* the head's checksum is seeded by nothing: it brings it */
    buffer_put(out, magic, SNAPSHOT_MAGIC_SIZE);
    at = open_frame(out, KIND_FACTS);
    buffer_put_varint(out, SNAPSHOT_VERSION);
    put_number(out, file);
    put_text(out, facts->app_id);
    put_text(out, facts->state_topic);
    put_text(out, facts->cluster);
    buffer_put_varint(out, facts->partition);
    buffer_put_varint(out, facts->partitions);
    put_number(out, facts->tables);
    put_number(out, (uint64_t)facts->created_ms);
    put_number(out, (uint64_t)facts->offset);
    put_text(out, facts->control);
    put_number(out, facts->seed);
    close_frame(out, at, 0, seal);
    seal->file = file;
    seal->frame = 1;
}

void snapshot_open_pairs(struct buffer *out)
{
    require(out->size == 0);
    open_frame(out, KIND_PAIRS);
}

struct snapshot_pair snapshot_begin_key(struct buffer *out)
{
    struct snapshot_pair pair = {.at = out->size};

    if (buffer_reserve(out, 4) != NULL)
        out->size += 4;
    return pair;
}

void snapshot_begin_value(struct buffer *out, struct snapshot_pair *pair)
{
    pair->value_at = out->size;
}

void snapshot_end_pair(struct buffer *out, const struct snapshot_pair *pair,
                       struct snapshot_seal *seal)
{
    size_t key_size = pair->value_at - pair->at - 4, value_size = out->size - pair->value_at;

    if (out->failed)
        return;
    require(key_size <= UINT16_MAX && value_size <= UINT16_MAX); /* bounds.h: 16 KiB at most */
    poke(out->bytes + pair->at, key_size, 2);
    poke(out->bytes + pair->at + 2, value_size, 2);
    seal->pairs++;
}

void snapshot_close_pairs(struct buffer *out, struct snapshot_seal *seal)
{
    close_frame(out, 0, seal->frame++, seal);
}

void snapshot_put_end(struct buffer *out, int64_t valid_from, struct snapshot_seal *seal)
{
    size_t at = open_frame(out, KIND_END);

    put_number(out, seal->pairs);
    put_number(out, seal->frame - 1);
    put_number(out, (uint64_t)valid_from);
    put_number(out, seal->chain);
    close_frame(out, at, (uint64_t)NUMBER_OF_END, seal);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* Body of a frame whose size, kind and checksum are right. */
static bool open_body(const uint8_t *frame, size_t size, uint8_t kind, uint64_t number,
                      struct snapshot_seal *seal, struct text *body)
{
    size_t head = SNAPSHOT_FRAME_HEAD, tail = SNAPSHOT_FRAME_TAIL;
    uint64_t sum;

    if (size < head + tail || snapshot_frame_size(frame) != size || frame[4] != kind)
        return false;
    sum = peek(frame + size - tail, 8);
    if (sum != checksum(frame, size - tail, seal->file, number))
        return false;
    seal->chain = XXH3_64bits_withSeed(&sum, sizeof(sum), seal->chain);
    *body = (struct text){.bytes = frame + head, .size = (uint32_t)(size - head - tail)};
    return true;
}

size_t snapshot_frame_size(const uint8_t *bytes)
{
    uint64_t body = peek(bytes, 4);

    return body > SNAPSHOT_BODY_MAX ? 0 : SNAPSHOT_FRAME_HEAD + body + SNAPSHOT_FRAME_TAIL;
}

/* A cursor that remembers that it ran over. */
struct reader {
    struct text rest;
    bool bad;
};

static const uint8_t *take(struct reader *in, uint64_t size)
{
    const uint8_t *at = in->rest.bytes;

    if (in->bad || size > in->rest.size) {
        in->bad = true;
        return NULL;
    }
    in->rest.bytes += size;
    in->rest.size -= (uint32_t)size;
    return at;
}

static uint64_t take_number(struct reader *in)
{
    const uint8_t *at = take(in, 8);

    return at == NULL ? 0 : peek(at, 8);
}

static uint64_t take_varint(struct reader *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t *byte = take(in, 1);
        if (byte == NULL)
            return 0;
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if (*byte < 0x80)
            return value;
    }
    in->bad = true;
    return 0;
}

static struct text take_text(struct reader *in)
{
    uint64_t size = take_varint(in);
    const uint8_t *at = take(in, size);

    return at == NULL ? (struct text){0} : (struct text){.bytes = at, .size = (uint32_t)size};
}

enum snapshot_fault snapshot_read_head(const uint8_t *bytes, size_t size,
                                       struct snapshot_facts *facts, size_t *used,
                                       struct snapshot_seal *seal)
{
    struct reader in = {0};
    uint64_t version, partition, partitions;
    size_t frame;

    *seal = (struct snapshot_seal){0};
    *facts = (struct snapshot_facts){0};
    if (memcmp(bytes, magic, size < SNAPSHOT_MAGIC_SIZE ? size : SNAPSHOT_MAGIC_SIZE) != 0)
        return SNAPSHOT_FOREIGN;
    if (size < SNAPSHOT_MAGIC_SIZE + SNAPSHOT_FRAME_HEAD)
        return SNAPSHOT_TORN;
    frame = snapshot_frame_size(bytes + SNAPSHOT_MAGIC_SIZE);
    if (frame == 0 || frame > SNAPSHOT_HEAD_MAX - SNAPSHOT_MAGIC_SIZE)
        return SNAPSHOT_CORRUPT;
    if (frame > size - SNAPSHOT_MAGIC_SIZE)
        return SNAPSHOT_TORN;
    if (!open_body(bytes + SNAPSHOT_MAGIC_SIZE, frame, KIND_FACTS, 0, seal, &in.rest))
        return SNAPSHOT_CORRUPT;
    version = take_varint(&in);
    if (!in.bad && (version == 0 || version > SNAPSHOT_VERSION))
        return SNAPSHOT_TOO_NEW;
    seal->file = take_number(&in);
    facts->app_id = take_text(&in);
    facts->state_topic = take_text(&in);
    facts->cluster = take_text(&in);
    partition = take_varint(&in);
    partitions = take_varint(&in);
    facts->partition = (uint32_t)partition;
    facts->partitions = (uint32_t)partitions;
    facts->tables = take_number(&in);
    facts->created_ms = (int64_t)take_number(&in);
    facts->offset = (int64_t)take_number(&in);
    facts->control = take_text(&in);
    facts->seed = version >= 2 ? take_number(&in) : 0;
    if (in.bad || in.rest.size > 0 || partition > INT32_MAX || partitions > INT32_MAX ||
        facts->offset < 0 || facts->created_ms < 0 || facts->created_ms > TIME_MAX_MS)
        return SNAPSHOT_CORRUPT;
    seal->frame = 1;
    *used = SNAPSHOT_MAGIC_SIZE + frame;
    return SNAPSHOT_GOOD;
}

enum snapshot_fault snapshot_read_end(const uint8_t bytes[SNAPSHOT_END_SIZE],
                                      const struct snapshot_seal *seal, struct snapshot_end *end,
                                      uint64_t *chain)
{
    struct snapshot_seal scratch = *seal;
    struct reader in = {0};

    /* What does not end in an end was cut off, or never finished. */
    if (!open_body(bytes, SNAPSHOT_END_SIZE, KIND_END, (uint64_t)NUMBER_OF_END, &scratch, &in.rest))
        return SNAPSHOT_TORN;
    end->pairs = take_number(&in);
    end->frames = take_number(&in);
    end->valid_from = (int64_t)take_number(&in);
    *chain = take_number(&in);
    return end->valid_from < 0 ? SNAPSHOT_CORRUPT : SNAPSHOT_GOOD;
}

/* Size of the pair that the text begins with; 0: it does not begin with one. */
static size_t pair_size(struct text pairs)
{
    size_t size;

    if (pairs.size < 4)
        return 0;
    size = 4 + (size_t)peek(pairs.bytes, 2) + (size_t)peek(pairs.bytes + 2, 2);
    return size > pairs.size ? 0 : size;
}

enum snapshot_fault snapshot_read_pairs(const uint8_t *frame, size_t size,
                                        struct snapshot_seal *seal, struct text *pairs)
{
    struct text rest;

    if (!open_body(frame, size, KIND_PAIRS, seal->frame, seal, pairs))
        return SNAPSHOT_CORRUPT;
    seal->frame++;
    for (rest = *pairs; rest.size > 0; seal->pairs++) {
        size_t one = pair_size(rest);
        if (one == 0)
            return SNAPSHOT_CORRUPT;
        rest.bytes += one;
        rest.size -= (uint32_t)one;
    }
    return SNAPSHOT_GOOD;
}

bool snapshot_next(struct text *pairs, struct text *key, struct text *value)
{
    size_t size = pair_size(*pairs), key_size;

    if (size == 0)
        return false;
    key_size = (size_t)peek(pairs->bytes, 2);
    *key = (struct text){.bytes = pairs->bytes + 4, .size = (uint32_t)key_size};
    *value = (struct text){.bytes = pairs->bytes + 4 + key_size,
                           .size = (uint32_t)(size - 4 - key_size)};
    pairs->bytes += size;
    pairs->size -= (uint32_t)size;
    return true;
}

enum snapshot_fault snapshot_compare_end(const struct snapshot_seal *seal,
                                         const struct snapshot_end *end, uint64_t chain)
{
    return seal->pairs == end->pairs && seal->frame - 1 == end->frames && seal->chain == chain
               ? SNAPSHOT_GOOD
               : SNAPSHOT_CORRUPT;
}
