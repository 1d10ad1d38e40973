/* board.c: locks, and who may wait for them: the reader. */
#include "consumer/board.h"

#include "statemachine/memory.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

void board_letters_add(struct board_letters *letters, const struct board_letter *letter)
{
    letters->last[letters->count++ % BOARD_LETTERS] = *letter;
}

void board_letters_append(struct board_letters *letters, const struct board_letters *from)
{
    uint64_t first = from->count > BOARD_LETTERS ? from->count - BOARD_LETTERS : 0;

    for (uint64_t i = first; i < from->count; i++)
        board_letters_add(letters, &from->last[i % BOARD_LETTERS]);
}

void board_add_upcoming(struct board_upcoming *list, size_t *count,
                        const struct board_upcoming *one)
{
    size_t at = *count;

    while (at > 0 && list[at - 1].deadline_ms > one->deadline_ms)
        at--;
    if (at == BOARD_UPCOMING)
        return;
    if (*count < BOARD_UPCOMING)
        ++*count;
    memmove(&list[at + 1], &list[at], (*count - 1 - at) * sizeof(*list));
    list[at] = *one;
}

struct board *board_new(size_t count)
{
    struct board *boards = memory_get_clean(count * sizeof(*boards));
    pthread_condattr_t by_monotonic_clock;

    pthread_condattr_init(&by_monotonic_clock);
    pthread_condattr_setclock(&by_monotonic_clock, CLOCK_MONOTONIC);
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_init(&boards[i].lock, NULL);
        pthread_mutex_init(&boards[i].box, NULL);
        pthread_cond_init(&boards[i].answered, &by_monotonic_clock);
        boards[i].wake_fd = -1;
    }
    pthread_condattr_destroy(&by_monotonic_clock);
    return boards;
}

void board_free(struct board **boards, size_t count)
{
    if (*boards == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct board *board = &(*boards)[i];
        free(board->page.tasks);
        free(board->page.inputs);
        buffer_release(&board->answer);
        pthread_mutex_destroy(&board->lock);
        pthread_mutex_destroy(&board->box);
        pthread_cond_destroy(&board->answered);
    }
    free(*boards);
    *boards = NULL;
}

bool board_try(struct board *board)
{
    return pthread_mutex_trylock(&board->lock) == 0;
}

void board_done(struct board *board)
{
    pthread_mutex_unlock(&board->lock);
}

void board_make_room(struct board_page *page, size_t tasks, size_t inputs)
{
    if (tasks > page->task_room || inputs != page->input_count) {
        page->task_room = tasks;
        page->input_count = inputs;
        page->tasks = memory_resize(page->tasks, tasks + 1, sizeof(*page->tasks));
        page->inputs = memory_resize(page->inputs, tasks * inputs + 1, sizeof(*page->inputs));
    }
    page->task_count = tasks;
    for (size_t i = 0; i < tasks; i++)
        page->tasks[i].inputs = page->inputs + i * inputs;
}

void board_wake_by(struct board *board, int fd)
{
    pthread_mutex_lock(&board->box);
    board->wake_fd = fd;
    pthread_mutex_unlock(&board->box);
}

const struct board_question *board_question(struct board *board)
{
    if (!atomic_load(&board->asked))
        return NULL;
    pthread_mutex_lock(&board->box); /* who asks keeps it for some instructions, then waits */
    if (atomic_load(&board->asked))
        return &board->question; /* stays locked until the answer */
    pthread_mutex_unlock(&board->box);
    return NULL;
}

void board_answer(struct board *board, const struct buffer *answer)
{
    buffer_clear(&board->answer);
    buffer_put(&board->answer, answer->bytes, answer->size);
    atomic_store(&board->asked, false);
    pthread_cond_signal(&board->answered);
    pthread_mutex_unlock(&board->box);
}

struct timespec board_deadline(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return until;
}

bool board_post(struct board *board, const struct board_question *question)
{
    bool posted, woken = true;

    pthread_mutex_lock(&board->box);
    posted = board->wake_fd >= 0;
    if (posted) {
        board->question = *question;
        atomic_store(&board->asked, true);
        /* A byte too many wakes it once for nothing; where the pipe is full, it is awake anyway. */
        woken = write(board->wake_fd, "", 1) == 1;
    }
    pthread_mutex_unlock(&board->box);
    (void)woken;
    return posted;
}

bool board_await(struct board *board, const struct timespec *until, struct buffer *answer)
{
    bool answered;

    pthread_mutex_lock(&board->box);
    while (atomic_load(&board->asked) &&
           pthread_cond_timedwait(&board->answered, &board->box, until) == 0)
        ;
    answered = !atomic_load(&board->asked);
    atomic_store(&board->asked, false);
    buffer_clear(answer);
    if (answered)
        buffer_put(answer, board->answer.bytes, board->answer.size);
    pthread_mutex_unlock(&board->box);
    return answered;
}
