/*
 * tool.h: what the measuring programs share: a clock, librdkafka handles, and a way out.
 *
 * They are no part of upshot and use none of it, so that what is measured cannot flatter itself.
 * A measurement that cannot be made is of no use: every failure ends the process with a line.
 */
#ifndef UPSHOT_BENCHMARKS_TOOL_H
#define UPSHOT_BENCHMARKS_TOOL_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

enum { TOOL_PARTITIONS_MAX = 256, TOOL_PROPERTIES_MAX = 64 };

/* Properties in the order in which they are to be set: a later one of the same name counts. */
struct properties {
    const char *names[TOOL_PROPERTIES_MAX], *values[TOOL_PROPERTIES_MAX];
    int count;
};

_Noreturn void tool_die(const char *what, const char *why);
void tool_check(const char *what, rd_kafka_resp_err_t error);
void tool_check_error(const char *what, rd_kafka_error_t *error);

int64_t tool_wall_ms(void);
int64_t tool_monotonic_us(void);

/* A whole number from 0; ends the process where it is none. */
uint64_t tool_number(const char *name, const char *text);

/* The strings are borrowed. */
void tool_set(struct properties *properties, const char *name, const char *value);

/* "name=value", split where it lies. */
void tool_set_pair(struct properties *properties, char *pair);

/* "sends,receipts", split where it lies. False: there are not two. */
bool tool_two_topics(char *value, const char *topics[2]);

rd_kafka_t *tool_client(rd_kafka_type_t type, const struct properties *properties);

/* Number of partitions; ends the process where there is no such topic. */
int32_t tool_partitions(rd_kafka_t *client, const char *topic);

#endif
