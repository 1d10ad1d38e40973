/*
 * channel_file_test.c: the shipped tables say what they should, and each broken file is told in
 * one line. The broken files and what is expected of them are in tests/broken.
 */
#include "schemas/channel_file.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define BROKEN UPSHOT_SOURCE_DIR "/tests/broken"
#define SHIPPED UPSHOT_SOURCE_DIR "/schemas/channels"
#define MINUTE (INT64_C(60) * 1000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* ---- what is shipped ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int64_t retention_ms, orphan_hold_ms, settle_after_ms;
    uint8_t count;
} channels[] = {
    {"email", 14 * DAY, 10 * MINUTE, 72 * HOUR, 14},
    {"push", 48 * HOUR, 10 * MINUTE, 1 * HOUR, 17},
    {"rcs", 7 * DAY, 10 * MINUTE, 72 * HOUR, 6},
    {"sms", 48 * HOUR, 10 * MINUTE, 72 * HOUR, 15},
    {"whatsapp", 7 * DAY, 10 * MINUTE, 72 * HOUR, 7},
};

/* Weakest first in each channel. */
/* clang-format off */
static const struct {
    const char *channel, *status;
    enum phase phase;
    enum outcome outcome;
    int64_t settle_after_ms;
    const char *then;
} statuses[] = {
    {"sms", "QUEUE", PHASE_QUEUED, OUTCOME_UNRESOLVED, 72 * HOUR,
     "DEQUEUED SENT INCOMPLETE INVALID_ROUTING CODE_NOT_ALLOWED BLACKLISTED EXPIRED "
     "DELETED"},
    {"sms", "DEQUEUED", PHASE_QUEUED, OUTCOME_UNRESOLVED, 72 * HOUR,
     "SENT ENROUTE ACCEPTD INCOMPLETE INVALID_ROUTING CODE_NOT_ALLOWED BLACKLISTED "
     "EXPIRED REJECTD DELETED"},
    {"sms", "SENT", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 72 * HOUR,
     "ENROUTE ACCEPTD UNKNOWN INCOMPLETE INVALID_ROUTING EXPIRED REJECTD DELETED UNDELIV "
     "DELIVRD"},
    {"sms", "ENROUTE", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 72 * HOUR,
     "ACCEPTD UNKNOWN INCOMPLETE EXPIRED REJECTD DELETED UNDELIV DELIVRD"},
    {"sms", "ACCEPTD", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 72 * HOUR,
     "UNKNOWN INCOMPLETE EXPIRED REJECTD DELETED UNDELIV DELIVRD"},
    {"sms", "UNKNOWN", PHASE_PROVISIONAL, OUTCOME_UNRESOLVED, 72 * HOUR,
     "EXPIRED REJECTD DELETED UNDELIV DELIVRD"},
    {"sms", "INCOMPLETE", PHASE_PROVISIONAL, OUTCOME_INCOMPLETE, 72 * HOUR,
     "INVALID_ROUTING EXPIRED REJECTD DELETED UNDELIV DELIVRD"},
    {"sms", "EXPIRED", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "DELIVRD"},
    {"sms", "INVALID_ROUTING", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"sms", "CODE_NOT_ALLOWED", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"sms", "BLACKLISTED", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"sms", "REJECTD", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"sms", "DELETED", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"sms", "UNDELIV", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"sms", "DELIVRD", PHASE_FINAL, OUTCOME_DELIVERED, 0,
     ""},
    {"email", "DEQUEUED", PHASE_QUEUED, OUTCOME_UNRESOLVED, 72 * HOUR,
     "NOT_SENT BLOCKED_DUE_BAD_BEHAVIOUR BAD_TO BAD_FROM BLACKLISTED SENT INCOMPLETE "
     "EXHAUSTED"},
    {"email", "NOT_SENT", PHASE_PROVISIONAL, OUTCOME_REJECTED, HOUR,
     "SENT EXHAUSTED"},
    {"email", "BLOCKED_DUE_BAD_BEHAVIOUR", PHASE_PROVISIONAL, OUTCOME_REJECTED, 24 * HOUR,
     "SENT EXHAUSTED"},
    {"email", "SENT", PHASE_PROVISIONAL, OUTCOME_ACCEPTED, 72 * HOUR,
     "INCOMPLETE BOUNCED EXHAUSTED OPEN CLICK BOUNCED_PERMANENT COMPLAINED"},
    {"email", "INCOMPLETE", PHASE_PROVISIONAL, OUTCOME_INCOMPLETE, 72 * HOUR,
     "BOUNCED EXHAUSTED OPEN CLICK BOUNCED_PERMANENT COMPLAINED"},
    {"email", "BOUNCED", PHASE_PROVISIONAL, OUTCOME_FAILED, 24 * HOUR,
     "EXHAUSTED OPEN CLICK BOUNCED_PERMANENT COMPLAINED"},
    {"email", "BAD_TO", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"email", "BAD_FROM", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"email", "BLACKLISTED", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"email", "EXHAUSTED", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"email", "OPEN", PHASE_FINAL, OUTCOME_READ, 0,
     "CLICK BOUNCED_PERMANENT COMPLAINED"},
    {"email", "CLICK", PHASE_FINAL, OUTCOME_CLICKED, 0,
     "BOUNCED_PERMANENT COMPLAINED"},
    {"email", "BOUNCED_PERMANENT", PHASE_FINAL, OUTCOME_FAILED, 0,
     "COMPLAINED"},
    {"email", "COMPLAINED", PHASE_FINAL, OUTCOME_COMPLAINED, 0,
     ""},
    {"push", "DEQUEUED", PHASE_QUEUED, OUTCOME_UNRESOLVED, HOUR,
     "SERVER_UNAVAILABLE SERVER_ERROR DEVICE_QUOTA_EXCEEDED NOT_CONTEMPLATED_ERROR "
     "NOT_SENT INCOMPLETE AUTH_MISSING BAD_PLATFORM AUTH_ERROR MISMATCHED_TOKEN "
     "BAD_DEVICE_TOKEN UNREGISTERED PAYLOAD_LIMIT_EXCEEDED INVALID_MESSAGE EXHAUSTED "
     "SENT"},
    {"push", "SERVER_UNAVAILABLE", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "SERVER_ERROR DEVICE_QUOTA_EXCEEDED NOT_CONTEMPLATED_ERROR NOT_SENT INCOMPLETE "
     "AUTH_MISSING BAD_PLATFORM AUTH_ERROR MISMATCHED_TOKEN BAD_DEVICE_TOKEN "
     "UNREGISTERED PAYLOAD_LIMIT_EXCEEDED INVALID_MESSAGE EXHAUSTED SENT"},
    {"push", "SERVER_ERROR", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "DEVICE_QUOTA_EXCEEDED NOT_CONTEMPLATED_ERROR NOT_SENT INCOMPLETE AUTH_MISSING "
     "BAD_PLATFORM AUTH_ERROR MISMATCHED_TOKEN BAD_DEVICE_TOKEN UNREGISTERED "
     "PAYLOAD_LIMIT_EXCEEDED INVALID_MESSAGE EXHAUSTED SENT"},
    {"push", "DEVICE_QUOTA_EXCEEDED", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "NOT_CONTEMPLATED_ERROR NOT_SENT INCOMPLETE AUTH_MISSING BAD_PLATFORM AUTH_ERROR "
     "MISMATCHED_TOKEN BAD_DEVICE_TOKEN UNREGISTERED PAYLOAD_LIMIT_EXCEEDED "
     "INVALID_MESSAGE EXHAUSTED SENT"},
    {"push", "NOT_CONTEMPLATED_ERROR", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "NOT_SENT INCOMPLETE AUTH_MISSING BAD_PLATFORM AUTH_ERROR MISMATCHED_TOKEN "
     "BAD_DEVICE_TOKEN UNREGISTERED PAYLOAD_LIMIT_EXCEEDED INVALID_MESSAGE EXHAUSTED "
     "SENT"},
    {"push", "NOT_SENT", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "INCOMPLETE AUTH_MISSING BAD_PLATFORM AUTH_ERROR MISMATCHED_TOKEN BAD_DEVICE_TOKEN "
     "UNREGISTERED PAYLOAD_LIMIT_EXCEEDED INVALID_MESSAGE EXHAUSTED SENT"},
    {"push", "INCOMPLETE", PHASE_PROVISIONAL, OUTCOME_INCOMPLETE, HOUR,
     "AUTH_MISSING BAD_PLATFORM AUTH_ERROR MISMATCHED_TOKEN BAD_DEVICE_TOKEN "
     "UNREGISTERED PAYLOAD_LIMIT_EXCEEDED INVALID_MESSAGE EXHAUSTED SENT"},
    {"push", "AUTH_MISSING", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"push", "BAD_PLATFORM", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"push", "AUTH_ERROR", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"push", "MISMATCHED_TOKEN", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"push", "BAD_DEVICE_TOKEN", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"push", "UNREGISTERED", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"push", "PAYLOAD_LIMIT_EXCEEDED", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"push", "INVALID_MESSAGE", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"push", "EXHAUSTED", PHASE_FINAL, OUTCOME_FAILED, 0,
     ""},
    {"push", "SENT", PHASE_FINAL, OUTCOME_ACCEPTED, 0,
     ""},
    {"rcs", "SENT", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 72 * HOUR,
     "INCOMPLETE NOT_SENT DELIVERED READ FALLBACK"},
    {"rcs", "INCOMPLETE", PHASE_PROVISIONAL, OUTCOME_INCOMPLETE, 72 * HOUR,
     "NOT_SENT DELIVERED READ FALLBACK"},
    {"rcs", "NOT_SENT", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "DELIVERED READ FALLBACK"},
    {"rcs", "DELIVERED", PHASE_FINAL, OUTCOME_DELIVERED, 0,
     "READ"},
    {"rcs", "READ", PHASE_FINAL, OUTCOME_READ, 0,
     ""},
    {"rcs", "FALLBACK", PHASE_FINAL, OUTCOME_FALLBACK, 0,
     ""},
    {"whatsapp", "SENT", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 72 * HOUR,
     "INCOMPLETE QUOTA_EXCEEDED FAILED CODE_NOT_ALLOWED DELIVERED READ"},
    {"whatsapp", "INCOMPLETE", PHASE_PROVISIONAL, OUTCOME_INCOMPLETE, 72 * HOUR,
     "QUOTA_EXCEEDED FAILED DELIVERED READ"},
    {"whatsapp", "QUOTA_EXCEEDED", PHASE_PROVISIONAL, OUTCOME_REJECTED, HOUR,
     "FAILED DELIVERED READ"},
    {"whatsapp", "FAILED", PHASE_PROVISIONAL, OUTCOME_FAILED, HOUR,
     "DELIVERED READ"},
    {"whatsapp", "CODE_NOT_ALLOWED", PHASE_FINAL, OUTCOME_REJECTED, 0,
     ""},
    {"whatsapp", "DELIVERED", PHASE_FINAL, OUTCOME_DELIVERED, 0,
     "READ"},
    {"whatsapp", "READ", PHASE_FINAL, OUTCOME_READ, 0,
     ""},
};
/* clang-format on */

static void load(const char *path, struct tables *tables)
{
    struct buffer complaints = {0};

    if (!channel_files_load(path, tables, &complaints))
        fail_msg("%s: %.*s", path == NULL ? "built in" : path, (int)complaints.size,
                 (const char *)complaints.bytes);
    assert_int_equal(complaints.size, 0);
    buffer_release(&complaints);
}

static const struct table *find_channel(const struct tables *tables, const char *name)
{
    const struct table *table = tables_find(tables, (const uint8_t *)name, strlen(name));

    if (table == NULL)
        fail_msg("there is no channel %s", name);
    return table;
}

/* The names of a then mask, strongest last, separated by blanks. */
static void write_then(const struct table *table, uint64_t then, char *out, size_t size)
{
    size_t used = 0;

    out[0] = 0;
    for (uint8_t i = 0; i < table->count; i++)
        if (then >> i & 1)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? " " : "",
                                     table_status_name(table, i));
    assert_true(used < size);
}

/* The names of `list` in the order of strength. */
static void sort_then(const struct table *table, const char *list, char *out, size_t size)
{
    uint64_t then = 0;

    while (*list != 0) {
        size_t length = strcspn(list, " ");
        uint8_t status = table_find_status(table, (const uint8_t *)list, length);
        if (status == STATUS_NONE)
            fail_msg("%s has no status %.*s", table->channel, (int)length, list);
        then |= UINT64_C(1) << status;
        list += length + (list[length] == ' ');
    }
    write_then(table, then, out, size);
}

static void the_shipped_channels_wait_as_long_as_they_should(void **state)
{
    struct tables tables = {0};

    (void)state;
    load(NULL, &tables);
    assert_int_equal(tables.count, COUNT(channels));
    for (size_t i = 0; i < COUNT(channels); i++) {
        const struct table *table = find_channel(&tables, channels[i].name);
        assert_int_equal(table->version, 1);
        assert_int_equal(table->count, channels[i].count);
        assert_int_equal(table->retention_ms, channels[i].retention_ms);
        assert_int_equal(table->orphan_hold_ms, channels[i].orphan_hold_ms);
        assert_int_equal(table->initial_settle_after_ms, channels[i].settle_after_ms);
        assert_int_equal(table->initial_outcome, OUTCOME_UNRESOLVED);
        assert_true(table->digest != 0);
    }
    tables_release(&tables);
}

static void the_shipped_tables_hold_these_59_statuses(void **state)
{
    struct tables tables = {0};
    uint8_t strength = 0;
    size_t held = 0;

    (void)state;
    load(NULL, &tables);
    for (size_t i = 0; i < tables.count; i++)
        held += tables.rows[i]->count;
    assert_int_equal(held, 59);
    assert_int_equal(COUNT(statuses), 59);
    for (size_t i = 0; i < COUNT(statuses); i++) {
        const struct table *table = find_channel(&tables, statuses[i].channel);
        const struct status *status;
        char expected[1024], found[1024];
        bool first = i == 0 || strcmp(statuses[i - 1].channel, statuses[i].channel) != 0;

        strength = first ? 0 : (uint8_t)(strength + 1);
        assert_string_equal(table_status_name(table, strength), statuses[i].status);
        status = &table->statuses[strength];
        sort_then(table, statuses[i].then, expected, sizeof(expected));
        write_then(table, status->then, found, sizeof(found));
        if (status->phase != statuses[i].phase || status->outcome != statuses[i].outcome ||
            status->settle_after_ms != statuses[i].settle_after_ms || strcmp(found, expected) != 0)
            fail_msg("%s %s is %s, %s, %" PRId64 " ms, then %s", table->channel, status->name,
                     phase_words[status->phase], outcome_words[status->outcome],
                     status->settle_after_ms, found);
        assert_true(strlen(status->meaning) > 0);
    }
    tables_release(&tables);
}

static void what_is_built_in_is_what_the_files_say(void **state)
{
    struct tables built_in = {0}, read = {0};

    (void)state;
    load(NULL, &built_in);
    load(SHIPPED, &read);
    assert_int_equal(built_in.count, read.count);
    for (size_t i = 0; i < read.count; i++) {
        assert_string_equal(built_in.rows[i]->channel, read.rows[i]->channel);
        assert_true(built_in.rows[i]->digest == read.rows[i]->digest);
    }
    tables_release(&built_in);
    tables_release(&read);
}

/* ---- broken files --------------------------------------------------------------------------- */

/* One line, of this file or one in this directory, with this text in it. */
static bool told_in_one_line(const struct buffer *complaints, const char *path, const char *text)
{
    char *line = calloc(1, complaints->size + 1);
    size_t size = strlen(path);
    bool told;

    assert_non_null(line);
    if (complaints->size > 0)
        memcpy(line, complaints->bytes, complaints->size);
    told = strncmp(line, path, size) == 0 && (line[size] == ':' || line[size] == '/') &&
           strstr(line + size, text) != NULL && strchr(line, '\n') == line + strlen(line) - 1;
    free(line);
    return told;
}

static void check_broken(const char *file, const char *text)
{
    struct buffer complaints = {0};
    struct tables tables = {0};
    char path[256];
    bool good;

    snprintf(path, sizeof(path), BROKEN "/%s", file);
    good = channel_files_load(path, &tables, &complaints);
    if (good || tables.count != 0 || !told_in_one_line(&complaints, path, text))
        fail_msg("%s %s instead of \"%s\":\n%.*s", file, good ? "loads" : "says", text,
                 (int)complaints.size, (const char *)complaints.bytes);
    buffer_release(&complaints);
}

static size_t files_of(const char *path)
{
    DIR *directory = opendir(path);
    size_t count = 0;

    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.' && strcmp(entry->d_name, "EXPECTED.tsv") != 0;
    closedir(directory);
    return count;
}

static void every_kind_of_broken_file_is_told_in_one_line_of_its_own(void **state)
{
    FILE *expected = fopen(BROKEN "/EXPECTED.tsv", "r");
    char line[512], path[256];
    size_t count = 0;

    (void)state;
    assert_non_null(expected);
    while (fgets(line, sizeof(line), expected) != NULL) {
        char *rest = line, *file = strsep(&rest, "\t"), *text = strsep(&rest, "\n");
        if (file[0] == '#')
            continue;
        if (text == NULL || text[0] == 0)
            fail_msg("EXPECTED.tsv does not say what is expected of %s", file);
        check_broken(file, text);
        snprintf(path, sizeof(path), BROKEN "/%s", file);
        count += access(path, F_OK) == 0; /* one of them is not there, and that is its fault */
    }
    fclose(expected);
    assert_int_equal(count, files_of(BROKEN));
    assert_true(count >= 25);
}

static const char sound[] =
    "{\"channel\":\"pigeon\",\"version\":1,\"retention\":\"48h\",\"orphan_hold\":\"10m\","
    "\"initial\":{\"settle_after\":\"72h\",\"outcome\":\"unresolved\"},\"statuses\":["
    "{\"status\":\"SENT\",\"phase\":\"transit\",\"outcome\":\"unresolved\","
    "\"settle_after\":\"72h\",\"then\":[\"LOST\",\"HOME\"],\"meaning\":\"Let fly.\"},"
    "{\"status\":\"LOST\",\"phase\":\"final\",\"outcome\":\"failed\",\"settle_after\":\"0s\","
    "\"then\":[]},"
    "{\"status\":\"HOME\",\"phase\":\"final\",\"outcome\":\"delivered\",\"settle_after\":\"0s\","
    "\"then\":[]}]}";

/* The sound file with one part of it replaced; the caller's. */
static char *edited(const char *old, const char *new)
{
    const char *at = strstr(sound, old);
    char *text = NULL;

    if (at == NULL)
        fail_msg("%s is not in the sound file", old);
    assert_true(asprintf(&text, "%.*s%s%s", (int)(at - sound), sound, new, at + strlen(old)) > 0);
    return text;
}

static uint64_t digest_of(const char *text)
{
    struct buffer complaints = {0};
    struct table *table =
        channel_file_compile("pigeon.json", (const uint8_t *)text, strlen(text), &complaints);
    uint64_t digest;

    if (table == NULL)
        fail_msg("%.*s", (int)complaints.size, (const char *)complaints.bytes);
    digest = table->digest;
    table_free(&table);
    buffer_release(&complaints);
    return digest;
}

static void the_digest_is_of_all_that_decides_and_of_nothing_else(void **state)
{
    static const struct {
        const char *old, *new;
        bool same;
        const char *why;
    } cases[] = {
        {"{", "{", true, "nothing is changed"},
        {"{\"channel\"", " {\n\t\"channel\"", true, "white space"},
        {"Let fly.", "Sent.", true, "a meaning"},
        {",\"meaning\":\"Let fly.\"", "", true, "no meaning"},
        {"\"pigeon\"", "\"\\u0070igeon\"", true, "the same name, escaped"},
        {"\"72h\"", "\"3d\"", true, "the same duration, in days"},
        {"\"version\":1,\"retention\":\"48h\"", "\"retention\":\"48h\",\"version\":1", true,
         "members in another order"},
        {"[\"LOST\",\"HOME\"]", "[\"HOME\",\"LOST\"]", true, "then is a set"},
        {"{\"channel\"", "{\"$schema\":\"channel.schema.json\",\"channel\"", true,
         "an editor's hint"},
        {"pigeon", "pigeons", false, "the channel's name"},
        {"\"version\":1", "\"version\":2", false, "the version"},
        {"48h", "49h", false, "the retention"},
        {"10m", "0s", false, "the hold"},
        {"72h", "71h", false, "the initial time to settle"},
        {"\"outcome\":\"unresolved\"},\"statuses\"", "\"outcome\":\"failed\"},\"statuses\"", false,
         "the initial outcome"},
        {"transit", "queued", false, "a phase"},
        {"\"outcome\":\"failed\"", "\"outcome\":\"rejected\"", false, "an outcome"},
        {"\"settle_after\":\"72h\",\"then\"", "\"settle_after\":\"1h\",\"then\"", false,
         "a time to settle"},
        {"\"0s\",\"then\":[]}", "\"0s\",\"then\":[\"HOME\"]}", false, "a way"},
    };
    uint64_t digest = digest_of(sound);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = edited(cases[i].old, cases[i].new);
        if ((digest_of(text) == digest) != cases[i].same)
            fail_msg("the digest is %s: %s", cases[i].same ? "another" : "the same", cases[i].why);
        free(text);
    }
}

/* Digests stand in outcomes and in the state topic: a change of them is a change of format. */
static void the_digest_of_a_table_stays_what_it_was(void **state)
{
    (void)state;
    assert_int_equal(digest_of(sound), 0x3e4db8586b36af9c);
}

static void hostile_names_stay_inside_of_their_line(void **state)
{
    static const struct {
        const char *old, *new;
        const char *why;
    } cases[] = {
        {"\"HOME\"]", "\"HOME\\nx.json: all is well\"]", "a line feed in then"},
        {"\"status\":\"LOST\"", "\"status\":\"LO\\u001b[2JST\"", "an escape sequence"},
        {"\"meaning\"", "\"mean\\r\\ning\"", "a line feed in a member's name"},
        {"\"transit\"", "\"\\u007ftransit\"", "a DEL in a phase"},
        {"\"72h\"", "\"72h\\n\"", "a line feed in a duration"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = edited(cases[i].old, cases[i].new);
        struct buffer complaints = {0};
        size_t lines = 0;
        assert_null(
            channel_file_compile("x.json", (const uint8_t *)text, strlen(text), &complaints));
        for (size_t j = 0; j < complaints.size; j++) {
            bool starts = j == 0 || complaints.bytes[j - 1] == '\n';
            lines += starts;
            if ((starts && strncmp((const char *)complaints.bytes + j, "x.json: ", 8) != 0) ||
                (iscntrl(complaints.bytes[j]) && complaints.bytes[j] != '\n'))
                fail_msg("%s:\n%.*s", cases[i].why, (int)complaints.size,
                         (const char *)complaints.bytes);
        }
        assert_true(lines >= 1);
        buffer_release(&complaints);
        free(text);
    }
}

/* A list of so many times the same entry, in place of a part of the sound file. */
static char *stuffed(const char *old, const char *before, const char *entry, const char *after,
                     size_t times)
{
    struct buffer list = {0};
    char *text;

    buffer_put_string(&list, before);
    for (size_t i = 0; i < times; i++)
        buffer_put_string(&list, entry);
    buffer_put_string(&list, after);
    buffer_put_byte(&list, 0);
    text = edited(old, (const char *)list.bytes);
    buffer_release(&list);
    return text;
}

static void a_file_of_many_faults_is_told_in_few_lines_and_soon(void **state)
{
    static const struct {
        const char *old, *before, *entry, *after;
        size_t times;
        const char *why;
    } cases[] = {
        {"\"version\":1", "\"version\":1", ",\"a\":1", "", 150000, "one member many times"},
        {"[\"LOST\",\"HOME\"]", "[", "\"LOST\",", "\"HOME\"]", 140000, "one name many times"},
        {"[\"LOST\",\"HOME\"]", "[", "\"a\",", "\"HOME\"]", 250000, "no name many times"},
        {"\"statuses\":[", "\"statuses\":[", "{},", "", 300000, "empty statuses"},
        {"\"statuses\":[", "\"statuses\":[", "{\"status\":\"S\"},", "", 60000, "bare statuses"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = stuffed(cases[i].old, cases[i].before, cases[i].entry, cases[i].after,
                             cases[i].times);
        struct buffer complaints = {0};
        size_t lines = 0;
        assert_true(strlen(text) <= CHANNEL_FILE_MAX);
        alarm(20); /* a quadratic walk over these takes minutes */
        assert_null(
            channel_file_compile("x.json", (const uint8_t *)text, strlen(text), &complaints));
        alarm(0);
        for (size_t j = 0; j < complaints.size; j++)
            lines += complaints.bytes[j] == '\n';
        if (lines < 1 || lines > FAULTS_MAX + 1)
            fail_msg("%zu lines: %s", lines, cases[i].why);
        buffer_release(&complaints);
        free(text);
    }
}

static void a_file_of_more_than_a_mebibyte_is_refused(void **state)
{
    char *text = stuffed("{\"channel\"", "", " ", "{\"channel\"", CHANNEL_FILE_MAX);
    struct buffer complaints = {0};

    (void)state;
    assert_null(channel_file_compile("x.json", (const uint8_t *)text, strlen(text), &complaints));
    assert_true(told_in_one_line(&complaints, "x.json", "is larger than 1 MiB"));
    buffer_release(&complaints);
    free(text);
}

/* ---- directories ---------------------------------------------------------------------------- */

struct place {
    char path[64];
};

static struct place place_new(void)
{
    struct place place = {"/tmp/upshot-channel-file-XXXXXX"};

    assert_non_null(mkdtemp(place.path));
    return place;
}

static void place_put(const struct place *place, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", place->path, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void place_drop(const struct place *place)
{
    DIR *directory = opendir(place->path);
    char path[512];

    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof(path), "%s/%s", place->path, entry->d_name);
        unlink(path); /* fails for . and .., as it should */
    }
    closedir(directory);
    assert_int_equal(rmdir(place->path), 0);
}

static void a_directory_is_all_its_json_files_and_nothing_else(void **state)
{
    struct place place = place_new();
    char *other = edited("pigeon", "drum");
    struct tables tables = {0};

    (void)state;
    place_put(&place, "pigeon.json", sound);
    place_put(&place, "a.json", other);
    place_put(&place, "README.md", "not a table");
    place_put(&place, ".hidden.json", "not a table");
    place_put(&place, "pigeon.json~", "not a table");
    load(place.path, &tables);
    assert_int_equal(tables.count, 2);
    find_channel(&tables, "drum");
    find_channel(&tables, "pigeon");
    tables_release(&tables);
    place_drop(&place);
    free(other);
}

static void one_broken_file_of_a_directory_leaves_no_table(void **state)
{
    struct place place = place_new();
    struct buffer complaints = {0};
    struct tables tables = {0};
    char path[128];

    (void)state;
    place_put(&place, "a.json", sound);
    place_put(&place, "b.json", "{");
    assert_false(channel_files_load(place.path, &tables, &complaints));
    assert_int_equal(tables.count, 0);
    snprintf(path, sizeof(path), "%s/b.json", place.path);
    assert_true(told_in_one_line(&complaints, path, "is not JSON"));
    buffer_release(&complaints);
    place_drop(&place);
}

static void a_directory_without_a_table_is_refused(void **state)
{
    struct place place = place_new();
    struct buffer complaints = {0};
    struct tables tables = {0};

    (void)state;
    assert_false(channel_files_load(place.path, &tables, &complaints));
    assert_true(told_in_one_line(&complaints, place.path, "no channel table"));
    buffer_release(&complaints);
    place_drop(&place);
}

static void a_path_that_is_not_there_is_told(void **state)
{
    struct buffer complaints = {0};
    struct tables tables = {0};

    (void)state;
    assert_false(channel_files_load(BROKEN "/none", &tables, &complaints));
    assert_true(told_in_one_line(&complaints, BROKEN "/none", "No such file"));
    buffer_release(&complaints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_channels_wait_as_long_as_they_should),
        cmocka_unit_test(the_shipped_tables_hold_these_59_statuses),
        cmocka_unit_test(what_is_built_in_is_what_the_files_say),
        cmocka_unit_test(every_kind_of_broken_file_is_told_in_one_line_of_its_own),
        cmocka_unit_test(the_digest_is_of_all_that_decides_and_of_nothing_else),
        cmocka_unit_test(the_digest_of_a_table_stays_what_it_was),
        cmocka_unit_test(hostile_names_stay_inside_of_their_line),
        cmocka_unit_test(a_file_of_many_faults_is_told_in_few_lines_and_soon),
        cmocka_unit_test(a_file_of_more_than_a_mebibyte_is_refused),
        cmocka_unit_test(a_directory_is_all_its_json_files_and_nothing_else),
        cmocka_unit_test(one_broken_file_of_a_directory_leaves_no_table),
        cmocka_unit_test(a_directory_without_a_table_is_refused),
        cmocka_unit_test(a_path_that_is_not_there_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
