/* state_save.c: fold, and write what a snapshot's reader expects. */
#include "consumer/state_save.h"

#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/log.h"
#include "consumer/snapshot.h"
#include "schemas/instant.h"
#include "statemachine/require.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct saving {
    struct snapshot_place place;
    FILE *file;
    struct buffer bytes;
    struct snapshot_seal seal;
    uint64_t messages, size;
    bool failed; /* something could not be written, and that stays so */
};

static bool put(struct saving *saving)
{
    size_t size = saving->bytes.size;

    saving->failed = saving->failed || saving->bytes.failed ||
                     fwrite(saving->bytes.bytes, 1, size, saving->file) != size;
    saving->size += size;
    buffer_clear(&saving->bytes);
    return !saving->failed;
}

/* False: it cannot be written. */
static bool put_message(void *context, struct message_key key, const struct record *record)
{
    struct saving *saving = context;

    snapshot_put_message(&saving->bytes, saving->place.tables, key, record, &saving->seal);
    saving->messages++;
    if (saving->bytes.size >= SNAPSHOT_PAIRS_FULL) {
        snapshot_close_pairs(&saving->bytes, &saving->seal);
        put(saving);
        snapshot_open_pairs(&saving->bytes);
    }
    return !saving->failed;
}

static bool put_all(struct saving *saving, const struct state_point *point, const struct lane *lane)
{
    struct buffer control = {0};
    struct snapshot_facts facts = {
        .app_id = text_of(saving->place.app_id),
        .state_topic = text_of(saving->place.state_topic),
        .partition = (uint32_t)point->partition,
        .partitions = (uint32_t)saving->place.partitions,
        .tables = snapshot_tables_digest(saving->place.tables),
        .created_ms = point->written_ms,
        .offset = point->end - 1,
        .seed = store_seed(lane->task.store),
    };

    control_encode(&control, &point->control);
    facts.control = (struct text){.bytes = control.bytes, .size = (uint32_t)control.size};
    snapshot_put_head(&saving->bytes, &facts, hash_seed(), &saving->seal);
    buffer_release(&control);
    put(saving);
    snapshot_open_pairs(&saving->bytes);
    store_walk(lane->task.store, put_message, saving);
    snapshot_close_pairs(&saving->bytes, &saving->seal);
    put(saving);
    snapshot_put_end(&saving->bytes, facts.offset + 1, &saving->seal);
    require(saving->failed || saving->messages == point->control.live);
    return put(saving);
}

static int complain(const char *path)
{
    log_error("state_not_saved", "path=%s error=\"%s\"", path, strerror(errno));
    return EXIT_WORLD;
}

/* Under another name until it is whole. */
static int write_file(struct saving *saving, const struct state_point *point,
                      const struct lane *lane)
{
    char path[SNAPSHOT_PATH_MAX], part[SNAPSHOT_PATH_MAX + sizeof(SNAPSHOT_PART)];
    char written[INSTANT_SIZE + 1] = {0};
    bool good;

    if (!snapshot_path(path, &saving->place, point->partition, point->control.transaction,
                       "saved")) {
        errno = ENAMETOOLONG;
        complain(saving->place.dir);
        return EXIT_USAGE;
    }
    snprintf(part, sizeof(part), "%s" SNAPSHOT_PART, path);
    saving->file = fopen(part, "we");
    if (saving->file == NULL)
        return complain(part);
    saving->size = saving->messages = 0;
    saving->failed = false;
    good = put_all(saving, point, lane) && fflush(saving->file) == 0 &&
           fsync(fileno(saving->file)) == 0;
    if (fclose(saving->file) != 0 || !good || rename(part, path) != 0 ||
        !snapshot_sync_directory(saving->place.dir)) {
        int code = complain(part);
        unlink(part);
        return code;
    }
    instant_format(point->written_ms, written);
    printf("%s transaction=%" PRIu64 " written=%s messages=%" PRIu64 " bytes=%" PRIu64 "\n", path,
           point->control.transaction, written, saving->messages, saving->size);
    return EXIT_WELL;
}

static int save_one(struct saving *saving, const struct state_points *points, int32_t partition)
{
    const struct state_point *point = &points->points[partition];
    struct lane lane;
    int code;

    if (point->control.transaction == 0)
        return EXIT_WELL; /* which was told */
    lane_init(&lane, partition, points->tables, points->reader->config->input_topics.count,
              hash_seed());
    code = state_point_restore(points, points->reader, partition, &lane)
               ? write_file(saving, point, &lane)
               : points->reader->error;
    lane_release(&lane);
    return code;
}

static int look_at_directory(const char *dir, const char *state_dir)
{
    struct stat wanted, used;

    errno = 0;
    if (stat(dir, &wanted) != 0 || !S_ISDIR(wanted.st_mode) || access(dir, W_OK | X_OK) != 0) {
        errno = errno == 0 ? ENOTDIR : errno;
        complain(dir);
        return EXIT_USAGE;
    }
    if (state_dir[0] == 0 || stat(state_dir, &used) != 0 || wanted.st_dev != used.st_dev ||
        wanted.st_ino != used.st_ino)
        return EXIT_WELL;
    log_error("state_not_saved",
              "path=%s hint=\"it is state.dir, where the stage keeps its two newest only: name "
              "another directory\"",
              dir);
    return EXIT_USAGE;
}

int state_save(const struct config *config, struct tables *tables,
               const struct replay_position *wanted, const char *dir)
{
    struct topic_reader reader = {.command = "state", .config = config};
    struct state_points points = {0};
    const struct partition_set all = {0};
    struct saving saving = {0};
    int32_t partitions;
    int code;

    code = look_at_directory(dir, config->state_dir);
    if (code != EXIT_WELL)
        return code;
    reader.client = kafka_range_reader(config, true);
    if (reader.client == NULL)
        return EXIT_USAGE;
    partitions = topic_count_input_partitions(&reader);
    if (reader.error == EXIT_WELL)
        state_points_open(&points, &reader, tables, wanted, partitions, &all);
    saving.place = (struct snapshot_place){.dir = dir,
                                           .app_id = config->app_id,
                                           .state_topic = points.topic,
                                           .cluster = "",
                                           .partitions = partitions,
                                           .tables = tables};
    code = reader.error;
    for (int32_t p = 0; p < partitions && code == EXIT_WELL; p++)
        code = save_one(&saving, &points, p);
    buffer_release(&saving.bytes);
    state_points_close(&points);
    rd_kafka_destroy(reader.client);
    return code;
}
