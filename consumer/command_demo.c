/*
 * command_demo.c: upshot demo, the whole stage in half a minute.
 *
 * Four days of record time pass in it, so that deadlines, corrections and forgetting are seen. By
 * default on librdkafka's mock cluster, in this process: a taste, no claim about exactly-once
 * (DESIGN 5). With --bootstrap on a real Kafka.
 */
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/lives.h"
#include "consumer/log.h"
#include "consumer/options.h"
#include "consumer/stage.h"
#include "schemas/channel_file.h"
#include "statemachine/require.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PARTITIONS = 4,
    SECONDS = 30,
    DAYS = 4,
    LIVES_A_SECOND = 150,
    PAGE_WITHIN_MS = 5000,
    TAIL_S = 4, /* the load ends a little before the demo, so that its outcomes are seen */
};

struct arguments {
    const char *bootstrap;
    long seconds;
    bool forever;
};

struct demo {
    struct arguments arguments;
    struct config config;
    struct tables tables;
    uint64_t outcomes[CHANNELS_MAX][OUTCOME_COUNT];
    uint64_t corrections, total, dead_letters;
    char last[8][256];
    size_t last_count;
    bool terminal;
    int64_t started_ms;
    char page[80]; /* where; known, and empty: nowhere */
    atomic_bool page_known;
};

static atomic_bool stop_stage, stop_load;

static void on_signal(int signal)
{
    (void)signal;
    atomic_store(&stop_load, true);
}

static const struct argp_option options[] = {
    {"bootstrap", 'b', "BROKERS", 0, "a real Kafka, instead of the mock cluster in this process",
     0},
    {"seconds", 's', "N", 0, "how long it takes (30)", 0},
    {"forever", 'f', NULL, 0, "go on until Ctrl-C", 0},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'b':
        arguments->bootstrap = value;
        return 0;
    case 's':
        arguments->seconds = strtol(value, NULL, 10);
        if (arguments->seconds < 10 || arguments->seconds > 86400)
            argp_error(state, "--seconds: 10 to 86400");
        return 0;
    case 'f':
        arguments->forever = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is expected, but there is \"%s\"", value);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- load ------------------------------------------------------------------------------- */

/* Record time: four days pass while the demo runs, up to now; after that, as the clock does. */
static int64_t record_time_ms(const struct demo *demo)
{
    int64_t passed_ms = clock_monotonic_ms() - demo->started_ms;
    int64_t span_ms = (int64_t)DAYS * 86400000;
    int64_t within_ms = (demo->arguments.seconds - TAIL_S) * 1000;

    if (passed_ms >= within_ms)
        return clock_wall_ms();
    return clock_wall_ms() - span_ms +
           (int64_t)((double)passed_ms / (double)within_ms * (double)span_ms);
}

static void *load(void *argument)
{
    struct demo *demo = argument;
    double speed = (double)DAYS * 86400 / (double)(demo->arguments.seconds - TAIL_S);
    struct lives_options options_of_lives = {
        .seed = hash_seed(),
        .start_ms = record_time_ms(demo),
        .per_second = LIVES_A_SECOND / speed,
        .stretch_ms = 3600000,
        .bad_per_mille = 3,
    };
    struct lives *lives = lives_new(&options_of_lives);
    struct kafka_losses losses = {0};
    rd_kafka_t *producer = kafka_load(&demo->config, &losses);
    struct life_event event;

    while (producer != NULL && !atomic_load(&stop_load)) {
        int64_t now_ms = record_time_ms(demo);
        while (lives_next_ms(lives) <= now_ms && !atomic_load(&stop_load)) {
            lives_next(lives, &event);
            kafka_load_event(producer, &demo->config, &event);
        }
        rd_kafka_poll(producer, 20);
    }
    if (producer != NULL) {
        rd_kafka_flush(producer, 5000);
        rd_kafka_destroy(producer);
    }
    lives_free(&lives);
    return NULL;
}

/* ---- what comes out --------------------------------------------------------------------- */

static const char *string_of(const cJSON *json, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(json, name);

    return cJSON_IsString(found) ? found->valuestring : "-";
}

static void count_outcome(struct demo *demo, const rd_kafka_message_t *message)
{
    cJSON *json = cJSON_ParseWithLength(message->payload, message->len);
    const cJSON *revision = cJSON_GetObjectItemCaseSensitive(json, "revision");
    const char *channel = string_of(json, "channel");
    const struct table *table =
        tables_find(&demo->tables, (const uint8_t *)channel, strlen(channel));
    enum outcome outcome;

    if (table != NULL && outcome_find(string_of(json, "outcome"), &outcome)) {
        demo->outcomes[table->index][outcome]++;
        demo->total++;
        demo->corrections += cJSON_IsNumber(revision) && revision->valuedouble > 1;
        snprintf(demo->last[demo->last_count++ % 8], sizeof(demo->last[0]),
                 "%-8s %.13s...  %-10s %-18s rev %d  by %-8s %.19s", channel,
                 string_of(json, "message_id"), string_of(json, "outcome"),
                 string_of(json, "status"), revision == NULL ? 0 : revision->valueint,
                 string_of(json, "settled_by"), string_of(json, "settled_at"));
    }
    cJSON_Delete(json);
}

static void show_table(const struct demo *demo, FILE *out)
{
    fprintf(out, "%-10s", "");
    for (int j = 0; j < OUTCOME_COUNT; j++)
        fprintf(out, "%11s", outcome_words[j]);
    fprintf(out, "\n");
    for (size_t i = 0; i < demo->tables.count; i++) {
        fprintf(out, "%-10s", demo->tables.rows[i]->channel);
        for (int j = 0; j < OUTCOME_COUNT; j++)
            if (demo->outcomes[i][j] > 0)
                fprintf(out, "%11" PRIu64, demo->outcomes[i][j]);
            else
                fprintf(out, "%11s", ".");
        fprintf(out, "\n");
    }
    fprintf(out,
            "%" PRIu64 " outcomes, of which %" PRIu64 " corrections; %" PRIu64 " dead letters\n",
            demo->total, demo->corrections, demo->dead_letters);
}

static void show(const struct demo *demo)
{
    enum { LINES = 8 };
    static bool shown;

    if (!demo->terminal) {
        static size_t told;
        if (demo->last_count > told)
            printf("%s\n", demo->last[(demo->last_count - 1) % LINES]);
        told = demo->last_count;
        fflush(stdout);
        return;
    }
    if (shown)
        printf("\033[%zuA", demo->tables.count + 2 + LINES + 1);
    shown = true;
    for (size_t i = 0; i < LINES; i++)
        printf("\033[K%s\n", demo->last_count < LINES ? demo->last[i]
                                                      : demo->last[(demo->last_count + i) % LINES]);
    printf("\033[K\n");
    show_table(demo, stdout);
    fflush(stdout);
}

static rd_kafka_t *reader(const struct demo *demo)
{
    rd_kafka_t *client = kafka_restorer(&demo->config);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2 * PARTITIONS);

    for (int p = 0; client != NULL && p < PARTITIONS; p++) {
        rd_kafka_topic_partition_list_add(list, demo->config.outcomes_topic, p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_topic_partition_list_add(list, demo->config.dead_letters_topic, p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    }
    if (client != NULL)
        rd_kafka_assign(client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return client;
}

static void read_some(struct demo *demo, rd_kafka_t *client, int64_t until_ms)
{
    while (clock_monotonic_ms() < until_ms) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 50);
        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (strcmp(rd_kafka_topic_name(message->rkt), demo->config.outcomes_topic) == 0)
                count_outcome(demo, message);
            else
                demo->dead_letters++;
        }
        rd_kafka_message_destroy(message);
    }
}

static void on_listening(void *context, const char *address)
{
    struct demo *demo = context;

    snprintf(demo->page, sizeof(demo->page), "%s", address == NULL ? "" : address);
    atomic_store(&demo->page_known, true);
}

static void *run_stage(void *argument)
{
    struct demo *demo = argument;
    struct stage_options stage_options = {
        .no_wait = true, .trust_settings = true, .on_listening = on_listening, .context = demo};

    return (void *)(intptr_t)stage_run(&demo->config, &stage_options, &stop_stage);
}

/* The stage listens first of all; where it cannot begin, there is more to say than this. */
static void tell_page(const struct demo *demo)
{
    int64_t until_ms = clock_monotonic_ms() + PAGE_WITHIN_MS;

    while (!atomic_load(&demo->page_known) && clock_monotonic_ms() < until_ms)
        clock_sleep_ms(5);
    if (demo->page[0] != 0)
        printf("Watch it at http://%s/\n\n", demo->page);
    else
        printf("No page: " CONFIG_HTTP_LISTEN " is in use, by another stage?\n\n");
    fflush(stdout);
}

static int play(struct demo *demo)
{
    int64_t end_ms = demo->started_ms + demo->arguments.seconds * 1000;
    pthread_t stage, loader;
    rd_kafka_t *client;
    void *code;

    require(pthread_create(&loader, NULL, load, demo) == 0);
    require(pthread_create(&stage, NULL, run_stage, demo) == 0);
    tell_page(demo);
    client = reader(demo);
    while (client != NULL && !atomic_load(&stop_load)) {
        int64_t now_ms = clock_monotonic_ms();
        if (!demo->arguments.forever && now_ms >= end_ms)
            break;
        read_some(demo, client, now_ms + (demo->terminal ? 200 : 1000));
        show(demo);
    }
    atomic_store(&stop_load, true);
    pthread_join(loader, NULL);
    if (client != NULL)
        read_some(demo, client, clock_monotonic_ms() + 1000);
    atomic_store(&stop_stage, true);
    pthread_join(stage, &code);
    if (client != NULL)
        rd_kafka_destroy(client);
    printf("\n");
    show_table(demo, stdout);
    if (demo->total == 0) {
        fprintf(stderr, "upshot demo: no outcome arrived; the log above says why\n");
        return EXIT_WORLD;
    }
    return (int)(intptr_t)code;
}

/* ---- where it plays --------------------------------------------------------------------- */

static void set(struct config *config, const char *name, const char *value)
{
    struct buffer complaint = {0};

    require(config_set(config, name, value, &complaint));
    buffer_release(&complaint);
}

/* The mock cluster lives in a client of its own. */
static rd_kafka_t *start_mock(struct config *config)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_mock_cluster_t *cluster;
    rd_kafka_t *host;

    rd_kafka_conf_set(conf, "client.id", "mock", why, sizeof(why));
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why));
    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    require(host != NULL);
    cluster = rd_kafka_mock_cluster_new(host, 1);
    require(cluster != NULL);
    for (size_t i = 0; i < config->input_topics.count; i++)
        rd_kafka_mock_topic_create(cluster, config->input_topics.items[i], PARTITIONS, 1);
    rd_kafka_mock_topic_create(cluster, config->outcomes_topic, PARTITIONS, 1);
    rd_kafka_mock_topic_create(cluster, config->dead_letters_topic, PARTITIONS, 1);
    rd_kafka_mock_topic_create(cluster, "upshot.state", PARTITIONS, 1);
    set(config, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster));
    return host; /* rd_kafka_destroy() of it ends the cluster, too: never, the process ends */
}

/* Fresh topics on a real Kafka, so that one demo does not read another's. */
static int create_topics(struct config *config)
{
    char suffix[24], name[128], why[256];
    rd_kafka_t *client;
    rd_kafka_NewTopic_t *topics[2];
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    int code = EXIT_WELL;

    snprintf(suffix, sizeof(suffix), "demo-%08x", (unsigned)hash_seed());
    set(config, "app.id", suffix);
    snprintf(name, sizeof(name), "%s.sends,%s.receipts", suffix, suffix);
    set(config, "input.topics", name);
    snprintf(name, sizeof(name), "%s.outcomes", suffix);
    set(config, "outcomes.topic", name);
    snprintf(name, sizeof(name), "%s.dead_letters", suffix);
    set(config, "dead_letters.topic", name);
    client = kafka_client(config);
    if (client == NULL)
        return EXIT_USAGE;
    for (size_t i = 0; i < 2; i++)
        topics[i] =
            rd_kafka_NewTopic_new(config->input_topics.items[i], PARTITIONS, -1, why, sizeof(why));
    queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, topics, 2, NULL, queue);
    event = rd_kafka_queue_poll(queue, 15000);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "upshot demo: cannot create topics at %s: %s\n", kafka_brokers(config),
                event == NULL ? "no answer" : rd_kafka_event_error_string(event));
        code = EXIT_WORLD;
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy_array(topics, 2);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return code;
}

const struct argp argp_of_demo = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .doc = "Generates believable lives, runs the stage on them and shows the outcomes as they "
           "arrive. Four days of record time pass in half a minute.\v"
           "Examples:\n"
           "  upshot demo\n"
           "  upshot demo --forever\n"
           "  upshot demo --bootstrap localhost:9092 --seconds 60",
};

int command_demo(int argc, char **argv)
{
    struct demo demo = {.arguments = {.seconds = SECONDS}};
    struct sigaction action = {.sa_handler = on_signal};
    struct buffer complaints = {0};
    int code = EXIT_WELL;

    config_init(&demo.config);
    argp_parse(&argp_of_demo, argc, argv, 0, NULL, &demo.arguments);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    require(channel_files_load(NULL, &demo.tables, &complaints));
    log_set_level(getenv("UPSHOT_DEMO_LOG") != NULL ? LOG_DEBUG_LEVEL : LOG_ERROR_LEVEL);
    demo.terminal = isatty(STDOUT_FILENO);
    set(&demo.config, "instance.id", "demo");
    set(&demo.config, "idle.after", "2s");
    if (demo.arguments.bootstrap != NULL) {
        set(&demo.config, "bootstrap.servers", demo.arguments.bootstrap);
        code = create_topics(&demo.config);
    } else {
        start_mock(&demo.config);
    }
    demo.started_ms = clock_monotonic_ms();
    printf("upshot demo on %s: %s\n\n", kafka_brokers(&demo.config),
           demo.arguments.bootstrap != NULL ? "a real Kafka"
                                            : "librdkafka's mock cluster, in this process");
    if (code == EXIT_WELL)
        code = play(&demo);
    fflush(stdout);
    tables_release(&demo.tables);
    config_release(&demo.config);
    buffer_release(&complaints);
    if (demo.arguments.bootstrap == NULL)
        _exit(code); /* the mock cluster's threads are not worth waiting for */
    return code;
}
