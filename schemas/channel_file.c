/*
 * channel_file.c: strict JSON, then a tree, then a draft, then the proof, then a table.
 *
 * cJSON keeps duplicate keys silently and does not know what a table may hold; so every object of
 * the tree is held against the list of members that it may have.
 */
#include "schemas/channel_file.h"

#include "schemas/instant.h"
#include "schemas/json.h"
#include "schemas/nearest.h"
#include "statemachine/memory.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { STATUSES_READ = 256 }; /* more than can be right, so that the check can say how many */

static const char *const channel_members[] = {
    "channel", "version", "retention", "orphan_hold", "initial", "statuses", "$schema",
};
static const char *const initial_members[] = {"settle_after", "outcome"};
static const char *const status_members[] = {
    "status", "phase", "outcome", "settle_after", "then", "meaning",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

struct reading {
    struct faults faults;
    struct draft draft;
    struct draft_status statuses[STATUSES_READ];
    const char **then[STATUSES_READ];
};

/* ---- members ---------------------------------------------------------------------------- */

static bool listed(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Every member known, none twice. Ends early where there is enough to tell: this is quadratic. */
static void check_members(struct reading *reading, const char *status, const cJSON *object,
                          const char *const *names, size_t count)
{
    for (const cJSON *member = object->child; member != NULL && reading->faults.count <= FAULTS_MAX;
         member = member->next) {
        const char *nearest = nearest_name(member->string, names, count);
        if (!listed(member->string, names, count))
            faults_add(&reading->faults, status, "there is no member \"%.64s\"%s%s%s",
                       member->string, nearest == NULL ? "" : "; did you mean \"",
                       nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
        for (const cJSON *other = object->child; other != member; other = other->next)
            if (strcmp(other->string, member->string) == 0)
                faults_add(&reading->faults, status, "\"%.64s\" is given twice", member->string);
    }
}

static const cJSON *member(struct reading *reading, const char *status, const cJSON *object,
                           const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);

    if (found == NULL)
        faults_add(&reading->faults, status, "%s is missing", name);
    return found;
}

static const char *string_member(struct reading *reading, const char *status, const cJSON *object,
                                 const char *name)
{
    const cJSON *found = member(reading, status, object, name);

    if (found == NULL)
        return NULL;
    if (cJSON_IsString(found))
        return found->valuestring;
    faults_add(&reading->faults, status, "%s must be a string", name);
    return NULL;
}

static int64_t duration_member(struct reading *reading, const char *status, const cJSON *object,
                               const char *name)
{
    const char *text = string_member(reading, status, object, name);
    const char *why = "";
    int64_t ms = 0;

    if (text == NULL)
        return 1; /* told already; not a second fault */
    if (!duration_parse(text, &ms, &why)) {
        faults_add(&reading->faults, status, "%s: \"%.40s\" is no duration: %s", name, text, why);
        return 1;
    }
    return ms;
}

static void phase_member(struct reading *reading, const char *status, const cJSON *object,
                         enum phase *phase)
{
    const char *word = string_member(reading, status, object, "phase");
    const char *nearest;

    if (word == NULL || phase_find(word, phase))
        return;
    nearest = nearest_name(word, phase_words, PHASE_COUNT);
    faults_add(&reading->faults, status,
               "phase: \"%.64s\" is none of queued, transit, "
               "provisional, final%s%s",
               word, nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest);
}

static enum outcome outcome_member(struct reading *reading, const char *status, const cJSON *object)
{
    const char *word = string_member(reading, status, object, "outcome");
    enum outcome outcome = OUTCOME_UNRESOLVED;
    const char *nearest;

    if (word == NULL || outcome_find(word, &outcome))
        return outcome;
    nearest = nearest_name(word, outcome_words, OUTCOME_COUNT);
    faults_add(&reading->faults, status, "outcome: \"%.64s\" is no outcome%s%s", word,
               nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest);
    return outcome;
}

/* ---- statuses --------------------------------------------------------------------------- */

static void read_then(struct reading *reading, size_t i, const cJSON *object)
{
    struct draft_status *status = &reading->statuses[i];
    const cJSON *then = member(reading, status->name, object, "then");
    const cJSON *next;
    size_t count = 0;

    if (then == NULL)
        return;
    if (!cJSON_IsArray(then)) {
        faults_add(&reading->faults, status->name, "then must be a list of statuses");
        return;
    }
    reading->then[i] = memory_get(((size_t)cJSON_GetArraySize(then) + 1) * sizeof(char *));
    cJSON_ArrayForEach(next, then)
    {
        if (cJSON_IsString(next))
            reading->then[i][count++] = next->valuestring;
        else
            faults_add(&reading->faults, status->name, "then: entry %zu is not a string",
                       count + 1);
    }
    status->then = reading->then[i];
    status->then_count = count;
}

static void read_status(struct reading *reading, size_t i, const cJSON *object)
{
    struct draft_status *status = &reading->statuses[i];
    const cJSON *name, *meaning;

    status->name = "";
    if (!cJSON_IsObject(object)) {
        faults_add(&reading->faults, NULL, "status %zu is not an object", i + 1);
        return;
    }
    name = cJSON_GetObjectItemCaseSensitive(object, "status");
    if (!cJSON_IsString(name)) {
        faults_add(&reading->faults, NULL, "status %zu: \"status\", its name, %s", i + 1,
                   name == NULL ? "is missing" : "must be a string");
        check_members(reading, NULL, object, status_members, COUNT(status_members));
        return;
    }
    status->name = name->valuestring;
    check_members(reading, status->name, object, status_members, COUNT(status_members));
    phase_member(reading, status->name, object, &status->phase);
    status->outcome = outcome_member(reading, status->name, object);
    status->settle_after_ms = duration_member(reading, status->name, object, "settle_after");
    read_then(reading, i, object);
    meaning = cJSON_GetObjectItemCaseSensitive(object, "meaning");
    if (meaning != NULL && !cJSON_IsString(meaning))
        faults_add(&reading->faults, status->name, "meaning must be a string");
    else if (meaning != NULL)
        status->meaning = meaning->valuestring;
}

static void read_statuses(struct reading *reading, const cJSON *root)
{
    const cJSON *statuses = member(reading, NULL, root, "statuses");
    const cJSON *status;
    size_t count = 0;

    if (statuses == NULL)
        return;
    if (!cJSON_IsArray(statuses)) {
        faults_add(&reading->faults, NULL, "statuses must be a list");
        return;
    }
    cJSON_ArrayForEach(status, statuses)
    {
        if (count < STATUSES_READ)
            read_status(reading, count++, status);
    }
    reading->draft.statuses = reading->statuses;
    reading->draft.count = count;
}

static void read_channel(struct reading *reading, const cJSON *root)
{
    struct draft *draft = &reading->draft;
    const cJSON *version, *initial;
    const char *channel;

    check_members(reading, NULL, root, channel_members, COUNT(channel_members));
    channel = string_member(reading, NULL, root, "channel");
    draft->channel = channel == NULL ? "" : channel;
    version = member(reading, NULL, root, "version");
    draft->version = 1;
    if (version != NULL) {
        if (!cJSON_IsNumber(version) || version->valuedouble < 1 ||
            version->valuedouble > INT32_MAX ||
            version->valuedouble != (double)(int32_t)version->valuedouble)
            faults_add(&reading->faults, NULL,
                       "version must be a whole number from 1 to 2147483647");
        else
            draft->version = (int64_t)version->valuedouble;
    }
    draft->retention_ms = duration_member(reading, NULL, root, "retention");
    draft->orphan_hold_ms = duration_member(reading, NULL, root, "orphan_hold");
    initial = member(reading, NULL, root, "initial");
    draft->initial_settle_after_ms = 1;
    if (initial != NULL && !cJSON_IsObject(initial)) {
        faults_add(&reading->faults, NULL, "initial must be an object");
    } else if (initial != NULL) {
        check_members(reading, NULL, initial, initial_members, COUNT(initial_members));
        draft->initial_settle_after_ms = duration_member(reading, NULL, initial, "settle_after");
        draft->initial_outcome = outcome_member(reading, NULL, initial);
    }
    read_statuses(reading, root);
}

/* ---- digest ----------------------------------------------------------------------------- */

static void digest_number(XXH3_state_t *state, int64_t number)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * i));
    XXH3_64bits_update(state, bytes, sizeof(bytes));
}

static void digest_string(XXH3_state_t *state, const char *string)
{
    digest_number(state, (int64_t)strlen(string));
    XXH3_64bits_update(state, string, strlen(string));
}

/* Of all that decides; not of white space, nor of meanings. */
static uint64_t digest_of(const struct draft *draft)
{
    XXH3_state_t *state = XXH3_createState();
    uint64_t digest;

    require(state != NULL);
    XXH3_64bits_reset(state);
    digest_string(state, draft->channel);
    digest_number(state, draft->version);
    digest_number(state, draft->retention_ms);
    digest_number(state, draft->orphan_hold_ms);
    digest_number(state, draft->initial_settle_after_ms);
    digest_string(state, outcome_words[draft->initial_outcome]);
    digest_number(state, (int64_t)draft->count);
    for (size_t i = 0; i < draft->count; i++) {
        const struct draft_status *status = &draft->statuses[i];
        digest_string(state, status->name);
        digest_string(state, phase_words[status->phase]);
        digest_string(state, outcome_words[status->outcome]);
        digest_number(state, status->settle_after_ms);
        for (size_t j = 0; j < draft->count; j++) { /* a set: the order in `then` says nothing */
            bool found = false;
            for (size_t k = 0; k < status->then_count; k++)
                found = found || strcmp(status->then[k], draft->statuses[j].name) == 0;
            digest_number(state, found);
        }
    }
    digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return digest;
}

/* ---- files ------------------------------------------------------------------------------ */

/* A name quoted from a bad file must neither end the line nor speak to the terminal. */
static void put_harmless(struct buffer *complaints, const char *text)
{
    for (; *text != 0; text++)
        buffer_put_byte(complaints, (uint8_t)*text < 0x20 || *text == 0x7f ? '?' : (uint8_t)*text);
}

static void complain(struct buffer *complaints, const char *file, const char *status,
                     const char *text)
{
    put_harmless(complaints, file);
    buffer_put_string(complaints, ": ");
    if (status[0] != 0) {
        put_harmless(complaints, status);
        buffer_put_string(complaints, ": ");
    }
    put_harmless(complaints, text);
    buffer_put_byte(complaints, '\n');
}

/*
 * A name in which cJSON's C string would end early. An escaped backslash before u0000 is taken for
 * one too: a name with a backslash is none of ours either way.
 */
static bool cut_by_nul(struct span name)
{
    return memmem(name.bytes, name.size, "\\u0000", 6) != NULL;
}

/* Proves that the bytes are one strict JSON object that cJSON can be trusted with. */
static bool strict(const char *file, const uint8_t *bytes, size_t size, struct buffer *complaints)
{
    struct json_object object;
    struct json_member found;
    char text[160];
    bool keepable = true;

    json_begin(&object, bytes, size);
    while (json_next(&object, &found))
        keepable = keepable && !found.unkeepable && !cut_by_nul(found.name);
    if (object.error != NULL)
        snprintf(text, sizeof(text), "is not JSON: %s at byte %zu", object.error,
                 object.error_offset);
    else if (!keepable)
        snprintf(text, sizeof(text), "has a NUL or half a surrogate pair in a string");
    else
        return true;
    complain(complaints, file, "", text);
    return false;
}

/* A name misspelled in `then`: the one that was probably meant. */
static void suggest_names(struct reading *reading)
{
    const char *names[STATUSES_READ];
    size_t count = reading->faults.count < FAULTS_MAX ? reading->faults.count : FAULTS_MAX;

    for (size_t i = 0; i < reading->draft.count; i++)
        names[i] = reading->statuses[i].name;
    for (size_t i = 0; i < count; i++) {
        char *text = reading->faults.rows[i].text;
        const char *tail = strstr(text, "\" is no status of this channel");
        char name[STATUS_NAME_MAX + 1];
        const char *nearest;
        if (strncmp(text, "then: \"", 7) != 0 || tail == NULL || tail - text - 7 > STATUS_NAME_MAX)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(tail - text - 7), text + 7);
        nearest = nearest_name(name, names, reading->draft.count);
        if (nearest != NULL)
            snprintf(text + strlen(text), FAULT_TEXT_MAX - strlen(text), "; did you mean \"%s\"?",
                     nearest);
    }
}

static struct table *compile(struct reading *reading)
{
    struct table *table;

    if (reading->faults.count == 0)
        check_draft(&reading->draft, &reading->faults);
    suggest_names(reading);
    if (reading->faults.count > 0)
        return NULL;
    reading->draft.digest = digest_of(&reading->draft);
    table = table_new(&reading->draft);
    check_table(table, &reading->faults);
    if (reading->faults.count > 0)
        table_free(&table);
    return table;
}

struct table *channel_file_compile(const char *file, const uint8_t *bytes, size_t size,
                                   struct buffer *complaints)
{
    struct reading *reading;
    struct table *table;
    cJSON *root;

    if (size > CHANNEL_FILE_MAX) {
        complain(complaints, file, "", "is larger than 1 MiB: not a channel table");
        return NULL;
    }
    if (!strict(file, bytes, size, complaints))
        return NULL;
    root = cJSON_ParseWithLength((const char *)bytes, size);
    if (root == NULL) {
        complain(complaints, file, "", "cannot be parsed");
        return NULL;
    }
    reading = memory_get(sizeof(*reading));
    memset(reading, 0, sizeof(*reading));
    read_channel(reading, root);
    table = compile(reading);
    for (size_t i = 0; i < reading->faults.count && i < FAULTS_MAX; i++)
        complain(complaints, file, reading->faults.rows[i].status, reading->faults.rows[i].text);
    if (reading->faults.count > FAULTS_MAX)
        complain(complaints, file, "", "has more faults than are listed here");
    for (size_t i = 0; i < STATUSES_READ; i++)
        free(reading->then[i]);
    free(reading);
    cJSON_Delete(root);
    return table;
}

static bool read_whole(const char *path, struct buffer *out, struct buffer *complaints)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = -1;

    while (fd >= 0) {
        uint8_t *room = buffer_reserve(out, 65536);
        if (room == NULL || out->size > CHANNEL_FILE_MAX)
            break;
        size = read(fd, room, 65536);
        if (size <= 0)
            break;
        out->size += (size_t)size;
    }
    if (fd < 0 || size < 0)
        complain(complaints, path, "", strerror(errno));
    if (fd >= 0)
        close(fd);
    return fd >= 0 && size >= 0;
}

static void take(struct tables *tables, const char *file, struct table *table,
                 struct buffer *complaints)
{
    char text[128];

    if (table == NULL)
        return;
    if (tables_find(tables, (const uint8_t *)table->channel, table->channel_size) != NULL)
        snprintf(text, sizeof(text), "channel \"%s\" is in an earlier file already; keep one",
                 table->channel);
    else
        snprintf(text, sizeof(text), "more than %d channels", CHANNELS_MAX);
    if (!tables_take(tables, table))
        complain(complaints, file, "", text);
}

static void load_file(const char *path, struct tables *tables, struct buffer *complaints)
{
    struct buffer bytes = {0};

    if (read_whole(path, &bytes, complaints))
        take(tables, path, channel_file_compile(path, bytes.bytes, bytes.size, complaints),
             complaints);
    buffer_release(&bytes);
}

static int is_channel_file(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return entry->d_name[0] != '.' && size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0;
}

static void load_directory(const char *path, struct tables *tables, struct buffer *complaints)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_channel_file, alphasort);
    char file[4096];

    if (count < 0)
        complain(complaints, path, "", strerror(errno));
    if (count == 0)
        complain(complaints, path, "", "has no channel table (*.json) in it");
    for (int i = 0; i < count; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        load_file(file, tables, complaints);
        free(entries[i]);
    }
    free(entries);
}

bool channel_files_load(const char *path, struct tables *tables, struct buffer *complaints)
{
    size_t before = complaints->size;
    struct stat status;

    tables->count = 0;
    if (path == NULL) {
        for (size_t i = 0; i < builtin_channel_count; i++)
            take(tables, builtin_channels[i].file,
                 channel_file_compile(builtin_channels[i].file, builtin_channels[i].bytes,
                                      builtin_channels[i].size, complaints),
                 complaints);
    } else if (stat(path, &status) != 0) {
        complain(complaints, path, "", strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        load_directory(path, tables, complaints);
    } else {
        load_file(path, tables, complaints);
    }
    if (complaints->size == before)
        return true;
    tables_release(tables);
    return false;
}
