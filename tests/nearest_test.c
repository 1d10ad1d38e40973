/* nearest_test.c: the name that was meant, or none. */
#include "schemas/nearest.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void each_edit_counts_one(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"delivrd", "delivrd", 0},
        {"DELIVRD", "delivrd", 0},    /* without case */
        {"delivrd", "delivered", 2},  /* two inserted */
        {"delivrd", "deliverd", 1},   /* one inserted */
        {"delivered", "delivred", 1}, /* one deleted */
        {"sent", "sint", 1},          /* one replaced */
        {"sent", "snet", 1},          /* neighbours swapped */
        {"sent", "esnt", 1},
        {"ca", "abc", 3}, /* a swap's letters are not edited again */
        {"kitten", "sitting", 3},
        {"abcdef", "badcfe", 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (edit_distance(cases[i].a, cases[i].b) != cases[i].distance)
            fail_msg("\"%s\" to \"%s\": %u", cases[i].a, cases[i].b,
                     edit_distance(cases[i].a, cases[i].b));
        if (edit_distance(cases[i].b, cases[i].a) != cases[i].distance)
            fail_msg("\"%s\" to \"%s\" is not the way back", cases[i].b, cases[i].a);
    }
}

static void a_name_over_64_bytes_is_far_from_everything(void **state)
{
    char longest[65] = {0}, longer[66] = {0};
    const char *names[] = {longer};

    (void)state;
    memset(longest, 'n', 64);
    memset(longer, 'n', 65);
    assert_int_equal(edit_distance(longest, longest), 0);
    assert_int_equal(edit_distance(longest, ""), 64);
    assert_true(edit_distance(longer, longer) == UINT_MAX);
    assert_true(edit_distance(longest, longer) == UINT_MAX);
    assert_null(nearest_name(longer, names, 1));
    assert_null(nearest_name(longest, names, 1));
}

static void the_nearest_is_suggested_and_nonsense_is_not(void **state)
{
    static const char *const names[] = {"sms",     "email",   "push",      "rcs",    "whatsapp",
                                        "DELIVRD", "UNDELIV", "DELIVERED", "workers"};
    static const struct {
        const char *name;
        const char *nearest;
    } cases[] = {
        {"sms", "sms"},
        {"smss", "sms"},
        {"sm", "sms"},
        {"emial", "email"},
        {"whatsap", "whatsapp"},
        {"Whats-App", "whatsapp"},
        {"DELIVERD", "DELIVRD"}, /* DELIVERED is as near: the first of equals is the one */
        {"delivrd", "DELIVRD"},
        {"worker", "workers"},
        {"fax", NULL},
        {"rss", "rcs"},
        {"smoke", NULL},
        {"telegram", NULL},
        {"x", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *nearest = nearest_name(cases[i].name, names, COUNT(names));
        const char *wanted = cases[i].nearest;
        if ((nearest == NULL) != (wanted == NULL) ||
            (nearest != NULL && strcmp(nearest, wanted) != 0))
            fail_msg("\"%s\": %s", cases[i].name, nearest == NULL ? "nothing" : nearest);
    }
    assert_null(nearest_name("sms", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_edit_counts_one),
        cmocka_unit_test(a_name_over_64_bytes_is_far_from_everything),
        cmocka_unit_test(the_nearest_is_suggested_and_nonsense_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
