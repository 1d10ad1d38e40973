/* options.c: a configuration from the command line, or one line of what is wrong with it. */
#include "consumer/options.h"

#include "consumer/command.h"
#include "consumer/log.h"
#include "schemas/channel_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell(const struct buffer *complaint)
{
    fprintf(stderr, "upshot: %.*s\n", (int)complaint->size, (const char *)complaint->bytes);
}

int options_parse_config(struct config *config, int key, const char *value)
{
    struct buffer complaint = {0};
    bool good = key == 'F' ? config_read_file(config, value, &complaint)
                           : config_set_pair(config, value, &complaint);

    if (good)
        return 0;
    tell(&complaint);
    buffer_release(&complaint);
    exit(EXIT_USAGE);
}

int options_check_properties(const struct config *config)
{
    struct buffer complaint = {0};
    bool good = config_check(config, &complaint);

    if (!good)
        tell(&complaint);
    buffer_release(&complaint);
    return good ? EXIT_WELL : EXIT_USAGE;
}

void options_check_name(const char *value, struct argp_state *state)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(value);

    if (size == 0 || size > OPTIONS_NAME_MAX || strspn(value, good) != size)
        argp_error(state, "--name: \"%s\" is not 1 to %d letters, digits, dots, _ and -", value,
                   OPTIONS_NAME_MAX);
}

enum { KEY_LOG_FORMAT = 0x1000, KEY_LOG_LEVEL };

static error_t parse_log(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case KEY_LOG_FORMAT:
        if (!log_choose_format(value))
            argp_error(state, "--log-format: \"%s\" is neither logfmt nor json", value);
        return 0;
    case 'v':
        log_set_level(LOG_DEBUG_LEVEL);
        return 0;
    case KEY_LOG_LEVEL:
        if (!log_choose_level(value))
            argp_error(state, "--log-level: \"%s\" is not error, warn, info or debug", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option log_options[] = {
    {"log-format", KEY_LOG_FORMAT, "logfmt|json", 0, "how the log on stderr is written (logfmt)",
     0},
    {"log-level", KEY_LOG_LEVEL, "error|warn|info|debug", 0, "the least that is logged (info)", 0},
    {"verbose", 'v', NULL, 0, "the same as --log-level debug", 0},
    {0},
};

static const struct argp log_argp = {.options = log_options, .parser = parse_log};

const struct argp_child options_log[] = {{&log_argp, 0, NULL, 9}, {0}};

int options_load_tables(const struct config *config, struct tables *tables)
{
    struct buffer complaints = {0};
    bool good = channel_files_load(config_channels(config), tables, &complaints);

    if (!good)
        fwrite(complaints.bytes, 1, complaints.size, stderr);
    buffer_release(&complaints);
    return good ? EXIT_WELL : EXIT_USAGE;
}

int options_check_config(const struct config *config)
{
    struct tables tables = {0};
    int code = options_check_properties(config);

    if (code == EXIT_WELL)
        code = options_load_tables(config, &tables);
    tables_release(&tables);
    return code;
}
