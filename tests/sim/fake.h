/*
 * fake.h: librdkafka's inside, as far as the stage can tell the difference.
 *
 *   fake_values.c    configurations, errors, lists, headers, messages, queues: no network
 *   fake_wire.c      requests under way: lost, late, answered or not
 *   fake_producer.c  the idempotent sender and the transaction calls
 *   fake_consumer.c  fetcher, group member, offsets, watermarks
 *
 * Behaves as 2.0.2 does. What a real client does in a background thread is done by events of the
 * process here, so it stops when the process sleeps, and never comes back when that dies.
 */
#ifndef UPSHOT_TESTS_SIM_FAKE_H
#define UPSHOT_TESTS_SIM_FAKE_H

#include "tests/sim/broker.h"
#include "tests/sim/world.h"

#include <librdkafka/rdkafka.h>

/* ---- values ---- */

struct rd_kafka_conf_s {
    struct {
        char name[64];
        char value[300];
    } rows[64];
    int count;
    void *opaque;
    void (*rebalance)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *,
                      void *);
    void (*delivered)(rd_kafka_t *, const rd_kafka_message_t *, void *);
    void (*errored)(rd_kafka_t *, int, const char *, void *);
};

const char *conf_get(const rd_kafka_conf_t *conf, const char *name, const char *otherwise);

struct rd_kafka_error_s {
    rd_kafka_resp_err_t code;
    bool fatal, retriable, abort;
    char text[256];
    struct process *process;
};

rd_kafka_error_t *error_plain(rd_kafka_resp_err_t code, const char *text);
rd_kafka_error_t *error_retriable(rd_kafka_resp_err_t code, const char *text);
rd_kafka_error_t *error_abort(rd_kafka_resp_err_t code, const char *text);
rd_kafka_error_t *error_fatal(rd_kafka_resp_err_t code, const char *text);

struct rd_kafka_headers_s {
    struct tag *tags;
    size_t count;
    struct process *process;
};

struct rd_kafka_topic_s {
    char name[256];
    int uses;
    struct client *client;
    struct process *process;
};

struct message {
    rd_kafka_message_t said; /* first: what the application sees */
    struct message *next;
    int64_t timestamp_ms;
    rd_kafka_headers_t *headers;
    bool borrows; /* its payload is the application's: no copy was asked for */
    char text[128];
    struct process *process;
    uint32_t incarnation;
    /* of a producer's */
    struct log *log;
    int64_t deadline_us;
};

struct client; /* one rd_kafka_t */

struct message *message_new(struct client *client, const char *topic, int32_t partition);

/* A list of messages, first in, first out. */
struct list {
    struct message *first, *last;
    size_t count;
};

void list_put(struct list *list, struct message *message);
struct message *list_take(struct list *list);
void list_clear(struct list *list);

struct rd_kafka_queue_s {
    struct client *client;
    struct list messages;
    struct rd_kafka_queue_s *forward; /* NULL: keeps what it gets */
    bool signals;                     /* a pipe is told when it gets something */
    struct fiber *waiting;
};

void queue_put(rd_kafka_queue_t *queue, struct message *message);

/* ---- a client ---- */

/* A request under way. Its sender fills what it needs, the server fills the answer. */
struct request {
    struct client *client;
    struct process *process;
    uint32_t incarnation;
    const char *what;
    int node;
    void (*serve)(struct request *request);  /* at the broker */
    void (*answer)(struct request *request); /* at the client; error _TRANSPORT: nobody knows */
    bool answered_later;                     /* serve() has kept it */
    bool given_up;                           /* the client knows of no answer any more */
    bool arrived;
    struct request *next_late;
    rd_kafka_resp_err_t error, told;
    void *context;
    int64_t number;
    /* arguments and results */
    int64_t producer;
    int16_t epoch;
    int64_t timeout_us;
    bool commit, stable;
    struct log *log;
    struct log *logs[16];
    size_t log_count;
    struct batch batch;
    struct membership who;
    struct spot *places;
    size_t place_count;
    struct joining *joining;
    int64_t offset, end, eof_told;
    uint64_t version;
    struct entry *entries;
    size_t entry_count;
};

enum wire_fate { WIRE_WELL, WIRE_LOST, WIRE_ANSWER_LOST, WIRE_LATE };

struct request *request_new(struct client *client, const char *what, int node,
                            void (*serve)(struct request *), void (*answer)(struct request *));
void request_send(struct request *request);
/* Sends and waits; false: no answer until then, and it is not waited for any more. */
bool request_ask(struct request *request, int64_t until_us);
/* An answer that was kept. */
void request_answer(struct request *request);

enum txn_call {
    CALL_INIT,
    CALL_WAIT_PID,
    CALL_READY_NOT_ACKED,
    CALL_READY,
    CALL_IN_TXN,
    CALL_BEGIN_COMMIT,
    CALL_COMMITTING,
    CALL_COMMIT_NOT_ACKED,
    CALL_ABORTING,
    CALL_ABORT_NOT_ACKED,
    CALL_ABORTABLE,
    CALL_FATAL,
};

/* One partition that a producer writes to. */
struct lane_out {
    struct log *log;
    struct list waiting; /* not sent, or sent and not answered: the first `sent` of them */
    struct list left;    /* of an aborted transaction; see leave_behind() */
    size_t sent;
    int32_t sequence; /* of the next new batch */
    int32_t sent_sequence;
    bool registered, under_way;
};

/* One partition that a consumer reads, or has read. */
struct lane_in {
    char topic[64];
    int32_t partition;
    struct log *log;
    bool assigned, fetching;
    int64_t position, eof_told;
    uint64_t version; /* of the assignment: older answers are void */
    rd_kafka_queue_t queue;
};

enum join_state {
    JOIN_NONE,
    JOIN_UNDER_WAY,
    JOIN_WAIT_ASSIGN,   /* the application is to call assign() */
    JOIN_STEADY,
    JOIN_WAIT_UNASSIGN, /* the application is to call assign(NULL) */
};

struct rd_kafka_consumer_group_metadata_s {
    struct membership who;
    struct process *process;
};

enum { LANES_MAX = 32 };

struct client {
    uint64_t id;
    rd_kafka_type_t type;
    struct rd_kafka_conf_s conf;
    struct process *process;
    uint32_t incarnation;
    char name[64];
    bool destroyed;
    int64_t last_served[NODES], last_answered[NODES];
    struct request *late[NODES]; /* on their way, long after their connection broke */
    bool broken; /* a connection was, and the error callback does not know yet */
    bool committed_only;
    struct fiber *caller; /* waits in a call for something to change */

    /* producer */
    char transactional_id[256];
    enum txn_call call;
    int64_t producer;
    int16_t epoch;
    struct lane_out out[LANES_MAX];
    size_t out_count;
    struct list delivered; /* with their error, for the callback */
    size_t failed;         /* of this transaction */
    bool registering, requested, needs_bump, init_under_way, kick_due, unreachable;
    uint64_t round; /* of transactions: answers to an older one are void */
    rd_kafka_resp_err_t txn_error;
    char txn_text[200];

    /* consumer */
    rd_kafka_queue_t main;
    struct lane_in *in[LANES_MAX];
    size_t in_count;
    uint64_t versions;
    char topics[4][64];
    size_t topic_count;
    enum join_state join;
    struct membership who;
    struct assignment assignment;
    bool callback_due, callback_revokes, lost, fatal, fatal_told, heartbeat_under_way;
    int64_t session_us, heard_us;
};

struct client *client_of(rd_kafka_t *handle);
rd_kafka_t *handle_of(struct client *client);

/* Wakes the fiber that waits in one of the client's calls. */
void client_changed(struct client *client);
/* Writes a byte into its worker's pipe. */
void client_signal(struct client *client);

void producer_start(struct client *client);
void producer_stop(struct client *client);
void consumer_start(struct client *client);
void consumer_stop(struct client *client);

/* checks.c: a worker is about to poll its consumer, all calls of its loop having returned. */
void check_at_rest(struct client *consumer);

#endif
