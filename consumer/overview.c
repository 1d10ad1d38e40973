/* overview.c: pages added up. */
#include "consumer/overview.h"

#include "consumer/summary.h"
#include "statemachine/memory.h"

#include <stdlib.h>
#include <string.h>

static void add_letter(struct overview *overview, const struct board_letter *one)
{
    size_t at = overview->letter_count;

    while (at > 0 && overview->letters[at - 1].at_ms < one->at_ms)
        at--;
    if (at == BOARD_LETTERS)
        return;
    if (overview->letter_count < BOARD_LETTERS)
        overview->letter_count++;
    memmove(&overview->letters[at + 1], &overview->letters[at],
            (overview->letter_count - 1 - at) * sizeof(*overview->letters));
    overview->letters[at] = *one;
}

static void add_letters(struct overview *overview, const struct board_letters *letters)
{
    uint64_t count = letters->count < BOARD_LETTERS ? letters->count : BOARD_LETTERS;

    for (uint64_t i = 1; i <= count; i++) /* the newest first: of one time, it stays in front */
        add_letter(overview, &letters->last[(letters->count - i) % BOARD_LETTERS]);
}

static void add_tasks(struct overview *overview, int worker, const struct board_page *page)
{
    size_t all = overview->task_count + page->task_count;

    if (page->task_count == 0)
        return; /* it may not have shown anything yet, not even how many inputs there are */
    overview->inputs_each = page->input_count;
    overview->tasks = memory_resize(overview->tasks, all + 1, sizeof(*overview->tasks));
    overview->inputs =
        memory_resize(overview->inputs, all * page->input_count + 1, sizeof(*overview->inputs));
    memcpy(overview->inputs + overview->task_count * page->input_count, page->inputs,
           page->task_count * page->input_count * sizeof(*page->inputs));
    for (size_t i = 0; i < page->task_count; i++)
        overview->tasks[overview->task_count + i] =
            (struct overview_task){.worker = worker, .task = page->tasks[i]};
    overview->task_count = all;
}

static void add_page(struct overview *overview, int worker, const struct board_page *page)
{
    struct overview_worker *about = &overview->workers[worker];

    about->at_ms = page->at_ms;
    about->joined = page->joined;
    about->tasks = page->task_count;
    add_tasks(overview, worker, page);
    tally_add(&overview->tally, &page->tally);
    for (int channel = 0; channel < CHANNELS_MAX; channel++)
        for (int row = 0; row <= STATUSES_MAX; row++)
            for (int standing = 0; standing < STANDING_COUNT; standing++)
                overview->census[channel][row][standing] += page->census[channel][row][standing];
    store_size_add(&overview->size, &page->size);
    overview->outboxes_bytes += page->outboxes_bytes;
    for (size_t i = 0; i < page->upcoming_count; i++)
        board_add_upcoming(overview->upcoming, &overview->upcoming_count, &page->upcoming[i]);
    for (int i = 0; i <= BOARD_AHEAD; i++)
        overview->ahead[i] += page->ahead[i];
    overview->ahead_exact = overview->ahead_exact && page->ahead_exact;
    add_letters(overview, &page->letters);
    for (int i = 0; i <= BOARD_TOOK; i++)
        overview->took[i] += page->took[i];
    overview->took_ms += page->took_ms;
    overview->landed += page->landed;
    overview->undone += page->undone;
    overview->resolved += page->resolved;
}

static void add_restore(struct overview_worker *about, struct restore_progress *progress)
{
    about->restoring = atomic_load(&progress->tasks);
    about->records = atomic_load(&progress->records);
    about->bytes = atomic_load(&progress->bytes);
    about->percent = about->restoring == 0 ? 100 : atomic_load(&progress->percent);
    about->eta_s = about->restoring == 0 ? 0 : atomic_load(&progress->eta_s);
}

static int by_partition(const void *a, const void *b)
{
    int32_t one = ((const struct overview_task *)a)->task.partition;
    int32_t other = ((const struct overview_task *)b)->task.partition;

    return (one > other) - (one < other);
}

/* A partition that has just moved may be on two pages: who has it running, has it. */
static void drop_doubles(struct overview *overview)
{
    size_t kept = 0;

    for (size_t i = 0; i < overview->task_count; i++) {
        struct overview_task *before = kept == 0 ? NULL : &overview->tasks[kept - 1];
        if (before == NULL || before->task.partition != overview->tasks[i].task.partition)
            overview->tasks[kept++] = overview->tasks[i];
        else if (overview->tasks[i].task.running)
            *before = overview->tasks[i];
    }
    overview->task_count = kept;
}

static bool is_ready(const struct overview *overview)
{
    for (size_t i = 0; i < overview->worker_count; i++)
        if (!overview->workers[i].joined)
            return false;
    for (size_t i = 0; i < overview->task_count; i++)
        if (!overview->tasks[i].task.running)
            return false;
    return true;
}

void overview_take(struct overview *overview, const struct stage *stage, struct worker *workers,
                   size_t count)
{
    overview_release(overview);
    overview->at_ms = stage_now_ms(stage);
    overview->ahead_exact = true;
    overview->restores.percent = 100;
    overview->worker_count = count;
    overview->workers = memory_get_clean(count * sizeof(*overview->workers));
    for (size_t i = 0; i < count; i++) {
        struct board *board = workers[i].board;
        pthread_mutex_lock(&board->lock);
        add_page(overview, (int)i, &board->page);
        pthread_mutex_unlock(&board->lock);
        add_restore(&overview->workers[i], &workers[i].restoring);
        restore_sum_add(&overview->restores, &workers[i].restoring);
    }
    for (size_t i = 0; i < overview->task_count; i++)
        overview->tasks[i].task.inputs = overview->inputs + i * overview->inputs_each;
    overview->ready = !atomic_load(&stage->stop) && is_ready(overview);
    if (overview->task_count > 1)
        qsort(overview->tasks, overview->task_count, sizeof(*overview->tasks), by_partition);
    drop_doubles(overview);
}

void overview_release(struct overview *overview)
{
    free(overview->workers);
    free(overview->tasks);
    free(overview->inputs);
    *overview = (struct overview){0};
}

void overview_tally(struct tally *tally, struct worker *workers, size_t count)
{
    *tally = (struct tally){0};
    for (size_t i = 0; i < count; i++) {
        struct board *board = workers[i].board;
        pthread_mutex_lock(&board->lock);
        tally_add(tally, &board->page.tally);
        pthread_mutex_unlock(&board->lock);
    }
}

uint64_t overview_messages(const struct overview *overview, size_t channel, size_t row)
{
    uint64_t sum = 0;

    for (int standing = 0; standing < STANDING_COUNT; standing++)
        sum += overview->census[channel][row][standing];
    return sum;
}

uint64_t overview_standing(const struct overview *overview, size_t channel, enum standing standing)
{
    uint64_t sum = 0;

    for (int row = 0; row <= STATUSES_MAX; row++)
        sum += overview->census[channel][row][standing];
    return sum;
}

int64_t overview_watermark_age_ms(const struct overview *overview, const struct board_task *task)
{
    if (task->watermark_ms == TIME_NONE)
        return -1;
    return task->watermark_ms < overview->at_ms ? overview->at_ms - task->watermark_ms : 0;
}

int64_t overview_lag(const struct board_input *input)
{
    if (input->end < 0)
        return -1;
    return input->end > input->next ? input->end - input->next : 0;
}
