/* snapshot_test.c: snapshots in a directory: written, found, passed over for a reason. */
#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/snapshot_reader.h"
#include "consumer/snapshot_writer.h"
#include "schemas/channel_file.h"
#include "tests/random.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

enum { PARTITION = 3, RECORDS = 30000, WALL_S = 1795428000, PATIENCE_MS = 60000 };

#define WALL_MS ((int64_t)WALL_S * 1000)
#define DAY_MS INT64_C(86400000)

static struct config config;
static struct tables tables;
static struct snapshot_place place;
static struct snapshot_writer *writer;
static struct holding *holding;
static char dir[64];

/* ---- what was logged -------------------------------------------------------------------- */

static int saved_stderr, log_file;

static void begin_log(void)
{
    char path[] = "/tmp/upshot-log.XXXXXX";

    fflush(stderr);
    log_file = mkstemp(path);
    assert_true(log_file >= 0);
    unlink(path);
    saved_stderr = dup(2);
    dup2(log_file, 2);
}

/* How many lines have this in them; the log goes on. */
static int logged(const char *what)
{
    static char text[1 << 20];
    ssize_t size;
    int count = 0;

    fflush(stderr);
    size = pread(log_file, text, sizeof(text) - 1, 0);
    assert_true(size >= 0);
    text[size] = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

static void end_log(void)
{
    fflush(stderr);
    dup2(saved_stderr, 2);
    close(saved_stderr);
    close(log_file);
}

/* ---- a task, its memory, a writer ------------------------------------------------------- */

static void put(uint32_t i, uint64_t value)
{
    struct task_restoring one = {
        .table = tables_find(&tables, (const uint8_t *)"sms", 3),
    };
    struct record record;
    char id[40];

    memset(&record, 0, sizeof(record));
    record.life_ms = record.first_ts_ms = record.sent_at_ms = WALL_MS;
    record.send_seen = true;
    record.state = STATUS_NONE;
    record.offset = (int64_t)value;
    record.topic = text_of("message.sends");
    snprintf(id, sizeof(id), "message-%u", i);
    one.id = text_of(id);
    task_restore_expect(&holding->lane.task, &one);
    task_restore(&holding->lane.task, &one, &record);
}

static int set_up(void **state)
{
    struct buffer complaints = {0};

    (void)state;
    strcpy(dir, "/tmp/upshot-snapshot.XXXXXX");
    assert_non_null(mkdtemp(dir));
    config_init(&config);
    assert_true(channel_files_load(NULL, &tables, &complaints));
    holding = holding_new(&config, &tables, PARTITION, hash_seed());
    holding->running = true;
    holding->control_offset = 1000;
    holding->lineage = 42;
    holding->transaction = 7;
    holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
    place = (struct snapshot_place){
        .dir = dir,
        .app_id = "billing",
        .state_topic = "billing.state",
        .cluster = "cluster-1",
        .partitions = 12,
        .most_age_ms = DAY_MS / 2,
        .tables = &tables,
    };
    writer = snapshot_writer_new(&place, "feed-0", DAY_MS / 24); /* never by itself */
    begin_log();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    end_log();
    snapshot_writer_free(&writer);
    holding_free(&holding);
    tables_release(&tables);
    config_release(&config);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void turn(void)
{
    snapshot_writer_turn(writer, &holding, 1, WALL_MS);
    clock_sleep_ms(1);
}

/* Turns until the log has a line of this event more than before. */
static void turn_until(const char *event)
{
    int before = logged(event);
    int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (logged(event) == before) {
        if (clock_monotonic_ms() > end_ms)
            fail_msg("no %s", event);
        turn();
    }
}

static void write_one(uint64_t transaction)
{
    holding->transaction = transaction;
    holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
    turn_until("snapshot_written");
}

static size_t count_files(const char *pattern)
{
    char command[160];
    unsigned count = 0;
    FILE *pipe;

    snprintf(command, sizeof(command), "ls %s | grep -c -- '%s'", dir, pattern);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &count), 1);
    pclose(pipe);
    return count;
}

static char *only_path(void)
{
    static char path[SNAPSHOT_PATH_MAX];
    struct snapshot_paths paths;

    assert_true(snapshot_list(&place, PARTITION, &paths));
    assert_int_equal(paths.count, 1);
    strcpy(path, paths.items[0]);
    snapshot_paths_release(&paths);
    return path;
}

/* Opens the newest good one as a restore would; the state topic is [low, high). */
static struct snapshot_reader *open_newest(int64_t low, int64_t high, int64_t wall_ms)
{
    struct snapshot_paths paths;
    struct snapshot_reader *reader;
    size_t next = 0;

    assert_true(snapshot_list(&place, PARTITION, &paths));
    reader = snapshot_reader_open(&place, PARTITION, &paths, &next, low, high, wall_ms);
    snapshot_paths_release(&paths);
    return reader;
}

/* Reads all pairs into image[], by the offset that each record has. */
static enum snapshot_step read_all(struct snapshot_reader *reader, uint64_t image[RECORDS])
{
    enum snapshot_step step;
    struct text pairs, key, value, channel, id;

    while ((step = snapshot_reader_step(reader, &pairs)) == SNAPSHOT_MORE)
        while (snapshot_next(&pairs, &key, &value)) {
            struct record record;
            char number[40] = {0};
            assert_int_equal(state_key_decode(key.bytes, key.size, &channel, &id), STATE_MESSAGE);
            assert_int_equal(state_record_decode(value.bytes, value.size,
                                                 (struct table *)(uintptr_t)tables_find(
                                                     &tables, channel.bytes, channel.size),
                                                 false, &record),
                             STATE_GOOD);
            memcpy(number, id.bytes, id.size);
            image[strtoul(number + strlen("message-"), NULL, 10)] = (uint64_t)record.offset;
        }
    return step;
}

/* ---- claims ----------------------------------------------------------------------------- */

static void what_changes_while_it_is_written_is_all_that_it_lacks(void **state)
{
    static uint64_t now[RECORDS], image[RECORDS];
    static bool changed[RECORDS];
    struct random random = random_start("snapshot");
    struct snapshot_reader *reader;
    uint64_t begun;
    int changes = 0;

    (void)state;
    memset(image, 0, sizeof(image));
    memset(changed, 0, sizeof(changed));
    for (uint32_t i = 0; i < RECORDS; i++)
        put(i, now[i] = 1 + i);
    while (logged("snapshot_written") == 0) {
        uint32_t i = (uint32_t)random_below(&random, RECORDS);
        turn();
        put(i, now[i] = 1 + random_below(&random, 1000000));
        changed[i] = true;
        holding->transaction++;
        holding->control_offset += 10;
        changes++;
    }
    /* Its last part was taken later: with a topic that ends before that, it is not whole. */
    assert_null(open_newest(1000, 1001, WALL_MS));
    assert_int_equal(logged("reason=beyond_the_log"), 1);
    reader = open_newest(1000, holding->control_offset + 1, WALL_MS);
    assert_non_null(reader);
    begun = snapshot_reader_transaction(reader) - 7; /* some land before there is time to begin */
    assert_int_equal(snapshot_reader_offset(reader), 1000 + 10 * begun);
    assert_int_equal(snapshot_reader_lineage(reader), 42);
    assert_true((uint64_t)changes > begun + 5);
    assert_int_equal(snapshot_reader_created_ms(reader), WALL_MS);
    assert_true(snapshot_reader_seed(reader) == store_seed(holding->lane.task.store));
    assert_int_equal(read_all(reader, image), SNAPSHOT_DONE);
    snapshot_reader_close(&reader);
    for (uint32_t i = 0; i < RECORDS; i++)
        if (image[i] != now[i] && !changed[i])
            fail_msg("message-%u is %" PRIu64 ", not %" PRIu64, i, image[i], now[i]);
    assert_int_equal(count_files("part"), 0);
}

static void the_two_newest_are_kept(void **state)
{
    struct snapshot_paths paths;
    char path[SNAPSHOT_PATH_MAX];

    (void)state;
    put(1, 1);
    for (uint64_t transaction = 8; transaction < 13; transaction++)
        write_one(transaction);
    assert_int_equal(count_files("billing"), 2);
    /* What was never finished goes, and what another log has left under the same name. */
    snprintf(path, sizeof(path), "touch %s/billing.state-3.%020d.dead-1.snapshot.part", dir, 50);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof(path), "touch %s/billing.state-3.%020d.dead-1.snapshot", dir, 60);
    assert_int_equal(system(path), 0);
    /* Another partition's, another topic's and nobody's do not. */
    snprintf(path, sizeof(path),
             "cd %s && touch billing.state-33.%020d.dead-1.snapshot notes.txt "
             "other.state-3.%020d.dead-1.snapshot billing.state-3.7.dead-1.snapshot",
             dir, 1, 1);
    assert_int_equal(system(path), 0);
    write_one(13);
    assert_true(snapshot_list(&place, PARTITION, &paths));
    assert_int_equal(paths.count, 2);
    assert_non_null(strstr(paths.items[0], "billing.state-3.00000000000000000013.feed-0"));
    assert_non_null(strstr(paths.items[1], "billing.state-3.00000000000000000012.feed-0"));
    snapshot_paths_release(&paths);
    assert_int_equal(count_files("."), 2 + 4);
}

static void nothing_new_is_written_again_only_against_age(void **state)
{
    (void)state;
    put(1, 1);
    write_one(8);
    holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
    for (int i = 0; i < 50; i++)
        turn();
    assert_int_equal(logged("snapshot_written"), 1);
    holding->snapshot_wall_ms -= place.most_age_ms; /* so long ago */
    turn_until("snapshot_written");
    /* Nor a task that has no transaction yet, or whose memory is not what the topic has. */
    holding->transaction++;
    holding->control_offset = -1;
    holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
    for (int i = 0; i < 50; i++)
        turn();
    holding->control_offset = 2000;
    holding->names_dropped = true;
    for (int i = 0; i < 50; i++)
        turn();
    assert_int_equal(logged("snapshot_written"), 2);
}

static void flip(const char *path, int64_t at)
{
    int fd = open(path, O_RDWR);
    struct stat facts;
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &facts), 0);
    if (at < 0)
        at += facts.st_size;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* A version from the future, under a checksum that is right. */
static void make_too_new(const char *path)
{
    static uint8_t head[SNAPSHOT_HEAD_MAX];
    int fd = open(path, O_RDWR);
    size_t size;
    uint64_t sum;

    assert_true(fd >= 0);
    assert_true(pread(fd, head, sizeof(head), 0) > 0);
    size = snapshot_frame_size(head + SNAPSHOT_MAGIC_SIZE);
    head[SNAPSHOT_MAGIC_SIZE + SNAPSHOT_FRAME_HEAD] = SNAPSHOT_VERSION + 1;
    sum = XXH3_64bits_withSeed(head + SNAPSHOT_MAGIC_SIZE, size - 8, 0);
    memcpy(head + SNAPSHOT_MAGIC_SIZE + size - 8, &sum, 8);
    assert_true(pwrite(fd, head, SNAPSHOT_MAGIC_SIZE + size, 0) > 0);
    close(fd);
}

static void each_bad_one_is_ignored_with_one_warning_that_says_why(void **state)
{
    static const struct {
        const char *reason;
        const char *app_id, *cluster;
        int32_t partitions;
        int64_t low, high, wall_ms;
        int damage;
    } cases[] = {
        {"another_app", "shipping", "cluster-1", 12, 0, 2000, WALL_MS, 0},
        {"another_cluster", "billing", "cluster-2", 12, 0, 2000, WALL_MS, 0},
        {"another_partition_count", "billing", "cluster-1", 13, 0, 2000, WALL_MS, 0},
        {"from_the_future", "billing", "cluster-1", 12, 0, 2000, WALL_MS - DAY_MS, 0},
        {"too_old", "billing", "cluster-1", 12, 0, 2000, WALL_MS + DAY_MS / 2 + 1, 0},
        {"beyond_the_log", "billing", "cluster-1", 12, 0, 1000, WALL_MS, 0},
        {"beyond_the_log", "billing", "cluster-1", 12, 0, 10, WALL_MS, 0},
        {"before_the_log", "billing", "cluster-1", 12, 1001, 2000, WALL_MS, 0},
        {"corrupt", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 1},
        {"foreign", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 2},
        {"torn", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 3},
        {"torn", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 4},
        {"torn", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 5},
        {"too_new", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 6},
        {"foreign", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 7},
        {"unreadable", "billing", "cluster-1", 12, 0, 2000, WALL_MS, 8},
    };
    struct snapshot_place good = place;

    (void)state;
    put(1, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char wanted[64];
        int before = logged("snapshot_ignored");
        struct snapshot_reader *reader;
        char *path;
        struct stat facts;
        place = good;
        write_one(8 + i);
        path = only_path();
        assert_int_equal(stat(path, &facts), 0);
        /* Good until it was damaged, at the very edges of what is allowed. */
        reader = open_newest(1000, 1001, WALL_MS + DAY_MS / 2);
        assert_non_null(reader);
        snapshot_reader_close(&reader);
        switch (cases[i].damage) {
        case 1:
            flip(path, 40);
            break;
        case 2:
            flip(path, 3);
            break;
        case 3:
            flip(path, -3);
            break;
        case 4:
            assert_int_equal(truncate(path, facts.st_size - 1), 0);
            break;
        case 5:
            assert_int_equal(truncate(path, 0), 0);
            break;
        case 6:
            make_too_new(path);
            break;
        case 7:
            assert_int_equal(unlink(path) + mkdir(path, 0700), 0);
            break;
        case 8:
            assert_int_equal(unlink(path) + symlink("nowhere", path), 0);
            break;
        default:
            break;
        }
        place.app_id = cases[i].app_id;
        place.cluster = cases[i].cluster;
        place.partitions = cases[i].partitions;
        snprintf(wanted, sizeof(wanted), "reason=%s ", cases[i].reason);
        assert_int_equal(logged("snapshot_ignored"), before);
        assert_null(open_newest(cases[i].low, cases[i].high, cases[i].wall_ms));
        if (logged("snapshot_ignored") != before + 1 || logged(wanted) == 0)
            fail_msg("case %zu: %s", i, cases[i].reason);
        if (unlink(path) != 0)
            assert_int_equal(rmdir(path), 0);
    }
}

static void one_of_another_partition_or_of_other_tables_is_ignored(void **state)
{
    struct tables few = {0};
    struct buffer complaints = {0};
    char path[SNAPSHOT_PATH_MAX];

    (void)state;
    put(1, 1);
    write_one(8);
    assert_true(
        channel_files_load(UPSHOT_SOURCE_DIR "/schemas/channels/sms.json", &few, &complaints));
    place.tables = &few;
    assert_null(open_newest(0, 2000, WALL_MS));
    assert_int_equal(logged("reason=tables_changed"), 1);
    place.tables = &tables;
    assert_true(snapshot_path(path, &place, 4, 8, "feed-0"));
    assert_int_equal(rename(only_path(), path), 0);
    {
        struct snapshot_paths paths;
        size_t next = 0;
        assert_true(snapshot_list(&place, 4, &paths));
        assert_null(snapshot_reader_open(&place, 4, &paths, &next, 0, 2000, WALL_MS));
        snapshot_paths_release(&paths);
    }
    assert_int_equal(logged("reason=another_partition"), 1);
    tables_release(&few);
}

static struct snapshot_reader *open_exact(void)
{
    return snapshot_reader_open_exact(&place, PARTITION, only_path());
}

static void one_is_exact_where_nothing_landed_while_it_was_written(void **state)
{
    static uint64_t image[RECORDS];
    struct snapshot_reader *reader;

    (void)state;
    for (uint32_t i = 0; i < RECORDS; i++)
        put(i, 1 + i);
    write_one(8);
    /* However old it is, and though its topic is gone. */
    assert_null(open_newest(5000, 6000, WALL_MS + 30 * DAY_MS));
    reader = open_exact();
    assert_non_null(reader);
    assert_int_equal(snapshot_reader_control(reader)->live, RECORDS);
    assert_int_equal(snapshot_reader_control(reader)->transaction, 8);
    assert_int_equal(read_all(reader, image), SNAPSHOT_DONE);
    for (uint32_t i = 0; i < RECORDS; i++)
        assert_int_equal(image[i], 1 + i);
    snapshot_reader_close(&reader);
    assert_int_equal(unlink(only_path()), 0);

    holding->transaction = 9;
    holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
    while (count_files("part") == 0)
        turn();
    holding->control_offset += 10; /* a transaction lands */
    turn_until("snapshot_written");
    assert_null(open_exact());
    assert_int_equal(logged("snapshot_ignored"), 1); /* the old one, above: this is no fault */
    flip(only_path(), 40);
    assert_null(open_exact());
    assert_int_equal(logged("snapshot_ignored"), 2);
}

static void a_cluster_that_is_not_known_is_no_reason(void **state)
{
    struct snapshot_reader *reader;

    (void)state;
    put(1, 1);
    write_one(8);
    place.cluster = "";
    reader = open_newest(0, 2000, WALL_MS);
    assert_non_null(reader);
    snapshot_reader_close(&reader);
}

/* In the middle the damage shows only when it is read; the older one is good. */
static void the_older_one_is_next(void **state)
{
    static uint64_t image[RECORDS];
    struct snapshot_paths paths;
    struct snapshot_reader *reader;
    size_t next = 0;

    (void)state;
    for (uint32_t i = 0; i < RECORDS; i++)
        put(i, i);
    write_one(8);
    write_one(9);
    assert_true(snapshot_list(&place, PARTITION, &paths));
    assert_int_equal(paths.count, 2);
    flip(paths.items[0], 100000);
    reader = snapshot_reader_open(&place, PARTITION, &paths, &next, 0, 2000, WALL_MS);
    assert_non_null(reader);
    assert_int_equal(snapshot_reader_transaction(reader), 9);
    assert_int_equal(read_all(reader, image), SNAPSHOT_BAD);
    assert_string_equal(snapshot_reader_why(reader), "corrupt");
    snapshot_reader_close(&reader);
    reader = snapshot_reader_open(&place, PARTITION, &paths, &next, 0, 2000, WALL_MS);
    assert_non_null(reader);
    assert_int_equal(snapshot_reader_transaction(reader), 8);
    assert_int_equal(read_all(reader, image), SNAPSHOT_DONE);
    snapshot_reader_close(&reader);
    assert_null(snapshot_reader_open(&place, PARTITION, &paths, &next, 0, 2000, WALL_MS));
    snapshot_paths_release(&paths);
}

static void a_disk_that_fails_costs_one_warning_each_time(void **state)
{
    struct rlimit before, small;

    (void)state;
    signal(SIGXFSZ, SIG_IGN); /* as command_run.c does */
    for (uint32_t i = 0; i < RECORDS; i++)
        put(i, i);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int times = 1; times <= 3; times++) {
        holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
        turn_until("snapshot_failed");
        for (int i = 0; i < 100; i++)
            turn();
        assert_int_equal(logged("snapshot_failed"), times);
        assert_int_equal(logged("call=write"), times);
        assert_int_equal(count_files("billing"), 0);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    place.dir = "/nowhere/at/all";
    holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
    turn_until("snapshot_failed");
    assert_int_equal(logged("call=open"), 1);
    place.dir = dir;
    write_one(9); /* and all is well again */
}

static void one_whose_task_goes_is_never_finished(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RECORDS; i++)
        put(i, i);
    while (count_files("part") == 0)
        turn();
    snapshot_writer_forget(writer, holding);
    holding->running = false;
    for (int i = 0; i < 200 || count_files("billing") > 0; i++)
        turn();
    assert_int_equal(logged("snapshot_written"), 0);
    holding->running = true;
    holding->snapshot_ms = clock_monotonic_ms() - DAY_MS;
    while (count_files("part") == 0)
        turn();
    snapshot_writer_free(&writer); /* the process ends */
    assert_int_equal(count_files("billing"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_changes_while_it_is_written_is_all_that_it_lacks),
        TEST(the_two_newest_are_kept),
        TEST(nothing_new_is_written_again_only_against_age),
        TEST(each_bad_one_is_ignored_with_one_warning_that_says_why),
        TEST(one_of_another_partition_or_of_other_tables_is_ignored),
        TEST(one_is_exact_where_nothing_landed_while_it_was_written),
        TEST(a_cluster_that_is_not_known_is_no_reason),
        TEST(the_older_one_is_next),
        TEST(a_disk_that_fails_costs_one_warning_each_time),
        TEST(one_whose_task_goes_is_never_finished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
