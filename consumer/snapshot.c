/* snapshot.c: names, lists, and what is thrown away. */
#include "consumer/snapshot.h"

#include "consumer/hash.h"
#include "schemas/state_record.h"
#include "statemachine/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".snapshot"

enum { DIGITS = 20 };

uint64_t snapshot_tables_digest(const struct tables *tables)
{
    uint64_t digest = tables->count;

    for (size_t i = 0; i < tables->count; i++) {
        const struct table *table = tables->rows[i];
        digest = hash_bytes(table->channel, table->channel_size, digest);
        digest = hash_bytes(&table->digest, sizeof(table->digest), digest);
    }
    return digest;
}

bool snapshot_path(char out[SNAPSHOT_PATH_MAX], const struct snapshot_place *place,
                   int32_t partition, uint64_t transaction, const char *token)
{
    int size = snprintf(out, SNAPSHOT_PATH_MAX, "%s/%s-%d.%020llu.%s" SUFFIX, place->dir,
                        place->state_topic, partition, (unsigned long long)transaction, token);

    return size > 0 && (size_t)size + sizeof(SNAPSHOT_PART) <= SNAPSHOT_PATH_MAX;
}

void snapshot_put_message(struct buffer *out, const struct tables *tables, struct message_key key,
                          const struct record *record, struct snapshot_seal *seal)
{
    const struct table *table = tables->rows[key.channel];
    struct snapshot_pair pair = snapshot_begin_key(out);

    state_key_message(out, table, key.id);
    snapshot_begin_value(out, &pair);
    state_record_encode(out, table, record);
    snapshot_end_pair(out, &pair, seal);
}

bool snapshot_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good;
}

/* Is this the name of one of the task's? A part is one that was never finished. */
static bool is_ours(const char *name, const char *prefix, bool *part)
{
    size_t prefix_size = strlen(prefix), tail = sizeof(SUFFIX) - 1;
    const char *token;

    if (strncmp(name, prefix, prefix_size) != 0)
        return false;
    name += prefix_size;
    if (strspn(name, "0123456789") != DIGITS || name[DIGITS] != '.')
        return false;
    token = name + DIGITS + 1;
    token += strcspn(token, ".");
    if (strncmp(token, SUFFIX, tail) != 0)
        return false;
    *part = strcmp(token + tail, SNAPSHOT_PART) == 0;
    return *part || token[tail] == 0;
}

/* By transaction, which is all that the names differ in before the token; the newest first. */
static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static bool list(const struct snapshot_place *place, int32_t partition, bool parts,
                 struct snapshot_paths *paths)
{
    char prefix[512], path[SNAPSHOT_PATH_MAX];
    const struct dirent *entry;
    DIR *dir = opendir(place->dir);
    bool part;

    *paths = (struct snapshot_paths){0};
    if (dir == NULL)
        return false;
    snprintf(prefix, sizeof(prefix), "%s-%d.", place->state_topic, partition);
    while ((entry = readdir(dir)) != NULL) {
        if (!is_ours(entry->d_name, prefix, &part) || part != parts)
            continue;
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", place->dir, entry->d_name) >=
            sizeof(path))
            continue;
        paths->items = memory_resize(paths->items, paths->count + 1, sizeof(*paths->items));
        paths->items[paths->count] = memory_get(strlen(path) + 1);
        strcpy(paths->items[paths->count++], path);
    }
    closedir(dir);
    if (paths->count > 0)
        qsort(paths->items, paths->count, sizeof(*paths->items), newest_first);
    return true;
}

bool snapshot_list(const struct snapshot_place *place, int32_t partition,
                   struct snapshot_paths *paths)
{
    return list(place, partition, false, paths);
}

void snapshot_paths_release(struct snapshot_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->items[i]);
    free(paths->items);
    *paths = (struct snapshot_paths){0};
}

void snapshot_prune(const struct snapshot_place *place, int32_t partition, const char *written)
{
    struct snapshot_paths paths;
    bool kept_older = false;

    if (list(place, partition, false, &paths))
        for (size_t i = 0; i < paths.count; i++) {
            int order = strcmp(paths.items[i], written);
            if (order > 0 || (order < 0 && kept_older))
                unlink(paths.items[i]);
            kept_older = kept_older || order < 0;
        }
    snapshot_paths_release(&paths);
    if (list(place, partition, true, &paths))
        for (size_t i = 0; i < paths.count; i++)
            unlink(paths.items[i]);
    snapshot_paths_release(&paths);
}
