/* memory_limit.c: /proc/meminfo, /proc/self/cgroup, and the files that they lead to. */
#include "consumer/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A record takes 115 to 190 bytes (README); librdkafka's buffers come and go with a backlog.
 * Measured with four partitions of two inputs and gen's lives, at the peak of catching up: 481 MiB
 * for one million live records, 585 for two (and 356, 482 when restored). These figures say 500 and
 * 744.
 */
enum {
    RECORD_BYTES = 256,
    INPUT_BUFFER = 24 << 20,   /* an input's partition with a backlog: queued.min.messages */
    WORKER_BUFFER = 160 << 20, /* two batches on their way out, a restore on its way in */
    LEAST_RECORDS = 1000,
};

/* The first number of a file, -1 where there is none ("max") or no file. */
static int64_t read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    long long number = -1;

    if (file == NULL)
        return -1;
    if (fscanf(file, "%lld", &number) != 1)
        number = -1;
    fclose(file);
    return number;
}

static int64_t least(int64_t a, int64_t b)
{
    return a <= 0 ? b : b <= 0 || a < b ? a : b;
}

/*
 * A limit holds for all below it. A container often sees its own cgroup as the root of the file
 * system while /proc still tells the path from the host's root, so what is not there is skipped.
 */
static int64_t least_on_path(const char *root, const char *mount, const char *path,
                             const char *name)
{
    char at[1024], file[1400];
    int64_t limit = 0;

    snprintf(at, sizeof(at), "%s", path);
    for (;;) {
        char *slash = strrchr(at, '/');
        snprintf(file, sizeof(file), "%s%s%s/%s", root, mount, strcmp(at, "/") == 0 ? "" : at,
                 name);
        limit = least(limit, read_number(file));
        if (slash == NULL || at[0] == 0)
            return limit;
        *slash = 0;
    }
}

/* "memory" is one of v1's comma-separated controllers. */
static int has_memory(const char *controllers)
{
    for (const char *at = controllers;;) {
        size_t size = strcspn(at, ",");
        if (size == 6 && memcmp(at, "memory", 6) == 0)
            return 1;
        if (at[size] == 0)
            return 0;
        at += size + 1;
    }
}

static int64_t cgroup_limit(const char *root)
{
    char path[512], line[1200];
    int64_t limit = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *controllers = strchr(line, ':');
        char *where = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (where == NULL)
            continue;
        *controllers++ = *where++ = 0;
        where[strcspn(where, "\n")] = 0;
        if (strcmp(line, "0") == 0 && controllers[0] == 0) {
            limit = least(limit, least_on_path(root, "/sys/fs/cgroup", where, "memory.max"));
            limit =
                least(limit, least_on_path(root, "/sys/fs/cgroup/unified", where, "memory.max"));
        } else if (has_memory(controllers)) {
            limit = least(limit, least_on_path(root, "/sys/fs/cgroup/memory", where,
                                               "memory.limit_in_bytes"));
        }
    }
    if (file != NULL)
        fclose(file);
    return limit;
}

int64_t memory_limit(const char *root)
{
    char path[512], line[256];
    long long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    file = fopen(path, "re");
    while (file != NULL && kib == 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "MemTotal: %lld kB", &kib) != 1)
            kib = 0;
    if (file != NULL)
        fclose(file);
    return least(kib * 1024, cgroup_limit(root));
}

int64_t memory_resident(const char *root)
{
    char path[512];
    long long all = 0, resident = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/proc/self/statm", root);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld %lld", &all, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

int64_t memory_buffers(int64_t limit, int32_t partitions, int64_t inputs, int64_t workers)
{
    int64_t buffers = partitions * inputs * INPUT_BUFFER + workers * WORKER_BUFFER;

    return buffers < limit / 2 ? buffers : limit / 2;
}

int64_t memory_records(int64_t limit, int64_t buffers)
{
    int64_t records = (limit - limit / 10 - buffers) / RECORD_BYTES;

    return records < LEAST_RECORDS ? LEAST_RECORDS : records;
}

bool memory_is_short(int64_t live, int64_t records_max, bool *told)
{
    int64_t warn = records_max - records_max / 5;
    bool tell = live >= warn && !*told;

    if (live >= warn)
        *told = true;
    else if (live < warn - warn / 10) /* not for each record that comes and goes at the edge */
        *told = false;
    return tell;
}

bool memory_is_full(int64_t resident, int64_t limit)
{
    return limit > 0 && resident > limit - limit / 20;
}
