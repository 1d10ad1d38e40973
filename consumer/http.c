/* http.c: a path to its answer; libmicrohttpd does the protocol. */
#include "consumer/http.h"

#include "consumer/address.h"
#include "consumer/channel_view.h"
#include "consumer/clock.h"
#include "consumer/drawing.h"
#include "consumer/history.h"
#include "consumer/log.h"
#include "consumer/metrics.h"
#include "consumer/overview_view.h"
#include "consumer/page.h"
#include "consumer/partitioning.h"
#include "consumer/view.h"
#include "schemas/channel_file.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS = 64,
    IDLE_S = 30,
    REQUEST_BYTES = 16384, /* headers and buffers of one connection */
    ASK_MS = 1000,         /* for one worker's answer about a message */
    SILENT_MS = 15000,     /* nobody has watched over the workers for so long: something is wrong */
};

struct http {
    const struct stage *stage;
    struct worker *workers;
    struct board *boards; /* one for each */
    bool *posted;         /* for each: it was asked */
    size_t count;
    struct tables tables; /* its own: the workers' may grow names */
    pthread_t drawer;
    atomic_bool drawn, stopping;          /* the drawings are all there; the drawer has to end */
    struct buffer drawings[CHANNELS_MAX]; /* svg; empty: none */
    struct MHD_Daemon *daemon;
    char address[80];        /* as one can open it */
    atomic_llong watched_ms; /* monotonic: the last tick; 0: none yet */
    pthread_mutex_t lock;    /* of the history */
    struct history history;
    /* Of the answering thread alone. */
    struct overview overview;
    struct kafka_statistics statistics;
};

struct reply {
    unsigned status;
    const char *type;
    struct buffer body;
};

static const char html_type[] = "text/html; charset=utf-8";
static const char json_type[] = "application/json; charset=utf-8";

static void answer_error(struct reply *reply, unsigned status, const char *error,
                         const char *message)
{
    cJSON *object = cJSON_CreateObject();

    cJSON_AddStringToObject(object, "error", error);
    cJSON_AddStringToObject(object, "message", message);
    buffer_clear(&reply->body);
    view_print(&reply->body, object);
    reply->status = status;
    reply->type = json_type;
}

/* ---- the paths ---------------------------------------------------------------------------- */

static void take_overview(struct http *http)
{
    overview_take(&http->overview, http->stage, http->workers, http->count);
}

static void answer_metrics(struct http *http, const char *rest, struct reply *reply)
{
    (void)rest;
    take_overview(http);
    kafka_statistics_take(&http->statistics);
    metrics_print(&reply->body, http->stage, &http->tables, &http->overview, &http->statistics);
    reply->type = METRICS_TYPE;
}

static void answer_page(struct http *http, const char *rest, struct reply *reply)
{
    (void)http;
    (void)rest;
    buffer_put(&reply->body, page, page_size);
    reply->type = html_type;
}

/* Alive: not more than that. Who restarts what waits for a broker makes nothing better. */
static void answer_health(struct http *http, const char *rest, struct reply *reply)
{
    int64_t watched_ms = atomic_load(&http->watched_ms);

    (void)rest;
    if (watched_ms != 0 && clock_monotonic_ms() - watched_ms > SILENT_MS)
        answer_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "stuck",
                     "the thread that watches over the workers has not come by for 15 s");
    else
        buffer_put_string(&reply->body, "{\"status\":\"ok\"}");
}

static void answer_readiness(struct http *http, const char *rest, struct reply *reply)
{
    (void)rest;
    take_overview(http);
    readiness_view(&reply->body, &http->overview);
    if (!http->overview.ready)
        reply->status = MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void answer_overview(struct http *http, const char *rest, struct reply *reply)
{
    (void)rest;
    take_overview(http);
    pthread_mutex_lock(&http->lock);
    overview_view(&reply->body, http->stage, &http->tables, &http->overview, &http->history);
    pthread_mutex_unlock(&http->lock);
}

/* ---- channels ---------------------------------------------------------------------------- */

/* The drawing that is built in, where it is of this very table. */
static bool take_builtin_drawing(struct buffer *out, const struct table *table)
{
    for (size_t i = 0; i < builtin_drawing_count; i++)
        if (strcmp(builtin_drawings[i].channel, table->channel) == 0 &&
            builtin_drawings[i].digest == table->digest) {
            buffer_put(out, builtin_drawings[i].svg, builtin_drawings[i].size);
            return true;
        }
    return false;
}

/*
 * A thread of its own, at start: of tables that are not the ones built in, dot makes the drawings,
 * where this machine has it.
 */
static void *draw_all(void *argument)
{
    struct http *http = argument;
    bool has_dot = true;

    for (size_t i = 0; i < http->tables.count; i++) {
        const struct table *table = http->tables.rows[i];
        if (!take_builtin_drawing(&http->drawings[i], table) && has_dot)
            has_dot =
                drawing_svg(&http->drawings[i], table, false, &http->stopping) != DRAWING_NO_DOT;
    }
    atomic_store(&http->drawn, true);
    return NULL;
}

/* NULL where there is none, or none yet. */
static const struct buffer *drawing_of(const struct http *http, size_t channel)
{
    bool there = atomic_load(&http->drawn) && http->drawings[channel].size > 0;

    return there ? &http->drawings[channel] : NULL;
}

static void answer_channels(struct http *http, const char *rest, struct reply *reply)
{
    bool drawn[CHANNELS_MAX];

    (void)rest;
    for (size_t i = 0; i < CHANNELS_MAX; i++)
        drawn[i] = drawing_of(http, i) != NULL;
    channels_view(&reply->body, &http->tables, drawn);
}

static const struct table *find_channel(const struct http *http, const char *name, size_t size,
                                        struct reply *reply)
{
    const struct table *table = tables_find(&http->tables, (const uint8_t *)name, size);

    if (table == NULL)
        answer_error(reply, MHD_HTTP_NOT_FOUND, "unknown_channel",
                     "there is no such channel; /v1/channels lists them");
    return table;
}

static void answer_drawing(const struct http *http, const struct table *table, struct reply *reply)
{
    const struct buffer *drawing = drawing_of(http, table->index);

    if (drawing == NULL) {
        answer_error(reply, MHD_HTTP_NOT_FOUND, "no_drawing",
                     "this table is not drawn: there is no graphviz, or it is at it still");
        return;
    }
    buffer_put(&reply->body, drawing->bytes, drawing->size);
    reply->type = "image/svg+xml";
}

/* A channel's table, or its drawing: CHANNEL/drawing.svg. */
static void answer_channel(struct http *http, const char *rest, struct reply *reply)
{
    const char *slash = strchr(rest, '/');
    size_t size = slash == NULL ? strlen(rest) : (size_t)(slash - rest);
    const struct table *table = find_channel(http, rest, size, reply);

    if (table == NULL)
        return;
    if (slash == NULL)
        channel_view(&reply->body, table);
    else if (strcmp(slash, "/drawing.svg") == 0)
        answer_drawing(http, table, reply);
    else
        answer_error(reply, MHD_HTTP_NOT_FOUND, "no_such_path",
                     "of a channel there are /v1/channels/CHANNEL and its /drawing.svg");
}

/* ---- a message ---------------------------------------------------------------------------- */

static const struct overview_task *task_of(const struct overview *overview, int32_t partition)
{
    for (size_t i = 0; i < overview->task_count; i++)
        if (overview->tasks[i].task.partition == partition)
            return &overview->tasks[i];
    return NULL;
}

/* Where a key like this belongs. */
struct home {
    int32_t partition;                /* -1: not known yet */
    bool assumed;                     /* by Java's hash, for no other was asked for or seen */
    const struct overview_task *task; /* that has it here; NULL: none */
};

/* By the partitioner that was asked for, or that the records have shown. */
static struct home home_of(const struct http *http, const struct board_question *question)
{
    enum partitioner partitioner = (enum partitioner)http->stage->config->partitioner;
    struct home home = {.partition = -1};

    if (atomic_load(&http->watched_ms) == 0)
        return home; /* the stage is still looking at its topics */
    if (partitioner == PARTITIONER_AUTO)
        partitioner = (enum partitioner)atomic_load(&http->stage->partitioner_seen);
    home.assumed = partitioner == PARTITIONER_AUTO;
    home.partition = partition_of(home.assumed ? PARTITIONER_MURMUR2 : partitioner, question->id,
                                  question->id_size, http->stage->facts.partitions);
    home.task = task_of(&http->overview, home.partition);
    return home;
}

static void tell_home(char *message, size_t room, const struct home *home)
{
    const char *by = home->assumed ? " (by murmur2, which is assumed)" : "";

    if (home->partition < 0)
        snprintf(message, room, "this process is still waiting for its topics");
    else if (home->task == NULL)
        snprintf(message, room,
                 "a key like this belongs to partition %d%s, which this process does not hold: "
                 "ask the one that does",
                 home->partition, by);
    else if (!home->task->task.running)
        snprintf(message, room, "partition %d%s is being restored: ask again later",
                 home->partition, by);
    else
        snprintf(message, room,
                 "partition %d%s, held by worker %d, knows no such message: nothing was seen of "
                 "it yet, or its retention has ended",
                 home->partition, by, home->task->worker);
}

static void answer_absent(struct http *http, const struct board_question *question,
                          struct reply *reply)
{
    struct home home = home_of(http, question);
    bool restoring = home.task != NULL && !home.task->task.running;
    cJSON *object = cJSON_CreateObject();
    char message[256];

    tell_home(message, sizeof(message), &home);
    cJSON_AddStringToObject(object, "error",
                            home.task == NULL ? "not_owned"
                            : restoring       ? "restoring"
                                              : "not_found");
    if (home.partition < 0)
        cJSON_AddNullToObject(object, "partition");
    else
        view_number(object, "partition", home.partition);
    cJSON_AddBoolToObject(object, "assumed", home.assumed);
    cJSON_AddBoolToObject(object, "owned", home.task != NULL);
    if (home.task != NULL)
        view_number(object, "worker", home.task->worker);
    cJSON_AddStringToObject(object, "message", message);
    view_print(&reply->body, object);
    reply->status = restoring ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_NOT_FOUND;
}

/*
 * Every worker is asked, not only the one that a partitioner names: keys may be spread by another.
 */
static void answer_message(struct http *http, const char *rest, struct reply *reply)
{
    const char *slash = strchr(rest, '/');
    struct board_question question = {0};
    struct timespec until = board_deadline(ASK_MS);
    bool all_answered = true;

    if (slash == NULL || slash[1] == 0 || strlen(slash + 1) > MESSAGE_ID_MAX) {
        answer_error(reply, MHD_HTTP_NOT_FOUND, "no_id",
                     "/v1/messages/CHANNEL/ID, with an id of 1 to 128 bytes");
        return;
    }
    if (find_channel(http, rest, (size_t)(slash - rest), reply) == NULL)
        return;
    memcpy(question.channel, rest, (size_t)(slash - rest));
    question.id_size = strlen(slash + 1);
    memcpy(question.id, slash + 1, question.id_size);
    for (size_t i = 0; i < http->count; i++)
        http->posted[i] = board_post(http->workers[i].board, &question);
    for (size_t i = 0; i < http->count; i++) {
        struct buffer one = {0};
        if (!http->posted[i] || !board_await(http->workers[i].board, &until, &one))
            all_answered = false;
        else if (reply->body.size == 0)
            buffer_put(&reply->body, one.bytes, one.size);
        buffer_release(&one);
    }
    if (reply->body.size > 0)
        return;
    if (!all_answered) {
        answer_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "no_answer",
                     "a worker is busy and does not answer: ask again");
        return;
    }
    take_overview(http);
    answer_absent(http, &question, reply);
}

/* ---- the protocol ------------------------------------------------------------------------- */

static const struct route {
    const char *path; /* with a slash at its end: and all below it */
    void (*reply)(struct http *http, const char *rest, struct reply *reply);
} routes[] = {
    {"/", answer_page},
    {"/metrics", answer_metrics},
    {"/healthz", answer_health},
    {"/readyz", answer_readiness},
    {"/v1/overview", answer_overview},
    {"/v1/channels", answer_channels},
    {"/v1/channels/", answer_channel},
    {"/v1/messages/", answer_message},
};

static const struct route *find_route(const char *url, const char **rest)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        size_t size = strlen(routes[i].path);
        bool below = routes[i].path[size - 1] == '/' && size > 1;
        if (below ? strncmp(url, routes[i].path, size) == 0 : strcmp(url, routes[i].path) == 0) {
            *rest = url + size;
            return &routes[i];
        }
    }
    return NULL;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct reply *reply)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.size, reply->body.bytes, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    buffer_release(&reply->body);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->type == html_type) /* it takes nothing from anywhere else, and nobody frames it */
        MHD_add_response_header(response, "Content-Security-Policy",
                                "default-src 'self'; script-src 'unsafe-inline'; style-src "
                                "'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; "
                                "base-uri 'none'; form-action 'none'");
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **own)
{
    static char seen; /* its headers are read; what remains is to answer */
    struct reply reply = {.status = MHD_HTTP_OK, .type = json_type};
    const struct route *route;
    const char *rest = "";

    (void)version;
    (void)upload;
    if (*own == NULL) {
        *own = &seen;
        return MHD_YES;
    }
    if (*upload_size > 0) { /* read and thrown away */
        *upload_size = 0;
        return MHD_YES;
    }
    route = find_route(url, &rest);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        answer_error(&reply, MHD_HTTP_METHOD_NOT_ALLOWED, "read_only",
                     "nothing can be changed here: GET and HEAD alone");
    else if (route == NULL)
        answer_error(&reply, MHD_HTTP_NOT_FOUND, "no_such_path",
                     "there are /, /metrics, /healthz, /readyz, /v1/overview, /v1/channels, "
                     "/v1/channels/CHANNEL, its /drawing.svg, and /v1/messages/CHANNEL/ID");
    else
        route->reply(context, rest, &reply);
    if (reply.body.failed)
        answer_error(&reply, MHD_HTTP_INTERNAL_SERVER_ERROR, "no_memory",
                     "there is no memory for an answer of this size");
    return send_answer(connection, &reply);
}

/* ---- listening ---------------------------------------------------------------------------- */

/* A socket that listens, or -1 with *error. */
static int listen_at(const struct addrinfo *place, int *error)
{
    int on = 1;
    int fd = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, place->ai_addr, place->ai_addrlen) == 0 && listen(fd, CONNECTIONS) == 0)
        return fd;
    *error = errno;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The first of the address' places that can be had; -1 with why in words. */
static int open_socket(const char *text, char *why, size_t room)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *places = NULL;
    struct address address;
    int error = 0, fd = -1, code;

    if (!address_parse(text, &address)) {
        snprintf(why, room, "not of the form HOST:PORT");
        return -1;
    }
    code = getaddrinfo(address.host[0] == 0 ? NULL : address.host, address.port, &hints, &places);
    if (code != 0) {
        snprintf(why, room, "%s", gai_strerror(code));
        return -1;
    }
    for (const struct addrinfo *at = places; at != NULL && fd < 0; at = at->ai_next)
        fd = listen_at(at, &error);
    freeaddrinfo(places);
    if (fd < 0)
        snprintf(why, room, "%s", strerror(error));
    return fd;
}

/* Host and port that were really got, as one can open them. */
static void tell_address(struct http *http, int fd)
{
    struct sockaddr_storage got;
    socklen_t size = sizeof(got);
    char host[64] = "?", port[8] = "?";

    if (getsockname(fd, (struct sockaddr *)&got, &size) == 0)
        getnameinfo((struct sockaddr *)&got, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(http->address, sizeof(http->address), got.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
             host, port);
    log_info("http_listening", "address=%s", http->address);
}

static bool start_daemon(struct http *http, int fd)
{
    http->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, http,
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES, MHD_OPTION_END);
    return http->daemon != NULL;
}

static void release(struct http **http)
{
    for (size_t i = 0; i < CHANNELS_MAX; i++)
        buffer_release(&(*http)->drawings[i]);
    history_release(&(*http)->history);
    overview_release(&(*http)->overview);
    kafka_statistics_release(&(*http)->statistics);
    tables_release(&(*http)->tables);
    pthread_mutex_destroy(&(*http)->lock);
    board_free(&(*http)->boards, (*http)->count);
    free((*http)->posted);
    free(*http);
    *http = NULL;
}

static struct http *make(const struct stage *stage, struct worker *workers, size_t count)
{
    struct http *http = memory_get_clean(sizeof(*http));
    struct buffer complaints = {0};

    http->stage = stage;
    http->workers = workers;
    http->count = count;
    http->boards = board_new(count);
    for (size_t i = 0; i < count; i++)
        workers[i].board = &http->boards[i];
    http->posted = memory_get_clean(count * sizeof(*http->posted));
    pthread_mutex_init(&http->lock, NULL);
    /* They were good a moment ago; where they no longer are, the workers will tell. */
    channel_files_load(config_channels(stage->config), &http->tables, &complaints);
    buffer_release(&complaints);
    history_init(&http->history, http->tables.count);
    return http;
}

bool http_start(struct http **http, const struct stage *stage, struct worker *workers, size_t count)
{
    const char *address = stage->config->http_listen;
    char why[256];
    int fd;

    *http = NULL;
    if (address[0] == 0)
        return true;
    fd = open_socket(address, why, sizeof(why));
    if (fd < 0 && strcmp(address, CONFIG_HTTP_LISTEN) == 0) {
        log_warn("http_off",
                 "address=%s error=\"%s\" hint=\"the stage runs without metrics and page; "
                 "http.listen gives it another address\"",
                 address, why);
        return true;
    }
    if (fd < 0) {
        log_error("http_refused",
                  "address=%s error=\"%s\" hint=\"http.listen: another address, or empty for "
                  "none\"",
                  address, why);
        return false;
    }
    *http = make(stage, workers, count);
    if (start_daemon(*http, fd)) {
        require(pthread_create(&(*http)->drawer, NULL, draw_all, *http) == 0);
        kafka_statistics_want();
        tell_address(*http, fd);
        return true;
    }
    log_error("http_refused", "address=%s error=\"%s\"", address, strerror(errno));
    close(fd);
    release(http);
    return false;
}

const char *http_address(const struct http *http)
{
    return http == NULL ? NULL : http->address;
}

void http_tick(struct http *http)
{
    struct tally tally;

    if (http == NULL)
        return;
    atomic_store(&http->watched_ms, clock_monotonic_ms());
    overview_tally(&tally, http->workers, http->count);
    pthread_mutex_lock(&http->lock);
    history_add(&http->history, &tally, stage_now_ms(http->stage));
    pthread_mutex_unlock(&http->lock);
}

void http_stop(struct http **http)
{
    if (*http == NULL)
        return;
    MHD_stop_daemon((*http)->daemon);
    atomic_store(&(*http)->stopping, true);
    pthread_join((*http)->drawer, NULL);
    release(http);
}
