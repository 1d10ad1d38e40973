/* intern_test.c: shared texts are stored once, counted, and forgotten with their last use. */
#include "statemachine/intern.h"

#include "consumer/hash.h"
#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TEXTS = 3000 };

static uint64_t weak_hash(const void *bytes, size_t size, uint64_t seed)
{
    return (hash_bytes(bytes, size, seed) & 0xff) << 48;
}

/* Text i: different for all i, some the beginning of others, some with zero bytes. */
static struct text make_text(uint32_t i, uint8_t room[64])
{
    memset(room, 'a', 64);
    memcpy(room, &i, sizeof(i));
    return (struct text){.bytes = room, .size = 4 + i % 60};
}

static void the_pool_counts_like_an_array_of_counters(void **state)
{
    static hash_fn *const hashes[] = {hash_bytes, weak_hash};
    struct random random = random_start("intern");
    static uint32_t uses[TEXTS], refs[TEXTS];

    (void)state;
    for (size_t h = 0; h < 2; h++) {
        struct intern intern;
        size_t there = 0;
        intern_init(&intern, hashes[h], random_bits(&random));
        for (int step = 0; step < 100000; step++) {
            uint32_t i = (uint32_t)random_below(&random, TEXTS);
            bool growing = step / 20000 % 2 == 0;
            uint8_t room[64];
            struct text text = make_text(i, room);
            if (random_below(&random, 8) < (growing ? 5u : 3u)) {
                struct text held;
                if (uses[i] > 0 && random_below(&random, 2) == 0)
                    text = intern_text(&intern, refs[i]); /* has its ref: only counted */
                held = intern_hold(&intern, text);
                assert_int_not_equal(held.ref, 0);
                if (uses[i] > 0)
                    assert_int_equal(held.ref, refs[i]);
                there += uses[i]++ == 0;
                refs[i] = held.ref;
                memset(room, 0, sizeof(room)); /* the pool's bytes are its own */
                assert_true(text_equal(held, make_text(i, room)));
            } else if (uses[i] > 0) {
                intern_drop(&intern, refs[i]);
                there -= --uses[i] == 0;
            }
            assert_int_equal(intern_count(&intern), there);
        }
        for (uint32_t i = 0; i < TEXTS; i++) {
            uint8_t room[64];
            if (uses[i] > 0)
                assert_true(text_equal(intern_text(&intern, refs[i]), make_text(i, room)));
            for (; uses[i] > 0; uses[i]--)
                intern_drop(&intern, refs[i]);
        }
        assert_int_equal(intern_count(&intern), 0);
        assert_int_equal(intern.bytes, 0);
        intern_release(&intern);
    }
}

static void a_forgotten_texts_number_is_used_again(void **state)
{
    struct intern intern;
    uint32_t most = 0;

    (void)state;
    intern_init(&intern, hash_bytes, 1);
    for (uint32_t round = 0; round < 1000; round++) {
        uint32_t refs[10];
        uint8_t room[64];
        for (uint32_t i = 0; i < 10; i++) {
            refs[i] = intern_hold(&intern, make_text(round * 10 + i, room)).ref;
            most = refs[i] > most ? refs[i] : most;
        }
        for (uint32_t i = 0; i < 10; i++)
            intern_drop(&intern, refs[i]);
    }
    assert_int_equal(most, 10);
    intern_release(&intern);
}

static void it_lives_until_its_last_use_is_dropped(void **state)
{
    struct intern intern;
    struct text held;

    (void)state;
    intern_init(&intern, hash_bytes, 1);
    held = intern_hold(&intern, text_of("campaign"));
    assert_int_equal(intern_hold(&intern, text_of("campaign")).ref, held.ref);
    assert_int_equal(intern_hold(&intern, held).ref, held.ref);
    intern_drop(&intern, held.ref);
    intern_drop(&intern, held.ref);
    assert_int_equal(intern_count(&intern), 1);
    assert_true(text_equal(intern_text(&intern, held.ref), text_of("campaign")));
    intern_drop(&intern, held.ref);
    assert_int_equal(intern_count(&intern), 0);
    intern_release(&intern);
}

static void empty_stays_empty(void **state)
{
    struct intern intern;
    struct text held;

    (void)state;
    intern_init(&intern, hash_bytes, 1);
    held = intern_hold(&intern, (struct text){0});
    assert_int_equal(held.ref, 0);
    assert_int_equal(held.size, 0);
    assert_int_equal(intern_text(&intern, 0).size, 0);
    intern_drop(&intern, 0);
    assert_int_equal(intern_count(&intern), 0);
    intern_release(&intern);
}

/* Ten million messages of one campaign cost one text. */
static void memory_is_that_of_the_distinct_texts(void **state)
{
    struct intern intern;
    size_t once;

    (void)state;
    intern_init(&intern, hash_bytes, 1);
    intern_hold(&intern, text_of("{\"campaign_id\":\"c9\"}"));
    once = intern_memory(&intern);
    for (int i = 0; i < 100000; i++)
        intern_hold(&intern, text_of("{\"campaign_id\":\"c9\"}"));
    assert_int_equal(intern_memory(&intern), once);
    assert_int_equal(intern_count(&intern), 1);
    intern_release(&intern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pool_counts_like_an_array_of_counters),
        cmocka_unit_test(a_forgotten_texts_number_is_used_again),
        cmocka_unit_test(it_lives_until_its_last_use_is_dropped),
        cmocka_unit_test(empty_stays_empty),
        cmocka_unit_test(memory_is_that_of_the_distinct_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
