/* overview_view.c: an overview to a tree of cJSON; names as README's section on HTTP has them. */
#include "consumer/overview_view.h"

#include "consumer/memory_limit.h"
#include "consumer/summary.h"
#include "consumer/view.h"

#include <string.h>

static void count(cJSON *object, const char *name, uint64_t value)
{
    view_number(object, name, (int64_t)value);
}

/* A number, or null for what is not known (-1). */
static void known(cJSON *object, const char *name, int64_t value)
{
    if (value < 0)
        cJSON_AddNullToObject(object, name);
    else
        view_number(object, name, value);
}

static void add_workers(cJSON *object, const struct overview *overview)
{
    cJSON *list = cJSON_AddArrayToObject(object, "workers");

    for (size_t i = 0; i < overview->worker_count; i++) {
        const struct overview_worker *worker = &overview->workers[i];
        cJSON *one = cJSON_CreateObject(), *restoring;
        view_number(one, "worker", (int64_t)i);
        view_time(one, "at", worker->at_ms == 0 ? TIME_NONE : worker->at_ms);
        cJSON_AddBoolToObject(one, "joined", worker->joined);
        count(one, "tasks", worker->tasks);
        restoring = cJSON_AddObjectToObject(one, "restoring");
        view_number(restoring, "tasks", worker->restoring);
        view_number(restoring, "records", worker->records);
        view_number(restoring, "bytes", worker->bytes);
        view_number(restoring, "percent", worker->percent);
        known(restoring, "eta_s", worker->eta_s);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_totals(cJSON *object, const struct stage *stage, const struct tally *tally)
{
    cJSON *totals = cJSON_AddObjectToObject(object, "totals");

    count(totals, "records", tally->records);
    count(totals, "outcomes", tally_outcomes(tally));
    count(totals, "corrections", tally_corrections(tally));
    count(totals, "dead_letters", tally_dead_letters(tally));
    count(totals, "forgotten", tally_forgotten(tally));
    view_number(totals, "inputs_waited_out", atomic_load(&stage->inputs_waited_out));
}

/* ---- channels ----------------------------------------------------------------------------- */

static void add_states(cJSON *object, const struct table *table, const struct overview *overview,
                       const struct history *history)
{
    cJSON *list = cJSON_AddArrayToObject(object, "states");
    size_t channel = table->index;

    for (size_t row = 0; row <= table->count; row++) {
        const uint64_t *census = overview->census[channel][row];
        cJSON *one = cJSON_CreateObject();
        if (row == 0) {
            cJSON_AddNullToObject(one, "status");
            cJSON_AddNullToObject(one, "phase");
        } else {
            const struct status *status = &table->statuses[row - 1];
            cJSON_AddStringToObject(one, "status", status->name);
            cJSON_AddStringToObject(one, "phase", phase_words[status->phase]);
        }
        count(one, "live", overview_messages(overview, channel, row));
        count(one, "waiting", census[STANDING_UNSENT] + census[STANDING_WAITING]);
        count(one, "entered", overview->tally.channels[channel].entered[row]);
        count(one, "last_minute", history_entered(history, channel, row));
        cJSON_AddItemToArray(list, one);
    }
}

static void add_counts(cJSON *object, const struct channel_tally *tally)
{
    cJSON *arrivals = cJSON_AddObjectToObject(object, "arrivals");
    cJSON *outcomes = cJSON_AddObjectToObject(object, "outcomes");
    cJSON *settled_by = cJSON_AddObjectToObject(object, "settled_by");

    for (int i = 0; i < ARRIVAL_COUNT; i++)
        count(arrivals, arrival_words[i], tally->arrivals[i]);
    for (int i = 0; i < OUTCOME_COUNT; i++)
        count(outcomes, outcome_words[i], channel_outcomes(tally, (enum outcome)i));
    for (int i = 0; i < SETTLED_BY_COUNT; i++) {
        uint64_t sum = 0;
        for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
            sum += tally->outcomes[outcome][i];
        count(settled_by, settled_by_words[i], sum);
    }
    count(object, "corrections", tally->corrections);
    count(object, "forgotten", tally->forgotten);
}

static void add_channels(cJSON *object, const struct tables *tables,
                         const struct overview *overview, const struct history *history)
{
    cJSON *list = cJSON_AddArrayToObject(object, "channels");

    for (size_t i = 0; i < tables->count; i++) {
        const struct table *table = tables->rows[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "channel", table->channel);
        view_digest(one, "digest", table->digest);
        add_counts(one, &overview->tally.channels[i]);
        count(one, "unsent", overview_standing(overview, i, STANDING_UNSENT));
        count(one, "waiting", overview_standing(overview, i, STANDING_WAITING));
        count(one, "settled", overview_standing(overview, i, STANDING_SETTLED));
        add_states(one, table, overview, history);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_history(cJSON *object, const struct history *history)
{
    cJSON *all = cJSON_AddObjectToObject(object, "history"), *records, *corrections, *letters;
    cJSON *outcomes, *each[OUTCOME_COUNT];

    cJSON_AddNumberToObject(all, "step_s", HISTORY_STEP_MS / 1000.0);
    view_time(all, "end", history->count == 0 ? TIME_NONE : history->last_ms);
    records = cJSON_AddArrayToObject(all, "records");
    outcomes = cJSON_AddObjectToObject(all, "outcomes");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        each[i] = cJSON_AddArrayToObject(outcomes, outcome_words[i]);
    corrections = cJSON_AddArrayToObject(all, "corrections");
    letters = cJSON_AddArrayToObject(all, "dead_letters");
    for (size_t i = 0; i < history_steps(history); i++) {
        struct history_sample step = history_step(history, i);
        view_append_number(records, (int64_t)step.records);
        view_append_number(corrections, (int64_t)step.corrections);
        view_append_number(letters, (int64_t)step.dead_letters);
        for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
            view_append_number(each[outcome], (int64_t)step.outcomes[outcome]);
    }
}

/* ---- tasks, and what waits ---------------------------------------------------------------- */

static cJSON *input_view(const char *topic, const struct board_input *input)
{
    cJSON *one = cJSON_CreateObject();

    cJSON_AddStringToObject(one, "topic", topic);
    known(one, "next", input->next);
    known(one, "end", input->end);
    known(one, "lag", overview_lag(input));
    cJSON_AddBoolToObject(one, "idle", input->idle);
    view_time(one, "greatest", input->greatest_ms);
    return one;
}

static void add_tasks(cJSON *object, const struct stage *stage, const struct overview *overview)
{
    cJSON *list = cJSON_AddArrayToObject(object, "tasks");

    for (size_t i = 0; i < overview->task_count; i++) {
        const struct board_task *task = &overview->tasks[i].task;
        cJSON *one = cJSON_CreateObject(), *inputs;
        view_number(one, "partition", task->partition);
        view_number(one, "worker", overview->tasks[i].worker);
        cJSON_AddBoolToObject(one, "running", task->running);
        view_time(one, "watermark", task->watermark_ms);
        known(one, "watermark_age_ms", overview_watermark_age_ms(overview, task));
        count(one, "messages", task->messages);
        cJSON_AddBoolToObject(one, "caught_up", task->caught_up);
        inputs = cJSON_AddArrayToObject(one, "inputs");
        for (size_t input = 0; input < overview->inputs_each; input++)
            cJSON_AddItemToArray(
                inputs, input_view(stage->config->input_topics.items[input], &task->inputs[input]));
        cJSON_AddItemToArray(list, one);
    }
}

static void add_upcoming(cJSON *object, const struct tables *tables,
                         const struct overview *overview)
{
    static const char *const words[STANDING_COUNT] = {[STANDING_UNSENT] = "unsent",
                                                      [STANDING_WAITING] = "waiting",
                                                      [STANDING_SETTLED] = "settled"};
    static const int64_t within_s[BOARD_AHEAD] = BOARD_AHEAD_S;
    cJSON *list = cJSON_AddArrayToObject(object, "upcoming"), *one;

    for (size_t i = 0; i < overview->upcoming_count; i++) {
        const struct board_upcoming *upcoming = &overview->upcoming[i];
        const struct table *table = tables->rows[upcoming->channel];
        if (table == NULL)
            continue; /* tables that changed between this process' start and its workers' */
        one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "channel", table->channel);
        view_text(one, "message_id", upcoming->id, upcoming->id_size);
        if (table_has_vote(table, upcoming->state))
            cJSON_AddStringToObject(one, "status", table_status_name(table, upcoming->state));
        else
            cJSON_AddNullToObject(one, "status");
        view_time(one, "deadline", upcoming->deadline_ms);
        cJSON_AddStringToObject(one, "standing", words[upcoming->standing]);
        cJSON_AddItemToArray(list, one);
    }
    list = cJSON_AddArrayToObject(object, "ahead");
    for (int i = 0; i <= BOARD_AHEAD; i++) {
        one = cJSON_CreateObject();
        known(one, "within_s", i < BOARD_AHEAD ? within_s[i] : -1);
        count(one, "count", overview->ahead[i]);
        cJSON_AddItemToArray(list, one);
    }
    cJSON_AddBoolToObject(object, "ahead_exact", overview->ahead_exact);
}

static void add_letters(cJSON *object, const struct overview *overview)
{
    cJSON *all = cJSON_AddObjectToObject(object, "dead_letters");
    cJSON *reasons = cJSON_AddObjectToObject(all, "by_reason");
    cJSON *list = cJSON_AddArrayToObject(all, "last");

    for (int i = 0; i < REASON_COUNT; i++)
        if (overview->tally.dead_letters[i] > 0)
            count(reasons, reason_words[i], overview->tally.dead_letters[i]);
    for (size_t i = 0; i < overview->letter_count; i++) {
        const struct board_letter *letter = &overview->letters[i];
        cJSON *one = cJSON_CreateObject();
        view_time(one, "at", letter->at_ms);
        cJSON_AddStringToObject(one, "reason", reason_words[letter->reason]);
        view_foreign(one, "detail", letter->detail, strlen(letter->detail));
        cJSON_AddStringToObject(one, "topic", letter->topic);
        view_number(one, "partition", letter->partition);
        view_number(one, "offset", letter->offset);
        view_foreign(one, "key", letter->key, letter->key_size);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_rest(cJSON *object, const struct stage *stage, const struct overview *overview)
{
    const struct store_size *size = &overview->size;
    cJSON *transactions = cJSON_AddObjectToObject(object, "transactions");
    cJSON *memory;

    count(transactions, "landed", overview->landed);
    count(transactions, "undone", overview->undone);
    count(transactions, "resolved", overview->resolved);
    if (overview->landed == 0)
        cJSON_AddNullToObject(transactions, "mean_ms");
    else
        cJSON_AddNumberToObject(transactions, "mean_ms",
                                (double)overview->took_ms / (double)overview->landed);
    memory = cJSON_AddObjectToObject(object, "memory");
    count(memory, "store_bytes",
          size->records_bytes + size->index_bytes + size->timers_bytes + size->texts_bytes +
              size->journal_bytes);
    view_number(memory, "resident_bytes", memory_resident(""));
    known(memory, "limit_bytes", stage->memory_max == 0 ? -1 : stage->memory_max);
    known(memory, "records_max", stage->records_max == INT64_MAX ? -1 : stage->records_max);
}

void overview_view(struct buffer *out, const struct stage *stage, const struct tables *tables,
                   const struct overview *overview, const struct history *history)
{
    cJSON *object = cJSON_CreateObject();

    view_time(object, "at", overview->at_ms);
    cJSON_AddStringToObject(object, "app", stage->config->app_id);
    cJSON_AddStringToObject(object, "version", UPSHOT_VERSION);
    view_time(object, "started_at", stage->wall_base_ms);
    cJSON_AddBoolToObject(object, "ready", overview->ready);
    add_workers(object, overview);
    add_totals(object, stage, &overview->tally);
    add_channels(object, tables, overview, history);
    add_history(object, history);
    add_tasks(object, stage, overview);
    add_upcoming(object, tables, overview);
    add_letters(object, overview);
    add_rest(object, stage, overview);
    view_print(out, object);
}

void readiness_view(struct buffer *out, const struct overview *overview)
{
    cJSON *object = cJSON_CreateObject();
    size_t joined = 0, running = 0;

    for (size_t i = 0; i < overview->worker_count; i++)
        joined += overview->workers[i].joined;
    for (size_t i = 0; i < overview->task_count; i++)
        running += overview->tasks[i].task.running;
    cJSON_AddStringToObject(object, "status",
                            overview->ready                   ? "ready"
                            : joined < overview->worker_count ? "joining"
                                                              : "restoring");
    count(object, "workers", overview->worker_count);
    count(object, "joined", joined);
    count(object, "tasks", overview->task_count);
    count(object, "running", running);
    view_print(out, object);
}
