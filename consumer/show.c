/*
 * show.c: what a worker shows of itself (board.h), where somebody may look.
 *
 * Its page is written anew some times a second, from its own numbers; nothing here decides
 * anything, and without a board none of it costs more than a look at a pointer.
 */
#include "consumer/clock.h"
#include "consumer/message_view.h"
#include "consumer/worker_inside.h"

#include <stdio.h>
#include <string.h>

enum {
    SHOW_EVERY_MS = 250,
    SHOW_SHARE = 50,    /* and at most one part in so many of its time */
    STALLED_MS = 10000, /* it could take no record for so long: it is not at work */
};

void show_letter(struct inside *inside, enum reason reason, const char *detail,
                 const rd_kafka_message_t *message)
{
    struct board_letter letter = {
        .at_ms = stage_now_ms(inside->stage),
        .reason = reason,
        .partition = message->partition,
        .offset = message->offset,
        .key_size = message->key_len > MESSAGE_ID_MAX ? MESSAGE_ID_MAX : message->key_len,
    };

    if (inside->worker->board == NULL)
        return;
    snprintf(letter.detail, sizeof(letter.detail), "%s", detail == NULL ? "" : detail);
    snprintf(letter.topic, sizeof(letter.topic), "%s", rd_kafka_topic_name(message->rkt));
    if (letter.key_size > 0)
        memcpy(letter.key, message->key, letter.key_size);
    board_letters_add(&inside->showing.open, &letter);
}

void show_sealed(struct inside *inside)
{
    struct showing *showing = &inside->showing;

    if (inside->worker->board == NULL)
        return;
    showing->sent = showing->open;
    showing->open.count = 0;
    showing->sealed_ms = clock_monotonic_ms();
}

void show_landed(struct inside *inside)
{
    static const double bounds_s[BOARD_TOOK] = BOARD_TOOK_S;
    struct showing *showing = &inside->showing;
    int64_t took_ms = clock_monotonic_ms() - showing->sealed_ms;
    int bucket = 0;

    if (inside->worker->board == NULL)
        return;
    while (bucket < BOARD_TOOK && (double)took_ms > bounds_s[bucket] * 1000)
        bucket++;
    showing->took[bucket]++;
    showing->took_ms += (uint64_t)took_ms;
    showing->landed_count++;
    board_letters_append(&showing->landed, &showing->sent);
    showing->sent.count = 0;
}

void show_undone(struct inside *inside)
{
    inside->showing.undone_count++;
}

void show_dropped(struct inside *inside)
{
    inside->showing.sent.count = inside->showing.open.count = 0;
}

void show_resolved(struct inside *inside)
{
    inside->showing.resolved_count++;
}

/* ---- the page --------------------------------------------------------------------------- */

static void show_task(const struct inside *inside, const struct holding *holding,
                      struct board_task *task)
{
    const struct watermark *landed = &holding->lane.task.landed.watermark;

    *task = (struct board_task){
        .partition = holding->lane.partition,
        .running = holding->running,
        .watermark_ms = holding->lane.task.watermark.reached_ms,
        .messages = store_count(holding->lane.task.store),
        .caught_up = holding->running,
        .inputs = task->inputs,
    };
    for (size_t i = 0; i < holding->inlet_count; i++) {
        const struct inlet *inlet = &holding->inlets[i];
        bool at_end = inlet->at_end && inlet->at == inlet->count;
        /* Behind what landed there may be markers, and records that were aborted. */
        bool rests = at_end && !holding->touched && !holding->sealed;
        int64_t low, high = -1;
        if (inside->consumer == NULL ||
            rd_kafka_get_watermark_offsets(inside->consumer, inlet->topic, holding->lane.partition,
                                           &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
            high = -1;
        task->inputs[i] = (struct board_input){
            .next = rests ? inlet->next : inlet->landed_next,
            .end = high,
            .greatest_ms = landed->inputs[i].greatest_ms,
            .idle = holding->lane.task.watermark.inputs[i].resting,
        };
        task->caught_up = task->caught_up && at_end;
    }
}

static void show_census(const struct inside *inside, const struct holding *holding,
                        struct board_page *page)
{
    for (size_t channel = 0; channel < inside->tables.count; channel++)
        for (int row = 0; row <= inside->tables.rows[channel]->count; row++)
            for (int standing = 0; standing < STANDING_COUNT; standing++)
                page->census[channel][row][standing] += store_census(
                    holding->lane.task.store, (uint8_t)channel,
                    row == 0 ? STATUS_NONE : (uint8_t)(row - 1), (enum standing)standing);
}

/* The earliest of all tasks: each brings its own, and the later ones fall out at the end. */
static void show_upcoming(const struct holding *holding, struct board_page *page)
{
    struct upcoming mine[BOARD_UPCOMING];
    size_t count = store_upcoming(holding->lane.task.store, mine, BOARD_UPCOMING);

    for (size_t i = 0; i < count; i++) {
        struct board_upcoming one = {
            .deadline_ms = mine[i].deadline_ms,
            .channel = mine[i].key.channel,
            .state = mine[i].state,
            .standing = mine[i].standing,
            .id_size = mine[i].key.id.size,
        };
        memcpy(one.id, mine[i].key.id.bytes, mine[i].key.id.size);
        board_add_upcoming(page->upcoming, &page->upcoming_count, &one);
    }
}

static void show_ahead(const struct inside *inside, const struct holding *holding,
                       struct board_page *page)
{
    static const int64_t within_s[BOARD_AHEAD] = BOARD_AHEAD_S;
    int64_t now_ms = stage_now_ms(inside->stage), bounds_ms[BOARD_AHEAD];
    uint64_t counts[BOARD_AHEAD + 1];

    for (int i = 0; i < BOARD_AHEAD; i++)
        bounds_ms[i] = now_ms + within_s[i] * 1000;
    page->ahead_exact =
        store_ahead(holding->lane.task.store, bounds_ms, BOARD_AHEAD, counts) && page->ahead_exact;
    for (int i = 0; i <= BOARD_AHEAD; i++)
        page->ahead[i] += counts[i];
}

/*
 * It knows its share, and takes records: not while a transaction cannot be ended, for as long as a
 * broker is away.
 */
static bool is_at_work(const struct inside *inside)
{
    return inside->joined && clock_monotonic_ms() - inside->showing.looped_ms < STALLED_MS;
}

/* For the watcher: a worker whose share is nothing is as ready as it can be. */
static void note_consuming(struct inside *inside)
{
    bool all = is_at_work(inside);

    for (size_t i = 0; i < inside->holding_count; i++)
        all = all && inside->holdings[i]->running;
    atomic_store(&inside->worker->consuming, all);
}

static void fill(struct inside *inside, struct board_page *page)
{
    const struct showing *showing = &inside->showing;
    struct store_size size;

    page->at_ms = stage_now_ms(inside->stage);
    page->joined = is_at_work(inside);
    page->tally = inside->landed;
    memset(page->census, 0, sizeof(page->census));
    page->size = (struct store_size){0};
    page->outboxes_bytes = inside->outboxes[0].bytes.room + inside->outboxes[1].bytes.room;
    page->upcoming_count = 0;
    memset(page->ahead, 0, sizeof(page->ahead));
    page->ahead_exact = true;
    board_make_room(page, inside->holding_count, inside->config->input_topics.count);
    for (size_t i = 0; i < inside->holding_count; i++) {
        const struct holding *holding = inside->holdings[i];
        show_task(inside, holding, &page->tasks[i]);
        show_census(inside, holding, page);
        size = store_measure(holding->lane.task.store);
        store_size_add(&page->size, &size);
        show_upcoming(holding, page);
        show_ahead(inside, holding, page);
    }
    page->letters = showing->landed;
    memcpy(page->took, showing->took, sizeof(page->took));
    page->took_ms = showing->took_ms;
    page->landed = showing->landed_count;
    page->undone = showing->undone_count;
    page->resolved = showing->resolved_count;
}

/* ---- a question ------------------------------------------------------------------------- */

static void answer(struct inside *inside, const struct board_question *question, struct buffer *out)
{
    const struct table *table =
        tables_find(&inside->tables, (const uint8_t *)question->channel, strlen(question->channel));
    struct message_key key = {.id = {.bytes = question->id, .size = (uint32_t)question->id_size}};
    struct record record;
    struct place place;

    if (table == NULL)
        return;
    key.channel = table->index;
    for (size_t i = 0; i < inside->holding_count; i++) {
        const struct holding *holding = inside->holdings[i];
        if (!holding->running || !store_find(holding->lane.task.store, key, &place, &record))
            continue;
        message_view(out, table, key.id, &record, holding->lane.partition, inside->worker->number);
        return;
    }
}

void show(struct inside *inside)
{
    struct board *board = inside->worker->board;
    const struct board_question *question;
    int64_t now_ms, took_ms;

    note_consuming(inside);
    if (board == NULL)
        return;
    question = board_question(board);
    if (question != NULL) {
        struct buffer out = {0};
        answer(inside, question, &out);
        board_answer(board, &out);
        buffer_release(&out);
    }
    now_ms = clock_monotonic_ms();
    if (now_ms < inside->showing.next_ms || !board_try(board))
        return;
    fill(inside, &board->page);
    board_done(board);
    took_ms = clock_monotonic_ms() - now_ms;
    inside->showing.next_ms =
        now_ms + (SHOW_SHARE * took_ms > SHOW_EVERY_MS ? SHOW_SHARE * took_ms : SHOW_EVERY_MS);
}
