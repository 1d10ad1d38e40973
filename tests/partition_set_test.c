/* partition_set_test.c: what is a set of partitions, and what is in it. */
#include "consumer/partition_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The members below 12, as digits and letters. */
static const char *members(const struct partition_set *set)
{
    static char text[16];
    size_t size = 0;

    for (int32_t p = 0; p < 12; p++)
        if (partition_set_has(set, p))
            text[size++] = "0123456789ab"[p];
    text[size] = 0;
    return text;
}

static void numbers_and_spans_are_read(void **state)
{
    static const struct {
        const char *text, *members;
        int32_t highest;
    } rows[] = {
        {"0", "0", 0},         {"7", "7", 7},
        {"3-5", "345", 5},     {"3-3", "3", 3},
        {"9,0", "09", 9},      {"8-11,1,2-3", "12389ab", 11},
        {"1,1,0-2", "012", 2}, {"2147483647", "", INT32_MAX},
    };
    struct partition_set set;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_true(partition_set_parse(rows[i].text, &set));
        assert_string_equal(members(&set), rows[i].members);
        assert_int_equal(partition_set_highest(&set), rows[i].highest);
    }
    set.count = 0;
    assert_string_equal(members(&set), "0123456789ab");
    assert_int_equal(partition_set_highest(&set), -1);
}

static void anything_else_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        ",",
                                        "1,",
                                        ",1",
                                        "-1",
                                        "1-",
                                        "2-1",
                                        "1--2",
                                        "1 2",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "x",
                                        "1x",
                                        "1-2-3",
                                        "2147483648",
                                        "99999999999999999999",
                                        "0x1"};
    struct partition_set set;
    char many[4 * PARTITION_SPANS_MAX + 8] = "1";

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (partition_set_parse(texts[i], &set))
            fail_msg("\"%s\" is a set", texts[i]);
    for (int i = 1; i < PARTITION_SPANS_MAX; i++)
        strcat(many, ",1");
    assert_true(partition_set_parse(many, &set));
    strcat(many, ",1");
    assert_false(partition_set_parse(many, &set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_spans_are_read),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
