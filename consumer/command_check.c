/* command_check.c: upshot check, proves tables, or a configuration, before anything runs. */
#include "consumer/command.h"
#include "consumer/options.h"
#include "schemas/channel_file.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct arguments {
    struct config config;
    const char *const *paths;
    size_t path_count;
    bool describe, has_config, json;
};

enum { KEY_CONFIG = 1, KEY_JSON };

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"properties", KEY_CONFIG, NULL, 0, "list upshot's own properties: name, default, what it is",
     1},
    {"json", KEY_JSON, NULL, 0, "one JSON object a channel", 1},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'F':
    case 'X':
        arguments->has_config = true;
        return options_parse_config(&arguments->config, key, value);
    case KEY_CONFIG:
        arguments->describe = true;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = (const char *const *)(state->argv + state->next);
        arguments->path_count = (size_t)(state->argc - state->next);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void tell(const struct tables *tables, bool json)
{
    for (size_t i = 0; i < tables->count; i++) {
        const struct table *table = tables->rows[i];
        printf(json ? "{\"channel\":\"%s\",\"version\":%" PRId64 ",\"statuses\":%u,"
                      "\"digest\":\"%016" PRIx64 "\"}\n"
                    : "%s version %" PRId64 ": %u statuses, digest %016" PRIx64 ", good\n",
               table->channel, table->version, table->count, table->digest);
    }
}

static int check_path(const char *path, bool json)
{
    struct buffer complaints = {0};
    struct tables tables = {0};
    int code = EXIT_WELL;

    if (path != NULL && access(path, R_OK) != 0) {
        fprintf(stderr, "upshot check: ");
        perror(path);
        return EXIT_WORLD;
    }
    if (channel_files_load(path, &tables, &complaints)) {
        tell(&tables, json);
    } else {
        fwrite(complaints.bytes, 1, complaints.size, stderr);
        code = EXIT_FOUND;
    }
    tables_release(&tables);
    buffer_release(&complaints);
    return code;
}

static int describe(void)
{
    struct buffer out = {0};

    config_describe(&out);
    fwrite(out.bytes, 1, out.size, stdout);
    buffer_release(&out);
    return EXIT_WELL;
}

const struct argp argp_of_check = {
    .options = options,
    .parser = parse,
    .args_doc = "[DIR|FILE...]",
    .doc = "Proves channel tables: the ones built in, those of a directory, or single files. "
           "Every fault is one line: file, status, what is wrong.\v"
           "Examples:\n"
           "  upshot check\n"
           "  upshot check my-channels/\n"
           "  upshot check -F upshot.conf      (properties and the tables they name)",
};

int command_check(int argc, char **argv)
{
    struct arguments arguments = {0};
    int code = EXIT_WELL;

    config_init(&arguments.config);
    argp_parse(&argp_of_check, argc, argv, 0, NULL, &arguments);
    if (arguments.describe)
        code = describe();
    else if (arguments.has_config)
        code = options_check_config(&arguments.config);
    else if (arguments.path_count == 0)
        code = check_path(NULL, arguments.json);
    for (size_t i = 0; i < arguments.path_count; i++) {
        int found = check_path(arguments.paths[i], arguments.json);
        code = found > code ? found : code;
    }
    config_release(&arguments.config);
    return code;
}
