/*
 * lines_test.c: lines come out as they are in the file, however the reads are cut.
 *
 * read(2) is ours here: a pipe's short reads, an interruption and a failing disk come when told to.
 */
#include "consumer/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static size_t read_most = SIZE_MAX;         /* bytes a read gives at most */
static int read_interrupted;                /* so many reads find a signal first */
static uint64_t read_fails_at = UINT64_MAX; /* the disk is bad from this byte on */
static uint64_t read_sum;

ssize_t read(int fd, void *buffer, size_t size)
{
    long got;

    if (read_interrupted > 0) {
        read_interrupted--;
        errno = EINTR;
        return -1;
    }
    if (read_sum >= read_fails_at) {
        errno = EIO;
        return -1;
    }
    if (size > read_fails_at - read_sum)
        size = (size_t)(read_fails_at - read_sum);
    got = syscall(SYS_read, fd, buffer, size > read_most ? read_most : size);
    read_sum += got > 0 ? (uint64_t)got : 0;
    return (ssize_t)got;
}

static int quiet_reads(void **state)
{
    (void)state;
    read_most = SIZE_MAX;
    read_interrupted = 0;
    read_fails_at = UINT64_MAX;
    read_sum = 0;
    return 0;
}

/* A file of its own, gone by the time it is read. */
static void open_bytes(struct lines *lines, const char *bytes, size_t size)
{
    char path[] = "/tmp/upshot-lines-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        assert_true(written > 0);
        bytes += written;
        size -= (size_t)written;
    }
    close(fd);
    assert_true(lines_open(lines, path));
    unlink(path);
    lines->path = "a file"; /* borrowed, and ours ends here */
}

static const struct {
    const char *reason;
    const char *bytes;
    const char *lines[5];
} cases[] = {
    {"nothing", "", {NULL}},
    {"an empty line", "\n", {"", NULL}},
    {"one line", "one\n", {"one", NULL}},
    {"no newline at the end", "one\ntwo", {"one", "two", NULL}},
    {"empty lines in between", "\none\n\n\n", {"", "one", "", "", NULL}},
    {"a carriage return is a byte of the line", "one\r\ntwo\r", {"one\r", "two\r", NULL}},
    {"bytes that are no text", "\xff\xfe\x01\n\x80", {"\xff\xfe\x01", "\x80", NULL}},
};

static void check_lines(struct lines *lines, const char *const *expected, const char *reason)
{
    struct line line;
    int64_t number = 0;

    for (; *expected != NULL; expected++) {
        if (!lines_next(lines, &line))
            fail_msg("%s: only %lld lines", reason, (long long)number);
        if (line.size != strlen(*expected) || memcmp(line.bytes, *expected, line.size) != 0)
            fail_msg("%s: line %lld is \"%.*s\"", reason, (long long)number + 1, (int)line.size,
                     (const char *)line.bytes);
        assert_int_equal(line.full_size, line.size);
        assert_int_equal(lines->number, ++number);
    }
    for (int i = 0; i < 2; i++)
        if (lines_next(lines, &line))
            fail_msg("%s: a line more", reason);
    assert_int_equal(lines->error, 0);
    assert_int_equal(lines->number, number);
}

static void lines_are_what_is_between_newlines(void **state)
{
    static const size_t reads[] = {SIZE_MAX, 1, 2, 3};

    (void)state;
    for (size_t r = 0; r < COUNT(reads); r++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct lines lines;
            quiet_reads(NULL);
            read_most = reads[r];
            open_bytes(&lines, cases[i].bytes, strlen(cases[i].bytes));
            assert_int_equal(lines.bytes_total, strlen(cases[i].bytes));
            check_lines(&lines, cases[i].lines, cases[i].reason);
            assert_int_equal(lines.bytes_read, strlen(cases[i].bytes));
            lines_close(&lines);
        }
    }
}

/* One that is waited for, then those at hand: the same lines, and all of them still there. */
static void lines_at_hand_leave_those_before_where_they_are(void **state)
{
    static const size_t reads[] = {SIZE_MAX, 1, 5, 9};
    static const char bytes[] = "one\ntwo\n\nthree and more\nfour\nthe end";
    static const char *const expected[] = {"one", "two", "", "three and more", "four", "the end"};

    (void)state;
    for (size_t r = 0; r < COUNT(reads); r++) {
        struct lines lines;
        struct line held[COUNT(expected)];
        size_t done = 0, count = 0;
        quiet_reads(NULL);
        read_most = reads[r];
        open_bytes(&lines, bytes, strlen(bytes));
        for (; lines_next(&lines, &held[0]); done += count) {
            for (count = 1; lines_next_at_hand(&lines, &held[count]); count++)
                assert_in_range(done + count, 1, COUNT(expected) - 2); /* the last has no end */
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(held[i].size, strlen(expected[done + i]));
                assert_int_equal(held[i].full_size, held[i].size);
                assert_memory_equal(held[i].bytes, expected[done + i], held[i].size);
            }
            assert_int_equal(lines.number, done + count);
        }
        assert_int_equal(done, COUNT(expected));
        if (reads[r] == SIZE_MAX)
            assert_int_equal(count, 1); /* the end came by itself */
        lines_close(&lines);
    }
}

/* Standard input, as a pipe that gives a byte at a time. */
static void a_pipe_may_drip(void **state)
{
    int kept = dup(STDIN_FILENO);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct lines lines;
        int ends[2];
        quiet_reads(NULL);
        read_most = 1;
        assert_int_equal(pipe(ends), 0);
        assert_true(write(ends[1], cases[i].bytes, strlen(cases[i].bytes)) ==
                    (ssize_t)strlen(cases[i].bytes));
        close(ends[1]);
        assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
        close(ends[0]);
        assert_true(lines_open(&lines, "-"));
        assert_int_equal(lines.bytes_total, 0); /* nobody knows how much will come */
        check_lines(&lines, cases[i].lines, cases[i].reason);
        lines_close(&lines);
        assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* not ours to close */
    }
    if (kept >= 0) {
        dup2(kept, STDIN_FILENO);
        close(kept);
    }
}

/* Across the buffer's end, with reads that are no power of two. */
static void many_lines_come_out_whole(void **state)
{
    enum { LINES = 20000 };
    static char bytes[LINES * 120];
    static const size_t reads[] = {SIZE_MAX, 65537, 4099};
    size_t size = 0;

    (void)state;
    for (int i = 0; i < LINES; i++)
        size += (size_t)snprintf(bytes + size, sizeof(bytes) - size, "%d%.*s\n", i, i % 97,
                                 "................................................."
                                 ".................................................");
    for (size_t r = 0; r < COUNT(reads); r++) {
        struct lines lines;
        struct line line;
        const char *at = bytes;
        quiet_reads(NULL);
        read_most = reads[r];
        open_bytes(&lines, bytes, size);
        while (lines_next(&lines, &line)) {
            size_t expected = strcspn(at, "\n");
            if (line.size != expected || memcmp(line.bytes, at, expected) != 0)
                fail_msg("line %lld, reads of %zu", (long long)lines.number, reads[r]);
            at += expected + 1;
        }
        assert_int_equal(lines.number, LINES);
        assert_true(at == bytes + size);
        lines_close(&lines);
    }
}

static void a_line_over_the_bound_is_cut_and_says_its_size(void **state)
{
    static const struct {
        const char *reason;
        size_t size; /* of the long line */
        bool newline;
        size_t read_most;
    } long_cases[] = {
        {"just fits", LINE_MAX_BYTES, true, SIZE_MAX},
        {"just fits, at the end", LINE_MAX_BYTES, false, SIZE_MAX},
        {"just fits, odd reads", LINE_MAX_BYTES, true, 1000003},
        {"one byte over", LINE_MAX_BYTES + 1, true, SIZE_MAX},
        {"one byte over, at the end", LINE_MAX_BYTES + 1, false, SIZE_MAX},
        {"one byte over, odd reads", LINE_MAX_BYTES + 1, true, 1000003},
        {"far over", 3 * (size_t)LINE_MAX_BYTES + 12345, true, SIZE_MAX},
        {"far over, odd reads", 3 * (size_t)LINE_MAX_BYTES + 12345, true, 1000003},
        {"far over, at the end", 3 * (size_t)LINE_MAX_BYTES + 12345, false, 1000003},
    };
    char *bytes = malloc(4 + 4 * (size_t)LINE_MAX_BYTES + 16);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < COUNT(long_cases); i++) {
        size_t size = long_cases[i].size;
        struct lines lines;
        struct line line;
        memcpy(bytes, "one\n", 4);
        for (size_t at = 0; at < size; at++)
            bytes[4 + at] = (char)('a' + at % 23);
        memcpy(bytes + 4 + size, "\nthree\n\nfive", 13);
        quiet_reads(NULL);
        read_most = long_cases[i].read_most;
        open_bytes(&lines, bytes, 4 + size + (long_cases[i].newline ? 12 : 0));
        assert_true(lines_next(&lines, &line));
        assert_int_equal(line.size, 3);
        assert_true(lines_next(&lines, &line));
        if (line.full_size != size ||
            line.size != (size > LINE_MAX_BYTES ? (size_t)LINE_MAX_BYTES : size))
            fail_msg("%s: %zu of %zu bytes", long_cases[i].reason, line.size, line.full_size);
        assert_memory_equal(line.bytes, bytes + 4, line.size);
        if (long_cases[i].newline)
            for (int after = 0; after < 3; after++) {
                static const char *const rest[] = {"three", "", "five"};
                if (!lines_next(&lines, &line) || line.size != strlen(rest[after]) ||
                    memcmp(line.bytes, rest[after], line.size) != 0)
                    fail_msg("%s: \"%s\" is lost", long_cases[i].reason, rest[after]);
            }
        if (lines_next(&lines, &line))
            fail_msg("%s: a line more", long_cases[i].reason);
        assert_int_equal(lines.number, long_cases[i].newline ? 5 : 2);
        /* Bounded, however long the line: the bound, doubled once for what was read beyond. */
        assert_true(lines.room <= 2 * (size_t)LINE_MAX_BYTES);
        lines_close(&lines);
    }
    free(bytes);
}

static void an_interrupted_read_is_done_again(void **state)
{
    static const char *const expected[] = {"one", "two", NULL};
    struct lines lines;

    (void)state;
    open_bytes(&lines, "one\ntwo\n", 8);
    read_interrupted = 3;
    check_lines(&lines, expected, "interrupted");
    lines_close(&lines);
}

static void a_failed_read_is_told_and_ends_it(void **state)
{
    struct lines lines;
    struct line line;

    (void)state;
    open_bytes(&lines, "one\ntwo\nthree\n", 14);
    read_fails_at = 8;
    assert_true(lines_next(&lines, &line));
    assert_true(lines_next(&lines, &line));
    assert_memory_equal(line.bytes, "two", 3);
    assert_false(lines_next(&lines, &line));
    assert_int_equal(lines.error, EIO);
    assert_false(lines_next(&lines, &line));
    lines_close(&lines);
}

/* The first half of an event is no event: it may even be JSON. */
static void half_a_line_before_a_failed_read_is_no_line(void **state)
{
    struct lines lines;
    struct line line;

    (void)state;
    open_bytes(&lines, "one\ntwo\nthree\n", 14);
    read_fails_at = 10;
    assert_true(lines_next(&lines, &line));
    assert_true(lines_next(&lines, &line));
    assert_false(lines_next(&lines, &line));
    assert_int_equal(lines.error, EIO);
    lines_close(&lines);
}

static void what_cannot_be_opened_says_why(void **state)
{
    struct lines lines;

    (void)state;
    errno = 0;
    assert_false(lines_open(&lines, "no such file"));
    assert_int_equal(errno, ENOENT);
    errno = 0;
    assert_false(lines_open(&lines, "."));
    assert_int_equal(errno, EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_are_what_is_between_newlines, quiet_reads),
        cmocka_unit_test_setup(lines_at_hand_leave_those_before_where_they_are, quiet_reads),
        cmocka_unit_test_setup(a_pipe_may_drip, quiet_reads),
        cmocka_unit_test_setup(many_lines_come_out_whole, quiet_reads),
        cmocka_unit_test_setup(a_line_over_the_bound_is_cut_and_says_its_size, quiet_reads),
        cmocka_unit_test_setup(an_interrupted_read_is_done_again, quiet_reads),
        cmocka_unit_test_setup(a_failed_read_is_told_and_ends_it, quiet_reads),
        cmocka_unit_test_setup(half_a_line_before_a_failed_read_is_no_line, quiet_reads),
        cmocka_unit_test_setup(what_cannot_be_opened_says_why, quiet_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
