/*
 * command_graph.c: upshot graph, a channel's machine drawn as dot, mermaid or svg.
 *
 * A status that lists B and C, where B lists C too, would make a web of arrows; so only the
 * transitive reduction of `then` is drawn, and the caption says how many ways that leaves out.
 */
#include "consumer/command.h"
#include "schemas/channel_file.h"
#include "schemas/nearest.h"
#include "statemachine/require.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum format { FORMAT_DOT, FORMAT_MERMAID, FORMAT_SVG, FORMAT_COUNT };

static const char *const format_words[FORMAT_COUNT] = {
    [FORMAT_DOT] = "dot",
    [FORMAT_MERMAID] = "mermaid",
    [FORMAT_SVG] = "svg",
};

struct colours {
    const char *fill, *line, *ground;
};

static const struct colours phase_colours[PHASE_COUNT] = {
    [PHASE_QUEUED] = {"#eceff1", "#78909c", "#fafbfb"},
    [PHASE_TRANSIT] = {"#dcebfb", "#3f7fbf", "#f7fbff"},
    [PHASE_PROVISIONAL] = {"#fff0d0", "#c98a1b", "#fffcf5"},
    [PHASE_FINAL] = {"#dff2df", "#3d8b40", "#f8fdf8"},
};

struct arguments {
    const char *channel;
    const char *channels;
    enum format format;
    bool all;
};

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "dot (default), mermaid or svg; svg takes graphviz", 0},
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

/* ---- ways ------------------------------------------------------------------------------- */

struct ways {
    uint64_t short_ones[STATUSES_MAX]; /* the transitive reduction */
    uint64_t long_ones[STATUSES_MAX];  /* listed, but there is a way through others, too */
    int long_count;
};

/* `then` points to stronger ones only, so from the strongest down all that follows is known. */
static void find_ways(const struct table *table, struct ways *ways)
{
    uint64_t reached[STATUSES_MAX] = {0};

    *ways = (struct ways){0};
    for (size_t from = table->count; from-- > 0;) {
        uint64_t then = table->statuses[from].then;
        uint64_t through = 0;
        for (size_t to = from + 1; to < table->count; to++)
            if ((then >> to & 1) != 0)
                through |= reached[to];
        reached[from] = then | through;
        ways->short_ones[from] = then & ~through;
        ways->long_ones[from] = then & through;
        ways->long_count += __builtin_popcountll(then & through);
    }
}

/* ---- words ------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void put(struct buffer *out, const char *format, ...)
{
    char text[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    require(size >= 0 && (size_t)size < sizeof(text));
    buffer_put(out, text, (size_t)size);
}

/* In the largest unit that leaves a whole number; people say 72h, not 3d. */
static const char *duration_text(int64_t ms, char text[32])
{
    static const struct {
        int64_t ms, least_ms;
        const char *unit;
    } units[] = {
        {86400000, 4 * 86400000LL, "d"},
        {3600000, 3600000, "h"},
        {60000, 60000, "m"},
        {1000, 0, "s"},
        {1, 1, "ms"},
    };
    size_t i = 0;

    while (ms < units[i].least_ms || ms % units[i].ms != 0)
        i++;
    snprintf(text, 32, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
    return text;
}

/* Second line of a status: what it comes to, and when. */
static void put_verdict(struct buffer *out, enum outcome outcome, int64_t settle_after_ms)
{
    char text[32];

    if (settle_after_ms > 0)
        put(out, "%s after %s", outcome_words[outcome], duration_text(settle_after_ms, text));
    else
        put(out, "%s", outcome_words[outcome]);
}

static void put_caption(struct buffer *out, const struct table *table, const struct ways *ways,
                        const struct arguments *arguments)
{
    put(out, "%s, version %" PRId64 ": %u statuses, the weakest first", table->channel,
        table->version, table->count);
    if (ways->long_count > 0)
        put(out,
            arguments->all ? "; pale, for there is a way through others: %d"
                           : "; left out, for there is a way through others: %d",
            ways->long_count);
}

/* The page finds a status in the drawing by this, in lower case; "" is no status yet. */
static void put_dot_id(struct buffer *out, const char *status)
{
    put(out, "id=\"state-");
    for (; *status != 0; status++)
        buffer_put_byte(out, (uint8_t)tolower((unsigned char)*status));
    put(out, "\"");
}

/* A meaning is anybody's text; dot knows escapes and entities. */
static void put_dot_text(struct buffer *out, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\')
            put(out, "\\%c", *text);
        else if (*text == '&')
            put(out, "&amp;");
        else if (*text > 0 && *text < ' ')
            put(out, " ");
        else
            buffer_put_byte(out, (uint8_t)*text);
    }
}

/* ---- dot -------------------------------------------------------------------------------- */

static void put_dot_status(struct buffer *out, const struct status *status, size_t i)
{
    const struct colours *colours = &phase_colours[status->phase];

    put(out, "        s%zu [", i);
    put_dot_id(out, status->name);
    put(out, ", label=\"%s\\n", status->name);
    put_verdict(out, status->outcome, status->settle_after_ms);
    put(out, "\", fillcolor=\"%s\", color=\"%s\"", colours->fill, colours->line);
    if (status->phase == PHASE_FINAL)
        put(out, ", peripheries=2");
    put(out, ", tooltip=\"");
    put_dot_text(out, status->meaning[0] != 0 ? status->meaning : status->name);
    put(out, "\"];\n");
}

static void put_dot_phase(struct buffer *out, const struct table *table, enum phase phase)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        if (table->statuses[i].phase != phase)
            continue;
        if (!begun)
            put(out,
                "    subgraph cluster_%s {\n"
                "        label=\"%s\"; labelloc=t; style=\"rounded,filled\";\n"
                "        color=\"%s\"; fontcolor=\"%s\";\n",
                phase_words[phase], phase_words[phase], phase_colours[phase].ground,
                phase_colours[phase].line);
        begun = true;
        put_dot_status(out, &table->statuses[i], i);
    }
    if (begun)
        put(out, "    }\n");
}

static void put_dot_ways(struct buffer *out, size_t from, uint64_t then, const char *manner)
{
    for (size_t to = 0; to < STATUSES_MAX; to++)
        if ((then >> to & 1) != 0)
            put(out, "    s%zu -> s%zu%s;\n", from, to, manner);
}

static void put_dot(struct buffer *out, const struct table *table, const struct ways *ways,
                    const struct arguments *arguments)
{
    put(out, "digraph \"%s\" {\n", table->channel);
    put(out, "    rankdir=LR; nodesep=0.18; ranksep=0.4; bgcolor=white; labelloc=b; fontsize=11;\n"
             "    fontname=\"Helvetica\"; fontcolor=\"#546e7a\";\n"
             "    node [shape=box, style=\"rounded,filled\", width=1.1];\n"
             "    node [fontname=\"Helvetica\", fontsize=11];\n"
             "    edge [color=\"#607d8b\", arrowsize=0.7];\n"
             "    label=\"");
    put_caption(out, table, ways, arguments);
    put(out, "\";\n    none [");
    put_dot_id(out, "");
    put(out, ", label=\"no status yet\\n");
    put_verdict(out, table->initial_outcome, table->initial_settle_after_ms);
    put(out, "\", style=dashed, color=\"#90a4ae\", tooltip=\"the send alone\"];\n");
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        put_dot_phase(out, table, (enum phase)phase);
    put(out, "    none -> s0 [style=dashed];\n");
    for (size_t from = 0; from < table->count; from++) {
        put_dot_ways(out, from, ways->short_ones[from], "");
        if (arguments->all)
            put_dot_ways(out, from, ways->long_ones[from],
                         " [color=\"#cfd8dc\", constraint=false]");
    }
    put(out, "}\n");
}

/* ---- mermaid ---------------------------------------------------------------------------- */

static void put_mermaid_phase(struct buffer *out, const struct table *table, enum phase phase)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        const struct status *status = &table->statuses[i];
        bool final = phase == PHASE_FINAL;
        if (status->phase != phase)
            continue;
        if (!begun)
            put(out, "    subgraph %s\n", phase_words[phase]);
        begun = true;
        put(out, "        s%zu%s\"%s<br/>", i, final ? "[[" : "(", status->name);
        put_verdict(out, status->outcome, status->settle_after_ms);
        put(out, "\"%s:::%s\n", final ? "]]" : ")", phase_words[phase]);
    }
    if (begun)
        put(out, "    end\n");
}

static void put_mermaid_ways(struct buffer *out, size_t from, uint64_t then, const char *arrow)
{
    for (size_t to = 0; to < STATUSES_MAX; to++)
        if ((then >> to & 1) != 0)
            put(out, "    s%zu %s s%zu\n", from, arrow, to);
}

static void put_mermaid(struct buffer *out, const struct table *table, const struct ways *ways,
                        const struct arguments *arguments)
{
    put(out, "---\ntitle: \"");
    put_caption(out, table, ways, arguments);
    put(out, "\"\n---\nflowchart LR\n    none(\"no status yet<br/>");
    put_verdict(out, table->initial_outcome, table->initial_settle_after_ms);
    put(out, "\")\n");
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        put_mermaid_phase(out, table, (enum phase)phase);
    put(out, "    none -.-> s0\n");
    for (size_t from = 0; from < table->count; from++) {
        put_mermaid_ways(out, from, ways->short_ones[from], "-->");
        if (arguments->all)
            put_mermaid_ways(out, from, ways->long_ones[from], "-.->");
    }
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        put(out, "    classDef %s fill:%s,stroke:%s,color:#263238\n", phase_words[phase],
            phase_colours[phase].fill, phase_colours[phase].line);
}

/* ---- out -------------------------------------------------------------------------------- */

static int write_out(const struct buffer *out)
{
    if (fwrite(out->bytes, 1, out->size, stdout) == out->size && fflush(stdout) == 0)
        return EXIT_WELL;
    perror("upshot graph: stdout");
    return EXIT_WORLD;
}

/* The drawing as a file that nobody else sees, for a child's stdin: no pipe, so no deadlock. */
static int memory_file(const struct buffer *out)
{
    int fd = memfd_create("upshot-graph", MFD_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < out->size) {
        ssize_t size = write(fd, out->bytes + done, out->size - done);
        if (size < 0) {
            close(fd);
            return -1;
        }
        done += (size_t)size;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Graphviz writes to our stdout. */
static int write_svg(const struct buffer *out)
{
    char *const words[] = {(char[]){"dot"}, (char[]){"-Tsvg"}, NULL};
    posix_spawn_file_actions_t actions;
    int fd = memory_file(out);
    int status = 0, error;
    pid_t child;

    if (fd < 0) {
        perror("upshot graph: a file in memory");
        return EXIT_WORLD;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    error = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fd);
    if (error != 0) {
        fprintf(stderr,
                "upshot graph: dot, which draws the svg, cannot be run: %s. Install "
                "graphviz (apt-get install graphviz), or take --format dot or mermaid\n",
                strerror(error));
        return EXIT_WORLD;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_WELL;
    fprintf(stderr, "upshot graph: dot failed; --format dot shows what it was given\n");
    return EXIT_WORLD;
}

static int draw(const struct table *table, const struct arguments *arguments)
{
    struct buffer out = {0};
    struct ways ways;
    int code;

    find_ways(table, &ways);
    if (arguments->format == FORMAT_MERMAID)
        put_mermaid(&out, table, &ways, arguments);
    else
        put_dot(&out, table, &ways, arguments);
    require(!out.failed);
    code = arguments->format == FORMAT_SVG ? write_svg(&out) : write_out(&out);
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

int command_graph(int argc, char **argv)
{
    static const struct argp argp = {
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
    struct arguments arguments = {0};
    struct buffer complaints = {0};
    struct tables tables = {0};
    int code = EXIT_USAGE;

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
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
