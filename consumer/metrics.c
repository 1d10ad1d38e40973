/* metrics.c: numbers to lines, a family at a time. */
#include "consumer/metrics.h"

#include "consumer/memory_limit.h"
#include "consumer/summary.h"
#include "statemachine/require.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

enum metric {
#define METRIC(symbol, name, type, help, labels) METRIC_##symbol,
#include "consumer/metrics.def"
#undef METRIC
    METRIC_COUNT
};

static const struct {
    const char *name;
    enum metric_type type;
    const char *help;
} metrics[METRIC_COUNT] = {
#define METRIC(symbol, name, type, help, labels) [METRIC_##symbol] = {name, type, help},
#include "consumer/metrics.def"
#undef METRIC
};

/* What is printed, and into what. */
struct print {
    struct buffer *out;
    const struct stage *stage;
    const struct tables *tables;
    const struct overview *overview;
};

/* ---- the format --------------------------------------------------------------------------- */

static void family(struct print *print, enum metric metric)
{
    static const char *const words[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};

    buffer_put_string(print->out, "# HELP ");
    buffer_put_string(print->out, metrics[metric].name);
    buffer_put_byte(print->out, ' ');
    buffer_put_string(print->out, metrics[metric].help);
    buffer_put_string(print->out, "\n# TYPE ");
    buffer_put_string(print->out, metrics[metric].name);
    buffer_put_byte(print->out, ' ');
    buffer_put_string(print->out, words[metrics[metric].type]);
    buffer_put_byte(print->out, '\n');
}

static void label_value(struct buffer *out, const char *value)
{
    for (; *value != 0; value++) {
        if (*value == '\\' || *value == '"')
            buffer_put_byte(out, '\\');
        if (*value == '\n')
            buffer_put_string(out, "\\n");
        else
            buffer_put_byte(out, (uint8_t)*value);
    }
}

/* Pairs of name and value, then NULL. */
#define LABELS(...)       \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
#define NO_LABELS         \
    (const char *const[]) \
    {                     \
        NULL              \
    }

static void part(struct print *print, enum metric metric, const char *suffix,
                 const char *const *labels, double value)
{
    char digits[32];

    buffer_put_string(print->out, metrics[metric].name);
    buffer_put_string(print->out, suffix);
    for (const char *const *pair = labels; *pair != NULL; pair += 2) {
        buffer_put_string(print->out, pair == labels ? "{" : ",");
        buffer_put_string(print->out, pair[0]);
        buffer_put_string(print->out, "=\"");
        label_value(print->out, pair[1]);
        buffer_put_byte(print->out, '"');
    }
    snprintf(digits, sizeof(digits), "%s %.15g\n", *labels == NULL ? "" : "}", value);
    buffer_put_string(print->out, digits);
}

static void sample(struct print *print, enum metric metric, const char *const *labels, double value)
{
    part(print, metric, "", labels, value);
}

/* A family of one line. */
static void single(struct print *print, enum metric metric, double value)
{
    family(print, metric);
    sample(print, metric, NO_LABELS, value);
}

/* Buckets are cumulative in the format, and not in ours. One label at most. */
static void histogram(struct print *print, enum metric metric, const char *const *labels,
                      const double *bounds_s, const uint64_t *buckets, int count, uint64_t sum_ms)
{
    uint64_t so_far = 0;

    for (int i = 0; i <= count; i++) {
        char bound[32] = "+Inf";
        so_far += buckets[i];
        if (i < count)
            snprintf(bound, sizeof(bound), "%g", bounds_s[i]);
        part(print, metric, "_bucket",
             LABELS("le", bound, labels[0], labels[0] == NULL ? NULL : labels[1]), (double)so_far);
    }
    part(print, metric, "_sum", labels, (double)sum_ms / 1000);
    part(print, metric, "_count", labels, (double)so_far);
}

/* ---- channels ----------------------------------------------------------------------------- */

static void print_events(struct print *print)
{
    family(print, METRIC_EVENTS);
    for (size_t i = 0; i < print->tables->count; i++)
        for (int arrival = 0; arrival < ARRIVAL_COUNT; arrival++)
            sample(print, METRIC_EVENTS,
                   LABELS("channel", print->tables->rows[i]->channel, "arrival",
                          arrival_words[arrival]),
                   (double)print->overview->tally.channels[i].arrivals[arrival]);
}

static void print_outcomes(struct print *print)
{
    family(print, METRIC_OUTCOMES);
    for (size_t i = 0; i < print->tables->count; i++)
        for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
            for (int by = 0; by < SETTLED_BY_COUNT; by++)
                sample(print, METRIC_OUTCOMES,
                       LABELS("channel", print->tables->rows[i]->channel, "outcome",
                              outcome_words[outcome], "settled_by", settled_by_words[by]),
                       (double)print->overview->tally.channels[i].outcomes[outcome][by]);
}

static void print_sums(struct print *print)
{
    const struct channel_tally *channels = print->overview->tally.channels;

    family(print, METRIC_CORRECTIONS);
    for (size_t i = 0; i < print->tables->count; i++)
        sample(print, METRIC_CORRECTIONS, LABELS("channel", print->tables->rows[i]->channel),
               (double)channels[i].corrections);
    family(print, METRIC_FORGOTTEN);
    for (size_t i = 0; i < print->tables->count; i++)
        sample(print, METRIC_FORGOTTEN, LABELS("channel", print->tables->rows[i]->channel),
               (double)channels[i].forgotten);
}

static void print_dead_letters(struct print *print)
{
    family(print, METRIC_DEAD_LETTERS);
    for (int reason = 0; reason < REASON_COUNT; reason++)
        sample(print, METRIC_DEAD_LETTERS, LABELS("reason", reason_words[reason]),
               (double)print->overview->tally.dead_letters[reason]);
}

static void print_phases(struct print *print)
{
    family(print, METRIC_MESSAGES);
    for (size_t i = 0; i < print->tables->count; i++) {
        const struct table *table = print->tables->rows[i];
        uint64_t phases[PHASE_COUNT] = {0};
        for (size_t status = 0; status < table->count; status++)
            phases[table->statuses[status].phase] +=
                overview_messages(print->overview, i, status + 1);
        sample(print, METRIC_MESSAGES, LABELS("channel", table->channel, "phase", "none"),
               (double)overview_messages(print->overview, i, 0));
        for (int phase = 0; phase < PHASE_COUNT; phase++)
            sample(print, METRIC_MESSAGES,
                   LABELS("channel", table->channel, "phase", phase_words[phase]),
                   (double)phases[phase]);
    }
}

static void print_standing(struct print *print, enum metric metric, enum standing standing)
{
    family(print, metric);
    for (size_t i = 0; i < print->tables->count; i++)
        sample(print, metric, LABELS("channel", print->tables->rows[i]->channel),
               (double)overview_standing(print->overview, i, standing));
}

static void print_settle_latency(struct print *print)
{
    static const double bounds_s[SETTLE_BOUNDS] = SETTLE_BOUNDS_S;

    family(print, METRIC_SETTLE_LATENCY);
    for (size_t i = 0; i < print->tables->count; i++) {
        const struct channel_tally *tally = &print->overview->tally.channels[i];
        histogram(print, METRIC_SETTLE_LATENCY, LABELS("channel", print->tables->rows[i]->channel),
                  bounds_s, tally->settled_within, SETTLE_BOUNDS, tally->settle_ms);
    }
}

/* ---- tasks -------------------------------------------------------------------------------- */

/* A partition's number as a label's value. */
static const char *number(char text[16], int32_t value)
{
    snprintf(text, 16, "%d", value);
    return text;
}

static void print_tasks(struct print *print)
{
    const struct overview *overview = print->overview;
    const struct config_list *topics = &print->stage->config->input_topics;
    char text[16];

    family(print, METRIC_END_TO_END_LAG);
    for (size_t i = 0; i < overview->task_count; i++) {
        const struct board_task *task = &overview->tasks[i].task;
        int64_t age_ms = task->caught_up ? 0 : overview_watermark_age_ms(overview, task);
        if (age_ms >= 0)
            sample(print, METRIC_END_TO_END_LAG, LABELS("partition", number(text, task->partition)),
                   (double)age_ms / 1000);
    }
    family(print, METRIC_WATERMARK_AGE);
    for (size_t i = 0; i < overview->task_count; i++) {
        const struct board_task *task = &overview->tasks[i].task;
        int64_t age_ms = overview_watermark_age_ms(overview, task);
        if (age_ms >= 0)
            sample(print, METRIC_WATERMARK_AGE, LABELS("partition", number(text, task->partition)),
                   (double)age_ms / 1000);
    }
    family(print, METRIC_INPUT_LAG);
    for (size_t i = 0; i < overview->task_count; i++)
        for (size_t input = 0; input < overview->inputs_each; input++) {
            int64_t lag = overview_lag(&overview->tasks[i].task.inputs[input]);
            if (lag >= 0)
                sample(print, METRIC_INPUT_LAG,
                       LABELS("topic", topics->items[input], "partition",
                              number(text, overview->tasks[i].task.partition)),
                       (double)lag);
        }
    family(print, METRIC_TASK_RUNNING);
    for (size_t i = 0; i < overview->task_count; i++)
        sample(print, METRIC_TASK_RUNNING,
               LABELS("partition", number(text, overview->tasks[i].task.partition)),
               overview->tasks[i].task.running);
    single(print, METRIC_WAITED_OUT, (double)atomic_load(&print->stage->inputs_waited_out));
}

static void print_differences(struct print *print)
{
    single(print, METRIC_PARTITIONERS_DIFFER, atomic_load(&print->stage->partitioners_differ));
}

static void print_transactions(struct print *print)
{
    static const double bounds_s[BOARD_TOOK] = BOARD_TOOK_S;
    const struct overview *overview = print->overview;

    family(print, METRIC_TRANSACTION_DURATION);
    histogram(print, METRIC_TRANSACTION_DURATION, NO_LABELS, bounds_s, overview->took, BOARD_TOOK,
              overview->took_ms);
    family(print, METRIC_TRANSACTIONS);
    sample(print, METRIC_TRANSACTIONS, LABELS("verdict", "landed"), (double)overview->landed);
    sample(print, METRIC_TRANSACTIONS, LABELS("verdict", "undone"), (double)overview->undone);
    single(print, METRIC_RESOLVED, (double)overview->resolved);
}

static void print_restore(struct print *print)
{
    const struct restore_sum *restores = &print->overview->restores;

    single(print, METRIC_RESTORE_TASKS, (double)restores->tasks);
    single(print, METRIC_RESTORE_RECORDS, (double)restores->records);
    single(print, METRIC_RESTORE_BYTES, (double)restores->bytes);
    single(print, METRIC_RESTORE_PROGRESS, (double)restores->percent / 100);
    single(print, METRIC_RESTORE_ETA, (double)restores->eta_s);
}

/* ---- the process and its brokers ---------------------------------------------------------- */

static void print_memory(struct print *print)
{
    const struct store_size *size = &print->overview->size;
    const struct {
        const char *part;
        size_t bytes;
    } parts[] = {
        {"records", size->records_bytes}, {"index", size->index_bytes},
        {"timers", size->timers_bytes},   {"texts", size->texts_bytes},
        {"journal", size->journal_bytes}, {"outboxes", print->overview->outboxes_bytes},
    };

    family(print, METRIC_MEMORY);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        sample(print, METRIC_MEMORY, LABELS("part", parts[i].part), (double)parts[i].bytes);
    single(print, METRIC_MEMORY_LIMIT, (double)print->stage->memory_max);
    single(print, METRIC_RECORDS_HELD, (double)size->records);
    single(print, METRIC_RECORDS_MAX,
           print->stage->records_max == INT64_MAX ? 0 : (double)print->stage->records_max);
}

static void print_brokers(struct print *print, const struct kafka_statistics *statistics)
{
    static const struct {
        enum metric metric;
        size_t place;
        double unit;
    } counts[] = {
        {METRIC_BROKER_RTT, offsetof(struct kafka_broker, rtt_mean_us), 1e-6},
        {METRIC_BROKER_RTT_P99, offsetof(struct kafka_broker, rtt_p99_us), 1e-6},
        {METRIC_BROKER_OUTBUF, offsetof(struct kafka_broker, outbuf), 1},
        {METRIC_BROKER_WAITRESP, offsetof(struct kafka_broker, waitresp), 1},
        {METRIC_BROKER_TX, offsetof(struct kafka_broker, sent_bytes), 1},
        {METRIC_BROKER_RX, offsetof(struct kafka_broker, received_bytes), 1},
        {METRIC_BROKER_TX_ERRORS, offsetof(struct kafka_broker, send_errors), 1},
        {METRIC_BROKER_RX_ERRORS, offsetof(struct kafka_broker, receive_errors), 1},
        {METRIC_BROKER_TIMEOUTS, offsetof(struct kafka_broker, timeouts), 1},
        {METRIC_BROKER_RETRIES, offsetof(struct kafka_broker, retries), 1},
        {METRIC_BROKER_DISCONNECTS, offsetof(struct kafka_broker, disconnects), 1},
    };

    family(print, METRIC_BROKER_UP);
    for (size_t i = 0; i < statistics->count; i++)
        sample(print, METRIC_BROKER_UP,
               LABELS("client", statistics->brokers[i].client, "broker",
                      statistics->brokers[i].broker),
               statistics->brokers[i].up);
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        family(print, counts[i].metric);
        for (size_t j = 0; j < statistics->count; j++) {
            const struct kafka_broker *one = &statistics->brokers[j];
            int64_t value = *(const int64_t *)(const void *)((const char *)one + counts[i].place);
            sample(print, counts[i].metric, LABELS("client", one->client, "broker", one->broker),
                   (double)value * counts[i].unit);
        }
    }
}

static int open_files(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = -3; /* ".", "..", and this directory itself */

    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void print_process(struct print *print)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    single(print, METRIC_CPU, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    single(print, METRIC_RESIDENT, (double)memory_resident(""));
    single(print, METRIC_STARTED, (double)print->stage->wall_base_ms / 1000);
    single(print, METRIC_OPEN_FDS, open_files());
}

void metrics_print(struct buffer *out, const struct stage *stage, const struct tables *tables,
                   const struct overview *overview, const struct kafka_statistics *statistics)
{
    struct print print = {.out = out, .stage = stage, .tables = tables, .overview = overview};

    family(&print, METRIC_BUILD_INFO);
    sample(&print, METRIC_BUILD_INFO,
           LABELS("version", UPSHOT_VERSION, "librdkafka", rd_kafka_version_str()), 1);
    single(&print, METRIC_READY, overview->ready);
    single(&print, METRIC_RECORDS, (double)overview->tally.records);
    print_events(&print);
    print_outcomes(&print);
    print_sums(&print);
    print_dead_letters(&print);
    print_phases(&print);
    print_standing(&print, METRIC_UNSENT, STANDING_UNSENT);
    print_standing(&print, METRIC_WAITING, STANDING_WAITING);
    print_standing(&print, METRIC_SETTLED, STANDING_SETTLED);
    print_settle_latency(&print);
    print_tasks(&print);
    print_differences(&print);
    print_transactions(&print);
    print_restore(&print);
    print_memory(&print);
    print_brokers(&print, statistics);
    print_process(&print);
}
