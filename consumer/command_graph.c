/* command_graph.c: upshot graph, a channel's machine drawn as dot, mermaid or svg. */
#include "consumer/command.h"
#include "consumer/drawing.h"
#include "schemas/channel_file.h"
#include "schemas/nearest.h"
#include "statemachine/require.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum format { FORMAT_DOT, FORMAT_MERMAID, FORMAT_SVG, FORMAT_COUNT };

static const char *const format_words[FORMAT_COUNT] = {
    [FORMAT_DOT] = "dot",
    [FORMAT_MERMAID] = "mermaid",
    [FORMAT_SVG] = "svg",
};

struct arguments {
    const char *channel;
    const char *channels;
    enum format format;
    bool all;
};

static const struct argp_option options[] = {
    {"format", 'f', "dot|mermaid|svg", 0, "dot where it is not given; svg takes graphviz", 0},
    {"channels", 'C', "DIR", 0, "channel tables instead of the ones built in", 0},
    {"all", 'a', NULL, 0, "draw every way that a status lists, the long ones pale", 0},
    {0},
};

static error_t parse_format(struct arguments *arguments, const char *word, struct argp_state *state)
{
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (strcmp(format_words[i], word) == 0) {
            arguments->format = (enum format)i;
            return 0;
        }
    argp_error(state, "there is no format \"%s\": dot, mermaid or svg", word);
    return EINVAL;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'f':
        return parse_format(arguments, value, state);
    case 'C':
        arguments->channels = value;
        return 0;
    case 'a':
        arguments->all = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->channel != NULL)
            argp_error(state, "one CHANNEL at a time, not \"%s\" too", value);
        arguments->channel = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a CHANNEL, such as sms");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- out -------------------------------------------------------------------------------- */

static int write_out(const struct buffer *out)
{
    if (fwrite(out->bytes, 1, out->size, stdout) == out->size && fflush(stdout) == 0)
        return EXIT_WELL;
    perror("upshot graph: stdout");
    return EXIT_WORLD;
}

static int complain_dot(enum drawing_result result)
{
    if (result == DRAWING_NO_DOT)
        fprintf(stderr, "upshot graph: dot, which draws the svg, cannot be run. Install graphviz "
                        "(apt-get install graphviz), or take --format dot or mermaid\n");
    else
        fprintf(stderr, "upshot graph: dot failed; --format dot shows what it was given\n");
    return EXIT_WORLD;
}

static int draw(const struct table *table, const struct arguments *arguments)
{
    enum drawing_result result = DRAWING_MADE;
    struct buffer out = {0};
    int code;

    if (arguments->format == FORMAT_MERMAID)
        drawing_mermaid(&out, table, arguments->all);
    else if (arguments->format == FORMAT_DOT)
        drawing_dot(&out, table, arguments->all);
    else
        result = drawing_svg(&out, table, arguments->all, NULL);
    require(!out.failed);
    code = result == DRAWING_MADE ? write_out(&out) : complain_dot(result);
    buffer_release(&out);
    return code;
}

static void complain_unknown(const struct tables *tables, const char *channel)
{
    const char *names[CHANNELS_MAX];
    const char *nearest;

    for (size_t i = 0; i < tables->count; i++)
        names[i] = tables->rows[i]->channel;
    nearest = nearest_name(channel, names, tables->count);
    fprintf(stderr, "upshot graph: there is no channel \"%s\"%s%s%s; there are:", channel,
            nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : nearest,
            nearest == NULL ? "" : "\"?");
    for (size_t i = 0; i < tables->count; i++)
        fprintf(stderr, " %s", names[i]);
    fprintf(stderr, "\n");
}

const struct argp argp_of_graph = {
    .options = options,
    .parser = parse,
    .args_doc = "CHANNEL",
    .doc = "Draws a channel's machine: statuses by phase, finals with a double border, what "
           "each comes to and after which time.\v"
           "Examples:\n"
           "  upshot graph sms --format svg > sms.svg\n"
           "  upshot graph rcs --format mermaid\n"
           "  upshot graph voice -C my-channels/ | dot -Tpng > voice.png",
};

int command_graph(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct buffer complaints = {0};
    struct tables tables = {0};
    int code = EXIT_USAGE;

    argp_parse(&argp_of_graph, argc, argv, 0, NULL, &arguments);
    if (!channel_files_load(arguments.channels, &tables, &complaints)) {
        fwrite(complaints.bytes, 1, complaints.size, stderr);
    } else {
        const struct table *table =
            tables_find(&tables, (const uint8_t *)arguments.channel, strlen(arguments.channel));
        if (table == NULL)
            complain_unknown(&tables, arguments.channel);
        else
            code = draw(table, &arguments);
    }
    tables_release(&tables);
    buffer_release(&complaints);
    return code;
}
