/*
 * state_record.h: the records of the state topic (DESIGN 5), versioned, with a checksum.
 *
 * Key: kind ('m' message, 'c' control), channel name, NUL, message id. States are kept by status
 * name, so that a table may change under them.
 */
#ifndef UPSHOT_SCHEMAS_STATE_RECORD_H
#define UPSHOT_SCHEMAS_STATE_RECORD_H

#include "schemas/buffer.h"
#include "schemas/reason.h"
#include "statemachine/step.h"
#include "statemachine/watermark.h"

enum {
    STATE_RECORD_VERSION = 1,
    /* Version 1 knew neither lineage nor live, 2 no places in the inputs; both are read, too. */
    CONTROL_VERSION = 3,
};

/* The one control record of a task. */
struct control {
    uint64_t transaction; /* number of the transaction that wrote it */
    int64_t watermark_ms;
    size_t input_count;
    struct control_input {
        char topic[256];
        int64_t greatest_ms; /* TIME_NONE: it has said nothing yet */
        int64_t next;        /* offset, as the transaction committed it; -1: not known */
    } inputs[INPUTS_MAX];
    uint64_t arrivals[ARRIVAL_COUNT];
    uint64_t dead_letters[REASON_COUNT];
    size_t table_count;
    struct {
        char channel[CHANNEL_NAME_MAX + 1];
        uint64_t digest;
    } tables[CHANNELS_MAX];
    /*
     * Drawn by chance when the state of this task began, and carried on ever since: which log this
     * is, whatever its topic is called. 0: of version 1.
     */
    uint64_t lineage;
    uint64_t live; /* messages that the state holds once this transaction has landed */
};

enum state_kind { STATE_MESSAGE, STATE_CONTROL, STATE_BAD_KEY };

/* Reads a key; channel and id borrow from it. */
enum state_kind state_key_decode(const uint8_t *key, size_t size, struct text *channel,
                                 struct text *id);

/* The same as a question that is answered sooner: is it a message of this channel? */
bool state_key_is_of(const uint8_t *key, size_t size, const struct table *table, struct text *id);
void state_key_message(struct buffer *out, const struct table *table, struct text id);
void state_key_control(struct buffer *out);

void state_record_encode(struct buffer *out, const struct table *table,
                         const struct record *record);
void control_encode(struct buffer *out, const struct control *control);

enum state_fault {
    STATE_GOOD,
    STATE_CORRUPT,    /* checksum or shape */
    STATE_TOO_NEW,    /* a version that this program does not know */
    STATE_NAMES_GONE, /* a status that the table lost, and ghosts were not allowed */
};

/*
 * Decodes a value; texts borrow from it. Status names that the table lacks become ghosts where
 * allowed, else STATE_NAMES_GONE. The state and conflict are computed anew from the names.
 */
enum state_fault state_record_decode(const uint8_t *value, size_t size, struct table *table,
                                     bool allow_ghosts, struct record *record);
enum state_fault control_decode(const uint8_t *value, size_t size, struct control *control);

/* What it says of an input; NULL: nothing. */
const struct control_input *control_find_input(const struct control *control, const char *topic);

/* Time goes on from where the record has it: the watermark of a task with these inputs. */
void control_tell_time(const struct control *control, char *const *topics,
                       struct watermark *watermark);

#endif
