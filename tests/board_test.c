/* board_test.c: a page that nobody waits for, a question that the worker answers in passing. */
#include "consumer/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONG_MS = 60000 };

static void a_page_being_read_is_not_waited_for(void **state)
{
    struct board *board = board_new(2);

    (void)state;
    pthread_mutex_lock(&board[0].lock);
    assert_false(board_try(&board[0]));
    assert_true(board_try(&board[1]));
    board_done(&board[1]);
    pthread_mutex_unlock(&board[0].lock);
    assert_true(board_try(&board[0]));
    board_done(&board[0]);
    board_free(&board, 2);
    assert_null(board);
}

static void a_page_has_room_for_the_tasks_of_now(void **state)
{
    struct board *board = board_new(1);
    struct board_page *page = &board->page;

    (void)state;
    for (size_t tasks = 0; tasks < 40; tasks += 13) {
        board_make_room(page, tasks, 2);
        assert_int_equal(page->task_count, tasks);
        for (size_t i = 0; i < tasks; i++)
            page->tasks[i].inputs[0].next = page->tasks[i].inputs[1].next = (int64_t)i;
        for (size_t i = 0; i < tasks; i++)
            assert_int_equal(page->tasks[i].inputs[1].next, i);
    }
    board_make_room(page, 1, 5);
    page->tasks[0].inputs[4].next = 7;
    assert_int_equal(page->task_count, 1);
    board_free(&board, 1);
}

static void of_letters_the_last_ten_stay(void **state)
{
    struct board_letters first = {0}, second = {0};

    (void)state;
    for (int i = 0; i < 13; i++)
        board_letters_add(&first, &(struct board_letter){.offset = i});
    board_letters_add(&second, &(struct board_letter){.offset = 100});
    board_letters_append(&second, &first);
    assert_int_equal(second.count, 11);
    for (int i = 0; i < 10; i++) /* the newest is 12, then 11, … 3 */
        assert_int_equal(second.last[(second.count - 1 - (uint64_t)i) % BOARD_LETTERS].offset,
                         12 - i);
}

struct worker_like {
    struct board *board;
    int wake_fd;
    unsigned answers;
};

/* Answers as a worker would: woken by the pipe, with what it was asked for. */
static void *answering(void *argument)
{
    struct worker_like *worker = argument;
    char byte;

    while (read(worker->wake_fd, &byte, 1) == 1 && byte == 0) {
        const struct board_question *question = board_question(worker->board);
        struct buffer out = {0};
        if (question == NULL)
            continue;
        buffer_put_string(&out, question->channel);
        buffer_put(&out, question->id, question->id_size);
        worker->answers++;
        board_answer(worker->board, &out);
        buffer_release(&out);
    }
    return NULL;
}

static void a_question_wakes_the_worker_and_gets_its_answer(void **state)
{
    struct board *board = board_new(1);
    struct worker_like worker = {.board = board};
    struct board_question question = {.channel = "sms", .id_size = 3};
    struct buffer answer = {0};
    struct timespec until;
    pthread_t thread;
    int wake[2];

    (void)state;
    assert_int_equal(pipe(wake), 0);
    worker.wake_fd = wake[0];
    board_wake_by(board, wake[1]);
    pthread_create(&thread, NULL, answering, &worker);
    for (int i = 0; i < 300; i++) {
        memcpy(question.id, "a-0", 3);
        question.id[2] = (uint8_t)('0' + i % 10);
        until = board_deadline(LONG_MS);
        assert_true(board_post(board, &question));
        assert_true(board_await(board, &until, &answer));
        assert_int_equal(answer.size, 6);
        assert_memory_equal(answer.bytes, "smsa-", 5);
        assert_int_equal(answer.bytes[5], '0' + i % 10);
    }
    assert_int_equal(write(wake[1], "x", 1), 1);
    pthread_join(thread, NULL);
    assert_int_equal(worker.answers, 300);
    close(wake[0]);
    close(wake[1]);
    buffer_release(&answer);
    board_free(&board, 1);
}

static void a_worker_that_does_not_come_by_is_not_waited_for_long(void **state)
{
    struct board *board = board_new(1);
    struct board_question question = {.channel = "sms", .id_size = 1};
    struct buffer answer = {0};
    struct timespec until;
    int wake[2];

    (void)state;
    buffer_put_string(&answer, "of before");
    assert_false(board_post(board, &question)); /* there is none yet */
    assert_int_equal(pipe(wake), 0);
    board_wake_by(board, wake[1]);
    assert_true(board_post(board, &question));
    until = board_deadline(1);
    assert_false(board_await(board, &until, &answer));
    assert_int_equal(answer.size, 0);
    assert_null(board_question(board)); /* nobody waits for it any more */
    close(wake[0]);
    close(wake[1]);
    board_free(&board, 1);
    buffer_release(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_being_read_is_not_waited_for),
        cmocka_unit_test(a_page_has_room_for_the_tasks_of_now),
        cmocka_unit_test(of_letters_the_last_ten_stay),
        cmocka_unit_test(a_question_wakes_the_worker_and_gets_its_answer),
        cmocka_unit_test(a_worker_that_does_not_come_by_is_not_waited_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
