/* snapshot_reader.c: trusts no file, and says why not. */
#include "consumer/snapshot_reader.h"

#include "consumer/log.h"
#include "statemachine/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOCKS_DIFFER_MS = 60000 }; /* of two machines that share a directory */

struct snapshot_reader {
    char path[SNAPSHOT_PATH_MAX];
    int fd;
    int64_t size, at;
    uint8_t *bytes; /* the frame in hand, or the head */
    size_t room;
    struct snapshot_seal seal;
    struct snapshot_end end;
    uint64_t chain;
    int64_t offset, created_ms;
    struct control control;
    uint64_t seed;
    const char *why;
};

void snapshot_ignored(const char *path, const char *reason, const char *hint)
{
    log_warn("snapshot_ignored", "path=%s reason=%s hint=\"%s\"", path, reason, hint);
}

static bool ignore(const struct snapshot_reader *reader, const char *reason, const char *hint)
{
    snapshot_ignored(reader->path, reason, hint);
    return false;
}

static bool read_at(const struct snapshot_reader *reader, uint8_t *bytes, size_t size, int64_t at)
{
    while (size > 0) {
        ssize_t got = pread(reader->fd, bytes, size, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        bytes += got;
        size -= (size_t)got;
        at += got;
    }
    return true;
}

static void make_room(struct snapshot_reader *reader, size_t size)
{
    if (size <= reader->room)
        return;
    reader->bytes = memory_resize(reader->bytes, size, 1);
    reader->room = size;
}

/* Is it the state of this task of this stage, as far as names can tell? */
static const char *foreign(const struct snapshot_place *place, int32_t partition,
                           const struct snapshot_facts *facts)
{
    if (!text_equal(facts->app_id, text_of(place->app_id)))
        return "another_app";
    if (!text_equal(facts->state_topic, text_of(place->state_topic)))
        return "another_topic";
    if (facts->cluster.size > 0 && place->cluster[0] != 0 &&
        !text_equal(facts->cluster, text_of(place->cluster)))
        return "another_cluster";
    if (facts->partition != (uint32_t)partition)
        return "another_partition";
    if (facts->partitions != (uint32_t)place->partitions)
        return "another_partition_count";
    return NULL;
}

/* Its facts are this task's, and are kept. */
static bool take_facts(struct snapshot_reader *reader, const struct snapshot_place *place,
                       int32_t partition, const struct snapshot_facts *facts)
{
    const char *reason = foreign(place, partition, facts);

    if (reason != NULL)
        return ignore(reader, reason, "it is not this task's state");
    if (control_decode(facts->control.bytes, facts->control.size, &reader->control) != STATE_GOOD ||
        reader->control.lineage == 0)
        return ignore(reader, "corrupt", "its control record cannot be read");
    reader->offset = facts->offset;
    reader->created_ms = facts->created_ms;
    reader->seed = facts->seed;
    return true;
}

static bool fits(const struct snapshot_reader *reader, const struct snapshot_place *place,
                 const struct snapshot_facts *facts, int64_t low, int64_t high, int64_t wall_ms)
{
    if (facts->tables != snapshot_tables_digest(place->tables))
        return ignore(reader, "tables_changed", "its records were read by other channel tables");
    if (facts->created_ms > wall_ms + CLOCKS_DIFFER_MS)
        return ignore(reader, "from_the_future",
                      "a clock is or was wrong, so nobody knows how old it is");
    if (wall_ms - facts->created_ms > place->most_age_ms)
        return ignore(reader, "too_old",
                      "older than half of the state topic's delete.retention.ms: tombstones since "
                      "may have been cleaned away");
    if (facts->offset >= high || reader->end.valid_from > high)
        return ignore(reader, "beyond_the_log",
                      "the state topic ends before it: it lost records, or was made anew");
    if (facts->offset < low)
        return ignore(reader, "before_the_log", "the state topic begins after it");
    return true;
}

static bool open_file(struct snapshot_reader *reader)
{
    struct stat facts;

    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0 || fstat(reader->fd, &facts) != 0)
        return ignore(reader, "unreadable", strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return ignore(reader, "foreign", "it is no file");
    reader->size = facts.st_size;
    posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

/* Reads head and end; the facts' texts borrow from the reader until its first step. */
static bool begin(struct snapshot_reader *reader, struct snapshot_facts *facts)
{
    uint8_t tail[SNAPSHOT_END_SIZE];
    size_t used = 0, head;
    enum snapshot_fault fault;

    if (!open_file(reader))
        return false;
    head = reader->size < SNAPSHOT_HEAD_MAX ? (size_t)reader->size : SNAPSHOT_HEAD_MAX;
    make_room(reader, SNAPSHOT_HEAD_MAX);
    if (!read_at(reader, reader->bytes, head, 0))
        return ignore(reader, "unreadable", strerror(errno));
    fault = snapshot_read_head(reader->bytes, head, facts, &used, &reader->seal);
    if (fault == SNAPSHOT_GOOD && reader->size < (int64_t)used + SNAPSHOT_END_SIZE)
        fault = SNAPSHOT_TORN;
    if (fault == SNAPSHOT_GOOD) {
        if (!read_at(reader, tail, sizeof(tail), reader->size - SNAPSHOT_END_SIZE))
            return ignore(reader, "unreadable", strerror(errno));
        fault = snapshot_read_end(tail, &reader->seal, &reader->end, &reader->chain);
    }
    if (fault != SNAPSHOT_GOOD)
        return ignore(reader, snapshot_fault_words[fault],
                      fault == SNAPSHOT_TOO_NEW ? "written by a newer upshot"
                                                : "it is not as it was written");
    reader->at = (int64_t)used;
    return true;
}

static struct snapshot_reader *reader_new(const char *path)
{
    struct snapshot_reader *reader = memory_get_clean(sizeof(*reader));

    snprintf(reader->path, sizeof(reader->path), "%s", path);
    return reader;
}

struct snapshot_reader *snapshot_reader_open(const struct snapshot_place *place, int32_t partition,
                                             const struct snapshot_paths *paths, size_t *next,
                                             int64_t low, int64_t high, int64_t wall_ms)
{
    while (*next < paths->count) {
        struct snapshot_reader *reader = reader_new(paths->items[(*next)++]);
        struct snapshot_facts facts;
        if (begin(reader, &facts) && take_facts(reader, place, partition, &facts) &&
            fits(reader, place, &facts, low, high, wall_ms))
            return reader;
        snapshot_reader_close(&reader);
    }
    return NULL;
}

struct snapshot_reader *snapshot_reader_open_exact(const struct snapshot_place *place,
                                                   int32_t partition, const char *path)
{
    struct snapshot_reader *reader = reader_new(path);
    struct snapshot_facts facts;

    /* Behind the control record that it begins with, nothing had landed when it ended. */
    if (!begin(reader, &facts) || !take_facts(reader, place, partition, &facts) ||
        reader->end.valid_from != reader->offset + 1)
        snapshot_reader_close(&reader);
    return reader;
}

void snapshot_reader_close(struct snapshot_reader **reader)
{
    if (*reader == NULL)
        return;
    if ((*reader)->fd >= 0)
        close((*reader)->fd);
    free((*reader)->bytes);
    free(*reader);
    *reader = NULL;
}

static enum snapshot_step bad(struct snapshot_reader *reader, const char *why)
{
    reader->why = why;
    return SNAPSHOT_BAD;
}

enum snapshot_step snapshot_reader_step(struct snapshot_reader *reader, struct text *pairs)
{
    int64_t left = reader->size - SNAPSHOT_END_SIZE - reader->at;
    uint8_t head[SNAPSHOT_FRAME_HEAD];
    size_t size;

    if (left == 0)
        return snapshot_compare_end(&reader->seal, &reader->end, reader->chain) == SNAPSHOT_GOOD
                   ? SNAPSHOT_DONE
                   : bad(reader, "corrupt");
    if (left < SNAPSHOT_FRAME_HEAD)
        return bad(reader, "corrupt");
    if (!read_at(reader, head, sizeof(head), reader->at))
        return bad(reader, "unreadable");
    size = snapshot_frame_size(head);
    if (size == 0 || (int64_t)size > left)
        return bad(reader, "corrupt");
    make_room(reader, size);
    if (!read_at(reader, reader->bytes, size, reader->at))
        return bad(reader, "unreadable");
    if (snapshot_read_pairs(reader->bytes, size, &reader->seal, pairs) != SNAPSHOT_GOOD)
        return bad(reader, "corrupt");
    reader->at += (int64_t)size;
    return SNAPSHOT_MORE;
}

const char *snapshot_reader_why(const struct snapshot_reader *reader)
{
    return reader->why;
}

const char *snapshot_reader_path(const struct snapshot_reader *reader)
{
    return reader->path;
}

int64_t snapshot_reader_offset(const struct snapshot_reader *reader)
{
    return reader->offset;
}

uint64_t snapshot_reader_lineage(const struct snapshot_reader *reader)
{
    return reader->control.lineage;
}

uint64_t snapshot_reader_transaction(const struct snapshot_reader *reader)
{
    return reader->control.transaction;
}

int64_t snapshot_reader_created_ms(const struct snapshot_reader *reader)
{
    return reader->created_ms;
}

const struct control *snapshot_reader_control(const struct snapshot_reader *reader)
{
    return &reader->control;
}

uint64_t snapshot_reader_seed(const struct snapshot_reader *reader)
{
    return reader->seed;
}

int64_t snapshot_reader_read(const struct snapshot_reader *reader)
{
    return reader->at;
}

int64_t snapshot_reader_size(const struct snapshot_reader *reader)
{
    return reader->size;
}
