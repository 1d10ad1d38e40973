/* timers_test.c: the heap against a sorted walk over everything that is in it. */
#include "statemachine/timers.h"

#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { HANDLES = 40000 };

/* Who owns the entries: where each is, and by what equal deadlines are ordered. */
struct owner {
    uint32_t places[HANDLES + 1];   /* as told by `moved`; 0: not in the heap */
    uint32_t keys[HANDLES + 1];     /* all different */
    int64_t deadlines[HANDLES + 1]; /* the model */
    size_t count;
};

static struct owner owner;
static struct timers timers;

static void on_moved(void *context, uint32_t handle, uint32_t place)
{
    ((struct owner *)context)->places[handle] = place;
}

static int by_key(void *context, uint32_t a, uint32_t b)
{
    const struct owner *of = context;

    return (of->keys[a] > of->keys[b]) - (of->keys[a] < of->keys[b]);
}

static void start(struct random *random)
{
    memset(&owner, 0, sizeof(owner));
    for (uint32_t i = 1; i <= HANDLES; i++)
        owner.keys[i] = i;
    for (uint32_t i = HANDLES; i > 1; i--) {
        uint32_t j = (uint32_t)random_below(random, i) + 1, key = owner.keys[i];
        owner.keys[i] = owner.keys[j];
        owner.keys[j] = key;
    }
    timers_init(&timers, &owner, on_moved, by_key);
}

static void add(uint32_t handle, int64_t deadline_ms)
{
    timers_add(&timers, deadline_ms, handle);
    owner.deadlines[handle] = deadline_ms;
    owner.count++;
}

static int in_order(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    if (owner.deadlines[left] != owner.deadlines[right])
        return owner.deadlines[left] < owner.deadlines[right] ? -1 : 1;
    return by_key(&owner, left, right);
}

static void check_places(void)
{
    size_t found = 0;

    assert_int_equal(timers.count, owner.count);
    for (uint32_t handle = 1; handle <= HANDLES; handle++) {
        uint32_t place = owner.places[handle];
        if (place == 0)
            continue;
        found++;
        if (timers_handle(&timers, place) != handle)
            fail_msg("handle %u is not at place %u", handle, place);
        if (timers_deadline(&timers, place) != owner.deadlines[handle])
            fail_msg("handle %u has another deadline", handle);
    }
    assert_int_equal(found, owner.count);
}

/* Takes the first one out again and again, and compares with what qsort() thinks. */
static void drain(void)
{
    static uint32_t expected[HANDLES];
    size_t count = 0;
    int64_t deadline_ms;
    uint32_t handle;

    for (uint32_t i = 1; i <= HANDLES; i++)
        if (owner.places[i] != 0)
            expected[count++] = i;
    qsort(expected, count, sizeof(*expected), in_order);
    for (size_t i = 0; i < count; i++) {
        assert_true(timers_first(&timers, &deadline_ms, &handle));
        if (handle != expected[i] || deadline_ms != owner.deadlines[handle])
            fail_msg("number %zu of %zu to fire is %u, not %u", i, count, handle, expected[i]);
        timers_cancel(&timers, owner.places[handle]);
        if (owner.places[handle] != 0)
            fail_msg("handle %u was not told that it has left", handle);
        owner.count--;
    }
    assert_false(timers_first(&timers, &deadline_ms, &handle));
    assert_int_equal(timers.count, 0);
}

static int64_t some_deadline(struct random *random)
{
    switch (random_below(random, 10)) {
    case 0:
        return INT64_MIN + (int64_t)random_below(random, 3);
    case 1:
        return INT64_MAX - (int64_t)random_below(random, 3);
    case 2:
        return (int64_t)random_bits(random);
    default:
        return random_between(random, -50, 50); /* ties by the hundred */
    }
}

static void change(struct random *random)
{
    uint32_t handle = (uint32_t)random_below(random, HANDLES) + 1;
    uint32_t place = owner.places[handle];
    uint32_t other = (uint32_t)random_below(random, HANDLES) + 1;
    uint32_t key;

    if (place == 0) {
        add(handle, some_deadline(random));
        return;
    }
    switch (random_below(random, 3)) {
    case 0:
        owner.deadlines[handle] = some_deadline(random);
        timers_move(&timers, place, owner.deadlines[handle]);
        break;
    case 1:
        timers_cancel(&timers, place);
        owner.count--;
        assert_int_equal(owner.places[handle], 0);
        break;
    default:
        if (owner.places[other] != 0)
            break;
        /* A new block for the same message: another handle, the same key, often a new deadline. */
        key = owner.keys[other];
        owner.keys[other] = owner.keys[handle];
        owner.keys[handle] = key;
        owner.deadlines[other] =
            random_below(random, 2) == 0 ? owner.deadlines[handle] : some_deadline(random);
        timers_hand_over(&timers, place, other, owner.deadlines[other]);
        assert_int_equal(timers_handle(&timers, owner.places[other]), other);
        owner.places[handle] = 0;
    }
}

static void they_fire_in_the_order_of_deadline_and_key(void **state)
{
    struct random random = random_start("timers");

    (void)state;
    start(&random);
    for (int round = 0; round < 3; round++) {
        for (int step = 0; step < 60000; step++)
            change(&random);
        check_places();
        drain();
    }
    timers_release(&timers);
}

static void any_small_heap_drains_in_order(void **state)
{
    struct random random = random_start("timers, small");

    (void)state;
    start(&random);
    for (uint32_t size = 0; size < 60; size++) {
        for (int round = 0; round < 20; round++) {
            for (uint32_t handle = 1; handle <= size; handle++)
                add(handle, random_between(&random, 0, 5));
            for (uint32_t handle = 1; handle <= size; handle += 3) {
                owner.deadlines[handle] = random_between(&random, -3, 8);
                timers_move(&timers, owner.places[handle], owner.deadlines[handle]);
            }
            drain();
        }
    }
    timers_release(&timers);
}

static void a_move_to_the_same_deadline_changes_nothing(void **state)
{
    struct random random = random_start("timers, still");
    uint32_t place;

    (void)state;
    start(&random);
    for (uint32_t handle = 1; handle <= 100; handle++)
        add(handle, 7);
    place = owner.places[50];
    timers_move(&timers, place, 7);
    assert_int_equal(owner.places[50], place);
    drain();
    timers_release(&timers);
}

static void memory_comes_and_goes_in_chunks(void **state)
{
    struct random random = random_start("timers, memory");
    size_t empty, full;

    (void)state;
    start(&random);
    empty = timers_memory(&timers);
    assert_int_equal(empty, 0);
    for (uint32_t handle = 1; handle <= HANDLES; handle++)
        add(handle, handle);
    full = timers_memory(&timers);
    assert_in_range(full, HANDLES * 12, HANDLES * 12 + 4096 * 12 + 1024);
    drain();
    /* One chunk stays, so that the border between two does not thrash. */
    assert_in_range(timers_memory(&timers), 0, 4096 * 12 + 1024);
    timers_release(&timers);
    timers_release(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_fire_in_the_order_of_deadline_and_key),
        cmocka_unit_test(any_small_heap_drains_in_order),
        cmocka_unit_test(a_move_to_the_same_deadline_changes_nothing),
        cmocka_unit_test(memory_comes_and_goes_in_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
