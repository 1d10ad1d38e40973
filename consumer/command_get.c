/*
 * command_get.c: upshot get, a message as a running stage holds it.
 *
 * It asks by HTTP what /v1/messages shows. Of several processes the first that knows the message
 * answers; what the others say is only told where none does.
 */
#include "consumer/address.h"
#include "consumer/command.h"
#include "consumer/config.h"
#include "statemachine/bounds.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROCESSES_MAX = 64, CONNECT_S = 3, ANSWER_S = 70, ANSWER_MAX = 1 << 20 };

struct arguments {
    const char *channel, *id;
    const char *at[PROCESSES_MAX];
    size_t at_count;
    bool json;
};

static const struct argp_option options[] = {
    {"at", 'a', "HOST:PORT", 0,
     "a process to ask, at its http.listen (" CONFIG_HTTP_LISTEN "); several: one after the other",
     0},
    {"json", 'j', NULL, 0, "the answer as it came, JSON", 0},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct address address;

    switch (key) {
    case 'a':
        if (!address_parse(value, &address))
            argp_error(state, "--at: \"%s\" is not of the form HOST:PORT", value);
        if (arguments->at_count == PROCESSES_MAX)
            argp_error(state, "--at: at most %d processes", PROCESSES_MAX);
        arguments->at[arguments->at_count++] = value;
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            arguments->channel = value;
        else if (state->arg_num == 1)
            arguments->id = value;
        else
            argp_error(state, "one CHANNEL and one ID, not \"%s\" too", value);
        return 0;
    case ARGP_KEY_END:
        if (arguments->id == NULL)
            argp_error(state, "name a CHANNEL and an ID, such as sms m-1");
        if (arguments->id[0] == 0 || strlen(arguments->id) > MESSAGE_ID_MAX)
            argp_error(state, "an id has 1 to %d bytes", MESSAGE_ID_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- asking ------------------------------------------------------------------------------- */

static size_t on_bytes(char *bytes, size_t one, size_t count, void *context)
{
    struct buffer *body = context;

    if (body->size + count > ANSWER_MAX)
        return 0; /* no stage of ours */
    buffer_put(body, bytes, one * count);
    return one * count;
}

/* The body, and the status; 0 with *why where nobody answered. */
static long ask(CURL *curl, const char *at, const struct arguments *arguments, struct buffer *body,
                char why[CURL_ERROR_SIZE])
{
    char *channel = curl_easy_escape(curl, arguments->channel, 0);
    char *id = curl_easy_escape(curl, arguments->id, 0);
    char url[4096];
    long status = 0;

    snprintf(url, sizeof(url), "http://%s%s/v1/messages/%s/%s", at[0] == ':' ? "localhost" : "", at,
             channel, id);
    curl_free(channel);
    curl_free(id);
    buffer_clear(body);
    why[0] = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* a process beside us, not the world */
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (curl_easy_perform(curl) != CURLE_OK)
        return 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* ---- telling ------------------------------------------------------------------------------ */

static const char *text(const cJSON *object, const char *name)
{
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return found == NULL ? "" : found;
}

static int number(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(found) ? (int)found->valuedouble : 0;
}

static bool is_set(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* A foreign text may hold what a terminal would obey. */
static void say(const char *foreign)
{
    for (; *foreign != 0; foreign++)
        putchar((unsigned char)*foreign < ' ' || *foreign == 0x7f ? '?' : *foreign);
}

static void tell_message(const cJSON *message)
{
    static const char *const purposes[][2] = {
        {"settle", "its outcome falls due"},
        {"hold", "a send is waited for until then"},
        {"correct", "a correction falls due"},
        {"forget", "it is forgotten"},
    };
    const cJSON *seen;

    printf("%s ", text(message, "channel"));
    say(text(message, "message_id"));
    printf(": %s", text(message, "outcome"));
    if (number(message, "revision") > 0)
        printf(" (revision %d)", number(message, "revision"));
    printf("%s\n", is_set(message, "conflict") ? ", its statuses contradict each other" : "");
    if (is_set(message, "send_seen"))
        printf("  %s  send\n", text(message, "sent_at"));
    cJSON_ArrayForEach(seen, cJSON_GetObjectItemCaseSensitive(message, "timeline"))
        printf("  %s  %s\n", text(seen, "at"), text(seen, "status"));
    if (text(message, "reason")[0] != 0) {
        printf("  reason: ");
        say(text(message, "reason"));
        printf("\n");
    }
    for (size_t i = 0; i < sizeof(purposes) / sizeof(*purposes); i++)
        if (strcmp(text(message, "deadline_for"), purposes[i][0]) == 0)
            printf("  %s  %s\n", text(message, "deadline"), purposes[i][1]);
    printf("  partition %d, worker %d\n", number(message, "partition"), number(message, "worker"));
}

/* The answer as a tree, or NULL: whatever listens there is no stage. */
static cJSON *read_answer(const struct buffer *body)
{
    cJSON *answer = cJSON_ParseWithLength((const char *)body->bytes, body->size);

    if (cJSON_IsObject(answer))
        return answer;
    cJSON_Delete(answer);
    return NULL;
}

/* EXIT_WELL where this process knows it; else the code that the whole ends with if nobody does. */
static int ask_one(CURL *curl, const char *at, const struct arguments *arguments)
{
    char why[CURL_ERROR_SIZE];
    struct buffer body = {0};
    long status = ask(curl, at, arguments, &body, why);
    cJSON *answer = status == 0 ? NULL : read_answer(&body);
    int code = EXIT_WORLD;

    if (status == 0) {
        fprintf(stderr, "upshot get: %s: %s. Does the stage run, and is this its http.listen?\n",
                at, why);
    } else if (answer == NULL) {
        fprintf(stderr, "upshot get: %s: what listens there is no upshot\n", at);
    } else if (status == 200) {
        if (arguments->json)
            printf("%.*s\n", (int)body.size, (const char *)body.bytes);
        else
            tell_message(answer);
        code = EXIT_WELL;
    } else {
        fprintf(stderr, "upshot get: %s: %s\n", at, text(answer, "message"));
        code = status == 404 ? EXIT_FOUND : EXIT_WORLD;
    }
    cJSON_Delete(answer);
    buffer_release(&body);
    return code;
}

const struct argp argp_of_get = {
    .options = options,
    .parser = parse,
    .args_doc = "CHANNEL ID",
    .doc = "Shows a message as a running stage holds it: its life, its outcome, and what "
           "falls due next. Ends with 1 where nobody knows the message, 3 where a process "
           "does not answer.\v"
           "Examples:\n"
           "  upshot get sms m-1\n"
           "  upshot get email m-2 --at pod-0:9464 --at pod-1:9464 --json\n",
};

int command_get(int argc, char **argv)
{
    struct arguments arguments = {0};
    int code = EXIT_FOUND;
    CURL *curl;

    argp_parse(&argp_of_get, argc, argv, 0, NULL, &arguments);
    if (arguments.at_count == 0)
        arguments.at[arguments.at_count++] = CONFIG_HTTP_LISTEN;
    curl = curl_easy_init();
    if (curl == NULL)
        return EXIT_WORLD;
    for (size_t i = 0; i < arguments.at_count; i++) {
        int one = ask_one(curl, arguments.at[i], &arguments);
        if (one == EXIT_WELL) {
            code = EXIT_WELL;
            break;
        }
        code = one > code ? one : code;
    }
    curl_easy_cleanup(curl);
    return code;
}
