/* log_test.c: what comes through the log's door, and what does not. */
#include "consumer/log.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char said[8192];
static int ends[2], real_stderr;

static void listen_to_stderr(void)
{
    assert_int_equal(pipe(ends), 0);
    real_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
}

/* All that was said since, as one text. */
static const char *heard(void)
{
    size_t size = 0;
    ssize_t got;

    dup2(real_stderr, STDERR_FILENO); /* closes the pipe's last end */
    close(real_stderr);
    while ((got = read(ends[0], said + size, sizeof(said) - 1 - size)) > 0)
        size += (size_t)got;
    close(ends[0]);
    said[size] = 0;
    return said;
}

static int lines_of(const char *text)
{
    int lines = 0;

    for (; *text != 0; text++)
        lines += *text == '\n';
    return lines;
}

static void only_known_words_choose_a_level_or_a_format(void **state)
{
    static const char *const levels[] = {"error", "warn", "debug", "info"};

    (void)state;
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
        assert_true(log_choose_level(levels[i]));
    assert_true(log_choose_format("json"));
    assert_true(log_choose_format("logfmt"));
    assert_false(log_choose_level("loud"));
    assert_false(log_choose_level(""));
    assert_false(log_choose_format("xml"));
}

static void what_is_below_the_level_is_not_said(void **state)
{
    static const struct {
        const char *level;
        int lines;
    } cases[] = {{"error", 1}, {"warn", 2}, {"info", 3}, {"debug", 4}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_true(log_choose_level(cases[i].level));
        listen_to_stderr();
        log_error("one", "n=%d", 1);
        log_warn("two", "n=%d", 2);
        log_info("three", "n=%d", 3);
        log_debug("four", "n=%d", 4);
        assert_int_equal(lines_of(heard()), cases[i].lines);
    }
    assert_true(log_choose_level("info"));
}

static void each_line_names_its_level_and_its_time(void **state)
{
    cJSON *tree;

    (void)state;
    listen_to_stderr();
    log_warn("waiting", "topic=%s n=%d", "a\nb", 3);
    assert_int_equal(strncmp(heard(), "waiting level=warn time=2", 25), 0);
    assert_non_null(strstr(said, "Z topic=\"a\\nb\" n=3\n"));

    assert_true(log_choose_format("json"));
    listen_to_stderr();
    log_warn("waiting", "topic=%s n=%d", "a\nb", 3);
    tree = cJSON_Parse(heard());
    assert_true(log_choose_format("logfmt"));
    assert_non_null(tree);
    assert_int_equal(cJSON_GetArraySize(tree), 5);
    assert_string_equal(cJSON_GetObjectItem(tree, "event")->valuestring, "waiting");
    assert_string_equal(cJSON_GetObjectItem(tree, "level")->valuestring, "warn");
    assert_int_equal(strlen(cJSON_GetObjectItem(tree, "time")->valuestring), 24);
    assert_string_equal(cJSON_GetObjectItem(tree, "topic")->valuestring, "a\nb");
    assert_int_equal(cJSON_GetObjectItem(tree, "n")->valueint, 3);
    cJSON_Delete(tree);
}

static void the_same_of_the_same_is_said_once(void **state)
{
    (void)state;
    listen_to_stderr();
    for (int i = 0; i < 1204; i++) {
        log_seldom(LOG_WARN_LEVEL, "kafka_error", "broker 1", "n=%d", i);
        log_seldom(LOG_WARN_LEVEL, "kafka_error", "broker 2", "n=%d", i);
    }
    assert_int_equal(lines_of(heard()), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_known_words_choose_a_level_or_a_format),
        cmocka_unit_test(what_is_below_the_level_is_not_said),
        cmocka_unit_test(each_line_names_its_level_and_its_time),
        cmocka_unit_test(the_same_of_the_same_is_said_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
