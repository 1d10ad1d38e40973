/*
 * scenario_test.c: tells every .scenario file in tests/scenarios to a task with the built-in
 * tables, and compares what happens with what the story says.
 *
 * Not here: the broker (tests/broker tells stories of its own) and bytes (a scenario speaks of
 * events, not of JSON). tests/scenarios/README.md says it for those who write one; in short:
 *
 *   channel NAME                   from here on; a file may change channels, time goes on
 *   at TIME [MESSAGE] EVENT [FACT...] [-> STATE CLASS [EFFECT]]
 *   at TIME (time passes) [MESSAGE:] [-> STATE] [EFFECT | forgotten]
 *
 * EVENT: send, STATUS or send+STATUS. FACTs of an event: `ts TIME`, its record timestamp where it
 * is not its `at`; `reason WORD`; `attributes JSON` without blanks. EFFECT: `outcome O revision N`,
 * then any of `by status|deadline|orphan`, `conflict`, `unsent`, `settled TIME`, `sent TIME`,
 * `life TIME`, `reason WORD`, `attributes JSON`; for the last two, - says that there are none. They
 * may also stand behind a CLASS without an outcome. MESSAGE is m1 where it is left out. TIME is
 * counted from the story's start: 90s, 25h1m1s. What follows a word that begins with # is comment.
 *
 * What is left out does not happen: a line without `outcome` fails when one is emitted, an outcome
 * without `conflict` when there is one, and whatever falls due on the way to a line must have been
 * told by lines of its own, in order. So what `upshot step` prints is a scenario.
 */
#include "consumer/hash.h"
#include "schemas/channel_file.h"
#include "schemas/instant.h"
#include "statemachine/task.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Not 0, so that no time is right by accident: 2026-11-23T10:00:00Z. */
#define START_MS INT64_C(1795428000000)

enum { WORDS_MAX = 40, STORY_MAX = 1 << 16, COMPLAINT_MAX = 1024 };

/* What was told, over all stories. */
struct coverage {
    uint64_t statuses[CHANNELS_MAX]; /* bit per status */
    bool arrivals[ARRIVAL_COUNT];
    bool settled_by[SETTLED_BY_COUNT];
};

struct teller {
    const struct tables *tables;
    struct coverage *coverage;
    const struct table *table; /* NULL: no channel yet */
    struct task task;
    const char *file;
    int line;
    int64_t told_ms; /* everything due by then was told, once a later line comes */
    char *words[WORDS_MAX];
    size_t word_count;
    char complaint[COMPLAINT_MAX];
};

/* NULL, TIME_NONE, 0: the story does not say. */
struct expectation {
    const char *state, *arrival, *outcome, *by, *reason, *attributes;
    int64_t settled_ms, sent_ms, life_ms;
    long revision;
    bool conflict, unsent, forgotten, told;
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct teller *teller, const char *format,
                                                        ...)
{
    int used = snprintf(teller->complaint, sizeof(teller->complaint), "%s:%d: ", teller->file,
                        teller->line);
    va_list args;

    va_start(args, format);
    vsnprintf(teller->complaint + used, sizeof(teller->complaint) - (size_t)used, format, args);
    va_end(args);
    return false;
}

/* ---- words ------------------------------------------------------------------------------ */

static void split(struct teller *teller, char *line)
{
    char *rest = NULL;

    teller->word_count = 0;
    for (char *word = strtok_r(line, " \t\r", &rest); word != NULL && word[0] != '#';
         word = strtok_r(NULL, " \t\r", &rest))
        if (teller->word_count < WORDS_MAX)
            teller->words[teller->word_count++] = word;
}

/* 25h1m1s, from the start of the story. */
static bool parse_time(struct teller *teller, const char *word, int64_t *ms)
{
    const char *why = "empty";
    int64_t sum = 0;

    for (const char *at = word; *at != 0;) {
        size_t digits = strspn(at, "0123456789");
        size_t size = digits + strcspn(at + digits, "0123456789");
        char piece[32];
        int64_t piece_ms;
        if (size >= sizeof(piece))
            return wrong(teller, "\"%s\" is no time: too long", word);
        memcpy(piece, at, size);
        piece[size] = 0;
        if (!duration_parse(piece, &piece_ms, &why))
            return wrong(teller, "\"%s\" is no time: %s; write it as in 25h1m1s", word, why);
        sum += piece_ms;
        at += size;
    }
    if (word[0] == 0)
        return wrong(teller, "a time is missing");
    *ms = START_MS + sum;
    return true;
}

static const char *time_word(int64_t ms, char out[32])
{
    snprintf(out, 32, "%" PRId64 ".%03" PRId64 "s", (ms - START_MS) / 1000, (ms - START_MS) % 1000);
    return out;
}

static bool text_is(struct text text, const char *word)
{
    if (strcmp(word, "-") == 0)
        return text.size == 0;
    return text_equal(text, text_of(word));
}

/* ---- what happened, against what was told ------------------------------------------------ */

static const char *state_name(const struct happening *happening)
{
    uint8_t state = happening->record.state;

    return state == STATUS_NONE ? "-" : table_status_name(happening->table, state);
}

/* In the words of a scenario, so that it can be pasted once it was judged. */
static const char *describe(const struct happening *happening, bool arrived, char out[512])
{
    const struct record *record = &happening->record;
    const struct effects *effects = &happening->effects;
    char settled[32];

    if (effects->forgets)
        snprintf(out, 512, "%.*s: forgotten", (int)happening->id.size, happening->id.bytes);
    else if (effects->emits)
        snprintf(out, 512, "%.*s: -> %s %s outcome %s revision %" PRIu32 " by %s%s%s settled %s",
                 (int)happening->id.size, happening->id.bytes, state_name(happening),
                 arrived ? arrival_words[effects->arrival] : "",
                 outcome_words[record->emitted.outcome], record->revision,
                 settled_by_words[effects->settled_by], record->emitted.conflict ? " conflict" : "",
                 record->emitted.send_seen ? "" : " unsent",
                 time_word(effects->settled_at_ms, settled));
    else
        snprintf(out, 512, "%.*s: -> %s %s%s, no outcome", (int)happening->id.size,
                 happening->id.bytes, state_name(happening),
                 arrived ? arrival_words[effects->arrival] : "",
                 record->conflict ? ", in conflict" : "");
    return out;
}

static bool word_as_told(struct teller *teller, const char *what, const char *told,
                         const char *happened, const char *all)
{
    if (told == NULL || strcmp(told, happened) == 0)
        return true;
    return wrong(teller, "expected %s %s, got %s (%s)", what, told, happened, all);
}

static bool time_as_told(struct teller *teller, const char *what, int64_t told_ms,
                         int64_t happened_ms, const char *all)
{
    char told[32], happened[32];

    if (told_ms == TIME_NONE || told_ms == happened_ms)
        return true;
    return wrong(teller, "expected %s %s, got %s (%s)", what, time_word(told_ms, told),
                 time_word(happened_ms, happened), all);
}

static bool text_as_told(struct teller *teller, const char *what, const char *told,
                         struct text happened, const char *all)
{
    if (told == NULL || text_is(happened, told))
        return true;
    return wrong(teller, "expected %s %s, got %.*s (%s)", what, told,
                 happened.size == 0 ? 1 : (int)happened.size,
                 happened.size == 0 ? "-" : (const char *)happened.bytes, all);
}

static bool outcome_as_told(struct teller *teller, const struct expectation *told,
                            const struct happening *happening, const char *all)
{
    const struct record *record = &happening->record;

    if (happening->effects.emits && told->outcome == NULL)
        return wrong(teller, "expected no outcome, got one (%s)", all);
    if (!happening->effects.emits && told->outcome != NULL)
        return wrong(teller, "expected outcome %s, got none (%s)", told->outcome, all);
    if (!happening->effects.emits)
        return true;
    if (told->revision != (long)record->revision)
        return wrong(teller, "expected revision %ld, got %" PRIu32 " (%s)", told->revision,
                     record->revision, all);
    if (told->conflict != record->emitted.conflict)
        return wrong(teller, "expected %sconflict (%s)", told->conflict ? "" : "no ", all);
    if (told->unsent && record->emitted.send_seen)
        return wrong(teller, "expected unsent, got send_seen (%s)", all);
    teller->coverage->settled_by[happening->effects.settled_by] = true;
    return word_as_told(teller, "outcome", told->outcome, outcome_words[record->emitted.outcome],
                        all) &&
           word_as_told(teller, "by", told->by, settled_by_words[happening->effects.settled_by],
                        all) &&
           time_as_told(teller, "settled", told->settled_ms, happening->effects.settled_at_ms, all);
}

static bool as_told(struct teller *teller, const struct expectation *told,
                    const struct happening *happening, bool arrived)
{
    const struct record *record = &happening->record;
    const char *arrival = arrived ? arrival_words[happening->effects.arrival] : "";
    char all[512];

    describe(happening, arrived, all);
    if (happening->effects.forgets != told->forgotten)
        return wrong(teller, "expected %s (%s)",
                     told->forgotten ? "forgotten" : "something else than forgotten", all);
    if (told->forgotten)
        return true;
    if (told->conflict && !record->conflict)
        return wrong(teller, "expected conflict, got none (%s)", all);
    return word_as_told(teller, "state", told->state, state_name(happening), all) &&
           word_as_told(teller, "class", told->arrival, arrival, all) &&
           outcome_as_told(teller, told, happening, all) &&
           time_as_told(teller, "sent", told->sent_ms, record->sent_at_ms, all) &&
           time_as_told(teller, "life", told->life_ms, record->life_ms, all) &&
           text_as_told(teller, "reason", told->reason, record->reason, all) &&
           text_as_told(teller, "attributes", told->attributes, record->attributes, all);
}

/* ---- lines ------------------------------------------------------------------------------ */

/* What `upshot step` writes for people: "by status, in conflict". */
static void drop_comma(char *word)
{
    size_t size = strlen(word);

    if (size > 1 && word[size - 1] == ',')
        word[size - 1] = 0;
}

/* The words of an effect, from `at` to the end of the line. */
static bool parse_effect(struct teller *teller, size_t at, struct expectation *told)
{
    const struct {
        const char *name;
        const char **word;
        int64_t *ms;
        bool *flag;
    } facts[] = {
        {"outcome", &told->outcome, NULL, NULL},
        {"by", &told->by, NULL, NULL},
        {"reason", &told->reason, NULL, NULL},
        {"attributes", &told->attributes, NULL, NULL},
        {"settled", NULL, &told->settled_ms, NULL},
        {"sent", NULL, &told->sent_ms, NULL},
        {"life", NULL, &told->life_ms, NULL},
        {"conflict", NULL, NULL, &told->conflict},
        {"unsent", NULL, NULL, &told->unsent},
        {"forgotten", NULL, NULL, &told->forgotten},
    };

    for (; at < teller->word_count; at++) {
        const char *word = teller->words[at];
        size_t i = 0;
        if (strcmp(word, "in") == 0)
            continue;
        told->told = true;
        while (i < COUNT(facts) && strcmp(facts[i].name, word) != 0)
            i++;
        if (i < COUNT(facts) && facts[i].flag != NULL) {
            *facts[i].flag = true;
            continue;
        }
        if (i == COUNT(facts) && strcmp(word, "revision") != 0)
            return wrong(teller, "\"%s\" is no word of an expectation", word);
        if (++at == teller->word_count)
            return wrong(teller, "nothing follows \"%s\"", word);
        if (i == COUNT(facts)) {
            told->revision = strtol(teller->words[at], NULL, 10);
        } else if (facts[i].ms != NULL) {
            if (!parse_time(teller, teller->words[at], facts[i].ms))
                return false;
        } else {
            if (facts[i].word != &told->attributes)
                drop_comma(teller->words[at]);
            *facts[i].word = teller->words[at];
        }
    }
    if ((told->outcome != NULL) != (told->revision > 0))
        return wrong(teller, "an outcome has a revision, and nothing else: outcome O revision N");
    return true;
}

static struct expectation nothing_told(void)
{
    return (struct expectation){
        .settled_ms = TIME_NONE, .sent_ms = TIME_NONE, .life_ms = TIME_NONE};
}

/* Whatever falls due by then has been told before this line. */
static bool nothing_untold(struct teller *teller, int64_t until_ms)
{
    struct happening happening;
    char due[32], all[512];

    if (until_ms == TIME_NONE || !task_fire(&teller->task, until_ms, &happening))
        return true;
    return wrong(teller, "expected nothing to fall due before this line, got, at %s, %s",
                 time_word(happening.deadline_ms, due), describe(&happening, false, all));
}

/* To a later time only once everything due before it was told. */
static bool time_goes_on(struct teller *teller, int64_t to_ms)
{
    if (to_ms <= teller->told_ms)
        return true;
    if (!nothing_untold(teller, teller->told_ms))
        return false;
    teller->told_ms = to_ms;
    return true;
}

static bool tell_time(struct teller *teller, int64_t at_ms)
{
    struct expectation told = nothing_told();
    struct happening happening;
    const char *message = NULL;
    size_t at = 4; /* at TIME (time passes) */
    char all[512];

    if (at < teller->word_count && strchr(teller->words[at], ':') != NULL) {
        message = teller->words[at];
        *strchr(teller->words[at++], ':') = 0;
    }
    if (at < teller->word_count && strcmp(teller->words[at], "->") == 0) {
        if (at + 1 == teller->word_count)
            return wrong(teller, "a state is missing behind ->");
        told.told = true;
        told.state = teller->words[at + 1];
        at += 2;
    }
    if (!parse_effect(teller, at, &told))
        return false;
    if (!task_fire(&teller->task, at_ms, &happening))
        return !told.told || wrong(teller, "expected something to fall due by now, got nothing");
    if (!told.told)
        return wrong(teller, "expected nothing to happen, got %s",
                     describe(&happening, false, all));
    if (message != NULL && !text_equal(happening.id, text_of(message)))
        return wrong(teller, "expected %s to fall due, got %s", message,
                     describe(&happening, false, all));
    return as_told(teller, &told, &happening, false);
}

/* Reads "send", "STATUS" or "send+STATUS". False: it is neither, and may be a message's name. */
static bool parse_event(const struct table *table, const char *word, struct event *event)
{
    bool is_send = strcmp(word, "send") == 0 || strncmp(word, "send+", 5) == 0;
    const char *name = !is_send ? word : word[4] == '+' ? word + 5 : "";
    uint8_t status = table_find_status(table, (const uint8_t *)name, strlen(name));

    if (status == STATUS_NONE && (!is_send || name[0] != 0))
        return false;
    event->is_send = is_send;
    event->status = status;
    return true;
}

/* The words from `*at` up to the arrow. */
static bool parse_event_words(struct teller *teller, size_t *at, struct event *event)
{
    bool event_told = false, message_told = false;

    for (; *at < teller->word_count && strcmp(teller->words[*at], "->") != 0; ++*at) {
        const char *word = teller->words[*at];
        const char *next = *at + 1 < teller->word_count ? teller->words[*at + 1] : "";
        if (strcmp(word, "ts") == 0) {
            ++*at;
            if (!parse_time(teller, next, &event->timestamp_ms))
                return false;
        } else if (strcmp(word, "reason") == 0) {
            ++*at;
            event->reason = text_of(next);
        } else if (strcmp(word, "attributes") == 0) {
            ++*at;
            event->attributes = text_of(next);
        } else if (!event_told && parse_event(teller->table, word, event)) {
            event_told = true;
        } else if (!message_told) {
            message_told = true;
            event->id = text_of(word);
        } else {
            return wrong(teller, "\"%s\" is neither a status of %s nor a word of an event", word,
                         teller->table->channel);
        }
    }
    if (!event_told)
        return wrong(teller, "no event: write send, a status of %s, or send+STATUS",
                     teller->table->channel);
    return true;
}

static bool tell_event(struct teller *teller, int64_t at_ms)
{
    struct expectation told = nothing_told();
    struct happening happening;
    size_t at = 2;
    struct event event = {
        .id = text_of("m1"),
        .channel = teller->table->index,
        .at_ms = at_ms,
        .timestamp_ms = at_ms,
        .topic = text_of("scenario"),
        .offset = teller->line,
    };

    if (!parse_event_words(teller, &at, &event))
        return false;
    if (at < teller->word_count) {
        if (at + 2 >= teller->word_count)
            return wrong(teller, "a state and a class belong behind ->");
        told.state = teller->words[at + 1];
        told.arrival = teller->words[at + 2];
        if (!parse_effect(teller, at + 3, &told))
            return false;
    }
    if (!time_goes_on(teller, event.timestamp_ms) || !nothing_untold(teller, event.timestamp_ms))
        return false;
    watermark_take(&teller->task.watermark, 0, event.timestamp_ms);
    task_apply(&teller->task, &event, &happening);
    if (event.status != STATUS_NONE && told.state != NULL)
        teller->coverage->statuses[event.channel] |= UINT64_C(1) << event.status;
    teller->coverage->arrivals[happening.effects.arrival] = true;
    return as_told(teller, &told, &happening, true);
}

static bool tell_channel(struct teller *teller)
{
    const char *name = teller->word_count == 2 ? teller->words[1] : "";

    teller->table = tables_find(teller->tables, (const uint8_t *)name, strlen(name));
    return teller->table != NULL || wrong(teller, "there is no channel \"%s\"", name);
}

static bool tell_line(struct teller *teller)
{
    int64_t at_ms;

    if (teller->word_count == 0)
        return true;
    if (strcmp(teller->words[0], "channel") == 0)
        return tell_channel(teller);
    if (strcmp(teller->words[0], "at") != 0 || teller->word_count < 3)
        return wrong(teller, "a line is \"channel NAME\" or \"at TIME ...\"");
    if (teller->table == NULL)
        return wrong(teller, "no channel yet: the first line is \"channel NAME\"");
    if (!parse_time(teller, teller->words[1], &at_ms))
        return false;
    if (strcmp(teller->words[2], "(time") == 0)
        return time_goes_on(teller, at_ms) && tell_time(teller, at_ms);
    return tell_event(teller, at_ms);
}

/* Tells a story; `text` is taken apart. False with the complaint of its first wrong line. */
static bool tell(const struct tables *tables, struct coverage *coverage, const char *file,
                 char *text, char complaint[COMPLAINT_MAX])
{
    struct teller teller = {
        .tables = tables, .coverage = coverage, .file = file, .told_ms = TIME_NONE};
    char *rest = text;
    bool right = true;

    task_init(&teller.task, tables, 1, hash_bytes, hash_seed());
    while (right && rest != NULL) {
        teller.line++;
        split(&teller, strsep(&rest, "\n"));
        right = tell_line(&teller);
    }
    right = right && nothing_untold(&teller, teller.told_ms);
    snprintf(complaint, COMPLAINT_MAX, "%s", teller.complaint);
    task_release(&teller.task);
    return right;
}

/* ---- the stories ------------------------------------------------------------------------ */

static struct tables tables;

static int load_tables(void **state)
{
    struct buffer complaints = {0};
    bool loaded = channel_files_load(NULL, &tables, &complaints);

    (void)state;
    buffer_release(&complaints);
    return loaded ? 0 : -1;
}

static int release_tables(void **state)
{
    (void)state;
    tables_release(&tables);
    return 0;
}

static int is_scenario(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot != NULL && strcmp(dot, ".scenario") == 0;
}

static bool tell_file(const char *name, struct coverage *coverage, char complaint[COMPLAINT_MAX])
{
    static char text[STORY_MAX + 1];
    char path[4096];
    size_t size;
    FILE *file;

    snprintf(path, sizeof(path), "%s/tests/scenarios/%s", UPSHOT_SOURCE_DIR, name);
    file = fopen(path, "r");
    if (file == NULL) {
        snprintf(complaint, COMPLAINT_MAX, "%s: %s", name, strerror(errno));
        return false;
    }
    size = fread(text, 1, STORY_MAX, file);
    text[size] = 0;
    fclose(file);
    if (size == STORY_MAX) {
        snprintf(complaint, COMPLAINT_MAX, "%s: longer than %d bytes; tell two stories", name,
                 STORY_MAX - 1);
        return false;
    }
    return tell(&tables, coverage, name, text, complaint);
}

static int report_untold(const struct coverage *coverage)
{
    int untold = 0;

    for (size_t i = 0; i < tables.count; i++)
        for (uint8_t status = 0; status < tables.rows[i]->count; status++)
            if ((coverage->statuses[i] >> status & 1) == 0) {
                print_error("no scenario tells of %s %s\n", tables.rows[i]->channel,
                            table_status_name(tables.rows[i], status));
                untold++;
            }
    for (size_t i = 0; i < ARRIVAL_COUNT; i++)
        if (!coverage->arrivals[i]) {
            print_error("no scenario has an arrival that is %s\n", arrival_words[i]);
            untold++;
        }
    for (size_t i = 0; i < SETTLED_BY_COUNT; i++)
        if (!coverage->settled_by[i]) {
            print_error("no scenario settles by %s\n", settled_by_words[i]);
            untold++;
        }
    return untold;
}

static void every_scenario_comes_true_and_no_status_is_left_out(void **state)
{
    struct coverage coverage = {0};
    struct dirent **entries;
    int count = scandir(UPSHOT_SOURCE_DIR "/tests/scenarios", &entries, is_scenario, alphasort);
    int faults = 0;

    (void)state;
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char complaint[COMPLAINT_MAX];
        if (!tell_file(entries[i]->d_name, &coverage, complaint)) {
            print_error("%s\n", complaint);
            faults++;
        }
        free(entries[i]);
    }
    free(entries);
    if (faults > 0)
        fail_msg("%d of %d scenarios did not come true", faults, count);
    assert_int_equal(report_untold(&coverage), 0);
}

/* ---- the teller itself ------------------------------------------------------------------ */

/* Each is the story of STYLE with one thing wrong in it, or no story at all. */
static void a_story_that_is_not_true_is_told_with_line_expectation_and_fact(void **state)
{
    static const struct {
        const char *story, *complaint;
    } cases[] = {
        {"channel sms\nat 0s send\nat 1s DELIVRD -> UNDELIV opened", ":3: expected state UNDELIV, "
         "got DELIVRD"},
        {"channel sms\nat 0s send\nat 1s SENT -> SENT jumped", ":3: expected class jumped, got "
         "advanced"},
        {"channel sms\nat 0s send\nat 1s DELIVRD", ":3: expected no outcome, got one"},
        {"channel sms\nat 0s send\nat 1s SENT -> SENT advanced outcome unresolved revision 1",
         ":3: expected outcome unresolved, got none"},
        {"channel sms\nat 0s send\nat 1s DELIVRD -> DELIVRD advanced outcome failed revision 1",
         ":3: expected outcome failed, got delivered"},
        {"channel sms\nat 0s send\nat 1s DELIVRD -> DELIVRD advanced outcome delivered revision 2",
         ":3: expected revision 2, got 1"},
        {"channel sms\nat 0s send\nat 1s DELIVRD -> DELIVRD advanced outcome delivered revision 1 "
         "by orphan", ":3: expected by orphan, got status"},
        {"channel sms\nat 0s send\nat 1s DELIVRD -> DELIVRD advanced outcome delivered revision 1 "
         "conflict", ":3: expected conflict, got none"},
        {"channel sms\nat 0s send+UNDELIV -> UNDELIV opened outcome failed revision 1\n"
         "at 1s DELIVRD -> DELIVRD conflicting outcome delivered revision 2",
         ":3: expected no conflict"},
        {"channel sms\nat 0s send+DELIVRD -> DELIVRD opened outcome delivered revision 1 unsent",
         ":2: expected unsent, got send_seen"},
        {"channel sms\nat 0s send+DELIVRD -> DELIVRD opened outcome delivered revision 1 "
         "settled 1s", ":2: expected settled 1.000s, got 0.000s"},
        {"channel sms\nat 0s send+SENT -> SENT opened sent 2s", ":2: expected sent 2.000s"},
        {"channel sms\nat 0s send+SENT -> SENT opened life 2s", ":2: expected life 2.000s"},
        {"channel sms\nat 0s send+SENT reason a -> SENT opened reason b", ":2: expected reason b, "
         "got a"},
        {"channel sms\nat 0s send+SENT reason a -> SENT opened reason -", ":2: expected reason -, "
         "got a"},
        {"channel sms\nat 0s send attributes {} -> - opened attributes -",
         ":2: expected attributes -, got {}"},
        {"channel sms\nat 0s send\nat 71h (time passes) outcome unresolved revision 1",
         ":3: expected something to fall due by now, got nothing"},
        {"channel sms\nat 0s send\nat 72h (time passes)", ":3: expected nothing to happen, got m1"},
        {"channel sms\nat 0s send\nat 72h (time passes) forgotten", ":3: expected forgotten"},
        {"channel sms\nat 0s send+DELIVRD -> DELIVRD opened outcome delivered revision 1\n"
         "at 48h (time passes) outcome delivered revision 2",
         ":3: expected something else than forgotten"},
        {"channel sms\nat 0s m2 send\nat 72h (time passes) m1: outcome unresolved revision 1",
         ":3: expected m1 to fall due, got m2"},
        {"channel sms\nat 0s send\nat 73h m2 send", ":3: expected nothing to fall due before this "
         "line, got, at 259200.000s, m1"},
        {"channel sms\nat 0s m1 send\nat 0s m2 send\n"
         "at 73h (time passes) outcome unresolved revision 1\n# the end", ":5: expected nothing to "
         "fall due before this line"},
        {"channel smoke", ":1: there is no channel \"smoke\""},
        {"at 0s send", ":1: no channel yet"},
        {"channel sms\nsend", ":2: a line is"},
        {"channel sms\nat noon send", ":2: \"noon\" is no time"},
        {"channel sms\nat 0s DELIVERD", ":2: no event"},
        {"channel sms\nat 0s m1 send m2", ":2: \"m2\" is neither a status of sms nor"},
        {"channel sms\nat 0s send -> -", ":2: a state and a class belong behind ->"},
        {"channel sms\nat 0s send -> - opened outcom delivered", ":2: \"outcom\" is no word"},
        {"channel sms\nat 0s send -> - opened outcome", ":2: nothing follows \"outcome\""},
        {"channel sms\nat 0s send -> - opened outcome delivered", ":2: an outcome has a revision"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct coverage coverage = {0};
        char complaint[COMPLAINT_MAX];
        char *story = strdup(cases[i].story);
        bool right = tell(&tables, &coverage, "story", story, complaint);
        free(story);
        if (right || strncmp(complaint, "story:", 6) != 0 ||
            strstr(complaint, cases[i].complaint) == NULL)
            fail_msg("%s\n-- gives \"%s\", not \"%s\"", cases[i].story, complaint,
                     cases[i].complaint);
    }
}

static void a_status_that_no_story_tells_of_is_missed(void **state)
{
    static const char story[] = "channel sms\nat 0s SENT\nat 1s SENT -> SENT repeated";
    struct coverage coverage = {0};
    char complaint[COMPLAINT_MAX];
    char *text = strdup(story);
    uint8_t sent;
    const struct table *sms = tables_find(&tables, (const uint8_t *)"sms", 3);

    (void)state;
    assert_non_null(sms);
    sent = table_find_status(sms, (const uint8_t *)"SENT", 4);
    assert_true(tell(&tables, &coverage, "story", text, complaint));
    free(text);
    for (size_t i = 0; i < tables.count; i++)
        assert_true(coverage.statuses[i] == (tables.rows[i] == sms ? UINT64_C(1) << sent : 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scenario_comes_true_and_no_status_is_left_out),
        cmocka_unit_test(a_story_that_is_not_true_is_told_with_line_expectation_and_fact),
        cmocka_unit_test(a_status_that_no_story_tells_of_is_missed),
    };

    return cmocka_run_group_tests(tests, load_tables, release_tables);
}
