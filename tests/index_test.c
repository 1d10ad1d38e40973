/* index_test.c: the index against an array that remembers where everything was put. */
#include "statemachine/index.h"

#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { HANDLES = 30000 };

/* The upper half of a hash is all that the index keeps of it. */
typedef uint64_t hash_of(uint32_t handle);

static uint64_t good_hash(uint32_t handle)
{
    return random_mix(handle);
}

/* Only the leading bits differ: one home for all of a segment, and splits do not spread them. */
static uint64_t hash_of_leading_bits(uint32_t handle)
{
    return random_mix(handle) & UINT64_C(0xfff0000000000000);
}

/* Only the trailing bits of the tag differ, but for one: a segment as full as it ever gets. */
static uint64_t hash_of_trailing_bits(uint32_t handle)
{
    return random_mix(handle) & UINT64_C(0xf00003ff00000000);
}

/* Homes at the very end of a segment: every run goes around the corner. */
static uint64_t hash_at_the_end(uint32_t handle)
{
    return random_mix(handle) | UINT64_C(0x000003f800000000);
}

/* Equal tags by the dozen, each with other lower halves, which the index never sees. */
static uint64_t hash_of_few_tags(uint32_t handle)
{
    return random_mix(handle % (HANDLES / 24)) ^ (handle & 0xff);
}

struct wanted {
    uint32_t handle;
    size_t asked;
};

static bool matches(const void *context, uint32_t handle)
{
    struct wanted *wanted = (struct wanted *)(uintptr_t)context;

    wanted->asked++;
    return handle == wanted->handle;
}

static uint32_t find(const struct index *index, hash_of *hash, uint32_t handle)
{
    struct wanted wanted = {.handle = handle};

    return index_find(index, hash(handle), matches, &wanted);
}

struct model {
    bool there[2 * HANDLES + 1];
    size_t count;
};

static void check_all(const struct index *index, hash_of *hash, const struct model *model,
                      const char *name)
{
    if (index->count != model->count)
        fail_msg("%s: %zu entries, not %zu", name, index->count, model->count);
    for (uint32_t handle = 1; handle <= 2 * HANDLES; handle++)
        if (find(index, hash, handle) != (model->there[handle] ? handle : 0))
            fail_msg("%s: handle %u of %zu", name, handle, model->count);
    /* A guess is one of those with the same tag, so right where there is one alone. */
    for (uint32_t handle = 1; handle <= 2 * HANDLES; handle++) {
        uint32_t guess = index_guess(index, hash(handle));
        if (model->there[handle] ? guess == 0 || hash(guess) >> 32 != hash(handle) >> 32
                                 : guess != 0 && !model->there[guess])
            fail_msg("%s: handle %u is guessed to be %u", name, handle, guess);
    }
}

/* A handle and its twin share a hash, so that one can replace the other. */
static uint32_t twin_of(uint32_t handle)
{
    return handle <= HANDLES ? handle + HANDLES : handle - HANDLES;
}

static hash_of *hash_below; /* of a handle up to HANDLES */

static uint64_t hash_of_twins(uint32_t handle)
{
    return hash_below(handle <= HANDLES ? handle : handle - HANDLES);
}

static void change(struct index *index, struct model *model, uint32_t handle, bool growing,
                   struct random *random)
{
    uint64_t hash = hash_of_twins(handle);

    if (!model->there[handle]) {
        if (!growing && random_below(random, 4) != 0)
            return;
        index_insert(index, hash, handle);
        model->there[handle] = true;
        model->count++;
    } else if (!model->there[twin_of(handle)] && random_below(random, 3) == 0) {
        index_replace(index, hash, handle, twin_of(handle));
        model->there[handle] = false;
        model->there[twin_of(handle)] = true;
    } else if (!growing || random_below(random, 4) == 0) {
        index_remove(index, hash, handle);
        model->there[handle] = false;
        model->count--;
    }
}

static void it_finds_what_an_array_would_find(void **state)
{
    static const struct {
        const char *name;
        hash_of *hash;
        uint32_t handles; /* so few that one tag never fills a segment */
        int steps;
    } cases[] = {
        {"a good hash", good_hash, HANDLES, 200000},
        {"leading bits only", hash_of_leading_bits, 6000, 30000},
        {"trailing bits only", hash_of_trailing_bits, 6000, 30000},
        {"homes at the end", hash_at_the_end, HANDLES, 60000},
        {"few tags", hash_of_few_tags, HANDLES, 60000},
    };
    struct random random = random_start("index");
    static struct model model;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct index index;
        memset(&model, 0, sizeof(model));
        hash_below = cases[i].hash;
        index_init(&index);
        for (int step = 0; step < cases[i].steps; step++) {
            uint32_t handle = (uint32_t)random_below(&random, cases[i].handles) + 1;
            if (random_below(&random, 2) == 0)
                handle = twin_of(handle);
            change(&index, &model, handle, step / 20000 % 2 == 0, &random);
            if (find(&index, hash_of_twins, handle) != (model.there[handle] ? handle : 0))
                fail_msg("%s: step %d, handle %u", cases[i].name, step, handle);
        }
        check_all(&index, hash_of_twins, &model, cases[i].name);
        for (uint32_t handle = 1; handle <= 2 * HANDLES; handle++)
            if (model.there[handle]) {
                index_remove(&index, hash_of_twins(handle), handle);
                model.there[handle] = false;
                model.count--;
            }
        check_all(&index, hash_of_twins, &model, cases[i].name);
        index_release(&index);
    }
}

static void growth_splits_one_segment_at_a_time(void **state)
{
    struct index index;
    size_t before;

    (void)state;
    index_init(&index);
    before = index.segments;
    for (uint32_t handle = 1; handle <= 200000; handle++) {
        index_insert(&index, good_hash(handle), handle);
        if (index.segments > before + 1)
            fail_msg("%zu segments more for handle %u", index.segments - before, handle);
        before = index.segments;
    }
    assert_true(index.segments > 100);
    /* 10 to 20 bytes a slot in use, as the store's header promises, and the directory. */
    assert_in_range(index_memory(&index), 200000 * 9, 200000 * 21);
    for (uint32_t handle = 1; handle <= 200000; handle++)
        if (find(&index, good_hash, handle) != handle)
            fail_msg("handle %u was lost by a split", handle);
    assert_int_equal(find(&index, good_hash, 200001), 0);
    index_release(&index);
}

static uint64_t one_hash(uint32_t handle)
{
    (void)handle;
    return UINT64_C(0x123457ff00000000);
}

/* With one tag for all, every slot that a lookup walks over asks the caller: probes, counted. */
static void a_removal_leaves_no_tombstone(void **state)
{
    struct wanted absent = {.handle = 100000};
    struct index index;

    (void)state;
    index_init(&index);
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 1; i <= 800; i++)
            index_insert(&index, one_hash(i), round * 800 + i);
        for (uint32_t i = 800; i-- > 0;) {
            uint32_t handle = round * 800 + i * 7 % 800 + 1; /* in no order that helps */
            index_remove(&index, one_hash(handle), handle);
            absent.asked = 0;
            assert_int_equal(index_find(&index, one_hash(0), matches, &absent), 0);
            assert_int_equal(absent.asked, i);
        }
        assert_int_equal(index.count, 0);
        assert_int_equal(index.segments, 1);
    }
    index_release(&index);
}

static void churn_at_one_size_takes_no_more_memory(void **state)
{
    struct index index;
    size_t settled;

    (void)state;
    index_init(&index);
    for (uint32_t handle = 1; handle <= 20000; handle++)
        index_insert(&index, good_hash(handle), handle);
    settled = index_memory(&index);
    for (uint32_t handle = 20001; handle <= 400000; handle++) {
        index_remove(&index, good_hash(handle - 20000), handle - 20000);
        index_insert(&index, good_hash(handle), handle);
    }
    assert_int_equal(index.count, 20000);
    /* Segments that chance had left nearly full split some day; rot would never stop. */
    assert_in_range(index_memory(&index), settled, 2 * settled);
    index_release(&index);
}

struct walk {
    uint8_t visits[2 * HANDLES + 1];
};

static void note_visit(void *context, uint32_t handle)
{
    struct walk *walk = context;

    walk->visits[handle]++;
}

/* Splits, removals and replacements between any two parts. */
static void a_walk_in_parts_visits_all_that_stayed_once(void **state)
{
    static hash_of *const hashes[] = {good_hash, hash_of_leading_bits, hash_of_few_tags};
    struct random random = random_start("index, walk");
    static struct model model;
    static struct walk walk;
    static bool stayed[2 * HANDLES + 1];
    size_t most_parts = 0;

    (void)state;
    for (size_t h = 0; h < 3; h++) {
        uint32_t handles = h == 1 ? 6000 : HANDLES;
        struct index index;
        uint64_t from = 0;
        size_t parts = 0;
        bool more = true;
        memset(&model, 0, sizeof(model));
        memset(&walk, 0, sizeof(walk));
        hash_below = hashes[h];
        index_init(&index);
        for (uint32_t n = 0; n < handles / 2; n++)
            change(&index, &model, (uint32_t)random_below(&random, handles) + 1, true, &random);
        memcpy(stayed, model.there, sizeof(stayed));
        while (more) {
            more = index_walk(&index, &from, note_visit, &walk);
            parts++;
            for (uint32_t n = 0; n < handles / 100; n++) {
                uint32_t handle = (uint32_t)random_below(&random, handles) + 1;
                stayed[handle] = stayed[twin_of(handle)] = false; /* whatever becomes of them */
                if (random_below(&random, 2) == 0)
                    handle = twin_of(handle);
                change(&index, &model, handle, parts % 4 != 0, &random);
            }
        }
        for (uint32_t handle = 1; handle <= 2 * HANDLES; handle++) {
            if (stayed[handle] && walk.visits[handle] != 1)
                fail_msg("hash %zu: handle %u was visited %u times", h, handle,
                         walk.visits[handle]);
            /* One that went and came back was behind the walk or before it, never both. */
            if (walk.visits[handle] > 1)
                fail_msg("hash %zu: handle %u was visited twice", h, handle);
        }
        most_parts = parts > most_parts ? parts : most_parts;
        index_release(&index);
    }
    assert_true(most_parts > 10);
}

static void an_empty_one_finds_nothing_and_is_released_twice(void **state)
{
    struct index index;

    (void)state;
    index_init(&index);
    assert_int_equal(find(&index, good_hash, 1), 0);
    index_release(&index);
    index_release(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_what_an_array_would_find),
        cmocka_unit_test(growth_splits_one_segment_at_a_time),
        cmocka_unit_test(a_removal_leaves_no_tombstone),
        cmocka_unit_test(churn_at_one_size_takes_no_more_memory),
        cmocka_unit_test(a_walk_in_parts_visits_all_that_stayed_once),
        cmocka_unit_test(an_empty_one_finds_nothing_and_is_released_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
