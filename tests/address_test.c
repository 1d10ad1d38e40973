/* address_test.c: what is an address, and what is none. */
#include "consumer/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void host_and_port_are_parted(void **state)
{
    static const struct {
        const char *text, *host, *port;
    } good[] = {
        {"127.0.0.1:9464", "127.0.0.1", "9464"},
        {"localhost:0", "localhost", "0"},
        {"[::1]:80", "::1", "80"},
        {"[fe80::1%eth0]:65535", "fe80::1%eth0", "65535"},
        {":9464", "", "9464"},
        {"[]:1", "", "1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct address address;
        assert_true(address_parse(good[i].text, &address));
        assert_string_equal(address.host, good[i].host);
        assert_string_equal(address.port, good[i].port);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",       "9464",     "localhost", "localhost:", "localhost:http", "localhost:65536",
        "::1:80", "[::1]",    "[::1:80",   "a:-1",       "a:+1",           "a: 1",
        "a:1 ",   "a:000001", "[a:1]b:2",
    };
    char long_one[400];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct address address;
        if (address_parse(bad[i], &address))
            fail_msg("\"%s\" was taken", bad[i]);
    }
    memset(long_one, 'a', sizeof(long_one));
    strcpy(long_one + 256, ":1");
    assert_false(address_parse(long_one, &(struct address){0}));
    strcpy(long_one + 255, ":1");
    assert_true(address_parse(long_one, &(struct address){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_are_parted),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
