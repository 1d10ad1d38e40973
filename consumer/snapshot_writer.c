/* snapshot_writer.c: parts on the worker's thread, the disk on another. */
#include "consumer/snapshot_writer.h"

#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/log.h"
#include "schemas/state_record.h"
#include "statemachine/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    QUEUE = 8,                  /* frames on their way to the disk: a megabyte */
    PART_OF_TIME = 10,          /* a tenth of the time goes into images ... */
    SLICE_LEAST_MS = 2,         /* ... at least so much at a time, */
    SLICE_MOST_MS = 10,         /* and at most: nobody notices */
    WRITE_BACK_BYTES = 1 << 23, /* so that the last sync is short, too */
    LEAVE_MS = 1000,
    FILE_MODE = 0640, /* message ids and reasons are in it */
};

enum order { ORDER_OPEN, ORDER_WRITE, ORDER_FINISH, ORDER_DROP };

struct item {
    enum order order;
    int32_t partition;
    char *path; /* ORDER_OPEN: the final one */
    struct buffer bytes;
};

/* What the two threads share, under the lock. */
struct shared {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct item items[QUEUE];
    size_t first, count;
    bool leave;
    uint64_t finished; /* images that are in place */
    uint64_t failed;   /* images that came to nothing, each told once */
};

enum phase_of_image { IMAGE_NONE, IMAGE_WALKING, IMAGE_ENDING, IMAGE_SYNCING };

struct snapshot_writer {
    const struct snapshot_place *place;
    const char *token;
    int64_t interval_ms;
    pthread_t thread;
    struct shared shared;
    /* ---- of the worker's thread ---- */
    enum phase_of_image phase;
    struct holding *holding;
    uint64_t transaction; /* with which the image begins */
    uint64_t from;        /* where the walk goes on */
    struct snapshot_seal seal;
    struct buffer bytes; /* the frame that is being filled */
    uint64_t total_bytes;
    int64_t began_ms, wall_ms, last_turn_ms, longest_ms;
    uint64_t finished, failed; /* seen so far */
};

/* ---- the disk's thread ------------------------------------------------------------------ */

/* The file in hand. */
struct file {
    const struct snapshot_place *place;
    int fd; /* -1: none, or one that failed */
    int32_t partition;
    char path[SNAPSHOT_PATH_MAX], part[SNAPSHOT_PATH_MAX];
    int64_t written, flushed;
};

static void drop_file(struct file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    unlink(file->part);
    file->fd = -1;
}

/* One clear line for each image that fails, whatever it is that fails. */
static bool fail(struct file *file, const char *what)
{
    int error = errno;

    drop_file(file);
    log_warn("snapshot_failed",
             "partition=%d path=%s call=%s error=\"%s\" hint=\"the stage goes on without it; a "
             "start reads more of the state topic\"",
             file->partition, file->path, what, strerror(error));
    return false;
}

static bool open_file(struct file *file, const struct item *item)
{
    drop_file(file);
    file->partition = item->partition;
    file->written = file->flushed = 0;
    snprintf(file->path, sizeof(file->path), "%s", item->path);
    snprintf(file->part, sizeof(file->part), "%s" SNAPSHOT_PART, item->path);
    file->fd = open(file->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    return file->fd >= 0 || fail(file, "open");
}

static bool write_file(struct file *file, const struct buffer *bytes)
{
    for (size_t at = 0; at < bytes->size;) {
        ssize_t size = write(file->fd, bytes->bytes + at, bytes->size - at);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return fail(file, "write");
        at += (size_t)size;
    }
    file->written += (int64_t)bytes->size;
    if (file->written - file->flushed >= WRITE_BACK_BYTES) {
        sync_file_range(file->fd, file->flushed, file->written - file->flushed,
                        SYNC_FILE_RANGE_WRITE);
        file->flushed = file->written;
    }
    return true;
}

/* In place, whole, whatever happens now; only then do older ones go. */
static bool finish_file(struct file *file)
{
    if (fsync(file->fd) != 0)
        return fail(file, "fsync");
    if (rename(file->part, file->path) != 0)
        return fail(file, "rename");
    close(file->fd);
    file->fd = -1;
    if (!snapshot_sync_directory(file->place->dir))
        return fail(file, "fsync of the directory");
    snapshot_prune(file->place, file->partition, file->path);
    return true;
}

/* True where the image that this belongs to is still good. */
static bool carry_out(struct file *file, const struct item *item)
{
    if (item->order != ORDER_OPEN && file->fd < 0)
        return true; /* it has failed, and that was told */
    switch (item->order) {
    case ORDER_OPEN:
        return open_file(file, item) && write_file(file, &item->bytes);
    case ORDER_WRITE:
        return write_file(file, &item->bytes);
    case ORDER_FINISH:
        return write_file(file, &item->bytes) && finish_file(file);
    case ORDER_DROP:
        drop_file(file);
        return true;
    }
    return true;
}

/* The oldest item stays in the queue until it is carried out: its bytes are used meanwhile. */
static void *write_images(void *argument)
{
    struct snapshot_writer *writer = argument;
    struct shared *shared = &writer->shared;
    struct file *file = memory_get(sizeof(*file));

    *file = (struct file){.place = writer->place, .fd = -1};
    pthread_mutex_lock(&shared->lock);
    for (;;) {
        struct item *item = &shared->items[shared->first];
        bool was_open, good;
        while (shared->count == 0 && !shared->leave)
            pthread_cond_wait(&shared->more, &shared->lock);
        if (shared->leave)
            break;
        was_open = file->fd >= 0;
        pthread_mutex_unlock(&shared->lock);
        good = carry_out(file, item);
        pthread_mutex_lock(&shared->lock);
        shared->failed += !good;
        shared->finished += good && was_open && item->order == ORDER_FINISH;
        free(item->path);
        item->path = NULL;
        buffer_clear(&item->bytes);
        shared->first = (shared->first + 1) % QUEUE;
        shared->count--;
    }
    pthread_mutex_unlock(&shared->lock);
    drop_file(file);
    free(file);
    return NULL;
}

/* ---- from thread to thread -------------------------------------------------------------- */

static bool has_room(struct snapshot_writer *writer, size_t items)
{
    bool room;

    pthread_mutex_lock(&writer->shared.lock);
    room = writer->shared.count + items <= QUEUE;
    pthread_mutex_unlock(&writer->shared.lock);
    return room;
}

/* Gives the bytes away, and takes an empty buffer for them; has_room() has said yes. */
static void give(struct snapshot_writer *writer, enum order order, const char *path)
{
    struct shared *shared = &writer->shared;
    struct item *item;
    struct buffer bytes = writer->bytes;

    writer->total_bytes += bytes.size;
    pthread_mutex_lock(&shared->lock);
    require(shared->count < QUEUE);
    item = &shared->items[(shared->first + shared->count) % QUEUE];
    item->order = order;
    item->partition = writer->holding->lane.partition;
    item->path = path == NULL ? NULL : strdup(path);
    writer->bytes = item->bytes;
    item->bytes = bytes;
    shared->count++;
    pthread_cond_signal(&shared->more);
    pthread_mutex_unlock(&shared->lock);
    buffer_clear(&writer->bytes);
}

struct snapshot_writer *snapshot_writer_new(const struct snapshot_place *place, const char *token,
                                            int64_t interval_ms)
{
    struct snapshot_writer *writer = memory_get(sizeof(*writer));

    *writer = (struct snapshot_writer){
        .place = place,
        .token = token,
        .interval_ms = interval_ms,
        .last_turn_ms = clock_monotonic_ms(),
    };
    pthread_mutex_init(&writer->shared.lock, NULL);
    pthread_cond_init(&writer->shared.more, NULL);
    require(pthread_create(&writer->thread, NULL, write_images, writer) == 0);
    return writer;
}

void snapshot_writer_free(struct snapshot_writer **writer)
{
    struct shared *shared;
    struct timespec until;

    if (*writer == NULL)
        return;
    shared = &(*writer)->shared;
    pthread_mutex_lock(&shared->lock);
    shared->leave = true;
    pthread_cond_signal(&shared->more);
    pthread_mutex_unlock(&shared->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LEAVE_MS / 1000;
    if (pthread_timedjoin_np((*writer)->thread, NULL, &until) != 0) {
        pthread_detach((*writer)->thread); /* a disk hangs: what it uses is left to it */
        *writer = NULL;
        return;
    }
    for (size_t i = 0; i < QUEUE; i++) {
        free(shared->items[i].path);
        buffer_release(&shared->items[i].bytes);
    }
    pthread_mutex_destroy(&shared->lock);
    pthread_cond_destroy(&shared->more);
    buffer_release(&(*writer)->bytes);
    free(*writer);
    *writer = NULL;
}

/* ---- the worker's thread ---------------------------------------------------------------- */

static bool is_pending(const struct holding *holding)
{
    return holding->touched || holding->sealed;
}

static bool is_due(const struct snapshot_writer *writer, const struct holding *holding,
                   int64_t now_ms, int64_t wall_ms)
{
    if (!holding->running || holding->control_offset < 0 || holding->names_dropped ||
        now_ms - holding->snapshot_ms < writer->interval_ms)
        return false;
    /* Nothing has changed since: then only against growing too old. */
    return holding->transaction != holding->snapshot_transaction ||
           wall_ms - holding->snapshot_wall_ms > writer->place->most_age_ms / 2;
}

static void begin(struct snapshot_writer *writer, struct holding *holding, int64_t now_ms,
                  int64_t wall_ms)
{
    static _Thread_local struct control control; /* 20 KiB */
    const struct snapshot_place *place = writer->place;
    struct buffer value = {0};
    struct snapshot_facts facts = {
        .app_id = text_of(place->app_id),
        .state_topic = text_of(place->state_topic),
        .cluster = text_of(place->cluster),
        .partition = (uint32_t)holding->lane.partition,
        .partitions = (uint32_t)place->partitions,
        .tables = snapshot_tables_digest(place->tables),
        .created_ms = wall_ms,
        .offset = holding->control_offset,
        .seed = store_seed(holding->lane.task.store),
    };
    char path[SNAPSHOT_PATH_MAX];

    holding->snapshot_ms = now_ms;
    memset(&control, 0, sizeof(control));
    holding_give_control(holding, place->tables, &control);
    control.transaction = holding->transaction; /* the landed one, not the next */
    control_encode(&value, &control);
    facts.control = (struct text){.bytes = value.bytes, .size = (uint32_t)value.size};
    buffer_clear(&writer->bytes);
    snapshot_put_head(&writer->bytes, &facts, hash_seed(), &writer->seal);
    if (!value.failed && !writer->bytes.failed && writer->bytes.size <= SNAPSHOT_HEAD_MAX &&
        snapshot_path(path, place, holding->lane.partition, holding->transaction, writer->token)) {
        writer->holding = holding;
        writer->phase = IMAGE_WALKING;
        writer->transaction = holding->transaction;
        writer->from = 0;
        writer->total_bytes = 0;
        writer->longest_ms = 0;
        writer->began_ms = now_ms;
        writer->wall_ms = wall_ms;
        give(writer, ORDER_OPEN, path);
        snapshot_open_pairs(&writer->bytes);
    }
    buffer_release(&value);
}

static void add_pair(void *context, struct message_key key, const struct record *record)
{
    struct snapshot_writer *writer = context;
    snapshot_put_message(&writer->bytes, writer->place->tables, key, record, &writer->seal);
}

static void drop(struct snapshot_writer *writer)
{
    buffer_clear(&writer->bytes);
    if (has_room(writer, 1))
        give(writer, ORDER_DROP, NULL);
    writer->phase = IMAGE_NONE; /* without room: the next ORDER_OPEN drops it */
    writer->holding = NULL;
}

/* A part of the walk; a part may be larger than a frame, and then the frame is. */
static void walk(struct snapshot_writer *writer, int64_t until_ms)
{
    bool more = true;

    while (more && clock_monotonic_ms() < until_ms && has_room(writer, 2)) {
        more = store_walk_part(writer->holding->lane.task.store, &writer->from, add_pair, writer);
        require(!writer->bytes.failed);
        if (more && writer->bytes.size < SNAPSHOT_PAIRS_FULL)
            continue;
        snapshot_close_pairs(&writer->bytes, &writer->seal);
        give(writer, ORDER_WRITE, NULL);
        snapshot_open_pairs(&writer->bytes);
    }
    if (!more)
        writer->phase = IMAGE_ENDING;
}

/* Whole once the topic was read beyond what has landed until now. */
static void end(struct snapshot_writer *writer)
{
    if (!has_room(writer, 1))
        return;
    if (writer->holding->control_offset < 0) {
        drop(writer); /* after an unclear transaction nobody knows where that is */
        return;
    }
    buffer_clear(&writer->bytes);
    snapshot_put_end(&writer->bytes, writer->holding->control_offset + 1, &writer->seal);
    give(writer, ORDER_FINISH, NULL);
    writer->phase = IMAGE_SYNCING;
}

/* What has the other thread done meanwhile? */
static void look(struct snapshot_writer *writer, int64_t now_ms)
{
    uint64_t finished, failed;

    pthread_mutex_lock(&writer->shared.lock);
    finished = writer->shared.finished;
    failed = writer->shared.failed;
    pthread_mutex_unlock(&writer->shared.lock);
    if (writer->phase != IMAGE_NONE && failed != writer->failed) {
        writer->phase = IMAGE_NONE;
    } else if (writer->phase == IMAGE_SYNCING && finished != writer->finished) {
        struct holding *holding = writer->holding;
        holding->snapshot_transaction = writer->transaction;
        holding->snapshot_wall_ms = writer->wall_ms;
        writer->phase = IMAGE_NONE;
        log_info("snapshot_written",
                 "partition=%d transaction=%" PRIu64 " records=%" PRIu64 " bytes=%" PRIu64
                 " took_ms=%" PRId64 " longest_stop_ms=%" PRId64,
                 holding->lane.partition, writer->transaction, writer->seal.pairs,
                 writer->total_bytes, now_ms - writer->began_ms, writer->longest_ms);
    }
    writer->finished = finished;
    writer->failed = failed;
    if (writer->phase == IMAGE_NONE)
        writer->holding = NULL;
}

bool snapshot_writer_wants_rest(struct snapshot_writer *writer, struct holding *const *holdings,
                                size_t count, int64_t wall_ms)
{
    int64_t now_ms = clock_monotonic_ms();

    if (!has_room(writer, writer->phase == IMAGE_NONE ? QUEUE : 2))
        return false; /* the disk is slow: it holds nobody up */
    if (writer->phase == IMAGE_WALKING || writer->phase == IMAGE_ENDING)
        return now_ms - writer->last_turn_ms >= SLICE_MOST_MS * PART_OF_TIME;
    for (size_t i = 0; i < count && writer->phase == IMAGE_NONE; i++)
        if (is_due(writer, holdings[i], now_ms, wall_ms))
            return true;
    return false;
}

void snapshot_writer_turn(struct snapshot_writer *writer, struct holding **holdings, size_t count,
                          int64_t wall_ms)
{
    int64_t now_ms = clock_monotonic_ms(), slice_ms, took_ms;

    look(writer, now_ms);
    slice_ms = (now_ms - writer->last_turn_ms) / PART_OF_TIME;
    if (slice_ms < SLICE_LEAST_MS)
        return; /* it was only a moment ago */
    if (slice_ms > SLICE_MOST_MS)
        slice_ms = SLICE_MOST_MS;
    writer->last_turn_ms = now_ms;
    for (size_t i = 0; i < count && writer->phase == IMAGE_NONE && has_room(writer, QUEUE); i++)
        if (!is_pending(holdings[i]) && is_due(writer, holdings[i], now_ms, wall_ms))
            begin(writer, holdings[i], now_ms, wall_ms);
    if (writer->phase == IMAGE_WALKING && !is_pending(writer->holding))
        walk(writer, now_ms + slice_ms);
    if (writer->phase == IMAGE_ENDING)
        end(writer);
    took_ms = clock_monotonic_ms() - now_ms;
    if (took_ms > writer->longest_ms)
        writer->longest_ms = took_ms;
}

void snapshot_writer_forget(struct snapshot_writer *writer, const struct holding *holding)
{
    if (writer != NULL && writer->holding == holding && holding != NULL)
        drop(writer);
}
