/*
 * hostile.c: spoilt events by the million through `upshot replay`, and its books checked.
 *
 *   hostile [--events N] [--seed S] [--chunk N]      needs UPSHOT, the program
 *   hostile --records N TOPIC... [--seed S] [--start MS]
 *                                                    prints records for tests/broker/produce
 *
 * For each chunk one replay: lines go in by a pipe, outcomes and dead letters come out by two more.
 *
 *   lines in = the classes of arrival + the dead letters, as its summary says (promise 2)
 *   every outcome is one line of valid JSON, and there are as many as the summary says
 *   every dead letter is one envelope with its reason, per reason as many as the summary says, and
 *     where the record is known it has the key and the value that went in, byte by byte
 *   nothing else is said, and the exit code is 0: no crash, no leak, nothing undefined (promise 8)
 */
#include "consumer/hash.h"
#include "consumer/lines.h"
#include "consumer/partitioning.h"
#include "schemas/json.h"
#include "schemas/reason.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"
#include "tests/hostile/mutate.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* 2026-11-23T10:00:00Z, a month before the --now of a replay. */
#define START_MS INT64_C(1795428000000)

enum { EVENTS = 200000, CHUNK = 100000, TOPICS_MAX = 4, RECORD_MAX_BYTES = 300000 };

/* What one replay was given and gave. */
struct chunk {
    uint64_t seed, events;
    uint64_t lines;  /* that are not blank */
    uint64_t *exact; /* hash of key and value of each exact record, by offset; 0: none */
    int outcomes_fd, letters_fd;
    uint64_t outcomes, corrections, letters, read_letters, known_letters;
    uint64_t reasons[REASON_COUNT], unread;
    char fault[512]; /* of either reader: the first one */
    pthread_mutex_t lock;
};

__attribute__((format(printf, 2, 3))) static void fault(struct chunk *chunk, const char *format,
                                                        ...)
{
    va_list args;

    pthread_mutex_lock(&chunk->lock);
    if (chunk->fault[0] == 0) {
        va_start(args, format);
        vsnprintf(chunk->fault, sizeof(chunk->fault), format, args);
        va_end(args);
    }
    pthread_mutex_unlock(&chunk->lock);
}

/* Never 0. */
static uint64_t hash_record(const struct envelope *envelope)
{
    uint64_t key = envelope->key == NULL ? 1 : hash_bytes(envelope->key, envelope->key_size, 2);
    uint64_t value =
        envelope->value == NULL ? 3 : hash_bytes(envelope->value, envelope->value_size, 4);

    return (key * UINT64_C(0x9e3779b97f4a7c15) ^ value) | 1;
}

/* ---- in --------------------------------------------------------------------------------- */

/* How many lines of a text a replay must account for: blank ones are none. */
static uint64_t count_lines(const struct buffer *text)
{
    uint64_t count = 0;
    bool blank = true;

    for (size_t i = 0; i < text->size; i++) {
        uint8_t byte = text->bytes[i];
        if (byte == '\n') {
            count += !blank;
            blank = true;
        } else if (byte != ' ' && byte != '\t' && byte != '\r') {
            blank = false;
        }
    }
    return count + !blank;
}

static void feed(struct chunk *chunk, int fd)
{
    FILE *file = fdopen(fd, "w");
    struct mutator mutator;

    require(file != NULL);
    mutator_init(&mutator, chunk->seed, START_MS);
    for (uint64_t i = 0; i < chunk->events; i++) {
        if (mutator_line(&mutator) == HOSTILE_EXACT)
            chunk->exact[i] = hash_record(&mutator.envelope);
        chunk->lines += count_lines(&mutator.line);
        buffer_put_byte(&mutator.line, '\n');
        require(!mutator.line.failed);
        if (fwrite(mutator.line.bytes, 1, mutator.line.size, file) != mutator.line.size)
            break; /* it has died: its exit code will tell */
    }
    fclose(file);
    mutator_release(&mutator);
}

/* ---- out -------------------------------------------------------------------------------- */

static bool valid_object(struct line line, int *members)
{
    struct json_object object;
    struct json_member member;

    *members = 0;
    for (json_begin(&object, line.bytes, line.size); json_next(&object, &member);)
        ++*members;
    return object.error == NULL;
}

static void check_outcome(struct chunk *chunk, struct line line)
{
    cJSON *outcome = cJSON_ParseWithLength((const char *)line.bytes, line.size);
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(outcome, "schema");
    const cJSON *revision = cJSON_GetObjectItemCaseSensitive(outcome, "revision");
    int members;

    if (line.full_size > line.size || !valid_object(line, &members) || outcome == NULL ||
        !cJSON_IsString(schema) || strcmp(schema->valuestring, "upshot.outcome/1") != 0 ||
        !cJSON_IsNumber(revision) || revision->valuedouble < 1)
        fault(chunk, "outcome %" PRIu64 " is none: %.*s", chunk->outcomes,
              (int)(line.size > 300 ? 300 : line.size), (const char *)line.bytes);
    chunk->corrections += cJSON_IsNumber(revision) && revision->valuedouble > 1;
    cJSON_Delete(outcome);
}

static const struct header *last_header(const struct envelope *letter, const char *name)
{
    for (size_t i = letter->header_count; i-- > 0;)
        if (letter->headers[i].name_size == strlen(name) &&
            memcmp(letter->headers[i].name, name, strlen(name)) == 0)
            return &letter->headers[i];
    return NULL;
}

static int reason_of(const struct envelope *letter)
{
    const struct header *header = last_header(letter, "upshot-reason");

    for (int i = 0; header != NULL && header->value != NULL && i < REASON_COUNT; i++)
        if (strlen(reason_words[i]) == header->value_size &&
            memcmp(reason_words[i], header->value, header->value_size) == 0)
            return i;
    return -1;
}

static void check_letter(struct chunk *chunk, struct line line, struct buffer *store)
{
    static const char exact[] = "exact";
    struct envelope letter;
    const char *why = "cut";
    int reason;

    buffer_clear(store);
    if (line.full_size > line.size) {
        chunk->unread++; /* a giant line's: larger than any line that is read */
        return;
    }
    if (envelope_decode(line.bytes, line.size, store, &letter, &why) != ENVELOPE_GOOD) {
        if (strstr(why, "128 pairs") != NULL) {
            chunk->unread++; /* it came with as many as can be read, and has three more */
            return;
        }
        fault(chunk, "dead letter %" PRIu64 " is no envelope (%s): %.*s", chunk->letters, why,
              (int)(line.size > 300 ? 300 : line.size), (const char *)line.bytes);
        return;
    }
    reason = reason_of(&letter);
    if (reason < 0 || last_header(&letter, "upshot-source") == NULL ||
        last_header(&letter, "upshot-detail") == NULL) {
        fault(chunk, "dead letter %" PRIu64 " does not say why or whence", chunk->letters);
        return;
    }
    chunk->reasons[reason]++;
    if (letter.topic_size != strlen(exact) || memcmp(letter.topic, exact, strlen(exact)) != 0)
        return;
    chunk->known_letters++;
    if (letter.offset < 0 || (uint64_t)letter.offset >= chunk->events ||
        chunk->exact[letter.offset] != hash_record(&letter))
        fault(chunk, "the dead letter of record %lld is not what went in",
              (long long)letter.offset);
}

static void read_all(struct chunk *chunk, int fd, uint64_t *count, bool letters)
{
    struct buffer store = {0};
    struct lines lines;
    struct line line;
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    require(lines_open(&lines, path));
    close(fd); /* now open a second time */
    while (lines_next(&lines, &line)) {
        if (letters)
            check_letter(chunk, line, &store);
        else
            check_outcome(chunk, line);
        ++*count;
    }
    if (lines.error != 0)
        fault(chunk, "reading what came out: %s", strerror(lines.error));
    lines_close(&lines);
    buffer_release(&store);
}

static void *read_outcomes(void *argument)
{
    struct chunk *chunk = argument;

    read_all(chunk, chunk->outcomes_fd, &chunk->outcomes, false);
    return NULL;
}

static void *read_letters(void *argument)
{
    struct chunk *chunk = argument;

    read_all(chunk, chunk->letters_fd, &chunk->letters, true);
    return NULL;
}

/* ---- the books -------------------------------------------------------------------------- */

static uint64_t number_of(const cJSON *object, const char *name)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(number) ? (uint64_t)number->valuedouble : UINT64_MAX / 2;
}

static uint64_t sum_of(const cJSON *object)
{
    uint64_t sum = 0;
    const cJSON *item;

    if (cJSON_IsNumber(object))
        return (uint64_t)object->valuedouble;
    for (item = object == NULL ? NULL : object->child; item != NULL; item = item->next)
        sum += sum_of(item);
    return sum;
}

static void same(struct chunk *chunk, const char *what, uint64_t here, uint64_t summary)
{
    if (here != summary)
        fault(chunk, "%s: %" PRIu64 " here, %" PRIu64 " in the summary", what, here, summary);
}

static void check_books(struct chunk *chunk, const char *said)
{
    const char *end = NULL;
    cJSON *summary = cJSON_ParseWithOpts(said, &end, false);
    const cJSON *classes = cJSON_GetObjectItemCaseSensitive(summary, "arrivals");
    const cJSON *letters = cJSON_GetObjectItemCaseSensitive(summary, "dead_letters");

    if (summary == NULL || strcmp(end, "\n") != 0) {
        fault(chunk, "it said something else than a summary: %.400s", said);
        cJSON_Delete(summary);
        return;
    }
    same(chunk, "lines", chunk->lines, number_of(summary, "events"));
    same(chunk, "lines as classes and dead letters", chunk->lines,
         sum_of(classes) + sum_of(letters));
    same(chunk, "dead letters", chunk->letters, sum_of(letters));
    same(chunk, "outcomes", chunk->outcomes,
         sum_of(cJSON_GetObjectItemCaseSensitive(summary, "outcomes")));
    same(chunk, "corrections", chunk->corrections, number_of(summary, "corrections"));
    for (int i = 0; i < REASON_COUNT; i++) {
        uint64_t told = number_of(letters, reason_words[i]);
        chunk->read_letters += chunk->reasons[i];
        if (chunk->reasons[i] > told || told - chunk->reasons[i] > chunk->unread)
            same(chunk, reason_words[i], chunk->reasons[i], told);
    }
    same(chunk, "dead letters that say why", chunk->read_letters + chunk->unread, sum_of(letters));
    cJSON_Delete(summary);
}

/* ---- one replay ------------------------------------------------------------------------- */

static void open_pipe(int ends[2])
{
    require(pipe2(ends, O_CLOEXEC) == 0);
}

static pid_t start_replay(const struct chunk *chunk, int in, int out, int letters, int err)
{
    const char *program = getenv("UPSHOT");
    /* Skew is judged in two chunks of three, and time has an end in every second one. */
    const char *arguments[10] = {program, "replay", "--json", "--dead-letters", "/proc/self/fd/3"};
    size_t count = 5;
    pid_t pid;

    if (chunk->seed % 3 != 0) {
        arguments[count++] = "--now";
        arguments[count++] = "2026-12-31T00:00:00Z";
    }
    if (chunk->seed % 2 == 0)
        arguments[count++] = "--to-end-of-time";
    arguments[count++] = "-";
    pid = fork();
    require(pid >= 0);
    if (pid > 0)
        return pid;
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    dup2(letters, 3);
    if (letters == 3)
        fcntl(3, F_SETFD, 0);
    execvp(program, (char **)(uintptr_t)arguments);
    perror(program);
    _exit(127);
}

static char *read_said(FILE *file)
{
    char *said = memory_get(1 << 16);
    size_t size;

    rewind(file);
    size = fread(said, 1, (1 << 16) - 1, file);
    said[size] = 0;
    return said;
}

static bool run_chunk(struct chunk *chunk)
{
    int in[2], out[2], letters[2], status = 0;
    FILE *err = tmpfile();
    pthread_t readers[2];
    char *said;
    pid_t pid;

    require(err != NULL);
    open_pipe(in);
    open_pipe(out);
    open_pipe(letters);
    chunk->exact = memory_get(chunk->events * sizeof(*chunk->exact));
    memset(chunk->exact, 0, chunk->events * sizeof(*chunk->exact));
    chunk->outcomes_fd = out[0];
    chunk->letters_fd = letters[0];
    pid = start_replay(chunk, in[0], out[1], letters[1], fileno(err));
    close(in[0]);
    close(out[1]);
    require(pthread_create(&readers[0], NULL, read_outcomes, chunk) == 0);
    require(pthread_create(&readers[1], NULL, read_letters, chunk) == 0);
    feed(chunk, in[1]);
    require(waitpid(pid, &status, 0) == pid);
    close(letters[1]); /* kept until now: it is opened by name, and there must be a reader */
    pthread_join(readers[0], NULL);
    pthread_join(readers[1], NULL);
    said = read_said(err);
    fclose(err);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fault(chunk, "it ended with %s %d: %.4000s", WIFEXITED(status) ? "code" : "signal",
              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
    else
        check_books(chunk, said);
    if (chunk->fault[0] != 0) {
        fprintf(stderr, "hostile: seed %" PRIu64 ", %" PRIu64 " events: %s\n%s\n", chunk->seed,
                chunk->events, chunk->fault, said);
        fprintf(stderr, "hostile: again with: --seed %" PRIu64 " --events %" PRIu64 " --chunk %"
                        PRIu64 "\n", chunk->seed, chunk->events, chunk->events);
    }
    free(said);
    free(chunk->exact);
    return chunk->fault[0] == 0;
}

static int run_all(uint64_t events, uint64_t seed, uint64_t chunk_size)
{
    uint64_t lines = 0, outcomes = 0, letters = 0, known = 0, reasons[REASON_COUNT] = {0};

    for (uint64_t done = 0; done < events; seed++) {
        struct chunk chunk = {
            .seed = seed,
            .events = events - done < chunk_size ? events - done : chunk_size,
            .lock = PTHREAD_MUTEX_INITIALIZER,
        };
        if (!run_chunk(&chunk))
            return 1;
        done += chunk.events;
        lines += chunk.lines;
        outcomes += chunk.outcomes;
        letters += chunk.letters;
        known += chunk.known_letters;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " events, all accounted for \033[K", done,
                    events);
        for (int i = 0; i < REASON_COUNT; i++)
            reasons[i] += chunk.reasons[i];
    }
    printf("%" PRIu64 " events, %" PRIu64 " lines: %" PRIu64 " outcomes, %" PRIu64
           " dead letters, %" PRIu64 " of them held against what went in\n",
           events, lines, outcomes, letters, known);
    for (int i = 0; i < REASON_COUNT; i++)
        printf("  %s %" PRIu64 "\n", reason_words[i], reasons[i]);
    /* A test whose records are all bad, or all good, shows nothing. */
    return outcomes > 0 && letters > outcomes / 10 && known > 0 ? 0 : 1;
}

/* ---- for Kafka -------------------------------------------------------------------------- */

static int print_records(uint64_t count, uint64_t seed, int64_t start_ms, char **topics,
                         size_t topic_count)
{
    struct buffer line = {0};
    struct mutator mutator;

    mutator_init(&mutator, seed, start_ms);
    while (count > 0) {
        struct envelope *envelope = &mutator.envelope;
        mutator_record(&mutator);
        if (envelope->value_size + envelope->key_size > RECORD_MAX_BYTES)
            continue;
        envelope->topic = (const uint8_t *)topics[count % topic_count];
        envelope->topic_size = strlen(topics[count % topic_count]);
        if (envelope->key != NULL)
            envelope->partition =
                partition_of(PARTITIONER_MURMUR2, envelope->key, envelope->key_size, 4);
        buffer_clear(&line);
        envelope_encode(&line, envelope);
        buffer_put_byte(&line, '\n');
        fwrite(line.bytes, 1, line.size, stdout);
        count--;
    }
    mutator_release(&mutator);
    buffer_release(&line);
    return fflush(stdout) == 0 ? 0 : 1;
}

static uint64_t number(const char *word)
{
    char *end;
    unsigned long long value = word == NULL ? 0 : strtoull(word, &end, 10);

    if (word == NULL || end == word || *end != 0) {
        fprintf(stderr, "hostile: \"%s\" is no number\n", word == NULL ? "" : word);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t events = EVENTS, seed = 1, chunk = CHUNK, records = 0, start_ms = START_MS;
    char *topics[TOPICS_MAX];
    size_t topic_count = 0;

    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--events") == 0)
            events = number(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number(argv[++i]);
        else if (strcmp(argv[i], "--chunk") == 0)
            chunk = number(argv[++i]);
        else if (strcmp(argv[i], "--records") == 0)
            records = number(argv[++i]);
        else if (strcmp(argv[i], "--start") == 0)
            start_ms = number(argv[++i]);
        else if (topic_count < TOPICS_MAX)
            topics[topic_count++] = argv[i];
    }
    if (records > 0 && topic_count > 0)
        return print_records(records, seed, (int64_t)start_ms, topics, topic_count);
    if (getenv("UPSHOT") == NULL || chunk == 0) {
        fprintf(stderr, "hostile: UPSHOT must name the program\n");
        return 2;
    }
    return run_all(events, seed, chunk);
}
