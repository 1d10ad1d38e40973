/* slab_test.c: blocks that keep what was written into them, whoever lives next door. */
#include "statemachine/slab.h"

#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 4000 };

struct live {
    uint32_t handle;
    size_t size;
    uint8_t pattern;
};

/* Every byte of the block says whose it is. */
static void fill(const struct slab *slab, struct live *live, struct random *random)
{
    live->pattern = (uint8_t)random_bits(random);
    for (size_t i = 0; i < live->size; i++)
        slab_block(slab, live->handle)[i] = (uint8_t)(live->pattern + i * 7);
}

static void verify(const struct slab *slab, const struct live *live)
{
    const uint8_t *block = slab_block(slab, live->handle);

    for (size_t i = 0; i < live->size; i++)
        if (block[i] != (uint8_t)(live->pattern + i * 7))
            fail_msg("byte %zu of a block of %zu is somebody else's", i, live->size);
}

static size_t some_size(struct random *random)
{
    switch (random_below(random, 8)) {
    case 0:
        return random_below(random, SLAB_BLOCK_MAX + 1);
    case 1:
        return SLAB_BLOCK_MAX - random_below(random, 70);
    case 2:
        return random_below(random, 56);
    default:
        return 48 + random_below(random, 210);
    }
}

static void live_blocks_never_overlap(void **state)
{
    struct random random = random_start("slab");
    static struct live blocks[BLOCKS];
    size_t count = 0;
    struct slab slab;

    (void)state;
    slab_init(&slab);
    for (int step = 0; step < 200000; step++) {
        bool growing = step / 25000 % 2 == 0;
        if (count < BLOCKS && random_below(&random, 8) < (growing ? 5u : 3u)) {
            struct live *live = &blocks[count++];
            live->size = some_size(&random);
            live->handle = slab_get(&slab, live->size);
            assert_int_not_equal(live->handle, 0);
            assert_int_equal((uintptr_t)slab_block(&slab, live->handle) % SLAB_GRANULE, 0);
            assert_true(slab_fits(&slab, live->handle, live->size));
            fill(&slab, live, &random);
        } else if (count > 0) {
            size_t i = random_below(&random, count);
            verify(&slab, &blocks[i]);
            slab_free(&slab, blocks[i].handle);
            blocks[i] = blocks[--count];
        }
    }
    for (size_t i = 0; i < count; i++)
        verify(&slab, &blocks[i]);
    slab_release(&slab);
}

/* In steps of 8 up to 256 bytes, of 64 from there on; nothing is smaller than 48. */
static void a_block_fits_the_sizes_of_its_class_and_no_other(void **state)
{
    struct slab slab;

    (void)state;
    slab_init(&slab);
    for (size_t size = 0; size <= SLAB_BLOCK_MAX; size++) {
        size_t step = size <= 256 ? 8 : 64;
        size_t most = size <= 48 ? 48 : (size + step - 1) / step * step;
        size_t least = most == 48 ? 0 : most - step + 1;
        uint32_t handle = slab_get(&slab, size);
        for (size_t other = 0; other <= SLAB_BLOCK_MAX; other++)
            if (slab_fits(&slab, handle, other) != (other >= least && other <= most))
                fail_msg("a block for %zu bytes, asked about %zu", size, other);
        slab_free(&slab, handle);
    }
    slab_release(&slab);
}

/* At every size: nothing is lost but a chunk's head and what is left over at its end. */
static void a_chunk_is_used_to_its_end(void **state)
{
    (void)state;
    for (size_t size = 48; size <= SLAB_BLOCK_MAX; size += size < 256 ? 8 : 64) {
        size_t per_chunk = (SLAB_CHUNK - 24) / size;
        struct slab slab;
        slab_init(&slab);
        for (size_t i = 0; i < 3 * per_chunk; i++)
            memset(slab_block(&slab, slab_get(&slab, size)), 0xff, size);
        if (slab.live_chunks != 3)
            fail_msg("%u chunks for 3 times %zu blocks of %zu", slab.live_chunks, per_chunk, size);
        slab_release(&slab);
    }
}

static void empty_chunks_go_back_but_for_the_last_of_a_size(void **state)
{
    static uint32_t handles[3][3000];
    static const size_t sizes[3] = {48, 112, 1024};
    struct slab slab;
    size_t full;

    (void)state;
    slab_init(&slab);
    for (int round = 0; round < 5; round++) {
        for (size_t s = 0; s < 3; s++)
            for (size_t i = 0; i < 3000; i++)
                handles[s][i] = slab_get(&slab, sizes[s]);
        full = slab_memory(&slab);
        assert_true(full > 3000 * (48 + 112 + 1024));
        for (size_t s = 0; s < 3; s++)
            for (size_t i = 0; i < 3000; i++)
                slab_free(&slab, handles[s][i * 1009 % 3000]);
        assert_int_equal(slab.live_chunks, 3);
        assert_true(slab_memory(&slab) < full / 10);
        /* Numbers are used again: a store that breathes does not run out of them. */
        assert_true(slab.chunk_count <= 3 + (full - slab_memory(&slab)) / SLAB_CHUNK + 1);
    }
    slab_release(&slab);
}

/* A chunk that was emptied serves any size again. */
static void memory_of_one_size_serves_another(void **state)
{
    static uint32_t handles[(1 << 20) / 48];
    struct slab slab;
    size_t least = 0;

    (void)state;
    slab_init(&slab);
    for (size_t size = 48; size <= 2048; size *= 2) {
        size_t count = (size_t)1 << 20;
        count /= size;
        for (size_t i = 0; i < count; i++)
            handles[i] = slab_get(&slab, size);
        if (least == 0)
            least = slab_memory(&slab);
        if (slab_memory(&slab) > least + least / 4)
            fail_msg("%zu bytes at size %zu, %zu at 48", slab_memory(&slab), size, least);
        for (size_t i = 0; i < count; i++)
            slab_free(&slab, handles[i]);
    }
    slab_release(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_blocks_never_overlap),
        cmocka_unit_test(a_block_fits_the_sizes_of_its_class_and_no_other),
        cmocka_unit_test(a_chunk_is_used_to_its_end),
        cmocka_unit_test(empty_chunks_go_back_but_for_the_last_of_a_size),
        cmocka_unit_test(memory_of_one_size_serves_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
