/* audit_letters.c: headers read back, and a sorted array. */
#include "consumer/audit_letters.h"

#include "consumer/hash.h"
#include "schemas/dead_letter.h"
#include "statemachine/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void audit_letters_init(struct audit_letters *letters, const struct config_list *inputs,
                        int32_t partition)
{
    *letters = (struct audit_letters){
        .inputs = inputs, .partition = partition, .oldest_ms = INT64_MAX};
}

void audit_letters_release(struct audit_letters *letters)
{
    free(letters->rows);
    *letters = (struct audit_letters){0};
}

/* ---- the topic -------------------------------------------------------------------------- */

/* The last header of a name, for a letter that was redriven has older ones (DESIGN 4). */
static struct text header(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        value == NULL)
        return (struct text){0};
    return (struct text){.bytes = value, .size = (uint32_t)size};
}

struct source {
    char topic[TOPIC_MAX + 1];
    int32_t partition;
    int64_t offset;
};

/* topic/partition/offset */
static bool read_source(struct text text, struct source *source)
{
    char line[TOPIC_MAX + 1], *slash;

    if (text.size == 0 || text.size > TOPIC_MAX)
        return false;
    memcpy(line, text.bytes, text.size);
    line[text.size] = 0;
    slash = strrchr(line, '/');
    if (slash == NULL || sscanf(slash, "/%" SCNd64, &source->offset) != 1)
        return false;
    *slash = 0;
    slash = strrchr(line, '/');
    if (slash == NULL || sscanf(slash, "/%" SCNd32, &source->partition) != 1)
        return false;
    *slash = 0;
    snprintf(source->topic, sizeof(source->topic), "%s", line);
    return true;
}

static bool read_reason(struct text text, enum reason *reason)
{
    for (enum reason i = 0; i < REASON_COUNT; i++)
        if (text_equal(text, text_of(reason_words[i]))) {
            *reason = i;
            return true;
        }
    return false;
}

static bool find_input(const struct config_list *inputs, const char *topic, uint32_t *input)
{
    for (size_t i = 0; i < inputs->count; i++)
        if (strcmp(inputs->items[i], topic) == 0) {
            *input = (uint32_t)i;
            return true;
        }
    return false;
}

/* No key and an empty one are two things. */
static uint64_t digest_of(const rd_kafka_message_t *message)
{
    uint64_t seed = message->key == NULL ? 1 : hash_bytes(message->key, message->key_len, 0);

    return message->payload == NULL ? seed : hash_bytes(message->payload, message->len, seed);
}

static void add(struct audit_letters *letters, const struct audit_letter *letter)
{
    if (letters->count == letters->room) {
        letters->room = letters->room == 0 ? 256 : letters->room * 2;
        letters->rows = memory_resize(letters->rows, letters->room, sizeof(*letters->rows));
    }
    letters->rows[letters->count++] = *letter;
}

void audit_letters_find(struct audit_letters *letters, const rd_kafka_message_t *message,
                        struct audit_findings *findings)
{
    struct audit_example example = {.partition = letters->partition, .offset = message->offset};
    struct audit_letter letter = {.letter_offset = message->offset, .digest = digest_of(message)};
    struct text words = header(message, HEADER_SOURCE);
    struct source source;

    if (!read_source(words, &source) ||
        !read_reason(header(message, HEADER_REASON), &letter.reason)) {
        snprintf(example.message, sizeof(example.message), "?");
        snprintf(example.detail, sizeof(example.detail), "no %s or %s that can be read",
                 HEADER_SOURCE, HEADER_REASON);
        audit_fault(findings, AUDIT_LETTER_EXTRA, &example);
        return;
    }
    if (!find_input(letters->inputs, source.topic, &letter.input)) {
        findings->letters_outside++; /* another stage's, which shares the topic */
        return;
    }
    if (source.partition != letters->partition) {
        snprintf(example.message, sizeof(example.message), "%.*s", (int)words.size, words.bytes);
        snprintf(example.detail, sizeof(example.detail), "it is in another partition");
        audit_fault(findings, AUDIT_LETTER_EXTRA, &example);
        return;
    }
    letter.offset = source.offset;
    letter.cut = header(message, HEADER_CUT).size > 0;
    add(letters, &letter);
}

/* ---- comparing -------------------------------------------------------------------------- */

static int by_record(const void *left, const void *right)
{
    const struct audit_letter *a = left, *b = right;

    if (a->input != b->input)
        return a->input < b->input ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->letter_offset > b->letter_offset) - (a->letter_offset < b->letter_offset);
}

static struct audit_example example_of(const struct audit_letters *letters, size_t input,
                                       int64_t offset, int64_t letter_offset)
{
    struct audit_example example = {.partition = letters->partition, .offset = letter_offset};

    snprintf(example.message, sizeof(example.message), "%s/%d/%lld", letters->inputs->items[input],
             letters->partition, (long long)offset);
    return example;
}

void audit_letters_sort(struct audit_letters *letters, struct audit_findings *findings)
{
    size_t kept = 0;

    if (letters->count > 0)
        qsort(letters->rows, letters->count, sizeof(*letters->rows), by_record);
    for (size_t i = 0; i < letters->count; i++) {
        const struct audit_letter *letter = &letters->rows[i];
        if (kept > 0 && letters->rows[kept - 1].input == letter->input &&
            letters->rows[kept - 1].offset == letter->offset) {
            struct audit_example example =
                example_of(letters, letter->input, letter->offset, letter->letter_offset);
            snprintf(example.detail, sizeof(example.detail), "%s", reason_words[letter->reason]);
            audit_fault(findings, AUDIT_LETTER_REPEATED, &example);
            continue;
        }
        letters->rows[kept++] = *letter;
    }
    letters->count = kept;
}

struct audit_letter *audit_letters_of(const struct audit_letters *letters, size_t input,
                                      int64_t offset)
{
    struct audit_letter wanted = {.input = (uint32_t)input, .offset = offset};
    size_t low = 0, high = letters->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct audit_letter *row = &letters->rows[middle];
        if (row->input == wanted.input && row->offset == wanted.offset)
            return row;
        if (by_record(row, &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void audit_letters_judge(struct audit_letters *letters, size_t input,
                         const rd_kafka_message_t *record, enum reason reason, bool certain,
                         struct audit_findings *findings)
{
    struct audit_letter *letter = audit_letters_of(letters, input, record->offset);
    struct audit_example example =
        example_of(letters, input, record->offset, letter == NULL ? -1 : letter->letter_offset);
    enum reason is = letter == NULL ? REASON_NONE : letter->reason;
    rd_kafka_timestamp_type_t type;
    const char *should = reason == REASON_NONE ? "it is well" : reason_words[reason];

    if (letter != NULL)
        letter->known = true;
    if (!certain)
        return;
    if (letter == NULL && reason != REASON_NONE &&
        rd_kafka_message_timestamp(record, &type) < letters->oldest_ms) {
        findings->expired++;
    } else if (findings->what_if) {
        if (is != reason)
            audit_change(&findings->letter_changes[is][reason], &example);
    } else if (letter == NULL && reason != REASON_NONE) {
        snprintf(example.detail, sizeof(example.detail), "%s", should);
        audit_fault(findings, AUDIT_LETTER_MISSING, &example);
    } else if (letter != NULL && reason == REASON_NONE) {
        snprintf(example.detail, sizeof(example.detail), "%s, but %s", reason_words[is], should);
        audit_fault(findings, AUDIT_LETTER_EXTRA, &example);
    } else if (letter != NULL && is != reason) {
        snprintf(example.detail, sizeof(example.detail), "%s, but it should be %s",
                 reason_words[is], should);
        audit_fault(findings, AUDIT_LETTER_DIFFERENT, &example);
    } else if (letter != NULL && !letter->cut && letter->digest != digest_of(record)) {
        snprintf(example.detail, sizeof(example.detail), "another key or value than the record's");
        audit_fault(findings, AUDIT_LETTER_DIFFERENT, &example);
    }
}

void audit_letters_compare(const struct audit_letters *letters, const int64_t *begins,
                           const int64_t *ends, struct audit_findings *findings)
{
    for (size_t i = 0; i < letters->count; i++) {
        const struct audit_letter *letter = &letters->rows[i];
        struct audit_example example =
            example_of(letters, letter->input, letter->offset, letter->letter_offset);
        if (letter->known)
            continue;
        if (letter->offset < begins[letter->input]) {
            findings->letters_outside++;
            continue;
        }
        snprintf(example.detail, sizeof(example.detail), "%s, of a record that is not there%s",
                 reason_words[letter->reason],
                 letter->offset < ends[letter->input] ? "" : " yet");
        if (!findings->what_if)
            audit_fault(findings, AUDIT_LETTER_EXTRA, &example);
    }
}
