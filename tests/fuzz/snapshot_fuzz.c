/*
 * snapshot_fuzz.c: any bytes as a snapshot file, and what must hold of whatever is believed.
 *
 * The first byte says what the rest is: a whole file, or the body of its first frame, of a frame of
 * pairs or of its end; those get their checksums here, for no search would ever guess one.
 */
#include "schemas/snapshot_file.h"
#include "statemachine/bounds.h"
#include "statemachine/require.h"

#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_FILE, AS_HEAD, AS_PAIRS, AS_END, WAYS };

static bool within(struct text text, const uint8_t *bytes, size_t size)
{
    return text.size == 0 || (text.bytes >= bytes && text.bytes + text.size <= bytes + size);
}

static void put_number(struct buffer *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buffer_put_byte(out, (uint8_t)(value >> (8 * i)));
}

static void put_frame(struct buffer *out, uint8_t kind, const uint8_t *body, size_t size,
                      uint64_t seed)
{
    size_t at = out->size;

    put_number(out, size, 4);
    buffer_put_byte(out, kind);
    buffer_put(out, body, size);
    put_number(out, XXH3_64bits_withSeed(out->bytes + at, out->size - at, seed), 8);
}

static void check_head(const uint8_t *bytes, size_t size, const struct snapshot_facts *facts,
                       size_t used)
{
    require(used <= size);
    require(within(facts->app_id, bytes, used) && within(facts->state_topic, bytes, used));
    require(within(facts->cluster, bytes, used) && within(facts->control, bytes, used));
    require(facts->partition <= INT32_MAX && facts->partitions <= INT32_MAX);
    require(facts->offset >= 0 && facts->created_ms >= 0 && facts->created_ms <= TIME_MAX_MS);
}

static void check_pairs(struct text pairs, struct snapshot_seal *seal, uint64_t before)
{
    struct text all = pairs, key, value;
    size_t total = 0;
    uint64_t count = 0;

    while (snapshot_next(&pairs, &key, &value)) {
        require(within(key, all.bytes, all.size) && within(value, all.bytes, all.size));
        total += 4 + key.size + value.size;
        count++;
    }
    require(total == all.size); /* a frame whose shape is wrong was not believed */
    require(seal->pairs == before + count);
}

static void try_file(const uint8_t *bytes, size_t size)
{
    struct snapshot_facts facts;
    struct snapshot_seal seal;
    struct snapshot_end end;
    struct text pairs;
    uint64_t chain;
    size_t at = 0;

    if (snapshot_read_head(bytes, size < SNAPSHOT_HEAD_MAX ? size : SNAPSHOT_HEAD_MAX, &facts, &at,
                           &seal) == SNAPSHOT_GOOD)
        check_head(bytes, size, &facts, at);
    else
        at = 0;
    if (size >= SNAPSHOT_END_SIZE)
        snapshot_read_end(bytes + size - SNAPSHOT_END_SIZE, &seal, &end, &chain);
    while (size - at >= SNAPSHOT_FRAME_HEAD) {
        size_t frame = snapshot_frame_size(bytes + at);
        uint64_t before = seal.pairs;
        if (frame == 0 || frame > size - at)
            return;
        require(frame <= SNAPSHOT_FRAME_HEAD + SNAPSHOT_BODY_MAX + SNAPSHOT_FRAME_TAIL);
        if (snapshot_read_pairs(bytes + at, frame, &seal, &pairs) != SNAPSHOT_GOOD)
            return;
        check_pairs(pairs, &seal, before);
        at += frame;
    }
}

static void try_head(const uint8_t *body, size_t size)
{
    struct snapshot_facts facts;
    struct snapshot_seal seal;
    struct buffer file = {0};
    size_t used;

    buffer_put(&file, "upshot snapshot\n", SNAPSHOT_MAGIC_SIZE);
    put_frame(&file, 'f', body, size, 0);
    if (snapshot_read_head(file.bytes, file.size, &facts, &used, &seal) == SNAPSHOT_GOOD) {
        struct snapshot_facts again;
        struct snapshot_seal new_seal;
        struct buffer second = {0};
        check_head(file.bytes, file.size, &facts, used);
        /* Whatever odd way it was written in, ours says the same. */
        snapshot_put_head(&second, &facts, seal.file, &new_seal);
        require(snapshot_read_head(second.bytes, second.size, &again, &used, &seal) ==
                SNAPSHOT_GOOD);
        require(text_equal(facts.app_id, again.app_id) && facts.tables == again.tables);
        require(text_equal(facts.control, again.control) && facts.offset == again.offset);
        require(new_seal.chain == seal.chain && new_seal.file == seal.file);
        buffer_release(&second);
    }
    try_file(file.bytes, file.size);
    buffer_release(&file);
}

static void try_pairs(const uint8_t *body, size_t size)
{
    struct snapshot_seal seal = {0};
    struct buffer frame = {0};
    struct text pairs;

    put_frame(&frame, 'p', body, size, 0);
    if (snapshot_read_pairs(frame.bytes, frame.size, &seal, &pairs) == SNAPSHOT_GOOD)
        check_pairs(pairs, &seal, 0);
    buffer_release(&frame);
}

static void try_end(const uint8_t *body, size_t size)
{
    struct snapshot_seal seal = {0};
    struct snapshot_end end;
    struct buffer frame = {0};
    uint8_t bytes[32] = {0};
    uint64_t chain;

    memcpy(bytes, body, size < sizeof(bytes) ? size : sizeof(bytes));
    put_frame(&frame, 'e', bytes, sizeof(bytes), 0 - UINT64_C(0x9e3779b97f4a7c15));
    require(frame.size == SNAPSHOT_END_SIZE);
    if (snapshot_read_end(frame.bytes, &seal, &end, &chain) == SNAPSHOT_GOOD)
        require(end.valid_from >= 0);
    else
        require(bytes[23] >= 0x80); /* all that can be wrong with it */
    buffer_release(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % WAYS) {
    case AS_FILE:
        try_file(data + 1, size - 1);
        break;
    case AS_HEAD:
        try_head(data + 1, size - 1);
        break;
    case AS_PAIRS:
        try_pairs(data + 1, size - 1);
        break;
    case AS_END:
        try_end(data + 1, size - 1);
        break;
    }
    return 0;
}
