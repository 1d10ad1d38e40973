/*
 * replay_fuzz.c: any bytes as a file for `upshot replay`: the line reader, envelopes, events, the
 * pump and all that it writes (promises 2 and 8).
 *
 * Every line that is not blank is an outcome's cause or a dead letter; every line that comes out is
 * one object of JSON, and a dead letter can be read back as an envelope.
 */
#include "consumer/replay_files.h"
#include "consumer/summary.h"
#include "schemas/arena.h"
#include "schemas/channel_file.h"
#include "schemas/envelope.h"
#include "statemachine/require.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENT_MAX = 4096 };

static struct tables tables;

static uint64_t count_lines(const uint8_t *data, size_t size)
{
    uint64_t count = 0;
    bool blank = true;

    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            count += !blank;
            blank = true;
        } else if (data[i] != ' ' && data[i] != '\t' && data[i] != '\r') {
            blank = false;
        }
    }
    return count + !blank;
}

/* How many lines there are, each of them one JSON object. */
static uint64_t check_lines(const char *text, size_t size, bool envelopes)
{
    uint64_t count = 0;

    for (size_t at = 0; at < size; count++) {
        const uint8_t *line = (const uint8_t *)text + at;
        const uint8_t *end = memchr(line, '\n', size - at);
        struct json_object object;
        struct json_member member;
        require(end != NULL);
        for (json_begin(&object, line, (size_t)(end - line)); json_next(&object, &member);)
            continue;
        require(object.error == NULL);
        if (envelopes) {
            struct buffer store = {0};
            struct envelope envelope;
            const char *why = NULL;
            enum envelope_kind kind =
                envelope_decode(line, (size_t)(end - line), &store, &envelope, &why);
            /* One that came with 128 headers has three more. */
            require(kind == ENVELOPE_GOOD ||
                    (kind == ENVELOPE_BAD && strstr(why, "pairs") != NULL));
            buffer_release(&store);
        }
        at += (size_t)(end - line) + 1;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], *outcomes = NULL, *letters = NULL;
    const char *paths[] = {path};
    size_t outcomes_size, letters_size;
    struct tally tally;
    struct remains remains;
    int fd = memfd_create("input", MFD_CLOEXEC);
    struct replay_options options = {
        .tables = &tables,
        .paths = paths,
        .path_count = 1,
        .latest_ms = INT64_MAX,
        .event_max_bytes = EVENT_MAX,
        .to_end_of_time = size > 0 && (data[size - 1] & 1) != 0,
        .outcomes = open_memstream(&outcomes, &outcomes_size),
        .dead_letters = open_memstream(&letters, &letters_size),
    };

    if (tables.count == 0) {
        struct buffer complaints = {0};
        arena_hook_cjson(); /* as main() does */
        require(channel_files_load(NULL, &tables, &complaints));
        buffer_release(&complaints);
    }
    require(fd >= 0 && options.outcomes != NULL && options.dead_letters != NULL);
    require(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    require(replay_files(&options, &tally, &remains) == 0);
    require(fclose(options.outcomes) == 0 && fclose(options.dead_letters) == 0);
    close(fd);

    require(tally.records == count_lines(data, size));
    tally_require_whole(&tally);
    require(check_lines(outcomes, outcomes_size, false) == tally_outcomes(&tally));
    require(check_lines(letters, letters_size, true) == tally_dead_letters(&tally));
    free(outcomes);
    free(letters);
    return 0;
}
