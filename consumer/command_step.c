/* command_step.c: upshot step, a message's life told line by line. */
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/options.h"
#include "schemas/instant.h"
#include "schemas/nearest.h"
#include "statemachine/task.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct config config;
    char *const *words;
    size_t count;
    bool no_send;
};

static const struct argp_option options[] = {
    {"channels", 'C', "DIR", 0, "channel tables instead of the ones built in", 0},
    {"no-send", 'n', NULL, 0, "the send event never comes", 0},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'C': {
        struct buffer complaint = {0};
        config_set(&arguments->config, "channels.dir", value, &complaint);
        buffer_release(&complaint);
        return 0;
    }
    case 'n':
        arguments->no_send = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->words = state->argv + state->next;
        arguments->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a CHANNEL, and the statuses in the order of their arrival");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* 90061000 -> "25h1m1s" */
static void put_duration(char *out, size_t room, int64_t ms)
{
    int64_t s = ms / 1000, h = s / 3600, m = s / 60 % 60;
    int used = 0;

    out[0] = 0;
    if (h > 0)
        used += snprintf(out, room, "%" PRId64 "h", h);
    if (m > 0)
        used += snprintf(out + used, room - (size_t)used, "%" PRId64 "m", m);
    if (s % 60 > 0 || used == 0)
        snprintf(out + used, room - (size_t)used, "%" PRId64 "s", s % 60);
}

static void tell(int64_t at_ms, const char *what, const struct happening *happening, bool arrived)
{
    const struct record *record = &happening->record;
    const char *word;
    char at[64];

    put_duration(at, sizeof(at), at_ms);
    printf("at %-10s %-22s", at, what);
    if (happening->effects.forgets) {
        printf(" forgotten\n");
        return;
    }
    printf(" -> ");
    word = record->state == STATUS_NONE ? "-" : table_status_name(happening->table, record->state);
    if (!happening->effects.emits) {
        printf("%-14s %s\n", word, arrived ? arrival_words[happening->effects.arrival] : "");
        return;
    }
    printf("%-14s %-11s outcome %s revision %" PRIu32 " by %s%s\n", word,
           arrived ? arrival_words[happening->effects.arrival] : "",
           outcome_words[record->emitted.outcome], record->revision,
           settled_by_words[happening->effects.settled_by],
           record->conflict ? ", in conflict" : "");
}

static bool tell_event(struct task *task, const struct table *table, const char *word,
                       int64_t at_ms)
{
    struct happening happening;
    struct event event = {
        .id = text_of("m1"),
        .channel = table->index,
        .status = STATUS_NONE,
        .is_send = word == NULL,
        .at_ms = at_ms,
        .timestamp_ms = at_ms,
        .topic = text_of("step"),
    };

    if (word != NULL) {
        event.status = table_find_status(table, (const uint8_t *)word, strlen(word));
        if (event.status == STATUS_NONE) {
            const char *names[STATUSES_MAX];
            const char *nearest;
            for (size_t i = 0; i < table->count; i++)
                names[i] = table->statuses[i].name;
            nearest = nearest_name(word, names, table->count);
            fprintf(stderr, "upshot step: %s has no status \"%s\"%s%s\n", table->channel, word,
                    nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest);
            return false;
        }
    }
    while (task_fire(task, at_ms, &happening))
        tell(happening.deadline_ms, "(time passes)", &happening, false);
    watermark_take(&task->watermark, 0, at_ms);
    task_apply(task, &event, &happening);
    tell(at_ms, word == NULL ? "send" : word, &happening, true);
    return true;
}

static int tell_life(const struct tables *tables, const struct table *table,
                     const struct arguments *arguments)
{
    struct happening happening;
    struct task task;
    int64_t at_ms = 0;
    int code = EXIT_WELL;

    task_init(&task, tables, 1, hash_bytes, hash_seed());
    printf("channel %s\n", table->channel);
    if (!arguments->no_send)
        tell_event(&task, table, NULL, at_ms);
    for (size_t i = 1; i < arguments->count && code == EXIT_WELL; i++) {
        at_ms += 1000;
        if (!tell_event(&task, table, arguments->words[i], at_ms))
            code = EXIT_USAGE;
    }
    while (code == EXIT_WELL && task_fire(&task, INT64_MAX, &happening))
        tell(happening.deadline_ms, "(time passes)", &happening, false);
    task_release(&task);
    return code;
}

static void tell_channels(const struct tables *tables, const char *word)
{
    fprintf(stderr, "upshot step: there is no channel \"%s\"; there are", word);
    for (size_t i = 0; i < tables->count; i++)
        fprintf(stderr, "%s %s", i == 0 ? "" : ",", tables->rows[i]->channel);
    fprintf(stderr, "\n");
}

const struct argp argp_of_step = {
    .options = options,
    .parser = parse,
    .args_doc = "CHANNEL [STATUS...]",
    .doc = "Shows what a message's life would give: a send, then the statuses a second apart, "
           "then time passes until the message is forgotten.\v"
           "Examples:\n"
           "  upshot step sms SENT UNDELIV DELIVRD\n"
           "  upshot step push --no-send UNREGISTERED\n"
           "  upshot step voice -C my-channels/ RINGING ANSWERED",
};

int command_step(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct tables tables = {0};
    const struct table *table;
    int code = EXIT_USAGE;

    config_init(&arguments.config);
    argp_parse(&argp_of_step, argc, argv, 0, NULL, &arguments);
    if (options_load_tables(&arguments.config, &tables) == EXIT_WELL) {
        table =
            tables_find(&tables, (const uint8_t *)arguments.words[0], strlen(arguments.words[0]));
        if (table == NULL)
            tell_channels(&tables, arguments.words[0]);
        else
            code = tell_life(&tables, table, &arguments);
    }
    tables_release(&tables);
    config_release(&arguments.config);
    return code;
}
