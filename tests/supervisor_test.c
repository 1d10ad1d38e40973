/* supervisor_test.c: what a service manager hears; a socket of our own stands for systemd's. */
#include "consumer/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int manager;
static struct supervisor supervisor;

/* An abstract name needs no file; the paths are tests/broker/test_notify's. */
static int listen_as(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    size_t size = (size_t)snprintf(name, sizeof(name), "@upshot-test-%d", (int)getpid());

    (void)state;
    memcpy(address.sun_path + 1, name + 1, size - 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(manager, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) != 0)
        return -1;
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "2000000", 1);
    unsetenv("WATCHDOG_PID");
    supervisor_open(&supervisor);
    return 0;
}

static int hang_up(void **state)
{
    (void)state;
    supervisor_close(&supervisor);
    close(manager);
    return 0;
}

/* The next datagram; "" where nothing was said. */
static const char *heard(void)
{
    static char said[512];
    ssize_t size = recv(manager, said, sizeof(said) - 1, 0);

    said[size < 0 ? 0 : size] = 0;
    return said;
}

static void look(struct supervisor_facts facts, int64_t now_ms)
{
    supervisor_look(&supervisor, &facts, now_ms);
}

static int watchdogs(void)
{
    int count = 0;
    const char *said;

    while ((said = heard())[0] != 0)
        count += strcmp(said, "WATCHDOG=1") == 0;
    return count;
}

static void it_is_ready_once_and_only_when_all_of_it_consumes(void **state)
{
    (void)state;
    supervisor_waits(&supervisor, "kafka:9092");
    assert_string_equal(heard(), "STATUS=looking for the brokers and topics at kafka:9092");
    look((struct supervisor_facts){.restoring = 2, .percent = 43, .eta_s = 12, .tasks = 1}, 1);
    assert_string_equal(heard(), "STATUS=restoring 2 tasks: 43 %, 12 s left; 1 consume");
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_string_equal(heard(), "");
    look((struct supervisor_facts){.consuming = true, .tasks = 3}, 50);
    assert_string_equal(heard(), "READY=1");
    look((struct supervisor_facts){.consuming = false}, 100);
    look((struct supervisor_facts){.consuming = true}, 150);
    assert_string_equal(heard(), "");
}

static void a_status_has_a_rate_and_is_told_every_five_seconds_where_it_changes(void **state)
{
    struct supervisor_facts facts = {
        .consuming = true, .tasks = 4, .live = 17, .outcomes = 1000, .silent_ms = 9999};

    (void)state;
    look(facts, 1000);
    assert_string_equal(heard(), "STATUS=4 tasks, 17 messages, 0 outcomes/s");
    assert_string_equal(heard(), "READY=1");
    facts.outcomes = 3000;
    look(facts, 5999);
    assert_string_equal(heard(), "");
    look(facts, 6000);
    assert_string_equal(heard(), "STATUS=4 tasks, 17 messages, 400 outcomes/s");
    facts.outcomes = 5000;
    look(facts, 11000);
    assert_string_equal(heard(), "");
}

static void the_watchdog_hears_nothing_of_a_stage_whose_worker_hangs(void **state)
{
    struct supervisor_facts facts = {.consuming = true};
    int64_t now_ms = 1;

    (void)state;
    for (; now_ms < 4000; now_ms += 50)
        look(facts, now_ms);
    assert_int_equal(watchdogs(), 4); /* of two seconds, each half of them */
    facts.silent_ms = 1000;
    for (; now_ms < 8000; now_ms += 50)
        look(facts, now_ms);
    assert_int_equal(watchdogs(), 0);
    facts.silent_ms = 999;
    look(facts, now_ms);
    assert_int_equal(watchdogs(), 1);
}

static void stopping_is_told_once_and_nothing_is_ready_after_it(void **state)
{
    (void)state;
    supervisor_stops(&supervisor);
    supervisor_stops(&supervisor);
    assert_string_equal(heard(), "STOPPING=1\nSTATUS=finishing the last transaction");
    look((struct supervisor_facts){.consuming = true}, 1);
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_string_equal(heard(), "");
}

static void what_a_full_socket_did_not_take_is_said_again(void **state)
{
    struct supervisor_facts facts = {.consuming = true, .silent_ms = 9999};

    (void)state;
    while (notify_say(&supervisor.notify, "FILL=1"))
        continue;
    look(facts, 1);
    while (strcmp(heard(), "FILL=1") == 0)
        continue;
    look(facts, 50);
    assert_string_equal(heard(), "READY=1");
}

static void a_line_cannot_be_added_to_a_status(void **state)
{
    (void)state;
    supervisor_waits(&supervisor, "kafka\nREADY=1");
    assert_string_equal(heard(), "STATUS=looking for the brokers and topics at kafka");
}

static void a_watchdog_of_another_process_is_none_of_ours(void **state)
{
    struct notify notify;

    (void)state;
    setenv("WATCHDOG_PID", "1", 1);
    notify_open(&notify);
    assert_int_equal(notify.watchdog_ms, 0);
    notify_close(&notify);
    unsetenv("WATCHDOG_PID");
    notify_open(&notify);
    assert_int_equal(notify.watchdog_ms, 2000);
    notify_close(&notify);
}

static void where_nobody_listens_nothing_is_said_and_nothing_fails(void **state)
{
    static const char *const names[] = {"", "relative", "@", "/", "vsock:2:1234"};
    struct notify notify;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open(&notify);
        assert_int_equal(notify.socket, -1);
        assert_true(notify_say(&notify, "READY=1"));
    }
    unsetenv("NOTIFY_SOCKET");
    notify_open(&notify);
    assert_int_equal(notify.socket, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(claim) cmocka_unit_test_setup_teardown(claim, listen_as, hang_up)
        TEST(it_is_ready_once_and_only_when_all_of_it_consumes),
        TEST(a_status_has_a_rate_and_is_told_every_five_seconds_where_it_changes),
        TEST(the_watchdog_hears_nothing_of_a_stage_whose_worker_hangs),
        TEST(stopping_is_told_once_and_nothing_is_ready_after_it),
        TEST(what_a_full_socket_did_not_take_is_said_again),
        TEST(a_line_cannot_be_added_to_a_status),
        TEST(a_watchdog_of_another_process_is_none_of_ours),
        TEST(where_nobody_listens_nothing_is_said_and_nothing_fails),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
