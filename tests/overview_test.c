/* overview_test.c: pages of several workers, added up, whatever each has shown so far. */
#include "consumer/overview.h"

#include "consumer/kafka_statistics.h"
#include "consumer/overview_view.h"
#include "schemas/channel_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

enum { WORKERS = 3, INPUTS = 2 };

struct fixture {
    struct stage stage;
    struct worker workers[WORKERS];
    struct board *boards;
    struct overview overview;
};

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){.boards = board_new(WORKERS)};
    for (int i = 0; i < WORKERS; i++)
        fixture->workers[i].board = &fixture->boards[i];
}

static void end(struct fixture *fixture)
{
    overview_release(&fixture->overview);
    board_free(&fixture->boards, WORKERS);
}

static void take(struct fixture *fixture)
{
    overview_take(&fixture->overview, &fixture->stage, fixture->workers, WORKERS);
}

/* A worker with one task, whose inputs are at 100 times its partition. */
static struct board_page *put_up(struct fixture *fixture, int worker, int32_t partition,
                                 bool running)
{
    struct board_page *page = &fixture->boards[worker].page;

    page->at_ms = 1;
    page->joined = true;
    page->tally.records = 10;
    board_make_room(page, 1, INPUTS);
    page->tasks[0] = (struct board_task){
        .partition = partition, .running = running, .inputs = page->tasks[0].inputs};
    for (int i = 0; i < INPUTS; i++)
        page->tasks[0].inputs[i] =
            (struct board_input){.next = 100 * partition + i, .end = 100 * partition + 7};
    return page;
}

static void a_worker_that_has_shown_nothing_takes_nothing_away(void **state)
{
    struct fixture fixture;

    (void)state;
    begin(&fixture);
    put_up(&fixture, 0, 5, true);
    put_up(&fixture, 2, 3, true);
    take(&fixture);
    assert_int_equal(fixture.overview.task_count, 2);
    assert_int_equal(fixture.overview.tasks[0].task.partition, 3);
    assert_int_equal(fixture.overview.tasks[1].task.partition, 5);
    for (int i = 0; i < INPUTS; i++) {
        assert_int_equal(overview_lag(&fixture.overview.tasks[0].task.inputs[i]), 7 - i);
        assert_int_equal(fixture.overview.tasks[1].task.inputs[i].next, 500 + i);
    }
    assert_int_equal(fixture.overview.tally.records, 20);
    assert_false(fixture.overview.ready); /* the second has not joined */
    fixture.boards[1].page.joined = true;
    take(&fixture);
    assert_true(fixture.overview.ready);
    atomic_store(&fixture.stage.stop, true);
    take(&fixture);
    assert_false(fixture.overview.ready);
    end(&fixture);
}

static void a_partition_that_moves_is_there_once(void **state)
{
    struct fixture fixture;

    (void)state;
    begin(&fixture);
    for (int runs = 0; runs < WORKERS; runs++) {
        for (int i = 0; i < WORKERS; i++)
            put_up(&fixture, i, 4, i == runs);
        take(&fixture);
        assert_int_equal(fixture.overview.task_count, 1);
        assert_int_equal(fixture.overview.tasks[0].worker, runs);
    }
    end(&fixture);
}

static void the_newest_letters_come_first(void **state)
{
    struct fixture fixture;

    (void)state;
    begin(&fixture);
    for (int i = 0; i < 30; i++)
        board_letters_add(&put_up(&fixture, i % WORKERS, i % WORKERS, true)->letters,
                          &(struct board_letter){.at_ms = i, .offset = i});
    take(&fixture);
    assert_int_equal(fixture.overview.letter_count, BOARD_LETTERS);
    for (int i = 0; i < BOARD_LETTERS; i++)
        assert_int_equal(fixture.overview.letters[i].offset, 29 - i);
    end(&fixture);
}

/* Keys of dead letters are anybody's bytes. */
static void whatever_is_shown_is_json(void **state)
{
    struct fixture fixture;
    struct config config;
    struct tables tables = {0};
    struct history history;
    struct buffer out = {0}, complaints = {0};
    cJSON *tree, *last;

    (void)state;
    begin(&fixture);
    config_init(&config);
    fixture.stage.config = &config;
    assert_true(channel_files_load(NULL, &tables, &complaints));
    history_init(&history, tables.count);
    board_letters_add(&put_up(&fixture, 0, 0, true)->letters,
                      &(struct board_letter){.key = "\xff\"\\\x01\xc3\xa4\xc3",
                                             .key_size = 7,
                                             .detail = "a \xe2\x82 cut one",
                                             .topic = "t"});
    fixture.boards[0].page.upcoming[0] =
        (struct board_upcoming){.channel = 60, .id = "x", .id_size = 1}; /* no such table */
    fixture.boards[0].page.upcoming_count = 1;
    take(&fixture);
    overview_view(&out, &fixture.stage, &tables, &fixture.overview, &history);
    tree = cJSON_ParseWithLength((const char *)out.bytes, out.size);
    assert_non_null(tree);
    last = cJSON_GetArrayItem(
        cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "dead_letters"), "last"), 0);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(last, "key")),
                        "\xef\xbf\xbd\"\\\x01\xc3\xa4\xef\xbf\xbd");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "upcoming")), 0);
    cJSON_Delete(tree);
    history_release(&history);
    tables_release(&tables);
    config_release(&config);
    buffer_release(&out);
    buffer_release(&complaints);
    end(&fixture);
}

static void of_librdkafkas_statistics_the_brokers_are_read(void **state)
{
    static const char json[] =
        "{\"type\":\"producer\",\"brokers\":{"
        "\"a:1/1\":{\"nodename\":\"a:1\",\"source\":\"learned\",\"state\":\"UP\",\"tx\":3,"
        "\"txbytes\":9007199254740991,\"rtt\":{\"avg\":12,\"p99\":99},\"req_timeouts\":4},"
        "\"GroupCoordinator\":{\"nodename\":\"a:1\",\"source\":\"logical\",\"state\":\"UP\"}}}";
    struct kafka_statistics statistics = {0};

    (void)state;
    assert_true(kafka_statistics_read(&statistics, 2, json, sizeof(json) - 1));
    assert_int_equal(statistics.count, 1);
    assert_string_equal(statistics.brokers[0].client, "producer-2");
    assert_string_equal(statistics.brokers[0].broker, "a:1/1");
    assert_true(statistics.brokers[0].up);
    assert_int_equal(statistics.brokers[0].rtt_p99_us, 99);
    assert_int_equal(statistics.brokers[0].timeouts, 4);
    assert_int_equal(statistics.brokers[0].sent_bytes, 9007199254740991);
    for (size_t size = 0; size < sizeof(json) - 1; size++) /* cut anywhere: refused, or less */
        kafka_statistics_read(&statistics, 0, json, size);
    kafka_statistics_release(&statistics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_has_shown_nothing_takes_nothing_away),
        cmocka_unit_test(a_partition_that_moves_is_there_once),
        cmocka_unit_test(the_newest_letters_come_first),
        cmocka_unit_test(whatever_is_shown_is_json),
        cmocka_unit_test(of_librdkafkas_statistics_the_brokers_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
