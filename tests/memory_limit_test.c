/* memory_limit_test.c: trees of /proc and /sys as containers have them, and what follows. */
#include "consumer/memory_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define GIB (INT64_C(1) << 30)

static char root[64];

static int open_root(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/upshot-memory.XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int close_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void put(const char *path, const char *content)
{
    char whole[512];
    FILE *file;

    snprintf(whole, sizeof(whole), "%s%s", root, path);
    for (char *at = whole + strlen(root) + 1; *at != 0; at++)
        if (*at == '/') {
            *at = 0;
            mkdir(whole, 0700);
            *at = '/';
        }
    file = fopen(whole, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

struct file {
    const char *path, *content;
};

#define MACHINE {"/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:         1000 kB\n"}
#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/memory"

static const struct tree {
    const char *name;
    int64_t limit;
    struct file files[6];
} trees[] = {
    {"nothing to read", 0, {{"/proc/version", "Linux"}}},
    {"a machine alone", 8 * GIB, {MACHINE}},
    {"v2, seen from inside a container",
     GIB,
     {MACHINE, {"/proc/self/cgroup", "0::/\n"}, {V2 "/memory.max", "1073741824\n"}}},
    {"v2, without a limit",
     8 * GIB,
     {MACHINE, {"/proc/self/cgroup", "0::/a\n"}, {V2 "/a/memory.max", "max\n"}}},
    {"v2, the parent's limit is the least",
     2 * GIB,
     {MACHINE,
      {"/proc/self/cgroup", "0::/pods/pod1/box\n"},
      {V2 "/pods/pod1/box/memory.max", "max\n"},
      {V2 "/pods/pod1/memory.max", "2147483648\n"},
      {V2 "/pods/memory.max", "4294967296\n"}}},
    {"v2, the path is the host's and is not here",
     GIB,
     {MACHINE,
      {"/proc/self/cgroup", "0::/system.slice/docker-12.scope\n"},
      {V2 "/memory.max", "1073741824\n"}}},
    {"v1, memory among others",
     3 * GIB,
     {MACHINE,
      {"/proc/self/cgroup", "9:cpu,cpuacct:/x\n4:hugetlb,memory:/x/y\n1:name=systemd:/x\n"},
      {V1 "/x/y/memory.limit_in_bytes", "3221225472\n"}}},
    {"v1, unlimited is a very large number",
     8 * GIB,
     {MACHINE,
      {"/proc/self/cgroup", "4:memory:/\n"},
      {V1 "/memory.limit_in_bytes", "9223372036854771712\n"}}},
    {"v1 of a container, the path is the host's",
     GIB / 2,
     {MACHINE,
      {"/proc/self/cgroup", "4:memory:/docker/0123\n"},
      {V1 "/memory.limit_in_bytes", "536870912\n"}}},
    {"hybrid: v1 has the memory",
     GIB,
     {MACHINE,
      {"/proc/self/cgroup", "4:memory:/m\n0::/m\n"},
      {V1 "/m/memory.limit_in_bytes", "1073741824\n"},
      {V2 "/unified/m/cgroup.procs", "1\n"}}},
    {"another controller whose name has memory in it",
     8 * GIB,
     {MACHINE,
      {"/proc/self/cgroup", "4:memory2:/m\n"},
      {V1 "/m/memory.limit_in_bytes", "1000\n"}}},
    {"a limit beyond the machine is none",
     8 * GIB,
     {MACHINE, {"/proc/self/cgroup", "0::/\n"}, {V2 "/memory.max", "109951162777600\n"}}},
};

static void the_least_limit_on_the_way_up_counts(void **state)
{
    for (size_t i = 0; i < COUNT(trees); i++) {
        int64_t limit;
        assert_int_equal(open_root(state), 0);
        for (size_t j = 0; j < COUNT(trees[i].files) && trees[i].files[j].path != NULL; j++)
            put(trees[i].files[j].path, trees[i].files[j].content);
        limit = memory_limit(root);
        assert_int_equal(close_root(state), 0);
        if (limit != trees[i].limit)
            fail_msg("%s: %lld, not %lld", trees[i].name, (long long)limit,
                     (long long)trees[i].limit);
    }
}

static void this_machine_can_be_read(void **state)
{
    (void)state;
    assert_true(memory_limit("") > GIB / 16);
    assert_true(memory_resident("") > 1 << 20);
    assert_true(memory_resident("") < memory_limit(""));
}

static void what_fits_leaves_room_for_buffers(void **state)
{
    static const struct {
        int64_t limit;
        int32_t partitions;
        int64_t inputs, workers, least, most;
    } rows[] = {
        {GIB, 4, 2, 1, 2000000, 3500000},
        {4 * GIB, 4, 2, 1, 12000000, 16000000},
        {GIB / 4, 64, 2, 4, 300000, 500000}, /* buffers are half of it at most */
        {1 << 20, 64, 2, 4, 1000, 2000},     /* hopeless, but not nothing */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t buffers =
            memory_buffers(rows[i].limit, rows[i].partitions, rows[i].inputs, rows[i].workers);
        int64_t records = memory_records(rows[i].limit, buffers);
        if (records < rows[i].least || records > rows[i].most)
            fail_msg("row %zu: %lld records", i, (long long)records);
        /* At the README's figure for a livelier message there is a fifth to spare. */
        if (rows[i].limit >= GIB / 4)
            assert_true(buffers + records * 190 < rows[i].limit * 4 / 5);
    }
}

static void a_warning_comes_once_and_again_after_there_was_room(void **state)
{
    static const struct {
        int64_t live;
        bool tell;
    } steps[] = {{0, false},   {799, false}, {800, true},  {900, false}, {790, false},
                 {800, false}, {719, false}, {799, false}, {801, true},  {1000, false}};
    bool told = false;

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++)
        if (memory_is_short(steps[i].live, 1000, &told) != steps[i].tell)
            fail_msg("step %zu: %lld", i, (long long)steps[i].live);
}

static void memory_is_full_before_the_kernel_finds_it_so(void **state)
{
    (void)state;
    assert_false(memory_is_full(949, 1000));
    assert_true(memory_is_full(951, 1000));
    assert_false(memory_is_full(GIB, 0)); /* unknown */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_limit_on_the_way_up_counts),
        cmocka_unit_test(this_machine_can_be_read),
        cmocka_unit_test(what_fits_leaves_room_for_buffers),
        cmocka_unit_test(memory_is_full_before_the_kernel_finds_it_so),
        cmocka_unit_test(a_warning_comes_once_and_again_after_there_was_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
