/*
 * config.h: properties, as kcat has them: -F FILE, then -X prop=value, the last one counts.
 *
 * Ours are listed in config.def; every other name must be one of librdkafka's, and is passed
 * through to it. An unknown name, a bad value or a property that upshot sets itself is refused,
 * with the nearest name that exists.
 */
#ifndef UPSHOT_CONSUMER_CONFIG_H
#define UPSHOT_CONSUMER_CONFIG_H

#include "schemas/buffer.h"
#include "statemachine/bounds.h"

#include <librdkafka/rdkafka.h>

enum partitioner { PARTITIONER_AUTO, PARTITIONER_MURMUR2, PARTITIONER_CRC32, PARTITIONER_FNV1A };

/* In use by another process, the default is done without; any other has to be free. */
#define CONFIG_HTTP_LISTEN "127.0.0.1:9464"

struct config_list {
    char **items;
    size_t count;
};

struct config_pair {
    char *name;
    char *value;
};

enum group_protocol { GROUP_CLASSIC, GROUP_CONSUMER };

struct config {
#define STRING(field, name, value, help) char *field;
#define LIST(field, name, value, help) struct config_list field;
#define DURATION(field, name, value, least, most, help) int64_t field;
#define INTEGER(field, name, value, least, most, help) int64_t field;
#define CHOICE(field, name, value, words, help) int field;
#include "consumer/config.def"
#undef STRING
#undef LIST
#undef DURATION
#undef INTEGER
#undef CHOICE
    struct config_pair *kafka; /* for librdkafka, in the order given */
    size_t kafka_count;
};

/* All defaults. Release with config_release(). */
void config_init(struct config *config);
void config_release(struct config *config);

/*
 * Sets one property. False with one line in `complaint` (no newline): what is wrong with the name
 * or the value, and the nearest name that exists.
 */
bool config_set(struct config *config, const char *name, const char *value,
                struct buffer *complaint);

/* Splits "name=value" and sets it. */
bool config_set_pair(struct config *config, const char *pair, struct buffer *complaint);

/* Reads lines of name=value; empty lines and those that begin with # are skipped. */
bool config_read_file(struct config *config, const char *path, struct buffer *complaint);

/* What only the whole can get wrong: two roles for one topic, an input twice. */
bool config_check(const struct config *config, struct buffer *complaint);

/* channels.dir, as channel_files_load() takes it: NULL where it is not set. */
const char *config_channels(const struct config *config);

/* A configuration for librdkafka with the pairs set; the caller's, for rd_kafka_new(). */
rd_kafka_conf_t *config_kafka(const struct config *config);

/* "name<TAB>default<TAB>help" a property: what the README's table is compared with. */
void config_describe(struct buffer *out);

#endif
