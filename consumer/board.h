/*
 * board.h: where a worker puts up how it goes, for whoever looks from another thread.
 *
 * A worker writes a page of plain numbers some times a second, between two batches; the HTTP side
 * reads it. Neither waits for the other in a way that counts: a worker that finds the page being
 * read comes again later (board_try), and a question about a message lies in a box until the worker
 * comes by. Counts are of what has landed; what is a gauge is as of the page's time.
 */
#ifndef UPSHOT_CONSUMER_BOARD_H
#define UPSHOT_CONSUMER_BOARD_H

#include "consumer/pump.h"
#include "schemas/buffer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { BOARD_LETTERS = 10, BOARD_UPCOMING = 8, BOARD_AHEAD = 6, BOARD_TOOK = 10 };

/* Bounds of what lies ahead, in seconds from now; and of how long transactions took. */
#define BOARD_AHEAD_S                       \
    {                                       \
        60, 600, 3600, 21600, 86400, 259200 \
    }
#define BOARD_TOOK_S                                     \
    {                                                    \
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 \
    }

/* A dead letter's headers and key: never its payload. */
struct board_letter {
    int64_t at_ms; /* wall clock */
    enum reason reason;
    char detail[160];
    char topic[250];
    int32_t partition;
    int64_t offset;
    uint8_t key[MESSAGE_ID_MAX];
    size_t key_size; /* more is cut */
};

struct board_letters {
    struct board_letter last[BOARD_LETTERS]; /* a ring: the newest is (count - 1) % BOARD_LETTERS */
    uint64_t count;
};

void board_letters_add(struct board_letters *letters, const struct board_letter *letter);
/* All of `from`, oldest first. */
void board_letters_append(struct board_letters *letters, const struct board_letters *from);

struct board_input {
    int64_t next, end;   /* offsets; end -1: not known yet */
    int64_t greatest_ms; /* TIME_NONE: it has said nothing */
    bool idle;           /* at its end, and does not hold the watermark back */
};

struct board_task {
    int32_t partition;
    bool running; /* or under restore */
    int64_t watermark_ms;
    size_t messages;
    bool caught_up;             /* all inputs at their ends */
    struct board_input *inputs; /* in the order of input.topics; of the page */
};

struct board_upcoming {
    int64_t deadline_ms;
    uint8_t channel, state;
    enum standing standing;
    uint8_t id[MESSAGE_ID_MAX];
    size_t id_size;
};

/* Puts one into a list of the earliest, sorted, of BOARD_UPCOMING at most. */
void board_add_upcoming(struct board_upcoming *list, size_t *count,
                        const struct board_upcoming *one);

struct board_page {
    int64_t at_ms; /* wall clock; 0: nothing was put up yet */
    bool joined;   /* the group has told it its share */
    struct tally tally;
    uint32_t census[CHANNELS_MAX][STATUSES_MAX + 1][STANDING_COUNT]; /* row 0: no status yet */
    struct store_size size;                                          /* of all its tasks */
    size_t outboxes_bytes;
    struct board_task *tasks;
    struct board_input *inputs;
    size_t task_count, task_room, input_count; /* input_count: of each task */
    struct board_upcoming upcoming[BOARD_UPCOMING];
    size_t upcoming_count;
    uint64_t ahead[BOARD_AHEAD + 1];
    bool ahead_exact;
    struct board_letters letters;
    uint64_t took[BOARD_TOOK + 1]; /* transactions, from sealed to landed; not cumulative */
    uint64_t took_ms;              /* their sum */
    uint64_t landed, undone, resolved;
};

struct board_question {
    char channel[CHANNEL_NAME_MAX + 1];
    uint8_t id[MESSAGE_ID_MAX];
    size_t id_size;
};

struct board {
    pthread_mutex_t lock; /* of the page */
    struct board_page page;
    pthread_mutex_t box;
    pthread_cond_t answered;
    atomic_bool asked;
    struct board_question question;
    struct buffer answer; /* JSON; empty: it has no such message */
    int wake_fd;          /* of the worker, to be told that there is a question; -1: none yet */
};

/* As many as there are workers, zeroed; NULL-safe to free. */
struct board *board_new(size_t count);
void board_free(struct board **boards, size_t count);

/* The worker's side: a byte written there wakes it. */
void board_wake_by(struct board *board, int fd);

/* The worker's side: true with the page locked, for board_done(). False: somebody is reading. */
bool board_try(struct board *board);
void board_done(struct board *board);

/* Room for so many tasks on the page; what they were is gone. */
void board_make_room(struct board_page *page, size_t tasks, size_t inputs);

/* The worker's side: a question that waits; NULL where there is none. Then the answer. */
const struct board_question *board_question(struct board *board);
void board_answer(struct board *board, const struct buffer *answer);

/*
 * The reader's side. board_post: puts a question, and wakes the worker; false where there is none
 * that could answer, since it has not begun or has ended. board_await: waits for the answer until
 * `until` (CLOCK_MONOTONIC); true: *answer has what it said, empty where it does not know the
 * message.
 */
bool board_post(struct board *board, const struct board_question *question);
bool board_await(struct board *board, const struct timespec *until, struct buffer *answer);
struct timespec board_deadline(int ms);

#endif
