/*
 * doctor_brokers.c: who answers at which address, and what release his APIs are those of.
 *
 * Each address gets a handle of its own that knows no other, so that a broker which answers cannot
 * speak for one that does not. A broker never tells its release, only the versions of its APIs;
 * librdkafka keeps these to itself, but logs them (debug=feature). Where its words change, only
 * `versions` is lost, and says so.
 */
#include "consumer/doctor_inside.h"

#include "consumer/clock.h"
#include "consumer/kafka.h"
#include "consumer/trouble.h"
#include "statemachine/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { API_KEYS = 128, ADDRESS_SIZE = 300, BROKERS_MAX = 256, SLICE_MS = 200 };

struct broker {
    char address[ADDRESS_SIZE];
    bool bootstrap;  /* of bootstrap.servers */
    int32_t id;      /* as metadata tells it; -1: not there */
    rd_kafka_t *client;
    bool answers;
    pthread_mutex_t lock; /* librdkafka's threads log, ours reads */
    char said[400];       /* why its connection broke, last */
    int16_t versions[API_KEYS]; /* highest + 1; 0: it has no such API */
    bool versions_known;
};

struct doctor_brokers {
    struct broker rows[BROKERS_MAX];
    size_t count;
    char cluster[128];
    int32_t controller;
};

/* ---- one address ------------------------------------------------------------------------ */

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    struct broker *broker = rd_kafka_opaque(client);
    const char *row = strstr(text, "  ApiKey ");
    int key, least, most;

    (void)level;
    if (strcmp(facility, "APIVERSION") != 0 || row == NULL ||
        sscanf(row, "  ApiKey %*s (%d) Versions %d..%d", &key, &least, &most) != 3 || key < 0 ||
        key >= API_KEYS)
        return;
    pthread_mutex_lock(&broker->lock);
    broker->versions[key] = (int16_t)(most + 1);
    broker->versions_known = true;
    pthread_mutex_unlock(&broker->lock);
}

static void on_error(rd_kafka_t *client, int code, const char *text, void *opaque)
{
    struct broker *broker = opaque;

    (void)client;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return; /* says nothing that the others did not */
    snprintf(broker->said, sizeof(broker->said), "%s", text);
}

static struct broker *find(struct doctor_brokers *brokers, const char *address)
{
    for (size_t i = 0; i < brokers->count; i++)
        if (strcmp(brokers->rows[i].address, address) == 0)
            return &brokers->rows[i];
    return NULL;
}

/* Begins to connect, in threads of librdkafka's. */
static struct broker *add(struct doctor *doctor, const char *address)
{
    struct doctor_brokers *brokers = doctor->brokers;
    struct broker *broker = find(brokers, address);

    if (broker != NULL || brokers->count == BROKERS_MAX)
        return broker;
    broker = &brokers->rows[brokers->count++];
    broker->id = -1;
    pthread_mutex_init(&broker->lock, NULL);
    snprintf(broker->address, sizeof(broker->address), "%s", address);
    broker->client = kafka_probe(doctor->config, address, broker, on_log, on_error);
    return broker;
}

/* Tries until the deadline: a name may have two addresses, and one of them nobody who listens. */
static void try_until(struct broker *broker, int64_t deadline_ms)
{
    const struct rd_kafka_metadata *metadata;

    while (broker->client != NULL && !broker->answers) {
        if (rd_kafka_metadata(broker->client, 0, NULL, &metadata, SLICE_MS) ==
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(metadata);
            broker->answers = true;
        }
        rd_kafka_poll(broker->client, 0);
        if (clock_monotonic_ms() >= deadline_ms)
            return;
    }
}

/* ---- all of them ------------------------------------------------------------------------ */

/* host[:port], a comma between two; a protocol may stand in front (PLAINTEXT://host:port). */
static void add_bootstrap(struct doctor *doctor)
{
    char *list = strdup(kafka_brokers(doctor->config)), *rest = NULL;

    require(list != NULL);
    for (char *word = strtok_r(list, ", ", &rest); word != NULL;
         word = strtok_r(NULL, ", ", &rest)) {
        char address[ADDRESS_SIZE];
        const char *host = strstr(word, "://") == NULL ? word : strstr(word, "://") + 3;
        const char *colon = strrchr(host, ':');
        struct broker *broker;
        snprintf(address, sizeof(address), "%s%s", host,
                 colon == NULL || strchr(colon, ']') != NULL ? ":9092" : "");
        broker = add(doctor, address);
        if (broker != NULL)
            broker->bootstrap = true;
    }
    free(list);
}

static void add_members(struct doctor *doctor)
{
    const struct rd_kafka_metadata *metadata;
    char *cluster;

    if (!doctor->answered || rd_kafka_metadata(doctor->client, 0, NULL, &metadata,
                                               DOCTOR_ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < metadata->broker_cnt; i++) {
        char address[ADDRESS_SIZE];
        struct broker *broker;
        snprintf(address, sizeof(address), "%s:%d", metadata->brokers[i].host,
                 metadata->brokers[i].port);
        broker = add(doctor, address);
        if (broker != NULL)
            broker->id = metadata->brokers[i].id;
    }
    rd_kafka_metadata_destroy(metadata);
    cluster = rd_kafka_clusterid(doctor->client, DOCTOR_ASK_MS);
    if (cluster != NULL) {
        snprintf(doctor->brokers->cluster, sizeof(doctor->brokers->cluster), "%s", cluster);
        rd_kafka_mem_free(doctor->client, cluster);
    }
    doctor->brokers->controller = rd_kafka_controllerid(doctor->client, DOCTOR_ASK_MS);
}

static struct doctor_brokers *look(struct doctor *doctor)
{
    int64_t deadline_ms;

    if (doctor->brokers != NULL)
        return doctor->brokers;
    doctor->brokers = memory_get_clean(sizeof(*doctor->brokers));
    doctor->brokers->controller = -1;
    add_bootstrap(doctor);
    add_members(doctor);
    deadline_ms = clock_monotonic_ms() + DOCTOR_ASK_MS;
    for (size_t i = 0; i < doctor->brokers->count; i++)
        try_until(&doctor->brokers->rows[i], deadline_ms);
    return doctor->brokers;
}

void doctor_brokers_release(struct doctor_brokers **brokers)
{
    for (size_t i = 0; *brokers != NULL && i < (*brokers)->count; i++) {
        if ((*brokers)->rows[i].client != NULL)
            rd_kafka_destroy((*brokers)->rows[i].client);
        pthread_mutex_destroy(&(*brokers)->rows[i].lock);
    }
    free(*brokers);
    *brokers = NULL;
}

/* ---- what is said of them --------------------------------------------------------------- */

static void say_unreachable(struct doctor *doctor, const struct broker *broker)
{
    const char *hint = trouble_at_address(broker->said);
    bool member = broker->id >= 0;

    if (hint == NULL)
        hint = member ? "the others name it as this broker's address: start it, or correct its "
                        "advertised.listeners so that it can be reached from here"
                      : "start it, open the way to it, or correct bootstrap.servers";
    /* One that only helps to begin is not missed while another does. */
    doctor_say(doctor, member || !doctor->answered ? DOCTOR_FAIL : DOCTOR_WARN, broker->address,
               hint, "does not answer%s%s", broker->said[0] == 0 ? "" : ": ", broker->said);
}

void doctor_brokers(struct doctor *doctor)
{
    struct doctor_brokers *brokers = look(doctor);
    size_t members = 0;

    for (size_t i = 0; i < brokers->count; i++) {
        const struct broker *broker = &brokers->rows[i];
        members += broker->id >= 0;
        if (!broker->answers)
            say_unreachable(doctor, broker);
        else if (broker->id >= 0)
            doctor_say(doctor, DOCTOR_OK, broker->address, NULL, "answers, broker %d%s",
                       broker->id, broker->bootstrap ? "" : ", found by the others");
        else
            doctor_say(doctor, DOCTOR_OK, broker->address, NULL,
                       "answers, and leads to brokers of other names");
    }
    if (members > 0)
        doctor_say(doctor, DOCTOR_OK, "cluster", NULL, "id %s, brokers %zu, controller %d",
                   brokers->cluster[0] == 0 ? "not known" : brokers->cluster, members,
                   brokers->controller);
}

enum api {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_INIT_PRODUCER_ID = 22,
    API_TXN_OFFSET_COMMIT = 28,
    API_DESCRIBE_CLUSTER = 60,
    API_CONSUMER_GROUP_HEARTBEAT = 68,
    API_SHARE_FETCH = 78,
};

/* What a release was the first to speak, newest first; one API is enough to know it by. */
static const struct {
    enum api key;
    int16_t version;
    const char *release;
} releases[] = {
    {API_SHARE_FETCH, 1, "4.1"},
    {API_PRODUCE, 12, "4.0"},
    {API_FETCH, 17, "3.9"},
    {API_FETCH, 16, "3.7"},
    {API_LIST_OFFSETS, 7, "3.0"},
    {API_DESCRIBE_CLUSTER, 0, "2.8"},
    {API_TXN_OFFSET_COMMIT, 3, "2.5"},
    {API_INIT_PRODUCER_ID, 0, "0.11"},
};

static bool speaks(const struct broker *broker, enum api key, int16_t version)
{
    return broker->versions[key] > version;
}

static const char *release_of(const struct broker *broker)
{
    for (size_t i = 0; i < sizeof(releases) / sizeof(*releases); i++)
        if (speaks(broker, releases[i].key, releases[i].version))
            return releases[i].release;
    return "before 0.11";
}

static void say_version(struct doctor *doctor, const struct broker *broker)
{
    const char *release = release_of(broker);

    if (!broker->versions_known)
        doctor_say(doctor, DOCTOR_OK, broker->address, NULL,
                   "not known: librdkafka %s does not tell what the broker's APIs are",
                   rd_kafka_version_str());
    else if (!speaks(broker, API_INIT_PRODUCER_ID, 0))
        doctor_say(doctor, DOCTOR_FAIL, broker->address, "use Kafka 2.5 or newer",
                   "has no transactions, which came with Kafka 0.11");
    else if (!speaks(broker, API_TXN_OFFSET_COMMIT, 3))
        doctor_say(doctor, DOCTOR_FAIL, broker->address, "use Kafka 2.5 or newer",
                   "speaks as Kafka %s: without KIP-447 a process that was thought dead can commit "
                   "what others have done since",
                   release);
    else if (doctor->config->group_protocol == GROUP_CONSUMER &&
             !speaks(broker, API_CONSUMER_GROUP_HEARTBEAT, 0))
        doctor_say(doctor, DOCTOR_FAIL, broker->address,
                   "use Kafka 4.0 or newer, or group.protocol=classic",
                   "speaks as Kafka %s, which does not know group.protocol=consumer", release);
    else
        doctor_say(doctor, DOCTOR_OK, broker->address, NULL,
                   "speaks as Kafka %s or newer; the release itself no broker tells", release);
}

void doctor_versions(struct doctor *doctor)
{
    struct doctor_brokers *brokers = look(doctor);
    const struct broker *first = NULL;

    for (size_t i = 0; i < brokers->count; i++) {
        struct broker *broker = &brokers->rows[i];
        if (!broker->answers)
            continue; /* the check before tells */
        pthread_mutex_lock(&broker->lock);
        say_version(doctor, broker);
        if (first == NULL)
            first = broker;
        else if (memcmp(first->versions, broker->versions, sizeof(broker->versions)) != 0)
            doctor_say(doctor, DOCTOR_WARN, broker->address,
                       "finish the upgrade, where one is under way",
                       "does not speak the same APIs as %s", first->address);
        pthread_mutex_unlock(&broker->lock);
    }
}
