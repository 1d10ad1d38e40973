/*
 * parse_loop.c: how fast a file of events could be replayed, were there nothing to do but to parse.
 *
 *   parse_loop malloc|arena FILE
 *
 * cJSON_ParseWithLength() and cJSON_Delete() for each line, by the same reader of lines that
 * `upshot replay` has. With `arena` cJSON's memory is a pointer that moves on and goes back after
 * each line: the best that a C programmer gets out of cJSON. Prints one line of key=value.
 */
#include "consumer/lines.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static _Alignas(16) uint8_t arena[1 << 20]; /* more than a line's tree takes; else NULL, and told */
static size_t used;

static void *arena_get(size_t size)
{
    void *memory = arena + used;

    size = (size + 15) & ~(size_t)15;
    if (size > sizeof(arena) - used)
        return NULL;
    used += size;
    return memory;
}

static void arena_drop(void *memory)
{
    (void)memory;
}

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    uint64_t parsed = 0, refused = 0;
    struct lines lines;
    struct line line;
    double seconds;

    if (argc != 3 || (strcmp(argv[1], "malloc") != 0 && strcmp(argv[1], "arena") != 0)) {
        fprintf(stderr, "usage: parse_loop malloc|arena FILE\n");
        return 2;
    }
    if (strcmp(argv[1], "arena") == 0)
        cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = arena_get, .free_fn = arena_drop});
    if (!lines_open(&lines, argv[2])) {
        perror(argv[2]);
        return 3;
    }
    seconds = cpu_seconds();
    while (lines_next(&lines, &line)) {
        cJSON *tree = cJSON_ParseWithLength((const char *)line.bytes, line.size);
        parsed += tree != NULL;
        refused += tree == NULL;
        cJSON_Delete(tree);
        used = 0;
    }
    seconds = cpu_seconds() - seconds;
    lines_close(&lines);
    printf("parsed=%" PRIu64 " refused=%" PRIu64 " cpu_seconds=%.3f rate=%.0f\n", parsed, refused,
           seconds, (double)(parsed + refused) / seconds);
    return 0;
}
