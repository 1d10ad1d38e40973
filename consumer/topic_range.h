/*
 * topic_range.h: one partition's range of a topic, read from its first record to its end.
 *
 * For commands that read what is there and go (replay, audit): no group is joined, nothing is
 * committed, and whoever reads waits for the next record. Whatever goes wrong is told on stderr,
 * once, and kept in the reader.
 */
#ifndef UPSHOT_CONSUMER_TOPIC_RANGE_H
#define UPSHOT_CONSUMER_TOPIC_RANGE_H

#include "consumer/config.h"
#include "statemachine/watermark.h"

enum position_kind { POSITION_DEFAULT, POSITION_OFFSET, POSITION_TIME };

struct replay_position {
    enum position_kind kind;
    int64_t value; /* an offset, or milliseconds */
};

struct replay_range {
    bool given; /* --topics */
    struct replay_position from, to;
};

/* An offset, a time, or a duration back from now ("-36h"). */
bool replay_position_parse(const char *text, int64_t now_ms, struct replay_position *position);

/* What there is to read of a partition: offsets, the end not among them. */
struct topic_bounds {
    int64_t begin, end;
};

struct topic_reader {
    const char *command; /* first word of every complaint */
    const struct config *config;
    rd_kafka_t *client; /* kafka_range_reader(), or another that tells where a partition ends */
    int error;          /* exit code of what went wrong */
};

enum { RANGE_BATCH = 2000 };

struct topic_range {
    const char *topic;
    int64_t next, end; /* offsets: the next one to be read, and the first one beyond */
    int32_t partition;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *batch[RANGE_BATCH];
    size_t at, count;
    size_t taken_records, taken_bytes; /* since the broker's thread was nudged */
};

/* `upshot replay: TOPIC WHAT: WHY`; the world has failed. Returns false. */
bool topic_reader_fail(struct topic_reader *reader, const char *topic, const char *what,
                       const char *why);

int32_t topic_count_partitions(struct topic_reader *reader, const char *topic);

/*
 * That of all inputs, which must agree; 0 after a complaint.
 */
int32_t topic_count_input_partitions(struct topic_reader *reader);

/* First offset, and the end: of a read_committed client, the last stable offset. */
bool topic_find_ends(struct topic_reader *reader, const char *topic, int32_t partition,
                     int64_t *low, int64_t *high);

/* An offset within [low, high]: as given, or the first record at or after a time. */
bool topic_find_offset(struct topic_reader *reader, const char *topic, int32_t partition,
                       const struct replay_position *position, int64_t low, int64_t high,
                       int64_t *offset);

/* From here on the client reads these ranges, whose next and end are set, and nothing else. */
bool topic_ranges_open(struct topic_reader *reader, struct topic_range *ranges, size_t count,
                       int32_t partition);
void topic_ranges_close(struct topic_reader *reader, struct topic_range *ranges, size_t count);

/* The next record, waited for and still the range's; NULL at the end or after an error. */
const rd_kafka_message_t *topic_range_head(struct topic_reader *reader, struct topic_range *range);

/* Takes the record that topic_range_head() showed: now the caller's, to be destroyed. */
rd_kafka_message_t *topic_range_take(struct topic_range *range);

/*
 * Which range's head comes next, by timestamp, the first among equals; `count` where all have
 * ended. Those that have ended rest (watermark.h). A head that `skewed` (may be NULL) says to be
 * dated too far ahead comes at once: it may not block those behind it.
 */
typedef bool range_skewed(void *context, size_t input, const rd_kafka_message_t *message,
                          int64_t timestamp_ms);
size_t topic_ranges_lowest(struct topic_reader *reader, struct topic_range *ranges, size_t count,
                           struct watermark *watermark, range_skewed *skewed, void *context,
                           int64_t *timestamp_ms);

#endif
