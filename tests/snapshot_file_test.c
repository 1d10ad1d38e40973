/* snapshot_file_test.c: a snapshot's bytes, whole and with every kind of damage. */
#include "schemas/snapshot_file.h"

#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

enum { FRAMES = 3, PAIRS = 9 };

static struct snapshot_facts some_facts(void)
{
    return (struct snapshot_facts){
        .app_id = text_of("billing"),
        .state_topic = text_of("billing.state"),
        .cluster = text_of("cluster-1"),
        .partition = 3,
        .partitions = 12,
        .tables = UINT64_C(0xfedcba9876543210),
        .created_ms = 1795428000000,
        .offset = 1234567890123,
        .control = text_of("a control record"),
        .seed = UINT64_C(0x123456789abcdef0),
    };
}

static void pair_number(int i, char key[40], char value[200])
{
    snprintf(key, 40, "key-%d", i);
    memset(value, 'a' + i, 199);
    value[i * 20] = 0; /* the first has none at all */
}

/* Writes the whole file: FRAMES frames of PAIRS / FRAMES pairs each. */
static void write_file(struct buffer *file, uint64_t number)
{
    struct snapshot_facts facts = some_facts();
    struct snapshot_seal seal;
    struct buffer frame = {0};
    char key[40], value[200];

    buffer_clear(file);
    snapshot_put_head(file, &facts, number, &seal);
    for (int i = 0; i < PAIRS; i++) {
        struct snapshot_pair pair;
        if (i % (PAIRS / FRAMES) == 0)
            snapshot_open_pairs(&frame);
        pair_number(i, key, value);
        pair = snapshot_begin_key(&frame);
        buffer_put_string(&frame, key);
        snapshot_begin_value(&frame, &pair);
        buffer_put_string(&frame, value);
        snapshot_end_pair(&frame, &pair, &seal);
        if ((i + 1) % (PAIRS / FRAMES) != 0)
            continue;
        snapshot_close_pairs(&frame, &seal);
        buffer_put(file, frame.bytes, frame.size);
        buffer_clear(&frame);
    }
    snapshot_put_end(file, 1234567890999, &seal);
    assert_false(file->failed);
    buffer_release(&frame);
}

/* What reading it comes to; pairs that were read are compared. */
static enum snapshot_fault read_bytes(const uint8_t *bytes, size_t size, int *pairs_read)
{
    struct snapshot_facts facts;
    struct snapshot_seal seal;
    struct snapshot_end end;
    uint64_t chain;
    size_t at;
    enum snapshot_fault fault = snapshot_read_head(
        bytes, size < SNAPSHOT_HEAD_MAX ? size : SNAPSHOT_HEAD_MAX, &facts, &at, &seal);

    *pairs_read = 0;
    if (fault != SNAPSHOT_GOOD)
        return fault;
    if (size < at + SNAPSHOT_END_SIZE)
        return SNAPSHOT_TORN;
    fault = snapshot_read_end(bytes + size - SNAPSHOT_END_SIZE, &seal, &end, &chain);
    if (fault != SNAPSHOT_GOOD)
        return fault;
    size -= SNAPSHOT_END_SIZE;
    while (at < size) {
        struct text pairs, key, value;
        size_t frame = size - at < SNAPSHOT_FRAME_HEAD ? 0 : snapshot_frame_size(bytes + at);
        if (frame == 0 || frame > size - at)
            return SNAPSHOT_CORRUPT;
        if (snapshot_read_pairs(bytes + at, frame, &seal, &pairs) != SNAPSHOT_GOOD)
            return SNAPSHOT_CORRUPT;
        while (snapshot_next(&pairs, &key, &value)) {
            char wanted_key[40], wanted_value[200];
            pair_number((*pairs_read)++, wanted_key, wanted_value);
            assert_true(text_equal(key, text_of(wanted_key)));
            assert_true(text_equal(value, text_of(wanted_value)));
        }
        at += frame;
    }
    return snapshot_compare_end(&seal, &end, chain);
}

/* At the end of memory of its own, so that the sanitizer sees a byte too many. */
static enum snapshot_fault read_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    enum snapshot_fault fault;
    int pairs;

    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    fault = read_bytes(copy, size, &pairs);
    free(copy);
    return fault;
}

/* Version 1 ended with the control record. */
static void a_head_without_a_seed_is_read_too(void **state)
{
    enum { SEED_SIZE = 8, FIRST = SNAPSHOT_MAGIC_SIZE + SNAPSHOT_FRAME_HEAD };
    struct snapshot_facts facts = some_facts();
    struct snapshot_seal seal;
    struct buffer file = {0};
    size_t used, body;
    uint64_t sum;

    (void)state;
    snapshot_put_head(&file, &facts, 1, &seal);
    body = file.size - FIRST - SNAPSHOT_FRAME_TAIL - SEED_SIZE;
    file.bytes[SNAPSHOT_MAGIC_SIZE] = (uint8_t)body;
    file.bytes[SNAPSHOT_MAGIC_SIZE + 1] = (uint8_t)(body >> 8);
    file.bytes[FIRST] = 1;
    sum = XXH3_64bits_withSeed(file.bytes + SNAPSHOT_MAGIC_SIZE, SNAPSHOT_FRAME_HEAD + body, 0);
    memcpy(file.bytes + FIRST + body, &sum, sizeof(sum));
    assert_int_equal(snapshot_read_head(file.bytes, file.size - SEED_SIZE, &facts, &used, &seal),
                     SNAPSHOT_GOOD);
    assert_int_equal(used, file.size - SEED_SIZE);
    assert_true(text_equal(facts.control, some_facts().control));
    assert_true(facts.seed == 0);
    file.bytes[FIRST] = 0; /* there was never such a version */
    sum = XXH3_64bits_withSeed(file.bytes + SNAPSHOT_MAGIC_SIZE, SNAPSHOT_FRAME_HEAD + body, 0);
    memcpy(file.bytes + FIRST + body, &sum, sizeof(sum));
    assert_int_equal(snapshot_read_head(file.bytes, file.size - SEED_SIZE, &facts, &used, &seal),
                     SNAPSHOT_TOO_NEW);
    buffer_release(&file);
}

static void a_file_is_read_as_it_was_written(void **state)
{
    struct snapshot_facts facts, wanted = some_facts();
    struct snapshot_seal seal;
    struct snapshot_end end;
    struct buffer file = {0};
    uint64_t chain;
    size_t used;
    int pairs;

    (void)state;
    write_file(&file, 77);
    assert_int_equal(snapshot_read_head(file.bytes, file.size, &facts, &used, &seal),
                     SNAPSHOT_GOOD);
    assert_true(text_equal(facts.app_id, wanted.app_id));
    assert_true(text_equal(facts.state_topic, wanted.state_topic));
    assert_true(text_equal(facts.cluster, wanted.cluster));
    assert_int_equal(facts.partition, 3);
    assert_int_equal(facts.partitions, 12);
    assert_true(facts.tables == wanted.tables);
    assert_int_equal(facts.created_ms, wanted.created_ms);
    assert_int_equal(facts.offset, wanted.offset);
    assert_true(text_equal(facts.control, wanted.control));
    assert_true(facts.seed == wanted.seed);
    assert_int_equal(
        snapshot_read_end(file.bytes + file.size - SNAPSHOT_END_SIZE, &seal, &end, &chain),
        SNAPSHOT_GOOD);
    assert_int_equal(end.pairs, PAIRS);
    assert_int_equal(end.frames, FRAMES);
    assert_int_equal(end.valid_from, 1234567890999);
    assert_int_equal(read_bytes(file.bytes, file.size, &pairs), SNAPSHOT_GOOD);
    assert_int_equal(pairs, PAIRS);
    buffer_release(&file);
}

static void any_corrupted_byte_is_seen(void **state)
{
    struct buffer file = {0};

    (void)state;
    write_file(&file, 77);
    for (size_t at = 0; at < file.size; at++)
        for (int bit = 0; bit < 8; bit++) {
            file.bytes[at] ^= (uint8_t)(1 << bit);
            if (read_copy(file.bytes, file.size) == SNAPSHOT_GOOD)
                fail_msg("byte %zu of %zu, bit %d", at, file.size, bit);
            file.bytes[at] ^= (uint8_t)(1 << bit);
        }
    assert_int_equal(read_copy(file.bytes, file.size), SNAPSHOT_GOOD);
    buffer_release(&file);
}

static void a_file_cut_anywhere_is_torn(void **state)
{
    struct buffer file = {0};

    (void)state;
    write_file(&file, 77);
    for (size_t size = 0; size < file.size; size++)
        if (read_copy(file.bytes, size) != SNAPSHOT_TORN)
            fail_msg("%zu of %zu bytes are %s", size, file.size,
                     snapshot_fault_words[read_copy(file.bytes, size)]);
    /* Nor may it be longer. */
    buffer_put_byte(&file, 0);
    assert_int_equal(read_copy(file.bytes, file.size), SNAPSHOT_TORN);
    buffer_release(&file);
}

/* Frames by their borders: the first is the head, the last one the end. */
static size_t borders(const struct buffer *file, size_t at[FRAMES + 3])
{
    size_t count = 0, next = SNAPSHOT_MAGIC_SIZE;

    at[count++] = 0;
    while (next < file->size) {
        next += snapshot_frame_size(file->bytes + next);
        at[count++] = next;
    }
    return count - 1;
}

static void a_frame_missing_twice_or_out_of_place_is_corrupt(void **state)
{
    struct buffer file = {0}, other = {0}, forged = {0};
    size_t at[FRAMES + 3], other_at[FRAMES + 3];
    size_t frames;

    (void)state;
    write_file(&file, 77);
    write_file(&other, 78); /* the same pairs, at another time */
    frames = borders(&file, at);
    assert_int_equal(frames, 1 + FRAMES + 1);
    assert_int_equal(borders(&other, other_at), frames);
    for (size_t i = 1; i < frames - 1; i++) {
        size_t size = at[i + 1] - at[i];
        buffer_clear(&forged); /* missing */
        buffer_put(&forged, file.bytes, at[i]);
        buffer_put(&forged, file.bytes + at[i + 1], file.size - at[i + 1]);
        assert_int_equal(read_copy(forged.bytes, forged.size), SNAPSHOT_CORRUPT);
        buffer_clear(&forged); /* twice */
        buffer_put(&forged, file.bytes, at[i + 1]);
        buffer_put(&forged, file.bytes + at[i], file.size - at[i]);
        assert_int_equal(read_copy(forged.bytes, forged.size), SNAPSHOT_CORRUPT);
        buffer_clear(&forged); /* another file's */
        buffer_put(&forged, file.bytes, at[i]);
        buffer_put(&forged, other.bytes + other_at[i], other_at[i + 1] - other_at[i]);
        buffer_put(&forged, file.bytes + at[i + 1], file.size - at[i + 1]);
        assert_int_equal(read_copy(forged.bytes, forged.size), SNAPSHOT_CORRUPT);
        if (i == frames - 2)
            continue;
        buffer_clear(&forged); /* two that changed places */
        buffer_put(&forged, file.bytes, at[i]);
        buffer_put(&forged, file.bytes + at[i + 1], at[i + 2] - at[i + 1]);
        buffer_put(&forged, file.bytes + at[i], size);
        buffer_put(&forged, file.bytes + at[i + 2], file.size - at[i + 2]);
        assert_int_equal(read_copy(forged.bytes, forged.size), SNAPSHOT_CORRUPT);
    }
    buffer_clear(&forged); /* another file's end */
    buffer_put(&forged, file.bytes, at[frames - 1]);
    buffer_put(&forged, other.bytes + other_at[frames - 1], other.size - other_at[frames - 1]);
    assert_int_equal(read_copy(forged.bytes, forged.size), SNAPSHOT_TORN);
    buffer_release(&forged);
    buffer_release(&other);
    buffer_release(&file);
}

static void what_is_no_snapshot_is_foreign(void **state)
{
    struct random random = random_start("snapshot_file");
    struct buffer file = {0};
    uint8_t noise[200];

    (void)state;
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)random_bits(&random);
        assert_int_equal(read_copy(noise, sizeof(noise)), SNAPSHOT_FOREIGN);
    }
    write_file(&file, 77);
    file.bytes[8] = 'S';
    assert_int_equal(read_copy(file.bytes, file.size), SNAPSHOT_FOREIGN);
    buffer_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_as_it_was_written),
        cmocka_unit_test(a_head_without_a_seed_is_read_too),
        cmocka_unit_test(any_corrupted_byte_is_seen),
        cmocka_unit_test(a_file_cut_anywhere_is_torn),
        cmocka_unit_test(a_frame_missing_twice_or_out_of_place_is_corrupt),
        cmocka_unit_test(what_is_no_snapshot_is_foreign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
