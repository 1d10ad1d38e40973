/* replay_into.c: open, close, rename. */
#include "consumer/replay_into.h"

#include "consumer/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDING ".jsonl"
#define PART ".part"

enum kind { OUTCOMES, LETTERS, KINDS };

static const char *const kind_words[KINDS] = {
    [OUTCOMES] = "outcomes",
    [LETTERS] = "dead_letters",
};

static bool fail(const char *path)
{
    fprintf(stderr, "upshot replay: %s: %s\n", path, strerror(errno));
    return false;
}

static void name(char path[PATH_MAX], const char *directory, enum kind kind, int32_t partition,
                 const char *part)
{
    snprintf(path, PATH_MAX, "%s/%s-%05" PRId32 ENDING "%s", directory, kind_words[kind], partition,
             part);
}

static bool is_finished(const char *entry)
{
    size_t size = strlen(entry), ending = strlen(ENDING);

    return size > ending && strcmp(entry + size - ending, ENDING) == 0;
}

int replay_into_begin(const char *directory)
{
    const struct dirent *entry;
    int code = EXIT_WELL;
    DIR *list;

    if (mkdir(directory, 0777) != 0 && errno != EEXIST) {
        fail(directory);
        return EXIT_WORLD;
    }
    list = opendir(directory);
    if (list == NULL) {
        fail(directory);
        return EXIT_WORLD;
    }
    while (code == EXIT_WELL && (entry = readdir(list)) != NULL)
        if (is_finished(entry->d_name)) {
            fprintf(stderr,
                    "upshot replay: %s/%s is there already: name another directory, or remove what "
                    "is in this one\n",
                    directory, entry->d_name);
            code = EXIT_USAGE;
        }
    closedir(list);
    return code;
}

static FILE *open_part(const char *directory, enum kind kind, int32_t partition)
{
    char path[PATH_MAX];
    FILE *file;

    name(path, directory, kind, partition, PART);
    file = fopen(path, "we");
    if (file == NULL)
        fail(path);
    return file;
}

bool replay_into_open(const char *directory, int32_t partition, struct replay_out *out)
{
    out->outcomes = open_part(directory, OUTCOMES, partition);
    if (out->outcomes == NULL)
        return false;
    out->dead_letters = open_part(directory, LETTERS, partition);
    return out->dead_letters != NULL;
}

static bool close_part(const char *directory, enum kind kind, int32_t partition, FILE **file,
                       bool whole)
{
    char path[PATH_MAX];
    bool good;

    if (*file == NULL)
        return false;
    name(path, directory, kind, partition, PART);
    good = !whole || (fflush(*file) == 0 && fsync(fileno(*file)) == 0) || fail(path);
    good = (fclose(*file) == 0 || !good || fail(path)) && good;
    *file = NULL;
    return good && whole;
}

bool replay_into_close(const char *directory, int32_t partition, struct replay_out *out, bool whole)
{
    bool good = close_part(directory, OUTCOMES, partition, &out->outcomes, whole);

    return close_part(directory, LETTERS, partition, &out->dead_letters, whole) && good;
}

static bool rename_part(const char *directory, enum kind kind, int32_t partition)
{
    char part[PATH_MAX], path[PATH_MAX];

    name(part, directory, kind, partition, PART);
    name(path, directory, kind, partition, "");
    return rename(part, path) == 0 || fail(path);
}

bool replay_into_finish(const char *directory, int32_t partitions,
                        const struct partition_set *chosen)
{
    bool good = true;
    int fd;

    for (int32_t p = 0; p < partitions && good; p++)
        good = !partition_set_has(chosen, p) ||
               (rename_part(directory, LETTERS, p) && rename_part(directory, OUTCOMES, p));
    if (!good)
        return false;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    good = fd >= 0 && fsync(fd) == 0;
    if (!good)
        fail(directory);
    if (fd >= 0)
        close(fd);
    return good;
}
