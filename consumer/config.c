/* config.c: one table of properties, one setter per type. */
#include "consumer/config.h"

#include "consumer/address.h"
#include "schemas/instant.h"
#include "schemas/nearest.h"
#include "statemachine/memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum type { TYPE_STRING, TYPE_LIST, TYPE_DURATION, TYPE_INTEGER, TYPE_CHOICE };

struct property {
    const char *name;
    const char *value; /* default */
    const char *help;
    const char *words; /* TYPE_CHOICE */
    enum type type;
    size_t offset;
    int64_t least, most;
};

static const struct property properties[] = {
#define STRING(field, name, value, help) \
    {name, value, help, NULL, TYPE_STRING, offsetof(struct config, field), 0, 0},
#define LIST(field, name, value, help) \
    {name, value, help, NULL, TYPE_LIST, offsetof(struct config, field), 0, 0},
#define DURATION(field, name, value, least, most, help) \
    {name, value, help, NULL, TYPE_DURATION, offsetof(struct config, field), least, most},
#define INTEGER(field, name, value, least, most, help) \
    {name, value, help, NULL, TYPE_INTEGER, offsetof(struct config, field), least, most},
#define CHOICE(field, name, value, words, help) \
    {name, value, help, words, TYPE_CHOICE, offsetof(struct config, field), 0, 0},
#include "consumer/config.def"
#undef STRING
#undef LIST
#undef DURATION
#undef INTEGER
#undef CHOICE
};

enum { PROPERTIES = sizeof(properties) / sizeof(*properties) };

/* What the exactly-once loop stands on (DESIGN 5) is not for changing from outside. */
static const struct {
    const char *name;
    const char *instead;
} owned[] = {
    {"group.id", "set app.id"},
    {"group.instance.id", "set instance.id"},
    {"transactional.id", "set app.id and instance.id"},
    {"enable.auto.commit", "offsets are committed in the transaction"},
    {"enable.auto.offset.store", "offsets are committed in the transaction"},
    {"enable.idempotence", "a transactional producer is idempotent"},
    {"isolation.level", "inputs are read committed"},
    {"auto.offset.reset", "the first start is from the earliest record"},
    {"enable.partition.eof", "upshot needs to see the end of each input"},
    {"batch.size", "it follows from the output topics' max.message.bytes"},
    {"message.max.bytes", "it follows from the output topics' max.message.bytes"},
    {"partition.assignment.strategy", "range, so that inputs stay together"},
    {"group.remote.assignor", "range, so that inputs stay together"},
};

static void complain(struct buffer *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct buffer *complaint, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    buffer_put_string(complaint, line);
}

static char *copy(const char *string)
{
    size_t size = strlen(string) + 1;

    return memcpy(memory_get(size), string, size);
}

/* ---- setters ---------------------------------------------------------------------------- */

static void list_release(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){0};
}

static bool set_list(struct config_list *list, const char *name, const char *value,
                     struct buffer *complaint)
{
    struct config_list parsed = {0};

    for (const char *at = value;; at++) {
        size_t size = strcspn(at, ",");
        const char *item = at;
        at += size;
        while (size > 0 && item[0] == ' ') {
            item++;
            size--;
        }
        while (size > 0 && item[size - 1] == ' ')
            size--;
        if (size == 0 || parsed.count == INPUTS_MAX) {
            complain(complaint,
                     size == 0 ? "%s: an empty name in \"%s\"" : "%s: too many names in \"%s\"",
                     name, value);
            list_release(&parsed);
            return false;
        }
        parsed.items = memory_resize(parsed.items, parsed.count + 1, sizeof(*parsed.items));
        parsed.items[parsed.count] = memory_get(size + 1);
        memcpy(parsed.items[parsed.count], item, size);
        parsed.items[parsed.count++][size] = 0;
        if (*at == 0)
            break;
    }
    list_release(list);
    *list = parsed;
    return true;
}

static bool set_duration(int64_t *field, const struct property *property, const char *value,
                         struct buffer *complaint)
{
    const char *why = "";
    int64_t ms;

    if (!duration_parse(value, &ms, &why)) {
        complain(complaint, "%s: \"%s\" is no duration (%s); write it like %s", property->name,
                 value, why, property->value);
        return false;
    }
    if (ms < property->least || ms > property->most) {
        complain(complaint, "%s: \"%s\" is not between %lldms and %lldms", property->name, value,
                 (long long)property->least, (long long)property->most);
        return false;
    }
    *field = ms;
    return true;
}

static bool set_integer(int64_t *field, const struct property *property, const char *value,
                        struct buffer *complaint)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (end == value || *end != 0 || errno != 0 || number < property->least ||
        number > property->most) {
        complain(complaint, "%s: \"%s\" is not a whole number from %lld to %lld", property->name,
                 value, (long long)property->least, (long long)property->most);
        return false;
    }
    *field = number;
    return true;
}

static bool set_choice(int *field, const struct property *property, const char *value,
                       struct buffer *complaint)
{
    const char *at = property->words;

    for (int i = 0; *at != 0; i++) {
        size_t size = strcspn(at, "|");
        if (size == strlen(value) && strncmp(at, value, size) == 0) {
            *field = i;
            return true;
        }
        at += size + (at[size] == '|');
    }
    complain(complaint, "%s: \"%s\" is none of %s", property->name, value, property->words);
    return false;
}

static bool set_own(struct config *config, const struct property *property, const char *value,
                    struct buffer *complaint)
{
    void *field = (char *)config + property->offset;

    switch (property->type) {
    case TYPE_STRING:
        free(*(char **)field);
        *(char **)field = copy(value);
        return true;
    case TYPE_LIST:
        return set_list(field, property->name, value, complaint);
    case TYPE_DURATION:
        return set_duration(field, property, value, complaint);
    case TYPE_INTEGER:
        return set_integer(field, property, value, complaint);
    case TYPE_CHOICE:
        return set_choice(field, property, value, complaint);
    }
    return false;
}

/* ---- librdkafka's properties ------------------------------------------------------------ */

/*
 * All names that librdkafka knows. Its table of properties is read rather than a dump of a
 * configuration, which leaves out aliases (bootstrap.servers) and whatever has no default.
 */
static char *kafka_names(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    require(file != NULL);
    rd_kafka_conf_properties_show(file);
    require(fclose(file) == 0);
    return text;
}

static void suggest(const char *name, struct buffer *complaint)
{
    char *text = kafka_names(), *line, *rest = NULL;
    const char **names = memory_get(PROPERTIES * sizeof(*names));
    size_t count = 0;
    const char *nearest;

    for (; count < PROPERTIES; count++)
        names[count] = properties[count].name;
    /* One property a line, the name in front; headings begin otherwise. */
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (*line < 'a' || *line > 'z')
            continue;
        line[strcspn(line, " |")] = 0;
        names = memory_resize(names, count + 1, sizeof(*names));
        names[count++] = line;
    }
    nearest = nearest_name(name, names, count);
    complain(complaint, "%s: there is no such property", name);
    if (nearest != NULL)
        complain(complaint, "; did you mean %s?", nearest);
    free(names);
    free(text);
}

static bool set_kafka(struct config *config, const char *name, const char *value,
                      struct buffer *complaint)
{
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    char why[256];
    rd_kafka_conf_res_t result = rd_kafka_conf_set(scratch, name, value, why, sizeof(why));

    rd_kafka_conf_destroy(scratch);
    if (result == RD_KAFKA_CONF_UNKNOWN) {
        suggest(name, complaint);
        return false;
    }
    if (result != RD_KAFKA_CONF_OK) {
        complain(complaint, "%s: \"%s\" is refused by librdkafka: %s", name, value, why);
        return false;
    }
    config->kafka = memory_resize(config->kafka, config->kafka_count + 1, sizeof(*config->kafka));
    config->kafka[config->kafka_count++] =
        (struct config_pair){.name = copy(name), .value = copy(value)};
    return true;
}

rd_kafka_conf_t *config_kafka(const struct config *config)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    for (size_t i = 0; i < config->kafka_count; i++)
        rd_kafka_conf_set(conf, config->kafka[i].name, config->kafka[i].value, why, sizeof(why));
    return conf;
}

/* ---- the whole -------------------------------------------------------------------------- */

void config_init(struct config *config)
{
    struct buffer complaint = {0};

    *config = (struct config){0};
    for (size_t i = 0; i < PROPERTIES; i++)
        require(set_own(config, &properties[i], properties[i].value, &complaint));
    buffer_release(&complaint);
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < PROPERTIES; i++) {
        void *field = (char *)config + properties[i].offset;
        if (properties[i].type == TYPE_STRING)
            free(*(char **)field);
        else if (properties[i].type == TYPE_LIST)
            list_release(field);
    }
    for (size_t i = 0; i < config->kafka_count; i++) {
        free(config->kafka[i].name);
        free(config->kafka[i].value);
    }
    free(config->kafka);
    *config = (struct config){0};
}

bool config_set(struct config *config, const char *name, const char *value,
                struct buffer *complaint)
{
    for (size_t i = 0; i < PROPERTIES; i++)
        if (strcmp(properties[i].name, name) == 0)
            return set_own(config, &properties[i], value, complaint);
    for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
        if (strcmp(owned[i].name, name) == 0) {
            complain(complaint, "%s: upshot sets this itself (%s)", name, owned[i].instead);
            return false;
        }
    return set_kafka(config, name, value, complaint);
}

bool config_set_pair(struct config *config, const char *pair, struct buffer *complaint)
{
    const char *equals = strchr(pair, '=');
    char name[256];
    size_t size;

    if (equals == NULL || equals == pair) {
        complain(complaint, "\"%s\" is not of the form prop=value", pair);
        return false;
    }
    size = (size_t)(equals - pair);
    while (size > 0 && (pair[size - 1] == ' ' || pair[size - 1] == '\t'))
        size--;
    if (size >= sizeof(name))
        size = sizeof(name) - 1;
    memcpy(name, pair, size);
    name[size] = 0;
    equals++;
    while (*equals == ' ' || *equals == '\t')
        equals++;
    return config_set(config, name, equals, complaint);
}

bool config_read_file(struct config *config, const char *path, struct buffer *complaint)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool good = true;

    if (file == NULL) {
        complain(complaint, "%s: %s", path, strerror(errno));
        return false;
    }
    for (int number = 1; good; number++) {
        ssize_t size = getline(&line, &room, file);
        char *at = line;
        if (size < 0)
            break;
        while (size > 0 && strchr(" \t\r\n", line[size - 1]) != NULL)
            line[--size] = 0;
        at += strspn(at, " \t");
        if (*at == 0 || *at == '#')
            continue;
        if (!config_set_pair(config, at, complaint)) {
            struct buffer whole = {0};
            complain(&whole, "%s:%d: ", path, number);
            buffer_put(&whole, complaint->bytes, complaint->size);
            buffer_release(complaint);
            *complaint = whole;
            good = false;
        }
    }
    if (good && ferror(file)) { /* a directory, a disk: half a configuration is none */
        complain(complaint, "%s: %s", path, strerror(errno));
        good = false;
    }
    free(line);
    fclose(file);
    return good;
}

/* Kafka's rule for a topic's name. */
static bool topic_name_good(const char *name)
{
    size_t size = strlen(name);

    if (size < 1 || size > 249 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && memchr("._-", name[i], 3) == NULL)
            return false;
    return true;
}

static bool names_good(const struct config *config, const char *state, struct buffer *complaint)
{
    const char *names[INPUTS_MAX + 3] = {config->outcomes_topic, config->dead_letters_topic, state};
    size_t count = 3;

    for (size_t i = 0; i < config->input_topics.count; i++)
        names[count++] = config->input_topics.items[i];
    for (size_t i = 0; i < count; i++)
        if (!topic_name_good(names[i])) {
            complain(complaint,
                     "\"%s\" cannot be a topic: letters, digits, . _ and -, 1 to 249 of them",
                     names[i]);
            return false;
        }
    return true;
}

/* The newer protocol is the broker's business: what only a member of the classic one decides. */
static bool group_protocol_good(const struct config *config, struct buffer *complaint)
{
    static const char *const brokers[] = {"session.timeout.ms", "heartbeat.interval.ms",
                                          "group.protocol.type"};
    enum { SINCE = 0x020c0000 };

    if (config->group_protocol != GROUP_CONSUMER)
        return true;
    if (rd_kafka_version() < SINCE) {
        complain(complaint,
                 "group.protocol: consumer needs librdkafka 2.12 or newer, and this is %s",
                 rd_kafka_version_str());
        return false;
    }
    for (size_t i = 0; i < config->kafka_count; i++)
        for (size_t j = 0; j < sizeof(brokers) / sizeof(*brokers); j++)
            if (strcmp(config->kafka[i].name, brokers[j]) == 0) {
                complain(complaint,
                         "%s: with group.protocol=consumer the broker decides this (its "
                         "group.consumer.* settings)",
                         brokers[j]);
                return false;
            }
    return true;
}

bool config_check(const struct config *config, struct buffer *complaint)
{
    const char *outputs[] = {config->outcomes_topic, config->dead_letters_topic};
    struct address listen;
    char state[300];

    if (config->app_id[0] == 0 || strlen(config->app_id) > 200) {
        complain(complaint, "app.id: must have 1 to 200 characters");
        return false;
    }
    snprintf(state, sizeof(state), "%s.state", config->app_id);
    if (config->http_listen[0] != 0 && !address_parse(config->http_listen, &listen)) {
        complain(complaint,
                 "http.listen: \"%s\" is not of the form HOST:PORT, such as " CONFIG_HTTP_LISTEN
                 ", [::1]:9464 or :9464 for every address",
                 config->http_listen);
        return false;
    }
    if (!names_good(config, state, complaint) || !group_protocol_good(config, complaint))
        return false;
    if (strcmp(outputs[0], outputs[1]) == 0 || strcmp(outputs[0], state) == 0 ||
        strcmp(outputs[1], state) == 0) {
        complain(complaint, "outcomes.topic, dead_letters.topic and %s must be different topics",
                 state);
        return false;
    }
    for (size_t i = 0; i < config->input_topics.count; i++) {
        const char *topic = config->input_topics.items[i];
        for (size_t j = 0; j < i; j++)
            if (strcmp(topic, config->input_topics.items[j]) == 0) {
                complain(complaint, "input.topics: %s is there twice", topic);
                return false;
            }
        if (strcmp(topic, outputs[0]) == 0 || strcmp(topic, outputs[1]) == 0 ||
            strcmp(topic, state) == 0) {
            complain(complaint, "input.topics: %s is an output of this stage", topic);
            return false;
        }
    }
    return true;
}

const char *config_channels(const struct config *config)
{
    return config->channels_dir[0] == 0 ? NULL : config->channels_dir;
}

void config_describe(struct buffer *out)
{
    for (size_t i = 0; i < PROPERTIES; i++) {
        buffer_put_string(out, properties[i].name);
        buffer_put_byte(out, '\t');
        buffer_put_string(out, properties[i].value);
        buffer_put_byte(out, '\t');
        buffer_put_string(out, properties[i].help);
        buffer_put_byte(out, '\n');
    }
}
