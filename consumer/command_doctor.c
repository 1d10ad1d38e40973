/* command_doctor.c: upshot doctor, looks at all that the stage stands on and says what to do. */
#include "consumer/command.h"
#include "consumer/doctor.h"
#include "consumer/log.h"
#include "consumer/options.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

struct arguments {
    struct config config;
    bool chosen[DOCTOR_CHECKS];
    bool some_chosen, json;
};

enum { KEY_JSON = 1 };

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"json", KEY_JSON, NULL, 0, "a JSON array of {check, target, level, finding, hint}", 1},
    {0},
};

static void choose(struct arguments *arguments, const char *word, struct argp_state *state)
{
    for (int i = 0; i < DOCTOR_CHECKS; i++)
        if (strcmp(word, doctor_words[i]) == 0) {
            arguments->chosen[i] = arguments->some_chosen = true;
            return;
        }
    argp_error(state, "there is no check \"%s\"; --help lists them", word);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        choose(arguments, value, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- telling ---------------------------------------------------------------------------- */

static void tell_line(void *context, const struct doctor_finding *finding)
{
    (void)context;
    printf("%-4s  %s %s: %s\n", doctor_level_words[finding->level], finding->check,
           finding->target, finding->text);
    if (finding->hint != NULL)
        printf("      -> %s\n", finding->hint);
    fflush(stdout); /* some checks take seconds */
}

static void put_member(struct buffer *out, const char *name, const char *value)
{
    buffer_put_json_string(out, name, strlen(name));
    buffer_put_byte(out, ':');
    if (value == NULL)
        buffer_put_string(out, "null");
    else
        buffer_put_json_string(out, value, strlen(value));
}

static void tell_json(void *context, const struct doctor_finding *finding)
{
    const char *const members[][2] = {
        {"check", finding->check},
        {"target", finding->target},
        {"level", doctor_level_words[finding->level]},
        {"finding", finding->text},
        {"hint", finding->hint},
    };
    bool *first = context;
    struct buffer out = {0};

    buffer_put_string(&out, *first ? "\n" : ",\n");
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        buffer_put_byte(&out, i == 0 ? '{' : ',');
        put_member(&out, members[i][0], members[i][1]);
    }
    buffer_put_byte(&out, '}');
    fwrite(out.bytes, 1, out.size, stdout);
    buffer_release(&out);
    *first = false;
}

static int examine(struct arguments *arguments)
{
    bool first = true;
    struct doctor_listener listener = {arguments->json ? tell_json : tell_line, &first};
    enum doctor_level worst;

    for (int i = 0; i < DOCTOR_CHECKS && !arguments->some_chosen; i++)
        arguments->chosen[i] = true;
    if (arguments->json)
        printf("[");
    worst = doctor_examine(&arguments->config, arguments->chosen, &listener);
    if (arguments->json)
        printf("\n]\n");
    return worst == DOCTOR_FAIL ? EXIT_FOUND : EXIT_WELL;
}

/* argp frees what this returns where it is not `text`. */
static char *list_checks(int key, const char *text, void *input)
{
    struct buffer out = {0};

    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(uintptr_t)text;
    buffer_put_string(&out, "Checks:\n");
    for (int i = 0; i < DOCTOR_CHECKS; i++) {
        char line[200];
        snprintf(line, sizeof(line), "  %-12s  %s\n", doctor_words[i], doctor_summaries[i]);
        buffer_put_string(&out, line);
    }
    buffer_put_string(&out, text);
    buffer_put_byte(&out, 0);
    return (char *)out.bytes;
}

const struct argp argp_of_doctor = {
    .options = options,
    .parser = parse,
    .children = options_log,
    .args_doc = "[CHECK...]",
    .doc =
        "Looks at all that the stage stands on, with the configuration that `upshot run` would "
        "have: a line a finding, ok, warn or fail, and what to do where it is not ok. Writes "
        "nothing to Kafka and joins no group, so it may run beside the stage. All checks take "
        "some five seconds; CHECKs are run alone.\v"
        "\nExit codes: 0 nothing fails, 1 something does, 2 usage or config.\n\n"
        "Examples:\n"
        "  upshot doctor -X bootstrap.servers=kafka:9092\n"
        "  upshot doctor -F upshot.conf transactions lag\n"
        "  upshot doctor -F upshot.conf --json | jq '.[] | select(.level != \"ok\")'\n\n"
        OPTIONS_HELP,
    .help_filter = list_checks,
};

int command_doctor(int argc, char **argv)
{
    struct arguments arguments = {0};
    int code;

    config_init(&arguments.config);
    log_set_level(LOG_ERROR_LEVEL); /* findings say it better */
    argp_parse(&argp_of_doctor, argc, argv, 0, NULL, &arguments);
    code = options_check_properties(&arguments.config);
    if (code == EXIT_WELL)
        code = examine(&arguments);
    config_release(&arguments.config);
    return code;
}
