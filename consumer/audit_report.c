/* audit_report.c: the same findings three times. */
#include "consumer/audit_report.h"

#include "schemas/instant.h"
#include "schemas/json.h"
#include "statemachine/memory.h"

#include <cjson/cJSON.h>
#include <string.h>

typedef unsigned long long number;

/* ---- what all of them say --------------------------------------------------------------- */

/* What was left out of the comparison, and why; only what there is. */
struct aside {
    const char *word, *meaning;
    uint64_t count;
};

enum { ASIDES = 6 };

static void list_asides(const struct audit_findings *findings, struct aside asides[ASIDES])
{
    const struct aside list[ASIDES] = {
        {"open", "messages with records beyond what the stage is known to have taken",
         findings->open},
        {"waiting", "outcomes that the stage need not have written yet", findings->waiting},
        {"begun_before", "messages that began, or may have, before the range",
         findings->begun_before},
        {"undetermined", "messages whose outcome hangs on an order of events that nobody knows",
         findings->undetermined},
        {"expired", "outcomes and dead letters that their topics' retention has taken",
         findings->expired},
        {"letters_outside", "dead letters of records outside the range, or of other topics",
         findings->letters_outside},
    };

    memcpy(asides, list, sizeof(list));
}

static const char *outcome_word(int outcome)
{
    return outcome == OUTCOME_COUNT ? "(none)" : outcome_words[outcome];
}

static const char *reason_word(int reason)
{
    return reason == REASON_COUNT ? "(none)" : reason_words[reason];
}

static void put_instant(char out[INSTANT_SIZE + 1], int64_t ms)
{
    instant_format(ms, out);
    out[INSTANT_SIZE] = 0;
}

/* A key that is no UTF-8 may be shown, but not as it is. */
static void clean(const char *text, char *out, size_t room)
{
    bool valid = utf8_valid((const uint8_t *)text, strlen(text));
    size_t size = 0;

    for (; *text != 0 && size + 1 < room; text++)
        out[size++] = (unsigned char)*text < ' ' || (!valid && (unsigned char)*text >= 0x80)
                          ? '?'
                          : *text;
    out[size] = 0;
}

/* message, life, revision, place: detail */
static void put_example(FILE *out, const struct audit_example *example)
{
    char message[sizeof(example->message)], life[INSTANT_SIZE + 1];

    clean(example->message, message, sizeof(message));
    fputs(message, out);
    if (example->revision > 0) {
        put_instant(life, example->life_ms);
        fprintf(out, " life %lld (%s) revision %u", (long long)example->life_ms, life,
                example->revision);
    }
    fprintf(out, ", partition %d", example->partition);
    if (example->offset >= 0)
        fprintf(out, " offset %lld", (long long)example->offset);
    if (example->detail[0] != 0)
        fprintf(out, ": %s", example->detail);
}

/* Calls for each change that there is: a channel's name, or "dead letters". */
typedef void on_change(void *context, const char *what, const char *from, const char *to,
                       const struct audit_change *change);

static void each_change(const struct audit_findings *findings, const struct tables *tables,
                        on_change *see, void *context)
{
    for (size_t i = 0; i < AUDIT_CHANNELS; i++)
        for (int from = 0; from < AUDIT_OUTCOMES; from++)
            for (int to = 0; to < AUDIT_OUTCOMES; to++)
                if (findings->changes[i][from][to].count > 0)
                    see(context, i < tables->count ? tables->rows[i]->channel : "(no such channel)",
                        outcome_word(from), outcome_word(to), &findings->changes[i][from][to]);
    for (int from = 0; from < AUDIT_REASONS; from++)
        for (int to = 0; to < AUDIT_REASONS; to++)
            if (findings->letter_changes[from][to].count > 0)
                see(context, "dead letters", reason_word(from), reason_word(to),
                    &findings->letter_changes[from][to]);
}

/* ---- text ------------------------------------------------------------------------------- */

static void text_change(void *context, const char *what, const char *from, const char *to,
                        const struct audit_change *change)
{
    FILE *out = context;

    fprintf(out, "%s: %s -> %s: %llu\n", what, from, to, (number)change->count);
    for (size_t i = 0; i < change->examples.count; i++) {
        fputs("    ", out);
        put_example(out, &change->examples.rows[i]);
        fputc('\n', out);
    }
}

static void text_faults(FILE *out, const struct audit_findings *findings)
{
    for (int i = 0; i < AUDIT_FAULT_COUNT; i++) {
        if (findings->faults[i] == 0)
            continue;
        fprintf(out, "%s: %llu %s\n", audit_fault_words[i], (number)findings->faults[i],
                audit_fault_meanings[i]);
        for (size_t j = 0; j < findings->examples[i].count; j++) {
            fputs("    ", out);
            put_example(out, &findings->examples[i].rows[j]);
            fputc('\n', out);
        }
    }
    for (int i = 0; i < OUTCOME_FIELD_COUNT; i++)
        if (findings->fields[i] > 0)
            fprintf(out, "different in %s: %llu\n", outcome_field_words[i],
                    (number)findings->fields[i]);
}

void audit_report_text(FILE *out, const struct audit_findings *findings,
                       const struct audit_options *options)
{
    struct aside asides[ASIDES];

    fprintf(out, "%d partitions: %llu input records, %llu outcomes, %llu dead letters\n",
            findings->partitions, (number)findings->records, (number)findings->outcomes,
            (number)findings->letters);
    fprintf(out, "compared %llu messages, every revision in %d of %d partitions; %llu outcomes "
                 "agree\n",
            (number)findings->messages, findings->strict_partitions, findings->partitions,
            (number)findings->agreed);
    list_asides(findings, asides);
    for (size_t i = 0; i < ASIDES; i++)
        if (asides[i].count > 0)
            fprintf(out, "not compared: %llu %s\n", (number)asides[i].count, asides[i].meaning);
    if (findings->partitions_without_offsets > 0)
        fprintf(out, "group %s has no offsets in %d partitions: it has not begun, or is "
                     "not the one that wrote the outcomes; then all inputs count\n",
                options->config->app_id, findings->partitions_without_offsets);
    text_faults(out, findings);
    each_change(findings, options->tables, text_change, out);
    if (audit_fault_sum(findings) + audit_change_sum(findings) == 0)
        fputs("no difference\n", out);
}

/* ---- JSON ------------------------------------------------------------------------------- */

static void json_examples(cJSON *object, const struct audit_examples *examples)
{
    cJSON *list = cJSON_AddArrayToObject(object, "examples");

    for (size_t i = 0; i < examples->count; i++) {
        const struct audit_example *example = &examples->rows[i];
        cJSON *row = cJSON_CreateObject();
        char message[sizeof(example->message)];
        clean(example->message, message, sizeof(message));
        cJSON_AddStringToObject(row, "message", message);
        cJSON_AddNumberToObject(row, "partition", example->partition);
        if (example->revision > 0) {
            cJSON_AddNumberToObject(row, "life", (double)example->life_ms);
            cJSON_AddNumberToObject(row, "revision", example->revision);
        }
        if (example->offset >= 0)
            cJSON_AddNumberToObject(row, "offset", (double)example->offset);
        if (example->detail[0] != 0)
            cJSON_AddStringToObject(row, "detail", example->detail);
        cJSON_AddItemToArray(list, row);
    }
}

static void json_change(void *context, const char *what, const char *from, const char *to,
                        const struct audit_change *change)
{
    cJSON *row = cJSON_CreateObject();

    cJSON_AddStringToObject(row, "what", what);
    cJSON_AddStringToObject(row, "from", from);
    cJSON_AddStringToObject(row, "to", to);
    cJSON_AddNumberToObject(row, "count", (double)change->count);
    json_examples(row, &change->examples);
    cJSON_AddItemToArray(context, row);
}

static cJSON *json_tree(const struct audit_findings *findings, const struct audit_options *options)
{
    cJSON *root = cJSON_CreateObject(), *object;
    struct aside asides[ASIDES];

    cJSON_AddNumberToObject(root, "differences",
                            (double)(audit_fault_sum(findings) + audit_change_sum(findings)));
    cJSON_AddNumberToObject(root, "partitions", findings->partitions);
    cJSON_AddNumberToObject(root, "every_revision_in", findings->strict_partitions);
    cJSON_AddNumberToObject(root, "partitions_without_offsets",
                            findings->partitions_without_offsets);
    cJSON_AddNumberToObject(root, "records", (double)findings->records);
    cJSON_AddNumberToObject(root, "outcomes", (double)findings->outcomes);
    cJSON_AddNumberToObject(root, "dead_letters", (double)findings->letters);
    cJSON_AddNumberToObject(root, "messages", (double)findings->messages);
    cJSON_AddNumberToObject(root, "agreed", (double)findings->agreed);
    object = cJSON_AddObjectToObject(root, "not_compared");
    list_asides(findings, asides);
    for (size_t i = 0; i < ASIDES; i++)
        cJSON_AddNumberToObject(object, asides[i].word, (double)asides[i].count);
    object = cJSON_AddObjectToObject(root, "faults");
    for (int i = 0; i < AUDIT_FAULT_COUNT; i++) {
        cJSON *fault = cJSON_AddObjectToObject(object, audit_fault_words[i]);
        cJSON_AddNumberToObject(fault, "count", (double)findings->faults[i]);
        json_examples(fault, &findings->examples[i]);
    }
    object = cJSON_AddObjectToObject(root, "fields");
    for (int i = 0; i < OUTCOME_FIELD_COUNT; i++)
        if (findings->fields[i] > 0)
            cJSON_AddNumberToObject(object, outcome_field_words[i], (double)findings->fields[i]);
    each_change(findings, options->tables, json_change, cJSON_AddArrayToObject(root, "changes"));
    return root;
}

void audit_report_json(FILE *out, const struct audit_findings *findings,
                       const struct audit_options *options)
{
    cJSON *root = json_tree(findings, options);
    char *text = cJSON_PrintUnformatted(root);

    require(text != NULL);
    fprintf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* ---- Markdown --------------------------------------------------------------------------- */

static void markdown_examples(FILE *out, const struct audit_examples *examples)
{
    for (size_t i = 0; i < examples->count; i++) {
        fputs("- ", out);
        put_example(out, &examples->rows[i]);
        fputc('\n', out);
    }
    fputc('\n', out);
}

static void markdown_change_row(void *context, const char *what, const char *from, const char *to,
                                const struct audit_change *change)
{
    fprintf(context, "| %s | %s | %s | %llu |\n", what, from, to, (number)change->count);
}

static void markdown_change_examples(void *context, const char *what, const char *from,
                                     const char *to, const struct audit_change *change)
{
    fprintf(context, "%s, %s → %s, %llu times, such as\n\n", what, from, to,
            (number)change->count);
    markdown_examples(context, &change->examples);
}

static void markdown_changes(FILE *out, const struct audit_findings *findings,
                             const struct audit_options *options)
{
    fputs("## What these tables would have changed\n\n", out);
    if (audit_change_sum(findings) == 0) {
        fputs("Nothing.\n\n", out);
        return;
    }
    fputs("| channel | was | would be | messages |\n|---|---|---|---:|\n", out);
    each_change(findings, options->tables, markdown_change_row, out);
    fputs("\n### Examples\n\n", out);
    each_change(findings, options->tables, markdown_change_examples, out);
}

static void markdown_faults(FILE *out, const struct audit_findings *findings)
{
    fputs("## Differences\n\n", out);
    if (audit_fault_sum(findings) == 0) {
        fputs("None.\n\n", out);
        return;
    }
    fputs("| what | how many | |\n|---|---:|---|\n", out);
    for (int i = 0; i < AUDIT_FAULT_COUNT; i++)
        if (findings->faults[i] > 0)
            fprintf(out, "| %s | %llu | %s |\n", audit_fault_words[i], (number)findings->faults[i],
                    audit_fault_meanings[i]);
    fputc('\n', out);
    for (int i = 0; i < AUDIT_FAULT_COUNT; i++) {
        if (findings->faults[i] == 0)
            continue;
        fprintf(out, "### %s\n\n", audit_fault_words[i]);
        markdown_examples(out, &findings->examples[i]);
    }
}

void audit_report_markdown(FILE *out, const struct audit_findings *findings,
                           const struct audit_options *options)
{
    const struct config *config = options->config;
    struct aside asides[ASIDES];
    char now[INSTANT_SIZE + 1];

    put_instant(now, options->now_ms);
    fprintf(out, "# Audit of %s, %s\n\n", config->outcomes_topic, now);
    fprintf(out, "Outcomes and dead letters (%s) were recomputed from", config->dead_letters_topic);
    for (size_t i = 0; i < config->input_topics.count; i++)
        fprintf(out, "%s %s", i == 0 ? "" : ",", config->input_topics.items[i]);
    fprintf(out, ", with these tables:\n\n| channel | version | digest |\n|---|---:|---|\n");
    for (size_t i = 0; i < options->tables->count; i++)
        fprintf(out, "| %s | %lld | %016llx |\n", options->tables->rows[i]->channel,
                (long long)options->tables->rows[i]->version,
                (number)options->tables->rows[i]->digest);
    fprintf(out,
            "\n%d partitions, %llu input records, %llu outcomes, %llu dead letters. %llu messages "
            "were compared, each revision of them in %d partitions, in the others the last "
            "verdict; %llu outcomes agree.\n\n",
            findings->partitions, (number)findings->records, (number)findings->outcomes,
            (number)findings->letters, (number)findings->messages, findings->strict_partitions,
            (number)findings->agreed);
    if (findings->what_if)
        markdown_changes(out, findings, options);
    markdown_faults(out, findings);
    fputs("## Not compared\n\n", out);
    list_asides(findings, asides);
    for (size_t i = 0; i < ASIDES; i++)
        fprintf(out, "- %llu %s\n", (number)asides[i].count, asides[i].meaning);
    if (findings->partitions_without_offsets > 0)
        fprintf(out, "- group %s has no offsets in %d partitions: it has not begun, or is not "
                "the one that wrote the outcomes; then all inputs count\n",
                config->app_id, findings->partitions_without_offsets);
}
